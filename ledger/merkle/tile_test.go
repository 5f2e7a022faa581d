package merkle_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

var tilePaths = []struct {
	tile merkle.Tile
	path string
}{
	{merkle.Tile{Level: 0, Index: 0, Width: 256}, "tile/0/000"},
	{merkle.Tile{Level: 0, Index: 0, Width: 1}, "tile/0/000.p/1"},
	{merkle.Tile{Level: 0, Index: 7, Width: 255}, "tile/0/007.p/255"},
	{merkle.Tile{Level: 1, Index: 67, Width: 256}, "tile/1/067"},
	{merkle.Tile{Level: 2, Index: 999, Width: 256}, "tile/2/999"},
	{merkle.Tile{Level: 2, Index: 1000, Width: 256}, "tile/2/x001/000"},
	{merkle.Tile{Level: 0, Index: 1234067, Width: 256}, "tile/0/x001/x234/067"},
	{merkle.Tile{Level: 63, Index: 1234067, Width: 10}, "tile/63/x001/x234/067.p/10"},
	{merkle.Tile{Level: 0, Index: 1_000_000, Width: 256}, "tile/0/x001/x000/000"},
	{merkle.Tile{Level: 0, Index: 1<<56 - 1, Width: 255}, "tile/0/x072/x057/x594/x037/x927/935.p/255"},
	{merkle.Tile{Level: 5, Index: math.MaxInt64, Width: 256}, "tile/5/x009/x223/x372/x036/x854/x775/807"},
	{merkle.Tile{Level: 0, Index: math.MaxUint64, Width: 256}, "tile/0/x018/x446/x744/x073/x709/x551/615"},
}

func TestTilePath(t *testing.T) {
	for _, c := range tilePaths {
		if got := c.tile.Path(); got != c.path {
			t.Errorf("%+v.Path() = %q, want %q", c.tile, got, c.path)
		}
		if got, err := merkle.ParseTilePath(c.path); err != nil || got != c.tile {
			t.Errorf("ParseTilePath(%q) = %+v, %v, want %+v", c.path, got, err, c.tile)
		}
	}
}

func TestParseTilePathRefuses(t *testing.T) {
	for name, path := range map[string]string{
		"nothing":              "",
		"no level":             "tile//000",
		"no index":             "tile/0/",
		"no index at all":      "tile/0",
		"leading slash":        "/tile/0/000",
		"trailing slash":       "tile/0/000/",
		"tlog's height":        "tile/8/0/000",
		"entries":              "tile/entries/000",
		"data":                 "tile/data/000",
		"level 64":             "tile/64/000",
		"level 256":            "tile/256/000",
		"level with zero":      "tile/00/000",
		"level with plus":      "tile/+1/000",
		"negative level":       "tile/-1/000",
		"short group":          "tile/0/00",
		"long group":           "tile/0/0000",
		"one digit":            "tile/0/7",
		"superfluous group":    "tile/0/x000/001",
		"missing x":            "tile/0/001/234",
		"x on the last":        "tile/0/x001/x234",
		"x alone":              "tile/0/x",
		"double x":             "tile/0/xx001/234",
		"misplaced x":          "tile/0/x0x01/234",
		"empty group":          "tile/0/x001//234",
		"upper case":           "tile/0/X001/234",
		"hex":                  "tile/0/00a",
		"index above 2^64-1":   "tile/0/x018/x446/x744/x073/x709/x551/616",
		"index far above that": "tile/0/x999/x018/x446/x744/x073/x709/x551/615",
		"width 0":              "tile/0/000.p/0",
		"width 256":            "tile/0/000.p/256",
		"width 65537":          "tile/0/000.p/65537",
		"width with zero":      "tile/0/000.p/01",
		"no width":             "tile/0/000.p/",
		"no slash":             "tile/0/000.p",
		"two widths":           "tile/0/000.p/1.p/1",
		"width on a group":     "tile/0/x001.p/1/234",
		"dots":                 "tile/0/../000",
		"space":                "tile/0/000 ",
		"newline":              "tile/0/000\n",
		"NUL":                  "tile/0/000\x00",
		"other digits":         "tile/0/٠٠٠",
		"query":                "tile/0/000?x=1",
	} {
		if tile, err := merkle.ParseTilePath(path); !errors.Is(err, merkle.ErrTilePath) {
			t.Errorf("%s: ParseTilePath(%q) = %+v, %v, want ErrTilePath", name, path, tile, err)
		}
	}
}

func TestTilePathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := merkle.Tile{
			Level: rapid.Uint8Range(0, 63).Draw(t, "level"),
			Index: rapid.Uint64().Draw(t, "index"),
			Width: rapid.Uint16Range(1, 256).Draw(t, "width"),
		}
		if got, err := merkle.ParseTilePath(want.Path()); err != nil || got != want {
			t.Fatalf("ParseTilePath(%q) = %+v, %v, want %+v", want.Path(), got, err, want)
		}
	})
}

func FuzzParseTilePath(f *testing.F) {
	for _, c := range tilePaths {
		f.Add(c.path)
	}
	f.Add("tile/entries/000")
	f.Add("tile/0/x000/001.p/256")
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := merkle.ParseTilePath(path)
		if err != nil {
			if tile != (merkle.Tile{}) || !errors.Is(err, merkle.ErrTilePath) {
				t.Fatalf("ParseTilePath(%q) = %+v, %v", path, tile, err)
			}
		} else if tile.Path() != path || tile.Level > 63 || tile.Width < 1 || tile.Width > 256 {
			t.Fatalf("ParseTilePath(%q) = %+v, whose path is %q", path, tile, tile.Path())
		}
		// tlog writes the same but for the height, and has tiles of data, no highest level, and signed indexes.
		rest, ok := strings.CutPrefix(path, "tile/")
		if !ok || tile.Index > math.MaxInt64 {
			return
		}
		want, wantErr := tlog.ParseTilePath("tile/8/" + rest)
		if wantErr == nil && (want.L < 0 || want.L > 63) {
			wantErr = errors.New("not a hash tile")
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ParseTilePath(%q): %v, tlog: %v", path, err, wantErr)
		}
		if err == nil && (int(tile.Level) != want.L || tile.Index != uint64(want.N) || int(tile.Width) != want.W) {
			t.Fatalf("ParseTilePath(%q) = %+v, tlog: %+v", path, tile, want)
		}
	})
}

func TestTilesFor(t *testing.T) {
	// The example of C2SP tlog-tiles.
	want := []merkle.Tile{{Level: 0, Index: 273, Width: 112}, {Level: 1, Index: 1, Width: 17}, {Level: 2, Index: 0, Width: 1}}
	if got := merkle.TilesFor(70000); !slices.Equal(got, want) {
		t.Errorf("TilesFor(70000) = %v, want %v", got, want)
	}
	sizes := []uint64{0, 1, 255, 256, 257, 65535, 65536, 65537, 1<<24 - 1, 1 << 24, 100_000_000, 1 << 56, math.MaxInt64}
	for size := range uint64(2000) {
		sizes = append(sizes, size)
	}
	for _, size := range sizes {
		var want []merkle.Tile
		for _, t := range tlog.NewTiles(8, int64(size-min(size, 1)), int64(size)) {
			if t.W < 256 {
				want = append(want, merkle.Tile{Level: uint8(t.L), Index: uint64(t.N), Width: uint16(t.W)})
			}
		}
		got := merkle.TilesFor(size)
		// tlog lists only what the last leaf has changed; the others have not moved since.
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("TilesFor(%d) = %v, lacks %v", size, got, w)
			}
		}
		var leaves uint64
		for _, g := range got {
			leaves += uint64(g.Width) << (8 * g.Level)
			if g.Full() || g.Width == 0 || (g.Index<<8+uint64(g.Width)) != size>>(8*g.Level) {
				t.Errorf("TilesFor(%d) has %+v", size, g)
			}
		}
		if leaves != size {
			t.Errorf("TilesFor(%d) cover %d leaves", size, leaves)
		}
	}
	if got := merkle.TilesFor(math.MaxUint64); len(got) != 8 {
		t.Errorf("TilesFor(2^64-1) = %v, want one of each of 8 levels", got)
	}
}
