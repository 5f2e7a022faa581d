package api_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/evidence"
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
					in.Shown.Items[0].Title == "" || in.Shown.Items[0].Platform != apitest.Platform || in.Shown.Credits != transfer.Held {
					t.Errorf("the %s is shown %+v", who, in.Shown)
				}
			}
			_, content, err := b.GetEvidence(ctx(), b.Officer(apitest.Officer), id, brought.ID)
			if must(t, err); !bytes.Equal(content, test.file) {
				t.Error("the file is not what was brought")
			}
		})
	}
}
