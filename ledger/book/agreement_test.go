package book_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type (
	naiveConsent struct {
		account, institution string
		items                []uint64
		expires              int64
		withdrawn            uint64 // entry, plus one
		by                   string
	}
	naiveAgreement struct {
		index, ended uint64 // ended: plus one
		from, last   int32
	}
)

// agreed is what agreements and consents do.
func (n *naive) agreed(e *ledgerv1.Entry) {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AgreementPublished:
		f := fact.AgreementPublished
		n.agreements[string(f.GetAgreementHash())] = &naiveAgreement{index: e.GetIndex(), from: f.GetEffectiveFromDay()}
		n.directory = e.GetIndex() + 1
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_AgreementEnded:
		f := fact.AgreementEnded
		a := n.agreements[string(f.GetAgreementHash())]
		a.ended, a.last = e.GetIndex()+1, f.GetLastDay()
		n.directory = e.GetIndex() + 1
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_ConsentGranted:
		f := fact.ConsentGranted
		n.consents[e.GetIndex()] = &naiveConsent{
			account: string(f.GetAccount()), institution: f.GetInstitution(), items: f.GetItems(), expires: f.GetExpires(),
		}
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_ConsentWithdrawn:
		f := fact.ConsentWithdrawn
		n.consents[f.GetConsent()].withdrawn, n.consents[f.GetConsent()].by = e.GetIndex()+1, f.GetActor().GetOfficer()
		n.requested(e, f.GetActor(), f.GetRequest())
	}
}

func (m *machine) publishAgreement(t *rapid.T) {
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AgreementPublished{AgreementPublished: &ledgerv1.AgreementPublished{
		Actor: &ledgerv1.Actor{Organization: platformA}, Request: m.request("PublishAgreement"), AgreementHash: append(m.id(), make([]byte, 16)...),
		Yaml: []byte("id: a"), Institution: platformA, Agreement: "a", EffectiveFromDay: rapid.Int32Range(1, 100).Draw(t, "from"), Signature: make([]byte, 64),
	}}})
}

// agreement draws one that was not ended.
func (m *machine) agreement(t *rapid.T) []byte {
	var all []string
	for _, hash := range slices.Sorted(maps.Keys(m.model.agreements)) {
		if m.model.agreements[hash].ended == 0 {
			all = append(all, hash)
		}
	}
	if len(all) == 0 {
		t.Skip("no such agreement")
	}
	return []byte(rapid.SampledFrom(all).Draw(t, "agreement"))
}

func (m *machine) endAgreement(t *rapid.T) {
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AgreementEnded{AgreementEnded: &ledgerv1.AgreementEnded{
		Actor: &ledgerv1.Actor{Organization: platformA}, Request: m.request("EndAgreement"), AgreementHash: m.agreement(t), LastDay: 200,
	}}})
}

func (m *machine) grantConsent(t *rapid.T) {
	id, _ := m.account(t)
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentGranted{ConsentGranted: &ledgerv1.ConsentGranted{
		Actor: &ledgerv1.Actor{Resident: true}, Request: m.request("GrantConsent"), Account: id, Institution: platformB, Purpose: "transfer",
		Items: rapid.SampledFrom([][]uint64{nil, {1, 2, 9}}).Draw(t, "items"), Expires: m.time + rapid.Int64Range(1, 5000).Draw(t, "lasts"),
	}}})
}

func (m *machine) withdrawConsent(t *rapid.T) {
	var all []uint64
	for _, index := range slices.Sorted(maps.Keys(m.model.consents)) {
		if m.model.consents[index].withdrawn == 0 {
			all = append(all, index)
		}
	}
	if len(all) == 0 {
		t.Skip("no such consent")
	}
	index := rapid.SampledFrom(all).Draw(t, "consent")
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentWithdrawn{ConsentWithdrawn: &ledgerv1.ConsentWithdrawn{
		Actor:   rapid.SampledFrom([]*ledgerv1.Actor{{Resident: true}, {Officer: "registrar"}}).Draw(t, "by"),
		Request: m.request("WithdrawConsent"), Account: []byte(m.model.consents[index].account), Consent: index,
	}}})
}

// checkAgreed compares agreements and consents with the model.
func (m *machine) checkAgreed(t *rapid.T) {
	for hash, want := range m.model.agreements {
		row, err := m.state.Agreement([]byte(hash))
		if err != nil || row.GetIndex() != want.index || row.GetEndedPlusOne() != want.ended || row.GetLastDay() != want.last ||
			row.GetFact().GetEffectiveFromDay() != want.from || row.GetFact().GetYaml() != nil || row.GetFact().GetRequest() != nil {
			t.Fatalf("agreement %x: %v, %v, not %+v", hash, row, err, want)
		}
	}
	for index, want := range m.model.consents {
		row, err := m.state.Consent(unit.AccountID([]byte(want.account)), index)
		if err != nil || row.GetFact().GetInstitution() != want.institution || !slices.Equal(row.GetFact().GetItems(), want.items) ||
			row.GetFact().GetExpires() != want.expires || row.GetWithdrawnPlusOne() != want.withdrawn || row.GetWithdrawnBy() != want.by ||
			(row.GetWithdrawnTime() != 0) != (want.withdrawn != 0) || row.GetFact().GetAccount() != nil {
			t.Fatalf("consent %d: %v, %v, not %+v", index, row, err, want)
		}
	}
}

// agreementMisfits are agreements and consents that are there already, are over, or are nobody's.
func (m *machine) agreementMisfits(id []byte, all map[string]*ledgerv1.Entry) {
	granted := func(change func(f *ledgerv1.ConsentGranted)) *ledgerv1.Entry {
		f := &ledgerv1.ConsentGranted{
			Actor: &ledgerv1.Actor{Resident: true}, Request: m.request("GrantConsent"), Account: id, Institution: platformB, Expires: m.time + 1,
		}
		change(f)
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentGranted{ConsentGranted: f}}
	}
	withdrawn := func(account []byte, consent uint64) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentWithdrawn{ConsentWithdrawn: &ledgerv1.ConsentWithdrawn{Account: account, Consent: consent}}}
	}
	all["consent of nobody"] = granted(func(f *ledgerv1.ConsentGranted) { f.Account = m.id() })
	all["consent to nobody"] = granted(func(f *ledgerv1.ConsentGranted) { f.Institution = "nobody" })
	all["consent that is over"] = granted(func(f *ledgerv1.ConsentGranted) { f.Expires = m.time })
	all["consent to items in no order"] = granted(func(f *ledgerv1.ConsentGranted) { f.Items = []uint64{2, 1} })
	all["no consent withdrawn"] = withdrawn(id, 1<<40)
	for index, c := range m.model.consents {
		if c.withdrawn != 0 {
			all["consent withdrawn twice"] = withdrawn([]byte(c.account), index)
		}
		if c.account != string(id) {
			all["consent of another withdrawn"] = withdrawn(id, index)
		}
	}
	published := func(hash []byte, institution string) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_AgreementPublished{AgreementPublished: &ledgerv1.AgreementPublished{
			AgreementHash: hash, Institution: institution,
		}}}
	}
	ended := func(hash []byte) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_AgreementEnded{AgreementEnded: &ledgerv1.AgreementEnded{AgreementHash: hash, LastDay: 1}}}
	}
	all["agreement of nobody"] = published(m.id(), "nobody")
	all["no agreement ended"] = ended(m.id())
	for hash, a := range m.model.agreements {
		all["agreement twice"] = published([]byte(hash), platformA)
		if a.ended != 0 {
			all["agreement ended twice"] = ended([]byte(hash))
		}
	}
}
