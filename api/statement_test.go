package api_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// FuzzDecodeStatement holds the two decoders of statements to each other: whatever the standard one reads is read in the same
// way, unknown fields included.
func FuzzDecodeStatement(f *testing.F) {
	seed, err := proto.Marshal(&statementv1.Statement{
		Id: make([]byte, 16), Salt: make([]byte, 16), Assertion: &statementv1.Statement_Completion{
			Completion: &statementv1.Completion{
				AccountNumber: "6212345678901232", Provider: "school", Sessions: []*statementv1.Session{
					{StartTime: &timestamppb.Timestamp{Seconds: 1}, EndTime: &timestamppb.Timestamp{Seconds: 61}, Minutes: 1},
				},
				Score: proto.Int32(0), Attendance: &statementv1.Attendance{Held: 1},
			},
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append(seed, 0x08, 0x01))
	f.Add([]byte{0x1a, 0x06, 0x3a, 0x04, 0x0a, 0x02, 0x18, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		want := new(statementv1.Statement)
		if proto.Unmarshal(b, want) != nil {
			return // what is no UTF-8 is refused by the checks of its field
		}
		got, err := api.DecodeStatement(b)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%x is read as %v (%v), want %v", b, got, err, want)
		}
	})
}
