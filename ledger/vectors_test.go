package ledger_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// The golden vectors of FORMAT.md are made by a script that shares nothing with this code: testdata/vectors/generate.py. The
// texts that organizations sign, their keys and who wrote what are checked in certify/keyring.

// goldenBytes is how the vectors write what is binary.
type goldenBytes []byte

func (b *goldenBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

func readGolden[T any](t *testing.T, name string) (file T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

// goldenMessage compares what a message's bytes say with its fields, without ever marshalling it again.
func goldenMessage(t *testing.T, name string, m proto.Message, b []byte, fields json.RawMessage) {
	t.Helper()
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if unknownAnywhere(m.ProtoReflect()) {
		t.Errorf("%s: has unknown fields", name)
	}
	want := m.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(fields, want); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !proto.Equal(m, want) {
		t.Errorf("%s: bytes say\n%v\nwant\n%v", name, m, want)
	}
}

func unknownAnywhere(m protoreflect.Message) bool {
	found := len(m.GetUnknown()) > 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				found = found || unknownAnywhere(value.List().Get(i).Message())
			}
		default:
			found = found || unknownAnywhere(value.Message())
		}
		return !found
	})
	return found
}

// TestFormatPage holds the examples and the lists of FORMAT.md against the vectors and the protos.
func TestFormatPage(t *testing.T) {
	b, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	says := func(text string) {
		t.Helper()
		if !strings.Contains(page, text) {
			t.Errorf("FORMAT.md does not say\n%s", text)
		}
	}
	facts := new(ledgerv1.Entry).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range facts.Len() {
		says(fmt.Sprintf("\n| %s | %d |", facts.Get(i).Message().Name(), facts.Get(i).Number()))
	}
	for table := book.TableMeta; table < 0xff; table++ {
		if table <= book.TableRejects || book.Derived(table) {
			says(fmt.Sprintf("\n| `%02x` ", table))
		}
	}
	submissions := readGolden[struct {
		BankID        string `json:"bank_id"`
		Keys          json.RawMessage
		Submissions   []goldenSubmission
		Paths         json.RawMessage
		Registrations json.RawMessage
		AlsoValid     json.RawMessage `json:"also_valid"`
		Refused       json.RawMessage
	}](t, "keys.json").Submissions
	for _, s := range submissions {
		if s.Name == "three" {
			says("\n    " + strings.ReplaceAll(strings.TrimSuffix(s.Text, "\n"), "\n", "\n    ") + "\n")
		}
	}
}

func TestGoldenStatements(t *testing.T) {
	v := readGolden[struct {
		Statements []struct {
			Name     string
			Message  json.RawMessage
			Bytes    goldenBytes
			LeafHash goldenBytes `json:"leaf_hash"`
		}
		Refused []struct {
			Name, Rule string
			Bytes      goldenBytes
		}
	}](t, "statements.json")
	for _, s := range v.Statements {
		goldenMessage(t, s.Name, new(statementv1.Statement), s.Bytes, s.Message)
		if hash := merkle.LeafHash(s.Bytes); !bytes.Equal(hash[:], s.LeafHash) {
			t.Errorf("%s: leaf hash %x, want %x", s.Name, hash, s.LeafHash)
		}
		if flaw := statementFlaw(s.Bytes); flaw != "" {
			t.Errorf("%s: refused: %s", s.Name, flaw)
		}
	}
	for _, c := range v.Refused {
		if flaw := statementFlaw(c.Bytes); flaw == "" || !strings.HasPrefix(c.Rule, flaw) {
			t.Errorf("%s: refused for %q, want %q", c.Name, flaw, c.Rule)
		}
	}
}

// statementFlaw reads a statement as FORMAT.md says and answers the first rule that it breaks.
func statementFlaw(b []byte) string {
	s := new(statementv1.Statement)
	switch err := proto.Unmarshal(b, s); {
	case len(b) > 16*1024:
		return "at most 16,384 bytes"
	case err != nil:
		return "the bytes are no message"
	case unknownAnywhere(s.ProtoReflect()):
		return "no unknown field"
	}
	if _, err := unit.ParseStatementID(s.GetId()); err != nil {
		return "id:"
	}
	if len(s.GetSalt()) != 16 {
		return "salt:"
	}
	if assertions(b) != 1 {
		return "exactly one assertion"
	}
	switch c, void := s.GetCompletion(), s.GetCompletionVoid(); {
	case c != nil:
		return completionFlaw(c)
	case statementv1.VoidReason_name[int32(void.GetReason())] == "" || void.GetReason() == 0:
		return "reason:"
	default:
		if _, err := unit.ParseStatementID(void.GetStatementId()); err != nil {
			return "statement_id:"
		}
		return ""
	}
}

// assertions counts the occurrences of the two members of the oneof.
func assertions(b []byte) (n int) {
	for len(b) > 0 {
		number, _, size := protowire.ConsumeField(b)
		if number == 3 || number == 4 {
			n++
		}
		b = b[size:]
	}
	return n
}

func completionFlaw(c *statementv1.Completion) string {
	letters := func(s string, most int, others string) bool {
		return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(others, r)
		})
	}
	if _, err := unit.ParseAccountNumber(c.GetAccountNumber()); err != nil {
		return "account_number:"
	}
	if _, err := unit.ParseOrganizationID(c.GetProvider()); err != nil {
		return "provider:"
	}
	held, attended, late := c.GetAttendance().GetHeld(), c.GetAttendance().GetAttended(), c.GetAttendance().GetLate()
	switch {
	case c.GetCourse() == "" || !letters(c.GetCourse(), 64, "-_."):
		return "course:"
	case c.GetCourseVersion() == "" || !letters(c.GetCourseVersion(), 16, "-_."):
		return "course_version:"
	case c.GetMode() < 1 || c.GetMode() > 5:
		return "mode:"
	case len(c.GetSessions()) < 1 || len(c.GetSessions()) > 64:
		return "sessions: 1 to 64"
	case c.Attendance != nil && (held < 1 || held > 1000):
		return "held:"
	case attended < 0 || late < 0 || attended+late > held:
		return "attended + late:"
	case c.GetScore() < 0 || c.GetScore() > 100:
		return "score:"
	case !letters(c.GetSite(), 64, "-_./:"):
		return "site:"
	}
	return sessionsFlaw(c.GetSessions(), c.GetMode() == statementv1.Mode_MODE_ACHIEVEMENT)
}

func sessionsFlaw(sessions []*statementv1.Session, achievement bool) string {
	longest, least := 24*time.Hour, int64(1)
	if achievement {
		longest, least = 366*24*time.Hour, 0
	}
	var last time.Time
	for _, s := range sessions {
		for _, at := range []*timestamppb.Timestamp{s.GetStartTime(), s.GetEndTime()} {
			switch {
			case at == nil:
				return "end_time: present"
			case at.GetNanos() != 0 || at.CheckValid() != nil:
				return "times: whole seconds"
			case at.AsTime().Year() < 1950:
				return "times: not before 1950"
			}
		}
		start, end := s.GetStartTime().AsTime(), s.GetEndTime().AsTime()
		most := int64((end.Sub(start) + time.Minute - 1) / time.Minute)
		if achievement {
			most = 100_000
		}
		switch {
		case !end.After(start):
			return "end_time: after start_time"
		case end.Sub(start) > longest:
			return "end_time: at most"
		case start.Before(last):
			return "sessions: in order, without overlap"
		case s.GetMinutes() < least:
			return "minutes: at least"
		case s.GetMinutes() > most:
			return "minutes: at most"
		}
		last = end
	}
	return ""
}

func TestGoldenNames(t *testing.T) {
	v := readGolden[struct {
		AccountNumbers    []string `json:"account_numbers"`
		OrganizationCodes []string `json:"organization_codes"`
		OrganizationIDs   []string `json:"organization_ids"`
		BankIDs           []string `json:"bank_ids"` // of certify/keyring
		Refused           []struct{ Of, Name, Text string }
	}](t, "names.json")
	parsers := map[string]func(string) error{
		"account number":    func(s string) error { _, err := unit.ParseAccountNumber(s); return err },
		"organization code": func(s string) error { _, err := unit.ParseOrganizationCode(s); return err },
		"organization id":   func(s string) error { _, err := unit.ParseOrganizationID(s); return err },
	}
	accepted := map[string][]string{
		"account number": v.AccountNumbers, "organization code": v.OrganizationCodes, "organization id": v.OrganizationIDs,
	}
	for of, texts := range accepted {
		for _, text := range texts {
			if err := parsers[of](text); err != nil {
				t.Errorf("%s %q: %v", of, text, err)
			}
		}
	}
	for _, c := range v.Refused {
		var flaw *unit.FormError
		if parse := parsers[c.Of]; parse != nil && !errors.As(parse(c.Text), &flaw) {
			t.Errorf("%s with %s is accepted", c.Of, c.Name)
		}
	}
}

type goldenSubmission struct {
	Name, Organization, Text string
	KeyID                    string `json:"key_id"`
	Statements               []goldenBytes
	Root, Signature          goldenBytes
}

func TestGoldenSubmissionTrees(t *testing.T) {
	v := readGolden[struct {
		BankID      string `json:"bank_id"`
		Keys        json.RawMessage
		Submissions []goldenSubmission
		Paths       []struct {
			Submission string
			Position   int
			Path       []goldenBytes
		}
		Registrations json.RawMessage
		AlsoValid     json.RawMessage `json:"also_valid"`
		Refused       json.RawMessage
	}](t, "keys.json")
	leaves := make(map[string][]merkle.Hash)
	for _, s := range v.Submissions {
		for _, statement := range s.Statements {
			leaves[s.Name] = append(leaves[s.Name], merkle.LeafHash(statement))
		}
		if root := merkle.RootOf(leaves[s.Name]); !bytes.Equal(root[:], s.Root) {
			t.Errorf("%s: root %x, want %x", s.Name, root, s.Root)
		}
	}
	for _, p := range v.Paths {
		tree, path := leaves[p.Submission], goldenHashes(p.Path)
		if got := merkle.LeafPath(tree, p.Position); !slices.Equal(got, path) {
			t.Errorf("%s: path of %d is %v, want %v", p.Submission, p.Position, got, path)
		}
		err := merkle.VerifyPath(tree[p.Position], uint64(p.Position), uint64(len(tree)), path, merkle.RootOf(tree))
		if err != nil {
			t.Errorf("%s: path of %d: %v", p.Submission, p.Position, err)
		}
	}
}

func goldenHashes(list []goldenBytes) []merkle.Hash {
	hashes := make([]merkle.Hash, len(list))
	for i, b := range list {
		hashes[i] = merkle.Hash(b)
	}
	return hashes
}

func TestGoldenSealed(t *testing.T) {
	v := readGolden[struct {
		Sealed []struct {
			Fact, Type          string
			Message             json.RawMessage
			Account, Key, Nonce goldenBytes
			StatementID         goldenBytes `json:"statement_id"`
			AdditionalData      string      `json:"additional_data"`
			Plain               goldenBytes
			Sealed              goldenBytes
		}
		Refused []struct {
			Name, Rule     string
			Key            goldenBytes
			AdditionalData string `json:"additional_data"`
			Sealed         goldenBytes
		}
	}](t, "sealed.json")
	for _, s := range v.Sealed {
		data := strings.Join([]string{
			"creditbank/v1 seal", goldenBank, hex.EncodeToString(s.Account), s.Fact, hex.EncodeToString(s.StatementID), "",
		}, "\n")
		if data != s.AdditionalData {
			t.Errorf("%s: additional data\n%s, want\n%s", s.Fact, data, s.AdditionalData)
		}
		if !bytes.HasPrefix(s.Sealed, s.Nonce) {
			t.Errorf("%s: does not begin with the nonce", s.Fact)
		}
		plain, err := unseal(t, s.Key, s.Sealed, data)
		if err != nil || !bytes.Equal(plain, s.Plain) {
			t.Errorf("%s: opens as %x, %v, want %x", s.Fact, plain, err, s.Plain)
		}
		m := map[string]proto.Message{
			"SealedCompletion": new(ledgerv1.SealedCompletion), "SealedVoid": new(ledgerv1.SealedVoid),
			"SealedDecision": new(ledgerv1.SealedDecision), "SealedOpeningBalance": new(ledgerv1.SealedOpeningBalance),
			"SealedClaim": new(ledgerv1.SealedClaim), "SealedTransfer": new(ledgerv1.SealedTransfer),
		}[s.Type]
		goldenMessage(t, s.Fact, m, s.Plain, s.Message)
	}
	for _, c := range v.Refused {
		if plain, err := unseal(t, c.Key, c.Sealed, c.AdditionalData); err == nil {
			t.Errorf("%s (%s): opens as %x", c.Name, c.Rule, plain)
		}
	}
}

func unseal(t *testing.T, key, sealed []byte, data string) ([]byte, error) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != 32 {
		t.Fatalf("key of %d bytes: %v", len(key), err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) < gcm.NonceSize()+gcm.Overhead() {
		return nil, errors.New("too short")
	}
	return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], []byte(data))
}

const (
	goldenBank   = "xihu.creditbank.example"
	goldenOrigin = "xihu.creditbank.example/log/2026"
)

type goldenLog struct {
	BankID  string `json:"bank_id"`
	Origin  string
	Entries []struct {
		Fact     string
		Message  json.RawMessage
		Bytes    goldenBytes
		LeafHash goldenBytes `json:"leaf_hash"`
	}
	// State is what the first Size entries add up to.
	State struct {
		Size int
		Rows []goldenRow
	}
	Refused []struct {
		Name, By, Rule string
		After          int
		Bytes          goldenBytes
	}
}

func (l goldenLog) leaves() []merkle.Hash {
	leaves := make([]merkle.Hash, len(l.Entries))
	for i, e := range l.Entries {
		leaves[i] = merkle.Hash(e.LeafHash)
	}
	return leaves
}

// goldenRow is a row of the store: a message, or bytes.
type goldenRow struct {
	Size    int
	Key     goldenBytes
	Value   *goldenBytes
	Type    string
	Message json.RawMessage
}

// check compares a row with what a store has under its key.
func (r goldenRow) check(t *testing.T, value []byte) {
	t.Helper()
	if r.Value != nil {
		if value == nil || !bytes.Equal(value, *r.Value) {
			t.Errorf("row %x is %x, want %x", r.Key, value, *r.Value)
		}
		return
	}
	m := map[string]proto.Message{
		"TreeRow": new(ledgerv1.TreeRow), "AccountRow": new(ledgerv1.AccountRow), "WeekRow": new(ledgerv1.WeekRow),
		"OrganizationRow": new(ledgerv1.OrganizationRow), "KeyRow": new(ledgerv1.KeyRow),
		"OfficerRow": new(ledgerv1.OfficerRow), "CourseRow": new(ledgerv1.CourseRow), "PolicyRow": new(ledgerv1.PolicyRow),
		"CaseRow": new(ledgerv1.CaseRow), "RequestRow": new(ledgerv1.RequestRow), "ImportRow": new(ledgerv1.ImportRow),
		"AgreementRow": new(ledgerv1.AgreementRow), "ConsentRow": new(ledgerv1.ConsentRow),
		"TransferRow":    new(ledgerv1.TransferRow),
		"MergeRow":       new(ledgerv1.MergeRow),
		"ApplicationRow": new(ledgerv1.ApplicationRow),
		"ClawbackRow":    new(ledgerv1.ClawbackRow),
	}[r.Type]
	if m == nil {
		t.Fatalf("row %x is of type %q", r.Key, r.Type)
	}
	goldenMessage(t, "row "+hex.EncodeToString(r.Key), m, value, r.Message)
}

func decodeGolden(t *testing.T, b []byte) *ledgerv1.Entry {
	t.Helper()
	e := new(ledgerv1.Entry)
	if err := proto.Unmarshal(b, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestGoldenEntries(t *testing.T) {
	log := readGolden[goldenLog](t, "entries.json")
	facts := make(map[string]bool)
	var last int64
	for i, golden := range log.Entries {
		e := new(ledgerv1.Entry)
		goldenMessage(t, golden.Fact, e, golden.Bytes, golden.Message)
		if got := book.Fact(e); got != golden.Fact {
			t.Errorf("entry %d: is %s, want %s", i, got, golden.Fact)
		}
		if hash := merkle.LeafHash(golden.Bytes); !bytes.Equal(hash[:], golden.LeafHash) {
			t.Errorf("entry %d: leaf hash %x, want %x", i, hash, golden.LeafHash)
		}
		if flaw := entryFlaw(golden.Bytes, i, last); flaw != "" {
			t.Errorf("entry %d: refused: %s", i, flaw)
		}
		facts[golden.Fact], last = true, e.GetTime()
	}
	oneof := new(ledgerv1.Entry).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range oneof.Len() {
		if name := string(oneof.Get(i).Message().Name()); !facts[name] {
			t.Errorf("no entry is a %s", name)
		}
	}
	founded := decodeGolden(t, log.Entries[0].Bytes).GetBankFounded()
	if founded.GetBankId() != log.BankID || founded.GetOrigin() != log.Origin || founded.GetFormat() != ledger.Format {
		t.Errorf("founded as %v", founded)
	}
	for _, c := range log.Refused {
		if c.By != "state" {
			last := decodeGolden(t, log.Entries[c.After-1].Bytes).GetTime()
			if flaw := entryFlaw(c.Bytes, c.After, last); flaw == "" || !strings.HasPrefix(c.Rule, flaw) {
				t.Errorf("%s: refused for %q, want %q", c.Name, flaw, c.Rule)
			}
		}
	}
}

// entryFlaw reads an entry as FORMAT.md says, as the one after so many others, and answers the first rule that it breaks.
func entryFlaw(b []byte, index int, last int64) string {
	e := new(ledgerv1.Entry)
	switch err := proto.Unmarshal(b, e); {
	case err != nil:
		return "the bytes are a message"
	case len(b) > ledger.MaxEntryBytes:
		return "at most 65,535 bytes"
	case e.GetFact() == nil && unknownAnywhere(e.ProtoReflect()):
		return "a known fact"
	case e.GetFact() == nil:
		return "exactly one fact"
	case len(e.GetSalt()) != 16:
		return "salt:"
	case e.GetIndex() != uint64(index):
		return "index:"
	case e.GetTime() < last:
		return "time:"
	default:
		return ""
	}
}

// noRows is what a state of nothing stands on.
type noRows struct{}

func (noRows) Row([]byte) ([]byte, error) { return nil, nil }

// replayed is the state after the first size entries.
func (l goldenLog) replayed(t *testing.T, size int) *book.State {
	t.Helper()
	state := book.NewState(noRows{})
	for _, e := range l.Entries[:size] {
		if err := state.Apply(decodeGolden(t, e.Bytes)); err != nil {
			t.Fatal(err)
		}
		if err := state.Keep(); err != nil {
			t.Fatal(err)
		}
	}
	return state
}

func TestGoldenState(t *testing.T) {
	log := readGolden[goldenLog](t, "entries.json")
	rows := make(map[string][]byte)
	for key, value := range log.replayed(t, log.State.Size).Changes {
		if value != nil {
			rows[string(key)] = value
		}
	}
	for _, row := range log.State.Rows {
		row.check(t, rows[string(row.Key)])
		delete(rows, string(row.Key))
	}
	for key := range rows {
		t.Errorf("row %x should not be there", key)
	}
	log.replayed(t, len(log.Entries)) // the rest fits as well
}

func TestGoldenStateRefuses(t *testing.T) {
	log := readGolden[goldenLog](t, "entries.json")
	for _, c := range log.Refused {
		if c.By != "state" {
			continue
		}
		state := log.replayed(t, c.After)
		if err := state.Apply(decodeGolden(t, c.Bytes)); !errors.Is(err, book.ErrInconsistent) {
			t.Errorf("%s (%s): %v", c.Name, c.Rule, err)
		}
	}
}

// TestGoldenAuthorshipRoots checks the roots that certify/keyring puts into the texts.
func TestGoldenAuthorshipRoots(t *testing.T) {
	log := readGolden[goldenLog](t, "entries.json")
	v := readGolden[struct {
		Checks []struct {
			Entry, Submission, Key, Position uint64
			Statements                       int
			StatementHash                    goldenBytes `json:"statement_hash"`
			Root                             goldenBytes
			Text                             string
			Signature                        goldenBytes
		}
		Refused json.RawMessage
	}](t, "authorship.json")
	for _, c := range v.Checks {
		hashes := []byte(c.StatementHash)
		if c.Submission != 0 {
			hashes = decodeGolden(t, log.Entries[c.Submission].Bytes).GetSubmissionReceived().GetStatementHashes()
		}
		var leaves []merkle.Hash
		for hash := range slices.Chunk(hashes, merkle.HashSize) {
			leaves = append(leaves, merkle.Hash(hash))
		}
		if root := merkle.RootOf(leaves); len(leaves) != c.Statements || !bytes.Equal(root[:], c.Root) {
			t.Errorf("entry %d: root of %d statements is %x, want %x of %d", c.Entry, len(leaves), root, c.Root, c.Statements)
		}
		if !bytes.Equal(leaves[c.Position][:], c.StatementHash) {
			t.Errorf("entry %d: another statement at position %d", c.Entry, c.Position)
		}
	}
}

type goldenTree struct {
	Origin    string
	LogKey    goldenBytes `json:"log_key"`
	VKey      string
	OtherVKey string `json:"other_vkey"`
	Roots     []struct {
		Size uint64
		Root goldenBytes
	}
	Tiles     []goldenTile
	TilePaths []goldenTile `json:"tile_paths"`
	Inclusion []struct {
		Index, Size uint64
		Proof       []goldenBytes
	}
	Consistency []struct {
		Old, New uint64
		Proof    []goldenBytes
	}
	Checkpoints []goldenCheckpoint
	// Continued is the log that the last entry begins.
	Continued goldenTreeOf
	Refused   struct {
		Inclusion []struct {
			Name, Rule  string
			LeafHash    goldenBytes `json:"leaf_hash"`
			Index, Size uint64
			Proof       []goldenBytes
			Root        goldenBytes
		}
		Consistency []struct {
			Name, Rule string
			Old, New   uint64
			Proof      []goldenBytes
			OldRoot    goldenBytes `json:"old_root"`
			NewRoot    goldenBytes `json:"new_root"`
		}
		Checkpoints []struct{ Name, By, Signed string }
	}
}

type goldenCheckpoint struct {
	Size         uint64
	Text, Signed string
}

// goldenTreeOf is a log of its own over the same tree.
type goldenTreeOf struct {
	Origin      string
	LogKey      goldenBytes `json:"log_key"`
	VKey        string
	Checkpoints []goldenCheckpoint
}

type goldenTile struct {
	Level  uint8
	Index  uint64
	Width  uint16
	Path   string
	Data   goldenBytes
	SHA256 goldenBytes
}

func (g goldenTile) tile() merkle.Tile {
	return merkle.Tile{Level: g.Level, Index: g.Index, Width: g.Width}
}

// goldenTiles keeps full tiles.
type goldenTiles map[merkle.Tile][]byte

func (g goldenTiles) ReadTiles(_ context.Context, tiles []merkle.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data[i] = g[tile]
	}
	return data, nil
}

func TestGoldenTree(t *testing.T) {
	v := readGolden[goldenTree](t, "tree.json")
	leaves := readGolden[goldenLog](t, "entries.json").leaves()
	edge, full := new(merkle.Edge), goldenTiles{}
	for _, tile := range edge.Append(nil, leaves...) {
		full[tile.Tile] = tile.Data
	}
	tiles := edge.Reader(full, nil)

	roots := make(map[uint64]merkle.Hash)
	for size := range uint64(len(leaves) + 1) {
		roots[size] = merkle.RootOf(leaves[:size])
	}
	for _, r := range v.Roots {
		root, err := merkle.RootAt(t.Context(), r.Size, tiles)
		if err != nil || !bytes.Equal(root[:], r.Root) || root != roots[r.Size] {
			t.Errorf("root of %d is %x, %v, want %x", r.Size, root, err, r.Root)
		}
	}
	for _, golden := range v.Tiles {
		data, err := tiles.ReadTiles(t.Context(), []merkle.Tile{golden.tile()})
		if err != nil || !bytes.Equal(data[0], golden.Data) {
			t.Errorf("%s differs, %v", golden.Path, err)
		}
		if sum := sha256.Sum256(golden.Data); !bytes.Equal(sum[:], golden.SHA256) {
			t.Errorf("%s: SHA-256 is %x, want %x", golden.Path, sum, golden.SHA256)
		}
	}
	for _, golden := range slices.Concat(v.Tiles, v.TilePaths) {
		if got, err := merkle.ParseTilePath(golden.Path); err != nil || got != golden.tile() || got.Path() != golden.Path {
			t.Errorf("%s is %+v, %v", golden.Path, got, err)
		}
	}
	for _, p := range v.Inclusion {
		proof, err := merkle.InclusionProof(t.Context(), p.Index, p.Size, tiles)
		if err != nil || !slices.Equal(proof, goldenHashes(p.Proof)) {
			t.Errorf("inclusion of %d in %d: %v, %v", p.Index, p.Size, proof, err)
		}
		if err := merkle.VerifyInclusion(leaves[p.Index], p.Index, p.Size, goldenHashes(p.Proof), roots[p.Size]); err != nil {
			t.Errorf("inclusion of %d in %d: %v", p.Index, p.Size, err)
		}
	}
	for _, p := range v.Consistency {
		proof, err := merkle.ConsistencyProof(t.Context(), p.Old, p.New, tiles)
		if err != nil || !slices.Equal(proof, goldenHashes(p.Proof)) {
			t.Errorf("consistency of %d with %d: %v, %v", p.Old, p.New, proof, err)
		}
		if err := merkle.VerifyConsistency(p.Old, p.New, goldenHashes(p.Proof), roots[p.Old], roots[p.New]); err != nil {
			t.Errorf("consistency of %d with %d: %v", p.Old, p.New, err)
		}
	}
}

func TestGoldenTreeRefuses(t *testing.T) {
	refused := func(err error) bool { return errors.Is(err, merkle.ErrProof) || errors.Is(err, merkle.ErrRange) }
	v := readGolden[goldenTree](t, "tree.json").Refused
	for _, c := range v.Inclusion {
		err := merkle.VerifyInclusion(merkle.Hash(c.LeafHash), c.Index, c.Size, goldenHashes(c.Proof), merkle.Hash(c.Root))
		if !refused(err) {
			t.Errorf("inclusion, %s (%s): %v", c.Name, c.Rule, err)
		}
	}
	for _, c := range v.Consistency {
		err := merkle.VerifyConsistency(c.Old, c.New, goldenHashes(c.Proof), merkle.Hash(c.OldRoot), merkle.Hash(c.NewRoot))
		if !refused(err) {
			t.Errorf("consistency, %s (%s): %v", c.Name, c.Rule, err)
		}
	}
}

func TestGoldenCheckpoints(t *testing.T) {
	v := readGolden[goldenTree](t, "tree.json")
	leaves := readGolden[goldenLog](t, "entries.json").leaves()
	for _, log := range []goldenTreeOf{v.first(), v.Continued} {
		signer, verifier := log.key(t)
		if got := merkle.VerifierKey(log.Origin, ed25519.NewKeyFromSeed(log.LogKey).Public().(ed25519.PublicKey)); got != log.VKey {
			t.Errorf("vkey is %s, want %s", got, log.VKey)
		}
		for _, c := range log.Checkpoints {
			opened, err := note.Open([]byte(c.Signed), note.VerifierList(verifier))
			if err != nil || opened.Text != c.Text {
				t.Errorf("checkpoint of %d: %v", c.Size, err)
			}
			want := merkle.Checkpoint{Origin: log.Origin, Size: c.Size, Root: merkle.RootOf(leaves[:c.Size])}
			if got, err := merkle.OpenCheckpoint([]byte(c.Signed), log.Origin, verifier); err != nil || got != want {
				t.Errorf("checkpoint of %d is %+v, %v", c.Size, got, err)
			}
			if signed, err := merkle.Sign(want, signer); err != nil || string(signed) != c.Signed {
				t.Errorf("checkpoint of %d is signed as\n%s, %v", c.Size, signed, err)
			}
		}
	}
	_, verifier := v.first().key(t)
	answers := map[string]error{
		"text": merkle.ErrCheckpoint, "signature": merkle.ErrSignature, "origin": merkle.ErrOrigin,
	}
	for _, c := range v.Refused.Checkpoints {
		if _, err := merkle.OpenCheckpoint([]byte(c.Signed), v.Origin, verifier); !errors.Is(err, answers[c.By]) {
			t.Errorf("%s: %v, want %v", c.Name, err, answers[c.By])
		}
	}
	other, err := note.NewVerifier(v.OtherVKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := merkle.OpenCheckpoint([]byte(v.Checkpoints[0].Signed), v.Origin, other); !errors.Is(err, merkle.ErrSignature) {
		t.Errorf("under another key: %v", err)
	}
}

// first is the log with which the entries begin.
func (v goldenTree) first() goldenTreeOf {
	return goldenTreeOf{Origin: v.Origin, LogKey: v.LogKey, VKey: v.VKey, Checkpoints: v.Checkpoints}
}

func (l goldenTreeOf) key(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	signer, err := note.NewSigner(merkle.SignerKey(l.Origin, ed25519.NewKeyFromSeed(l.LogKey)))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(l.VKey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

type goldenStore struct {
	Format uint64
	Keys   []struct {
		Name string
		Key  goldenBytes
	}
	Rows   []goldenRow
	Anchor struct {
		FileSize int `json:"file_size"`
		Files    []goldenAnchor
		Refused  []goldenAnchor
	}
}

type goldenAnchor struct {
	Name  string
	Slots []struct {
		Offset int
		Bytes  goldenBytes
	}
	Anchor string
}

func TestGoldenKeyLayouts(t *testing.T) {
	v := readGolden[goldenStore](t, "store.json")
	log := readGolden[goldenLog](t, "entries.json")
	state := log.replayed(t, log.State.Size)
	platform, err := state.Organization("sanfu-learning")
	if err != nil {
		t.Fatal(err)
	}
	key := decodeGolden(t, log.Entries[4].Bytes).GetKeyAdded()
	registered := decodeGolden(t, log.Entries[3].Bytes).GetOrganizationRegistered()
	var recorded *ledgerv1.CompletionRecorded
	var policy []byte
	for _, golden := range log.Entries {
		e := decodeGolden(t, golden.Bytes)
		if e.GetPolicyProposed() != nil {
			policy = e.GetPolicyProposed().GetPolicyHash()
		}
		if recorded = e.GetCompletionRecorded(); recorded != nil {
			break
		}
	}
	var proposed, granted, suspected uint64
	var agreement []byte
	for _, golden := range log.Entries {
		e := decodeGolden(t, golden.Bytes)
		if e.GetAgreementPublished() != nil {
			agreement = e.GetAgreementPublished().GetAgreementHash()
		}
		if e.GetConsentGranted() != nil {
			granted = e.GetIndex()
		}
	}
	var sourceID unit.StatementID
	var held *ledgerv1.Entry
	for _, golden := range log.Entries {
		e := decodeGolden(t, golden.Bytes)
		if e.GetHoldPlaced() != nil && held == nil {
			held = e
		}
		if e.GetOpeningBalancesProposed() != nil && proposed == 0 {
			proposed = e.GetIndex()
		}
		if e.GetClawbackProposed() != nil && suspected == 0 {
			suspected = e.GetIndex()
		}
		if balance := e.GetOpeningBalanceRecorded(); balance != nil && sourceID == (unit.StatementID{}) {
			sourceID = unit.StatementID(balance.GetOrigin().GetSourceId())
		}
	}
	merge := 0
	for decodeGolden(t, log.Entries[merge].Bytes).GetAccountMergeProposed() == nil {
		merge++
	}
	account := unit.AccountID(recorded.GetAccount())
	number, id := platform.GetIndex(), unit.StatementID(recorded.GetOrigin().GetStatementId())
	caller, requestID := book.Caller(registered.GetActor()), registered.GetRequest().GetRequestId()
	want := map[string][]byte{
		"meta format":                        book.MetaKey("format"),
		"meta tree":                          book.MetaKey("tree"),
		"meta directory":                     book.DirectoryKey(),
		"meta origins":                       book.OriginsKey(),
		"entry 259":                          book.EntryKey(259),
		"tile 1 of level 2":                  book.TileKey(2, 1),
		"statement of organization 3":        book.StatementKey(number, id),
		"account":                            book.AccountKey(account),
		"week of 2026-03-10 of the account":  book.WeekKey(account, book.WeekOf(recorded.GetEndDay())),
		"organization":                       book.OrganizationKey(registered.GetOrganization()),
		"key":                                book.SigningKeyKey(key.GetKeyId()),
		"officer":                            book.OfficerKey("officer-1"),
		"course 13":                          book.CourseKey(13),
		"course name":                        book.CourseNameKey("xihu-college", "tea-101", "2026"),
		"policy":                             book.PolicyKey(policy),
		"case 21":                            book.CaseKey(21),
		"queue: status 1, risk 3, case 21":   book.QueueKey(1, 3, 21),
		"feed of organization 3, block 1":    book.FeedKey(number, 1),
		"request of an officer":              book.RequestKey(caller, "RegisterOrganization", requestID),
		"reject in slot 7 of organization 3": book.RejectKey(number, 7),
		"rejects of organization 3":          book.RejectCountKey(number),
		"case 21 ends in a second":           book.CaseTimeKey(book.CaseEnds, 1_000_000, 21),
		"case 21 is due in a second":         book.CaseTimeKey(book.CaseDue, 1_000_000, 21),
		"case 21, which an officer has":      book.HeldKey("officer-1", 21),
		"record of another system":           book.StatementKey(book.SourceRecords, sourceID),
		"import":                             book.ImportKey(proposed),
		"agreement":                          book.AgreementKey(agreement),
		"consent":                            book.ConsentKey(account, granted),
		"consent to an organization":         book.ConsentListKey(number, granted),
		"hold":                               book.TransferKey(held.GetIndex()),
		"hold of an account":                 book.AccountTransferKey(account, held.GetIndex()),
		"hold for an organization":           book.OrganizationTransferKey(number, held.GetIndex()),
		"time of a hold":                     book.HoldTimeKey(held.GetHoldPlaced().GetDeadline(), held.GetIndex()),
		"merge":                              book.MergeKey(uint64(merge)),
		"clawback":                           book.ClawbackKey(suspected),
	}
	for _, k := range v.Keys {
		if got, ok := want[k.Name]; !ok || !bytes.Equal(got, k.Key) {
			t.Errorf("%s: %x, want %x", k.Name, got, k.Key)
		}
		delete(want, k.Name)
	}
	if len(want) != 0 {
		t.Errorf("no vectors for %v", want)
	}
}

// goldenSource hands out the salts of the entries in their order.
type goldenSource struct{ salts [][]byte }

func (g *goldenSource) Read(p []byte) (int, error) {
	if len(g.salts) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	salt := g.salts[0]
	g.salts = g.salts[1:]
	return copy(p, salt), nil
}

// goldenMemory is an anchor in memory.
type goldenMemory struct{ checkpoint []byte }

func (g *goldenMemory) Load() ([]byte, error) { return g.checkpoint, nil }

func (g *goldenMemory) Save(checkpoint []byte) error {
	g.checkpoint = checkpoint
	return nil
}

// TestGoldenWriter has the ledger itself write the log of the vectors. That it does so to the byte is more than the format
// asks: protobuf has no canonical form, but the writer writes fields in the order of their numbers, and so does the script.
func TestGoldenWriter(t *testing.T) {
	log, v := readGolden[goldenLog](t, "entries.json"), readGolden[goldenTree](t, "tree.json")
	rows := readGolden[goldenStore](t, "store.json")
	var (
		entries []*ledgerv1.Entry
		source  goldenSource
		now     time.Time
	)
	for _, golden := range log.Entries {
		e := decodeGolden(t, golden.Bytes)
		entries = append(entries, e)
		source.salts = append(source.salts, e.GetSalt())
	}
	now = time.UnixMicro(entries[0].GetTime())
	engine, anchor := store.NewMemory(), new(goldenMemory)
	configured := func(of goldenTreeOf) ledger.Config {
		signer, verifier := of.key(t)
		return ledger.Config{
			Engine: engine, Anchor: anchor, BankID: log.BankID, Origin: of.Origin, Signer: signer, Verifier: verifier,
			Now: func() time.Time { return now }, Rand: &source, Log: slog.New(slog.DiscardHandler),
		}
	}
	l, err := ledger.Open(t.Context(), configured(v.first()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	checkpoints := make(map[uint64]string)
	for _, c := range append(v.Checkpoints, v.Continued.Checkpoints...) {
		checkpoints[c.Size] = c.Signed
	}
	checked := 0
	for size := uint64(1); ; size++ {
		for _, row := range rows.Rows {
			if uint64(row.Size) == size {
				values, err := engine.Get(t.Context(), row.Key)
				if err != nil {
					t.Fatal(err)
				}
				row.check(t, values[0])
			}
		}
		if want, ok := checkpoints[size]; ok {
			checked++
			if got := string(anchor.checkpoint); got != want {
				t.Errorf("checkpoint of %d is\n%s, want\n%s", size, got, want)
			}
		}
		if size == uint64(len(entries)) {
			break
		}
		now = time.UnixMicro(entries[size].GetTime())
		if c := entries[size].GetLogContinued(); c != nil { // the last one: what is left of a lost log goes on
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			anchor.checkpoint = c.GetLastCheckpoint()
			if _, err := ledger.Recover(t.Context(), configured(v.Continued), ledger.Lost{VerifierKey: v.VKey}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
			_, err := tx.Append(entries[size])
			return err
		}); err != nil {
			t.Fatalf("entry %d: %v", size, err)
		}
	}
	if checked != len(checkpoints) {
		t.Errorf("%d of %d checkpoints were compared", checked, len(checkpoints))
	}
}

func TestGoldenAnchors(t *testing.T) {
	v := readGolden[goldenStore](t, "store.json")
	content := func(a goldenAnchor) []byte {
		b := make([]byte, v.Anchor.FileSize)
		for _, slot := range a.Slots {
			copy(b[slot.Offset:], slot.Bytes)
		}
		return b
	}
	write := func(a goldenAnchor) *pebble.AnchorFile {
		t.Helper()
		path := filepath.Join(t.TempDir(), "anchor")
		if err := os.WriteFile(path, content(a), 0o600); err != nil {
			t.Fatal(err)
		}
		return pebble.NewAnchorFile(nil, path)
	}
	for _, a := range v.Anchor.Files {
		if got, err := write(a).Load(); err != nil || string(got) != a.Anchor {
			t.Errorf("%s: holds\n%s, %v", a.Name, got, err)
		}
	}
	for _, a := range v.Anchor.Refused {
		if got, err := write(a).Load(); !errors.Is(err, pebble.ErrAnchorCorrupt) {
			t.Errorf("%s: holds %q, %v", a.Name, got, err)
		}
	}
	path := filepath.Join(t.TempDir(), "anchor")
	file := pebble.NewAnchorFile(nil, path)
	for _, a := range v.Anchor.Files[:2] { // the first save and the second
		if err := file.Save([]byte(a.Anchor)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content(a)) {
			t.Errorf("%s: the file differs, %v", a.Name, err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
