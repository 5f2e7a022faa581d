package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/evidence"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	// evidenceWaits is how long a file is kept that nothing names.
	evidenceWaits = 24 * time.Hour
	// evidenceSwept is how many such files one look of the sweep takes.
	evidenceSwept = 256
)

// UploadEvidence keeps a file for a claim of an account, by the learner or by an officer who is going to file it for them. It has
// to be a PDF, JPEG, PNG or another bank's bundle of at most [evidence.MaxBytes], and by its content what its media type and the extension of its
// name say. Unless a claim or an answer names it, it is gone a day later. The same file of an account is kept once.
func (b *Bank) UploadEvidence(
	ctx context.Context, caller access.Caller, id unit.AccountID, name, mediaType string, content []byte,
) (EvidenceFile, error) {
	if err := b.look(ctx, caller, access.SubmitClaim, id); err != nil {
		return EvidenceFile{}, err
	}
	if fault := checkText("name", name, 1, maxClaimText); fault != nil {
		return EvidenceFile{}, fault
	}
	if err := evidence.Check(name, mediaType, content); err != nil {
		return EvidenceFile{}, evidenceFault(err)
	}
	account, err := b.openedAccount(ctx, id)
	if err != nil {
		return EvidenceFile{}, err
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field = "account_id"
		return EvidenceFile{}, fault
	}
	kept, err := b.vault.PutEvidence(ctx, id, mediaType, content)
	if errors.Is(err, vault.ErrEvidenceFull) || errors.Is(err, vault.ErrEvidenceBytes) {
		return EvidenceFile{}, evidenceFault(err)
	}
	if err != nil {
		return EvidenceFile{}, err
	}
	file := EvidenceFile{ClaimFile: ClaimFile{ID: kept.ID, Name: name}, Size: kept.Size, MediaType: kept.MediaType}
	if mediaType == evidence.Bundle {
		file.Inbound, _, err = b.inbound(content)
	}
	return file, err
}

// evidenceFault says which field of an upload is at fault, and how to mend it.
func evidenceFault(err error) *Error {
	fault := AsError(err)
	switch {
	case errors.Is(err, evidence.ErrEmpty):
		fault.Field, fault.Message = "content", "the file is empty"
	case errors.Is(err, evidence.ErrSize):
		fault.Field = "content"
		fault.Message = "the file is too large: at most 3 MiB, a picture at most 100 million pixels; scan it with fewer, or in parts"
	case errors.Is(err, vault.ErrEvidenceFull):
		fault.Field, fault.Message = "content", "as many files of the account wait as may: name them in a claim, or wait until they are gone a day after they came"
	case errors.Is(err, vault.ErrEvidenceBytes):
		fault.Field = "content"
		fault.Message = "the files of the account have as many bytes together as they may: scan with fewer, or name one that is there already; what was named in a claim stays"
	case errors.Is(err, evidence.ErrType):
		fault.Field, fault.Message = "media_type", "files are application/pdf, image/jpeg, image/png or "+evidence.Bundle
	case errors.Is(err, evidence.ErrMismatch):
		fault.Field = "content"
		fault.Message = "the file is not what it says it is: content, media type and the extension of its name must agree, the file be whole, and nothing follow its end"
	}
	return fault
}

// named answers files that a claim or an answer names, and has no sweep take them meanwhile.
func (b *Bank) named(ctx context.Context, id unit.AccountID, files []ClaimFile, least int) ([]*ledgerv1.Evidence, error) {
	if n := len(files); n < least || n > MaxClaimFiles {
		return nil, invalid(ReasonEvidenceCount, "evidence", "there are %d files, %d to %d are taken", n, least, MaxClaimFiles)
	}
	for i, file := range files {
		if fault := checkText(indexed("evidence", i)+".name", file.Name, 1, maxClaimText); fault != nil {
			return nil, fault
		}
		if slices.ContainsFunc(files[:i], func(other ClaimFile) bool { return other.ID == file.ID }) {
			return nil, invalid(ReasonEvidenceCount, indexed("evidence", i), "the file is there twice")
		}
	}
	known, err := b.vault.TouchEvidence(ctx, id, idsOf(files))
	if err != nil {
		return nil, err
	}
	size, all := 0, make([]*ledgerv1.Evidence, len(files))
	for i, file := range known {
		if size += file.Size; size > MaxClaimBytes {
			return nil, invalid(ReasonEvidenceSize, "evidence", "the files have more than %d MiB together", MaxClaimBytes>>20)
		}
		all[i] = &ledgerv1.Evidence{Id: file.ID[:], Size: uint32(file.Size), MediaType: file.MediaType, Name: files[i].Name}
	}
	return all, nil
}

// keepEvidence has the files of a case stay with the account, and notes which transfers of other banks are among them.
func (b *Bank) keepEvidence(ctx context.Context, id uint64, account unit.AccountID, files []vault.EvidenceID) error {
	for _, file := range files {
		if err := b.noteTransfer(ctx, id, account, file); err != nil {
			return err
		}
	}
	return b.vault.KeepEvidence(ctx, account, files)
}

// GetEvidence answers a file that a claim or an answer in its case brought, to the case's officers and to the learner, and of another
// bank's bundle what it shows. The look is journalled on the account.
func (b *Bank) GetEvidence(ctx context.Context, caller access.Caller, id uint64, file vault.EvidenceID) (EvidenceFile, []byte, error) {
	fail := func(err error) (EvidenceFile, []byte, error) { return EvidenceFile{}, nil, err }
	if err := caller.Holds(access.GetEvidence); err != nil {
		return fail(err)
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return fail(err)
	}
	defer view.Close()
	row, err := view.State(ctx).Case(id)
	if err != nil {
		return fail(err)
	}
	account := unit.AccountID{}
	if row != nil {
		account = unit.AccountID(row.GetAccount())
	}
	if row == nil || caller.Check(access.GetEvidence, access.Subject{Organization: d.jurisdiction(row), Account: account}, d) != nil {
		return fail(unknownCase(id))
	}
	if caller.Kind != access.Resident {
		if err := b.journal(ctx, caller, account, access.GetEvidence, ""); err != nil {
			return fail(err)
		}
	}
	claim, err := entryReader{bank: b, view: view, directory: d}.claim(ctx, row)
	if err != nil {
		return fail(err)
	}
	i := -1
	if claim != nil {
		i = slices.IndexFunc(claim.Evidence, func(e EvidenceFile) bool { return e.ID == file })
	}
	if i < 0 {
		return fail(vault.ErrUnknownEvidence)
	}
	answer := claim.Evidence[i]
	content, err := b.readEvidence(ctx, view, row, file)
	if err == nil && answer.MediaType == evidence.Bundle {
		answer.Inbound, _, err = b.inbound(content)
	}
	return answer, content, err
}

// readEvidence opens a file of a claim. It lies with the account that had the case when it was brought: that may have become part of
// another one since, or been given back.
func (b *Bank) readEvidence(ctx context.Context, view ledger.View, row *ledgerv1.CaseRow, file vault.EvidenceID) ([]byte, error) {
	var tried []unit.AccountID
	for _, index := range append([]uint64{row.GetCompletion().GetIndex()}, row.GetSteps()...) {
		e, err := entryOf(ctx, view, index)
		if err != nil {
			return nil, err
		}
		account, err := unit.AccountIDFromBytes(accountOf(e))
		if filed := e.GetClaimFiled(); filed != nil {
			account, err = unit.AccountIDFromBytes(filed.GetAccount())
		}
		if err != nil || slices.Contains(tried, account) {
			continue // a step that names no account brought no file
		}
		_, content, err := b.vault.ReadEvidence(ctx, account, file)
		if !errors.Is(err, vault.ErrUnknownEvidence) {
			return content, err
		}
		tried = append(tried, account)
	}
	return nil, vault.ErrUnknownEvidence
}

// claim answers the claim that a case is about; nil where it is about a completion.
func (r entryReader) claim(ctx context.Context, row *ledgerv1.CaseRow) (*Claim, error) {
	e, err := entryOf(ctx, r.view, row.GetCompletion().GetIndex())
	if err != nil || e.GetClaimFiled() == nil {
		return nil, err
	}
	return r.openClaim(ctx, e.GetClaimFiled(), row)
}

// openClaim unseals a claim, with the files that answers in its case brought.
func (r entryReader) openClaim(ctx context.Context, filed *ledgerv1.ClaimFiled, row *ledgerv1.CaseRow) (*Claim, error) {
	claim := &Claim{FiledBy: filed.GetActor().GetOfficer()}
	if len(filed.GetCauses()) > 0 {
		claim.Rule = filed.GetCauses()[0]
	}
	claim.Name = r.directory.claimName(filed.GetPolicyHash(), claim.Rule)
	sealer, err := r.bank.accountSealer(ctx, unit.AccountID(filed.GetAccount()))
	if err != nil || sealer == nil {
		return claim, err
	}
	said := new(ledgerv1.SealedClaim)
	if err := unseal(sealer, "ClaimFiled", filed.GetRequest().GetRequestId(), filed.GetSealed(), said); err != nil {
		return nil, err
	}
	claim.Kind, claim.Title, claim.Issuer, claim.Description = said.GetKind(), said.GetTitle(), said.GetIssuer(), said.GetDescription()
	claim.From, claim.Claimed = dayString(said.GetBeginDay()), grantFrom(said.GetClaimed())
	files := said.GetEvidence()
	for _, index := range row.GetSteps() {
		e, err := entryOf(ctx, r.view, index)
		if err != nil {
			return nil, err
		}
		if step := e.GetCaseStepTaken(); step.GetStep() == ledgerv1.CaseStep_CASE_STEP_RESUBMITTED {
			opened := new(ledgerv1.SealedDecision)
			sealer, err := r.bank.unsealerOf(ctx, step.GetAccount(), unit.AccountID(filed.GetAccount()), sealer)
			if err != nil {
				return nil, err
			}
			if sealer == nil {
				continue
			}
			if err := unseal(sealer, book.Fact(e), filed.GetRequest().GetRequestId(), step.GetSealed(), opened); err != nil {
				return nil, err
			}
			files = append(files, opened.GetEvidence()...)
		}
	}
	for _, file := range files {
		e := EvidenceFile{ClaimFile: ClaimFile{Name: file.GetName()}, Size: int(file.GetSize()), MediaType: file.GetMediaType()}
		copy(e.ID[:], file.GetId())
		if !slices.ContainsFunc(claim.Evidence, func(o EvidenceFile) bool { return o.ID == e.ID }) {
			claim.Evidence = append(claim.Evidence, e)
		}
	}
	return claim, nil
}

// claimName is what a policy calls claims under one of its rules.
func (d *directory) claimName(policyHash []byte, rule string) Text {
	if p := d.policyOf(policyHash); p != nil {
		if r, ok := p.ClaimRuleNamed(rule); ok {
			return r.Title()
		}
	}
	return Text{}
}

// SweepEvidence destroys files that have waited for a day and that nothing names, and answers how many. What a claim names and
// was not marked as kept, since the bank stopped in between, is kept now.
func (b *Bank) SweepEvidence(ctx context.Context) (dropped int, err error) {
	for {
		waiting, err := b.vault.PendingEvidence(ctx, b.config.Now().Add(-evidenceWaits), evidenceSwept)
		if err != nil || len(waiting) == 0 {
			return dropped, err
		}
		view, err := b.ledger.View()
		if err != nil {
			return dropped, err
		}
		n, err := b.sweepThese(ctx, view, waiting)
		view.Close()
		if dropped += n; err != nil {
			return dropped, err
		}
	}
}

func (b *Bank) sweepThese(ctx context.Context, view ledger.View, waiting []vault.WaitingEvidence) (dropped int, err error) {
	d, err := b.directoryOf(ctx, view)
	if err != nil {
		return 0, err
	}
	reader := entryReader{bank: b, view: view, directory: d}
	named := make(map[unit.AccountID]map[vault.EvidenceID][]uint64)
	for _, w := range waiting {
		files, known := named[w.Account]
		if !known {
			if files, err = reader.evidenceOf(ctx, w.Account); err != nil {
				return dropped, err
			}
			named[w.Account] = files
		}
		if len(files[w.ID]) == 0 {
			err = b.vault.DropEvidence(ctx, w)
			dropped++
		}
		for _, id := range files[w.ID] {
			err = errors.Join(err, b.keepEvidence(ctx, id, w.Account, []vault.EvidenceID{w.ID}))
		}
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// evidenceOf answers the files that the claims of an account name, each with the cases of these claims.
func (r entryReader) evidenceOf(ctx context.Context, id unit.AccountID) (map[vault.EvidenceID][]uint64, error) {
	state := r.view.State(ctx)
	account, err := state.Account(id)
	if err != nil || account.GetClaims() == 0 {
		return nil, err
	}
	files := make(map[vault.EvidenceID][]uint64)
	for item, err := range itemsShown(ctx, r.view, id) {
		if err != nil {
			return nil, err
		}
		if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_CLAIM {
			continue
		}
		c, err := state.Case(item.GetIndex())
		if err != nil {
			return nil, err
		}
		claim, err := r.claim(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, file := range claim.Evidence {
			files[file.ID] = append(files[file.ID], item.GetIndex())
		}
	}
	return files, nil
}
