package merkle

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Geometry of tiles, fixed by C2SP tlog-tiles.
const (
	// TileHeight is the number of tree levels a tile stands for.
	TileHeight = 8
	// TileWidth is the number of hashes in a full tile.
	TileWidth = 1 << TileHeight
	// TileBytes is the size of a full tile in bytes.
	TileBytes = TileWidth * HashSize
)

// maxTileLevel is the highest level that a tile path can name; a tree of fewer than 2^64 leaves has tileLevels of them.
const (
	maxTileLevel = 63
	tileLevels   = 64 / TileHeight
)

// Tile names a run of consecutive hashes at tree level 8·Level, the first of them number 256·Index: leaf hashes at level
// 0, and above it roots of full tiles of the level below. What it names never changes; a partial tile (Width < 256) is a
// prefix of wider ones that follow as the tree grows.
type Tile struct {
	Level uint8  // 0 to 63
	Index uint64 // position within the level, counted in tiles
	Width uint16 // hashes in it, 1 to 256
}

// FullTile is a tile of width 256 with its bytes, which must not be modified.
type FullTile struct {
	Tile
	Data []byte // TileBytes of them
}

// TileReader reads tiles of one log. Proofs ask for all they need in one call, no tile twice.
type TileReader interface {
	// ReadTiles returns the bytes of many tiles in one round trip: data[i] belongs to tiles[i] and is exactly
	// 32·Width bytes long. A reader that keeps only a wider version of a tile answers with the beginning of that one.
	// The bytes are only read, and not kept. A tile that the log does not have is an error.
	ReadTiles(ctx context.Context, tiles []Tile) (data [][]byte, err error)
}

// Full says whether the tile holds all of its 256 hashes.
func (t Tile) Full() bool { return t.Width == TileWidth }

// Bytes is the size of the tile in bytes.
func (t Tile) Bytes() int { return int(t.Width) * HashSize }

// Path is the tile's path below the log's address, tile/<L>/<N>[.p/<W>], with N in groups of three digits: index 1234067
// of level 0 is tile/0/x001/x234/067. (The path of a tlog.Tile has one more number in it and is not what C2SP serves.)
func (t Tile) Path() string {
	// 20 digits of index make seven groups of at most five bytes.
	b := make([]byte, 0, len("tile/63/")+7*len("x000/")+len(".p/255"))
	b = append(b, "tile/"...)
	b = strconv.AppendUint(b, uint64(t.Level), 10)
	b = append(b, '/')
	b = appendIndex(b, t.Index)
	if !t.Full() {
		b = append(b, ".p/"...)
		b = strconv.AppendUint(b, uint64(t.Width), 10)
	}
	return string(b)
}

// appendIndex appends n as groups of three digits, all but the last led by an x.
func appendIndex(b []byte, n uint64) []byte {
	if n >= 1000 {
		b = append(appendGroups(b, n/1000), '/')
	}
	return appendGroup(b, n%1000)
}

func appendGroups(b []byte, n uint64) []byte {
	if n >= 1000 {
		b = append(appendGroups(b, n/1000), '/')
	}
	return appendGroup(append(b, 'x'), n%1000)
}

func appendGroup(b []byte, n uint64) []byte {
	return append(b, '0'+byte(n/100), '0'+byte(n/10%10), '0'+byte(n%10))
}

// ParseTilePath is the strict inverse of [Tile.Path]: it accepts exactly what Path produces for tiles within the limits
// of [Tile], so that every tile has one address, and answers anything else with ErrTilePath. Whether a log has the tile
// is another question.
func ParseTilePath(path string) (Tile, error) {
	t, ok := parseTilePath(path)
	// Comparing with the canonical form refuses superfluous zeros and groups without a rule for each.
	if !ok || t.Path() != path {
		return Tile{}, ErrTilePath
	}
	return t, nil
}

func parseTilePath(path string) (Tile, bool) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok {
		return Tile{}, false
	}
	levelText, rest, _ := strings.Cut(rest, "/")
	level, err := strconv.ParseUint(levelText, 10, 8)
	if err != nil || level > maxTileLevel {
		return Tile{}, false
	}
	groups, widthText, partial := strings.Cut(rest, ".p/")
	width := uint64(TileWidth)
	if partial {
		width, err = strconv.ParseUint(widthText, 10, 16)
		if err != nil || width == 0 || width >= TileWidth {
			return Tile{}, false
		}
	}
	digits := strings.ReplaceAll(strings.ReplaceAll(groups, "x", ""), "/", "")
	index, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return Tile{}, false
	}
	return Tile{Level: uint8(level), Index: index, Width: uint16(width)}, true
}

// TilesFor lists the partial tiles at the right edge of a tree of size leaves, lowest level first: those that must be
// served, besides all full tiles, as long as a checkpoint of this size is. There are at most eight.
func TilesFor(size uint64) []Tile {
	var tiles []Tile
	for level := range uint8(tileLevels) {
		if w := edgeWidth(size, level); w > 0 {
			tiles = append(tiles, Tile{Level: level, Index: edgeIndex(size, level), Width: w})
		}
	}
	return tiles
}

// edgeIndex is the index of the tile of a level that is not full in a tree of size leaves: how many full ones there are.
func edgeIndex(size uint64, level uint8) uint64 {
	return size >> (TileHeight * (uint(level) + 1))
}

// edgeWidth is the width of the tile of a level that is not full in a tree of size leaves, 0 to 255.
func edgeWidth(size uint64, level uint8) uint16 {
	return uint16(size >> (TileHeight * uint(level)) % TileWidth)
}

// readTiles reads tiles and checks that the reader kept its contract.
func readTiles(ctx context.Context, r TileReader, tiles []Tile) ([][]byte, error) {
	data, err := r.ReadTiles(ctx, tiles)
	if err != nil {
		return nil, err
	}
	if len(data) != len(tiles) {
		return nil, fmt.Errorf("%w: %d answers to a request for %d tiles", ErrTile, len(data), len(tiles))
	}
	for i, t := range tiles {
		if len(data[i]) != t.Bytes() {
			return nil, fmt.Errorf("%w: %s has %d bytes instead of %d", ErrTile, t.Path(), len(data[i]), t.Bytes())
		}
	}
	return data, nil
}
