package simulation_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// generator makes up what clients ask. All of it follows from the seed.
type generator struct {
	random *rand.Rand
	clock  *apitest.Clock
	// n numbers ids, people and names.
	n int
	// claims are those of each holder.
	claims map[string]int
}

func (g *generator) number() int {
	g.n++
	return g.n
}

// chance is true so many times of a hundred.
func (g *generator) chance(percent int) bool { return g.random.IntN(100) < percent }

// next makes up a command for a bank that a model tells of.
func (g *generator) next(w *world, m *model) (command, error) {
	g.clock.Advance(time.Duration(g.random.IntN(3000)) * time.Millisecond)
	if len(m.accounts) == 0 || g.chance(6) && len(m.accounts) < 6 {
		return g.opening(), nil
	}
	switch p := g.random.IntN(100); {
	case p < 34:
		return g.submission(m, 1), nil
	case p < 50:
		return g.submission(m, 2+g.random.IntN(5)), nil
	case p < 58:
		return g.transfer(w, m)
	case p < 62:
		return g.submission(m, 60+g.random.IntN(180)), nil
	case p < 68:
		return g.crowd(m), nil
	case p < 76:
		return g.decision(w, m)
	case p < 83:
		return g.secondThought(w, m)
	case p < 85:
		return g.directoryChange(), nil
	case p < 91:
		return g.clawback(w)
	case p < 93:
		return g.sweep(), nil
	case p < 95:
		return g.takeOver(m), nil
	case p < 96:
		return g.claim(m), nil
	case p < 98:
		return g.merge(m), nil
	default:
		return g.look(m), nil
	}
}

// opening opens the account of somebody new.
func (g *generator) opening() opening {
	n := g.number()
	born := time.Date(1950, time.January, 1+n, 0, 0, 0, 0, time.UTC)
	identity, err := unit.IdentityNumberFor(fmt.Sprintf("330106%s%03d", born.Format("20060102"), n%1000))
	if err != nil {
		panic(err) // the text above is wrong
	}
	return opening{api.Opening{
		RequestID: requestID(1<<20 + n), Name: fmt.Sprintf("person %d", n), Home: apitest.Beishan, Checked: true,
		Document: unit.Document{Kind: unit.ResidentIdentity, Number: string(identity)},
	}}
}

// submission makes up statements: new ones, old ones, voids and some that are rejected.
func (g *generator) submission(m *model, size int) submission {
	s := submission{platform: platforms()[g.random.IntN(2)]}
	for range size {
		s.statements = append(s.statements, g.statement(m, s.platform))
	}
	if size > 1 && g.chance(10) { // the same twice under one signature
		s.statements = append(s.statements, s.statements[0])
	}
	return s
}

func (g *generator) statement(m *model, platform string) statement {
	old, known := g.acknowledged(m, platform)
	switch p := g.random.IntN(100); {
	case p < 3:
		bad := g.completion(m)
		bad.completion().AccountNumber, bad.bad = nobody(), api.ReasonUnknownAccount
		return g.fixed(bad)
	case p < 6:
		bad := g.completion(m)
		bad.completion().Provider, bad.completion().Course, bad.bad = apitest.Beishan, apitest.Proposed, api.ReasonCourseNotAccredited
		return g.fixed(bad)
	case p < 14 && known:
		return old
	case p < 18 && known: // another one under its id
		other := g.completion(m)
		other.id = old.id
		return g.fixed(other)
	case p < 30 && known && !old.void:
		return g.void(old.id)
	default:
		return g.fixed(g.completion(m))
	}
}

// acknowledged is a statement that the platform has a receipt of.
func (g *generator) acknowledged(m *model, platform string) (statement, bool) {
	if len(m.order) == 0 {
		return statement{}, false
	}
	id := m.order[g.random.IntN(len(m.order))]
	r := m.records[id]
	return statement{id: id, raw: r.raw, void: r.void, target: r.target}, r.platform == platform
}

// draft is a statement whose bytes are not fixed yet.
type draft struct {
	statement
	said *statementv1.Statement
}

func (d draft) completion() *statementv1.Completion { return d.said.GetCompletion() }

// fixed fixes the bytes of a draft.
func (g *generator) fixed(d draft) statement {
	d.said.Id = d.id[:]
	raw, err := proto.Marshal(d.said)
	if err != nil {
		panic(err) // it was made here
	}
	d.raw = raw
	return d.statement
}

// id is a UUID of version 7.
func (g *generator) id() (id unit.StatementID) {
	binary.BigEndian.PutUint64(id[:8], uint64(g.clock.Now().UnixMilli())<<16|7<<12)
	binary.BigEndian.PutUint64(id[8:], 2<<62|uint64(g.number()))
	return id
}

func (g *generator) salt() []byte {
	salt := make([]byte, 16)
	for i := range salt {
		salt[i] = byte(g.random.Uint32())
	}
	return salt
}

// completion makes up what somebody learned.
func (g *generator) completion(m *model) draft {
	holder := m.holders[g.random.IntN(len(m.holders))].opening.Name
	course := courses()[g.random.IntN(5)] // all but the one that waits
	mode := []statementv1.Mode{1, 1, 2, 3, 4}[g.random.IntN(5)]
	minutes := []int64{30, 45, 90, 200, 1000, 7200}[g.random.IntN(6)]
	d := g.learned(m.accounts[holder], course, mode, minutes, g.random.IntN(110*24))
	if g.chance(50) {
		score := int32(50 + g.random.IntN(51))
		d.completion().Score = &score
	}
	return d
}

// learned is a completion that ended so many hours ago.
func (g *generator) learned(account api.Account, course api.Course, mode statementv1.Mode, minutes int64, hours int) draft {
	c := &statementv1.Completion{
		AccountNumber: string(account.Number), Provider: course.Provider, Course: course.Code, CourseVersion: course.Version, Mode: mode,
	}
	end := g.clock.Now().Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
	for ; minutes > 0; minutes -= 1440 {
		n := min(minutes, 1440)
		start := end.Add(-time.Duration(n) * time.Minute)
		c.Sessions = append([]*statementv1.Session{{StartTime: timestamppb.New(start), EndTime: timestamppb.New(end), Minutes: n}}, c.Sessions...)
		end = start
	}
	return draft{
		statement: statement{id: g.id()},
		said:      &statementv1.Statement{Salt: g.salt(), Assertion: &statementv1.Statement_Completion{Completion: c}},
	}
}

// void takes a statement back.
func (g *generator) void(target unit.StatementID) statement {
	return g.fixed(draft{
		statement: statement{id: g.id(), void: true, target: target},
		said: &statementv1.Statement{Salt: g.salt(), Assertion: &statementv1.Statement_CompletionVoid{CompletionVoid: &statementv1.CompletionVoid{
			StatementId: target[:], Reason: statementv1.VoidReason_VOID_REASON_POSTED_IN_ERROR,
		}}},
	})
}

// nobody is an account number that nobody has.
func nobody() string {
	number, err := unit.NewAccountNumber(zeros{})
	if err != nil {
		panic(err) // zeros never end
	}
	return string(number)
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// crowd makes up callers who all call at once: mostly for the same few accounts.
func (g *generator) crowd(m *model) command {
	var all crowd
	voids := make(map[unit.StatementID]bool)
	for range 2 + g.random.IntN(5) {
		var calls []call
		for range 1 + g.random.IntN(4) {
			switch p := g.random.IntN(100); {
			case p < 6 && len(m.accounts) < 6:
				calls = append(calls, g.opening())
			case p < 12:
				calls = append(calls, g.directoryChange())
			default:
				calls = append(calls, g.crowded(m, voids))
			}
		}
		all = append(all, calls)
	}
	if first, ok := all[0][0].(submission); ok && g.chance(40) {
		first.twice = true
		all[0][0] = first
		all = append(all, []call{first})
	}
	return all
}

// crowded makes up a submission of which it doesn't matter what others post at the same time: new completions, and a void of
// what nobody else takes back.
func (g *generator) crowded(m *model, voids map[unit.StatementID]bool) submission {
	s := submission{platform: platforms()[g.random.IntN(2)]}
	for range []int{1, 1, 2, 3, 20}[g.random.IntN(5)] {
		old, known := g.acknowledged(m, s.platform)
		if known && !old.void && !m.records[old.id].voided && !voids[old.id] && g.chance(20) {
			voids[old.id] = true
			s.statements = append(s.statements, g.void(old.id))
			continue
		}
		s.statements = append(s.statements, g.fixed(g.completion(m)))
	}
	return s
}

// directoryChange changes something that concerns nobody's account.
func (g *generator) directoryChange() change {
	n := g.number()
	request := requestID(1<<20 + n)
	switch g.random.IntN(3) {
	case 0:
		return by(apitest.Administrator, fmt.Sprintf("appoint officer %d", n), request, func(w *world, by access.Caller, request string) (string, error) {
			return entry(w.AppointOfficer(ctx(), by, request, api.Appointment{
				Officer: fmt.Sprint("officer-", n), Organization: apitest.Beishan, Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR},
			}))
		})
	case 1:
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], g.random.Uint64())
		key, err := keyring.Generate(keyring.Ed25519, rand.NewChaCha8(seed))
		if err != nil {
			panic(err) // the source never ends
		}
		return by(apitest.Administrator, fmt.Sprintf("add key %d", n), request, addKey(apitest.Platform, key, keyring.Sign))
	default:
		c := courses()[0]
		c.Code = fmt.Sprint("course-", n)
		return by(apitest.Officer, fmt.Sprintf("propose course %d", n), request, proposal(c))
	}
}

// sweep settles what is overdue after some time.
func (g *generator) sweep() command {
	days := g.random.IntN(40)
	g.clock.Advance(time.Duration(days) * 24 * time.Hour)
	return look{name: fmt.Sprintf("%d days later: sweep", days), writes: true, ask: func(w *world, _ *model) error {
		_, err := w.Sweep(ctx())
		return err
	}}
}

// look reads something.
func (g *generator) look(m *model) command {
	account := m.accounts[m.holders[g.random.IntN(len(m.holders))].opening.Name]
	if g.chance(30) {
		return look{name: "an officer looks at an account", writes: true, ask: func(w *world, _ *model) error {
			officer, err := w.officer(apitest.Registrar)
			if err != nil {
				return err
			}
			_, err = w.GetAccount(ctx(), officer, account.ID)
			return err
		}}
	}
	return look{name: "somebody looks at everything", ask: func(w *world, m *model) error {
		return (&check{world: w, model: m, random: g.random}).seen()
	}}
}
