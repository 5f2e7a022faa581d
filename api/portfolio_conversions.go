package api

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkConversions refuses what of an export goes only with the conversion profile, or what that cannot be.
func (e *Export) checkConversions(d *directory) *Error {
	switch {
	case e.Institution != "" && !e.Format.OfConversions():
		return invalid(ReasonField, "institution", "only what was taken over is asked for by institution")
	case e.Institution == "" && e.Converted != (export.Converted{}):
		return invalid(ReasonField, "institution", "a school code and a level are those of one institution: say which")
	case e.Institution != "" && d.organizations[e.Institution] == nil:
		return faultf(NotFound, ReasonUnknownOrganization, "institution", "there is no such organization")
	default:
		return nil
	}
}

// conversions yields what institutions took over of a record: one for each item of a transfer, what was taken over last first. What
// was taken back since is no conversion any more, and not in it.
func (r exportReader) conversions(ctx context.Context) iter.Seq2[export.Conversion, error] {
	return func(yield func(export.Conversion, error) bool) {
		within := store.Prefix(book.AccountTransfersPrefix(r.export.Account))
		within.Reverse = true
		for listed, err := range r.view.Scan(ctx, within) {
			if err != nil {
				yield(export.Conversion{}, err)
				return
			}
			if len(listed.Value) != 1 || listed.Value[0] != byte(ledgerv1.HoldStatus_HOLD_STATUS_POSTED) {
				continue
			}
			hold := binary.BigEndian.Uint64(listed.Key[len(listed.Key)-8:])
			row, err := r.view.State(ctx).Transfer(hold)
			if err == nil && row == nil {
				err = fmt.Errorf("%w: transfer %d is missing", ledger.ErrDamaged, hold)
			}
			if err != nil {
				yield(export.Conversion{}, err)
				return
			}
			for conversion, err := range r.converted(ctx, describeTransfer(hold, row, r.directory), row) {
				if !yield(conversion, err) || err != nil {
					return
				}
			}
		}
	}
}

// converted yields what was asked for of one transfer.
func (r exportReader) converted(ctx context.Context, t Transfer, row *ledgerv1.TransferRow) iter.Seq2[export.Conversion, error] {
	return func(yield func(export.Conversion, error) bool) {
		if r.export.Institution != "" && r.export.Institution != t.Institution {
			return
		}
		for i, taken := range t.Items {
			if taken.Taken == 0 || taken.IsClawedBack {
				continue
			}
			item, err := r.takenFrom(ctx, t.Account, row.GetItems()[i].GetCompletion())
			if err != nil {
				yield(export.Conversion{}, err)
				return
			}
			if !r.wanted(item) || r.first != 0 && item.GetEndDay() < r.first || r.last != 0 && item.GetEndDay() > r.last {
				continue
			}
			results, err := r.read(ctx, []*ledgerv1.CompletionItem{item})
			if err != nil {
				yield(export.Conversion{}, err)
				return
			}
			if !yield(r.conversion(t, taken, results[0]), nil) {
				return
			}
		}
	}
}

// takenFrom is the item that credits were taken of. Of what was only recognised the item may have gone on with a merged account.
func (r exportReader) takenFrom(ctx context.Context, id unit.AccountID, ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error) {
	state := r.view.State(ctx)
	item, err := state.Completion(id, ref)
	if err != nil || item != nil {
		return item, err
	}
	now, _, err := living(state, id)
	if err != nil {
		return nil, err
	}
	if item, err = state.Completion(now, ref); err == nil && item == nil {
		err = fmt.Errorf("%w: completion %d of a transfer is missing", ledger.ErrDamaged, ref.GetIndex())
	}
	return item, err
}

// conversion is one item of a transfer, in the words of the profile. Of the programme that it was learned in, and of the school that
// took it over, whoever asks says what is known.
func (r exportReader) conversion(t Transfer, taken TransferItem, of export.Result) export.Conversion {
	c := export.Conversion{
		School: r.export.Converted.School, Source: export.SourceCourse, Major: r.export.Deposit.Major, Course: of.Title,
		Institution: of.ProviderName, Level: r.export.Deposit.Level, Category: r.export.Deposit.Category, Credits: taken.Taken,
		Minutes: of.Minutes, Hour: of.Hour, Score: of.Score, Passed: of.Passed, Earned: of.To,
		Converted: t.Ended.In(r.today().Location()).Format(time.DateOnly),
		To: export.ConvertedCourse{
			Level: r.export.Converted.Level, Code: taken.Course, Credits: taken.TakenGranted, Major: cmp.Or(t.ProgrammeName.ZH, t.ProgrammeName.EN),
		},
	}
	if of.Kind == export.Claim {
		c.Source = export.SourceCertificate
	}
	for _, a := range r.directory.agreements[t.Institution] {
		if a.row.GetIndex() == t.Agreement && taken.Course != "" {
			name := a.CourseName(taken.Course)
			c.To.Course = cmp.Or(name.ZH, name.EN)
		}
	}
	return c
}
