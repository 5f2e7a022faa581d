package api_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const document = "%PDF-1.7\nstartxref\n9\n%%EOF\n"

// upload keeps a file of an account.
func (b *bank) upload(by access.Caller, id unit.AccountID, content string) api.ClaimFile {
	b.t.Helper()
	file, err := b.UploadEvidence(ctx(), by, id, "证书.pdf", "application/pdf", []byte("%PDF-1.7\n"+content+"\nstartxref\n9\n%%EOF\n"))
	must(b.t, err)
	return file.ClaimFile
}

// certificate is a claim of 1,440 minutes for a certificate of an account.
func (b *bank) certificate(by access.Caller, id unit.AccountID) api.NewClaim {
	b.t.Helper()
	return api.NewClaim{
		RequestID: b.RequestID(), Account: id, Kind: ledgerv1.ClaimKind_CLAIM_KIND_CERTIFICATE, Category: "vocational",
		Title: "茶艺师（四级）", Issuer: "浙江省职业技能鉴定中心", From: "2024-03-01", To: "2024-06-30", Description: "每周两次",
		Minutes: 1440, Evidence: []api.ClaimFile{b.upload(by, id, "one")},
	}
}

func (b *bank) files(by access.Caller, c api.NewClaim) uint64 {
	b.t.Helper()
	filed, err := b.SubmitClaim(ctx(), by, c)
	must(b.t, err)
	return filed.Index
}

// onlyEntry is the only item of a record.
func (b *bank) onlyEntry(id unit.AccountID) api.PortfolioEntry {
	b.t.Helper()
	entries, _, err := b.ListPortfolioEntries(ctx(), b.Resident(id), id, "", true, api.Page{})
	must(b.t, err)
	if len(entries) != 1 {
		b.t.Fatalf("%d items", len(entries))
	}
	return entries[0]
}

func (b *bank) refused(err error, want api.Reason) {
	b.t.Helper()
	if got := api.AsError(err); got == nil || got.Reason != want {
		b.t.Errorf("%v, not %s", err, want)
	}
}

// A resident claims; one officer would grant half of it, another agrees, and after the notice it counts.
func TestClaim(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident, officer, another := b.Resident(account.ID), b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	claim := b.certificate(resident, account.ID)
	id := b.files(resident, claim)
	if again := b.files(resident, claim); again != id {
		t.Errorf("asked again, it is claim %d, not %d", again, id)
	}
	changed := claim
	changed.Minutes--
	_, err := b.SubmitClaim(ctx(), resident, changed)
	b.refused(err, api.ReasonRequestReused)

	got := b.onlyEntry(account.ID)
	if got.Claim == nil || got.Claim.Title != claim.Title || got.Claim.Claimed != (api.Grant{Minutes: 1440, Credits: 2000}) ||
		len(got.Claim.Evidence) != 1 || got.Decision.Outcome != ledgerv1.Outcome_OUTCOME_IN_REVIEW || got.Decision.Minutes != 0 ||
		got.Case.Status != submitted || got.EndDate != "2024-06-30" {
		t.Errorf("in the record: %+v, %+v", got.Claim, got.Decision)
	}
	c, evidence, _, err := b.GetCase(ctx(), officer, id)
	must(t, err)
	if !c.Claim || c.Title != "证书与资格" || c.Provider != account.Home || c.Category != "vocational" || c.Minutes != 1440 || c.Rule != "two-officers" ||
		!slices.Equal(c.Causes, []string{"claimed-certificate"}) || evidence.Claim.Issuer != claim.Issuer {
		t.Errorf("the case: %+v, %+v", c, evidence.Claim)
	}
	if got := b.list(apitest.Officer, api.CaseFilter{Category: "vocational", Within: account.Home}); !slices.Equal(got, []uint64{id}) {
		t.Errorf("the queue has %v", got)
	}
	_, content, err := b.GetEvidence(ctx(), officer, id, claim.Evidence[0].ID)
	must(t, err)
	if len(content) == 0 {
		t.Error("the file is empty")
	}

	grant := func(by access.Caller, minutes unit.Minutes, credits unit.Credits) (api.StepTaken, error) {
		return b.TakeStep(ctx(), by, api.Step{
			RequestID: b.RequestID(), Case: id, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: minutes, Credits: credits},
		})
	}
	for _, wrong := range []api.Grant{{Minutes: 1441, Credits: 1}, {Minutes: 0, Credits: 0}, {Minutes: 720, Credits: 1001}, {Minutes: 720, Credits: -1}} {
		_, err := grant(officer, wrong.Minutes, wrong.Credits)
		b.refused(err, api.ReasonGrant)
	}
	taken, err := grant(officer, 720, 1000)
	must(t, err)
	if taken.Case.Status != second {
		t.Fatalf("%v", taken.Case.Status)
	}
	b.takes(another, id, review.Approve, noticed)
	notices, _, err := b.ListNotices(ctx(), account.Home, api.Page{})
	must(t, err)
	if len(notices) != 1 || notices[0].Title != "证书与资格" || notices[0].Minutes != 0 {
		t.Errorf("the notice says %+v", notices)
	}
	b.until(b.read(id).Deadline)
	b.ends(1)
	got = b.onlyEntry(account.ID)
	if got.Decision.Outcome != ledgerv1.Outcome_OUTCOME_AWARDED || got.Decision.Minutes != 720 || got.Decision.Available != 1000 ||
		got.Case.Status != approved || len(got.Decision.Reasons) != 2 || got.ReasonCode != "EVIDENCE_SUFFICIENT" {
		t.Errorf("in the end: %+v, case %+v", got.Decision, got.Case)
	}
	if words := got.Decision.Words(got.Decision.Reasons[0], "zh"); words == "" {
		t.Error("nobody says why")
	}
	p, err := b.GetPortfolio(ctx(), resident, account.ID, 0)
	must(t, err)
	if p.EntryCount != 1 || p.Totals.Available != 1000 || p.Points.Points != 0 {
		t.Errorf("the sum is %+v", p)
	}

	// What was granted can be taken back, and claimed back by an appeal.
	b.takes(b.Officer(apitest.ThirdOfficer), id, review.Revoke, revoked)
	if got := b.onlyEntry(account.ID); got.Decision.Minutes != 0 || got.Decision.Available != 0 || got.Decision.Outcome != ledgerv1.Outcome_OUTCOME_REFUSED {
		t.Errorf("revoked: %+v", got.Decision)
	}
	b.takes(resident, id, review.Appeal, appealed, "证书是真的")
}

// An officer files for a resident: others decide, and the officer may answer.
func TestClaimFiledByOfficer(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	officer, another := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	claim := b.certificate(officer, account.ID)
	claim.Kind, claim.To, claim.From = ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, "2026-06-01", ""
	id := b.files(officer, claim)
	for _, act := range []review.Act{review.Take, review.Approve, review.Reject} {
		_, err := b.step(officer, id, act)
		b.refused(err, api.ReasonOwnCase)
	}
	b.takes(another, id, review.Return, returned, "请补充")
	more := b.upload(officer, account.ID, "two")
	_, err := b.TakeStep(ctx(), another, api.Step{RequestID: b.RequestID(), Case: id, Act: review.Answer, Note: "见附件"})
	b.refused(err, api.ReasonDenied)
	answer := api.Step{RequestID: b.RequestID(), Case: id, Act: review.Answer, Note: "见附件", Evidence: []api.ClaimFile{more}}
	_, err = b.TakeStep(ctx(), officer, answer)
	must(t, err)
	_, evidence, _, err := b.GetCase(ctx(), another, id)
	must(t, err)
	if len(evidence.Claim.Evidence) != 2 || evidence.Claim.FiledBy != apitest.Officer {
		t.Errorf("%+v", evidence.Claim)
	}
	// Volunteering gives hours alone.
	b.takes(another, id, review.Approve, approved)
	if got := b.onlyEntry(account.ID).Decision; got.Outcome != ledgerv1.Outcome_OUTCOME_NO_CREDIT || got.Minutes != 1440 || got.Available != 0 {
		t.Errorf("%+v", got)
	}
	// The registrar files too, and reads no evidence; nobody files for others, or sees what is theirs.
	registrar, other := b.Officer(apitest.Registrar), b.Open()
	theirs := b.files(registrar, b.certificate(registrar, other.ID))
	b.takes(another, theirs, review.Return, returned, "请补充")
	b.takes(registrar, theirs, review.Answer, submitted, "见原件")
	_, _, err = b.GetEvidence(ctx(), registrar, id, more.ID)
	b.refused(err, api.ReasonDenied)
	_, _, err = b.GetEvidence(ctx(), b.Resident(other.ID), id, more.ID)
	b.refused(err, api.ReasonNotFound)
	_, _, err = b.GetEvidence(ctx(), another, id, vault.EvidenceID{1})
	b.refused(err, api.ReasonEvidenceUnknown)
	claim.RequestID = b.RequestID()
	_, err = b.SubmitClaim(ctx(), b.Resident(other.ID), claim)
	b.refused(err, api.ReasonDenied)
	_, err = b.SubmitClaim(ctx(), b.Platform(apitest.Platform), claim)
	b.refused(err, api.ReasonDenied)
}

// What one officer refuses another one can grant, on appeal; and what was taken back, too.
func TestClaimAppeal(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	claim := b.certificate(resident, account.ID)
	claim.Kind, claim.From, claim.To = ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, "", "2026-06-01"
	id := b.files(resident, claim)
	b.takes(b.Officer(apitest.Officer), id, review.Reject, rejected)
	refused := b.onlyEntry(account.ID)
	if refused.Decision.Outcome != ledgerv1.Outcome_OUTCOME_REFUSED || refused.ReasonCode == "" {
		t.Errorf("refused: %+v", refused.Decision)
	}
	checkChain(t, refused.Decision)
	b.takes(resident, id, review.Appeal, appealed, "有照片为证")
	if got := b.onlyEntry(account.ID).Decision; got.Outcome != ledgerv1.Outcome_OUTCOME_IN_REVIEW || got.Minutes != 0 {
		t.Errorf("appealed: %+v", got)
	}
	_, err := b.step(b.Officer(apitest.Officer), id, review.Approve)
	b.refused(err, api.ReasonFourEyes)
	_, err = b.TakeStep(ctx(), b.Officer(apitest.SecondOfficer), api.Step{
		RequestID: b.RequestID(), Case: id, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: 450},
	})
	must(t, err)
	got := b.onlyEntry(account.ID)
	if got.Decision.Minutes != 450 || got.Case.Status != approved || got.Case.Steps[1].Note != "有照片为证" {
		t.Errorf("in the end: %+v, %+v", got.Decision, got.Case)
	}
}

// A request is what was said with it, too: under an id that was used, nothing else is taken for done.
func TestStepSaidOtherwise(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident, officer := b.Resident(account.ID), b.Officer(apitest.Officer)
	id := b.files(resident, b.certificate(resident, account.ID))
	b.takes(officer, id, review.Return, returned, "请补充")
	answer := api.Step{
		RequestID: b.RequestID(), Case: id, Act: review.Answer, Note: "见附件", Evidence: []api.ClaimFile{b.upload(resident, account.ID, "two")},
	}
	_, err := b.TakeStep(ctx(), resident, answer)
	must(t, err)
	_, err = b.TakeStep(ctx(), resident, answer)
	must(t, err)
	answer.Evidence = nil
	_, err = b.TakeStep(ctx(), resident, answer)
	b.refused(err, api.ReasonRequestReused)
	asked := api.Step{
		RequestID: b.RequestID(), Case: id, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Note: "原件已核", Grant: &api.Grant{Minutes: 720},
	}
	done, err := b.TakeStep(ctx(), officer, asked)
	must(t, err)
	for name, change := range map[string]func(s *api.Step){
		"grant":    func(s *api.Step) { s.Grant = &api.Grant{Minutes: 721} },
		"no grant": func(s *api.Step) { s.Grant = nil },
		"note":     func(s *api.Step) { s.Note = "原件未核" },
		"reason":   func(s *api.Step) { s.ReasonCode = "OTHER" },
	} {
		other := asked
		change(&other)
		if _, err := b.TakeStep(ctx(), officer, other); api.AsError(err) == nil || api.AsError(err).Reason != api.ReasonRequestReused {
			t.Errorf("%s: %v", name, err)
		}
	}
	again, err := b.TakeStep(ctx(), officer, asked)
	if must(t, err); again.Index != done.Index {
		t.Errorf("asked again, it is entry %d, not %d", again.Index, done.Index)
	}
}

// An objection that has no ground leaves what was granted; one that has takes all of it.
func TestClaimObjection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		act     review.Act
		minutes unit.Minutes
	}{"without ground": {review.Approve, 720}, "founded": {review.Reject, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			account, neighbour := b.Open(), b.Open()
			resident := b.Resident(account.ID)
			id := b.files(resident, b.certificate(resident, account.ID))
			b.takes(b.Officer(apitest.Officer), id, review.Approve, second)
			_, err := b.TakeStep(ctx(), b.Officer(apitest.SecondOfficer), api.Step{
				RequestID: b.RequestID(), Case: id, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: 720},
			})
			must(t, err)
			b.takes(b.Resident(neighbour.ID), id, review.Object, objected, "证书是假的")
			_, err = b.step(b.Officer(apitest.ThirdOfficer), id, c.act)
			must(t, err)
			if c.minutes > 0 {
				b.until(b.read(id).Deadline)
				b.ends(1)
			}
			got := b.onlyEntry(account.ID).Decision
			if got.Minutes != c.minutes || (got.Available > 0) != (c.minutes > 0) {
				t.Errorf("%+v", got)
			}
			checkChain(t, got)
		})
	}
}

func TestClaimWithdrawn(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	id := b.files(resident, b.certificate(resident, account.ID))
	b.takes(resident, id, review.Withdraw, givenUp)
	got := b.onlyEntry(account.ID).Decision
	if got.Outcome != ledgerv1.Outcome_OUTCOME_WITHDRAWN || got.Minutes != 0 {
		t.Errorf("%+v", got)
	}
	checkChain(t, got)
}

func TestClaimRefused(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	good := b.certificate(resident, account.ID)
	for name, c := range map[string]struct {
		change func(c *api.NewClaim)
		want   api.Reason
	}{
		"no kind":             {func(c *api.NewClaim) { c.Kind = 0 }, api.ReasonUnknownEnum},
		"not foreseen":        {func(c *api.NewClaim) { c.Kind, c.Category = ledgerv1.ClaimKind_CLAIM_KIND_WORK, "arts" }, api.ReasonClaimNotForeseen},
		"no such category":    {func(c *api.NewClaim) { c.Category = "cooking" }, api.ReasonUnknownCategory},
		"too many minutes":    {func(c *api.NewClaim) { c.Minutes = 2881 }, api.ReasonClaimAmount},
		"too many credits":    {func(c *api.NewClaim) { c.Credits = 2001 }, api.ReasonClaimAmount},
		"no minutes":          {func(c *api.NewClaim) { c.Minutes = 0 }, api.ReasonMinutes},
		"credits below zero":  {func(c *api.NewClaim) { c.Credits = -1 }, api.ReasonCredits},
		"too long ago":        {func(c *api.NewClaim) { c.From, c.To = "", "2021-06-14" }, api.ReasonClaimTooOld},
		"not done yet":        {func(c *api.NewClaim) { c.To = "2026-06-16" }, api.ReasonFuture},
		"ends before":         {func(c *api.NewClaim) { c.From = "2024-07-01" }, api.ReasonTime},
		"no day":              {func(c *api.NewClaim) { c.To = "" }, api.ReasonField},
		"no title":            {func(c *api.NewClaim) { c.Title = "" }, api.ReasonField},
		"no issuer":           {func(c *api.NewClaim) { c.Issuer = "" }, api.ReasonField},
		"no evidence":         {func(c *api.NewClaim) { c.Evidence = nil }, api.ReasonEvidenceCount},
		"twice the same":      {func(c *api.NewClaim) { c.Evidence = append(c.Evidence, c.Evidence...) }, api.ReasonEvidenceCount},
		"too much":            {func(c *api.NewClaim) { c.Evidence = make([]api.ClaimFile, api.MaxClaimFiles+1) }, api.ReasonEvidenceCount},
		"unknown evidence":    {func(c *api.NewClaim) { c.Evidence = []api.ClaimFile{{ID: vault.EvidenceID{1}, Name: "a.pdf"}} }, api.ReasonEvidenceUnknown},
		"evidence, no name":   {func(c *api.NewClaim) { c.Evidence = []api.ClaimFile{{ID: c.Evidence[0].ID}} }, api.ReasonField},
		"no request id":       {func(c *api.NewClaim) { c.RequestID = "" }, api.ReasonRequestID},
		"somebody else's":     {func(c *api.NewClaim) { c.Account = b.Open().ID }, api.ReasonDenied},
		"a line in the title": {func(c *api.NewClaim) { c.Title = "a\nb" }, api.ReasonField},
	} {
		claim := good
		claim.Evidence = slices.Clone(good.Evidence)
		claim.RequestID = b.RequestID()
		c.change(&claim)
		if _, err := b.SubmitClaim(ctx(), resident, claim); api.AsError(err) == nil || api.AsError(err).Reason != c.want {
			t.Errorf("%s: %v, not %s", name, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		name, mediaType, content string
		want                     api.Reason
	}{
		"empty":                  {"a.pdf", "application/pdf", "", api.ReasonEvidenceEmpty},
		"a page":                 {"a.html", "text/html", "<html>", api.ReasonEvidenceType},
		"a page as a document":   {"a.pdf", "application/pdf", "<html>", api.ReasonEvidenceMismatch},
		"a document as a photo":  {"a.png", "image/png", document, api.ReasonEvidenceMismatch},
		"a document as a page":   {"a.html", "application/pdf", document, api.ReasonEvidenceMismatch},
		"too large":              {"a.pdf", "application/pdf", string(make([]byte, 3<<20+1)), api.ReasonEvidenceSize},
		"a name of two lines":    {"a\n.pdf", "application/pdf", document, api.ReasonField},
		"a document and more":    {"a.pdf", "application/pdf", document + "PK\x03\x04", api.ReasonEvidenceMismatch},
		"a document of no bytes": {"", "application/pdf", document, api.ReasonField},
	} {
		if _, err := b.UploadEvidence(ctx(), resident, account.ID, c.name, c.mediaType, []byte(c.content)); api.AsError(err) == nil || api.AsError(err).Reason != c.want {
			t.Errorf("%s: %v, not %s", name, err, c.want)
		}
	}
	// A completion's case takes neither a grant nor files.
	_, late := b.late(apitest.Calligraphy)
	_, err := b.TakeStep(ctx(), b.Officer(apitest.Officer), api.Step{
		RequestID: b.RequestID(), Case: late, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: 1},
	})
	b.refused(err, api.ReasonGrant)
}

// Only so many claims of an account wait at a time.
func TestClaimLimit(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	claim := b.certificate(resident, account.ID)
	var last uint64
	for range 10 {
		claim.RequestID = b.RequestID()
		last = b.files(resident, claim)
	}
	claim.RequestID = b.RequestID()
	_, err := b.SubmitClaim(ctx(), resident, claim)
	b.refused(err, api.ReasonClaimLimit)
	b.takes(resident, last, review.Withdraw, givenUp)
	b.files(resident, claim)
}

// Files are found wherever the case was when they were brought.
func TestEvidenceAfterMerges(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	filed, answered, last := b.Open(), b.Open(), b.Open()
	officer := b.Officer(apitest.ThirdOfficer)
	claim := b.certificate(b.Resident(filed.ID), filed.ID)
	id := b.files(b.Resident(filed.ID), claim)
	b.takes(officer, id, review.Return, returned, "请补充")
	b.merges(filed, answered)
	holder := b.Resident(answered.ID)
	more := b.upload(holder, answered.ID, "two")
	_, err := b.TakeStep(ctx(), holder, api.Step{RequestID: b.RequestID(), Case: id, Act: review.Answer, Note: "见附件", Evidence: []api.ClaimFile{more}})
	must(t, err)
	second := b.merges(answered, last)
	found := func() {
		t.Helper()
		for _, file := range []vault.EvidenceID{claim.Evidence[0].ID, more.ID} {
			if _, content, err := b.GetEvidence(ctx(), officer, id, file); err != nil || len(content) == 0 {
				t.Errorf("%d bytes, %v", len(content), err)
			}
		}
	}
	found()
	b.undoes(second)
	found()
}

// A file that nothing names goes after a day; one that a claim names stays, and so does a fresh one.
func TestSweepEvidence(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	claim := b.certificate(resident, account.ID)
	id := b.files(resident, claim)
	orphan := b.upload(resident, account.ID, "orphan")
	b.Clock.Advance(25 * time.Hour)
	resident = b.Resident(account.ID)
	fresh := b.upload(resident, account.ID, "fresh")
	if n, err := b.SweepEvidence(ctx()); err != nil || n != 1 {
		t.Errorf("%d files went, %v", n, err)
	}
	if _, _, err := b.Vault.ReadEvidence(ctx(), account.ID, orphan.ID); !errors.Is(err, vault.ErrUnknownEvidence) {
		t.Errorf("the orphan: %v", err)
	}
	if _, _, err := b.Vault.ReadEvidence(ctx(), account.ID, fresh.ID); err != nil {
		t.Error(err)
	}
	if _, _, err := b.GetEvidence(ctx(), resident, id, claim.Evidence[0].ID); err != nil {
		t.Error(err)
	}
}
