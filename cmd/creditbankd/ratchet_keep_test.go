package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/deploy/policies"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// Accounts of a kept bank to which something happens that what happens to others must not touch: from one to before another.
const (
	transferringFrom, transferringTo = 2, 14
	clawedFrom, clawedTo             = 14, 20
	mergingFrom, unmergingFrom       = 20, 22
)

// unkept are the facts that no kept bank has, and why.
func unkept() map[string]string {
	return map[string]string{
		"LogContinued": "a bank has it only once its log was lost and recovered",
	}
}

// checkKept says which facts no bank in testdata/formats has.
func checkKept(t *testing.T, kept map[string]int) {
	t.Helper()
	reasons := unkept()
	for _, name := range factNames() {
		switch reason, known := reasons[name]; {
		case kept[name] == 0 && !known:
			t.Errorf("no bank in %s has %s: give keepFormat a step and make one with it, or name it in unkept", formats, name)
		case kept[name] == 0:
			t.Logf("no bank in %s has %s: %s", formats, name, reason)
		case known:
			t.Errorf("a bank in %s has %s, which unkept names", formats, name)
		}
	}
}

// keptTransfer is a transfer as its account and its institution read it.
type keptTransfer struct {
	Transfer json.RawMessage `json:"transfer"`
	// Bundle is what the institution had of it, if it took anything.
	Bundle []byte `json:"bundle,omitempty"`
}

// until asks until it is so: a bank does some things beside its other work.
func (d *day) until(what string, so func(context.Context) (bool, error)) {
	d.t.Helper()
	ctx, done := context.WithTimeout(d.t.Context(), time.Minute)
	defer done()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		is, err := so(ctx)
		if err != nil {
			d.t.Fatalf("%s: %v", what, err)
		}
		if is {
			return
		}
		<-ticker.C
	}
}

// pass lets days pass: the bank is stopped, and started when they have.
func (d *day) pass(days int) {
	d.t.Helper()
	if code := d.server.finish(); code != exitOK {
		d.t.Fatalf("it ended with %d\n%s", code, d.server.stderr.String())
	}
	d.mu.Lock()
	d.now = d.now.AddDate(0, 0, days)
	d.mu.Unlock()
	if err := d.serve(); err != nil {
		d.t.Fatal(err)
	}
}

// limit publishes a policy from tomorrow on, under which credits are valid for a month.
func (d *day) limit() {
	d.t.Helper()
	text := string(policies.Xihu2026())
	for was, is := range map[string]string{
		`version: "2026.1"`:            `version: "2026.2"`,
		`effective_from: "2024-03-30"`: fmt.Sprintf("effective_from: %q", d.clock().In(district.Zone()).AddDate(0, 0, 1).Format(dayLayout)),
	} {
		if strings.Count(text, was) != 1 {
			d.t.Fatalf("the policy does not say %s once", was)
		}
		text = strings.Replace(text, was, is, 1)
	}
	text += "\nvalidity:\n  - id: month\n    months: 1\n    words:\n      zh: 学分 {limit} 个月内有效。\n      en: Credits are valid for {limit} months.\n"
	client := creditbankv1.NewPolicyServiceClient(d.conn)
	proposed, err := client.ProposePolicy(d.t.Context(), &creditbankv1.ProposePolicyRequest{
		RequestId: d.district.RequestID("policy", 2), Yaml: []byte(text),
	}, d.as("certifier-1"))
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = client.PublishPolicy(d.t.Context(), &creditbankv1.PublishPolicyRequest{
		RequestId: d.district.RequestID("policy", 3), PolicyHash: proposed.GetPolicy().GetPolicyHash(),
	}, d.as("certifier-2"))
	if err != nil {
		d.t.Fatal(err)
	}
}

// consentAndAgree has two institutions publish agreements, residents let them ask, and one of those change their mind.
func (d *day) consentAndAgree() {
	d.t.Helper()
	tokens := d.t.TempDir()
	for i, id := range d.accounts {
		d.persons = append(d.persons, person{account: id, number: d.numbers[i], tokenFile: filepath.Join(tokens, "resident.token")})
	}
	if err := errors.Join(d.institutionKeys(), d.agree(d.t.Context())); err != nil {
		d.t.Fatal(err)
	}
	client, by := creditbankv1.NewConsentServiceClient(d.conn), d.asResident(d.accounts[0])
	granted, err := client.ListConsents(d.t.Context(), new(creditbankv1.ListConsentsRequest), by)
	if err != nil || len(granted.GetConsents()) == 0 {
		d.t.Fatalf("%v, %v", granted, err)
	}
	_, err = client.WithdrawConsent(d.t.Context(), &creditbankv1.WithdrawConsentRequest{
		RequestId: d.district.RequestID("withdraw", 0), ConsentId: granted.GetConsents()[0].GetConsentId(),
	}, by)
	if err != nil {
		d.t.Fatal(err)
	}
}

// trust has an administrator trust an organization more than before.
func (d *day) trust(organization string) {
	d.t.Helper()
	_, err := creditbankv1.NewApplicationServiceClient(d.conn).ChangeOrganization(d.t.Context(), &creditbankv1.ChangeOrganizationRequest{
		RequestId: d.district.RequestID("trust", 0), Organization: organization, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST,
		TrustTier: 5, ReasonCode: "QUALITY",
	}, d.as("administrator-1"))
	if err != nil {
		d.t.Fatal(err)
	}
}

// endAgreement has an institution end what it agreed to, today.
func (d *day) endAgreement(of institution) {
	d.t.Helper()
	client, by := creditbankv1.NewAgreementServiceClient(d.conn), d.asOrganization(of.ID, of.authenticate)
	published, err := client.ListAgreements(d.t.Context(), &creditbankv1.ListAgreementsRequest{Institution: of.ID}, by)
	if err != nil || len(published.GetAgreements()) != 1 {
		d.t.Fatalf("%v, %v", published, err)
	}
	_, err = client.EndAgreement(d.t.Context(), &creditbankv1.EndAgreementRequest{
		RequestId: d.district.RequestID("end", 0), AgreementHash: published.GetAgreements()[0].GetAgreementHash(),
		LastDate: d.clock().In(district.Zone()).Format(dayLayout),
	}, by)
	if err != nil {
		d.t.Fatal(err)
	}
}

// asks has the first resident of whom an institution takes anything ask for it, and the institution answer as planned.
func (d *day) asks(n int, plan transferPlan) (account unit.AccountID, transfer uint64) {
	d.t.Helper()
	client, asked := creditbankv1.NewTransferServiceClient(d.conn), d.institutions[plan.institution]
	for _, id := range d.accounts[transferringFrom:transferringTo] {
		by := d.asResident(id)
		quoted, err := client.QuoteTransfer(d.t.Context(), &creditbankv1.QuoteTransferRequest{Institution: asked.ID, Programme: plan.programme}, by)
		if err != nil {
			d.t.Fatal(err)
		}
		q := quoted.GetQuote()
		if q.GetTakenMilliCredits() == 0 {
			continue
		}
		held, err := client.RequestTransfer(d.t.Context(), &creditbankv1.RequestTransferRequest{
			RequestId: d.district.RequestID("transfer", 2*n), Institution: asked.ID, Programme: plan.programme,
			AgreementHash: q.GetAgreementHash(), QuoteDate: q.GetQuoteDate(), QuoteDigest: q.GetDigest(),
		}, by)
		if err != nil {
			d.t.Fatal(err)
		}
		if err := d.answer(d.t.Context(), client, plan, held.GetTransfer(), d.district.RequestID("transfer", 2*n+1), by); err != nil {
			d.t.Fatal(err)
		}
		return id, held.GetTransfer().GetTransferId()
	}
	d.t.Fatalf("nobody has anything for %s at %s", plan.programme, asked.ID)
	return account, 0
}

// transferSome has a transfer end in each way that needs no waiting, and answers one that waits.
func (d *day) transferSome() (account unit.AccountID, waiting uint64) {
	d.t.Helper()
	for n, plan := range []transferPlan{
		{institution: 0, programme: "social-work-ba", end: acceptedInPart},
		{institution: 1, programme: "housekeeping-cert", end: acceptedWhole},
		{institution: 0, programme: "social-work-ba", end: isDeclined},
		{institution: 0, programme: "social-work-ba", end: isWithdrawn},
		{institution: 0, programme: "social-work-ba", end: waits},
	} {
		account, waiting = d.asks(n, plan)
	}
	return account, waiting
}

// lapses waits until a transfer has lapsed, after its time was up.
func (d *day) lapses(account unit.AccountID, transfer uint64) {
	d.t.Helper()
	client, by := creditbankv1.NewTransferServiceClient(d.conn), d.asResident(account)
	d.until("the transfer lapses", func(ctx context.Context) (bool, error) {
		answer, err := client.GetTransfer(ctx, &creditbankv1.GetTransferRequest{TransferId: transfer}, by)
		return answer.GetTransfer().GetStatus() == ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED, err
	})
}

// mergeAll makes an account part of another one, and has a second merge undone.
func (d *day) mergeAll() (merged, into unit.AccountID) {
	d.t.Helper()
	client := creditbankv1.NewMergeServiceClient(d.conn)
	for n, first := range []int{mergingFrom, unmergingFrom} {
		id := func(step string) string { return d.district.RequestID("merge "+step, n) }
		from, to := d.accounts[first], d.accounts[first+1]
		proposed, err := client.ProposeMerge(d.t.Context(), &creditbankv1.ProposeMergeRequest{
			RequestId: id("proposed"), FromAccountId: from.String(), IntoAccountId: to.String(), ReasonCode: "DOUBLE_ENROLMENT",
		}, d.as("registrar-1"))
		if err != nil {
			d.t.Fatal(err)
		}
		const approve = creditbankv1.MergeDecision_MERGE_DECISION_APPROVE
		merge := proposed.GetMerge().GetMerge()
		for _, officer := range []string{"certifier-1", "certifier-2"} {
			_, err := client.DecideMerge(d.t.Context(), &creditbankv1.DecideMergeRequest{
				RequestId: id(officer), Merge: merge, Decision: approve, ReasonCode: "IDENTITY_CHECKED",
			}, d.as(officer))
			if err != nil {
				d.t.Fatal(err)
			}
		}
		if first == mergingFrom {
			merged, into = from, to
			continue
		}
		for _, officer := range []string{"certifier-3", "certifier-1"} {
			_, err := client.UndoMerge(d.t.Context(), &creditbankv1.UndoMergeRequest{
				RequestId: id("undone by " + officer), Merge: merge, Decision: approve, ReasonCode: "DIFFERENT_PERSONS",
			}, d.as(officer))
			if err != nil {
				d.t.Fatal(err)
			}
		}
	}
	return merged, into
}

// mergedInto is the account of which another one became part, as its holder is told.
func (d *day) mergedInto(merged unit.AccountID) string {
	d.t.Helper()
	answer, err := creditbankv1.NewAccountServiceClient(d.conn).GetAccount(
		d.t.Context(), &creditbankv1.GetAccountRequest{AccountId: merged.String()}, d.asResident(merged))
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.GetAccount().GetMergedIntoAccountId()
}

// claw takes a completion back that was held before, and has another hold released.
func (d *day) claw() {
	d.t.Helper()
	client, chosen := creditbankv1.NewClawbackServiceClient(d.conn), d.counting(2)
	for n, completion := range chosen {
		id := func(step string) string { return d.district.RequestID("clawback "+step, n) }
		held := d.holds(id("proposed"), &creditbankv1.ClawbackSelection{Completion: completion})
		if n > 0 {
			_, err := client.DeclineClawback(d.t.Context(), &creditbankv1.DeclineClawbackRequest{RequestId: id("declined"), Clawback: held}, d.as("certifier-2"))
			if err != nil {
				d.t.Fatal(err)
			}
			d.comes(held, creditbankv1.ClawbackState_CLAWBACK_STATE_RELEASED)
			continue
		}
		seen := d.previews(&creditbankv1.PreviewClawbackRequest{Clawback: held}, "certifier-2")
		_, err := client.ConfirmClawback(d.t.Context(), &creditbankv1.ConfirmClawbackRequest{
			RequestId: id("confirmed"), Clawback: held, Digest: seen.GetDigest(),
		}, d.as("certifier-2"))
		if err != nil {
			d.t.Fatal(err)
		}
		d.comes(held, creditbankv1.ClawbackState_CLAWBACK_STATE_FINISHED)
	}
}

// counting are completions that have credits.
func (d *day) counting(n int) (chosen []uint64) {
	d.t.Helper()
	for _, id := range d.accounts[clawedFrom:clawedTo] {
		for _, entry := range d.entries(id) {
			if entry.GetCourse() != "" && entry.GetAssessment().GetAvailableMilliCredits() > 0 {
				if chosen = append(chosen, entry.GetEntryIndex()); len(chosen) == n {
					return chosen
				}
			}
		}
	}
	d.t.Fatalf("only %d completions have credits", len(chosen))
	return nil
}

// holds places a hold, and waits until it is in force.
func (d *day) holds(request string, selection *creditbankv1.ClawbackSelection) uint64 {
	d.t.Helper()
	seen := d.previews(&creditbankv1.PreviewClawbackRequest{Selection: selection}, "certifier-1")
	proposed, err := creditbankv1.NewClawbackServiceClient(d.conn).ProposeClawback(d.t.Context(), &creditbankv1.ProposeClawbackRequest{
		RequestId: request, Selection: seen.GetSelection(), Digest: seen.GetDigest(), ReasonCode: "NOT_ATTENDED", Reason: "签到记录有疑点", Hold: true,
	}, d.as("certifier-1"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.comes(proposed.GetClawback().GetClawback(), creditbankv1.ClawbackState_CLAWBACK_STATE_HELD)
	return proposed.GetClawback().GetClawback()
}

// comes waits until a clawback is in a state.
func (d *day) comes(clawback uint64, to creditbankv1.ClawbackState) {
	d.t.Helper()
	d.until(fmt.Sprintf("the clawback comes to %v", to), func(ctx context.Context) (bool, error) {
		answer, err := creditbankv1.NewClawbackServiceClient(d.conn).GetClawback(
			ctx, &creditbankv1.GetClawbackRequest{Clawback: clawback}, d.as("certifier-1"))
		return answer.GetClawback().GetState() == to, err
	})
}

// previews reads a preview to its end.
func (d *day) previews(asked *creditbankv1.PreviewClawbackRequest, officer string) (seen *creditbankv1.ClawbackPreview) {
	d.t.Helper()
	stream, err := creditbankv1.NewClawbackServiceClient(d.conn).PreviewClawback(d.t.Context(), asked, d.as(officer))
	for err == nil {
		var answer *creditbankv1.PreviewClawbackResponse
		if answer, err = stream.Recv(); err == nil {
			seen = answer.GetPreview()
		}
	}
	if !errors.Is(err, io.EOF) || seen.GetTotals().GetCompletions() == 0 {
		d.t.Fatalf("%v, %v", seen, err)
	}
	return seen
}

// transfersOf are the transfers that somebody may read.
func (d *day) transfersOf(by grpc.CallOption) map[uint64]*creditbankv1.Transfer {
	d.t.Helper()
	all := make(map[uint64]*creditbankv1.Transfer)
	for page := ""; ; {
		answer, err := creditbankv1.NewTransferServiceClient(d.conn).ListTransfers(
			d.t.Context(), &creditbankv1.ListTransfersRequest{PageToken: page}, by)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, transfer := range answer.GetTransfers() {
			all[transfer.GetTransferId()] = transfer
		}
		if page = answer.GetNextPageToken(); page == "" {
			return all
		}
	}
}

// keepTransfers notes the transfers of all accounts, and the bundles of those that were accepted.
func (d *day) keepTransfers() map[uint64]keptTransfer {
	d.t.Helper()
	kept := make(map[uint64]keptTransfer)
	for _, id := range d.accounts {
		for index, transfer := range d.transfersOf(d.asResident(id)) {
			one := keptTransfer{Transfer: asJSON(d.t, transfer)}
			if transfer.GetStatus() == ledgerv1.HoldStatus_HOLD_STATUS_POSTED {
				one.Bundle = d.bundleOf(transfer)
			}
			kept[index] = one
		}
	}
	return kept
}

// asInstitution makes a call the institution's of a transfer, whose key lies in the bank's directory.
func (d *day) asInstitution(id string) grpc.CallOption {
	d.t.Helper()
	key, err := readPrivateKey(filepath.Join(d.directory, "institutions", id+".authenticate.pem"))
	if err != nil {
		d.t.Fatal(err)
	}
	return d.asOrganization(id, keyFile{PrivateKey: key})
}

func (d *day) bundleOf(transfer *creditbankv1.Transfer) []byte {
	d.t.Helper()
	answer, err := creditbankv1.NewTransferServiceClient(d.conn).GetTransferBundle(d.t.Context(),
		&creditbankv1.GetTransferBundleRequest{TransferId: transfer.GetTransferId()}, d.asInstitution(transfer.GetInstitution()))
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.GetBundle()
}

// verifies checks that a bundle shows what a transfer says.
func (d *day) verifies(file []byte, transfer *creditbankv1.Transfer) {
	d.t.Helper()
	verifier, err := note.NewVerifier(d.vkey)
	if err != nil {
		d.t.Fatal(err)
	}
	shown, err := bundle.Verify(file, verifier, demoOrigin)
	if err != nil {
		d.t.Errorf("the bundle of transfer %d: %v", transfer.GetTransferId(), err)
		return
	}
	if shown.Hold != transfer.GetTransferId() || shown.AccountID != transfer.GetAccountId() || shown.Institution != transfer.GetInstitution() ||
		int64(shown.Credits) != transfer.GetTakenMilliCredits() || int64(shown.Granted) != transfer.GetTakenGrantedMilliCredits() {
		d.t.Errorf("the bundle shows %+v, and the transfer is %v", shown, transfer)
	}
}

// checkTransfers reads the transfers of a kept bank again, from both sides, and checks bundles of then and of now.
func (d *day) checkTransfers(kept map[uint64]keptTransfer) {
	d.t.Helper()
	for _, index := range slices.Sorted(maps.Keys(kept)) {
		was := new(creditbankv1.Transfer)
		if err := protojson.Unmarshal(kept[index].Transfer, was); err != nil {
			d.t.Errorf("transfer %d said what is not known any more: %v", index, err)
			continue
		}
		account, err := unit.ParseAccountID(was.GetAccountId())
		if err != nil {
			d.t.Fatal(err)
		}
		is := d.transfersOf(d.asResident(account))[index]
		there := d.transfersOf(d.asInstitution(was.GetInstitution()))[index]
		if is == nil || there == nil {
			d.t.Errorf("transfer %d is not listed any more: %v, %v", index, is, there)
			continue
		}
		differences(d.t, fmt.Sprintf("transfer %d", index), kept[index].Transfer, is)
		if there.GetTakenMilliCredits() != was.GetTakenMilliCredits() || there.GetHeldMilliCredits() != was.GetHeldMilliCredits() {
			d.t.Errorf("its institution reads %v, and transfer %d was %v", there, index, was)
		}
		if kept[index].Bundle != nil {
			d.verifies(kept[index].Bundle, was)
			d.verifies(d.bundleOf(is), is)
		}
	}
}

// acceptWaiting has the institutions accept what waits for them, and checks the bundles.
func (d *day) acceptWaiting(kept map[uint64]keptTransfer) {
	d.t.Helper()
	for _, index := range slices.Sorted(maps.Keys(kept)) {
		was := new(creditbankv1.Transfer)
		if err := protojson.Unmarshal(kept[index].Transfer, was); err != nil || was.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD {
			continue // checkTransfers has said so
		}
		answer, err := creditbankv1.NewTransferServiceClient(d.conn).AcceptTransfer(d.t.Context(), &creditbankv1.AcceptTransferRequest{
			RequestId: requestID, TransferId: index,
		}, d.asInstitution(was.GetInstitution()))
		if err != nil {
			d.t.Errorf("transfer %d cannot be accepted: %v", index, err)
			continue
		}
		if answer.GetTransfer().GetTakenMilliCredits() != was.GetHeldMilliCredits() {
			d.t.Errorf("%v was taken of %v", answer.GetTransfer(), was)
		}
		d.verifies(d.bundleOf(answer.GetTransfer()), answer.GetTransfer())
	}
}

// checkConsents has each institution that was asked for a transfer find who lets it ask.
func (d *day) checkConsents(kept map[uint64]keptTransfer) {
	d.t.Helper()
	asked := make(map[string]bool)
	for _, transfer := range kept {
		was := new(creditbankv1.Transfer)
		if err := protojson.Unmarshal(transfer.Transfer, was); err != nil {
			d.t.Fatal(err)
		}
		asked[was.GetInstitution()] = true
	}
	for institution := range asked {
		page, err := creditbankv1.NewConsentServiceClient(d.conn).ListReceivedConsents(
			d.t.Context(), new(creditbankv1.ListReceivedConsentsRequest), d.asInstitution(institution),
		)
		if err != nil || len(page.GetConsents()) == 0 {
			d.t.Errorf("consents to %s: %v, %v", institution, page, err)
		}
		for _, c := range page.GetConsents() {
			active := c.GetConsent().GetState() == creditbankv1.ConsentState_CONSENT_STATE_ACTIVE
			if c.GetConsent().GetInstitution() != institution || active != (c.GetAccountNumber() != "") {
				d.t.Errorf("consent to %s: %v", institution, c)
			}
		}
	}
}
