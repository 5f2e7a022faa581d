package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

const (
	// tilesAtOnce is how many tiles are fetched at the same time.
	tilesAtOnce = 8
	// cachedTiles is how many tiles are kept for proofs: 8 MiB.
	cachedTiles = 1024
)

// errAbsent says that the bank does not serve something.
var errAbsent = errors.New("not found")

// remoteLog reads a log as anyone can: by plain HTTP, as C2SP tlog-tiles serves it. Nothing that it reads is checked here.
type remoteLog struct {
	client  *http.Client
	address string // of the bank, without a slash at the end
	// size is that of the checkpoint under which tiles are read; the widest version of a tile is asked for, since a
	// log need not keep narrower ones.
	size  uint64
	cache *lru.Cache[merkle.Tile, []byte]
}

func newRemoteLog(g *globals) (*remoteLog, error) {
	client, address, err := g.web()
	if err != nil {
		return nil, err
	}
	cache, err := lru.New[merkle.Tile, []byte](cachedTiles)
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	return &remoteLog{client: client, address: address, cache: cache}, nil
}

func (r *remoteLog) close() { r.client.CloseIdleConnections() }

// checkpoint reads the newest signed checkpoint.
func (r *remoteLog) checkpoint(ctx context.Context) ([]byte, error) {
	return r.get(ctx, "/log/checkpoint", merkle.MaxCheckpointBytes)
}

// ReadTiles implements merkle.TileReader.
func (r *remoteLog) ReadTiles(ctx context.Context, tiles []merkle.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tilesAtOnce)
	for i, tile := range tiles {
		group.Go(func() error {
			b, err := r.tile(ctx, r.widest(tile))
			if err != nil {
				return err
			}
			data[i] = b[:tile.Bytes()]
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return data, nil
}

// widest is the same tile as wide as a log of this size has it.
func (r *remoteLog) widest(tile merkle.Tile) merkle.Tile {
	hashes := r.size >> (merkle.TileHeight * uint(tile.Level)) // of this level that are in tiles
	if begin := tile.Index * merkle.TileWidth; hashes > begin {
		tile.Width = max(tile.Width, uint16(min(hashes-begin, merkle.TileWidth)))
	}
	return tile
}

// tile reads one tile. A partial one may have become full in the meantime and be served as such only.
func (r *remoteLog) tile(ctx context.Context, tile merkle.Tile) ([]byte, error) {
	if b, ok := r.cache.Get(tile); ok {
		return b, nil
	}
	b, err := r.get(ctx, "/log/"+tile.Path(), merkle.TileBytes)
	if errors.Is(err, errAbsent) && !tile.Full() {
		full := tile
		full.Width = merkle.TileWidth
		b, err = r.get(ctx, "/log/"+full.Path(), merkle.TileBytes)
	}
	switch {
	case errors.Is(err, errAbsent):
		return nil, refusef("the log has no tile %s, and its checkpoint of %d entries promises it", tile.Path(), r.size)
	case err != nil:
		return nil, err
	case len(b) < tile.Bytes() || len(b)%merkle.HashSize != 0:
		return nil, refusef("the log's tile %s has %d bytes, not %d", tile.Path(), len(b), tile.Bytes())
	}
	b = b[:tile.Bytes()]
	r.cache.Add(tile, b)
	return b, nil
}

// get reads a resource of at most so many bytes.
func (r *remoteLog) get(ctx context.Context, path string, most int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%v", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, errAbsent)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the bank answers %s", path, clean(response.Status))
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %v", path, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, most)
	}
	return b, nil
}
