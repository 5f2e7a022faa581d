package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/evidence"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// Kind is the class of a fault: what the caller can do about it. Each transport maps it in one table.
type Kind uint8

// The kinds of faults.
const (
	// Internal is a fault of the bank.
	Internal Kind = iota
	// Invalid is a request that can never succeed as it is.
	Invalid
	// Unauthenticated is a caller who must sign in first.
	Unauthenticated
	// Denied is a caller who may not do this.
	Denied
	// NotFound is a name of nothing.
	NotFound
	// Conflict is a name that something else has.
	Conflict
	// Precondition is a request that does not fit the state of its subject.
	Precondition
	// Changed is a request that somebody else was faster than; read again and decide again.
	Changed
	// Busy is a bank that has too much to do, or a caller who asks too often; try again later.
	Busy
	// Unavailable is a bank that cannot write at the moment.
	Unavailable
	// Canceled is a caller who went away, or whose time was up.
	Canceled
)

// Reason is why something was refused, for programs: the "reason" of google.rpc.ErrorInfo.
type Reason string

// The reasons. They are part of the API: a reason is never renamed.
const (
	ReasonInternal             Reason = "INTERNAL"
	ReasonUnauthenticated      Reason = "UNAUTHENTICATED"
	ReasonDenied               Reason = "PERMISSION_DENIED"
	ReasonBusy                 Reason = "BUSY"
	ReasonRate                 Reason = "RATE_LIMITED"
	ReasonHalted               Reason = "WRITES_HALTED"
	ReasonClock                Reason = "CLOCK_UNTRUSTED"
	ReasonCanceled             Reason = "CANCELED"
	ReasonClosed               Reason = "SHUTTING_DOWN"
	ReasonRequestID            Reason = "REQUEST_ID_INVALID"
	ReasonRequestReused        Reason = "REQUEST_ID_REUSED"
	ReasonField                Reason = "FIELD_INVALID"
	ReasonPageToken            Reason = "PAGE_TOKEN_INVALID"
	ReasonNotFound             Reason = "NOT_FOUND"
	ReasonEntryTooLarge        Reason = "ENTRY_TOO_LARGE"
	ReasonSubmissionSize       Reason = "SUBMISSION_SIZE"
	ReasonWrongBank            Reason = "WRONG_BANK"
	ReasonRootMismatch         Reason = "ROOT_MISMATCH"
	ReasonWrongSignature       Reason = "WRONG_SIGNATURE"
	ReasonUnknownKey           Reason = "UNKNOWN_KEY"
	ReasonKeyOrganization      Reason = "KEY_OF_ANOTHER_ORGANIZATION"
	ReasonKeyPurpose           Reason = "KEY_PURPOSE"
	ReasonKeyNotYetValid       Reason = "KEY_NOT_YET_VALID"
	ReasonKeyExpired           Reason = "KEY_EXPIRED"
	ReasonKeyRevoked           Reason = "KEY_REVOKED"
	ReasonKeyKnown             Reason = "KEY_KNOWN"
	ReasonKeyMalformed         Reason = "KEY_MALFORMED"
	ReasonKeyProof             Reason = "KEY_PROOF"
	ReasonStatementSize        Reason = "STATEMENT_TOO_LARGE"
	ReasonStatementMalformed   Reason = "STATEMENT_MALFORMED"
	ReasonStatementID          Reason = "STATEMENT_ID_INVALID"
	ReasonStatementConflict    Reason = "STATEMENT_CONFLICT"
	ReasonUnknownField         Reason = "UNKNOWN_FIELD"
	ReasonUnknownEnum          Reason = "UNKNOWN_ENUM"
	ReasonSalt                 Reason = "SALT_INVALID"
	ReasonNoAssertion          Reason = "ASSERTION_MISSING"
	ReasonAssertions           Reason = "ASSERTION_REPEATED"
	ReasonAccountNumber        Reason = "ACCOUNT_NUMBER_INVALID"
	ReasonUnknownAccount       Reason = "UNKNOWN_ACCOUNT"
	ReasonAccountNotOpen       Reason = "ACCOUNT_NOT_OPEN"
	ReasonAccountErased        Reason = "ACCOUNT_ERASED"
	ReasonUnknownCourse        Reason = "UNKNOWN_COURSE"
	ReasonCourseNotAccredited  Reason = "COURSE_NOT_ACCREDITED"
	ReasonNoPolicy             Reason = "NO_POLICY"
	ReasonFuture               Reason = "TIME_IN_FUTURE"
	ReasonTime                 Reason = "TIME_INVALID"
	ReasonMinutes              Reason = "MINUTES_INVALID"
	ReasonSessions             Reason = "SESSIONS_INVALID"
	ReasonAttendance           Reason = "ATTENDANCE_INVALID"
	ReasonScore                Reason = "SCORE_INVALID"
	ReasonSite                 Reason = "SITE_INVALID"
	ReasonUnknownStatement     Reason = "UNKNOWN_STATEMENT"
	ReasonAlreadyVoided        Reason = "ALREADY_VOIDED"
	ReasonDocument             Reason = "DOCUMENT_INVALID"
	ReasonUnknownOrganization  Reason = "UNKNOWN_ORGANIZATION"
	ReasonOrganizationKnown    Reason = "ORGANIZATION_KNOWN"
	ReasonOrganizationCode     Reason = "ORGANIZATION_CODE_INVALID"
	ReasonNotAProvider         Reason = "NOT_A_PROVIDER"
	ReasonCourseKnown          Reason = "COURSE_KNOWN"
	ReasonCourseDecided        Reason = "COURSE_DECIDED"
	ReasonFourEyes             Reason = "FOUR_EYES"
	ReasonUnknownCategory      Reason = "UNKNOWN_CATEGORY"
	ReasonPolicyInvalid        Reason = "POLICY_INVALID"
	ReasonPolicyKnown          Reason = "POLICY_KNOWN"
	ReasonPolicyPublished      Reason = "POLICY_PUBLISHED"
	ReasonPolicyRetroactive    Reason = "POLICY_RETROACTIVE"
	ReasonPolicyOverlap        Reason = "POLICY_OVERLAP"
	ReasonSimulations          Reason = "TOO_MANY_SIMULATIONS"
	ReasonSimulationSize       Reason = "SIMULATION_TOO_LARGE"
	ReasonCaseClosed           Reason = "CASE_CLOSED"
	ReasonDecisionReason       Reason = "REASON_CODE_INVALID"
	ReasonUnknownOfficer       Reason = "UNKNOWN_OFFICER"
	ReasonOwnOffice            Reason = "OWN_OFFICE"
	ReasonNoteMissing          Reason = "NOTE_MISSING"
	ReasonStepOutOfTurn        Reason = "STEP_OUT_OF_TURN"
	ReasonCaseChanged          Reason = "CASE_CHANGED"
	ReasonCaseHeld             Reason = "CASE_HELD"
	ReasonOwnCase              Reason = "OWN_CASE"
	ReasonOwnInstitution       Reason = "OWN_INSTITUTION"
	ReasonDeadlinePassed       Reason = "DEADLINE_PASSED"
	ReasonStepLimit            Reason = "STEP_LIMIT"
	ReasonBatchNotAllowed      Reason = "BATCH_NOT_ALLOWED"
	ReasonRowMalformed         Reason = "ROW_MALFORMED"
	ReasonCredits              Reason = "CREDITS_INVALID"
	ReasonUnknownRecord        Reason = "UNKNOWN_SOURCE_RECORD"
	ReasonRecordConflict       Reason = "SOURCE_RECORD_CONFLICT"
	ReasonImportNotConfirmed   Reason = "IMPORT_NOT_CONFIRMED"
	ReasonImportConfirmed      Reason = "IMPORT_CONFIRMED"
	ReasonImportMismatch       Reason = "IMPORT_MISMATCH"
	ReasonClaimNotForeseen     Reason = "CLAIM_NOT_FORESEEN"
	ReasonClaimAmount          Reason = "CLAIM_AMOUNT_INVALID"
	ReasonClaimTooOld          Reason = "CLAIM_TOO_OLD"
	ReasonClaimLimit           Reason = "CLAIM_LIMIT"
	ReasonCourseLimit          Reason = "COURSE_LIMIT"
	ReasonGrant                Reason = "GRANT_INVALID"
	ReasonEvidenceCount        Reason = "EVIDENCE_COUNT_INVALID"
	ReasonEvidenceEmpty        Reason = "EVIDENCE_EMPTY"
	ReasonEvidenceSize         Reason = "EVIDENCE_SIZE"
	ReasonEvidenceType         Reason = "EVIDENCE_TYPE"
	ReasonEvidenceMismatch     Reason = "EVIDENCE_TYPE_MISMATCH"
	ReasonEvidenceUnknown      Reason = "UNKNOWN_EVIDENCE"
	ReasonEvidenceLimit        Reason = "EVIDENCE_WAITING_LIMIT"
	ReasonExportFormat         Reason = "EXPORT_FORMAT_UNKNOWN"
	ReasonExportSize           Reason = "EXPORT_TOO_LARGE"
	ReasonExportCode           Reason = "EXPORT_CODE_INVALID"
	ReasonExports              Reason = "TOO_MANY_EXPORTS"
	ReasonEvidenceQuota        Reason = "EVIDENCE_QUOTA"
	ReasonAgreementInvalid     Reason = "AGREEMENT_INVALID"
	ReasonAgreementKnown       Reason = "AGREEMENT_KNOWN"
	ReasonAgreementOverlap     Reason = "AGREEMENT_OVERLAP"
	ReasonAgreementRetroactive Reason = "AGREEMENT_RETROACTIVE"
	ReasonAgreementEnded       Reason = "AGREEMENT_ENDED"
	ReasonAgreementNotInForce  Reason = "AGREEMENT_NOT_IN_FORCE"
	ReasonAgreementAmbiguous   Reason = "AGREEMENT_AMBIGUOUS"
	ReasonUnknownProgramme     Reason = "UNKNOWN_PROGRAMME"
	ReasonNotAnAcceptor        Reason = "NOT_AN_ACCEPTOR"
	ReasonNoConsent            Reason = "NO_CONSENT"
	ReasonConsentExpired       Reason = "CONSENT_EXPIRED"
	ReasonConsentWithdrawn     Reason = "CONSENT_WITHDRAWN"
	ReasonConsentLimit         Reason = "CONSENT_LIMIT"
	ReasonUnknownEntry         Reason = "UNKNOWN_ENTRY"
	ReasonUnknownLot           Reason = "UNKNOWN_LOT"
	ReasonQuoteSize            Reason = "QUOTE_TOO_LARGE"
	ReasonUnknownTransfer      Reason = "UNKNOWN_TRANSFER"
	ReasonTransferEnded        Reason = "TRANSFER_ENDED"
	ReasonTransferItem         Reason = "TRANSFER_ITEM_INVALID"
	ReasonTransferAmount       Reason = "TRANSFER_AMOUNT_INVALID"
	ReasonQuoteExpired         Reason = "QUOTE_EXPIRED"
	ReasonQuoteChanged         Reason = "QUOTE_CHANGED"
	ReasonNothingToTransfer    Reason = "NOTHING_TO_TRANSFER"
	ReasonTransferSize         Reason = "TRANSFER_TOO_LARGE"
	ReasonTransferLimit        Reason = "TRANSFER_LIMIT"
	ReasonTransferNotAccepted  Reason = "TRANSFER_NOT_ACCEPTED"
	ReasonAccountMerged        Reason = "ACCOUNT_MERGED"
	ReasonAccountMoving        Reason = "ACCOUNT_MOVING"
	ReasonMergeSame            Reason = "MERGE_SAME_ACCOUNT"
	ReasonMergeDirection       Reason = "MERGE_DIRECTION"
	ReasonMergeOpen            Reason = "MERGE_OPEN"
	ReasonMergeChanged         Reason = "MERGE_CHANGED"
	ReasonMergeReserved        Reason = "MERGE_CREDITS_RESERVED"
	ReasonMergeHeld            Reason = "MERGE_COMPLETIONS_HELD"
	ReasonMergeUsed            Reason = "MERGE_CREDITS_USED"
	ReasonUnknownLevel         Reason = "UNKNOWN_LEVEL"
	ReasonUnknownApplication   Reason = "UNKNOWN_APPLICATION"
	ReasonApplicationTurn      Reason = "APPLICATION_OUT_OF_TURN"
	ReasonApplicationChanged   Reason = "APPLICATION_CHANGED"
	ReasonApplicationPending   Reason = "APPLICATION_PENDING"
	ReasonAccredited           Reason = "ACCREDITED_ALREADY"
	ReasonSuspension           Reason = "SUSPENSION_INVALID"
	ReasonOrganizationEnded    Reason = "ORGANIZATION_ENDED"
	ReasonBatchSize            Reason = "BATCH_SIZE"

	ReasonPlatformNotAccredited Reason = "PLATFORM_NOT_ACCREDITED"
	ReasonCompletionHeld        Reason = "COMPLETION_HELD"
	ReasonClawbackSelection     Reason = "CLAWBACK_SELECTION_INVALID"
	ReasonClawbackEmpty         Reason = "CLAWBACK_EMPTY"
	ReasonClawbackSize          Reason = "CLAWBACK_TOO_LARGE"
	ReasonClawbackChanged       Reason = "CLAWBACK_CHANGED"
	ReasonClawbackDecided       Reason = "CLAWBACK_DECIDED"
	ReasonClawbackLimit         Reason = "CLAWBACK_LIMIT"
)

// Error is a fault with everything that its caller needs to mend it. Its words name nobody.
type Error struct {
	Kind   Kind
	Reason Reason
	// Field is the field of the request or of the statement that is at fault, as a path; empty where it is none.
	Field string
	// Message says what is wrong and how to mend it.
	Message string
	// Metadata says more for programs, such as how the subject stands now; it names nobody, and may be nil.
	Metadata map[string]string
	// Cause is what lies behind it, for errors.Is; it may be nil.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Reason))
	if e.Field != "" {
		b.WriteString(" (" + e.Field + ")")
	}
	b.WriteString(": " + e.Message)
	return b.String()
}

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Cause }

// faultf makes an error.
func faultf(kind Kind, reason Reason, field, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Reason: reason, Field: field, Message: wrapped.Error(), Cause: errors.Unwrap(wrapped)}
}

// invalid is a fault of a field.
func invalid(reason Reason, field, format string, args ...any) *Error {
	return faultf(Invalid, reason, field, format, args...)
}

// known is the table of the errors of other packages: what they mean to a caller.
func known() []struct {
	err    error
	kind   Kind
	reason Reason
} {
	return []struct {
		err    error
		kind   Kind
		reason Reason
	}{
		{access.ErrUnauthenticated, Unauthenticated, ReasonUnauthenticated},
		{access.ErrDenied, Denied, ReasonDenied},
		{ledger.ErrBusy, Busy, ReasonBusy},
		{ledger.ErrHalted, Unavailable, ReasonHalted},
		{store.ErrHalted, Unavailable, ReasonHalted}, // of the vault
		{store.ErrClosed, Unavailable, ReasonClosed},
		{ledger.ErrClosed, Unavailable, ReasonClosed},
		{ledger.ErrClock, Unavailable, ReasonClock},
		{ledger.ErrNotFound, NotFound, ReasonNotFound},
		{ledger.ErrEntrySize, Invalid, ReasonEntryTooLarge},
		{keyring.ErrSignature, Unauthenticated, ReasonWrongSignature},
		{keyring.ErrKeyOrganization, Denied, ReasonKeyOrganization},
		{keyring.ErrKeyPurpose, Denied, ReasonKeyPurpose},
		{keyring.ErrKeyNotYetValid, Denied, ReasonKeyNotYetValid},
		{keyring.ErrKeyExpired, Denied, ReasonKeyExpired},
		{keyring.ErrKeyRevoked, Denied, ReasonKeyRevoked},
		{keyring.ErrPublicKey, Invalid, ReasonKeyMalformed},
		{keyring.ErrAlgorithm, Invalid, ReasonKeyMalformed},
		{vault.ErrUnknownAccount, NotFound, ReasonUnknownAccount},
		{vault.ErrErased, Precondition, ReasonAccountErased},
		{vault.ErrUnknownEvidence, NotFound, ReasonEvidenceUnknown},
		{vault.ErrEvidenceFull, Precondition, ReasonEvidenceLimit},
		{vault.ErrEvidenceBytes, Precondition, ReasonEvidenceQuota},
		{evidence.ErrEmpty, Invalid, ReasonEvidenceEmpty},
		{evidence.ErrSize, Invalid, ReasonEvidenceSize},
		{evidence.ErrType, Invalid, ReasonEvidenceType},
		{evidence.ErrMismatch, Invalid, ReasonEvidenceMismatch},
		{export.ErrFormat, Invalid, ReasonExportFormat},
		{export.ErrSize, Invalid, ReasonExportSize},
		{export.ErrCode, Invalid, ReasonExportCode},
		{review.ErrClosed, Changed, ReasonCaseClosed},
		{review.ErrTurn, Changed, ReasonStepOutOfTurn},
		{review.ErrHeld, Changed, ReasonCaseHeld},
		{review.ErrWho, Denied, ReasonDenied},
		{review.ErrJurisdiction, Denied, ReasonDenied},
		{review.ErrFourEyes, Denied, ReasonFourEyes},
		{review.ErrOwnCase, Denied, ReasonOwnCase},
		{review.ErrOwnInstitution, Denied, ReasonOwnInstitution},
		{review.ErrDeadline, Precondition, ReasonDeadlinePassed},
		{review.ErrLimit, Precondition, ReasonStepLimit},
		{review.ErrObjected, Precondition, ReasonStepLimit},
		{review.ErrBatch, Precondition, ReasonBatchNotAllowed},
		{agreement.ErrAgreement, Invalid, ReasonAgreementInvalid},
		{agreement.ErrProgramme, NotFound, ReasonUnknownProgramme},
		{agreement.ErrNotInForce, Precondition, ReasonAgreementNotInForce},
		{agreement.ErrItems, Invalid, ReasonQuoteSize},
		{context.Canceled, Canceled, ReasonCanceled},
		{context.DeadlineExceeded, Canceled, ReasonCanceled},
	}
}

// AsError answers err as an *Error: what it is already, what the table says of it, or an internal fault, whose words
// are not for callers. It answers nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	for _, k := range known() {
		if errors.Is(err, k.err) {
			return &Error{Kind: k.kind, Reason: k.reason, Message: err.Error(), Cause: err}
		}
	}
	return &Error{Kind: Internal, Reason: ReasonInternal, Message: "the bank could not do this; its operators can see why", Cause: err}
}
