// Package access knows who is calling and what they may see and do.
//
// A caller proves who they are with a JSON Web Token (RFC 7519): organizations sign theirs with a registered
// authenticate key, officers and residents bring one of a sign-in service that the bank was told to trust. What each may
// do stands in one table, [Caller.Check]; nothing else in the bank decides it.
//
// The package keeps no secret and trusts nothing that a token says but the subject: roles and organizations are looked
// up in the ledger's own records at the moment of the call.
package access

import (
	"errors"
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Errors that callers branch on.
var (
	// ErrUnauthenticated says that the call needs a token and brought none, or one that does not hold.
	ErrUnauthenticated = errors.New("access: not signed in")
	// ErrDenied says that the caller is known and may not do this.
	ErrDenied = errors.New("access: not permitted")
)

// Kind is what a caller is.
type Kind uint8

// The kinds of callers.
const (
	Anonymous Kind = iota
	Organization
	Officer
	Resident
)

// Caller is who is calling. The zero Caller is nobody: anonymous.
type Caller struct {
	Kind Kind
	// Organization is the calling organization, or the one in whose subtree the officer acts.
	Organization string
	// Roles of the calling organization.
	Roles []ledgerv1.Role
	// KeyID is the key that authenticated the organization.
	KeyID []byte
	// Officer is the opaque id of the officer; Offices what they may do.
	Officer string
	Offices []ledgerv1.OfficerRole
	// Account is the resident's own. SignedIn is the one by which they signed in: the same, or one that became part of it.
	Account, SignedIn unit.AccountID
}

// AskedOf is an account as whoever names it knows it: their own is the one by which they signed in.
func (c Caller) AskedOf(id unit.AccountID) unit.AccountID {
	if c.Kind == Resident && id == c.Account {
		return c.SignedIn
	}
	return id
}

// Actor is how the ledger names a caller. It does not name residents.
func (c Caller) Actor() *ledgerv1.Actor {
	return &ledgerv1.Actor{Organization: c.Organization, Officer: c.Officer, KeyId: c.KeyID, Resident: c.Kind == Resident}
}

// String names the caller in journals and logs. Residents are not named.
func (c Caller) String() string {
	switch c.Kind {
	case Organization:
		return "organization:" + c.Organization
	case Officer:
		return "officer:" + c.Officer
	case Resident:
		return "resident"
	default:
		return "anonymous"
	}
}

// Action is something that a user does; the methods of the services are named by them.
type Action string

// The actions that not everybody may do.
const (
	RecordCompletions    Action = "RecordCompletions"
	ReadCompletions      Action = "ReadCompletions"
	ReadRejects          Action = "ReadRejects"
	OpenAccount          Action = "OpenAccount"
	CheckDocument        Action = "CheckDocument"
	ResolveAccount       Action = "ResolveAccount"
	ReadAccount          Action = "ReadAccount"
	ReadPortfolio        Action = "ReadPortfolio"
	ExportPortfolio      Action = "ExportPortfolio"
	ExportIdentity       Action = "ExportIdentity"
	ReadCases            Action = "ReadCases"
	DecideCase           Action = "DecideCase"
	TakeCase             Action = "TakeCase"
	ReleaseCase          Action = "ReleaseCase"
	ReturnCase           Action = "ReturnCase"
	RevokeCase           Action = "RevokeCase"
	AnswerCase           Action = "AnswerCase"
	WithdrawCase         Action = "WithdrawCase"
	FileObjection        Action = "FileObjection"
	FileAppeal           Action = "FileAppeal"
	SubmitClaim          Action = "SubmitClaim"
	GetEvidence          Action = "GetEvidence"
	ProposeCourse        Action = "ProposeCourse"
	DecideCourse         Action = "DecideCourse"
	ProposePolicy        Action = "ProposePolicy"
	PublishPolicy        Action = "PublishPolicy"
	SimulatePolicy       Action = "SimulatePolicy"
	ReadEntry            Action = "ReadEntry"
	RegisterOrganization Action = "RegisterOrganization"
	AddKey               Action = "AddKey"
	RevokeKey            Action = "RevokeKey"
	AppointOfficer       Action = "AppointOfficer"
	RemoveOfficer        Action = "RemoveOfficer"
	ChangeCourse         Action = "ChangeCourse"
	Apply                Action = "Apply"
	PursueApplication    Action = "PursueApplication"
	DecideApplication    Action = "DecideApplication"
	ChangeOrganization   Action = "ChangeOrganization"

	ProposeOpeningBalances Action = "ProposeOpeningBalances"
	ConfirmOpeningBalances Action = "ConfirmOpeningBalances"
	RecordOpeningBalances  Action = "RecordOpeningBalances"
	ReadImports            Action = "ReadImports"

	PublishAgreement Action = "PublishAgreement"
	EndAgreement     Action = "EndAgreement"
	GrantConsent     Action = "GrantConsent"
	WithdrawConsent  Action = "WithdrawConsent"
	ReadConsents     Action = "ReadConsents"
	ReadAccesses     Action = "ReadAccesses"
	QuoteTransfer    Action = "QuoteTransfer"

	ReadReceivedConsents Action = "ReadReceivedConsents"

	RequestTransfer  Action = "RequestTransfer"
	AcceptTransfer   Action = "AcceptTransfer"
	DeclineTransfer  Action = "DeclineTransfer"
	WithdrawTransfer Action = "WithdrawTransfer"
	ReadTransfers    Action = "ReadTransfers"

	GetTransferBundle Action = "GetTransferBundle"
	ProposeMerge      Action = "ProposeMerge"
	DecideMerge       Action = "DecideMerge"
	UndoMerge         Action = "UndoMerge"
	ReadMerges        Action = "ReadMerges"
	PreviewClawback   Action = "PreviewClawback"
	ProposeClawback   Action = "ProposeClawback"
	ConfirmClawback   Action = "ConfirmClawback"
	DeclineClawback   Action = "DeclineClawback"
	ReadClawbacks     Action = "ReadClawbacks"
)

// rule says who may do something. What is not said is not permitted.
type rule struct {
	// holder: the resident, about the own account.
	holder bool
	// self: an organization with one of these roles, about itself; any: whatever its roles.
	self []ledgerv1.Role
	any  bool
	// offices: an officer with one of these, about what lies in their subtree.
	offices []ledgerv1.OfficerRole
	// public: every resident and every organization, whomever it is about.
	public bool
}

// ruleFor is the table of who may do what.
func ruleFor(action Action) rule {
	const (
		platform      = ledgerv1.Role_ROLE_PLATFORM
		provider      = ledgerv1.Role_ROLE_PROVIDER
		acceptor      = ledgerv1.Role_ROLE_ACCEPTOR
		administrator = ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR
		certification = ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION
		registrar     = ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR
	)
	roles := func(r ...ledgerv1.Role) []ledgerv1.Role { return r }
	offices := func(o ...ledgerv1.OfficerRole) []ledgerv1.OfficerRole { return o }
	switch action {
	case RecordCompletions, ReadCompletions, ResolveAccount:
		return rule{self: roles(platform)}
	case ReadRejects:
		return rule{self: roles(platform), offices: offices(certification)}
	case OpenAccount:
		return rule{self: roles(platform), offices: offices(registrar)}
	case CheckDocument:
		return rule{offices: offices(registrar)}
	case ReadAccount:
		return rule{holder: true, offices: offices(registrar, certification)}
	case ReadPortfolio:
		return rule{holder: true, offices: offices(certification)}
	case ExportPortfolio:
		return rule{holder: true, offices: offices(registrar, certification)}
	case ExportIdentity: // a registrar has the document before them
		return rule{holder: true, offices: offices(registrar)}
	case AnswerCase:
		return rule{holder: true, self: roles(platform), offices: offices(registrar, certification)}
	case SubmitClaim:
		return rule{holder: true, offices: offices(registrar, certification)}
	case GetEvidence:
		return rule{holder: true, offices: offices(certification)}
	case WithdrawCase, FileAppeal:
		return rule{holder: true}
	case FileObjection:
		return rule{public: true}
	case ReadCases, DecideCase, TakeCase, ReleaseCase, ReturnCase, RevokeCase, DecideCourse, ProposePolicy, PublishPolicy, SimulatePolicy:
		return rule{offices: offices(certification)}
	case ProposeOpeningBalances, ConfirmOpeningBalances, RecordOpeningBalances, ReadImports:
		return rule{offices: offices(certification)}
	case ProposeMerge, DecideMerge, UndoMerge, ReadMerges:
		return rule{offices: offices(registrar, certification)}
	case PreviewClawback, ProposeClawback, ConfirmClawback, DeclineClawback, ReadClawbacks:
		return rule{offices: offices(certification)}
	case ProposeCourse:
		return rule{self: roles(provider), offices: offices(certification)}
	case Apply, PursueApplication:
		return rule{any: true, offices: offices(certification)}
	case DecideApplication, ChangeCourse:
		return rule{offices: offices(certification)}
	case ReadEntry:
		return rule{holder: true, self: roles(platform, acceptor), offices: offices(certification)}
	case RequestTransfer:
		return rule{holder: true, self: roles(acceptor)}
	case AcceptTransfer, DeclineTransfer:
		return rule{self: roles(acceptor)}
	case WithdrawTransfer:
		return rule{holder: true}
	case GetTransferBundle:
		return rule{holder: true, self: roles(acceptor)}
	case ReadTransfers:
		return rule{holder: true, self: roles(acceptor), offices: offices(certification)}
	case PublishAgreement, EndAgreement:
		return rule{self: roles(acceptor)}
	case QuoteTransfer:
		return rule{holder: true, self: roles(acceptor)}
	case GrantConsent, WithdrawConsent, ReadConsents:
		return rule{holder: true, offices: offices(registrar, certification)}
	case ReadReceivedConsents:
		return rule{self: roles(acceptor)}
	case ReadAccesses:
		return rule{holder: true, offices: offices(registrar)}
	case RegisterOrganization, ChangeOrganization, AddKey, RevokeKey, AppointOfficer, RemoveOfficer:
		return rule{offices: offices(administrator)}
	default:
		return rule{}
	}
}

// Subject is what an action is about.
type Subject struct {
	// Organization that it concerns: for a course its provider, for an account the organization at home.
	Organization string
	// Account that it concerns; zero if none.
	Account unit.AccountID
}

// Network answers how organizations lie to each other.
type Network interface {
	// Within says whether organization is ancestor, or lies below it.
	Within(organization, ancestor string) bool
}

// Check answers nil when the caller may do this to the subject, ErrUnauthenticated when they should sign in first, and
// ErrDenied otherwise.
func (c Caller) Check(action Action, subject Subject, network Network) error {
	r := ruleFor(action)
	switch c.Kind {
	case Organization:
		if r.public || (c.Organization == subject.Organization && (r.any || intersect(c.Roles, r.self))) {
			return nil
		}
	case Officer:
		if intersect(c.Offices, r.offices) && network.Within(subject.Organization, c.Organization) {
			return nil
		}
	case Resident:
		if r.public || r.holder && !subject.Account.IsZero() && c.Account == subject.Account {
			return nil
		}
	default:
		return fmt.Errorf("%w: %s needs a token", ErrUnauthenticated, action)
	}
	return fmt.Errorf("%w: %s, as %s", ErrDenied, action, c)
}

// Holds says whether the caller could do this to some subject at all; Check says whether to a certain one.
func (c Caller) Holds(action Action) error {
	return c.Check(action, Subject{Organization: c.Organization, Account: c.Account}, everywhere{})
}

type everywhere struct{}

func (everywhere) Within(string, string) bool { return true }

func intersect[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}
