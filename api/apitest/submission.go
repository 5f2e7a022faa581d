package apitest

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// RequestID is a UUID that was not used before.
func (b *Bank) RequestID() string {
	return b.StatementID().String()
}

// StatementID is the id of a statement that was not used before.
func (b *Bank) StatementID() unit.StatementID {
	return b.uuid(b.requests.Add(1))
}

// uuid is a UUID of version 7 of the clock's time.
func (b *Bank) uuid(n int64) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(b.Clock.Now().UnixMilli())<<16|7<<12)
	binary.BigEndian.PutUint64(id[8:], 2<<62|uint64(n))
	return id
}

// Document is the identity document of the n-th made-up person, born on one of the days of 1950 and later.
func (b *Bank) Document(n int) unit.Document {
	b.tb.Helper()
	born := time.Date(1950, time.January, 1+n, 0, 0, 0, 0, time.UTC)
	number, err := unit.IdentityNumberFor(fmt.Sprintf("330106%s%03d", born.Format("20060102"), n%1000))
	b.must(err)
	return unit.Document{Kind: unit.ResidentIdentity, Number: string(number)}
}

// Open opens a verified account for a person who has none, at home in Beishan.
func (b *Bank) Open() api.Account {
	b.tb.Helper()
	person := int(b.people.Add(1))
	account, existed, err := b.OpenAccount(b.ctx(), b.Officer(Registrar), api.Opening{
		RequestID: b.RequestID(), Name: fmt.Sprintf("学员%d", person), Document: b.Document(person), Home: Beishan, Checked: true,
	})
	b.must(err)
	if existed {
		b.tb.Fatal("apitest: the account existed")
	}
	return account
}

// Completion is a completion of [Calligraphy] that can be recorded: one class of 90 minutes that ended yesterday morning.
// It is the caller's to change before [Bank.Marshal].
func (b *Bank) Completion(account unit.AccountNumber) *statementv1.Statement {
	end := b.Clock.Now().Truncate(time.Hour).Add(-24 * time.Hour)
	id := b.StatementID()
	return &statementv1.Statement{
		Id: id[:], Salt: b.salt(),
		Assertion: &statementv1.Statement_Completion{Completion: &statementv1.Completion{
			AccountNumber: string(account), Provider: Beishan, Course: Calligraphy, CourseVersion: CourseVersion,
			Mode:     statementv1.Mode_MODE_CLASSROOM,
			Sessions: []*statementv1.Session{Session(end.Add(-90*time.Minute), 90)},
		}},
	}
}

// Void takes a statement back.
func (b *Bank) Void(statement []byte) *statementv1.Statement {
	id := b.StatementID()
	return &statementv1.Statement{
		Id: id[:], Salt: b.salt(),
		Assertion: &statementv1.Statement_CompletionVoid{CompletionVoid: &statementv1.CompletionVoid{
			StatementId: statement, Reason: statementv1.VoidReason_VOID_REASON_POSTED_IN_ERROR,
		}},
	}
}

// Session is a stretch of learning without a break.
func Session(start time.Time, minutes int64) *statementv1.Session {
	return &statementv1.Session{
		StartTime: timestamppb.New(start),
		EndTime:   timestamppb.New(start.Add(time.Duration(minutes) * time.Minute)),
		Minutes:   minutes,
	}
}

func (b *Bank) salt() []byte {
	salt := make([]byte, 16)
	_, _ = b.random.Read(salt)
	return salt
}

// Marshal fixes the bytes of a statement.
func (b *Bank) Marshal(s *statementv1.Statement) []byte {
	b.tb.Helper()
	bytes, err := proto.Marshal(s)
	b.must(err)
	return bytes
}

// Submission signs statements in the name of a platform.
func (b *Bank) Submission(platform string, statements ...*statementv1.Statement) api.Submission {
	b.tb.Helper()
	raw := make([][]byte, len(statements))
	for i, s := range statements {
		raw[i] = b.Marshal(s)
	}
	return b.Sign(platform, b.SignKey(platform), raw...)
}

// Sign makes a submission of statements as they are, under any key.
func (b *Bank) Sign(organization string, key *keyring.PrivateKey, statements ...[]byte) api.Submission {
	b.tb.Helper()
	hashes := make([]merkle.Hash, len(statements))
	for i, s := range statements {
		hashes[i] = merkle.LeafHash(s)
	}
	id := key.Public().ID()
	text := keyring.SubmissionText(BankID, unit.OrganizationID(organization), id, len(hashes), merkle.RootOf(hashes))
	signature, err := key.Sign(text)
	b.must(err)
	return api.Submission{Organization: organization, KeyID: id.String(), Signature: signature, Statements: statements}
}

// Record posts statements in the name of [Platform] and fails the test unless all of them are recorded or replayed.
func (b *Bank) Record(statements ...*statementv1.Statement) []api.StatementResult {
	b.tb.Helper()
	results, _, err := b.RecordCompletions(b.ctx(), b.Platform(Platform), b.Submission(Platform, statements...), true)
	b.must(err)
	for i, r := range results {
		if r.Status == api.Rejected {
			b.tb.Fatalf("apitest: statement %d was rejected: %v", i, r.Fault)
		}
	}
	return results
}
