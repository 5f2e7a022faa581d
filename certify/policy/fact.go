package policy

import (
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

const (
	// MaxMinutes is the most that one completion may have.
	MaxMinutes unit.Minutes = 100_000
	// MaxSessions is the most sessions that one completion may have.
	MaxSessions = 64

	maxSessionLength = 366 * 24 * time.Hour
)

// A Fact is one completion with its course and its platform, and of the account nothing but the birth date: what conditions
// see.
type Fact struct {
	Mode       statementv1.Mode
	Sessions   []Session // 1 to [MaxSessions], in order of time; learning ended when the last one did
	Attendance *Attendance
	Score      *int32
	Passed     *bool
	Site       string
	PostedAt   time.Time
	Platform   unit.OrganizationID
	TrustTier  int

	Provider         unit.OrganizationID
	Course           string
	CourseVersion    string
	Category         string
	Level            int
	NominalMinutes   unit.Minutes // 0: not said, so it limits nothing
	Capacity         int          // most learners at once on the course's site; 0: not said, so it limits nothing
	EquivalenceGroup string
	CourseFrom       Day // 0: open
	CourseUntil      Day // inclusive; 0: open

	// Suspect: signed in a window in which others may have had the key. An officer decides, at the highest risk.
	Suspect bool
	// Held: an officer holds what comes from this course or platform. Another one decides.
	Held bool

	// Born is midnight UTC of the learner's birth date; the zero time where it is unknown. It is all that a fact has of the
	// account, and only rules on points see it: it is looked at where [Policy.AsksAge] says so.
	Born time.Time
}

// A Session is one stretch of learning.
type Session struct {
	Start, End time.Time
	Minutes    unit.Minutes // learned in it
}

// Attendance counts class meetings.
type Attendance struct{ Held, Attended, Late int32 }

// minutes is the sum over the sessions, and whether the fact is within the limits that all arithmetic here relies on.
func (f *Fact) minutes() (int64, bool) {
	if len(f.Sessions) == 0 || len(f.Sessions) > MaxSessions || rules.ModeName(f.Mode) == "" || f.NominalMinutes < 0 {
		return 0, false
	}
	var sum unit.Minutes
	for i := range f.Sessions {
		s := &f.Sessions[i]
		length := s.End.Sub(s.Start)
		if s.Minutes < 0 || s.Minutes > MaxMinutes || length < 0 || length > maxSessionLength {
			return 0, false
		}
		sum += s.Minutes
	}
	return int64(sum), sum <= MaxMinutes
}

func (f *Fact) ended() time.Time {
	if len(f.Sessions) == 0 {
		return f.PostedAt
	}
	return f.Sessions[len(f.Sessions)-1].End
}

func (f *Fact) started() time.Time {
	if len(f.Sessions) == 0 {
		return f.PostedAt
	}
	return f.Sessions[0].Start
}

// age is the learner's whole years on a day; false where the birth date is unknown or lies after it. Who was born on 29
// February is a year older on 1 March where the year has no such day.
func (f *Fact) age(on Day) (int, bool) {
	if f.Born.IsZero() {
		return 0, false
	}
	year, month, day := on.Time().Date()
	born, bornMonth, bornDay := f.Born.Date()
	age := year - born
	if month < bornMonth || month == bornMonth && day < bornDay {
		age--
	}
	return max(age, 0), age >= 0
}

// Variables that only conditions on points may ask for.
const (
	ageVariable      = "age"
	ageKnownVariable = "age_known"
)

func variables() []rules.Variable {
	return []rules.Variable{
		{Name: "mode", Kind: cel.StringType, Most: 16},
		{Name: "minutes", Kind: cel.IntType},
		{Name: "sessions", Kind: cel.IntType},
		{Name: "held", Kind: cel.IntType},
		{Name: "attended", Kind: cel.IntType},
		{Name: "late", Kind: cel.IntType},
		{Name: "has_score", Kind: cel.BoolType},
		{Name: "score", Kind: cel.IntType},
		{Name: "has_passed", Kind: cel.BoolType},
		{Name: "passed", Kind: cel.BoolType},
		{Name: "site", Kind: cel.StringType, Most: 64},
		{Name: "started_at", Kind: cel.TimestampType},
		{Name: "ended_at", Kind: cel.TimestampType},
		{Name: "posted_at", Kind: cel.TimestampType},
		{Name: "days_late", Kind: cel.IntType},
		{Name: "platform", Kind: cel.StringType, Most: 64},
		{Name: "trust_tier", Kind: cel.IntType},
		{Name: "provider", Kind: cel.StringType, Most: 64},
		{Name: "course", Kind: cel.StringType, Most: 64},
		{Name: "course_version", Kind: cel.StringType, Most: 64},
		{Name: "category", Kind: cel.StringType, Most: 64},
		{Name: "level", Kind: cel.IntType},
		{Name: "nominal_minutes", Kind: cel.IntType},
		{Name: "equivalence_group", Kind: cel.StringType, Most: 128},
		{Name: "course_from", Kind: cel.TimestampType},
		{Name: "course_until", Kind: cel.TimestampType},
		{Name: ageVariable, Kind: cel.IntType},
		{Name: ageKnownVariable, Kind: cel.BoolType},
	}
}

// An activation is a Prepared as conditions see it.
type activation Prepared

// Parent implements cel.Activation.
func (*activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation. Times are in the policy's zone, so that ended_at.getHours() is what a clock on the
// wall there shows.
func (a *activation) ResolveName(name string) (any, bool) {
	f := &a.fact
	switch name {
	case "mode":
		return types.String(rules.ModeName(f.Mode)), true
	case "minutes":
		return types.Int(a.minutes), true
	case "sessions":
		return types.Int(len(f.Sessions)), true
	case "held", "attended", "late":
		return types.Int(f.meetings(name)), true
	case "has_score":
		return types.Bool(f.Score != nil), true
	case "score":
		return types.Int(f.score()), true
	case "has_passed":
		return types.Bool(f.Passed != nil), true
	case "passed":
		return types.Bool(f.Passed != nil && *f.Passed), true
	case "site":
		return types.String(f.Site), true
	case "started_at":
		return a.timestamp(f.started()), true
	case "ended_at":
		return a.timestamp(f.ended()), true
	case "posted_at":
		return a.timestamp(f.PostedAt), true
	case "days_late":
		return types.Int(rules.FloorDiv(f.PostedAt.Unix()-f.ended().Unix(), rules.SecondsPerDay)), true
	case "platform":
		return types.String(f.Platform), true
	case "trust_tier":
		return types.Int(f.TrustTier), true
	case "provider":
		return types.String(f.Provider), true
	case "course":
		return types.String(f.Course), true
	case "course_version":
		return types.String(f.CourseVersion), true
	case "category":
		return types.String(f.Category), true
	case "level":
		return types.Int(f.Level), true
	case "nominal_minutes":
		return types.Int(f.NominalMinutes), true
	case "equivalence_group":
		return types.String(f.EquivalenceGroup), true
	case "course_from":
		if f.CourseFrom == 0 {
			return types.Timestamp{Time: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}, true
		}
		return types.Timestamp{Time: f.CourseFrom.Start(a.policy.zone)}, true
	case "course_until":
		if f.CourseUntil == 0 {
			return types.Timestamp{Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, true
		}
		return types.Timestamp{Time: (f.CourseUntil + 1).Start(a.policy.zone)}, true
	case ageVariable:
		age, _ := f.age(a.endDay)
		return types.Int(age), true
	case ageKnownVariable:
		_, known := f.age(a.endDay)
		return types.Bool(known), true
	}
	return nil, false
}

func (a *activation) timestamp(t time.Time) types.Timestamp {
	return types.Timestamp{Time: t.In(a.policy.zone)}
}

func (f *Fact) meetings(name string) int32 {
	switch {
	case f.Attendance == nil:
		return 0
	case name == "held":
		return f.Attendance.Held
	case name == "attended":
		return f.Attendance.Attended
	default:
		return f.Attendance.Late
	}
}

func (f *Fact) score() int32 {
	if f.Score == nil {
		return 0
	}
	return *f.Score
}
