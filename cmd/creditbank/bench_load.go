package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// The classes of the benchmark: plausible ones that end less than 90 days ago, so that a policy decides them by itself, and
// none at the same time as another of the same person.
const (
	classDays = 84 // the last ones

	learnerEvery   = 2 // days between two classes of a learner
	learnerMinutes = 90
	learnerCourses = 2 // that one learner takes in turn
	learnerClasses = classDays / learnerEvery

	keenClasses = 500 // of a person whose record is read whole
	keenADay    = 6   // half an hour each: together they stay below what counts in a half-year
	keenMinutes = 30
	keenCourses = 8

	// entriesPerKeen is how many entries there are for each keen person, whose record thus is seldom what was read last.
	entriesPerKeen = 10_000

	openAtOnce = 64
)

// How many statements a measurement has ready for each of its seconds. It ends early when they are used up.
const (
	batchEnough  = 100_000
	singleEnough = 20_000
	mixEnough    = 20_000
	readEnough   = 20_000
)

// learner is somebody with an account.
type learner struct {
	number string
	id     unit.AccountID
}

// classes are all classes of a benchmark, numbered from 0; the first ones are the preload.
type classes struct {
	learners, keen []learner
	courses        []*creditbankv1.Course
	today          time.Time // midnight
	preload        int
	random         io.Reader

	// next is the first class that was not posted yet.
	next int

	made, bytes atomic.Int64
}

// take takes so many classes that were not posted yet, and answers the first of them.
func (c *classes) take(count int) (first int) {
	first = max(c.next, c.preload)
	c.next = first + count
	return first
}

// class is something that one person learned.
type class struct {
	who     learner
	course  *creditbankv1.Course
	start   time.Time
	minutes int64
}

// at answers a class. Those of keen people lie evenly among the others of the preload.
func (c *classes) at(i int) class {
	ofKeen := len(c.keen) * keenClasses
	before := ofKeen
	if i < c.preload {
		before = i * ofKeen / c.preload
		if (i+1)*ofKeen/c.preload > before {
			return c.keenClass(before%len(c.keen), before/len(c.keen))
		}
	}
	return c.learnerClass((i-before)%len(c.learners), (i-before)/len(c.learners))
}

// learnerClass is the n-th class of a learner: in the mornings first, and when all days are used up in the afternoons and
// then in the evenings.
func (c *classes) learnerClass(person, n int) class {
	day := n*learnerEvery%classDays + n/learnerClasses%learnerEvery
	return c.class(c.learners[person], person+n%learnerCourses, day, time.Duration(n/classDays)*5*time.Hour, learnerMinutes)
}

// keenClass is the n-th class of a keen person: one an hour from morning on.
func (c *classes) keenClass(person, n int) class {
	return c.class(c.keen[person], person+n%keenCourses, n/keenADay, time.Duration(n%keenADay)*time.Hour, keenMinutes)
}

// class is one that took place so many days before yesterday, so long after nine in the morning in China.
func (c *classes) class(who learner, course, day int, after time.Duration, minutes int64) class {
	taken := c.courses[course%len(c.courses)]
	return class{
		who: who, course: taken, minutes: min(minutes, taken.GetNominalMinutes()),
		start: c.today.AddDate(0, 0, -1-day).Add(time.Hour + after),
	}
}

// statement makes the statement about a class, with an id of its own.
func (c *classes) statement(i int) ([]byte, error) {
	class := c.at(i)
	id, err := uuid.NewV7FromReader(c.random)
	if err != nil {
		return nil, fmt.Errorf("statement id: %v", err)
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(c.random, salt); err != nil {
		return nil, fmt.Errorf("salt: %v", err)
	}
	end := class.start.Add(time.Duration(class.minutes) * time.Minute)
	made, err := proto.Marshal(&statementv1.Statement{Id: id[:], Salt: salt, Assertion: &statementv1.Statement_Completion{
		Completion: &statementv1.Completion{
			AccountNumber: class.who.number,
			Provider:      class.course.GetProvider(), Course: class.course.GetCode(), CourseVersion: class.course.GetVersion(),
			Mode: statementv1.Mode_MODE_CLASSROOM,
			Sessions: []*statementv1.Session{{
				StartTime: timestamppb.New(class.start), EndTime: timestamppb.New(end), Minutes: class.minutes,
			}},
			Attendance: &statementv1.Attendance{Held: 1, Attended: 1},
			Passed:     new(true),
		},
	}})
	if err != nil {
		return nil, fmt.Errorf("statement: %v", err)
	}
	c.made.Add(1)
	c.bytes.Add(int64(len(made)))
	return made, nil
}

// meanBytes is the length of a statement.
func (c *classes) meanBytes() float64 {
	return float64(c.bytes.Load()) / float64(max(c.made.Load(), 1))
}

// submission makes and signs a submission of the classes from one up to another.
func (b *bench) submission(from *sender, first, end int) (call, error) {
	statements := make([][]byte, 0, end-first)
	hashes := make([]merkle.Hash, 0, end-first)
	for i := first; i < end; i++ {
		s, err := b.classes.statement(i)
		if err != nil {
			return call{}, err
		}
		statements, hashes = append(statements, s), append(hashes, merkle.LeafHash(s))
	}
	key := from.key.Public().ID()
	signature, err := from.key.Sign(keyring.SubmissionText(b.g.Bank, from.organization, key, len(statements), merkle.RootOf(hashes)))
	if err != nil {
		return call{}, err
	}
	request, err := proto.Marshal(&creditbankv1.RecordCompletionsRequest{
		Organization: string(from.organization), KeyId: key.String(), Signature: signature, Statements: statements,
	})
	if err != nil {
		return call{}, fmt.Errorf("submission: %v", err)
	}
	return call{kind: recording, conn: from.conn, request: request}, nil
}

// prepare finds courses, and opens as many accounts as the benchmark may need.
func (b *bench) prepare(ctx context.Context) error {
	courses, err := b.courses(ctx)
	if err != nil {
		return err
	}
	home := b.command.Home
	if home == "" {
		home = courses[0].GetProvider()
	}
	keen := max(1, b.command.Entries/entriesPerKeen)
	c := &classes{
		courses: courses, today: b.p.now().UTC().Truncate(24 * time.Hour), random: b.p.random,
		preload: max(b.command.Entries, keen*keenClasses),
	}
	measured := b.enough(batchEnough) + b.command.Batch*len(b.senders) + 2*b.enough(singleEnough) + b.enough(mixEnough)
	learners := (c.preload - keen*keenClasses + measured + learnerClasses - 1) / learnerClasses
	opened, err := b.open(ctx, home, keen+learners)
	if err != nil {
		return err
	}
	c.keen, c.learners = opened[:keen], opened[keen:]
	b.classes = c
	return nil
}

// enough is how much of something is ready for a measurement.
func (b *bench) enough(perSecond int) int {
	return max(1, int(float64(perSecond)*b.command.Duration.Seconds()))
}

// open opens accounts for people who do not exist.
func (b *bench) open(ctx context.Context, home string, count int) ([]learner, error) {
	opened := make([]learner, count)
	counter := newCounter(b.p, "opening accounts", count)
	defer counter.finish()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(openAtOnce)
	for i := range opened {
		if ctx.Err() != nil {
			break
		}
		client := creditbankv1.NewAccountServiceClient(b.senders[i%len(b.senders)].conn)
		group.Go(func() (err error) {
			opened[i], err = b.openOne(ctx, client, home)
			counter.add(1)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return opened, nil
}

// openOne opens an account. Should somebody who was made up have one already, it is opened for another.
func (b *bench) openOne(ctx context.Context, client creditbankv1.AccountServiceClient, home string) (learner, error) {
	for range 3 {
		request, err := b.person(home)
		if err != nil {
			return learner{}, err
		}
		var answer *creditbankv1.OpenAccountResponse
		err = retry{p: b.p, limit: b.g.Timeout}.do(ctx, func() error {
			ctx, done := b.g.call(ctx)
			defer done()
			answer, err = client.OpenAccount(ctx, request)
			return err
		})
		if err != nil {
			return learner{}, err
		}
		if answer.GetExisted() {
			continue
		}
		id, err := unit.ParseAccountID(answer.GetAccount().GetAccountId())
		return learner{number: answer.GetAccount().GetAccountNumber(), id: id}, err
	}
	return learner{}, fmt.Errorf("everybody who was made up has an account already")
}

// person makes somebody up, with a passport of no country: of these numbers there are enough.
func (b *bench) person(home string) (*creditbankv1.OpenAccountRequest, error) {
	id, err := uuid.NewRandomFromReader(b.p.random)
	if err != nil {
		return nil, fmt.Errorf("request id: %v", err)
	}
	return &creditbankv1.OpenAccountRequest{
		RequestId: id.String(), Name: "测试居民", Home: home,
		Document: &creditbankv1.Document{
			Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_PASSPORT, Number: fmt.Sprintf("X%X", id[:7]),
		},
	}, nil
}
