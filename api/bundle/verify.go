package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Verified is what a bundle shows. Amounts are milli-credits.
type Verified struct {
	// BankID and Origin are the bank and the log that the credits come from; Size is how many entries that log had.
	BankID string `json:"bank_id"`
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	// Hold is the entry by which the credits were asked for, Posted the one by which they were taken over.
	Hold   uint64    `json:"hold"`
	Posted uint64    `json:"posted"`
	Asked  time.Time `json:"asked"`
	Taken  time.Time `json:"taken"`
	// Institution took them over for a programme, under the agreement that an entry published.
	Institution string `json:"institution"`
	Programme   string `json:"programme"`
	Agreement   uint64 `json:"agreement"`
	// AgreementName and AgreementVersion are what that says of itself.
	AgreementName    string `json:"agreement_name"`
	AgreementVersion string `json:"agreement_version"`
	// AgreementSigned says that the institution's signature over it is shown. A bundle without the institution's key leaves it to the bank's
	// word.
	AgreementSigned bool `json:"agreement_signed"`
	// Account is the opaque id of the learner's account; AccountNumber is what platforms know them by, empty where nothing is
	// signed by one.
	Account       unit.AccountID `json:"-"`
	AccountID     string         `json:"account_id"`
	AccountNumber string         `json:"account_number,omitempty"`
	Items         []Item         `json:"items"`
	// Credits are those of the bank, Granted those of the institution: sums over the items.
	Credits unit.Credits `json:"milli_credits"`
	Granted unit.Credits `json:"granted_milli_credits"`
}

// Item is what was taken of one lot.
type Item struct {
	// Recorded is the entry that recorded what it is of, Lot the one that gave the credits.
	Recorded uint64            `json:"recorded"`
	Lot      uint64            `json:"lot"`
	Kind     ledgerv1.ItemKind `json:"-"`
	KindName string            `json:"kind"` // "completion", "opening_balance" or "claim"
	Category string            `json:"category"`
	// Course is provider, code and version as the log has them, Title its name; all empty where there is no course.
	Provider string `json:"provider,omitempty"`
	Code     string `json:"code,omitempty"`
	Version  string `json:"version,omitempty"`
	Title    string `json:"title,omitempty"`
	// Platform signed the completion; empty where none did, and the bank alone says so.
	Platform string `json:"platform,omitempty"`
	// Ended is the last day of the learning, YYYY-MM-DD.
	Ended string `json:"ended"`
	// Score is the result that the platform signed, where it signed one.
	Score    int32 `json:"score,omitempty"`
	HasScore bool  `json:"has_score,omitempty"`
	// Credits were taken, and give Granted at the institution.
	Credits    unit.Credits `json:"milli_credits"`
	Granted    unit.Credits `json:"granted_milli_credits"`
	Recognised bool         `json:"recognised,omitempty"`
	// CountsAs is the institution's own course that they stand for; empty: none.
	CountsAs string `json:"counts_as,omitempty"`
}

// Verify opens and checks a file, as [Bundle.Verify] does.
func Verify(file []byte, verifier note.Verifier, origin string) (*Verified, error) {
	b, err := Open(file)
	if err != nil {
		return nil, err
	}
	return b.Verify(verifier, origin)
}

// Verify checks a bundle under the public key and the origin of the log that it comes from, and answers what it shows. What does
// not hold is a [Error].
func (b *Bundle) Verify(verifier note.Verifier, origin string) (*Verified, error) {
	if b.origin != origin {
		return nil, faultf("checkpoint", "it is of another log: %q, not %q", b.origin, origin)
	}
	c := &check{
		bundle: b.message, entries: make(map[uint64]*ledgerv1.Entry), keys: make(map[string]*ledgerv1.Entry), used: make(map[uint64]bool),
	}
	if err := c.open(verifier, origin); err != nil {
		return nil, err
	}
	founded, err := c.take(0, "the founding of the bank")
	if err != nil {
		return nil, err
	}
	if founded.GetBankFounded() == nil {
		return nil, faultf(entryPart(0), "it does not found a bank")
	}
	v := &Verified{
		BankID: founded.GetBankFounded().GetBankId(), Origin: origin, Size: c.checkpoint.Size,
		Hold: b.message.GetHold(), Posted: b.message.GetPosted(),
	}
	placed, posted, err := c.transfer(v)
	if err != nil {
		return nil, err
	}
	if err := c.items(v, placed, posted); err != nil {
		return nil, err
	}
	if err := c.statements(v); err != nil {
		return nil, err
	}
	return v, c.leftover()
}

// transfer checks the two entries that the transfer is.
func (c *check) transfer(v *Verified) (*ledgerv1.HoldPlaced, *ledgerv1.HoldPosted, error) {
	e, err := c.take(v.Hold, "the request for the transfer")
	if err != nil {
		return nil, nil, err
	}
	placed := e.GetHoldPlaced()
	if placed == nil {
		return nil, nil, faultf(entryPart(v.Hold), "it does not ask for a transfer")
	}
	v.Asked = time.UnixMicro(e.GetTime()).UTC()
	if e, err = c.take(v.Posted, "the acceptance of the transfer"); err != nil {
		return nil, nil, err
	}
	posted := e.GetHoldPosted()
	v.Taken = time.UnixMicro(e.GetTime()).UTC()
	switch {
	case posted == nil:
		return nil, nil, faultf(entryPart(v.Posted), "it does not accept a transfer")
	case posted.GetHold() != v.Hold:
		return nil, nil, faultf(entryPart(v.Posted), "it accepts transfer %d, not %d", posted.GetHold(), v.Hold)
	case !bytes.Equal(posted.GetAccount(), placed.GetAccount()):
		return nil, nil, faultf(entryPart(v.Posted), "it is of another account than the request")
	case v.Posted <= v.Hold || v.Taken.UnixMicro() >= placed.GetDeadline():
		return nil, nil, faultf(entryPart(v.Posted), "the request was not open any more, or not yet")
	case len(posted.GetTaken()) != len(placed.GetItems()):
		return nil, nil, faultf(entryPart(v.Posted), "it takes %d items of a request for %d", len(posted.GetTaken()), len(placed.GetItems()))
	}
	v.Institution, v.Programme, v.Agreement = placed.GetInstitution(), placed.GetProgramme(), placed.GetAgreement()
	if v.Account, err = unit.AccountIDFromBytes(placed.GetAccount()); err != nil {
		return nil, nil, faultf(entryPart(v.Hold), "it is of no account")
	}
	v.AccountID = v.Account.String()
	return placed, posted, c.agreement(v)
}

// items checks what was taken of each lot: of what was not, nothing is in the bundle.
func (c *check) items(v *Verified, placed *ledgerv1.HoldPlaced, posted *ledgerv1.HoldPosted) error {
	type lot struct {
		entry    uint64
		position uint32
	}
	lots := make(map[lot]bool, len(placed.GetItems()))
	for i, held := range placed.GetItems() {
		taken, of := posted.GetTaken()[i], lot{held.GetEntry(), held.GetPosition()}
		if lots[of] {
			return faultf(entryPart(v.Hold), "it asks for lot %d of entry %d twice", of.position, of.entry)
		}
		lots[of] = true
		if held.GetMilliCredits() < 1 || taken.GetMilliCredits() < 0 || taken.GetMilliCredits() > held.GetMilliCredits() ||
			taken.GetGranted() < 0 || taken.GetGranted() > held.GetGranted() || taken.GetMilliCredits() == 0 && taken.GetGranted() > 0 {
			return faultf(entryPart(v.Posted), "it takes more of item %d than was held, or less than nothing", i)
		}
		if taken.GetMilliCredits() == 0 {
			continue
		}
		// No sum leaves 64 bits: the largest bundle has some thousand items.
		if taken.GetMilliCredits() > maxAmount || taken.GetGranted() > maxAmount {
			return faultf(entryPart(v.Posted), "the amounts of item %d are none that there are", i)
		}
		item, err := c.item(v, held)
		if err != nil {
			return err
		}
		item.Credits, item.Granted = unit.Credits(taken.GetMilliCredits()), unit.Credits(taken.GetGranted())
		v.Credits += item.Credits
		v.Granted += item.Granted
		v.Items = append(v.Items, item)
	}
	if len(v.Items) == 0 {
		return faultf(entryPart(v.Posted), "it takes nothing")
	}
	return nil
}

// item checks that a lot was given, for something that was recorded.
func (c *check) item(v *Verified, held *ledgerv1.HoldItem) (Item, error) {
	item := Item{
		KindName: "completion", Recorded: held.GetCompletion().GetIndex(), Lot: held.GetEntry(), Category: held.GetCategory(), Recognised: held.GetRecognised(),
		CountsAs: held.GetCourse(), Ended: time.Unix(int64(held.GetCompletion().GetEndDay())*86_400, 0).UTC().Format(time.DateOnly),
	}
	e, err := c.take(item.Recorded, "what credits were taken of")
	if err != nil {
		return item, err
	}
	part := entryPart(item.Recorded)
	var account []byte
	var category string
	var day int32
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		account, category, day = fact.CompletionRecorded.GetAccount(), fact.CompletionRecorded.GetCategory(), fact.CompletionRecorded.GetEndDay()
		item.Platform = fact.CompletionRecorded.GetOrigin().GetOrganization()
		proposed, err := c.take(fact.CompletionRecorded.GetCourse(), "the course of a completion")
		if err != nil {
			return item, err
		}
		course := proposed.GetCourseProposed()
		if course == nil || course.GetCategory() != category {
			return item, faultf(entryPart(proposed.GetIndex()), "it is no course of category %q", category)
		}
		item.Provider, item.Code, item.Version, item.Title = course.GetProvider(), course.GetCode(), course.GetVersion(), course.GetTitle()
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		account, category = fact.OpeningBalanceRecorded.GetAccount(), fact.OpeningBalanceRecorded.GetCategory()
		day = fact.OpeningBalanceRecorded.GetEarnedDay()
		item.Kind, item.KindName = ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE, "opening_balance"
	case *ledgerv1.Entry_ClaimFiled:
		account, category, day = fact.ClaimFiled.GetAccount(), fact.ClaimFiled.GetCategory(), fact.ClaimFiled.GetEndDay()
		item.Kind, item.KindName = ledgerv1.ItemKind_ITEM_KIND_CLAIM, "claim"
	default:
		return item, faultf(part, "it records nothing of which credits are given")
	}
	switch {
	// It may have come over from an account that became part of this one: then the entry of its lot says so.
	case held.GetEntry() == item.Recorded && !bytes.Equal(account, v.Account[:]):
		return item, faultf(part, "it is of another account than the transfer")
	case category != held.GetCategory():
		return item, faultf(part, "it is of category %q, and %q was taken", category, held.GetCategory())
	case day != held.GetCompletion().GetEndDay():
		return item, faultf(part, "it ended on another day than the request says")
	case held.GetEntry() < item.Recorded || held.GetEntry() >= v.Hold:
		return item, faultf(part, "its credits were given by entry %d, before it or after they were asked for", held.GetEntry())
	}
	return item, c.lot(v, held)
}

// lot checks that the entry of a lot gave as much as was held of it.
func (c *check) lot(v *Verified, held *ledgerv1.HoldItem) error {
	e, err := c.take(held.GetEntry(), "what gave credits that were taken")
	if err != nil {
		return err
	}
	var account []byte
	var of uint64
	var effects *ledgerv1.Effects
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		account, of, effects = fact.CompletionRecorded.GetAccount(), e.GetIndex(), fact.CompletionRecorded.GetEffects()
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		account, of, effects = fact.OpeningBalanceRecorded.GetAccount(), e.GetIndex(), fact.OpeningBalanceRecorded.GetEffects()
	case *ledgerv1.Entry_CreditsAwarded:
		account, of = fact.CreditsAwarded.GetAccount(), fact.CreditsAwarded.GetCompletion().GetIndex()
		effects = fact.CreditsAwarded.GetEffects()
	case *ledgerv1.Entry_ItemMoved:
		account, of, effects = fact.ItemMoved.GetInto(), fact.ItemMoved.GetItem().GetIndex(), fact.ItemMoved.GetEffects()
	default:
	}
	lots := effects.GetLots()
	switch {
	case int(held.GetPosition()) >= len(lots):
		return faultf(entryPart(e.GetIndex()), "it gives no lot %d", held.GetPosition())
	case !bytes.Equal(account, v.Account[:]) || of != held.GetCompletion().GetIndex():
		return faultf(entryPart(e.GetIndex()), "it gives credits for something else than entry %d", held.GetCompletion().GetIndex())
	}
	if lot := lots[held.GetPosition()]; lot.GetAvailable()+lot.GetPending() < held.GetMilliCredits() {
		return faultf(entryPart(e.GetIndex()), "its lot %d has less than was held", held.GetPosition())
	}
	return nil
}

// statements checks that each completion that was taken of has its signed statement, and that there is no other.
func (c *check) statements(v *Verified) error {
	left := c.bundle.GetStatements()
	var last uint64
	for i, s := range left {
		switch {
		case i > 0 && s.GetRecorded() == last:
			return faultf("statement of entry "+strconv.FormatUint(last, 10), "it is there twice")
		case i > 0 && s.GetRecorded() < last:
			return faultf("statement of entry "+strconv.FormatUint(s.GetRecorded(), 10), "the statements are not in the order of the log")
		}
		last = s.GetRecorded()
	}
	signed := make(map[uint64]bool)
	for i := range v.Items {
		item := &v.Items[i]
		if item.Platform == "" {
			continue
		}
		j := slices.IndexFunc(left, func(s *ledgerv1.BundleStatement) bool { return s.GetRecorded() == item.Recorded })
		if j < 0 {
			return faultf("statement of entry "+strconv.FormatUint(item.Recorded, 10), "it is missing")
		}
		signed[item.Recorded] = true
		if err := c.statement(v, item, left[j]); err != nil {
			return err
		}
	}
	for _, s := range left {
		if !signed[s.GetRecorded()] {
			return faultf("statement of entry "+strconv.FormatUint(s.GetRecorded(), 10), "the transfer does not stand on it")
		}
	}
	return nil
}

// statement checks that a platform signed what the log says it did.
func (c *check) statement(v *Verified, item *Item, s *ledgerv1.BundleStatement) error {
	part := "statement of entry " + strconv.FormatUint(item.Recorded, 10)
	e := c.entries[item.Recorded]
	origin, hash := e.GetCompletionRecorded().GetOrigin(), merkle.LeafHash(s.GetStatement())
	if !bytes.Equal(hash[:], origin.GetStatementHash()) {
		return faultf(part, "it is not the one that the log has recorded")
	}
	path, err := hashes(part, "path", s.GetPath())
	if err != nil {
		return err
	}
	root, count := hash, int(s.GetStatements())
	if alone := len(origin.GetSignature()) > 0; alone {
		same := bytes.Equal(origin.GetKeyId(), s.GetKeyId()) && bytes.Equal(origin.GetSignature(), s.GetSignature())
		if count != 1 || len(path) > 0 || !same {
			return faultf(part, "it was signed by itself, and not as the bundle says")
		}
	} else if root, err = rootOf(hash, uint64(origin.GetPosition()), count, path); err != nil {
		return faultf(part, "its path does not lead to a submission: %v", err)
	}
	key, err := c.key(v, item.Platform, e, s.GetKeyId())
	if err != nil {
		return err
	}
	text := keyring.SubmissionText(v.BankID, key.Organization, key.Public.ID(), count, root)
	if err := key.Public.Verify(text, s.GetSignature()); err != nil {
		return faultf(part, "the signature of %q does not hold over it", item.Platform)
	}
	return c.stated(v, item, part, s.GetStatement(), origin.GetStatementId())
}

// rootOf is where a path leads from a leaf.
func rootOf(leaf merkle.Hash, position uint64, count int, path []merkle.Hash) (merkle.Hash, error) {
	if count < 2 || count > keyring.MaxStatements {
		return leaf, fmt.Errorf("a submission of %d", count)
	}
	return merkle.PathRoot(leaf, position, uint64(count), path)
}

// key checks that a key stood for an entry: it was registered for the organization before it, with a proof that its private half was
// held, and was valid then.
func (c *check) key(v *Verified, organization string, signed *ledgerv1.Entry, id []byte) (keyring.Key, error) {
	added := c.keys[string(id)]
	if added == nil {
		return keyring.Key{}, faultf("key "+hex.EncodeToString(id), "the entry that registers it is missing")
	}
	c.used[added.GetIndex()] = true
	fact, part := added.GetKeyAdded(), entryPart(added.GetIndex())
	public, err := keyring.ParsePublicKey(keyring.Algorithm(fact.GetAlgorithm()), fact.GetPublicKey())
	if err != nil {
		return keyring.Key{}, faultf(part, "it registers no key: %v", err)
	}
	publicID := public.ID()
	key := keyring.Key{
		Public: public, Organization: unit.OrganizationID(fact.GetOrganization()), Purpose: keyring.Purpose(fact.GetPurpose()),
		ValidFrom: time.UnixMicro(added.GetTime()),
	}
	if fact.GetValidFrom() != 0 {
		key.ValidFrom = time.UnixMicro(fact.GetValidFrom())
	}
	if fact.GetValidUntil() != 0 {
		key.ValidUntil = time.UnixMicro(fact.GetValidUntil())
	}
	switch {
	case !bytes.Equal(publicID[:], id):
		return keyring.Key{}, faultf(part, "it registers another key than it names")
	case added.GetIndex() >= signed.GetIndex():
		return keyring.Key{}, faultf(part, "it registers the key after it was used")
	}
	if err := keyring.VerifyPossession(v.BankID, key.Organization, public, key.Purpose, fact.GetProof()); err != nil {
		return keyring.Key{}, faultf(part, "its proof of possession does not hold")
	}
	if err := key.Check(unit.OrganizationID(organization), keyring.Sign, time.UnixMicro(signed.GetTime())); err != nil {
		return keyring.Key{}, faultf(part, "the key does not stand for entry %d: %v", signed.GetIndex(), err)
	}
	return key, nil
}

// stated checks that what was signed is what was recorded.
func (c *check) stated(v *Verified, item *Item, part string, statement, id []byte) error {
	s := new(statementv1.Statement)
	if err := proto.Unmarshal(statement, s); err != nil || s.GetCompletion() == nil {
		return faultf(part, "it states no completion")
	}
	stated := s.GetCompletion()
	same := stated.GetProvider() == item.Provider && stated.GetCourse() == item.Code && stated.GetCourseVersion() == item.Version
	switch {
	case !bytes.Equal(s.GetId(), id) || !same:
		return faultf(part, "it states another completion than the log has recorded")
	}
	// A learner can have had several: a number can be reissued, and an account become part of another one.
	v.AccountNumber = stated.GetAccountNumber()
	if item.HasScore = stated.Score != nil; item.HasScore {
		item.Score = stated.GetScore()
	}
	return nil
}

// agreement checks that the institution had published the terms under which it was asked, and its signature if its key is there.
func (c *check) agreement(v *Verified) error {
	e, err := c.take(v.Agreement, "the agreement")
	if err != nil {
		return err
	}
	published := e.GetAgreementPublished()
	hash := sha256.Sum256(published.GetYaml())
	switch {
	case published == nil || published.GetInstitution() != v.Institution:
		return faultf(entryPart(v.Agreement), "it publishes no agreement of %q", v.Institution)
	case v.Agreement >= v.Hold:
		return faultf(entryPart(v.Agreement), "it publishes the agreement after it was used")
	case !bytes.Equal(published.GetAgreementHash(), hash[:]):
		return faultf(entryPart(v.Agreement), "its agreement has another hash than it says")
	}
	v.AgreementName, v.AgreementVersion = published.GetAgreement(), published.GetVersion()
	if c.keys[string(published.GetKeyId())] == nil {
		return nil
	}
	key, err := c.key(v, v.Institution, e, published.GetKeyId())
	if err != nil {
		return err
	}
	if err := key.Public.Verify(keyring.AgreementText(v.BankID, key.Organization, key.Public.ID(), hash), published.GetSignature()); err != nil {
		return faultf(entryPart(v.Agreement), "the signature of %q does not hold over the agreement", v.Institution)
	}
	v.AgreementSigned = true
	return nil
}
