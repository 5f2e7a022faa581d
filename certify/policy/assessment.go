package policy

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Causes of the bank's own for which an officer has to decide; the others are the names of the policy's rules.
const (
	// PolicyError: a condition could not be worked out, or the fact or the standing is outside all limits.
	PolicyError = "POLICY_ERROR"
	// KeySuspect: others may have had the key that signed.
	KeySuspect = "KEY_SUSPECT"
	// Held: an officer has everything held that comes from this course or platform.
	Held = "HELD"
	// ClosedPeriod: the learning ended in a reporting period that is closed.
	ClosedPeriod = "CLOSED_PERIOD"
	// UnknownCategory: the course's category is none of the policy's.
	UnknownCategory = "UNKNOWN_CATEGORY"
)

// Rules of the bank's own in reasons, beside the causes.
const (
	// AsPosted: no rule on hours applies, so the posted minutes count.
	AsPosted = "AS_POSTED"
	// NoRule: no rule of conversion applies, so there are no credits.
	NoRule = "NO_RULE"
	// Approved: an officer approved.
	Approved = "APPROVED"
	// HoursOnly: an officer gave the hours without credits.
	HoursOnly = "HOURS_ONLY"
	// Gone: credits of the completion went their way when it counted before; they are not given again.
	Gone = "GONE"
)

// Risks of the causes that are not the policy's to rate, from 1 to 5.
const (
	riskOverlap         = 3
	riskPolicyError     = 3
	riskKeySuspect      = 5
	riskHeld            = 4
	riskClosedPeriod    = 2
	riskUnknownCategory = 2
)

// A Standing is what an account has when a completion is decided on. Its answers do not change while Decide runs; Decide asks
// only for the days, keys and crowds that the Prepared names, and for each at most a few times. Amounts below zero count as zero.
type Standing interface {
	// Remainder is the unspent minutes of this account and course.
	Remainder() unit.Minutes
	// DayMinutes is what counts towards the daily limit of a rule already.
	DayMinutes(rule string, day Day) unit.Minutes
	// Usage is what counts towards a cap already, but for what this completion does.
	Usage(key string) unit.Credits
	// Busy is the sessions of the account's other completions that began on a day, in any order.
	Busy(day Day) []Busy
	// Crowd is how many completions, of all accounts, were counted in a crowd before.
	Crowd(key uint64) int
	// Prior is the completion that stands for the equivalence group now, if there is one.
	Prior() (Prior, bool)
	// Gone is what an earlier decision gave for this completion and nobody can take back: transferred, or expired.
	Gone() unit.Credits
}

// Busy is a session of another completion.
type Busy struct {
	Platform unit.OrganizationID
	Start    int64 // minutes since 1970-01-01T00:00:00Z
	Length   int32 // minutes
}

// A Prior is the completion that stands for an equivalence group, as recorded.
type Prior struct {
	Completion uint64 // entry that recorded it
	HasScore   bool
	Score      int32
	// Replaceable: what it was given is whole and available, so that it can be taken back.
	Replaceable bool
	ExpiresDay  Day // of its lot; 0: never
	// Usage and Days are what it counts towards caps and daily limits: a better score is judged as if they were not there.
	Usage []Usage
	Days  []DayMinutes
}

// A Reason is why a number is what it is; it mirrors ledgerv1.Reason. Minutes up to the duplicates and before conversion,
// milli-credits from there on; but for points, which have minutes before and milli-points after.
type Reason struct {
	Stage  ledgerv1.Stage
	Rule   string // of the policy, or one of the bank's own in capitals
	Before int64
	After  int64
	// Limit is what the rule allows: minutes of a day or a course, minutes of tolerance, minutes per credit, milli-credits of
	// a cap or a step, completions of a crowd, months of validity, minutes per point.
	Limit int64
	// Carried is the number beside the chain: minutes of overlap (duplicates), minutes from earlier classes (conversion),
	// milli-credits that wait (caps), minutes left for the next class (rounding), completions of a crowd so far (review),
	// milli-credits that are gone (decision), milli-points that the age factor added.
	Carried int64
}

// An Assessment is what was decided on one completion and everything that changes by it. Slices are in a fixed order; what is
// zero is left out.
type Assessment struct {
	Outcome ledgerv1.Outcome
	Reasons []Reason
	// Causes are why an officer has to decide, and Risk is 1 to 5; only IN_REVIEW has them.
	Causes []string
	Risk   int

	Hours     []YearMinutes // counted, in the course's category
	Days      []DayMinutes  // counted towards daily limits
	Remainder unit.Minutes  // change of the remainder of account and course

	Available  unit.Credits // of the new lot; without available and pending credits there is no lot
	Pending    unit.Credits // of the new lot
	ExpiresDay Day          // of the new lot: first day on which it can no longer be used; 0: never
	Usage      []Usage      // what the available part counts towards caps, and with it what is gone
	Caps       []string     // keys of the caps that the lot counts towards, for its release

	Points         unit.Points // reward points for the hours
	PointsLapseDay Day         // first day on which they can no longer be used; 0: they do not lapse

	// Replaces: the same entry takes back what the Prior was given (hours, days, lots and usage, as recorded). None of that is
	// in the fields above, which say what this completion adds.
	Replaces bool
	// GroupStands: from now on this completion stands for its equivalence group.
	GroupStands bool
}

// YearMinutes are hours counted in a calendar year.
type YearMinutes struct {
	Year    int
	Minutes unit.Minutes
}

// DayMinutes are minutes that count towards the daily limit of a rule.
type DayMinutes struct {
	Rule    string
	Day     Day
	Minutes unit.Minutes
}

// Usage is what counts towards a cap.
type Usage struct {
	Key     string
	Credits unit.Credits
}

// SessionTime is when a session was, as others are compared with it; it mirrors ledgerv1.SessionTime.
type SessionTime struct {
	Day    Day   // on which it began
	Start  int64 // minutes since 1970-01-01T00:00:00Z, rounded down
	Length int32 // minutes, rounded up
}
