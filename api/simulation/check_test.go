package simulation_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// How much of what is known is asked for once more after each recovery; all of it is looked up.
const (
	askedAgain = 24
	proved     = 8
)

// recovered opens what a power loss left and compares it with what clients hold. The model is the caller's to give away.
func recovered(s setting, left *vfs.MemFS, m *model, random *rand.Rand) (err error) {
	s.bug = bug{}
	if err := anchored(s, left, m); err != nil {
		return err
	}
	w, err := open(s, left)
	if err != nil {
		return wrongf("what is left does not open: %v", err)
	}
	defer func() {
		if closed := w.close(); err == nil && closed != nil {
			err = wrongf("it does not close: %v", closed)
		}
	}()
	c := &check{world: w, model: m, random: random}
	if err := c.all(); err != nil {
		return err
	}
	for _, doubt := range m.doubts {
		if err := doubt.run(w, m, true); err != nil {
			return wrongf("asked once more: %v: %v", doubt, err)
		}
	}
	if err := c.again(); err != nil {
		return err
	}
	if len(m.doubts) == 0 {
		return nil
	}
	m.doubts = nil
	return c.all()
}

// anchored checks that whatever was published is at the anchor, before anybody mends it.
func anchored(s setting, left *vfs.MemFS, m *model) error {
	signed, err := pebble.NewAnchorFile(left, anchorPath).Load()
	if err != nil {
		return wrongf("the anchor: %v", err)
	}
	if signed == nil && m.newest == 0 {
		return nil
	}
	checkpoint, err := merkle.OpenCheckpoint(signed, apitest.Origin, s.verifier)
	if err != nil {
		return wrongf("the anchor: %v", err)
	}
	if checkpoint.Size < m.newest {
		return wrongf("%d entries were published, the anchor has %d", m.newest, checkpoint.Size)
	}
	return m.saw(checkpoint)
}

// check compares an open bank with a model.
type check struct {
	*world
	model  *model
	random *rand.Rand
}

// all looks at everything.
func (c *check) all() error {
	checkpoint, err := c.published()
	if err != nil {
		return wrongf("no checkpoint: %v", err)
	}
	if err := c.model.saw(checkpoint); err != nil {
		return err
	}
	if checkpoint.Size < c.model.newest {
		return wrongf("%d entries were published, now there are %d", c.model.newest, checkpoint.Size)
	}
	view, err := c.ledger.View()
	if err != nil {
		return wrongf("no view: %v", err)
	}
	defer view.Close()
	h, err := replay(view, c.model.checkpoints)
	if err != nil {
		return wrongf("replay: %v", err)
	}
	if err := c.fsck(h); err != nil {
		return err
	}
	for size, root := range c.model.checkpoints {
		if h.roots[size] != root {
			return wrongf("the first %d entries have root %v, the checkpoint that was published has %v", size, h.roots[size], root)
		}
	}
	if err := c.records(view, h); err != nil {
		return err
	}
	if err := c.proofs(checkpoint); err != nil {
		return err
	}
	if err := c.transfers(h); err != nil {
		return err
	}
	if err := c.consents(h); err != nil {
		return err
	}
	return c.portfolios(h)
}

// seen looks at what clients see while the bank is open, whether it has halted or not.
func (c *check) seen() error {
	checkpoint, err := c.published()
	if err != nil {
		return wrongf("no checkpoint: %v", err)
	}
	if err := c.model.saw(checkpoint); err != nil {
		return err
	}
	if checkpoint.Size < c.model.newest {
		return wrongf("%d entries were published, now there are %d", c.model.newest, checkpoint.Size)
	}
	view, err := c.ledger.View()
	if err != nil {
		return wrongf("no view: %v", err)
	}
	defer view.Close()
	h, err := replay(view, nil)
	if err != nil {
		return wrongf("replay: %v", err)
	}
	if h.root != checkpoint.Root {
		return wrongf("the root is %v, a replay has %v", checkpoint.Root, h.root)
	}
	if err := c.proofs(checkpoint); err != nil {
		return err
	}
	if err := c.transfers(h); err != nil {
		return err
	}
	if err := c.consents(h); err != nil {
		return err
	}
	return c.portfolios(h)
}

// fsck has the ledger check itself, with the seals opened and the signatures verified.
func (c *check) fsck(h *history) error {
	report, err := ledger.Fsck(ctx(), ledger.FsckConfig{
		Engine: c.rows, Anchor: c.anchor, Verifier: c.setting.verifier, BankID: apitest.BankID, Origin: apitest.Origin,
		Author: author, Unseal: c.unseal,
	})
	if err != nil {
		return wrongf("fsck: %v", err)
	}
	if len(report.Faults) > 0 {
		return wrongf("fsck: %d faults, the first: %v", len(report.Faults), report.Faults[0])
	}
	if report.Root != h.root || report.Size != h.size {
		return wrongf("fsck has root %v of %d entries, a replay %v of %d", report.Root, report.Size, h.root, h.size)
	}
	return nil
}

// author verifies a signature under a key as it was registered.
func author(s ledger.Signed, row *ledgerv1.KeyRow) error {
	public, err := keyring.ParsePublicKey(keyring.Algorithm(row.GetFact().GetAlgorithm()), row.GetFact().GetPublicKey())
	if err != nil {
		return err
	}
	organization := unit.OrganizationID(s.Organization)
	key := keyring.Key{
		Public: public, Organization: unit.OrganizationID(row.GetFact().GetOrganization()),
		Purpose: keyring.Purpose(row.GetFact().GetPurpose()), ValidFrom: time.UnixMicro(row.GetTime()),
	}
	if err := key.Check(organization, keyring.Sign, time.UnixMicro(s.At)); err != nil {
		return err
	}
	if s.Statements == 0 {
		return public.Verify(keyring.AgreementText(s.BankID, organization, public.ID(), s.Root), s.Signature)
	}
	return public.Verify(keyring.SubmissionText(s.BankID, organization, public.ID(), s.Statements, s.Root), s.Signature)
}

// unseal opens a payload. No account was erased here: each has to open.
func (c *check) unseal(account unit.AccountID, fact string, statement, sealed []byte) ([]byte, bool, error) {
	content, err := c.vault.Unseal(ctx(), account, fact, unit.StatementID(statement), sealed)
	return content, true, err
}

// records looks every receipt up, and every statement in the log among those that somebody posted.
func (c *check) records(view ledger.View, h *history) error {
	organizations, err := c.organizations(view)
	if err != nil {
		return err
	}
	keys := make([][]byte, len(c.model.order))
	for i, id := range c.model.order {
		keys[i] = book.StatementKey(organizations[c.model.records[id].platform], id)
	}
	known, err := view.Get(ctx(), keys...)
	if err != nil {
		return wrongf("%v", err)
	}
	for i, id := range c.model.order {
		r := c.model.records[id]
		if !h.contains(r.index, r.leaf) {
			return wrongf("statement %v was acknowledged as entry %d, which is not what it was", id, r.index)
		}
		if !bytes.Equal(known[i], book.Uint(r.index)) {
			return wrongf("statement %v was acknowledged as entry %d, and is known as %x", id, r.index, known[i])
		}
	}
	posted := make(map[unit.StatementID]bool)
	for _, doubt := range c.model.doubts {
		if s, ok := doubt.(submission); ok {
			for _, one := range s.statements {
				posted[one.id] = one.bad == ""
			}
		}
	}
	for id, index := range h.statements {
		if _, known := c.model.records[id]; !known && !posted[id] {
			return wrongf("entry %d records statement %v, which is nobody's", index, id)
		}
	}
	return nil
}

// organizations are the numbers by which platforms are known to the store.
func (c *check) organizations(view ledger.View) (map[string]uint64, error) {
	numbers, state := make(map[string]uint64), view.State(ctx())
	for _, r := range c.model.records {
		if _, known := numbers[r.platform]; known {
			continue
		}
		organization, err := state.Organization(r.platform)
		if err != nil || organization == nil {
			return nil, wrongf("there is no organization %s (%v)", r.platform, err)
		}
		numbers[r.platform] = organization.GetIndex()
	}
	return numbers, nil
}

// proofs asks for some proofs and verifies them as a stranger would.
func (c *check) proofs(newest merkle.Checkpoint) error {
	for n := range min(proved, len(c.model.order)) {
		id := c.model.order[len(c.model.order)-1]
		if n > 0 {
			id = c.model.order[c.random.IntN(len(c.model.order))]
		}
		r := c.model.records[id]
		p, err := c.InclusionProof(ctx(), r.index, 0)
		if err != nil {
			return wrongf("no proof of entry %d: %v", r.index, err)
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, r.index, p.Size, r.leaf[:], byteSlices(p.Hashes), newest.Root[:]); err != nil {
			return wrongf("the proof of entry %d does not hold: %v", r.index, err)
		}
	}
	left := proved
	for size, root := range c.model.checkpoints { // in any order
		if left--; left < 0 {
			break
		}
		p, err := c.ConsistencyProof(ctx(), size, 0)
		if err != nil {
			return wrongf("no proof that size %d is a beginning: %v", size, err)
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, size, p.Size, byteSlices(p.Hashes), root[:], newest.Root[:]); err != nil {
			return wrongf("the proof that size %d is a beginning does not hold: %v", size, err)
		}
	}
	return nil
}

func byteSlices(hashes []merkle.Hash) [][]byte {
	all := make([][]byte, len(hashes))
	for i := range hashes {
		all[i] = hashes[i][:]
	}
	return all
}

// portfolios compares what holders are shown with what the entries add up to.
func (c *check) portfolios(h *history) error {
	for name, account := range c.model.accounts {
		if id, err := c.vault.Lookup(ctx(), account.Number); err != nil || id != account.ID {
			return wrongf("%s's account number leads to %v, %v", name, id, err)
		}
		if c.model.gone[name] || c.model.merges(account) {
			continue
		}
		if err := c.portfolio(h, account); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) portfolio(h *history, account api.Account) error {
	holder, err := c.resident(account.ID)
	if err != nil {
		return wrongf("%v", err)
	}
	p, err := c.GetPortfolio(ctx(), holder, account.ID, 0)
	if err != nil {
		return wrongf("no portfolio: %v", err)
	}
	held := h.accounts[account.ID]
	if held == nil || held.completions != p.EntryCount {
		return wrongf("the portfolio has %d completions, the log %+v", p.EntryCount, held)
	}
	shown := make(map[string]amounts)
	var sum amounts
	for _, one := range p.Categories {
		shown[one.Category] = amountsOf(one.Totals)
		sum.add(amountsOf(one.Totals))
	}
	if sum != amountsOf(p.Totals) {
		return wrongf("the categories come to %+v, the totals are %+v", sum, p.Totals)
	}
	for category, want := range held.categories {
		if shown[category] != *want {
			return wrongf("%s: the portfolio has %+v, the entries add up to %+v", category, shown[category], *want)
		}
		delete(shown, category)
	}
	for category, extra := range shown {
		if extra != (amounts{}) {
			return wrongf("%s: the portfolio has %+v, the log nothing", category, extra)
		}
	}
	var points, given int64
	for _, n := range held.points {
		points += n
	}
	for _, n := range held.gives {
		given += n
	}
	if sum := int64(p.Points.Points + p.Points.Lapsed); sum != points || points != given {
		return wrongf("the portfolio has %d milli-points, the entries add up to %d, the completions to %d", sum, points, given)
	}
	entries, _, err := c.ListPortfolioEntries(ctx(), holder, account.ID, "", true, api.Page{Size: 100})
	if err != nil {
		return wrongf("no entries: %v", err)
	}
	for _, one := range entries {
		if err := earned(one); err != nil {
			return err
		}
	}
	return nil
}

// earned says whether somebody has no more of an item than what it was found worth, however often it was decided, but for what was
// transferred when it was found worth more.
func earned(one api.PortfolioEntry) error {
	var worth int64
	for _, r := range one.Decision.Reasons {
		if r.Stage == ledgerv1.Stage_STAGE_CONVERSION {
			worth = r.After
		}
	}
	has := int64(one.Decision.Available + one.Decision.Pending + one.Reserved + one.Transferred)
	if one.Opening == nil && one.Decision.Outcome == ledgerv1.Outcome_OUTCOME_AWARDED && has > max(worth, int64(one.Transferred)) {
		return wrongf("entry %d is worth %d milli-credits, and there are %d of it", one.Index, worth, has)
	}
	return nil
}

func amountsOf(t api.Totals) amounts {
	return amounts{
		int64(t.Minutes), int64(t.Issued), int64(t.Pending), int64(t.Available),
		int64(t.Reserved), int64(t.Transferred), int64(t.Expired), int64(t.Reversed),
	}
}

func (a *amounts) add(b amounts) {
	a.minutes += b.minutes
	a.issued += b.issued
	a.pending += b.pending
	a.available += b.available
	a.reserved += b.reserved
	a.transferred += b.transferred
	a.expired += b.expired
	a.reversed += b.reversed
}

// again asks for some of what was acknowledged once more: nothing happens, and the answer is the same.
func (c *check) again() error {
	before, err := c.published()
	if err != nil {
		return wrongf("no checkpoint: %v", err)
	}
	var asked []command
	for _, p := range platforms() {
		s := submission{platform: p}
		for n := range min(askedAgain, len(c.model.order)) {
			id := c.model.order[len(c.model.order)-1-n]
			if n >= askedAgain/2 {
				id = c.model.order[c.random.IntN(len(c.model.order))]
			}
			if r := c.model.records[id]; r.platform == p {
				s.statements = append(s.statements, statement{id: id, raw: r.raw, void: r.void, target: r.target})
			}
		}
		if len(s.statements) > 0 {
			asked = append(asked, s)
		}
	}
	for range min(4, len(c.model.done)) {
		asked = append(asked, c.model.done[c.random.IntN(len(c.model.done))])
	}
	for _, holder := range c.model.holders {
		asked = append(asked, holder)
	}
	for _, one := range asked {
		err := one.run(c.world, c.model, false)
		if broken, ok := errors.AsType[*wrong](err); ok {
			return broken
		}
		if err != nil {
			return wrongf("what was acknowledged, asked once more: %v: %v", one, err)
		}
	}
	after, err := c.published()
	if err != nil || after != before {
		return wrongf("the log went from %d to %d entries as nothing new was asked (%v)", before.Size, after.Size, err)
	}
	return nil
}
