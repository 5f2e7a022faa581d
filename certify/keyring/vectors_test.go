package keyring_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// hexBytes is how the vectors write what is binary.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// readVectors reads a file of the golden vectors (ledger/FORMAT.md), made by a script that shares nothing with this code.
func readVectors[T any](t *testing.T, name string) (file T) {
	t.Helper()
	b, err := os.ReadFile("../../ledger/testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

type keyVectors struct {
	BankID      string `json:"bank_id"`
	Keys        []goldenKey
	Submissions []struct {
		Name, Organization string
		KeyID              string `json:"key_id"`
		Statements         []hexBytes
		Root               hexBytes
		Text               string
		Signature          hexBytes
	}
	Paths         []json.RawMessage // of ledger/vectors_test.go
	Registrations []goldenProof
	AlsoValid     []goldenSignature `json:"also_valid"`
	Refused       struct {
		Texts      []struct{ Name, Text string }
		Signatures []goldenSignature
		Proofs     []goldenProof
		PublicKeys []struct {
			Name, Rule, Algorithm string
			SPKI                  hexBytes
		} `json:"public_keys"`
	}
}

type goldenKey struct {
	Name, Algorithm string
	Private, SPKI   hexBytes
	KeyID           string `json:"key_id"`
}

type goldenSignature struct {
	Name, Rule string
	KeyID      string `json:"key_id"`
	Text       string
	Signature  hexBytes
}

type goldenProof struct {
	Name, Rule, Organization, Purpose, Text string
	KeyID                                   string `json:"key_id"`
	Proof                                   hexBytes
}

// publicKeys parses the keys of the vectors, by id.
func (v keyVectors) publicKeys(t *testing.T) map[string]*keyring.PublicKey {
	t.Helper()
	keys := make(map[string]*keyring.PublicKey)
	for _, k := range v.Keys {
		algorithm, err := keyring.ParseAlgorithm(k.Algorithm)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		public, err := keyring.ParsePublicKey(algorithm, k.SPKI)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		if public.ID().String() != k.KeyID {
			t.Errorf("%s: id %s, want %s", k.Name, public.ID(), k.KeyID)
		}
		keys[k.KeyID] = public
	}
	return keys
}

func TestGoldenKeys(t *testing.T) {
	v := readVectors[keyVectors](t, "keys.json")
	keys := v.publicKeys(t)
	for _, k := range v.Keys {
		// A private key is a seed or a scalar, which is what Generate draws.
		private, err := keyring.Generate(keys[k.KeyID].Algorithm(), bytes.NewReader(k.Private))
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		if got := private.Public().ID().String(); got != k.KeyID {
			t.Errorf("%s: private key of %s, want %s", k.Name, got, k.KeyID)
		}
	}
	for _, c := range v.Refused.PublicKeys {
		algorithm := map[string]keyring.Algorithm{
			"ed25519": keyring.Ed25519, "ecdsa-p256-sha256": keyring.ECDSAP256SHA256, "sm2-sm3": keyring.SM2SM3,
		}[c.Algorithm]
		want := keyring.ErrPublicKey
		if algorithm == keyring.SM2SM3 {
			want = keyring.ErrAlgorithm
		}
		if _, err := keyring.ParsePublicKey(algorithm, c.SPKI); !errors.Is(err, want) {
			t.Errorf("%s (%s): %v", c.Name, c.Rule, err)
		}
	}
}

func TestGoldenSubmissions(t *testing.T) {
	v := readVectors[keyVectors](t, "keys.json")
	keys := v.publicKeys(t)
	for _, s := range v.Submissions {
		id, err := keyring.ParseKeyID(s.KeyID)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		organization := unit.OrganizationID(s.Organization)
		text := keyring.SubmissionText(v.BankID, organization, id, len(s.Statements), [32]byte(s.Root))
		if string(text) != s.Text {
			t.Errorf("%s: text is\n%s, want\n%s", s.Name, text, s.Text)
		}
		want := keyring.Submission{
			BankID: v.BankID, Organization: organization, Key: id, Statements: len(s.Statements), Root: [32]byte(s.Root),
		}
		if got, err := keyring.ParseSubmissionText([]byte(s.Text)); err != nil || got != want {
			t.Errorf("%s: parsed as %+v, %v", s.Name, got, err)
		}
		if err := keys[s.KeyID].Verify([]byte(s.Text), s.Signature); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	for _, s := range v.AlsoValid {
		if err := keys[s.KeyID].Verify([]byte(s.Text), s.Signature); err != nil {
			t.Errorf("%s (%s): %v", s.Name, s.Rule, err)
		}
	}
	for _, c := range v.Refused.Texts {
		if _, err := keyring.ParseSubmissionText([]byte(c.Text)); !errors.Is(err, keyring.ErrText) {
			t.Errorf("text %s: %v", c.Name, err)
		}
	}
	for _, c := range v.Refused.Signatures {
		if err := keys[c.KeyID].Verify([]byte(c.Text), c.Signature); !errors.Is(err, keyring.ErrSignature) {
			t.Errorf("signature %s (%s): %v", c.Name, c.Rule, err)
		}
	}
}

func TestGoldenRegistrations(t *testing.T) {
	v := readVectors[keyVectors](t, "keys.json")
	keys := v.publicKeys(t)
	verify := func(p goldenProof) error {
		purpose, err := keyring.ParsePurpose(p.Purpose)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		return keyring.VerifyPossession(v.BankID, unit.OrganizationID(p.Organization), keys[p.KeyID], purpose, p.Proof)
	}
	for _, r := range v.Registrations {
		purpose, err := keyring.ParsePurpose(r.Purpose)
		if err != nil {
			t.Fatal(err)
		}
		text := keyring.RegistrationText(v.BankID, unit.OrganizationID(r.Organization), keys[r.KeyID].ID(), purpose)
		if string(text) != r.Text {
			t.Errorf("%s: text is\n%s, want\n%s", r.KeyID, text, r.Text)
		}
		if err := verify(r); err != nil {
			t.Errorf("%s: %v", r.KeyID, err)
		}
	}
	for _, c := range v.Refused.Proofs {
		if err := verify(c); !errors.Is(err, keyring.ErrSignature) {
			t.Errorf("%s (%s): %v", c.Name, c.Rule, err)
		}
	}
}

func TestGoldenBankIDs(t *testing.T) {
	v := readVectors[struct {
		AccountNumbers    json.RawMessage `json:"account_numbers"`
		OrganizationCodes json.RawMessage `json:"organization_codes"`
		OrganizationIDs   json.RawMessage `json:"organization_ids"`
		BankIDs           []string        `json:"bank_ids"`
		Refused           []struct{ Of, Name, Text string }
	}](t, "names.json")
	for _, id := range v.BankIDs {
		if err := keyring.CheckBankID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	refused := 0
	for _, c := range v.Refused {
		if c.Of != "bank id" {
			continue
		}
		refused++
		if err := keyring.CheckBankID(c.Text); !errors.Is(err, keyring.ErrBankID) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if refused == 0 {
		t.Error("no bank id is refused")
	}
}

// goldenLog is the log of the vectors as someone reads it who checks who wrote what.
type goldenLog struct {
	bankID  string
	entries []*ledgerv1.Entry
	roots   map[uint64][32]byte // of submissions of several statements, which this package does not compute
}

var (
	errForm       = errors.New("neither signed by itself nor part of a submission")
	errSubmission = errors.New("no such submission, or another statement in it")
	errKey        = errors.New("key not registered before, or revoked")
)

// authorship is the check of FORMAT.md for the entry that stands after the first n.
func (l goldenLog) authorship(n uint64, e *ledgerv1.Entry) (registration uint64, text []byte, err error) {
	origin := e.GetCompletionRecorded().GetOrigin()
	if origin == nil {
		origin = e.GetCompletionVoided().GetOrigin()
	}
	id, signature, count := origin.GetKeyId(), origin.GetSignature(), 1
	var root [32]byte
	copy(root[:], origin.GetStatementHash())
	switch several := origin.GetSubmission() != 0; {
	case several == (len(id) != 0), several == (len(signature) != 0):
		return 0, nil, errForm
	case several:
		at := origin.GetSubmission()
		if at >= n || l.entries[at].GetSubmissionReceived() == nil {
			return 0, nil, errSubmission
		}
		received := l.entries[at].GetSubmissionReceived()
		hashes, from := received.GetStatementHashes(), 32*int(origin.GetPosition())
		if received.GetOrganization() != origin.GetOrganization() || from+32 > len(hashes) ||
			!bytes.Equal(hashes[from:from+32], origin.GetStatementHash()) {
			return 0, nil, errSubmission
		}
		id, signature, count, root = received.GetKeyId(), received.GetSignature(), len(hashes)/32, l.roots[at]
	}
	key, registration, err := l.key(n, id)
	if err != nil {
		return 0, nil, err
	}
	organization := unit.OrganizationID(origin.GetOrganization())
	if err := key.Check(organization, keyring.Sign, time.UnixMicro(e.GetTime())); err != nil {
		return 0, nil, err
	}
	text = keyring.SubmissionText(l.bankID, organization, key.Public.ID(), count, root)
	return registration, text, key.Public.Verify(text, signature)
}

// key finds a key as it stands after the first n entries.
func (l goldenLog) key(n uint64, id []byte) (key keyring.Key, registration uint64, err error) {
	found := false
	for i, e := range l.entries[:n] {
		if revoked := e.GetKeyRevoked(); found && revoked != nil && bytes.Equal(revoked.GetKeyId(), id) {
			return key, 0, errKey
		}
		added := e.GetKeyAdded()
		if added == nil || !bytes.Equal(added.GetKeyId(), id) {
			continue
		}
		public, err := keyring.ParsePublicKey(keyring.Algorithm(added.GetAlgorithm()), added.GetPublicKey())
		if err != nil {
			return key, 0, err
		}
		key = keyring.Key{
			Public: public, Organization: unit.OrganizationID(added.GetOrganization()),
			Purpose: keyring.Purpose(added.GetPurpose()), ValidFrom: time.UnixMicro(e.GetTime()),
		}
		if from := added.GetValidFrom(); from != 0 {
			key.ValidFrom = time.UnixMicro(from)
		}
		if until := added.GetValidUntil(); until != 0 {
			key.ValidUntil = time.UnixMicro(until)
		}
		registration, found = uint64(i), true
		if err := keyring.VerifyPossession(l.bankID, key.Organization, public, key.Purpose, added.GetProof()); err != nil {
			return key, 0, err
		}
	}
	if !found {
		return key, 0, errKey
	}
	return key, registration, nil
}

func TestGoldenAuthorship(t *testing.T) {
	entries := readVectors[struct {
		BankID  string `json:"bank_id"`
		Origin  string
		Entries []struct {
			Fact     string
			Message  json.RawMessage
			Bytes    hexBytes
			LeafHash hexBytes `json:"leaf_hash"`
		}
		State   json.RawMessage
		Refused json.RawMessage
	}](t, "entries.json")
	v := readVectors[struct {
		Checks []struct {
			Entry, Submission, Key uint64
			Position               uint32
			Statements             int
			StatementHash          hexBytes `json:"statement_hash"`
			Root                   hexBytes
			Text                   string
			Signature              hexBytes
		}
		Refused []struct {
			Name, Rule string
			After      uint64
			Bytes      hexBytes
		}
	}](t, "authorship.json")

	log := goldenLog{bankID: entries.BankID, roots: make(map[uint64][32]byte)}
	for _, e := range entries.Entries {
		log.entries = append(log.entries, decodeEntry(t, e.Bytes))
	}
	for _, c := range v.Checks {
		if c.Submission != 0 {
			log.roots[c.Submission] = [32]byte(c.Root)
		}
	}
	for _, c := range v.Checks {
		registration, text, err := log.authorship(c.Entry, log.entries[c.Entry])
		if err != nil || registration != c.Key || string(text) != c.Text {
			t.Errorf("entry %d: key of entry %d, text\n%s, %v", c.Entry, registration, text, err)
		}
		key, _, err := log.key(c.Entry, log.entries[c.Key].GetKeyAdded().GetKeyId())
		if err != nil {
			t.Fatalf("entry %d: %v", c.Entry, err)
		}
		if err := key.Public.Verify([]byte(c.Text), c.Signature); err != nil {
			t.Errorf("entry %d: %v", c.Entry, err)
		}
	}
	answers := map[string]error{
		"statement-hash-edited": keyring.ErrSignature, "signature-edited": keyring.ErrSignature,
		"key-unregistered": errKey, "key-revoked": errKey,
		"key-for-tokens": keyring.ErrKeyPurpose, "key-of-another-organization": keyring.ErrKeyOrganization,
		"no-signature": errForm, "signature-and-submission": errForm,
		"another-position": errSubmission, "position-outside": errSubmission,
		"submission-is-none": errSubmission, "submission-is-later": errSubmission,
	}
	for _, c := range v.Refused {
		_, _, err := log.authorship(c.After, decodeEntry(t, c.Bytes))
		if want := answers[c.Name]; want == nil || !errors.Is(err, want) {
			t.Errorf("%s (%s): %v, want %v", c.Name, c.Rule, err, want)
		}
	}
}

func decodeEntry(t *testing.T, b []byte) *ledgerv1.Entry {
	t.Helper()
	e := new(ledgerv1.Entry)
	if err := proto.Unmarshal(b, e); err != nil {
		t.Fatal(err)
	}
	return e
}
