package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/learning-credit-bank/creditbank/"

// goPackage is what `go list` says of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// packages are all packages of the module and what they are built on, by import path.
func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", modulePath+"...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	all := make(map[string]goPackage)
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// importRule is one line of the house plan (DESIGN.md §3): packages that match one of from do not reach those that match
// one of never, through packages of the module and of others. A pattern is an import path and what lies below it; within the
// module it is written without the module's path and a leading "./".
//
// Packages of the standard library are looked at directly only: crypto/x509 alone brings net and os along.
type importRule struct {
	name              string
	from, except      []string
	never, notToCount []string
}

func importRules() []importRule {
	services := []string{"./proto/creditbank/v1"}
	commands := []string{"./cmd"}
	transports := []string{"./api/rpc", "./api/web", "google.golang.org/grpc", "net/http"}
	return []importRule{
		{
			name: "the ledger knows neither judges, nor callers, nor transports", from: []string{"./ledger"},
			never: slices.Concat([]string{"./certify", "./api", "google.golang.org/grpc", "net/http"}, services, commands),
		},
		{
			name: "certify imports only the small words and the protos of statements, policies and entries", from: []string{"./certify"},
			never: slices.Concat([]string{"./ledger", "./api"}, transports, services, commands),
			notToCount: []string{
				"./ledger/unit", "./proto/creditbank/statement/v1", "./proto/creditbank/policy/v1", "./proto/creditbank/ledger/v1",
			},
		},
		{
			name: "a decision reads no clock, draws nothing and does no I/O", from: []string{"./certify/agreement", "./certify/policy", "./certify/rules"},
			never: []string{"crypto/rand", "math/rand", "math/rand/v2", "net", "os", "syscall"},
		},
		{
			name: "the tree does no I/O", from: []string{"./ledger/merkle"},
			never: []string{"io/fs", "net", "os", "path/filepath", "syscall", "./ledger/store", "./ledger/vault"},
		},
		{
			name: "the small words stand on nothing", from: []string{"./ledger/unit"},
			never: []string{"./ledger/book", "./ledger/merkle", "./ledger/store", "./ledger/vault", "./proto"},
		},
		{
			name: "the statements, policies and entries know nothing of the services",
			from: []string{"./proto/creditbank/statement", "./proto/creditbank/policy", "./proto/creditbank/ledger"},
			never: slices.Concat(services, []string{
				"./ledger", "./certify", "./api", "./cmd", "google.golang.org/grpc",
			}),
		},
		{
			name: "only ledger/store/pebble imports Pebble", from: []string{"./api", "./certify", "./ledger", "./proto", "./deploy"},
			except: []string{"./ledger/store/pebble"},
			never:  []string{"github.com/cockroachdb/pebble", "./ledger/store/pebble"},
		},
		{
			name: "only api/rpc and cmd speak gRPC", from: []string{"./api", "./certify", "./ledger", "./deploy/policies"}, except: []string{"./api/rpc"},
			never: []string{"google.golang.org/grpc", "github.com/grpc-ecosystem"},
		},
		{
			name: "the bank has no transport in it", from: []string{"./api"},
			except: []string{"./api/rpc", "./api/web", "./api/certificate", "./api/witness"},
			never:  slices.Concat(transports, services, commands),
		},
		{
			name: "who asks witnesses knows the tree, and not the bank", from: []string{"./api/witness"},
			never:      slices.Concat([]string{"./api", "./certify", "./ledger", "google.golang.org/grpc"}, services, commands),
			notToCount: []string{"./api/cosignature", "./ledger/merkle"},
		},
		{
			name: "who writes files is handed everything that is in them", from: []string{"./api/export"},
			never: slices.Concat([]string{"./api", "./certify", "./ledger"}, transports, services, commands),
			notToCount: []string{
				"./ledger/unit", "./proto/creditbank/statement/v1", "./proto/creditbank/policy/v1", "./proto/creditbank/ledger/v1",
			},
		},
		{name: "gRPC and pages stand side by side", from: []string{"./api/rpc"}, never: slices.Concat([]string{"./api/web"}, commands)},
		{name: "pages and gRPC stand side by side", from: []string{"./api/web"}, never: slices.Concat([]string{"./api/rpc"}, commands)},
		{
			name: "tests' packages are for tests", from: []string{"./api", "./certify", "./cmd", "./ledger", "./proto", "./deploy"},
			except: []string{"./api/apitest", "./api/witness/witnesstest", "./ledger/ledgertest"},
			never: []string{
				"./api/apitest", "./api/witness/witnesstest", "./ledger/ledgertest", "testing",
				"github.com/transparency-dev", "go.uber.org/goleak", "pgregory.net/rapid",
			},
		},
	}
}

func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = strings.Replace(pattern, "./", modulePath, 1)
		return path == pattern || strings.HasPrefix(path, pattern+"/") || strings.HasPrefix(path, pattern+"/v")
	})
}

func TestImports(t *testing.T) {
	all := packages(t)
	for _, rule := range importRules() {
		t.Run(rule.name, func(t *testing.T) {
			looked := 0
			for path, p := range all {
				if !matches(path, rule.from) || matches(path, rule.except) {
					continue
				}
				looked++
				for _, found := range rule.violations(p, all) {
					t.Errorf("%s imports %s", path, found)
				}
			}
			if looked == 0 {
				t.Errorf("no package is in %v: the rule holds nothing", rule.from)
			}
		})
	}
}

// violations are the packages that p must not reach.
func (r importRule) violations(p goPackage, all map[string]goPackage) (found []string) {
	for _, path := range p.Deps {
		direct := slices.Contains(p.Imports, path)
		if all[path].Standard && !direct || matches(path, r.from) || matches(path, r.notToCount) {
			continue
		}
		// One of each kind says enough.
		if matches(path, r.never) && !slices.ContainsFunc(r.never, func(never string) bool {
			return matches(path, []string{never}) && slices.ContainsFunc(found, func(f string) bool { return matches(f, []string{never}) })
		}) {
			found = append(found, path)
		}
	}
	return found
}

// A rule that finds nothing wrong in a package that is wrong would hold nothing.
func TestImportRulesFindWhatIsWrong(t *testing.T) {
	all := map[string]goPackage{
		"net/http": {ImportPath: "net/http", Standard: true}, "os": {ImportPath: "os", Standard: true},
		modulePath + "certify/policy": {}, modulePath + "ledger/unit": {}, modulePath + "ledger/book": {},
		"github.com/cockroachdb/pebble/v2": {},
	}
	for _, test := range []struct {
		rule int
		p    goPackage
		want []string
	}{
		{0, goPackage{Deps: []string{modulePath + "certify/policy", "os"}}, []string{modulePath + "certify/policy"}},
		{0, goPackage{Imports: []string{"net/http"}, Deps: []string{"net/http"}}, []string{"net/http"}},
		{0, goPackage{Deps: []string{"net/http", modulePath + "ledger/book"}}, nil},
		{1, goPackage{Deps: []string{modulePath + "ledger/unit", modulePath + "ledger/book"}}, []string{modulePath + "ledger/book"}},
		{3, goPackage{Imports: []string{"os"}, Deps: []string{"os"}}, []string{"os"}},
		{6, goPackage{Deps: []string{"github.com/cockroachdb/pebble/v2"}}, []string{"github.com/cockroachdb/pebble/v2"}},
	} {
		rule := importRules()[test.rule]
		if found := rule.violations(test.p, all); !slices.Equal(found, test.want) {
			t.Errorf("%s: found %v, want %v", rule.name, found, test.want)
		}
	}
}
