package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/backup"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// journey is what a resident and two institutions do about transfers, with the commands that they would use.
type journey struct {
	*day
	resident unit.AccountID
	// held is a hold that waited when the bank was backed up.
	held uint64
}

// A resident asks two institutions for quotes, and requests both: one accepts in part, one declines, a third request lapses. Balances
// and proofs check out at each step, the audit and fsck pass, and what waited when a backup was made waits when it is restored.
func TestTransferJourney(t *testing.T) {
	if testing.Short() {
		t.Skip("it posts a day of completions")
	}
	j := &journey{day: newDay(t, &district.District{Seed: 3, Day: district.DayOf(noon()), Accounts: dayAccounts, Completions: dayCompletions})}
	j.buildClient()
	j.postAll()
	for i, id := range j.accounts {
		j.persons = append(j.persons, person{
			account: id, number: j.numbers[i], tokenFile: filepath.Join(t.TempDir(), "resident.token"),
		})
	}
	if err := errors.Join(j.institutionKeys(), j.agree(t.Context())); err != nil {
		t.Fatal(err)
	}
	j.choose()
	t.Run("script", j.script)
	if t.Failed() {
		return
	}
	if code := j.server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, j.server.stderr.String())
	}
	once(t, "fsck", "--config", j.configuration).must()
	j.restored(t)
}

// choose finds the resident with the most credits.
func (j *journey) choose() {
	j.t.Helper()
	most := int64(-1)
	for _, id := range j.accounts {
		answer, err := creditbankv1.NewPortfolioServiceClient(j.conn).GetPortfolio(
			j.t.Context(), &creditbankv1.GetPortfolioRequest{AccountId: id.String()}, j.asResident(id))
		if err != nil {
			j.t.Fatal(err)
		}
		if n := answer.GetPortfolio().GetTotals().GetAvailableMilliCredits(); n > most {
			most, j.resident = n, id
		}
	}
}

func (j *journey) script(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/transfer", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			for name, value := range map[string]string{
				"PATH": filepath.Dir(j.client), "CREDITBANK_LANG": "en", "CREDITBANK_VKEY": j.vkey, "CREDITBANK_BANK": demoBankID,
				"CREDITBANK_GRPC": j.at.grpc, "CREDITBANK_HTTP": "http://" + j.at.http,
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"asks": j.asks, "balance": j.balance, "newest": j.newest, "take-first": j.takeFirst, "break": j.breakFile, "days": j.days,
			"backup": j.backup, "lapsed": j.lapsed,
		},
	})
}

// asks has the resident, or an institution, call from now on: asks resident|INSTITUTION. The tokens are of the bank's time, which the
// client does not know.
func (j *journey) asks(ts *testscript.TestScript, _ bool, args []string) {
	token, err := j.day.resident(j.resident)
	if args[0] != "resident" {
		key, wrong := readPrivateKey(filepath.Join(j.directory, "institutions", args[0]+".authenticate.pem"))
		ts.Check(wrong)
		token, err = access.OrganizationToken(demoBankID, unit.OrganizationID(args[0]), key, j.clock())
	}
	ts.Check(err)
	file := ts.MkAbs("token")
	ts.Check(os.WriteFile(file, []byte(token), 0o600))
	ts.Setenv("CREDITBANK_TOKEN_FILE", file)
}

// balance checks that no credits are made or lost, and how many are in a state: balance STATE=0|some….
func (j *journey) balance(ts *testscript.TestScript, _ bool, args []string) {
	answer, err := creditbankv1.NewPortfolioServiceClient(j.conn).GetPortfolio(
		context.Background(), &creditbankv1.GetPortfolioRequest{AccountId: j.resident.String()}, j.asResident(j.resident))
	ts.Check(err)
	all := answer.GetPortfolio().GetTotals()
	if all.GetIssuedMilliCredits() != all.GetPendingMilliCredits()+all.GetAvailableMilliCredits()+all.GetReservedMilliCredits()+
		all.GetTransferredMilliCredits()+all.GetExpiredMilliCredits()+all.GetReversedMilliCredits() {
		ts.Fatalf("credits are made or lost: %v", all)
	}
	for _, arg := range args {
		state, want, _ := strings.Cut(arg, "=")
		n := map[string]int64{"reserved": all.GetReservedMilliCredits(), "transferred": all.GetTransferredMilliCredits()}[state]
		if (n != 0) != (want == "some") {
			ts.Fatalf("%d are %s: %v", n, state, all)
		}
	}
}

// transfers are those of the resident, the newest first.
func (j *journey) transfers(ts *testscript.TestScript) []*creditbankv1.Transfer {
	answer, err := creditbankv1.NewTransferServiceClient(j.conn).ListTransfers(
		context.Background(), &creditbankv1.ListTransfersRequest{}, j.asResident(j.resident))
	ts.Check(err)
	return answer.GetTransfers()
}

// newest notes the newest transfer to an institution: newest INSTITUTION VAR.
func (j *journey) newest(ts *testscript.TestScript, _ bool, args []string) {
	for _, t := range j.transfers(ts) {
		if t.GetInstitution() == args[0] {
			ts.Setenv(args[1], fmt.Sprint(t.GetTransferId()))
			return
		}
	}
	ts.Fatalf("there is no transfer to %s", args[0])
}

// takeFirst accepts the first item of a transfer: take-first TRANSFER.
func (j *journey) takeFirst(ts *testscript.TestScript, _ bool, args []string) {
	for _, t := range j.transfers(ts) {
		if fmt.Sprint(t.GetTransferId()) == args[0] {
			ts.Check(ts.Exec("creditbank", "transfer", "accept", args[0], "--take", fmt.Sprintf("0=%d", t.GetItems()[0].GetMilliCredits())))
			return
		}
	}
	ts.Fatalf("there is no transfer %s", args[0])
}

// breakFile writes a file with one bit of another one changed: break FROM TO.
func (*journey) breakFile(ts *testscript.TestScript, _ bool, args []string) {
	content := []byte(ts.ReadFile(args[0]))
	content[len(content)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), content, 0o600))
}

// backup backs the bank up while a transfer waits: backup TRANSFER.
func (j *journey) backup(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	j.held, err = strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	if code := j.server.finish(); code != exitOK {
		ts.Fatalf("the bank ended with %d\n%s", code, j.server.stderr.String())
	}
	c := start(j.t, j.clock, "backup", "--config", j.configuration,
		"--backup.dir", filepath.Join(j.directory, "backups"), "--backup.vault_dir", filepath.Join(j.directory, "vault-backups"))
	<-c.ended
	c.must()
	ts.Check(j.serve())
	ts.Setenv("CREDITBANK_GRPC", j.at.grpc)
	ts.Setenv("CREDITBANK_HTTP", "http://"+j.at.http)
}

// lapsed waits until a transfer has lapsed: lapsed TRANSFER. A bank that was started settles what is overdue beside its other work.
func (j *journey) lapsed(ts *testscript.TestScript, _ bool, args []string) {
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	hold, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	for {
		answer, err := creditbankv1.NewTransferServiceClient(j.conn).GetTransfer(
			ctx, &creditbankv1.GetTransferRequest{TransferId: hold}, j.asResident(j.resident))
		ts.Check(err)
		if answer.GetTransfer().GetStatus() == ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED {
			return
		}
		<-ticker.C
	}
}

// restored restores the older backup elsewhere: it is sound, and the transfer that waited then waits there.
func (j *journey) restored(t *testing.T) {
	t.Helper()
	found := theOnly(t, filepath.Join(j.directory, "backups", "2*"))
	b, err := backup.Find(found)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	anchor := pebble.NewAnchorFile(nil, data+".anchor")
	if err := errors.Join(anchor.Save([]byte(b.Checkpoint)), anchor.Close()); err != nil {
		t.Fatal(err)
	}
	once(t, "restore", "--config", j.configuration, "--from", found, "--data.dir", data).must()
	once(t, "fsck", "--config", j.configuration, "--data.dir", data, "--data.anchor_file", data+".anchor").must()
	engine, err := pebble.Open(data, pebble.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	values, err := engine.Get(t.Context(), book.TransferKey(j.held), book.AccountKey(j.resident))
	if err != nil {
		t.Fatal(err)
	}
	row, account := new(ledgerv1.TransferRow), new(ledgerv1.AccountRow)
	if err := errors.Join(row.UnmarshalVT(values[0]), account.UnmarshalVT(values[1])); err != nil {
		t.Fatal(err)
	}
	reserved := int64(0)
	for _, sum := range account.GetSums() {
		reserved += sum.GetReserved()
	}
	holds := account.GetHolds()
	if row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD || len(holds) != 1 || holds[0].GetHold() != j.held || reserved == 0 {
		t.Errorf("the restored hold is %v, of %v, %d reserved", row, holds, reserved)
	}
}
