package api

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// directory is everything on the ledger that concerns nobody's account: organizations, keys, officers, courses,
// policies and agreements, decoded and compiled. It stands for one version and never changes.
//
// A directory is used outside the writer, to prepare statements in parallel. The writer compares its version with that
// of the state, and has what was prepared on an old one prepared again.
type directory struct {
	version       uint64
	organizations map[string]*ledgerv1.OrganizationRow
	numbers       map[uint64]string // organizations, as rows name them
	keys          map[keyring.KeyID]keyring.Key
	officers      map[string]*ledgerv1.OfficerRow
	courses       []*course // in the order in which they were proposed
	byName        map[courseName]*course
	byIndex       map[uint64]*course
	versions      map[courseCode][]*course // of a course, in the order in which they were proposed
	provided      map[string][]*course     // by a provider, in that order
	applications  []*ledgerv1.ApplicationRow
	admissions    map[string]*admission // of organizations
	policies      map[policyHash]*published
	scopes        map[string][]*published // by organization, in force first: see find
	agreements    map[string][]*agreed    // by institution
	agreedHashes  map[policyHash]*agreed
	earnings      *earnings
	spoken        *spokenNames
	// holds are the clawbacks that hold what is recorded now.
	holds []*ledgerv1.ClawbackSelection
}

type (
	policyHash [32]byte
	courseName struct{ provider, code, version string }
	courseCode struct{ provider, code string }
)

// course is a course in one version.
type course struct {
	*ledgerv1.CourseRow
	fact *ledgerv1.CourseProposed
	// open are the days on which learning may end to count, were it accredited.
	open []dayRange
	// words are what it is found by.
	words string
}

// until is the last day on which learning may end to count, 0 if there is none.
func (c *course) until() int32 {
	until := c.fact.GetValidUntilDay()
	if retired := c.GetLastDay(); c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED && (until == 0 || retired < until) {
		return retired
	}
	return until
}

// counts says whether the course was ever accredited.
func (c *course) counts() bool {
	return c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED ||
		c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED
}

func (c *course) name() courseName {
	return courseName{c.fact.GetProvider(), c.fact.GetCode(), c.fact.GetVersion()}
}

// published is a policy on the ledger, in force or only proposed.
type published struct {
	*policy.Policy
	row *ledgerv1.PolicyRow
	// anyDay: it is tried on learning of any day, whatever it says itself.
	anyDay bool
}

// EffectiveFrom is the first day on which learning may end to be judged by it.
func (p *published) EffectiveFrom() policy.Day {
	if p.anyDay {
		return math.MinInt32
	}
	return p.Policy.EffectiveFrom()
}

// EffectiveUntil is the last such day, inclusive; 0: until the next version.
func (p *published) EffectiveUntil() policy.Day {
	if p.anyDay {
		return 0
	}
	return p.Policy.EffectiveUntil()
}

func (p *published) inForce() bool { return p.row.GetPublishedPlusOne() != 0 }

// newestDirectory answers the directory of the newest view.
func (b *Bank) newestDirectory(ctx context.Context) (*directory, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, err
	}
	view.Close()
	return d, nil
}

// newestView answers a view of the ledger, which the caller closes, and the directory as it is there.
func (b *Bank) newestView(ctx context.Context) (ledger.View, *directory, error) {
	view, err := b.ledger.View()
	if err != nil {
		return ledger.View{}, nil, err
	}
	d, err := b.directoryOf(ctx, view)
	if err != nil {
		view.Close()
		return ledger.View{}, nil, err
	}
	return view, d, nil
}

// directoryOf answers the directory of a view, from memory when it is the one that was read last.
func (b *Bank) directoryOf(ctx context.Context, view ledger.View) (*directory, error) {
	version := view.Directory()
	if d := b.directory.Load(); d != nil && d.version == version {
		return d, nil
	}
	b.directoryMu.Lock()
	defer b.directoryMu.Unlock()
	last := b.directory.Load()
	if last != nil && last.version == version {
		return last, nil
	}
	d, err := b.readDirectory(ctx, view, version, last)
	if err != nil {
		return nil, err
	}
	if last == nil || last.version < version {
		b.directory.Store(d)
	}
	return d, nil
}

// readDirectory reads all of a view's directory. Policies that last compiled are not compiled again, nor are its keys read again.
func (b *Bank) readDirectory(ctx context.Context, view ledger.View, version uint64, last *directory) (*directory, error) {
	d := &directory{
		version:       version,
		organizations: make(map[string]*ledgerv1.OrganizationRow),
		numbers:       make(map[uint64]string),
		keys:          make(map[keyring.KeyID]keyring.Key),
		officers:      make(map[string]*ledgerv1.OfficerRow),
		byName:        make(map[courseName]*course),
		byIndex:       make(map[uint64]*course),
		versions:      make(map[courseCode][]*course),
		provided:      make(map[string][]*course),
		admissions:    make(map[string]*admission),
		earnings:      new(earnings),
		spoken:        new(spokenNames),
		policies:      make(map[policyHash]*published),
		scopes:        make(map[string][]*published),
		agreements:    make(map[string][]*agreed),
		agreedHashes:  make(map[policyHash]*agreed),
	}
	tables := []struct {
		table byte
		row   func(value []byte) error
	}{
		{book.TableOrganizations, d.readOrganization},
		{book.TableKeys, func(value []byte) error { return d.readKey(value, last, b.busy) }},
		{book.TableOfficers, d.readOfficer},
		{book.TableCourses, func(value []byte) error { return d.readCourse(value, last) }},
		{book.TableApplications, d.readApplication},
		{book.TableClawbacks, d.readHold},
		{book.TablePolicies, func(value []byte) error { return d.readPolicy(ctx, view, value, last) }},
		{book.TableAgreements, func(value []byte) error { return d.readAgreement(ctx, view, value, last) }},
	}
	for _, t := range tables {
		for row, err := range view.Scan(ctx, store.Prefix([]byte{t.table})) {
			if err == nil {
				err = t.row(row.Value)
			}
			if err != nil {
				return nil, fmt.Errorf("api: directory: %w", err)
			}
		}
	}
	for _, scope := range d.scopes {
		slices.SortFunc(scope, func(a, b *published) int {
			return cmp.Or(
				cmp.Compare(b.EffectiveFrom(), a.EffectiveFrom()),
				cmp.Compare(b.row.GetPublishedPlusOne(), a.row.GetPublishedPlusOne()),
			)
		})
	}
	return d, nil
}

func (d *directory) readOrganization(value []byte) error {
	row := new(ledgerv1.OrganizationRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	d.organizations[row.GetFact().GetOrganization()] = row
	d.numbers[row.GetIndex()] = row.GetFact().GetOrganization()
	d.admissions[row.GetFact().GetOrganization()] = admissionOf(row)
	return nil
}

// readKey reads a key. What it verifies with goes on, and so does what is kept of a busy one.
func (d *directory) readKey(value []byte, last *directory, busy *keyring.Busy) error {
	row := new(ledgerv1.KeyRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	fact := row.GetFact()
	var public *keyring.PublicKey
	if id, err := keyring.KeyIDFromBytes(fact.GetKeyId()); err == nil && last != nil {
		if known := last.keys[id].Public; known != nil && bytes.Equal(known.SPKI(), fact.GetPublicKey()) {
			public = known
		}
	}
	if public == nil {
		parsed, err := keyring.ParsePublicKey(keyring.Algorithm(fact.GetAlgorithm()), fact.GetPublicKey())
		if err != nil {
			return err
		}
		public = parsed.Busy(busy)
	}
	key := keyring.Key{
		Public:           public,
		Organization:     unit.OrganizationID(fact.GetOrganization()),
		Purpose:          keyring.Purpose(fact.GetPurpose()),
		ValidFrom:        time.UnixMicro(cmp.Or(fact.GetValidFrom(), row.GetTime())),
		ValidUntil:       optionalTime(fact.GetValidUntil()),
		RevokedAt:        optionalTime(row.GetRevokedTime()),
		CompromisedSince: optionalTime(row.GetCompromisedSince()),
	}
	d.keys[public.ID()] = key
	return nil
}

// timeOf is a time of the ledger.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// optionalTime is a time of the ledger, or the zero time where there is none.
func optionalTime(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return timeOf(micros)
}

func (d *directory) readOfficer(value []byte) error {
	row := new(ledgerv1.OfficerRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	d.officers[row.GetFact().GetOfficer()] = row
	return nil
}

// readCourse reads a course after all organizations were read. What it is found by never changes.
func (d *directory) readCourse(value []byte, last *directory) error {
	row := new(ledgerv1.CourseRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	c := &course{CourseRow: row, fact: row.GetFact()}
	provider := c.fact.GetProvider()
	if last != nil && last.byIndex[row.GetIndex()] != nil {
		c.words = last.byIndex[row.GetIndex()].words
	} else {
		c.words = searchable(c.fact.GetTitle(), c.fact.GetCode(), provider, d.organizations[provider].GetFact().GetName())
	}
	c.open = c.days(d.admissions[provider].days(ledgerv1.Role_ROLE_PROVIDER))
	d.courses = append(d.courses, c)
	d.byIndex[row.GetIndex()] = c
	d.byName[c.name()] = c
	d.provided[provider] = append(d.provided[provider], c)
	code := courseCode{provider, c.fact.GetCode()}
	d.versions[code] = append(d.versions[code], c)
	return nil
}

func (d *directory) readApplication(value []byte) error {
	row := new(ledgerv1.ApplicationRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	d.applications = append(d.applications, row)
	if a := d.admissions[row.GetFact().GetOrganization()]; a != nil {
		a.applications = append(a.applications, row)
	}
	return nil
}

func (d *directory) readHold(value []byte) error {
	row := new(ledgerv1.ClawbackRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	if row.GetFact().GetHoldFuture() && book.Undecided(row.GetState()) {
		d.holds = append(d.holds, row.GetFact().GetSelection())
	}
	return nil
}

func (d *directory) readPolicy(ctx context.Context, view ledger.View, value []byte, last *directory) error {
	row := new(ledgerv1.PolicyRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	hash := policyHash(row.GetFact().GetPolicyHash())
	p := &published{row: row}
	if last != nil && last.policies[hash] != nil {
		p.Policy = last.policies[hash].Policy
	} else {
		yaml, err := policyYAML(ctx, view, row)
		if err != nil {
			return err
		}
		if p.Policy, err = policy.Load(yaml); err != nil {
			return fmt.Errorf("policy %x: %w", hash, err)
		}
	}
	d.policies[hash] = p
	if p.inForce() {
		d.scopes[p.Organization()] = append(d.scopes[p.Organization()], p)
	}
	return nil
}

// policyYAML answers the exact bytes of a policy.
func policyYAML(ctx context.Context, view ledger.View, row *ledgerv1.PolicyRow) ([]byte, error) {
	e, err := entryOf(ctx, view, row.GetIndex())
	if err != nil {
		return nil, err
	}
	yaml := e.GetPolicyProposed().GetYaml()
	if yaml == nil {
		return nil, fmt.Errorf("%w: entry %d proposes no policy", ledger.ErrDamaged, row.GetIndex())
	}
	return yaml, nil
}

// entryOf answers an entry of a view, decoded.
func entryOf(ctx context.Context, view ledger.View, index uint64) (*ledgerv1.Entry, error) {
	b, err := view.Entry(ctx, index)
	if err != nil {
		return nil, err
	}
	return decodedEntry(index, b)
}

func decodedEntry(index uint64, b []byte) (*ledgerv1.Entry, error) {
	e := new(ledgerv1.Entry)
	if err := e.UnmarshalVT(b); err != nil {
		return nil, fmt.Errorf("%w: entry %d: %v", ledger.ErrDamaged, index, err)
	}
	return e, nil
}

// policyFor answers the policy in force for a provider's courses and learning that ended then: of the nearest
// organization, from the provider up, that has one for the day. A version without an end is in force until the next one
// begins, and does not come back when that one has ended. It answers nil when there is none.
func (d *directory) policyFor(provider string, ended time.Time) *published {
	for id := provider; id != ""; id = d.parent(id) {
		superseded := false // newer versions come first
		for _, p := range d.scopes[id] {
			day, until := p.Day(ended), p.EffectiveUntil()
			if day < p.EffectiveFrom() {
				continue
			}
			if (until == 0 && !superseded) || (until != 0 && day <= until) {
				return p
			}
			superseded = true
		}
	}
	return nil
}

func (d *directory) parent(organization string) string {
	return d.organizations[organization].GetFact().GetParent()
}

// Within implements access.Network.
func (d *directory) Within(organization, ancestor string) bool {
	for id := organization; id != ""; id = d.parent(id) {
		if id == ancestor {
			return true
		}
	}
	return false
}

// permit refuses callers who may not do something about an organization. Organizations are public: whoever may do it to
// some is told when there is none by this name.
func (d *directory) permit(caller access.Caller, action access.Action, field, organization string) error {
	if err := caller.Holds(action); err != nil {
		return err
	}
	if _, ok := d.organizations[organization]; !ok {
		return faultf(NotFound, ReasonUnknownOrganization, field, "there is no organization %q", organization)
	}
	return caller.Check(action, access.Subject{Organization: organization}, d)
}

// stands refuses an officer who has lost or changed office since the call was authenticated.
func (d *directory) stands(caller access.Caller) error {
	if caller.Kind != access.Officer {
		return nil
	}
	organization, offices, ok := d.Officer(caller.Officer)
	if !ok || organization != caller.Organization || !slices.Equal(offices, caller.Offices) {
		return fmt.Errorf("%w: the office has changed since the call began", access.ErrDenied)
	}
	return nil
}

// Version implements access.Directory.
func (d *directory) Version() uint64 { return d.version }

// Key implements access.Directory.
func (d *directory) Key(id keyring.KeyID) (keyring.Key, bool) {
	key, ok := d.keys[id]
	return key, ok
}

// Roles implements access.Directory.
func (d *directory) Roles(organization string) ([]ledgerv1.Role, bool) {
	a, ok := d.admissions[organization]
	if !ok {
		return nil, false
	}
	return a.roles, true
}

// Officer implements access.Directory.
func (d *directory) Officer(id string) (string, []ledgerv1.OfficerRole, bool) {
	row, ok := d.officers[id]
	if !ok || row.GetRemovedPlusOne() != 0 {
		return "", nil, false
	}
	return row.GetFact().GetOrganization(), row.GetFact().GetRoles(), true
}

// newest answers the newest version of a course that counts on a day, else the newest that was accredited; nil if there is none.
func (d *directory) newest(provider, code string, day int32) *course {
	return newestOf(d.versions[courseCode{provider, code}], day)
}

// newestOf is newest among versions in the order in which they were proposed.
func newestOf(versions []*course, day int32) *course {
	var last *course
	for _, c := range slices.Backward(versions) {
		switch {
		case !c.counts():
		case contains(c.open, day):
			return c
		case last == nil:
			last = c
		}
	}
	return last
}

// jurisdiction is the organization in whose subtree a case lies: the provider of the course, or of a claim the learner's home. It
// is empty where there is none.
func (d *directory) jurisdiction(row *ledgerv1.CaseRow) string {
	if row.GetOrganization() != 0 {
		return d.numbers[row.GetOrganization()]
	}
	if c := d.byIndex[row.GetCourse()]; c != nil {
		return c.fact.GetProvider()
	}
	return ""
}

// policyOf answers the policy with a hash, nil if there is none.
func (d *directory) policyOf(hash []byte) *published {
	if len(hash) != len(policyHash{}) {
		return nil
	}
	return d.policies[policyHash(hash)]
}
