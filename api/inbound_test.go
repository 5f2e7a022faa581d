package api_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/api/evidence"
	"github.com/learning-credit-bank/creditbank/certify/review"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// What another bank's bundle shows, the learner is told who brings it, and officers in the case; what does not hold, with the reason.
func TestInboundBundle(t *testing.T) {
	t.Parallel()
	sender := newTransfers(t)
	l := sender.learner()
	transfer := sender.requests(l, university, socialWork)
	_, err := sender.AcceptTransfer(ctx(), sender.institution(university), api.Acceptance{RequestID: sender.RequestID(), Hold: transfer.Hold}, false)
	must(t, err)
	file, err := sender.TransferBundle(ctx(), sender.Resident(l.ID), transfer.Hold)
	must(t, err)
	changed := slices.Clone(file)
	changed[len(changed)/2] ^= 1
	trusted := []api.TrustedLog{{Origin: apitest.Origin, Verifier: sender.Verifier}}
	for name, test := range map[string]struct {
		options apitest.Options
		file    []byte
		want    api.InboundStatus
	}{
		"trusted": {apitest.Options{Origin: "log.gongshu.test", TrustedLogs: trusted}, file, api.InboundVerified},
		"changed": {apitest.Options{Origin: "log.gongshu.test", TrustedLogs: trusted}, changed, api.InboundRefused},
		"unknown": {apitest.Options{Origin: "log.gongshu.test"}, file, api.InboundUnknownBank},
		"own":     {apitest.Options{}, file, api.InboundOwnBank},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBankWith(t, test.options)
			account := b.Open()
			learner := b.Resident(account.ID)
			brought, err := b.UploadEvidence(ctx(), learner, account.ID, "taken.bundle", evidence.Bundle, test.file)
			must(t, err)
			claim := b.certificate(learner, account.ID)
			claim.Evidence = append(claim.Evidence, brought.ClaimFile)
			id := b.files(learner, claim)
			_, seen, _, _, err := b.ReadCase(ctx(), b.Officer(apitest.Officer), id)
			must(t, err)
			files := seen.Claim.Evidence
			if len(files) != 2 || files[0].Inbound != nil || files[1].Inbound == nil || files[1].MediaType != evidence.Bundle {
				t.Fatalf("the officer sees %+v", files)
			}
			for who, in := range map[string]*api.Inbound{"learner": brought.Inbound, "officer": files[1].Inbound} {
				if in.Status != test.want || (in.Problem == "") != (test.want != api.InboundRefused) || (in.Shown == nil) != (test.want != api.InboundVerified) {
					t.Errorf("the %s is told %+v", who, in)
				}
				if in.Shown == nil {
					continue
				}
				if in.Origin != apitest.Origin || in.Shown.AccountID != l.ID.String() || len(in.Shown.Items) == 0 ||
					in.Shown.Items[0].Title == "" || in.Shown.Items[0].Platform != apitest.Platform || in.Shown.Credits != transfer.Held || !in.Shown.AgreementSigned {
					t.Errorf("the %s is shown %+v", who, in.Shown)
				}
			}
			read, content, err := b.GetEvidence(ctx(), learner, id, brought.ID)
			if must(t, err); !bytes.Equal(content, test.file) || read.Inbound == nil || read.Inbound.Status != test.want || len(read.Inbound.Uses) > 0 {
				t.Errorf("the file is not what was brought, or the learner is told %+v", read.Inbound)
			}
		})
	}
}

// What one transfer of another bank gave counts once: officers see in which other cases it was brought, in what bundle ever, and where
// these stand.
func TestBundleBroughtTwice(t *testing.T) {
	t.Parallel()
	sender := newTransfers(t)
	taken := func() (file, later []byte) {
		l := sender.learner()
		transfer := sender.requests(l, university, socialWork)
		_, err := sender.AcceptTransfer(ctx(), sender.institution(university), api.Acceptance{RequestID: sender.RequestID(), Hold: transfer.Hold}, false)
		must(t, err)
		file, err = sender.TransferBundle(ctx(), sender.Resident(l.ID), transfer.Hold)
		must(t, err)
		sender.learner() // the log grows: a later bundle of the same transfer is another file
		later, err = sender.TransferBundle(ctx(), sender.Resident(l.ID), transfer.Hold)
		if must(t, err); bytes.Equal(file, later) {
			t.Fatal("the bundles are the same")
		}
		return file, later
	}
	file, later := taken()
	elsewhere, _ := taken()

	b := newBankWith(t, apitest.Options{Origin: "log.gongshu.test", TrustedLogs: []api.TrustedLog{{Origin: apitest.Origin, Verifier: sender.Verifier}}})
	brings := func(account api.Account, files ...[]byte) uint64 {
		claim := b.certificate(b.Resident(account.ID), account.ID)
		for _, content := range files {
			brought, err := b.UploadEvidence(ctx(), b.Resident(account.ID), account.ID, "taken.bundle", evidence.Bundle, content)
			must(t, err)
			claim.Evidence = append(claim.Evidence, brought.ClaimFile)
		}
		return b.files(b.Resident(account.ID), claim)
	}
	uses := func(id uint64) (cases []uint64) {
		_, seen, _, _, err := b.ReadCase(ctx(), b.Officer(apitest.Officer), id)
		must(t, err)
		for _, file := range seen.Claim.Evidence {
			if file.Inbound == nil {
				continue
			}
			for _, use := range file.Inbound.Uses {
				cases = append(cases, use.Case)
			}
		}
		return cases
	}
	one, two := b.Open(), b.Open()
	alone := brings(one, elsewhere)
	a := brings(one, file)
	if uses(a) != nil || uses(alone) != nil {
		t.Error("what was brought once is said to be brought elsewhere")
	}
	again, somebody := brings(one, file), brings(two, later)
	for id, want := range map[uint64][]uint64{a: {again, somebody}, again: {a, somebody}, somebody: {a, again}, alone: nil} {
		if got := uses(id); !slices.Equal(got, want) {
			t.Errorf("case %d: also in %d, not %d", id, got, want)
		}
	}
	// What became of the other case is shown as it stands; that a person is forgotten frees nothing.
	b.takes(b.Resident(one.ID), again, review.Withdraw, givenUp)
	must(t, b.Vault.Erase(ctx(), one.ID))
	_, seen, _, _, err := b.ReadCase(ctx(), b.Officer(apitest.Officer), somebody)
	must(t, err)
	in := seen.Claim.Evidence[1].Inbound
	if len(in.Uses) != 2 || in.Uses[1].Case != again || in.Uses[1].Status != ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN {
		t.Errorf("also in %+v", in.Uses)
	}
}

// A bank that lost its log goes on under another name with the same entries: the transfer is the same one, whichever log a bundle is of.
// A file that only says that it is of the transfer, and has no such entry, is none of it.
func TestBundleOfAnotherLog(t *testing.T) {
	t.Parallel()
	sender := newTransfers(t)
	l := sender.learner()
	transfer := sender.accepts(sender.requests(l, university, socialWork))
	file, err := sender.TransferBundle(ctx(), sender.Resident(l.ID), transfer.Hold)
	must(t, err)
	changed := func(change func(*ledgerv1.TransferBundle)) []byte {
		content, err := bundle.Content(file)
		must(t, err)
		message := new(ledgerv1.TransferBundle)
		must(t, proto.Unmarshal(content, message))
		change(message)
		other, err := bundle.Marshal(message)
		must(t, err)
		return other
	}
	another := changed(func(m *ledgerv1.TransferBundle) {
		m.Checkpoint = bytes.Replace(m.GetCheckpoint(), []byte(apitest.Origin), []byte("again."+apitest.Origin), 1)
	})
	empty := changed(func(m *ledgerv1.TransferBundle) { m.Entries = nil })

	b := newBankWith(t, apitest.Options{Origin: "log.gongshu.test", TrustedLogs: []api.TrustedLog{{Origin: apitest.Origin, Verifier: sender.Verifier}}})
	brings := func(content []byte) uint64 {
		account := b.Open()
		brought, err := b.UploadEvidence(ctx(), b.Resident(account.ID), account.ID, "taken.bundle", evidence.Bundle, content)
		must(t, err)
		claim := b.certificate(b.Resident(account.ID), account.ID)
		claim.Evidence = []api.ClaimFile{brought.ClaimFile}
		return b.files(b.Resident(account.ID), claim)
	}
	first, second, third := brings(file), brings(another), brings(empty)
	for id, want := range map[uint64][]api.InboundUse{
		first: {{Case: second, Status: submitted}}, second: {{Case: first, Status: submitted}}, third: nil,
	} {
		_, seen, _, _, err := b.ReadCase(ctx(), b.Officer(apitest.Officer), id)
		must(t, err)
		if got := seen.Claim.Evidence[0].Inbound; !slices.Equal(got.Uses, want) {
			t.Errorf("case %d: %+v, not %+v", id, got.Uses, want)
		}
	}
}

// A case that was approved is not hidden behind many that were given up, and people who bring one transfer at the same moment are all
// seen, whatever the moment.
func TestBundleBroughtOften(t *testing.T) {
	t.Parallel()
	sender := newTransfers(t)
	l := sender.learner()
	transfer := sender.accepts(sender.requests(l, university, socialWork))
	file, err := sender.TransferBundle(ctx(), sender.Resident(l.ID), transfer.Hold)
	must(t, err)
	b := newBankWith(t, apitest.Options{Origin: "log.gongshu.test", TrustedLogs: []api.TrustedLog{{Origin: apitest.Origin, Verifier: sender.Verifier}}})
	claims := func(account api.Account) api.NewClaim {
		claim := b.certificate(b.Resident(account.ID), account.ID)
		brought, err := b.UploadEvidence(ctx(), b.Resident(account.ID), account.ID, "taken.bundle", evidence.Bundle, file)
		must(t, err)
		claim.Evidence = []api.ClaimFile{brought.ClaimFile}
		return claim
	}
	brings := func(account api.Account) uint64 { return b.files(b.Resident(account.ID), claims(account)) }
	uses := func(id uint64) []api.InboundUse {
		_, seen, _, _, err := b.ReadCase(ctx(), b.Officer(apitest.Officer), id)
		must(t, err)
		return seen.Claim.Evidence[0].Inbound.Uses
	}
	hidden := b.Open()
	for range 21 {
		b.takes(b.Resident(hidden.ID), brings(hidden), review.Withdraw, givenUp)
	}
	holder := b.Open()
	open, counts := brings(b.Open()), brings(holder)
	b.approvedByTwo(counts)
	b.until(b.read(counts).Deadline)
	b.ends(1)

	together, filed := make([]uint64, 8), make([]api.NewClaim, 8)
	for i := range filed {
		filed[i] = claims(b.Open())
	}
	var group sync.WaitGroup
	for i, claim := range filed {
		group.Go(func() {
			done, err := b.SubmitClaim(ctx(), b.Resident(claim.Account), claim)
			if err != nil {
				t.Error(err)
			}
			together[i] = done.Index
		})
	}
	group.Wait()
	slices.Sort(together)
	for i, id := range together {
		want := []uint64{counts, open}
		want = append(append(want, together[:i]...), together[i+1:]...)
		got := uses(id)
		if len(got) != 20 || got[0].Status != approved || got[len(want)].Status != ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN {
			t.Fatalf("case %d: also in %+v", id, got)
		}
		for k, other := range want {
			if got[k].Case != other {
				t.Errorf("case %d: number %d is %d, not %d", id, k, got[k].Case, other)
			}
		}
	}
	must(t, b.Vault.Erase(ctx(), holder.ID)) // that its learner is forgotten does not free what counts
	if got := uses(together[len(together)-1]); got[0] != (api.InboundUse{Case: counts, Status: approved}) {
		t.Errorf("also in %+v", got)
	}
}
