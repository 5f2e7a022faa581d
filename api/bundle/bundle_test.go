package bundle_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const university = "open-university"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a bank of which an institution has taken credits over twice: of two completions that were posted together, one that was
// posted alone, and of another account.
type world struct {
	*apitest.Bank
	t       testing.TB
	caller  access.Caller
	file    []byte // of the first account
	another []byte // of another one
	shown   *bundle.Verified
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Bank: apitest.NewBank(t), t: t}
	ctx := context.WithoutCancel(t.Context())
	code, err := unit.OrganizationCodeFor("12330000000000001")
	must(t, err)
	_, err = w.RegisterOrganization(ctx, w.Officer(apitest.Administrator), w.RequestID(), api.Organization{
		ID: university, Name: "开放大学", Code: string(code), Parent: apitest.Root, TrustTier: 3, Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR},
	})
	must(t, err)
	sign, call := w.AddedKey(university, keyring.Sign), w.AddedKey(university, keyring.Authenticate)
	token, err := access.OrganizationToken(apitest.BankID, university, call, w.Clock.Now())
	must(t, err)
	w.caller = w.As(token)
	yaml := agreements.OpenUniversity2026()
	signature, err := sign.Sign(keyring.AgreementText(apitest.BankID, university, sign.Public().ID(), sha256.Sum256(yaml)))
	must(t, err)
	_, err = w.PublishAgreement(ctx, w.caller, api.NewAgreement{RequestID: w.RequestID(), YAML: yaml, Key: sign.Public().ID(), Signature: signature})
	must(t, err)
	w.file, w.another = w.transferred(ctx, w.Open()), w.transferred(ctx, w.Open())
	w.shown, err = bundle.Verify(w.file, w.Verifier, apitest.Origin)
	must(t, err)
	return w
}

// transferred has the university take over all of an account's first three completions, and answers the bundle.
func (w *world) transferred(ctx context.Context, account api.Account) []byte {
	w.t.Helper()
	learned := func(course, provider string, day int, minutes int64) *statementv1.Statement {
		s := w.Completion(account.Number)
		c, end := s.GetCompletion(), w.Clock.Now().Truncate(time.Hour).Add(-time.Duration(day)*24*time.Hour)
		c.Course, c.Provider = course, provider
		c.Sessions = []*statementv1.Session{apitest.Session(end.Add(-time.Duration(minutes)*time.Minute), minutes)}
		return s
	}
	score := int32(91)
	scored := learned(apitest.Welding, apitest.Root, 9, 1400)
	scored.GetCompletion().Score = &score
	w.Record(learned(apitest.Calligraphy, apitest.Beishan, 2, 720), learned(apitest.Smartphone, apitest.Cuiyuan, 5, 900))
	w.Record(scored)
	resident := w.Resident(account.ID)
	q, err := w.QuoteTransfer(ctx, resident, api.QuoteRequest{Institution: university, Programme: "social-work-ba"})
	must(w.t, err)
	done, err := w.RequestTransfer(ctx, resident, api.TransferRequest{
		RequestID: w.RequestID(), Institution: university, Programme: "social-work-ba", Agreement: q.Agreement.Hash,
		QuoteDate: q.Day.String(), QuoteDigest: q.Digest[:],
	}, false)
	must(w.t, err)
	_, err = w.AcceptTransfer(ctx, w.caller, api.Acceptance{RequestID: w.RequestID(), Hold: done.Transfer.Hold}, false)
	must(w.t, err)
	file, err := w.TransferBundle(ctx, w.caller, done.Transfer.Hold)
	must(w.t, err)
	return file
}

// read reads the content of a bundle.
func read(t testing.TB, file []byte) *ledgerv1.TransferBundle {
	t.Helper()
	b := new(ledgerv1.TransferBundle)
	_, content, _ := bytes.Cut(file, []byte("\n"))
	must(t, proto.Unmarshal(content, b))
	return b
}

func write(t testing.TB, b *ledgerv1.TransferBundle) []byte {
	t.Helper()
	file, err := bundle.Marshal(b)
	must(t, err)
	return file
}

func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.shown
	if v.BankID != apitest.BankID || v.Institution != university || v.Programme != "social-work-ba" || v.AgreementName != university ||
		v.AgreementVersion != "2026.1" || !v.AgreementSigned || len(v.Items) != 3 || v.Posted <= v.Hold || v.Size <= v.Posted {
		t.Errorf("it shows %+v", v)
	}
	var credits, granted unit.Credits
	titles := make(map[string]string)
	for _, item := range v.Items {
		credits += item.Credits
		granted += item.Granted
		titles[item.Title] = fmt.Sprint(item.Platform, " ", item.Category, " ", item.HasScore, " ", item.Score)
	}
	if credits != v.Credits || granted != v.Granted || credits == 0 || titles["焊工技能"] != apitest.Platform+" vocational true 91" ||
		titles["书法入门"] != apitest.Platform+" arts false 0" {
		t.Errorf("%s and %s of %+v", credits, granted, v.Items)
	}
	if n := len(read(t, w.file).GetStatements()); n != 3 {
		t.Errorf("%d statements", n)
	}
	i, _ := at(t, read(t, w.file), func(e *ledgerv1.Entry) bool { return e.GetHoldPosted() != nil })
	opened, err := bundle.Open(w.file)
	must(t, err)
	if leaf, ok := opened.Transfer(); !ok || leaf != merkle.LeafHash(read(t, w.file).GetEntries()[i].GetEntry()) {
		t.Errorf("the transfer is named %x", leaf)
	}
}

// A bundle without the key of the institution shows all but that it signed its agreement.
func TestUnsignedAgreement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := read(t, w.file)
	i, _ := at(t, b, func(e *ledgerv1.Entry) bool { return e.GetKeyAdded().GetOrganization() == university })
	b.Entries = slices.Delete(b.Entries, i, i+1)
	v, err := bundle.Verify(write(t, b), w.Verifier, apitest.Origin)
	if must(t, err); v.AgreementSigned || v.Credits != w.shown.Credits {
		t.Errorf("it shows %+v", v)
	}
}

// otherKey is the key of another log of the same name, and of one of another.
func otherKey(t testing.TB, origin string) note.Verifier {
	t.Helper()
	seed := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	v, err := note.NewVerifier(merkle.VerifierKey(origin, seed.Public().(ed25519.PublicKey)))
	must(t, err)
	return v
}

// at finds an entry of a bundle.
func at(t testing.TB, b *ledgerv1.TransferBundle, fits func(e *ledgerv1.Entry) bool) (int, *ledgerv1.Entry) {
	t.Helper()
	for i, one := range b.GetEntries() {
		e := new(ledgerv1.Entry)
		must(t, proto.Unmarshal(one.GetEntry(), e))
		if fits(e) {
			return i, e
		}
	}
	t.Fatal("no such entry")
	return 0, nil
}

// Every part of a bundle that somebody changes is found out, and each with words of its own.
func TestMutations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	isPosted := func(e *ledgerv1.Entry) bool { return e.GetHoldPosted() != nil }
	isKey := func(e *ledgerv1.Entry) bool { return e.GetKeyAdded().GetOrganization() == apitest.Platform }
	isPlaced := func(e *ledgerv1.Entry) bool { return e.GetHoldPlaced() != nil }
	isCourse := func(e *ledgerv1.Entry) bool { return e.GetCourseProposed() != nil }
	flip := func(b []byte) { b[len(b)/2] ^= 1 }
	change := func(mutate func(b *ledgerv1.TransferBundle)) func() []byte {
		return func() []byte {
			b := read(t, w.file)
			mutate(b)
			return write(t, b)
		}
	}
	other := read(t, w.another)
	said := make(map[string]string)
	for name, c := range map[string]struct {
		file func() []byte
		want string
	}{
		"no bundle":            {func() []byte { return []byte("<html>") }, "it is no transfer bundle"},
		"truncated":            {func() []byte { return w.file[:len(w.file)-7] }, "it was cut off"},
		"something after":      {func() []byte { return append(slices.Clone(w.file), "more"...) }, "4 bytes follow its end"},
		"another length":       {func() []byte { return bytes.Replace(w.file, []byte("bundle "), []byte("bundle 0"), 1) }, "it is no transfer bundle"},
		"an unknown field":     {change(func(b *ledgerv1.TransferBundle) { b.ProtoReflect().SetUnknown([]byte{0xf8, 0x01, 1}) }), "a field that is not known"},
		"checkpoint of a byte": {change(func(b *ledgerv1.TransferBundle) { flip(b.Checkpoint) }), "checkpoint: it does not hold"},
		"checkpoint of another log": {change(func(b *ledgerv1.TransferBundle) {
			b.Checkpoint = bytes.Replace(b.Checkpoint, []byte(apitest.Origin), []byte("log.elsewhere.test"), 1)
		}), `checkpoint: it is of another log: "log.elsewhere.test"`},
		"proofs too short": {change(func(b *ledgerv1.TransferBundle) {
			for _, e := range b.Entries {
				e.Proof = e.Proof[:len(e.Proof)-1]
			}
		}), "too short"},
		"entry of a byte": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, isPosted)
			e := b.Entries[i].Entry
			e[len(e)-1] ^= 1
		}), "leads to another root"},
		"proof of a byte": {change(func(b *ledgerv1.TransferBundle) { b.Entries[1].Proof[0][0] ^= 1 }), "it is not shown to be in the log"},
		"a short hash":    {change(func(b *ledgerv1.TransferBundle) { b.Entries[1].Proof[0] = b.Entries[1].Proof[0][1:] }), "a hash of 31 bytes"},
		"swapped proofs": {change(func(b *ledgerv1.TransferBundle) {
			b.Entries[1].Proof, b.Entries[2].Proof = b.Entries[2].Proof, b.Entries[1].Proof
		}), "it is not shown to be in the log"},
		"reordered":       {change(func(b *ledgerv1.TransferBundle) { b.Entries[1], b.Entries[2] = b.Entries[2], b.Entries[1] }), "not in the order of the log"},
		"a doubled entry": {change(func(b *ledgerv1.TransferBundle) { b.Entries = slices.Insert(b.Entries, 1, b.Entries[1]) }), "it is there twice"},
		"an extra entry": {change(func(b *ledgerv1.TransferBundle) {
			i, e := at(t, other, func(e *ledgerv1.Entry) bool { return e.GetCompletionRecorded() != nil })
			j := slices.IndexFunc(b.Entries, func(one *ledgerv1.BundleEntry) bool {
				mine := new(ledgerv1.Entry)
				must(t, proto.Unmarshal(one.GetEntry(), mine))
				return mine.GetIndex() > e.GetIndex()
			})
			if j < 0 {
				j = len(b.Entries)
			}
			b.Checkpoint = other.GetCheckpoint()
			b.Entries = slices.Insert(b.Entries, j, other.Entries[i])
			w.prove(b)
		}), "the transfer does not stand on it"},
		"a dropped item": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, func(e *ledgerv1.Entry) bool { return e.GetCompletionRecorded() != nil })
			b.Entries = slices.Delete(b.Entries, i, i+1)
		}), "what credits were taken of is missing"},
		"without the acceptance": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, isPosted)
			b.Entries = slices.Delete(b.Entries, i, i+1)
		}), "the acceptance of the transfer is missing"},
		"without the request": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, isPlaced)
			b.Entries = slices.Delete(b.Entries, i, i+1)
		}), "the request for the transfer is missing"},
		"without the key": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, isKey)
			b.Entries = slices.Delete(b.Entries, i, i+1)
		}), "the entry that registers it is missing"},
		"without the course": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, isCourse)
			b.Entries = slices.Delete(b.Entries, i, i+1)
		}), "the course of a completion is missing"},
		"without the agreement": {change(func(b *ledgerv1.TransferBundle) {
			i, _ := at(t, b, func(e *ledgerv1.Entry) bool { return e.GetAgreementPublished() != nil })
			b.Entries = slices.Delete(b.Entries, i, i+1)
		}), "the agreement is missing"},
		"without the founding": {change(func(b *ledgerv1.TransferBundle) { b.Entries = b.Entries[1:] }), "the founding of the bank is missing"},
		"another request": {change(func(b *ledgerv1.TransferBundle) {
			b.Hold = b.Posted
		}), "it does not ask for a transfer"},
		"another acceptance": {change(func(b *ledgerv1.TransferBundle) { b.Posted = b.Hold }), "it does not accept a transfer"},
		"another account's acceptance": {change(func(b *ledgerv1.TransferBundle) {
			i, e := at(t, other, isPosted)
			j, _ := at(t, b, isPosted)
			b.Checkpoint, b.Posted = other.GetCheckpoint(), e.GetIndex()
			b.Entries[j] = other.Entries[i]
			w.prove(b)
		}), "it accepts transfer"},
		"a statement of a byte": {change(func(b *ledgerv1.TransferBundle) { flip(b.Statements[0].Statement) }), "it is not the one that the log has recorded"},
		"another's statement": {change(func(b *ledgerv1.TransferBundle) {
			b.Statements[0].Statement = other.Statements[0].Statement
		}), "it is not the one that the log has recorded"},
		"a dropped statement":  {change(func(b *ledgerv1.TransferBundle) { b.Statements = b.Statements[1:] }), "it is missing"},
		"a doubled statement":  {change(func(b *ledgerv1.TransferBundle) { b.Statements = slices.Insert(b.Statements, 0, b.Statements[0]) }), "it is there twice"},
		"reordered statements": {change(func(b *ledgerv1.TransferBundle) { slices.Reverse(b.Statements) }), "the statements are not in the order of the log"},
		"an extra statement": {change(func(b *ledgerv1.TransferBundle) {
			b.Statements = append(b.Statements, &ledgerv1.BundleStatement{Recorded: 1 << 40})
		}), "the transfer does not stand on it"},
		"a signature of a byte": {change(func(b *ledgerv1.TransferBundle) { flip(b.Statements[0].Signature) }), "does not hold over it"},
		"a path of a byte":      {change(func(b *ledgerv1.TransferBundle) { b.Statements[0].Path[0][3] ^= 1 }), "does not hold over it"},
		"a path too short":      {change(func(b *ledgerv1.TransferBundle) { b.Statements[0].Path = nil }), "its path does not lead to a submission"},
		"another number":        {change(func(b *ledgerv1.TransferBundle) { b.Statements[0].Statements = 4 }), "its path does not lead to a submission"},
		"as if signed alone":    {change(func(b *ledgerv1.TransferBundle) { b.Statements[2].Statements = 2 }), "it was signed by itself"},
		"another key": {change(func(b *ledgerv1.TransferBundle) {
			flip(b.Statements[0].KeyId)
		}), "the entry that registers it is missing"},
	} {
		_, err := bundle.Verify(c.file(), w.Verifier, apitest.Origin)
		fault := (*bundle.Error)(nil)
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", name, err, c.want)
			continue
		}
		said[fault.Error()] = name
	}
	if len(said) < 20 {
		t.Errorf("they are refused with %d messages: %v", len(said), said)
	}
	for name, v := range map[string]note.Verifier{"another key": otherKey(t, apitest.Origin), "another name": otherKey(t, "log.elsewhere.test")} {
		if _, err := bundle.Verify(w.file, v, v.Name()); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	if _, err := bundle.Verify(w.file, w.Verifier, apitest.Origin); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// prove proves all entries of a bundle under the newest checkpoint, as a bank that was in on it would.
func (w *world) prove(b *ledgerv1.TransferBundle) {
	w.t.Helper()
	view, err := w.Ledger.View()
	must(w.t, err)
	defer view.Close()
	b.Checkpoint = view.Checkpoint()
	for _, one := range b.Entries {
		e := new(ledgerv1.Entry)
		must(w.t, proto.Unmarshal(one.GetEntry(), e))
		hashes, err := view.InclusionProof(context.WithoutCancel(w.t.Context()), e.GetIndex(), view.Size())
		must(w.t, err)
		one.Proof = nil
		for _, h := range hashes {
			one.Proof = append(one.Proof, h[:])
		}
	}
}

// Every single byte counts.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := 0; i < len(w.file); i += 1 + len(w.file)/600 {
		changed := slices.Clone(w.file)
		changed[i] ^= 1 << (i % 8)
		if _, err := bundle.Verify(changed, w.Verifier, apitest.Origin); err == nil {
			t.Errorf("byte %d of %d can be changed", i, len(w.file))
		}
	}
	for i := 0; i < len(w.file); i += 1 + len(w.file)/100 {
		if _, err := bundle.Verify(w.file[:i], w.Verifier, apitest.Origin); err == nil {
			t.Errorf("cut after %d bytes it is taken", i)
		}
	}
}

// FuzzVerify has anything be refused in words, or be written in the one way that there is. (Each process of a fuzzer has a log of
// its own, under the same key: what is taken need not be this one's.)
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	f.Add(w.file)
	f.Add(w.another)
	f.Add(w.file[:len(w.file)/2])
	f.Add([]byte("creditbank/v1 transfer bundle 0\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		v, err := bundle.Verify(file, w.Verifier, apitest.Origin)
		fault := (*bundle.Error)(nil)
		switch {
		case err == nil && (!bytes.Equal(write(t, read(t, file)), file) || len(v.Items) == 0 || v.Credits <= 0):
			t.Fatalf("%d bytes are taken: %+v", len(file), v)
		case err != nil && !errors.As(err, &fault):
			t.Fatalf("refused without a part: %v", err)
		}
	})
}
