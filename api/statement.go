package api

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Limits of a statement.
const (
	// MaxStatements is how many statements one submission holds at most.
	MaxStatements = 1000
	// MaxStatementBytes is the size of the largest statement.
	MaxStatementBytes = 16 << 10

	saltBytes             = 16
	maxSessions           = 64
	maxSession            = 24 * time.Hour
	maxAchievement        = 366 * 24 * time.Hour
	maxAchievementMinutes = 100_000
	maxMeetings           = 1000
	maxScore              = 100
	maxSiteBytes          = 64
	maxNameBytes          = 64
	// maxFuture is how far the clock of a platform may run ahead.
	maxFuture = 5 * time.Minute
	// firstYear is the earliest year in which learning may have ended.
	firstYear = 1950
)

// statement is a statement as it was sent, and what could be read of it.
type statement struct {
	bytes []byte
	hash  merkle.Hash
	// id is the statement's; hasID says whether one could be read.
	id    unit.StatementID
	hasID bool
	// Exactly one of the assertions is there when fault is nil.
	completion *statementv1.Completion
	void       *statementv1.CompletionVoid
	voided     unit.StatementID
	fault      *Error
}

// readStatement decodes and checks everything about a statement that can be checked without asking anybody.
func readStatement(b []byte, hash merkle.Hash, now time.Time) statement {
	s := statement{bytes: b, hash: hash}
	s.fault = s.read(now)
	return s
}

func (s *statement) read(now time.Time) *Error {
	if len(s.bytes) > MaxStatementBytes {
		return invalid(ReasonStatementSize, "", "the statement has %d bytes, at most %d are taken", len(s.bytes), MaxStatementBytes)
	}
	m, err := decodeStatement(s.bytes)
	if err != nil {
		return invalid(ReasonStatementMalformed, "", "the bytes are no creditbank.statement.v1.Statement")
	}
	id, err := unit.ParseStatementID(m.GetId())
	if err != nil {
		return invalid(ReasonStatementID, "id", "%w", err)
	}
	s.id, s.hasID = id, true
	if unknown(m) {
		return unknownField("")
	}
	if n := len(m.GetSalt()); n != saltBytes {
		return invalid(ReasonSalt, "salt", "the salt has %d bytes, not %d", n, saltBytes)
	}
	if assertions(s.bytes) > 1 {
		return invalid(ReasonAssertions, "assertion", "the bytes assert more than once: each assertion is a statement of its own")
	}
	switch {
	case m.GetCompletion() != nil:
		s.completion = m.GetCompletion()
		return checkCompletion(s.completion, now)
	case m.GetCompletionVoid() != nil:
		s.void = m.GetCompletionVoid()
		return s.checkVoid()
	default:
		return invalid(ReasonNoAssertion, "assertion", "the statement asserts nothing: set completion or completion_void")
	}
}

// The fields of the oneof of a Statement.
const (
	completionField protowire.Number = 3
	voidField       protowire.Number = 4
)

// assertions is how many assertions the bytes of a statement hold. A decoder keeps the last kind and merges those of one kind, and
// another one may not: what was signed would mean one thing here and another there.
func assertions(b []byte) int {
	n := 0
	for len(b) > 0 {
		number, _, size := protowire.ConsumeField(b)
		if size < 0 {
			return n // they were decoded before, so that this cannot be
		}
		if number == completionField || number == voidField {
			n++
		}
		b = b[size:]
	}
	return n
}

// decodeStatement decodes without reflection where nothing is lost by it: the generated code drops what it does not know of a
// Timestamp, and then its message is shorter than the bytes.
func decodeStatement(b []byte) (*statementv1.Statement, error) {
	fast := new(statementv1.Statement)
	if err := fast.UnmarshalVT(b); err == nil && fast.SizeVT() == len(b) {
		return fast, nil
	}
	m := new(statementv1.Statement)
	return m, proto.Unmarshal(b, m)
}

func (s *statement) checkVoid() *Error {
	const field = "completion_void"
	if unknown(s.void) {
		return unknownField(field)
	}
	voided, err := unit.ParseStatementID(s.void.GetStatementId())
	if err != nil {
		return invalid(ReasonStatementID, field+".statement_id", "%w", err)
	}
	s.voided = voided
	return checkEnum(field+".reason", s.void.GetReason(), statementv1.VoidReason_name)
}

func checkCompletion(c *statementv1.Completion, now time.Time) *Error {
	const field = "completion"
	if unknown(c) {
		return unknownField(field)
	}
	if _, err := unit.ParseAccountNumber(c.GetAccountNumber()); err != nil {
		return invalid(ReasonAccountNumber, field+".account_number", "%w", err)
	}
	if _, err := unit.ParseOrganizationID(c.GetProvider()); err != nil {
		return invalid(ReasonUnknownCourse, field+".provider", "%w", err)
	}
	if !isCode(c.GetCourse(), maxNameBytes) {
		return invalid(ReasonUnknownCourse, field+".course", "a course code has 1 to %d letters, digits and \"-_.\"", maxNameBytes)
	}
	if !isCode(c.GetCourseVersion(), maxVersionBytes) {
		return invalid(ReasonUnknownCourse, field+".course_version", "a version has 1 to %d letters, digits and \"-_.\"", maxVersionBytes)
	}
	if fault := checkEnum(field+".mode", c.GetMode(), statementv1.Mode_name); fault != nil {
		return fault
	}
	if fault := checkSessions(c, now); fault != nil {
		return fault
	}
	if fault := checkAttendance(c.GetAttendance()); fault != nil {
		return fault
	}
	if c.Score != nil && (c.GetScore() < 0 || c.GetScore() > maxScore) {
		return invalid(ReasonScore, field+".score", "the score is %d, scores are 0 to %d", c.GetScore(), maxScore)
	}
	if site := c.GetSite(); site != "" && !isSite(site) {
		return invalid(ReasonSite, field+".site", "a site has at most %d letters, digits and \"-_./:\"", maxSiteBytes)
	}
	return nil
}

func checkSessions(c *statementv1.Completion, now time.Time) *Error {
	const field = "completion.sessions"
	if n := len(c.GetSessions()); n < 1 || n > maxSessions {
		return invalid(ReasonSessions, field, "there are %d sessions, 1 to %d are taken", n, maxSessions)
	}
	longest, achievement := maxSession, c.GetMode() == statementv1.Mode_MODE_ACHIEVEMENT
	if achievement {
		longest = maxAchievement
	}
	var last time.Time
	for i, session := range c.GetSessions() {
		at := indexed(field, i)
		if session == nil || unknown(session) {
			return unknownField(at)
		}
		start, fault := checkTime(at+".start_time", session.GetStartTime())
		if fault != nil {
			return fault
		}
		end, fault := checkTime(at+".end_time", session.GetEndTime())
		if fault != nil {
			return fault
		}
		switch {
		case !end.After(start):
			return invalid(ReasonTime, at+".end_time", "the session ends before it begins")
		case end.Sub(start) > longest:
			return invalid(ReasonTime, at+".end_time", "the session lasts longer than %s", longest)
		case start.Before(last):
			return invalid(ReasonSessions, at+".start_time", "the session begins before the one before it has ended")
		case end.After(now.Add(maxFuture)):
			return invalid(ReasonFuture, at+".end_time", "the session ends in the future")
		}
		last = end
		if fault := checkMinutes(at+".minutes", session.GetMinutes(), end.Sub(start), achievement); fault != nil {
			return fault
		}
	}
	return nil
}

func checkMinutes(field string, minutes int64, length time.Duration, achievement bool) *Error {
	least, most := int64(1), int64((length+time.Minute-1)/time.Minute)
	if achievement {
		least, most = 0, maxAchievementMinutes
	}
	if minutes < least || minutes > most {
		return invalid(ReasonMinutes, field, "%d minutes were learned in a session that can hold %d to %d", minutes, least, most)
	}
	return nil
}

func checkTime(field string, t *timestamppb.Timestamp) (time.Time, *Error) {
	if t == nil {
		return time.Time{}, invalid(ReasonTime, field, "the time is missing")
	}
	if unknown(t) {
		return time.Time{}, unknownField(field)
	}
	if err := t.CheckValid(); err != nil || t.GetNanos() != 0 || t.AsTime().Year() < firstYear {
		return time.Time{}, invalid(ReasonTime, field, "the time is not in whole seconds since %d", firstYear)
	}
	return t.AsTime(), nil
}

func checkAttendance(a *statementv1.Attendance) *Error {
	const field = "completion.attendance"
	if a == nil {
		return nil
	}
	if unknown(a) {
		return unknownField(field)
	}
	held, attended, late := a.GetHeld(), a.GetAttended(), a.GetLate()
	switch {
	case held < 1 || held > maxMeetings:
		return invalid(ReasonAttendance, field+".held", "%d meetings were held, 1 to %d are taken", held, maxMeetings)
	case attended < 0 || attended > held:
		return invalid(ReasonAttendance, field+".attended", "%d of %d meetings were attended", attended, held)
	case late < 0 || late > held-attended:
		return invalid(ReasonAttendance, field+".late", "%d of %d meetings were attended late, and %d in time", late, held, attended)
	}
	return nil
}

// fact is what the policy judges: the statement, its course, and who posted it. The learning ended on a day.
func (s *statement) fact(course *course, day policy.Day, platform unit.OrganizationID, tier int, posted time.Time) policy.Fact {
	c := s.completion
	from, until := course.window(day)
	f := policy.Fact{
		Mode:             c.GetMode(),
		Sessions:         make([]policy.Session, len(c.GetSessions())),
		Score:            c.Score,
		Passed:           c.Passed,
		Site:             c.GetSite(),
		PostedAt:         posted,
		Platform:         platform,
		TrustTier:        tier,
		Provider:         unit.OrganizationID(course.fact.GetProvider()),
		Course:           course.fact.GetCode(),
		CourseVersion:    course.fact.GetVersion(),
		Category:         course.fact.GetCategory(),
		Level:            int(course.fact.GetLevel()),
		NominalMinutes:   unit.Minutes(course.fact.GetNominalMinutes()),
		Capacity:         int(course.fact.GetCapacity()),
		EquivalenceGroup: course.fact.GetEquivalenceGroup(),
		CourseFrom:       from,
		CourseUntil:      until,
	}
	for i, session := range c.GetSessions() {
		f.Sessions[i] = policy.Session{
			Start: session.GetStartTime().AsTime(), End: session.GetEndTime().AsTime(), Minutes: unit.Minutes(session.GetMinutes()),
		}
	}
	if a := c.GetAttendance(); a != nil {
		f.Attendance = &policy.Attendance{Held: a.GetHeld(), Attended: a.GetAttended(), Late: a.GetLate()}
	}
	return f
}

// minutes is the sum that was posted.
func (s *statement) minutes() int64 {
	var sum int64
	for _, session := range s.completion.GetSessions() {
		sum += session.GetMinutes()
	}
	return sum
}

// ended is when the learning ended.
func (s *statement) ended() time.Time {
	sessions := s.completion.GetSessions()
	return sessions[len(sessions)-1].GetEndTime().AsTime()
}
