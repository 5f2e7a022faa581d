package district

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Submission is what one platform posts at once.
type Submission struct {
	// Platform is its place in Platforms.
	Platform int
	// Statements as they are signed: 1 to 1,000.
	Statements [][]byte
	// New is how many of them are completions that were not posted before.
	New int
}

// How often in a thousand completions something is not as it should be.
const (
	late           = 20 // posted more than 90 days after it was learned
	overlapping    = 12 // learned on two platforms at the same time
	notAttended    = 35 // missed more than a fifth of the meetings
	notPassed      = 35 // of those with a test: below 60
	unknownAccount = 5
	unknownCourse  = 2
	notAccredited  = 2
	inTheFuture    = 1
	tooManyMinutes = 1
	// Beside the completions, in a thousand of them: statements that are posted a second time, and voids.
	doubled = 12
	voided  = 4
)

// Learning of most people ended in the last recentDays days; what is posted late lateFrom to lateTo days ago. Both stay
// clear of the 90 days, so that an hour more or less changes nothing.
const (
	recentDays = 80
	lateFrom   = 96
	lateTo     = 170
)

// planner writes what the platforms post, one after the other.
type planner struct {
	*District
	r         *rand.Rand
	numbers   []unit.AccountNumber
	platforms []Platform
	// courses are those that can be posted, by platform; proposed is one that cannot.
	courses  [][]Course
	proposed Course
	secret   []byte
	// listed are the completions of the listed people that are still to be posted, by platform.
	listed [][]learned
	// posted are some of the statements of earlier submissions, by platform; writing are those of the present one.
	posted  [][]statement
	writing []statement
	// count is how many statements were written.
	count int
}

// learned is one completion.
type learned struct {
	person     int
	course     Course
	sessions   []session
	held, late int
	score      *int32
}

type session struct {
	start   time.Time
	minutes int
}

// statement is one that was posted and can be posted again, voided, or overlapped.
type statement struct {
	id    []byte
	bytes []byte
	learned
}

// remembered is how many statements of a platform are kept for what comes later.
const remembered = 256

// Submissions is what the platforms post about the people with these account numbers, in the order of People. It is
// posted one after the other: in another order other completions would be the second ones.
func (d *District) Submissions(numbers []unit.AccountNumber) iter.Seq2[Submission, error] {
	return func(yield func(Submission, error) bool) {
		p := d.newPlanner(numbers)
		for left := d.Completions; left > 0; {
			s, err := p.submission(left)
			if !yield(s, err) || err != nil {
				return
			}
			left -= s.New
		}
	}
}

func (d *District) newPlanner(numbers []unit.AccountNumber) *planner {
	secret := d.hash("salt", 0)
	p := &planner{
		District: d, r: d.random("plan"), numbers: numbers, platforms: Platforms(), secret: secret[:],
		courses: make([][]Course, len(Platforms())), listed: make([][]learned, len(Platforms())), posted: make([][]statement, len(Platforms())),
	}
	for _, c := range d.Courses() {
		if c.Decision == ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED {
			p.proposed = c
			continue
		}
		for i := range p.courses {
			if slices.Contains(modes(i), c.mode) {
				p.courses[i] = append(p.courses[i], c)
			}
		}
	}
	p.planListed()
	return p
}

// submission writes what a platform posts at once, with at most so many new completions.
func (p *planner) submission(most int) (Submission, error) {
	s := Submission{Platform: p.platform(), New: p.size()}
	for platform, waiting := range p.listed { // come first, so that they come at all
		if len(waiting) > 0 {
			s = Submission{Platform: platform, New: len(waiting)}
			break
		}
	}
	s.New = min(s.New, most)
	for range s.New {
		written, err := p.completion(s.Platform)
		if err != nil {
			return s, err
		}
		s.Statements = append(s.Statements, written.bytes)
		if written.id != nil {
			p.writing = append(p.writing, written)
		}
	}
	for range s.New {
		if len(s.Statements) >= maxStatements {
			break
		}
		chance, earlier := p.r.IntN(1000), p.posted[s.Platform]
		switch {
		case len(earlier) == 0:
		case chance < doubled:
			s.Statements = append(s.Statements, earlier[p.r.IntN(len(earlier))].bytes)
		case chance < doubled+voided:
			at := p.r.IntN(len(earlier))
			bytes, err := p.void(earlier[at])
			if err != nil {
				return s, err
			}
			s.Statements = append(s.Statements, bytes)
			p.posted[s.Platform] = slices.Delete(earlier, at, at+1)
		}
	}
	kept := slices.Concat(p.posted[s.Platform], p.writing)
	p.posted[s.Platform], p.writing = slices.Delete(kept, 0, max(0, len(kept)-remembered)), nil
	return s, nil
}

const maxStatements = 1000

// size is how many completions a submission has: from one, as a platform posts that does not wait, to what was collected
// over a day.
func (p *planner) size() int {
	switch chance := p.r.IntN(100); {
	case chance < 30:
		return 1
	case chance < 55:
		return 2 + p.r.IntN(9)
	case chance < 80:
		return 11 + p.r.IntN(90)
	case chance < 92:
		return 101 + p.r.IntN(400)
	default:
		return 501 + p.r.IntN(maxStatements-500)
	}
}

func (p *planner) platform() int {
	chance := p.r.IntN(100)
	for i, platform := range p.platforms {
		if chance -= platform.share; chance < 0 {
			return i
		}
	}
	return 0
}

// completion writes one completion. Its id is nil when nothing should come after it, since it is going to be refused or is
// somebody's who is listed.
func (p *planner) completion(platform int) (statement, error) {
	if waiting := p.listed[platform]; len(waiting) > 0 {
		p.listed[platform] = waiting[1:]
		written, err := p.write(platform, waiting[0], nil)
		written.id = nil
		return written, err
	}
	c, number := p.learn(platform), ""
	spoil := func(*statementv1.Completion) {}
	refused := true
	switch chance := p.r.IntN(1000); {
	case chance < overlapping:
		c, refused = p.elsewhere(platform, c), false
	case chance < overlapping+unknownAccount:
		n, err := unit.NewAccountNumber(p.source(fmt.Sprintf("nobody %d", p.count)))
		if err != nil {
			return statement{}, err
		}
		number = string(n)
	case chance < overlapping+unknownAccount+unknownCourse:
		spoil = func(c *statementv1.Completion) { c.Course += "X" }
	case chance < overlapping+unknownAccount+unknownCourse+notAccredited:
		spoil = func(c *statementv1.Completion) { c.Provider, c.Course = p.proposed.Provider, p.proposed.Code }
	case chance < overlapping+unknownAccount+unknownCourse+notAccredited+inTheFuture:
		c = c.moved(p.Day.AddDate(0, 0, 3).Sub(c.end()))
	case chance < overlapping+unknownAccount+unknownCourse+notAccredited+inTheFuture+tooManyMinutes:
		spoil = func(c *statementv1.Completion) { c.Sessions[0].Minutes += 600 }
	default:
		refused = false
	}
	written, err := p.write(platform, c, func(c *statementv1.Completion) {
		if number != "" {
			c.AccountNumber = number
		}
		spoil(c)
	})
	if refused {
		written.id = nil
	}
	return written, err
}

// learn makes up what somebody learned with a platform. Few learn much, many a little.
func (p *planner) learn(platform int) learned {
	courses := p.courses[platform]
	c := learned{course: courses[p.r.IntN(len(courses))]}
	for c.course.mode == achievement && p.r.IntN(8) > 0 { // degrees and certificates are rare
		c.course = courses[p.r.IntN(len(courses))]
	}
	listed := p.Listed()
	others, u := len(p.numbers)-listed, p.r.Float64()
	c.person = listed + min(int(float64(others)*u*(0.5+0.5*u)), others-1)
	end := p.Day.AddDate(0, 0, -1-p.r.IntN(recentDays))
	if p.r.IntN(1000) < late {
		end = p.Day.AddDate(0, 0, -lateFrom-p.r.IntN(lateTo-lateFrom))
	}
	p.attend(&c, platform, end, p.r.IntN(1000) >= notAttended)
	if c.course.scored {
		score := int32(62 + p.r.IntN(38))
		if p.r.IntN(1000) < notPassed {
			score = int32(35 + p.r.IntN(24))
		}
		c.score = &score
	}
	return c
}

// attend makes up the sessions of a completion whose last one was on a day.
func (p *planner) attend(c *learned, platform int, end time.Time, regularly bool) {
	count, minutes, apart := 1, 90, 7
	switch c.course.mode {
	case inClass:
		count, apart = 2+p.r.IntN(5), 2+p.r.IntN(6)
	case online:
		count, minutes, apart = 1+p.r.IntN(4), 30+15*p.r.IntN(5), 1+p.r.IntN(3)
	case practice:
		minutes = 120 + 30*p.r.IntN(5)
	case achievement:
		minutes = c.course.Minutes
	}
	c.held = count
	absent := 0
	if c.course.mode == inClass {
		switch {
		case !regularly:
			absent = max(1, count/2)
		case count >= 5:
			absent = p.r.IntN(2) // one of five or six: four of five are enough, five of six too
		}
	}
	at := p.platforms[platform]
	for i := range count - absent {
		day := end.AddDate(0, 0, -apart*(count-absent-1-i))
		c.sessions = append(c.sessions, session{day.Add(time.Duration(at.hour)*time.Hour + time.Duration(at.minute)*time.Minute), minutes})
	}
	if c.course.mode == inClass && regularly && len(c.sessions) > 3 {
		c.late = p.r.IntN(2)
	}
}

// elsewhere moves a completion to where its learner was at that time, on another platform.
func (p *planner) elsewhere(platform int, c learned) learned {
	other := (platform + 1 + p.r.IntN(len(p.posted)-1)) % len(p.posted)
	if len(p.posted[other]) == 0 {
		return c
	}
	busy := p.posted[other][p.r.IntN(len(p.posted[other]))]
	c.person = busy.person
	c = c.moved(busy.sessions[0].start.Sub(c.sessions[0].start))
	for len(c.sessions) > 1 && c.end().After(p.Day) { // nobody learns tomorrow
		c.sessions = c.sessions[:len(c.sessions)-1]
	}
	c.held, c.late = len(c.sessions), 0
	return c
}

// moved is the same learning at another time.
func (c learned) moved(by time.Duration) learned {
	c.sessions = slices.Clone(c.sessions)
	for i := range c.sessions {
		c.sessions[i].start = c.sessions[i].start.Add(by)
	}
	return c
}

// end is when the last session ended.
func (c learned) end() time.Time {
	last := c.sessions[len(c.sessions)-1]
	return last.start.Add(time.Duration(last.minutes) * time.Minute)
}

// listedCourses is how many courses a listed person takes at most: one of every category, and some more.
const listedCourses = 12

// planListed makes up what the listed people learned: everything in time, attended and passed, nothing twice, and enough
// of it for credits.
func (p *planner) planListed() {
	for person := range p.Listed() {
		order := p.r.Perm(len(p.courses))
		taken := make(map[string]bool)
		wanted := 8 + p.r.IntN(listedCourses-7)
		for i := range wanted {
			platform := order[i%len(order)]
			course, ok := p.good(platform, taken)
			if !ok {
				continue
			}
			c := learned{person: person, course: course}
			p.attend(&c, platform, p.Day.AddDate(0, 0, -1-i*recentDays/listedCourses-p.r.IntN(5)), true)
			if course.mode == online { // at least 0.1 credits: 90 minutes
				c.sessions[0].minutes = max(c.sessions[0].minutes, 90)
			}
			if course.mode == practice { // 0.1 credits are 180 minutes
				c.sessions[0].minutes = max(c.sessions[0].minutes, 180)
			}
			if course.scored {
				score := int32(75 + p.r.IntN(24))
				c.score = &score
			}
			p.listed[platform] = append(p.listed[platform], c)
		}
	}
	for _, waiting := range p.listed {
		p.r.Shuffle(len(waiting), func(i, k int) { waiting[i], waiting[k] = waiting[k], waiting[i] })
	}
}

// good chooses a course that gives credits whenever it is attended, and that the person did not take, nor one like it; if
// it can, in a category that is new to them.
func (p *planner) good(platform int, taken map[string]bool) (Course, bool) {
	const tries = 20
	for try := range tries {
		c := p.courses[platform][p.r.IntN(len(p.courses[platform]))]
		name := cmp.Or(c.Group, c.Code)
		if taken[name] || c.mode == achievement || c.Until != "" || c.LastDay != "" || (taken[c.Category] && try < tries/2) {
			continue
		}
		taken[name], taken[c.Category] = true, true
		return c, true
	}
	return Course{}, false
}

// write makes the statement of a completion.
func (p *planner) write(platform int, l learned, change func(*statementv1.Completion)) (statement, error) {
	c := &statementv1.Completion{
		AccountNumber: string(p.numbers[l.person]), Provider: l.course.Provider, Course: l.course.Code, CourseVersion: l.course.Version,
		Mode: l.course.mode, Score: l.score, Site: p.platforms[platform].ID + "/" + l.course.Provider,
	}
	for _, s := range l.sessions {
		length := time.Duration(s.minutes) * time.Minute
		if l.course.mode == achievement {
			length = time.Hour // the time of the examination; the minutes are those of the certificate
		}
		c.Sessions = append(c.Sessions, &statementv1.Session{
			StartTime: timestamppb.New(s.start), EndTime: timestamppb.New(s.start.Add(length)), Minutes: int64(s.minutes),
		})
	}
	if l.course.mode == inClass {
		c.Attendance = &statementv1.Attendance{
			Held: int32(l.held), Attended: int32(len(l.sessions) - l.late), Late: int32(l.late),
		}
	}
	if change != nil {
		change(c)
	}
	s, err := p.marshal(&statementv1.Statement{Assertion: &statementv1.Statement_Completion{Completion: c}})
	s.learned = l
	return s, err
}

func (p *planner) void(s statement) ([]byte, error) {
	reasons := []statementv1.VoidReason{
		statementv1.VoidReason_VOID_REASON_POSTED_IN_ERROR, statementv1.VoidReason_VOID_REASON_WRONG_ACCOUNT,
		statementv1.VoidReason_VOID_REASON_CORRECTED,
	}
	written, err := p.marshal(&statementv1.Statement{Assertion: &statementv1.Statement_CompletionVoid{
		CompletionVoid: &statementv1.CompletionVoid{StatementId: s.id, Reason: reasons[p.r.IntN(len(reasons))]},
	}})
	return written.bytes, err
}

// marshal gives a statement its id and salt, and fixes its bytes.
func (p *planner) marshal(m *statementv1.Statement) (statement, error) {
	id := p.uuid("statement", p.count, p.count)
	p.count++
	salt := hmac.New(sha256.New, p.secret)
	salt.Write(id[:])
	m.Id, m.Salt = id[:], salt.Sum(nil)[:16]
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return statement{}, fmt.Errorf("district: statement: %v", err)
	}
	return statement{id: m.GetId(), bytes: bytes}, nil
}
