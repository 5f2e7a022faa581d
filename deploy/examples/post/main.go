// Command post is a complete partner platform in one file: it posts one completion to a bank and prints what the bank
// decided. Copy it, and keep three habits of it: the statement's bytes are fixed once and kept for retries, the id is a
// UUIDv7, and a RECORDED or REPLAYED answer is final.
//
//	go run ./deploy/examples/post -bank xihu.example -organization learn-online \
//	    -sign-key sign.pem -auth-key authenticate.pem -account 6217001234567890 \
//	    -provider xihu-cc -course CALLIGRAPHY-1 -version 2026
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func main() {
	log.SetFlags(0)
	address := flag.String("grpc", "127.0.0.1:7461", "address of the bank")
	bank := flag.String("bank", "", "id of the bank")
	organization := flag.String("organization", "", "own organization")
	signKey := flag.String("sign-key", "", "PEM file of the key that signs submissions")
	authKey := flag.String("auth-key", "", "PEM file of the key that signs tokens")
	account := flag.String("account", "", "account number of the learner")
	provider := flag.String("provider", "", "provider of the course")
	course := flag.String("course", "", "code of the course")
	version := flag.String("version", "", "version of the course")
	flag.Parse()

	// What happened: a class of 90 minutes that ended an hour ago.
	end := time.Now().Add(-time.Hour).Truncate(time.Second)
	statement := newStatement(&statementv1.Completion{
		AccountNumber: *account, Provider: *provider, Course: *course, CourseVersion: *version,
		Mode: statementv1.Mode_MODE_CLASSROOM,
		Sessions: []*statementv1.Session{{
			StartTime: timestamppb.New(end.Add(-90 * time.Minute)), EndTime: timestamppb.New(end), Minutes: 90,
		}},
		Attendance: &statementv1.Attendance{Held: 1, Attended: 1},
	})

	// One signature covers all statements of a submission: it is over the root of the tree of their hashes.
	key, statements := readKey(*signKey), [][]byte{statement}
	leaves := make([]merkle.Hash, len(statements))
	for i, s := range statements {
		leaves[i] = merkle.LeafHash(s)
	}
	id := key.Public().ID()
	root := merkle.RootOf(leaves)
	text := keyring.SubmissionText(*bank, unit.OrganizationID(*organization), id, len(leaves), root)
	signature, err := key.Sign(text)
	check(err)

	// The token says who calls; it is good for five minutes and for every call in them.
	token, err := access.OrganizationToken(*bank, unit.OrganizationID(*organization), readKey(*authKey), time.Now())
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)

	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials())) // a loopback address; elsewhere TLS
	check(err)
	response, err := creditbankv1.NewCompletionServiceClient(connection).RecordCompletions(ctx, &creditbankv1.RecordCompletionsRequest{
		Organization: *organization, KeyId: id.String(), Signature: signature, Statements: statements, View: creditbankv1.View_VIEW_FULL,
		BankId: *bank, Root: root[:],
	})
	check(err)
	for _, result := range response.GetResults() {
		fmt.Println(result.GetStatus(), "entry", result.GetEntryIndex(), result.GetError().GetMessage())
		for _, reason := range result.GetAssessment().GetReasons() {
			fmt.Println(" ", reason.GetWords().GetZh())
		}
	}
	fmt.Print("\n", response.GetCheckpoint())
}

// newStatement fixes the bytes of a statement. The salt keeps its hash from revealing anything.
func newStatement(completion *statementv1.Completion) []byte {
	id, err := uuid.NewV7()
	check(err)
	salt := make([]byte, 16)
	_, err = rand.Read(salt)
	check(err)
	b, err := proto.Marshal(&statementv1.Statement{
		Id: id[:], Salt: salt, Assertion: &statementv1.Statement_Completion{Completion: completion},
	})
	check(err)
	return b
}

func readKey(file string) *keyring.PrivateKey {
	pem, err := os.ReadFile(file)
	check(err)
	key, err := keyring.ParsePrivateKeyPEM(pem)
	check(err)
	return key
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
