package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// noon is the clock of the demos here: it stands still.
func noon() time.Time { return time.Date(2026, time.September, 15, 4, 0, 0, 0, time.UTC) }

// demo runs a small demo until it is ready.
func demo(t *testing.T, flags ...string) (*command, addresses, ready) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ready.json")
	c := start(t, noon, append([]string{
		"demo", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", file,
	}, flags...)...)
	at := c.ready()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r ready
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return c, at, r
}

// happened is what a demo says that happened, without what differs from run to run.
func happened(c *command) string {
	text, _, _ := strings.Cut(c.stdout.String(), "\n  gRPC ")
	return regexp.MustCompile(`posting took .*`).ReplaceAllString(text, "")
}

func small(more ...string) []string {
	return append([]string{"--accounts", "20", "--completions", "200"}, more...)
}

func TestDemo(t *testing.T) {
	c, at, r := demo(t, small()...)
	if r.GRPC != at.grpc || r.HTTP != at.http || r.Admin != at.admin || r.BankID != demoBankID || r.Origin != demoOrigin {
		t.Errorf("the ready file has %+v", r)
	}
	if !strings.HasPrefix(r.LogVerifierKey, demoOrigin+"+") || len(r.Platforms) != 4 || len(r.Officers) != 6 || len(r.Residents) < 3 {
		t.Errorf("the ready file has %+v", r)
	}
	for _, p := range r.Platforms {
		for _, file := range []string{p.KeyFile, p.AuthKeyFile} {
			if _, err := readPrivateKey(file); err != nil {
				t.Errorf("%s: %v", p.ID, err)
			}
		}
	}
	if key, err := readPrivateKey(r.TokenKeyFile); err != nil || key == nil {
		t.Errorf("the key that signs people in: %v", err)
	}
	checkResidents(t, at, r)
	checkOfficers(t, at, r)
	checkLapsed(t, at, r)
	if code := c.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, c.stderr.String())
	}
	if _, err := os.Stat(r.Data); !os.IsNotExist(err) {
		t.Errorf("%s is left (%v)", r.Data, err)
	}
}

// checkResidents looks at the records as their owners do: through gRPC with the token file, and in a browser.
func checkResidents(t *testing.T, at addresses, r ready) {
	t.Helper()
	for _, one := range r.Residents {
		info, err := os.Stat(one.TokenFile)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the token file has mode %v, %v", info.Mode(), err)
		}
		if _, err := unit.ParseAccountNumber(one.AccountNumber); err != nil {
			t.Error(err)
		}
		answer, err := creditbankv1.NewPortfolioServiceClient(dial(t, at.grpc, tokenIn(t, one.TokenFile))).GetPortfolio(
			t.Context(), &creditbankv1.GetPortfolioRequest{AccountId: one.Account})
		if err != nil {
			t.Fatal(err)
		}
		studied := 0
		for _, category := range answer.GetPortfolio().GetCategories() {
			if category.GetTotals().GetMinutes() == 0 {
				continue
			}
			studied++
			totals := category.GetTotals() // what institutions were asked to take over, and took, is theirs no less
			if totals.GetAvailableMilliCredits()+totals.GetReservedMilliCredits()+totals.GetTransferredMilliCredits() <= 0 {
				t.Errorf("a listed resident has no credits in %s", category.GetCategory())
			}
		}
		if studied < 3 {
			t.Errorf("a listed resident studied %d categories", studied)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		code, page := get(t, &http.Client{Jar: jar}, one.Page)
		if grouped := unit.AccountNumber(one.AccountNumber).Grouped(); code != http.StatusOK || !strings.Contains(page, grouped) {
			t.Errorf("the page answers %d without the account number", code)
		}
	}
}

// checkLapsed finds the transfer that was asked for when the bank was opened: its time passed, and an entry has ended it since, with
// nothing of it left with the institution.
func checkLapsed(t *testing.T, at addresses, r ready) {
	t.Helper()
	lapsed := 0
	for _, one := range r.Residents {
		answer, err := creditbankv1.NewTransferServiceClient(dial(t, at.grpc, tokenIn(t, one.TokenFile))).ListTransfers(
			t.Context(), &creditbankv1.ListTransfersRequest{Status: ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED})
		if err != nil {
			t.Fatal(err)
		}
		for _, transfer := range answer.GetTransfers() {
			lapsed++
			placed, deadline, ended := transfer.GetRequestTime().AsTime(), transfer.GetExpireTime().AsTime(), transfer.GetEndTime().AsTime()
			if !placed.Equal(noon().AddDate(0, 0, -district.EarlierDays)) || !deadline.After(placed) || !deadline.Before(noon()) || !ended.Equal(noon()) ||
				transfer.GetEndedIndex() == 0 || transfer.GetTakenMilliCredits() != 0 || transfer.GetHeldMilliCredits() == 0 {
				t.Errorf("it lapsed as %v", transfer)
			}
		}
	}
	if lapsed != 1 {
		t.Errorf("%d transfers have lapsed", lapsed)
	}
}

func checkOfficers(t *testing.T, at addresses, r ready) {
	t.Helper()
	for _, one := range r.Officers {
		client := creditbankv1.NewReviewServiceClient(dial(t, at.grpc, tokenIn(t, one.TokenFile)))
		_, err := client.ListCases(t.Context(), new(creditbankv1.ListCasesRequest))
		if certifies := strings.HasPrefix(one.ID, "certifier"); certifies != (err == nil) {
			t.Errorf("%s lists cases: %v", one.ID, err)
		}
	}
}

func tokenIn(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func TestDemoIsDeterministic(t *testing.T) {
	var first string
	for run := range 2 {
		c, _, r := demo(t, small("--seed", "7")...)
		switch {
		case run == 0:
			first = happened(c)
		case happened(c) != first:
			t.Errorf("the first time\n%s\nthe second time\n%s", first, happened(c))
		}
		if len(r.Residents) == 0 || c.finish() != exitOK {
			t.Errorf("it ended with %d\n%s", c.code, c.stderr.String())
		}
	}
	c, _, _ := demo(t, small("--seed", "8")...)
	if happened(c) == first {
		t.Error("another seed makes the same district")
	}
}

// A demo goes on in its directory: nothing is doubled, and what was recorded is replayed.
func TestDemoGoesOn(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "demo")
	c, _, before := demo(t, small("--data", directory)...)
	if code := c.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, c.stderr.String())
	}
	report := once(t, "fsck", "--data", directory).must().stdout.String()
	checkCompacting(t, directory)
	c, _, after := demo(t, "--data", directory)
	if code := c.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, c.stderr.String())
	}
	if again := once(t, "fsck", "--data", directory).must().stdout.String(); again != report {
		t.Errorf("there was\n%s\nand now is\n%s", report, again)
	}
	if before.LogVerifierKey != after.LogVerifierKey || before.Residents[0].Account != after.Residents[0].Account {
		t.Errorf("there was\n%+v\nand now is\n%+v", before, after)
	}
	if !strings.Contains(happened(c), "       0  awarded") {
		t.Errorf("something was recorded anew:\n%s", happened(c))
	}
	start := []string{"demo", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"}
	once(t, append(start, directory, "--seed", "2")...).refused(exitUsage, "--seed 1 --accounts 20 --completions 200")
	once(t, append(start, filepath.Dir(exampleFile))...).refused(exitUsage, "neither empty nor the directory of a demo")
}

// checkCompacting compacts the stores of a demo that has ended.
func checkCompacting(t *testing.T, directory string) {
	t.Helper()
	var stores []compacted
	if err := json.Unmarshal([]byte(once(t, "compact", "--data", directory, "--json").must().stdout.String()), &stores); err != nil {
		t.Fatal(err)
	}
	if len(stores) != 2 || stores[0].Store != "ledger" || stores[1].Store != "vault" {
		t.Fatalf("it compacted %+v", stores)
	}
	for _, one := range stores {
		if one.After <= 0 || one.After > one.Before+one.Before/10+4096 {
			t.Errorf("the %s has %d bytes now, and had %d", one.Store, one.After, one.Before)
		}
	}
	if text := once(t, "compact", "--data", directory).must().stdout.String(); !strings.HasPrefix(text, "ledger  ") {
		t.Errorf("it says\n%s", text)
	}
}

func TestDemoRefuses(t *testing.T) {
	for _, test := range [][]string{
		{"--grpc", "0.0.0.0:7461"},
		{"--http", "192.0.2.1:7480"},
		{"--admin", "bank.example:7490"},
		{"--accounts", "1"},
		{"--completions", "1000000000"},
	} {
		once(t, append([]string{"demo"}, test...)...).refused(exitUsage, test[0])
	}
}

// What the platforms of a demo sign is theirs: the keys follow from the seed.
func TestDemoKeysFollowFromTheSeed(t *testing.T) {
	ids := make(map[keyring.KeyID]bool)
	for _, seed := range []uint64{1, 1, 2} {
		d, err := parameters{Seed: seed, Day: "2026-09-15", Accounts: 20, Completions: 200}.district("demo.json")
		if err != nil {
			t.Fatal(err)
		}
		s := &show{district: d, directory: t.TempDir()}
		if err := s.platformKeys(); err != nil {
			t.Fatal(err)
		}
		for _, p := range s.platforms {
			ids[p.sign.Public().ID()], ids[p.authenticate.Public().ID()] = true, true
		}
	}
	if len(ids) != 16 {
		t.Errorf("there are %d keys, want 8 for each of two seeds", len(ids))
	}
}
