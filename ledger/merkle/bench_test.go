package merkle_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

func BenchmarkLeafHash(b *testing.B) {
	for _, n := range []int{100, 400, 1000, 4000} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			data := make([]byte, n)
			b.ReportAllocs()
			for b.Loop() {
				merkle.LeafHash(data)
			}
		})
	}
}

func BenchmarkRootOf(b *testing.B) {
	leaves := numbered(1000)
	b.ReportAllocs()
	for b.Loop() {
		merkle.RootOf(leaves)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(leaves)), "ns/leaf")
}

// BenchmarkAppend is a commit of 1,000 leaves: clone, append, root.
func BenchmarkAppend(b *testing.B) {
	leaves := numbered(1000)
	edge := openUniform(b, 100_000_000)
	var full []merkle.FullTile
	b.ReportAllocs()
	for b.Loop() {
		edge = edge.Clone()
		full = edge.Append(full[:0], leaves...)
		edge.Root()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(leaves)), "ns/leaf")
}

func BenchmarkAppendOne(b *testing.B) {
	leaf := merkle.LeafHash(nil)
	edge := openUniform(b, 100_000_000)
	var full []merkle.FullTile
	b.ReportAllocs()
	for b.Loop() {
		full = edge.Append(full[:0], leaf)
	}
}

func BenchmarkClone(b *testing.B) {
	edge := openUniform(b, 100_000_000)
	b.ReportAllocs()
	for b.Loop() {
		edge.Clone()
	}
}

func BenchmarkRoot(b *testing.B) {
	edge := openUniform(b, 99_999_999)
	b.ReportAllocs()
	for b.Loop() {
		edge.Root()
	}
}

func BenchmarkOpenEdge(b *testing.B) {
	for b.Loop() {
		openUniform(b, 100_000_000)
	}
}

// BenchmarkInclusionProof proves entries from all over a log, whose full tiles are read from memory: without anything that is
// remembered, as somebody who has the tiles only, and as the log does it.
func BenchmarkInclusionProof(b *testing.B) {
	for _, size := range []uint64{1_000_000, 100_000_000} {
		full := cached(b, newUniformLog().at(size))
		for name, tiles := range map[string]merkle.TileReader{
			"tiles": full,
			"log":   openUniform(b, size).Reader(full, newNodes(b)),
		} {
			b.Run(fmt.Sprintf("%s/size=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				index := uint64(0)
				for b.Loop() {
					index = (index + 611_953) % size
					if _, err := merkle.InclusionProof(b.Context(), index, size, tiles); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkConsistencyProof(b *testing.B) {
	const size = 100_000_000
	tiles := cached(b, newUniformLog().at(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := merkle.ConsistencyProof(b.Context(), size-1_000_123, size, tiles); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyInclusion(b *testing.B) {
	const index, size = 12_345_678, 100_000_000
	log := newUniformLog()
	proof, err := merkle.InclusionProof(b.Context(), index, size, log.at(size))
	if err != nil {
		b.Fatal(err)
	}
	root := log.root(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := merkle.VerifyInclusion(log.roots[0], index, size, proof, root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	signer, _ := newKey(b, "log.example", 1)
	c := merkle.Checkpoint{Origin: "log.example", Size: 100_000_000, Root: tlog.Hash{1}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := merkle.Sign(c, signer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenCheckpoint(b *testing.B) {
	signer, verifier := newKey(b, "log.example", 1)
	signed, err := merkle.Sign(merkle.Checkpoint{Origin: "log.example", Size: 100_000_000}, signer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := merkle.OpenCheckpoint(signed, "log.example", verifier); err != nil {
			b.Fatal(err)
		}
	}
}

func openUniform(b *testing.B, size uint64) *merkle.Edge {
	b.Helper()
	log := newUniformLog()
	edge, err := merkle.OpenEdge(b.Context(), size, cached(b, log.at(size)),
		func(_ context.Context, from, to uint64) ([]merkle.Hash, error) {
			return slices.Repeat([]merkle.Hash{log.roots[0]}, int(to-from)), nil
		})
	if err != nil {
		b.Fatal(err)
	}
	return edge
}

// cached makes each tile of a uniform tree once, so that a benchmark doesn't measure how it is made up.
func cached(b *testing.B, tiles merkle.TileReader) merkle.TileReader {
	b.Helper()
	type kind struct {
		level uint8
		width uint16
	}
	made := map[kind][]byte{}
	return readerFunc(func(want []merkle.Tile) ([][]byte, error) {
		data := make([][]byte, len(want))
		for i, t := range want {
			k := kind{t.Level, t.Width}
			if made[k] == nil {
				d, err := tiles.ReadTiles(b.Context(), []merkle.Tile{t})
				if err != nil {
					return nil, err
				}
				made[k] = d[0]
			}
			data[i] = made[k]
		}
		return data, nil
	})
}
