package rpc

import (
	"encoding/hex"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// What several services convert. Reading a request answers an *api.Error with the field as the request names it;
// everything that only the bank can know is left to api.

// invalid is a fault of a field.
func invalid(reason api.Reason, field, message string, cause error) *api.Error {
	return &api.Error{Kind: api.Invalid, Reason: reason, Field: field, Message: message, Cause: cause}
}

func pageOf(size int32, token string) api.Page { return api.Page{Size: int(size), Token: token} }

// accountID reads the opaque id of an account.
func accountID(field, s string) (unit.AccountID, error) {
	id, err := unit.ParseAccountID(s)
	if err != nil {
		return id, invalid(api.ReasonField, field, err.Error(), err)
	}
	return id, nil
}

// full says whether a view has reasons with their words.
func full(view creditbankv1.View) bool { return view == creditbankv1.View_VIEW_FULL }

// timestamp is nil for the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// timeOf is the zero time for nil.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func textProto(t api.Text) *creditbankv1.Text {
	return &creditbankv1.Text{Zh: t.ZH, En: t.EN}
}

func hashesProto(hashes []merkle.Hash) [][]byte {
	all := make([][]byte, len(hashes))
	for i := range hashes {
		all[i] = hashes[i][:]
	}
	return all
}

// assessmentProto is nil for nil.
func assessmentProto(d *api.Decision, view creditbankv1.View) *creditbankv1.Assessment {
	if d == nil {
		return nil
	}
	a := &creditbankv1.Assessment{
		Outcome: d.Outcome, Category: d.Category, Minutes: int64(d.Minutes),
		AvailableMilliCredits: int64(d.Available), PendingMilliCredits: int64(d.Pending),
		MilliPoints: int64(d.Points), Causes: d.Causes, PolicyHash: hex.EncodeToString(d.PolicyHash),
	}
	if !full(view) {
		return a
	}
	a.Reasons = make([]*creditbankv1.Reason, len(d.Reasons))
	for i, r := range d.Reasons {
		a.Reasons[i] = &creditbankv1.Reason{
			Stage: r.Stage, Rule: r.Rule, Before: r.Before, After: r.After, Limit: r.Limit, Carried: r.Carried,
			Words: &creditbankv1.Text{Zh: d.Words(r, "zh"), En: d.Words(r, "en")},
		}
	}
	return a
}
