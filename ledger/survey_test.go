package ledger_test

import (
	"errors"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// A copy says whose it is and how much it has, and whether it has what was published.
func TestSurvey(t *testing.T) {
	w := lose(t, 6, 3)
	older, err := ledger.Survey(t.Context(), w.engine, merkle.Checkpoint{})
	must(t, err)
	newest, err := ledger.Survey(t.Context(), w.newest, merkle.Checkpoint{Size: older.Size, Root: older.Root})
	must(t, err)
	if older.BankID != w.config().BankID || older.Origin != origin || older.Format != ledger.Format || newest.Size != older.Size+4 {
		t.Errorf("they are %+v and %+v", older, newest)
	}
	if w.engine.Head() != 1 {
		t.Error("it wrote")
	}
	for name, known := range map[string]merkle.Checkpoint{
		"more was published": {Size: newest.Size, Root: newest.Root}, "something else was": {Size: older.Size, Root: newest.Root},
	} {
		if _, err := ledger.Survey(t.Context(), w.engine, known); !errors.Is(err, ledger.ErrBehindAnchor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	recovered := w.as(t, origin+"/2")
	_, err = ledger.Recover(t.Context(), recovered, ledger.Lost{VerifierKey: w.vkey})
	must(t, err)
	if h, err := ledger.Survey(t.Context(), w.engine, merkle.Checkpoint{}); err != nil || h.Origin != origin+"/2" {
		t.Errorf("the log that goes on is %+v, %v", h, err)
	}
}

func TestSurveyRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		key, value []byte
		want       error
	}{
		"a newer format":   {book.MetaKey("format"), book.Uint(ledger.Format + 1), ledger.ErrFormat},
		"a tree unread":    {book.MetaKey("tree"), []byte{0xff}, ledger.ErrDamaged},
		"another entry 0":  {book.EntryKey(0), []byte{0xff}, ledger.ErrDamaged},
		"no tree, no rows": {book.MetaKey("tree"), nil, ledger.ErrEmpty},
	} {
		w := lose(t, 2, 2)
		var batch store.Batch
		if batch.Set(test.key, test.value); test.value == nil {
			batch.Delete(test.key)
		}
		must(t, w.engine.Commit(t.Context(), &batch, w.engine.Head()))
		if _, err := ledger.Survey(t.Context(), w.engine, merkle.Checkpoint{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}
