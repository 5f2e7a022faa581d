package sheet

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Limits of a completion; the bank holds the same ones (proto/creditbank/statement/v1).
const (
	maxSessions           = 64
	maxSession            = 24 * time.Hour
	maxAchievement        = 366 * 24 * time.Hour
	maxAchievementMinutes = 100_000
	maxMeetings           = 1000
	maxScore              = 100
	maxSiteBytes          = 64
	maxCourseBytes        = 64
	maxVersionBytes       = 16
	maxFuture             = 5 * time.Minute
	firstYear             = 1950
)

// record is a row before its values are understood.
type record struct {
	line     int
	values   map[string]string // those that are not empty
	sessions []session
	flaws    []Flaw
}

type session struct{ start, end, minutes string }

func (r *record) flaw(column, reason, format string, args ...any) {
	r.flaws = append(r.flaws, Flaw{Column: column, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func (r *record) has(column string) bool { return r.values[column] != "" }

// row understands the values. Every flaw of the row is found at once.
func (r *record) row(options Options) (Row, []Flaw) {
	if len(r.values) == 0 && len(r.flaws) > 0 {
		return Row{}, r.flaws // nothing could be read; what is missing is no news
	}
	c := &statementv1.Completion{
		Provider:      r.provider(),
		Course:        r.code(ColumnCourse, maxCourseBytes),
		CourseVersion: r.code(ColumnCourseVersion, maxVersionBytes),
		Mode:          r.mode(),
		Score:         r.score(),
		Passed:        r.passed(),
		Site:          r.site(),
	}
	c.AccountNumber = r.accountNumber()
	c.Attendance = r.attendance()
	c.Sessions = r.times(c.GetMode() == statementv1.Mode_MODE_ACHIEVEMENT, options)
	return Row{Line: r.line, ID: r.id(), Completion: c}, r.flaws
}

// need answers a value that has to be there.
func (r *record) need(column string) (string, bool) {
	value, ok := r.values[column]
	if !ok && !r.flawed(column) {
		r.flaw(column, ReasonMissing, "there is nothing in it")
	}
	return value, ok
}

func (r *record) flawed(column string) bool {
	for _, flaw := range r.flaws {
		if flaw.Column == column {
			return true
		}
	}
	return false
}

func (r *record) id() unit.StatementID {
	value, ok := r.values[ColumnID]
	if !ok {
		return unit.StatementID{}
	}
	id, err := uuid.Parse(value)
	if err == nil && len(value) == 36 {
		id, err = unit.ParseStatementID(id[:])
	}
	if err != nil || len(value) != 36 {
		r.flaw(ColumnID, "STATEMENT_ID_INVALID", "an id is a UUID such as 0198f3c2-7c1e-7a52-9d0f-3a5b1c2d4e6f; leave it out to have one made")
		return unit.StatementID{}
	}
	return id
}

func (r *record) accountNumber() string {
	value, ok := r.need(ColumnAccountNumber)
	if !ok || r.rounded(ColumnAccountNumber, value) {
		return ""
	}
	number, err := unit.ParseTypedAccountNumber(value)
	if err != nil {
		r.flaw(ColumnAccountNumber, "ACCOUNT_NUMBER_INVALID", "%v; compare it with the learner's card", err)
		return ""
	}
	return string(number)
}

// rounded refuses numbers as spreadsheets mangle them: 4.4E+17 has lost its last digits, and nobody can know them.
func (r *record) rounded(column, value string) bool {
	if !mangled(value) {
		return false
	}
	r.flaw(column, ReasonSpreadsheet, "a spreadsheet has rounded this number and its last digits are lost: format the column as "+
		"text, and enter the number again from its source")
	return true
}

// mangled says whether value is digits, perhaps with a decimal sign, an E and an exponent.
func mangled(value string) bool {
	mantissa, exponent, found := strings.Cut(strings.ToUpper(value), "E")
	exponent = strings.TrimLeft(exponent, "+-")
	return found && mantissa != "" && exponent != "" && digits(mantissa, ".,") && digits(exponent, "")
}

func digits(s, others string) bool {
	return strings.Trim(s, "0123456789"+others) == ""
}

func (r *record) provider() string {
	value, ok := r.need(ColumnProvider)
	if !ok {
		return ""
	}
	id, err := unit.ParseOrganizationID(value)
	if err != nil {
		r.flaw(ColumnProvider, "FIELD_INVALID", "%v; such as school-cuiyuan", err)
	}
	return string(id)
}

func (r *record) code(column string, most int) string {
	value, ok := r.need(column)
	if ok && !r.rounded(column, value) && (len(value) > most || !consists(value, "-_.")) {
		r.flaw(column, "FIELD_INVALID", `it has 1 to %d letters of the Latin alphabet, digits and "-_."`, most)
	}
	return value
}

func (r *record) mode() statementv1.Mode {
	value, ok := r.need(ColumnMode)
	if !ok {
		return 0
	}
	switch strings.ToLower(value) {
	case "classroom", "面授":
		return statementv1.Mode_MODE_CLASSROOM
	case "online", "远程":
		return statementv1.Mode_MODE_ONLINE
	case "practice", "实践", "体验":
		return statementv1.Mode_MODE_PRACTICE
	case "lecture", "讲座":
		return statementv1.Mode_MODE_LECTURE
	case "achievement", "成果":
		return statementv1.Mode_MODE_ACHIEVEMENT
	default:
		r.flaw(ColumnMode, "UNKNOWN_ENUM", "it is none of classroom 面授, online 远程, practice 实践, lecture 讲座, achievement 成果")
		return 0
	}
}

// number reads a whole number of at most six digits.
func (r *record) number(column, reason, value string, least, most int64) (int64, bool) {
	if r.rounded(column, value) {
		return 0, false
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || strings.HasPrefix(value, "+") || n < least || n > most {
		r.flaw(column, reason, "it is a whole number from %d to %d", least, most)
		return 0, false
	}
	return n, true
}

func (r *record) score() *int32 {
	value, ok := r.values[ColumnScore]
	if !ok {
		return nil
	}
	n, ok := r.number(ColumnScore, "SCORE_INVALID", value, 0, maxScore)
	if !ok {
		return nil
	}
	score := int32(n)
	return &score
}

func (r *record) passed() *bool {
	value, ok := r.values[ColumnPassed]
	if !ok {
		return nil
	}
	var passed bool
	switch strings.ToLower(value) {
	case "yes", "true", "1", "是", "合格", "通过":
		passed = true
	case "no", "false", "0", "否", "不合格", "未通过":
	default:
		r.flaw(ColumnPassed, "FIELD_INVALID", "it is yes or no, 是 or 否")
		return nil
	}
	return &passed
}

func (r *record) site() string {
	value := r.values[ColumnSite]
	if len(value) > maxSiteBytes || !consists(value, "-_./:") {
		r.flaw(ColumnSite, "SITE_INVALID", `it has at most %d letters of the Latin alphabet, digits and "-_./:"`, maxSiteBytes)
	}
	return value
}

func (r *record) attendance() *statementv1.Attendance {
	if !r.has(ColumnHeld) && !r.has(ColumnAttended) && !r.has(ColumnLate) {
		return nil
	}
	const reason = "ATTENDANCE_INVALID"
	heldText, held := r.need(ColumnHeld)
	attendedText, attended := r.need(ColumnAttended)
	if !held || !attended {
		return nil
	}
	all, ok := r.number(ColumnHeld, reason, heldText, 1, maxMeetings)
	if !ok {
		return nil
	}
	inTime, ok := r.number(ColumnAttended, reason, attendedText, 0, all)
	if !ok {
		return nil
	}
	var late int64
	if text, there := r.values[ColumnLate]; there {
		if late, ok = r.number(ColumnLate, reason, text, 0, all-inTime); !ok {
			return nil
		}
	}
	return &statementv1.Attendance{Held: int32(all), Attended: int32(inTime), Late: int32(late)}
}

// times understands the sessions.
func (r *record) times(achievement bool, options Options) []*statementv1.Session {
	if len(r.sessions) == 0 {
		if !r.has(keySessions) {
			r.need(ColumnStart)
			r.need(ColumnEnd)
			r.need(ColumnMinutes)
		}
		return nil
	}
	if len(r.sessions) > maxSessions {
		r.flaw(ColumnStart, "SESSIONS_INVALID", "there are %d sessions, at most %d are taken", len(r.sessions), maxSessions)
		return nil
	}
	var (
		sessions []*statementv1.Session
		last     time.Time
	)
	for i, s := range r.sessions {
		start, ok := r.time(r.label(i, ColumnStart), s.start, options.Zone)
		end, ended := r.time(r.label(i, ColumnEnd), s.end, options.Zone)
		if !ok || !ended || !r.ordered(i, start, end, last, achievement, options.Now) {
			continue
		}
		last = end
		minutes, ok := r.minutes(r.label(i, ColumnMinutes), s.minutes, end.Sub(start), achievement)
		if ok {
			sessions = append(sessions, &statementv1.Session{
				StartTime: timestamppb.New(start), EndTime: timestamppb.New(end), Minutes: minutes,
			})
		}
	}
	return sessions
}

// label names a value of a session as its author finds it.
func (r *record) label(i int, column string) string {
	switch {
	case r.has(keySessions):
		return sessionKey(i, column)
	case len(r.sessions) == 1:
		return column
	default:
		return fmt.Sprintf("%s (value %d)", column, i+1)
	}
}

func (r *record) ordered(i int, start, end, last time.Time, achievement bool, now time.Time) bool {
	longest := maxSession
	if achievement {
		longest = maxAchievement
	}
	switch {
	case !end.After(start):
		r.flaw(r.label(i, ColumnEnd), "TIME_INVALID", "the session ends before it begins")
	case end.Sub(start) > longest:
		r.flaw(r.label(i, ColumnEnd), "TIME_INVALID", "the session lasts longer than %d hours", longest/time.Hour)
	case start.Before(last):
		r.flaw(r.label(i, ColumnStart), "SESSIONS_INVALID", "the session begins before the one before it has ended")
	case end.After(now.Add(maxFuture)):
		r.flaw(r.label(i, ColumnEnd), "TIME_IN_FUTURE", "the session ends in the future")
	default:
		return true
	}
	return false
}

func (r *record) minutes(column, value string, length time.Duration, achievement bool) (int64, bool) {
	if value == "" {
		r.flaw(column, ReasonMissing, "there is nothing in it")
		return 0, false
	}
	least, most := int64(1), int64((length+time.Minute-1)/time.Minute)
	if achievement {
		least, most = 0, maxAchievementMinutes
	}
	return r.number(column, "MINUTES_INVALID", value, least, most)
}

// time reads RFC 3339, or a date and a time of day in the zone, year first: 01/02/2026 could be two days.
func (r *record) time(column, value string, zone *time.Location) (time.Time, bool) {
	if value == "" {
		r.flaw(column, ReasonMissing, "there is nothing in it")
		return time.Time{}, false
	}
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		return r.whole(column, t)
	}
	for _, layout := range [...]string{
		"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05",
		"2006/1/2 15:04", "2006/1/2 15:04:05", // what a Chinese spreadsheet makes of the above
	} {
		wall, err := time.Parse(layout, value)
		if err != nil {
			continue
		}
		t, err := time.ParseInLocation(layout, value, zone)
		if err != nil || t.Format(time.DateTime) != wall.Format(time.DateTime) {
			r.flaw(column, "TIME_INVALID", "there was no such time of day in %s: the clocks were put forward", zone)
			return time.Time{}, false
		}
		return r.whole(column, t)
	}
	r.flaw(column, "TIME_INVALID", "write a time as 2026-03-01 09:00, or as 2026-03-01T09:00:00+08:00")
	return time.Time{}, false
}

func (r *record) whole(column string, t time.Time) (time.Time, bool) {
	if t.Nanosecond() != 0 || t.UTC().Year() < firstYear {
		r.flaw(column, "TIME_INVALID", "the time is not in whole seconds since %d", firstYear)
		return time.Time{}, false
	}
	return t, true
}

// consists says whether s is made of ASCII letters, digits and others.
func consists(s, others string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return true
}
