package main

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api/export"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// The records of all people of a demo, at the counter: the published schema of ELMO takes them, and the table has its columns.
func TestDemoExports(t *testing.T) {
	c, at, r := demo(t, small()...)
	d, err := parameters{Seed: 1, Day: noon().Format("2006-01-02"), Accounts: 20, Completions: 200}.district("demo.json")
	if err != nil {
		t.Fatal(err)
	}
	people, err := d.People()
	if err != nil {
		t.Fatal(err)
	}
	var token string
	for _, officer := range r.Officers {
		if officer.ID == "registrar-1" {
			token = tokenIn(t, officer.TokenFile)
		}
	}
	conn := dial(t, at.grpc, token)
	accounts, portfolios := creditbankv1.NewAccountServiceClient(conn), creditbankv1.NewPortfolioServiceClient(conn)
	directory, earned := t.TempDir(), 0
	var files []string
	for i, person := range people {
		opened, err := accounts.OpenAccount(t.Context(), &creditbankv1.OpenAccountRequest{
			RequestId: d.RequestID("export", i), Name: person.Name, Home: person.Home, Contact: person.Contact, DocumentChecked: person.Checked,
			Document: &creditbankv1.Document{Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: person.Identity},
		})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(format creditbankv1.ExportFormat, identity bool) []byte {
			return exported(t, portfolios, &creditbankv1.ExportPortfolioRequest{
				AccountId: opened.GetAccount().GetAccountId(), Format: format, IncludeIdentity: identity, Purpose: "counter",
			})
		}
		for _, identity := range []bool{false, true} {
			file := filepath.Join(directory, fmt.Sprintf("%d-%t.xml", i, identity))
			content := ask(creditbankv1.ExportFormat_EXPORT_FORMAT_ELMO, identity)
			if err := xml.Unmarshal(content, new(struct{})); err != nil {
				t.Error(err)
			}
			if strings.Contains(string(content), person.Identity) != identity || strings.Contains(string(content), person.Name) != identity {
				t.Errorf("with identity %v it is\n%s", identity, content)
			}
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		text := string(ask(creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CSV, true))
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		earned += len(rows) - 1
		for _, row := range rows[1:] {
			if len(row) != 15 || row[1] != person.Name || row[2] != person.Identity || row[4] == "" || row[7] == "" || len(row[10]) != 6 {
				t.Errorf("a row is %q", row)
			}
		}
	}
	if len(files) != 40 || earned < 20 {
		t.Errorf("%d files, and %d courses", len(files), earned)
	}
	lintELMO(t, files)
	if code := c.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, c.stderr.String())
	}
	if log := c.stderr.String(); strings.Contains(log, people[0].Identity) {
		t.Error("the log names somebody")
	}
}

// lintELMO holds files against the schema, where there is an xmllint.
func lintELMO(t *testing.T, files []string) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("no xmllint on this machine (Debian: libxml2-utils): the files were only read")
		return
	}
	schema, err := filepath.Abs("../../api/export/testdata/elmo/schema.xsd")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), xmllint, append([]string{"--nonet", "--noout", "--schema", schema}, files...)...)
	command.Env = append(os.Environ(), "XML_CATALOG_FILES="+filepath.Join(filepath.Dir(schema), "catalog.xml"))
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, said)
	}
}

// exported reads a file to its end.
func exported(t *testing.T, client creditbankv1.PortfolioServiceClient, r *creditbankv1.ExportPortfolioRequest) (content []byte) {
	t.Helper()
	stream, err := client.ExportPortfolio(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return content
		}
		if err != nil {
			t.Fatal(err)
		}
		if file := part.GetFile(); file != nil && file.GetMediaType() != export.ELMO.MediaType() && file.GetMediaType() != export.ShanghaiCSV.MediaType() {
			t.Errorf("the file is %v", file)
		}
		content = append(content, part.GetChunk()...)
	}
}
