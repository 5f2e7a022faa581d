package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/evidence"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// mapping is what becomes of an error that reaches the edge as it is.
type mapping struct {
	err    error
	code   codes.Code
	reason api.Reason
}

// mappings has every exported error of the packages that callers can meet errors of, by package and name. Those that end
// as internal are met while a bank is opened, or are told apart by api before they get here: reaching the edge they are a
// fault of the bank.
func mappings() map[string]map[string]mapping {
	internal := func(err error) mapping { return mapping{err, codes.Internal, api.ReasonInternal} }
	return map[string]map[string]mapping{
		"api": {},
		"api/access": {
			"ErrUnauthenticated": {access.ErrUnauthenticated, codes.Unauthenticated, api.ReasonUnauthenticated},
			"ErrDenied":          {access.ErrDenied, codes.PermissionDenied, api.ReasonDenied},
		},
		"api/evidence": {
			"ErrEmpty":    {evidence.ErrEmpty, codes.InvalidArgument, api.ReasonEvidenceEmpty},
			"ErrSize":     {evidence.ErrSize, codes.InvalidArgument, api.ReasonEvidenceSize},
			"ErrType":     {evidence.ErrType, codes.InvalidArgument, api.ReasonEvidenceType},
			"ErrMismatch": {evidence.ErrMismatch, codes.InvalidArgument, api.ReasonEvidenceMismatch},
		},
		"api/export": {
			"ErrFormat": {export.ErrFormat, codes.InvalidArgument, api.ReasonExportFormat},
			"ErrSize":   {export.ErrSize, codes.InvalidArgument, api.ReasonExportSize},
			"ErrCode":   {export.ErrCode, codes.InvalidArgument, api.ReasonExportCode},
		},
		"ledger": {
			"ErrBusy":         {ledger.ErrBusy, codes.ResourceExhausted, api.ReasonBusy},
			"ErrHalted":       {ledger.ErrHalted, codes.Unavailable, api.ReasonHalted},
			"ErrClosed":       {ledger.ErrClosed, codes.Unavailable, api.ReasonClosed},
			"ErrClock":        {ledger.ErrClock, codes.Unavailable, api.ReasonClock},
			"ErrNotFound":     {ledger.ErrNotFound, codes.NotFound, api.ReasonNotFound},
			"ErrEntrySize":    {ledger.ErrEntrySize, codes.InvalidArgument, api.ReasonEntryTooLarge},
			"ErrBehindAnchor": internal(ledger.ErrBehindAnchor),
			"ErrNoAnchor":     internal(ledger.ErrNoAnchor),
			"ErrEmpty":        internal(ledger.ErrEmpty),
			"ErrForeign":      internal(ledger.ErrForeign),
			"ErrFormat":       internal(ledger.ErrFormat),
			"ErrDamaged":      internal(ledger.ErrDamaged),
			"ErrPanicked":     internal(ledger.ErrPanicked),
			"ErrRecover":      internal(ledger.ErrRecover),
			"ErrRebuild":      internal(ledger.ErrRebuild),
			"ErrRebuilding":   internal(ledger.ErrRebuilding),
		},
		"certify/keyring": {
			"ErrSignature":       {keyring.ErrSignature, codes.Unauthenticated, api.ReasonWrongSignature},
			"ErrKeyOrganization": {keyring.ErrKeyOrganization, codes.PermissionDenied, api.ReasonKeyOrganization},
			"ErrKeyPurpose":      {keyring.ErrKeyPurpose, codes.PermissionDenied, api.ReasonKeyPurpose},
			"ErrKeyNotYetValid":  {keyring.ErrKeyNotYetValid, codes.PermissionDenied, api.ReasonKeyNotYetValid},
			"ErrKeyExpired":      {keyring.ErrKeyExpired, codes.PermissionDenied, api.ReasonKeyExpired},
			"ErrKeyRevoked":      {keyring.ErrKeyRevoked, codes.PermissionDenied, api.ReasonKeyRevoked},
			"ErrPublicKey":       {keyring.ErrPublicKey, codes.InvalidArgument, api.ReasonKeyMalformed},
			"ErrAlgorithm":       {keyring.ErrAlgorithm, codes.InvalidArgument, api.ReasonKeyMalformed},
			"ErrPurpose":         internal(keyring.ErrPurpose),
			"ErrKeyID":           internal(keyring.ErrKeyID),
			"ErrPrivateKey":      internal(keyring.ErrPrivateKey),
			"ErrText":            internal(keyring.ErrText),
			"ErrBankID":          internal(keyring.ErrBankID),
		},
		"certify/review": {
			"ErrTurn":           {review.ErrTurn, codes.Aborted, api.ReasonStepOutOfTurn},
			"ErrClosed":         {review.ErrClosed, codes.Aborted, api.ReasonCaseClosed},
			"ErrHeld":           {review.ErrHeld, codes.Aborted, api.ReasonCaseHeld},
			"ErrWho":            {review.ErrWho, codes.PermissionDenied, api.ReasonDenied},
			"ErrJurisdiction":   {review.ErrJurisdiction, codes.PermissionDenied, api.ReasonDenied},
			"ErrFourEyes":       {review.ErrFourEyes, codes.PermissionDenied, api.ReasonFourEyes},
			"ErrOwnCase":        {review.ErrOwnCase, codes.PermissionDenied, api.ReasonOwnCase},
			"ErrOwnInstitution": {review.ErrOwnInstitution, codes.PermissionDenied, api.ReasonOwnInstitution},
			"ErrDeadline":       {review.ErrDeadline, codes.FailedPrecondition, api.ReasonDeadlinePassed},
			"ErrLimit":          {review.ErrLimit, codes.FailedPrecondition, api.ReasonStepLimit},
			"ErrObjected":       {review.ErrObjected, codes.FailedPrecondition, api.ReasonStepLimit},
			"ErrBatch":          {review.ErrBatch, codes.FailedPrecondition, api.ReasonBatchNotAllowed},
		},
		"ledger/store": {
			"ErrHalted":    {store.ErrHalted, codes.Unavailable, api.ReasonHalted},
			"ErrClosed":    {store.ErrClosed, codes.Unavailable, api.ReasonClosed},
			"ErrHeadMoved": internal(store.ErrHeadMoved),
			"ErrReadOnly":  internal(store.ErrReadOnly),
			"ErrBatch":     internal(store.ErrBatch),
		},
		"ledger/vault": {
			"ErrEmpty":          internal(vault.ErrEmpty),
			"ErrUnknownAccount": {vault.ErrUnknownAccount, codes.NotFound, api.ReasonUnknownAccount},
			"ErrErased":         {vault.ErrErased, codes.FailedPrecondition, api.ReasonAccountErased},
			// It comes with ErrErased.
			"ErrKeyGone":         {errors.Join(vault.ErrErased, vault.ErrKeyGone), codes.FailedPrecondition, api.ReasonAccountErased},
			"ErrTampered":        internal(vault.ErrTampered),
			"ErrUnknownEvidence": {vault.ErrUnknownEvidence, codes.NotFound, api.ReasonEvidenceUnknown},
			"ErrEvidenceBytes":   {vault.ErrEvidenceBytes, codes.FailedPrecondition, api.ReasonEvidenceQuota},
			"ErrEvidenceFull":    {vault.ErrEvidenceFull, codes.FailedPrecondition, api.ReasonEvidenceLimit},
			"ErrDocumentTaken":   internal(vault.ErrDocumentTaken),
			"ErrNumberTaken":     internal(vault.ErrNumberTaken),
			"ErrEnrolled":        internal(vault.ErrEnrolled),
			"ErrInvalid":         internal(vault.ErrInvalid),
			"ErrKeyset":          internal(vault.ErrKeyset),
			"ErrFormat":          internal(vault.ErrFormat),
			"ErrDamaged":         internal(vault.ErrDamaged),
		},
	}
}

// Every exported error has its place in the table: a new one fails here until somebody has decided what it means.
func TestEveryErrorIsMapped(t *testing.T) {
	t.Parallel()
	for dir, mapped := range mappings() {
		var names []string
		for _, file := range sources(t, dir) {
			names = append(names, exported(file, "Err")...)
		}
		if dir != "api" && len(names) == 0 {
			t.Errorf("%s has no errors: is the path right?", dir)
		}
		for _, name := range names {
			if _, ok := mapped[name]; !ok {
				t.Errorf("%s.%s is new: say here what callers get for it", dir, name)
			}
		}
		for name, m := range mapped {
			if !slices.Contains(names, name) {
				t.Errorf("%s.%s is gone", dir, name)
			}
			refusedStatus(t, rpc.StatusOf(fmt.Errorf("somewhere: %w", m.err)), m.code, m.reason, "")
		}
	}
}

// kinds is the table of kinds, by name.
func kinds() map[string]struct {
	kind api.Kind
	code codes.Code
} {
	return map[string]struct {
		kind api.Kind
		code codes.Code
	}{
		"Internal":        {api.Internal, codes.Internal},
		"Invalid":         {api.Invalid, codes.InvalidArgument},
		"Unauthenticated": {api.Unauthenticated, codes.Unauthenticated},
		"Denied":          {api.Denied, codes.PermissionDenied},
		"NotFound":        {api.NotFound, codes.NotFound},
		"Conflict":        {api.Conflict, codes.AlreadyExists},
		"Precondition":    {api.Precondition, codes.FailedPrecondition},
		"Changed":         {api.Changed, codes.Aborted},
		"Busy":            {api.Busy, codes.ResourceExhausted},
		"Unavailable":     {api.Unavailable, codes.Unavailable},
		"Canceled":        {api.Canceled, codes.Canceled},
	}
}

func TestEveryKindIsMapped(t *testing.T) {
	t.Parallel()
	names := constants(t, "Kind")
	if len(names) != len(kinds()) {
		t.Errorf("api has the kinds %v", names)
	}
	for _, name := range names {
		k, ok := kinds()[name]
		if !ok {
			t.Errorf("kind %s is new: say here what callers get for it", name)
			continue
		}
		e := &api.Error{Kind: k.kind, Reason: "SOME_REASON", Field: "some.field", Message: "words"}
		if _, known := rpc.CodeOf(e); !known {
			t.Errorf("kind %s has no code", name)
		}
		refusedStatus(t, rpc.StatusOf(e), k.code, e.Reason, e.Field)
	}
	if _, known := rpc.CodeOf(&api.Error{Kind: api.Kind(len(names))}); known {
		t.Error("there is a code for a kind that is none")
	}
}

// Reasons have the form that google.rpc.ErrorInfo asks for, and each is there once.
func TestReasons(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[A-Z][A-Z0-9_]+[A-Z0-9]$`)
	seen := make(map[string]bool)
	for _, dir := range []string{"api", "api/rpc"} {
		for _, file := range sources(t, dir) {
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != 1 || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "reason") {
					return true
				}
				literal, ok := spec.Values[0].(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				reason, err := strconv.Unquote(literal.Value)
				if err != nil || !form.MatchString(reason) || len(reason) > 63 || seen[reason] {
					t.Errorf("%s = %s", spec.Names[0].Name, literal.Value)
				}
				seen[reason] = true
				return true
			})
		}
	}
	if len(seen) < 50 {
		t.Errorf("found only %d reasons", len(seen))
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	if s := rpc.StatusOf(nil); s.Code() != codes.OK || s.Err() != nil {
		t.Errorf("nil is %v", s)
	}
	refusedStatus(t, rpc.StatusOf(context.DeadlineExceeded), codes.DeadlineExceeded, api.ReasonCanceled, "")
	refusedStatus(t, rpc.StatusOf(context.Canceled), codes.Canceled, api.ReasonCanceled, "")
	secret := errors.New("a path, a row, a word")
	s := rpc.StatusOf(fmt.Errorf("reading: %w", secret))
	refusedStatus(t, s, codes.Internal, api.ReasonInternal, "")
	if strings.Contains(s.String(), "path") {
		t.Errorf("the status tells %v", s)
	}
	// What gRPC made stays; what is ours is ours, whatever lies behind it.
	made := status.Error(codes.NotFound, "unknown service")
	if s := rpc.StatusOf(made); s.Code() != codes.NotFound || len(s.Details()) != 0 {
		t.Errorf("made %v", s)
	}
	ours := &api.Error{Kind: api.Denied, Reason: api.ReasonDenied, Message: "no", Cause: made}
	refusedStatus(t, rpc.StatusOf(fmt.Errorf("x: %w", ours)), codes.PermissionDenied, api.ReasonDenied, "")
}

// sources parses the files of a package, without its tests.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(names), err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// exported answers the package's variables whose names begin with a prefix.
func exported(file *ast.File, prefix string) []string {
	var names []string
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if strings.HasPrefix(name.Name, prefix) {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// constants answers the names of api's constants of a type that are counted by iota.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	var names []string
	for _, file := range sources(t, "api") {
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			counted := false
			for _, spec := range group.Specs {
				value := spec.(*ast.ValueSpec)
				if of, ok := value.Type.(*ast.Ident); ok {
					counted = of.Name == typ
				} else if value.Values != nil {
					counted = false
				}
				if counted {
					names = append(names, value.Names[0].Name)
				}
			}
		}
	}
	return names
}
