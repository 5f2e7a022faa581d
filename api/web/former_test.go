package web_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// formerLog is a log that ended; of the second nobody knows a checkpoint.
func formerLog(t *testing.T, n byte) (log ledger.FormerLog, id string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), n))
	origin := fmt.Sprintf("log.test/%d", n)
	log = ledger.FormerLog{VerifierKey: merkle.VerifierKey(origin, key.Public().(ed25519.PublicKey)), Kept: uint64(n) * 100}
	var err error
	if log.Verifier, err = note.NewVerifier(log.VerifierKey); err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(merkle.SignerKey(origin, key))
	if err != nil {
		t.Fatal(err)
	}
	if n != 2 {
		log.Signed, err = merkle.Sign(merkle.Checkpoint{Origin: origin, Size: log.Kept + 5}, signer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return log, fmt.Sprintf("%08x", log.Verifier.KeyHash())
}

// Where logs ended is anyone's to read, at a place that follows from their keys.
func TestFormerLogs(t *testing.T) {
	t.Parallel()
	first, firstID := formerLog(t, 1)
	second, secondID := formerLog(t, 2)
	v := newSite(t, &fake{former: func() ([]ledger.FormerLog, error) { return []ledger.FormerLog{first, second}, nil }}, nil).visitor()
	for target, want := range map[string]string{
		"/log/former":            first.VerifierKey + " 100\n" + second.VerifierKey + " 200\n",
		"/log/former/" + firstID: string(first.Signed),
	} {
		w := v.get(target)
		if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" ||
			w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v %q, want %q", target, w.Code, w.Header(), w.Body, want)
		}
	}
	for _, target := range []string{"/log/former/" + secondID, "/log/former/00000000", "/log/former/x", "/log/former/"} {
		if w := v.get(target); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, w.Code)
		}
	}

	v = newSite(t, apitest.NewBank(t), nil).visitor()
	if w := v.get("/log/former"); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("a log that never ended: %d %q", w.Code, w.Body)
	}
	v = newSite(t, &fake{former: func() ([]ledger.FormerLog, error) { return nil, ledger.ErrClosed }}, nil).visitor()
	for _, target := range []string{"/log/former", "/log/former/" + firstID} {
		if w := v.get(target); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s of a closed bank: %d", target, w.Code)
		}
	}
}
