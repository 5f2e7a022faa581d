package rpc_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// with adds a field that nobody knows to a message.
func with[M proto.Message](m M, number protowire.Number) M {
	raw := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)
	m.ProtoReflect().SetUnknown(raw)
	return m
}

// What is not known here is refused wherever it is, whatever the method, and before anybody asks who may call it.
func TestUnknown(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	conn := s.nobody()
	const (
		admin   = creditbankv1.AdminService_RegisterOrganization_FullMethodName
		account = creditbankv1.AccountService_ResolveAccount_FullMethodName
	)
	for name, c := range map[string]struct {
		method  string
		request proto.Message
		reason  api.Reason
		field   string
	}{
		"field of the request": {
			creditbankv1.LedgerService_GetCheckpoint_FullMethodName,
			with(&creditbankv1.GetCheckpointRequest{}, 77), api.ReasonUnknownField, "77",
		},
		"field of the submission": {
			creditbankv1.CompletionService_RecordCompletions_FullMethodName,
			with(&creditbankv1.RecordCompletionsRequest{Statements: [][]byte{{1}}}, 66), api.ReasonUnknownField, "66",
		},
		"field further in": {
			admin,
			&creditbankv1.RegisterOrganizationRequest{Organization: with(&creditbankv1.Organization{Name: "x"}, 99)},
			api.ReasonUnknownField, "organization.99",
		},
		"field of one of several": {
			creditbankv1.AccreditationService_QueryAccreditation_FullMethodName,
			&creditbankv1.QueryAccreditationRequest{Subject: &creditbankv1.QueryAccreditationRequest_Course{
				Course: with(&creditbankv1.CourseName{}, 4),
			}},
			api.ReasonUnknownField, "course.4",
		},
		"enum of the request": {
			creditbankv1.CompletionService_GetCompletion_FullMethodName,
			&creditbankv1.GetCompletionRequest{View: 99}, api.ReasonUnknownEnum, "view",
		},
		"enum further in": {
			account,
			&creditbankv1.ResolveAccountRequest{Document: &creditbankv1.Document{Kind: 42}}, api.ReasonUnknownEnum, "document.kind",
		},
		"enum of a list": {
			admin,
			&creditbankv1.RegisterOrganizationRequest{Organization: &creditbankv1.Organization{
				Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_AUDITOR, 1000},
			}},
			api.ReasonUnknownEnum, "organization.roles[1]",
		},
		"negative enum": {
			creditbankv1.ReviewService_ListCases_FullMethodName,
			&creditbankv1.ListCasesRequest{State: -1}, api.ReasonUnknownEnum, "state",
		},
		"enum that is not said": {
			account,
			&creditbankv1.ResolveAccountRequest{Document: &creditbankv1.Document{Number: "1"}}, api.ReasonUnknownEnum, "document.kind",
		},
		"document that is not there": {account, &creditbankv1.ResolveAccountRequest{}, api.ReasonDocument, "document"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, conn.Invoke(t.Context(), c.method, c.request, new(emptypb.Empty)), codes.InvalidArgument, c.reason, c.field)
		})
	}
	t.Run("bytes that are no message", func(t *testing.T) {
		t.Parallel()
		// Field 1 of the request is a string; this is one that is not UTF-8.
		broken := &emptypb.Empty{}
		broken.ProtoReflect().SetUnknown([]byte{0x0a, 0x01, 0xff})
		err := conn.Invoke(t.Context(), creditbankv1.AccountService_GetAccount_FullMethodName, broken, new(emptypb.Empty))
		refused(t, err, codes.InvalidArgument, "MESSAGE_MALFORMED", "")
	})
}

// requestMessages are what the methods take and what is within, each once.
func requestMessages() []protoreflect.MessageDescriptor {
	var all []protoreflect.MessageDescriptor
	seen := make(map[protoreflect.FullName]bool)
	var look func(m protoreflect.MessageDescriptor)
	look = func(m protoreflect.MessageDescriptor) {
		if m == nil || seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		all = append(all, m)
		for i := range m.Fields().Len() {
			look(m.Fields().Get(i).Message())
		}
	}
	protoregistry.GlobalFiles.RangeFilesByPackage("creditbank.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				look(methods.Get(j).Input())
			}
		}
		return true
	})
	return all
}

// checkKnown looks into messages, lists and enums, the only compound fields that requests have.
func TestRequestsHaveNoMaps(t *testing.T) {
	t.Parallel()
	messages := requestMessages()
	for _, m := range messages {
		for i := range m.Fields().Len() {
			if field := m.Fields().Get(i); field.IsMap() {
				t.Errorf("%s is a map", field.FullName())
			}
		}
	}
	if len(messages) < 30 {
		t.Errorf("saw only %d messages", len(messages))
	}
}

// The tables of conversion are whole: every value of an enum has its counterpart, and no two the same.
func TestTables(t *testing.T) {
	t.Parallel()
	documents := make(map[unit.DocumentKind]bool)
	for number := range creditbankv1.DocumentKind_name {
		kind, ok := rpc.DocumentKind(creditbankv1.DocumentKind(number))
		if ok != (number != 0) || documents[kind] {
			t.Errorf("document kind %d is %q, %v", number, kind, ok)
		}
		documents[kind] = true
	}
	if len(documents) != len(unit.DocumentKinds())+1 {
		t.Errorf("%d kinds of documents, the bank knows %d", len(documents)-1, len(unit.DocumentKinds()))
	}
	for number := range ledgerv1.CaseStatus_name {
		if back := rpc.CaseStatus(rpc.CaseState(ledgerv1.CaseStatus(number))); int32(back) != number {
			t.Errorf("case status %d comes back as %d", number, back)
		}
	}
	for number := range creditbankv1.CaseState_name {
		if back := rpc.CaseState(rpc.CaseStatus(creditbankv1.CaseState(number))); int32(back) != number {
			t.Errorf("case state %d comes back as %d", number, back)
		}
	}
}
