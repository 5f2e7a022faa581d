package web_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// Whoever has the verifier key can check the log from what is served: the checkpoint, and the tiles up to its root.
func TestLogCanBeChecked(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	v := newSite(t, b, nil).visitor()

	w := v.get("/log/checkpoint")
	if w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("the checkpoint comes with %v", w.Header())
	}
	checkpoint, err := merkle.OpenCheckpoint(w.Body.Bytes(), apitest.Origin, b.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []merkle.Hash
	for _, tile := range merkle.TilesFor(checkpoint.Size) {
		w := v.get("/log/" + tile.Path())
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/octet-stream" || w.Body.Len() != tile.Bytes() ||
			w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Cache-Control") != "public, max-age=60" {
			t.Fatalf("%s: %d %v, %d bytes", tile.Path(), w.Code, w.Header(), w.Body.Len())
		}
		for hash := range slices.Chunk(w.Body.Bytes(), merkle.HashSize) {
			hashes = append(hashes, merkle.Hash(hash))
		}
	}
	if uint64(len(hashes)) != checkpoint.Size || merkle.RootOf(hashes) != checkpoint.Root {
		t.Errorf("%d hashes do not make the root of %d entries", len(hashes), checkpoint.Size)
	}
	if w := v.get("/log/key"); w.Body.String() != verifierKey()+"\n" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("the key is %q", w.Body)
	}
}

func TestTiles(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	v := newSite(t, b, nil).visitor()
	for target, want := range map[string]int{
		"/log/tile/0/000":           404, // not full yet
		"/log/tile/0/000.p/255":     404,
		"/log/tile/0/000.p/1":       200,
		"/log/tile/1/000":           404,
		"/log/tile/63/x999/999":     404,
		"/log/tile/entries/000":     404,
		"/log/tile/entries/000.p/1": 404,
		"/log/tile/0/000.p/0":       400,
		"/log/tile/0/000.p/256":     400,
		"/log/tile/0/0":             400,
		"/log/tile/0/1000":          400,
		"/log/tile/00/000":          400,
		"/log/tile/64/000":          400,
		"/log/tile/0/x000/001":      400,
		"/log/tile/-1/000":          400,
		"/log/tile/0/000/":          400,
		"/log/tile/8/0/000":         400, // as tlog, not C2SP, has it
		"/log/tile/":                400,
	} {
		w := v.get(target)
		if w.Code != want {
			t.Errorf("%s: %d, not %d", target, w.Code, want)
		}
		if want != 200 && (w.Header().Get("Cache-Control") != "private, no-store" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8") {
			t.Errorf("%s: %v", target, w.Header())
		}
	}

	full := newSite(t, &fake{tile: func(tile merkle.Tile) ([]byte, error) { return make([]byte, tile.Bytes()), nil }}, nil).visitor()
	w := full.get("/log/tile/1/x001/234")
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		w.Header().Get("Content-Length") != strconv.Itoa(merkle.TileBytes) {
		t.Errorf("a full tile: %d %v", w.Code, w.Header())
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	v := newSite(t, b, nil).visitor()
	for _, target := range []string{"/healthz", "/readyz"} {
		if w := v.get(target); w.Code != http.StatusOK {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	b.Anchor.Fail(errors.New("the disk of the anchor is full"))
	_, _, err := b.OpenAccount(t.Context(), b.Officer(apitest.Registrar), api.Opening{
		RequestID: b.RequestID(), Name: "学员", Document: b.Document(99), Home: apitest.Beishan,
	})
	if err == nil {
		t.Fatal("the bank writes without an anchor")
	}
	w := v.get("/readyz")
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: WRITES_HALTED\n" || w.Header().Get("Retry-After") == "" {
		t.Errorf("halted: %d %q", w.Code, w.Body)
	}
	if w := v.get("/healthz"); w.Code != http.StatusOK {
		t.Errorf("halted, but alive: %d", w.Code)
	}
	// What was published can still be read.
	if w := v.get("/log/checkpoint"); w.Code != http.StatusOK {
		t.Errorf("halted: the checkpoint answers %d", w.Code)
	}

	unknown := newSite(t, &fake{ready: func(context.Context) error { return errors.New("secret") }}, nil)
	if w := unknown.visitor().get("/readyz"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if !strings.Contains(unknown.log.String(), "secret") {
		t.Error("the log does not say why the bank is not ready")
	}
}

var _ web.Bank = (*api.Bank)(nil)
