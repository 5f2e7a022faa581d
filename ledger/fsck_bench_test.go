package ledger_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// BenchmarkFsck checks a log on Pebble with everything that cmd/creditbankd checks: signatures are Ed25519 and what is sealed
// is opened. In one log, 1,000 completions share a signature; in the other, each has its own. With scratch, the memory holds
// a tenth of the rows of the replay, and Pebble the others.
func BenchmarkFsck(b *testing.B) {
	for _, test := range []struct {
		name   string
		size   int
		memory int64
	}{
		{"1000", 1000, 0},
		{"1", 1, 0},
		{"1000-scratch", 1000, 1 << 19},
	} {
		b.Run(test.name, func(b *testing.B) {
			engine, err := pebble.Open(b.TempDir(), pebble.Options{})
			must(b, err)
			defer func() { must(b, engine.Close()) }()
			s := newSchoolIn(b, engine, 2000)
			s.teach(b, 20_000, test.size)
			cfg := s.check()
			if cfg.Memory = test.memory; cfg.Memory > 0 {
				cfg.Scratch = func() (store.Engine, error) { return pebble.Open(b.TempDir(), pebble.Options{Scratch: true}) }
			}
			b.ResetTimer()
			for range b.N {
				report, err := ledger.Fsck(b.Context(), cfg)
				must(b, err)
				if len(report.Faults) > 0 || report.Size != s.size {
					b.Fatalf("%d entries, %v", report.Size, report.Faults)
				}
			}
			b.ReportMetric(float64(s.size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// school is a bank whose one platform posts the same class again and again, of many accounts.
type school struct {
	*world
	key      ed25519.PrivateKey
	keyID    [32]byte
	accounts []unit.AccountID
	ciphers  map[unit.AccountID]cipher.AEAD
	course   uint64
	posted   int
	size     uint64
}

const platform = "platform"

// newSchoolIn founds it in an engine.
func newSchoolIn(tb testing.TB, engine store.Engine, accounts int) *school {
	tb.Helper()
	s := &school{world: newWorld(tb), ciphers: make(map[unit.AccountID]cipher.AEAD)}
	s.now = func() time.Time { return time.Date(2026, time.June, 15, 2, 0, 0, 0, time.UTC) }
	s.engine = engine
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(tb, err)
	spki, err := x509.MarshalPKIXPublicKey(public)
	must(tb, err)
	s.key, s.keyID = key, sha256.Sum256(spki)
	entries := []*ledgerv1.Entry{
		organization(platform),
		{Fact: &ledgerv1.Entry_KeyAdded{KeyAdded: &ledgerv1.KeyAdded{
			Organization: platform, KeyId: s.keyID[:], PublicKey: spki,
			Algorithm: ledgerv1.KeyAlgorithm_KEY_ALGORITHM_ED25519, Purpose: ledgerv1.KeyPurpose_KEY_PURPOSE_SIGN,
		}}},
		{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: &ledgerv1.CourseProposed{
			Provider: platform, Code: "calligraphy", Version: "1", Category: "arts", NominalMinutes: 90,
		}}},
	}
	s.course = uint64(len(entries))
	for i := range accounts {
		var id unit.AccountID
		seed := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		copy(id[:], seed[:])
		block, err := aes.NewCipher(seed[:])
		must(tb, err)
		s.ciphers[id], err = cipher.NewGCM(block)
		must(tb, err)
		s.accounts = append(s.accounts, id)
		entries = append(entries, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{
			Account: id[:], Home: platform, Status: ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED,
		}}})
	}
	var batches []func(tx *ledger.Tx) []*ledgerv1.Entry
	for batch := range slices.Chunk(entries, 1000) {
		batches = append(batches, func(*ledger.Tx) []*ledgerv1.Entry { return batch })
	}
	s.append(tb, batches...)
	return s
}

// append writes entries in commits of at most 1,000.
func (s *school) append(tb testing.TB, batches ...func(tx *ledger.Tx) []*ledgerv1.Entry) {
	tb.Helper()
	l, err := ledger.Open(tb.Context(), s.config())
	must(tb, err)
	for _, batch := range batches {
		var entries []*ledgerv1.Entry
		// A step for each entry, as a bank has one for each statement.
		receipt, errs, err := l.ProposeEach(context.Background(), nil, 1001, func(tx *ledger.Tx, i int) error {
			if i == 0 {
				entries = batch(tx)
			}
			if i >= len(entries) {
				return nil
			}
			_, err := tx.Append(entries[i])
			return err
		})
		must(tb, errors.Join(append(errs, err)...))
		s.size = receipt.Size
	}
	must(tb, l.Close())
}

// teach posts completions, so many of them under one signature.
func (s *school) teach(tb testing.TB, completions, together int) {
	tb.Helper()
	var batches []func(tx *ledger.Tx) []*ledgerv1.Entry
	for range completions / 1000 {
		batches = append(batches, func(tx *ledger.Tx) []*ledgerv1.Entry {
			var entries []*ledgerv1.Entry
			for range 1000 / together {
				entries = append(entries, s.submission(tb, tx.Next()+uint64(len(entries)), together)...)
			}
			return entries
		})
	}
	s.append(tb, batches...)
}

// submission makes the entries of a submission; index is that of the first.
func (s *school) submission(tb testing.TB, index uint64, count int) []*ledgerv1.Entry {
	tb.Helper()
	var hashes []merkle.Hash
	var all []byte
	entries := make([]*ledgerv1.Entry, count)
	for i := range entries {
		e, hash := s.completion(tb)
		hashes, all = append(hashes, hash), append(all, hash[:]...)
		entries[i] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: e}}
	}
	signature := ed25519.Sign(s.key, submissionText(platform, s.keyID[:], count, merkle.RootOf(hashes)))
	if count == 1 {
		origin := entries[0].GetCompletionRecorded().GetOrigin()
		origin.KeyId, origin.Signature = s.keyID[:], signature
		return entries
	}
	for i, e := range entries {
		origin := e.GetCompletionRecorded().GetOrigin()
		origin.Submission, origin.Position = index, uint32(i)
	}
	return append([]*ledgerv1.Entry{{Fact: &ledgerv1.Entry_SubmissionReceived{SubmissionReceived: &ledgerv1.SubmissionReceived{
		Organization: platform, KeyId: s.keyID[:], Signature: signature, StatementHashes: all,
	}}}}, entries...)
}

// completion makes the next completion, with the hash of its statement.
func (s *school) completion(tb testing.TB) (*ledgerv1.CompletionRecorded, merkle.Hash) {
	tb.Helper()
	account := s.accounts[s.posted%len(s.accounts)]
	end := s.now().Add(-time.Duration(24*(1+s.posted/len(s.accounts))) * time.Hour).Truncate(time.Hour)
	s.posted++
	id, salt := uuid.Must(uuid.NewV7()), make([]byte, 16)
	_, err := rand.Read(salt)
	must(tb, err)
	statement, err := (&statementv1.Statement{Id: id[:], Salt: salt, Assertion: &statementv1.Statement_Completion{
		Completion: &statementv1.Completion{
			AccountNumber: "7992739871345678", Provider: platform, Course: "calligraphy", CourseVersion: "1",
			Mode: statementv1.Mode_MODE_CLASSROOM, Sessions: []*statementv1.Session{{
				StartTime: timestamppb.New(end.Add(-90 * time.Minute)), EndTime: timestamppb.New(end), Minutes: 90,
			}},
		},
	}}).MarshalVT()
	must(tb, err)
	content, err := (&ledgerv1.SealedCompletion{Statement: statement, PostedAt: s.now().UnixMicro(), Reasons: []*ledgerv1.Reason{
		{Stage: ledgerv1.Stage_STAGE_HOURS, Rule: "offline", Before: 90, After: 90},
		{Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: "offline", Before: 90, After: 100},
		{Stage: ledgerv1.Stage_STAGE_ROUNDING, Rule: "tenth", Before: 125, After: 100, Carried: 18},
	}}).MarshalVT()
	must(tb, err)
	nonce := make([]byte, 12)
	_, err = rand.Read(nonce)
	must(tb, err)
	hash, day := merkle.LeafHash(statement), int32(end.Unix()/86_400)
	return &ledgerv1.CompletionRecorded{
		Origin:  &ledgerv1.Origin{Organization: platform, StatementId: id[:], StatementHash: hash[:]},
		Account: account[:], Course: s.course, Category: "arts", Outcome: ledgerv1.Outcome_OUTCOME_AWARDED,
		PolicyHash: salt, Minutes: 90, EndDay: day,
		Effects: &ledgerv1.Effects{
			Hours:     []*ledgerv1.YearMinutes{{Year: int32(end.Year()), Category: "arts", Minutes: 90}},
			Lots:      []*ledgerv1.Lot{{Category: "arts", Available: 100, Caps: []string{"half-year/2026-H1", "year/2026"}}},
			Usage:     []*ledgerv1.CapUsage{{Key: "half-year/2026-H1", MilliCredits: 100}, {Key: "year/2026", MilliCredits: 100}},
			Remainder: 18,
			Sessions:  []*ledgerv1.SessionTime{{Day: day, Start: end.Unix()/60 - 90, Length: 90}},
		},
		Sealed: s.ciphers[account].Seal(nonce, nonce, content, sealText(account, "CompletionRecorded", id[:])),
	}, hash
}

func sealText(account unit.AccountID, fact string, statement []byte) []byte {
	b := append(make([]byte, 0, 256), "creditbank/v1 seal\n"+bankID+"\n"...)
	b = append(append(append(hex.AppendEncode(b, account[:]), '\n'), fact...), '\n')
	return append(hex.AppendEncode(b, statement), '\n')
}

// submissionText is what is signed (FORMAT.md, "Submission").
func submissionText(organization string, key []byte, statements int, root merkle.Hash) []byte {
	return fmt.Appendf(nil, "creditbank/v1 submission\n%s\n%s\n%x\napplication/vnd.creditbank.statement.v1+protobuf\n%d\n%s\n",
		bankID, organization, key, statements, base64.StdEncoding.EncodeToString(root[:]))
}

// check is what cmd/creditbankd checks.
func (s *school) check() ledger.FsckConfig {
	return ledger.FsckConfig{
		Engine: s.engine, Anchor: s.anchor, Verifier: s.verifier, BankID: bankID, Origin: origin,
		Author: func(signed ledger.Signed, key *ledgerv1.KeyRow) error {
			public, err := x509.ParsePKIXPublicKey(key.GetFact().GetPublicKey())
			if err != nil {
				return err
			}
			text := submissionText(signed.Organization, signed.KeyID, signed.Statements, signed.Root)
			if !ed25519.Verify(public.(ed25519.PublicKey), text, signed.Signature) {
				return fmt.Errorf("the signature does not verify")
			}
			return nil
		},
		Unseal: func(account unit.AccountID, fact string, statement, sealed []byte) ([]byte, bool, error) {
			content, err := s.ciphers[account].Open(nil, sealed[:12], sealed[12:], sealText(account, fact, statement))
			return content, err == nil, err
		},
	}
}
