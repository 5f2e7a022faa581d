package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
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

// The classes of the benchmark: plausible ones, so that the policy decides them by itself.
const (
	benchDays    = 50 // the last ones
	benchEvery   = 3  // days between two classes of one account: what a keen learner takes
	benchMinutes = 90
	benchCourses = 2 // that one account takes in turn
	// benchPerAccount is how many classes an account takes at most.
	benchPerAccount = benchDays / benchEvery
	openAtOnce      = 16
	benchHeapGrowth = 800 // GOGC while it measures
)

// prepare opens accounts, and makes and signs everything that will be posted.
func (b *bench) prepare(ctx context.Context) (batches, singles []submission, err error) {
	courses, err := b.courses(ctx)
	if err != nil {
		return nil, nil, err
	}
	home := b.command.Home
	if home == "" {
		home = courses[0].GetProvider()
	}
	total := b.command.Entries + b.command.SingleEntries
	accounts, err := b.accounts(ctx, home, (total+benchPerAccount-1)/benchPerAccount)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(b.p.stderr, "%d accounts opened, %d courses; signing %d statements\n", len(accounts), len(courses), total)
	class := 0
	produce := func(entries, size int) (made []submission, err error) {
		for left := entries; left > 0; left -= size {
			statements := make([][]byte, min(size, left))
			for i := range statements {
				if statements[i], err = b.statement(class, accounts, courses); err != nil {
					return nil, err
				}
				class++
			}
			one, err := b.sign(statements)
			if err != nil {
				return nil, err
			}
			made = append(made, one)
		}
		return made, nil
	}
	if batches, err = produce(b.command.Entries, b.command.Batch); err != nil {
		return nil, nil, err
	}
	singles, err = produce(b.command.SingleEntries, 1)
	return batches, singles, err
}

// courses are those that can be taken on every day of the benchmark, any number of times.
func (b *bench) courses(ctx context.Context) ([]*creditbankv1.Course, error) {
	all, err := listCourses(ctx, b.g, creditbankv1.NewAccreditationServiceClient(b.conns[0]), &creditbankv1.ListCoursesRequest{
		Status: creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED,
	})
	if err != nil {
		return nil, err
	}
	today := b.p.now().UTC()
	first, last := today.AddDate(0, 0, -benchDays-1).Format(time.DateOnly), today.Format(time.DateOnly)
	var open []*creditbankv1.Course
	for _, course := range all {
		if course.GetValidFrom() <= first && (course.GetValidUntil() == "" || course.GetValidUntil() >= last) && course.GetEquivalenceGroup() == "" {
			open = append(open, course)
		}
	}
	if len(open) == 0 {
		return nil, fmt.Errorf("none of the bank's %d accredited courses was open in the last %d days and may be taken more than once", len(all), benchDays)
	}
	return open, nil
}

// accounts opens accounts for people who do not exist. A made-up document that the bank knows already is passed over.
func (b *bench) accounts(ctx context.Context, home string, count int) ([]string, error) {
	var seed [32]byte
	if _, err := io.ReadFull(b.p.random, seed[:]); err != nil {
		return nil, fmt.Errorf("seed: %v", err)
	}
	random := rand.New(rand.NewChaCha8(seed)) //nolint:gosec // people are made up, not protected
	client := creditbankv1.NewAccountServiceClient(b.conns[0])
	numbers := make([]string, 0, count)
	for attempts := 0; len(numbers) < count; attempts++ {
		if attempts > 10 {
			return nil, fmt.Errorf("only %d of %d made-up people were new to the bank", len(numbers), count)
		}
		requests := make([]*creditbankv1.OpenAccountRequest, count-len(numbers))
		for i := range requests {
			var err error
			if requests[i], err = b.person(random, home); err != nil {
				return nil, err
			}
		}
		opened := make([]string, len(requests))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(openAtOnce)
		for i, request := range requests {
			group.Go(func() error {
				return retry{p: b.p, limit: b.command.Duration}.do(ctx, func() error {
					ctx, done := b.g.call(ctx)
					defer done()
					answer, err := client.OpenAccount(ctx, request)
					if err == nil && !answer.GetExisted() {
						opened[i] = answer.GetAccount().GetAccountNumber()
					}
					return err
				})
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		for _, number := range opened {
			if number != "" {
				numbers = append(numbers, number)
			}
		}
	}
	return numbers, nil
}

// person makes somebody up: born between 1946 and 2005, first registered in a division that was never given out.
func (b *bench) person(random *rand.Rand, home string) (*creditbankv1.OpenAccountRequest, error) {
	born := time.Date(1946, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, random.IntN(60*365))
	number, err := unit.IdentityNumberFor(fmt.Sprintf("330199%s%03d", born.Format("20060102"), random.IntN(1000)))
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewRandomFromReader(b.p.random)
	if err != nil {
		return nil, fmt.Errorf("request id: %v", err)
	}
	return &creditbankv1.OpenAccountRequest{
		RequestId: id.String(), Name: "测试居民", Home: home,
		Document: &creditbankv1.Document{
			Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: string(number),
		},
	}, nil
}

// statement is one class: the accounts take turns, and each takes a morning class every few days.
func (b *bench) statement(class int, accounts []string, courses []*creditbankv1.Course) ([]byte, error) {
	nth := class / len(accounts)
	start := b.p.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1-nth*benchEvery).Add(time.Hour) // 09:00 in China
	course := courses[(class%len(accounts)+nth%benchCourses)%len(courses)]
	minutes := min(benchMinutes, course.GetNominalMinutes())
	id, err := uuid.NewV7FromReader(b.p.random)
	if err != nil {
		return nil, fmt.Errorf("statement id: %v", err)
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(b.p.random, salt); err != nil {
		return nil, fmt.Errorf("salt: %v", err)
	}
	passed := true
	made, err := proto.Marshal(&statementv1.Statement{Id: id[:], Salt: salt, Assertion: &statementv1.Statement_Completion{
		Completion: &statementv1.Completion{
			AccountNumber: accounts[class%len(accounts)],
			Provider:      course.GetProvider(), Course: course.GetCode(), CourseVersion: course.GetVersion(),
			Mode: statementv1.Mode_MODE_CLASSROOM,
			Sessions: []*statementv1.Session{{
				StartTime: timestamppb.New(start), EndTime: timestamppb.New(start.Add(time.Duration(minutes) * time.Minute)), Minutes: minutes,
			}},
			Attendance: &statementv1.Attendance{Held: 1, Attended: 1},
			Passed:     &passed,
		},
	}})
	if err != nil {
		return nil, fmt.Errorf("statement: %v", err)
	}
	return made, nil
}

// sign makes a submission as it goes over the wire.
func (b *bench) sign(statements [][]byte) (submission, error) {
	hashes := make([]merkle.Hash, len(statements))
	for i, s := range statements {
		hashes[i] = merkle.LeafHash(s)
	}
	organization, key := unit.OrganizationID(b.g.Organization), b.key.Public().ID()
	signature, err := b.key.Sign(keyring.SubmissionText(b.g.Bank, organization, key, len(statements), merkle.RootOf(hashes)))
	if err != nil {
		return nil, err
	}
	request, err := proto.Marshal(&creditbankv1.RecordCompletionsRequest{
		Organization: b.g.Organization, KeyId: key.String(), Signature: signature, Statements: statements,
	})
	if err != nil {
		return nil, fmt.Errorf("submission: %v", err)
	}
	return request, nil
}
