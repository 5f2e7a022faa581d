package main_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
)

// TestBalances runs the command against a bank as it is: what two officers do is checked where it counts.
func TestBalances(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	server, err := rpc.New(rpc.Config{Bank: b.Bank, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(server.GracefulStop(ctx), <-served); err != nil {
			t.Error(err)
		}
	})

	first, second := b.Open(), b.Open() // the first two made-up persons
	files := map[string]string{
		"chen.token": b.OfficerToken(apitest.Officer), "zhou.token": b.OfficerToken(apitest.SecondOfficer),
		"sun.token": b.OfficerToken(apitest.StreetOfficer), "resident.token": b.ResidentToken(first.ID),
		"balances.csv": strings.Join([]string{
			"\ufeffsource_record,account_number,document_number,category,minutes,hours,credits,earned_on,title",
			"B-1," + first.Number.Grouped() + ",,arts,90,,1.5,2019/5/4,书法班",
			"B-2,," + b.Document(2).Number + ",health,,2.2,,2018-01-02,",
			"B-3,4.4E+17,,arts,90,,,2019-05-04,",
			"B-4," + string(first.Number) + ",,magic,90,,,2019-05-04,",
			"B-5," + string(first.Number) + ",,arts,90,,1.2345,2019-05-04,=1+1",
			"B-6," + string(first.Number) + ",,arts,,,2,2026-06-16,",
			"B-1," + string(first.Number) + ",,arts,1,,,2019-05-04,",
		}, "\r\n") + "\r\n",
		"correction.csv": strings.Join([]string{
			"action,source_record,account_number,category,credits,earned_on",
			"冲回,B-1," + string(first.Number) + ",,,",
			"登记,B-1-2," + string(first.Number) + ",arts,1.4,2019-05-04",
		}, "\n"),
		"gbk.csv":    "\xd5\xcb\xba\xc5,\xc0\xe0\xb1\xf0\n", // as a Chinese spreadsheet writes it unless told otherwise
		"street.csv": "source_record,account_number,category,credits,earned_on\nS-1," + string(second.Number) + ",arts,1,2019-05-04\n",
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/balances", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, "CREDITBANK_GRPC="+listener.Addr().String(), "CREDITBANK_LANG=en", "CREDITBANK_TIMEOUT=10s")
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(content), 0o600); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "size": func(ts *testscript.TestScript, _ bool, args []string) {
			view, err := b.Ledger.View()
			ts.Check(err)
			defer view.Close()
			// Relative to the size when the script began.
			start := ts.Getenv("START")
			if start == "" {
				ts.Setenv("START", strconv.FormatUint(view.Size(), 10))
				return
			}
			base, err := strconv.ParseUint(start, 10, 64)
			ts.Check(err)
			if got := strconv.FormatUint(view.Size()-base, 10); got != args[0] {
				ts.Fatalf("%s entries were written, want %s", got, args[0])
			}
		}},
	})
}
