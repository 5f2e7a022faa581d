package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
)

// reasonOf is the reason of a rejection.
func reasonOf(s *rpcstatus.Status) string {
	for _, detail := range s.GetDetails() {
		info := new(errdetails.ErrorInfo)
		if detail.UnmarshalTo(info) == nil {
			return info.GetReason()
		}
	}
	return "UNKNOWN"
}

// ready is the ready file: what a script needs for going on.
type ready struct {
	GRPC           string          `json:"grpc"`
	HTTP           string          `json:"http"`
	Admin          string          `json:"admin"`
	BankID         string          `json:"bank_id"`
	Origin         string          `json:"origin"`
	LogVerifierKey string          `json:"log_verifier_key"`
	Data           string          `json:"data"`
	TokenKeyFile   string          `json:"token_key_file"` // signs the tokens of people
	Platforms      []readyPlatform `json:"platforms"`
	Institutions   []readyPlatform `json:"institutions"` // accept credits
	Officers       []readyPerson   `json:"officers"`
	Residents      []readyPerson   `json:"residents"`
}

type readyPlatform struct {
	ID string `json:"id"`
	// KeyFile signs submissions, AuthKeyFile the tokens of calls.
	KeyFile     string `json:"key_file"`
	AuthKeyFile string `json:"auth_key_file"`
}

type readyPerson struct {
	Name string `json:"name"`
	// ID is an officer's; Account and AccountNumber are a resident's.
	ID            string `json:"id,omitempty"`
	Account       string `json:"account"`
	AccountNumber string `json:"account_number,omitempty"`
	TokenFile     string `json:"token_file"`
	Page          string `json:"page"`
}

// writeReady tells scripts that everything is there.
func (s *show) writeReady(at addresses) error {
	if s.readyFile == "" {
		return nil
	}
	r := ready{
		GRPC: at.grpc, HTTP: at.http, Admin: at.admin, BankID: demoBankID, Origin: demoOrigin,
		LogVerifierKey: s.vkey, Data: s.directory, TokenKeyFile: s.issuerFile,
	}
	for _, p := range s.platforms {
		r.Platforms = append(r.Platforms, readyPlatform{ID: p.ID, KeyFile: p.sign.file, AuthKeyFile: p.authenticate.file})
	}
	for _, a := range s.institutions {
		r.Institutions = append(r.Institutions, readyPlatform{ID: a.ID, KeyFile: a.sign.file, AuthKeyFile: a.authenticate.file})
	}
	for i, one := range s.persons {
		out := readyPerson{
			Name: one.label.ZH, ID: one.officer, TokenFile: one.tokenFile, Page: "http://" + at.http + web.PersonPath(i),
		}
		if one.officer != "" {
			r.Officers = append(r.Officers, out)
			continue
		}
		out.Account, out.AccountNumber = one.account.String(), string(one.number)
		r.Residents = append(r.Residents, out)
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("--ready-file: %v", err)
	}
	if err := replaceFile(s.readyFile, append(content, '\n')); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}

// outcomes are the words for what became of a completion, in the order in which they are told.
func outcomes() [][2]string {
	return [][2]string{
		{"OUTCOME_AWARDED", "awarded"},
		{"OUTCOME_IN_REVIEW", "in review: an officer decides"},
		{"OUTCOME_NO_CREDIT", "no credit: hours only, with the reason"},
		{"OUTCOME_DUPLICATE", "duplicate of an equivalent course"},
	}
}

// tell says what happened, and how to go on.
func (s *show) tell(at addresses) {
	w, t := s.process.stdout, &s.tally
	d := s.district
	fmt.Fprintf(w, "西湖区学分银行 · a made-up district (seed %d, %s): %d organizations, %d courses, %d accounts\n\n",
		d.Seed, d.Day.Format(dayLayout), len(district.Organizations())+len(district.Applicants())+len(s.institutions)+1, len(d.Courses()), len(s.residents))
	line := func(n int, what string) { fmt.Fprintf(w, "  %8d  %s\n", n, what) }
	fmt.Fprintf(w, "%d statements in %d submissions, through gRPC:\n", t.statements, t.submissions)
	for _, o := range outcomes() {
		line(t.recorded[o[0]], o[1])
	}
	line(t.voids, "voids of earlier statements")
	line(t.replayed, "replayed: posted before, nothing is doubled")
	for _, reason := range slices.Sorted(maps.Keys(t.rejected)) {
		line(t.rejected[reason], "rejected: "+reason)
	}
	fmt.Fprintf(w, "%d cases waited for an officer: %d approved, %d under public notice, %d refused, %d hours only, %d left for you\n",
		t.cases, t.approved, t.public, t.refused, t.kept, t.cases-t.approved-t.public-t.refused-t.kept)
	seconds := t.took.Seconds()
	fmt.Fprintf(w, "%d entries in the log; posting took %.1f s", t.logSize, seconds)
	if n := t.total(); n > 0 && seconds > 0 {
		fmt.Fprintf(w, ", %.0f records a second", float64(n)/seconds)
	}
	fmt.Fprint(w, "\n\n")

	fmt.Fprintf(w, "  gRPC     %s\n  pages    http://%s\n  metrics  http://%s/metrics\n  data     %s", at.grpc, at.http, at.admin, s.directory)
	if s.temporary {
		fmt.Fprint(w, "  (removed at the end)")
	}
	fmt.Fprint(w, "\n\nOpen a learning record in a browser:\n")
	for i, one := range s.persons {
		if one.officer == "" {
			fmt.Fprintf(w, "  %s  http://%s%s\n", one.label.ZH, at.http, web.PersonPath(i))
		}
	}
	s.tellCommands(at)
	fmt.Fprintln(w, "\nready: stop with Ctrl-C")
}

// tellCommands prints commands that work as they stand.
func (s *show) tellCommands(at addresses) {
	w := s.process.stdout
	flags := ""
	if at.grpc != "127.0.0.1:7461" {
		flags += " --grpc " + at.grpc
	}
	http := flags
	if at.http != "127.0.0.1:7480" {
		http += " --http http://" + at.http
	}
	fmt.Fprint(w, "\nTry, in another window:\n")
	for _, command := range []string{
		"go run ./cmd/creditbank audit" + http + " --vkey '" + s.vkey + "'",
		"go run ./cmd/creditbank portfolio" + flags + " --token-file " + s.persons[0].tokenFile,
		"go run ./cmd/creditbank review list" + flags + " --token-file " + s.fileOf("certifier-1"),
		"go run ./cmd/creditbank course list" + flags,
		"grpcurl -plaintext " + at.grpc + " list",
	} {
		fmt.Fprintln(w, "  "+command)
	}
	if !s.temporary {
		fmt.Fprintf(w, "After the end: go run ./cmd/creditbankd fsck --data %s\n", s.directory)
	}
}

// fileOf is the token file of an officer.
func (s *show) fileOf(officer string) string {
	for _, one := range s.persons {
		if one.officer == officer {
			return one.tokenFile
		}
	}
	return ""
}
