// Package ledgertest holds what the tests of several packages share: the conformance suite that every store engine
// passes, and engines that fail on demand. It is imported by tests only, and never by code that serves anybody.
package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// TestEngine checks that an engine keeps the contract of [store.Engine]. Open makes an empty one. Reopen closes an engine
// and answers another with the same rows; it is nil for an engine that forgets them. Both end the test when they fail.
func TestEngine(
	t *testing.T, open func(t *testing.T) store.Engine, reopen func(t *testing.T, engine store.Engine) store.Engine,
) {
	for name, test := range map[string]func(*testing.T, store.Engine){
		"empty":               testEmpty,
		"get":                 testGet,
		"scan":                testScan,
		"scan early end":      testScanEarlyEnd,
		"scan canceled":       testScanCanceled,
		"batch order":         testBatchOrder,
		"batch refused":       testBatchRefused,
		"head":                testHead,
		"snapshot":            testSnapshot,
		"ownership":           testOwnership,
		"closed":              testClosed,
		"competing writers":   testCompetingWriters,
		"readers and writers": testReadersAndWriters,
	} {
		t.Run(name, func(t *testing.T) {
			engine := open(t)
			test(t, engine)
			if err := engine.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
				t.Errorf("Close: %v", err)
			}
		})
	}
	t.Run("model", func(t *testing.T) { testModel(t, open, reopen) })
	if reopen != nil {
		t.Run("durable", func(t *testing.T) { testDurable(t, open, reopen) })
	}
}

func testEmpty(t *testing.T, engine store.Engine) {
	if head := engine.Head(); head != 0 {
		t.Errorf("Head = %d, want 0", head)
	}
	if rows := scan(t, engine, store.Range{}); len(rows) != 0 {
		t.Errorf("Scan found %q", rows)
	}
	if values := get(t, engine, "a", "b"); !equal(values, [][]byte{nil, nil}) {
		t.Errorf("Get = %q", values)
	}
	if values, err := engine.Get(context.Background()); err != nil || len(values) != 0 {
		t.Errorf("Get of nothing = %q, %v", values, err)
	}
}

func testGet(t *testing.T, engine store.Engine) {
	commit(t, engine, set("b", "1", "a", "2", "empty", "", "\xff\xff", "3"))
	got := get(t, engine, "\xff\xff", "none", "a", "empty", "b", "a", "", "\x00head", "\x00")
	want := [][]byte{[]byte("3"), nil, []byte("2"), {}, []byte("1"), []byte("2"), nil, nil, nil}
	if !equal(got, want) {
		t.Errorf("Get = %q, want %q", got, want)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if values, err := engine.Get(canceled, []byte("a")); !errors.Is(err, context.Canceled) || values != nil {
		t.Errorf("canceled Get = %q, %v", values, err)
	}
}

func testScan(t *testing.T, engine store.Engine) {
	commit(t, engine, set("a", "1", "b", "2", "ba", "3", "bb", "", "c", "5", "\xff", "6", "\xff\xff", "7"))
	for _, test := range []struct {
		name string
		of   store.Range
		want []string
	}{
		{"everything", store.Range{}, []string{"a", "b", "ba", "bb", "c", "\xff", "\xff\xff"}},
		{"from a key", store.Range{Start: []byte("ba")}, []string{"ba", "bb", "c", "\xff", "\xff\xff"}},
		{"from between keys", store.Range{Start: []byte("bab")}, []string{"bb", "c", "\xff", "\xff\xff"}},
		{"up to a key", store.Range{End: []byte("bb")}, []string{"a", "b", "ba"}},
		{"up to between keys", store.Range{End: []byte("bba")}, []string{"a", "b", "ba", "bb"}},
		{"between", store.Range{Start: []byte("b"), End: []byte("c")}, []string{"b", "ba", "bb"}},
		{"one row", store.Range{Start: []byte("b"), End: []byte("b\x00")}, []string{"b"}},
		{"start is end", store.Range{Start: []byte("b"), End: []byte("b")}, nil},
		{"start above end", store.Range{Start: []byte("c"), End: []byte("b")}, nil},
		{"end is empty", store.Range{End: []byte{}}, nil},
		{"before everything", store.Range{End: []byte("a")}, nil},
		{"after everything", store.Range{Start: []byte("\xff\xff\x00")}, nil},
		{"reserved", store.Range{Start: []byte{0}, End: []byte{1}}, nil},
		{"from reserved", store.Range{Start: []byte{0}, End: []byte("b")}, []string{"a"}},
		{"prefix", store.Prefix([]byte("b")), []string{"b", "ba", "bb"}},
		{"prefix of ff", store.Prefix([]byte("\xff")), []string{"\xff", "\xff\xff"}},
		{"empty prefix", store.Prefix(nil), []string{"a", "b", "ba", "bb", "c", "\xff", "\xff\xff"}},
		{"prefix without rows", store.Prefix([]byte("bc")), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := keys(scan(t, engine, test.of)); !slices.Equal(got, test.want) {
				t.Errorf("forward: %q, want %q", got, test.want)
			}
			test.of.Reverse = true
			slices.Reverse(test.want)
			if got := keys(scan(t, engine, test.of)); !slices.Equal(got, test.want) {
				t.Errorf("reverse: %q, want %q", got, test.want)
			}
		})
	}
	for _, row := range scan(t, engine, store.Prefix([]byte("bb"))) {
		if row.Value == nil {
			t.Error("the value of an empty row is nil")
		}
	}
}

func testScanEarlyEnd(t *testing.T, engine store.Engine) {
	commit(t, engine, set("a", "1", "b", "2", "c", "3"))
	sequence := engine.Scan(context.Background(), store.Range{})
	for range 2 { // a sequence can be iterated again
		count := 0
		for _, err := range sequence {
			if err != nil {
				t.Fatal(err)
			}
			if count++; count == 2 {
				break
			}
		}
		if count != 2 {
			t.Errorf("%d steps, want 2", count)
		}
	}
	// Each iteration begins at the head of its own time, and a step may use the engine.
	for row, err := range sequence {
		if err != nil {
			t.Fatal(err)
		}
		commit(t, engine, set("d", string(row.Key)))
		if got := get(t, engine, "d"); !bytes.Equal(got[0], row.Key) {
			t.Errorf("Get within a step = %q, want %q", got, row.Key)
		}
	}
	if got := keys(collect(t, sequence)); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("after the commits: %q", got)
	}
}

func testScanCanceled(t *testing.T, engine store.Engine) {
	commit(t, engine, set("a", "1", "b", "2", "c", "3"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var seen []string
	var last error
	for row, err := range engine.Scan(ctx, store.Range{}) {
		if last != nil {
			t.Fatal("the sequence goes on after an error")
		}
		if last = err; err != nil {
			continue
		}
		if seen = append(seen, string(row.Key)); len(seen) == 2 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || !slices.Equal(seen, []string{"a", "b"}) {
		t.Errorf("saw %q and then %v", seen, last)
	}
}

func testBatchOrder(t *testing.T, engine store.Engine) {
	commit(t, engine, set("kept", "old", "gone", "old"))
	var b store.Batch
	b.Set([]byte("twice"), []byte("1"))
	b.Set([]byte("twice"), []byte("2"))
	b.Set([]byte("set, deleted"), []byte("1"))
	b.Delete([]byte("set, deleted"))
	b.Delete([]byte("kept"))
	b.Set([]byte("kept"), []byte("new"))
	b.Delete([]byte("gone"))
	b.Delete([]byte("never there"))
	b.Set([]byte("nil"), nil)
	if b.Len() != 9 {
		t.Errorf("Len = %d, want 9", b.Len())
	}
	commit(t, engine, &b)
	got := get(t, engine, "twice", "set, deleted", "kept", "gone", "never there", "nil")
	want := [][]byte{[]byte("2"), nil, []byte("new"), nil, nil, {}}
	if !equal(got, want) {
		t.Errorf("Get = %q, want %q", got, want)
	}
}

func testBatchRefused(t *testing.T, engine store.Engine) {
	long := string(bytes.Repeat([]byte("k"), store.MaxKeyBytes))
	commit(t, engine, set(long, "1"))
	for name, key := range map[string]string{"empty": "", "reserved": "\x00", "head": "\x00head", "too long": long + "k"} {
		for _, b := range []*store.Batch{set("a", "1", key, "2"), remove("a", key)} {
			if err := engine.Commit(context.Background(), b, engine.Head()); !errors.Is(err, store.ErrBatch) {
				t.Errorf("%s key: Commit = %v, want ErrBatch", name, err)
			}
		}
	}
	if got := get(t, engine, long, "a"); !equal(got, [][]byte{[]byte("1"), nil}) || engine.Head() != 1 {
		t.Errorf("a refused batch was written: %q, head %d", got[1], engine.Head())
	}
	commit(t, engine, set("a", "1")) // it was no failure of the engine
}

func testHead(t *testing.T, engine store.Engine) {
	for i := range store.Head(3) {
		if err := engine.Commit(context.Background(), set("k", fmt.Sprint(i)), i); err != nil {
			t.Fatal(err)
		}
		if engine.Head() != i+1 {
			t.Fatalf("Head = %d, want %d", engine.Head(), i+1)
		}
	}
	for _, wrong := range []store.Head{0, 2, 4, 1 << 63} {
		if err := engine.Commit(context.Background(), set("k", "wrong"), wrong); !errors.Is(err, store.ErrHeadMoved) {
			t.Errorf("Commit at head %d = %v, want ErrHeadMoved", wrong, err)
		}
	}
	if got := get(t, engine, "k"); string(got[0]) != "2" || engine.Head() != 3 {
		t.Errorf("a refused commit left %q at head %d", got[0], engine.Head())
	}
	commit(t, engine, new(store.Batch))
	if engine.Head() != 4 {
		t.Errorf("after an empty batch: head %d, want 4", engine.Head())
	}
}

func testSnapshot(t *testing.T, engine store.Engine) {
	commit(t, engine, set("a", "1", "b", "1", "c", "1"))
	first := snapshot(t, engine)
	rows := first.Scan(context.Background(), store.Range{})
	commit(t, engine, set("a", "2", "d", "2"))
	second := snapshot(t, engine)
	commit(t, engine, remove("b", "c"))

	for _, test := range []struct {
		reader store.Reader
		head   store.Head
		want   string
	}{
		{first, 1, "a=1 b=1 c=1 "}, {second, 2, "a=2 b=1 c=1 d=2 "}, {engine, 3, "a=2 d=2 "},
	} {
		head := test.reader.(interface{ Head() store.Head }).Head()
		if got := text(scan(t, test.reader, store.Range{})); got != test.want || head != test.head {
			t.Errorf("head %d: %s, want %s at head %d", head, got, test.want, test.head)
		}
	}
	if got := get(t, first, "a", "d", "b"); !equal(got, [][]byte{[]byte("1"), nil, []byte("1")}) {
		t.Errorf("first snapshot's Get = %q", got)
	}
	if got := text(collect(t, rows)); got != "a=1 b=1 c=1 " {
		t.Errorf("a sequence made before the commits: %s", got)
	}
	if err := first.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantClosed(t, first)
	if err := first.Close(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("second Close = %v", err)
	}
	if got := text(scan(t, second, store.Range{})); got != "a=2 b=1 c=1 d=2 " {
		t.Errorf("after another snapshot was closed: %s", got)
	}
	if err := second.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func testOwnership(t *testing.T, engine store.Engine) {
	key, value := []byte("key"), []byte("value")
	b := new(store.Batch)
	b.Set(key, value)
	commit(t, engine, b)
	copy(key, "xxx")
	copy(value, "xxxxx")
	got := get(t, engine, "key")
	commit(t, engine, set("key", "other"))
	if string(got[0]) != "value" {
		t.Errorf("Get = %q: the engine kept a slice of the batch, or gave away one that it changes", got[0])
	}
}

func testClosed(t *testing.T, engine store.Engine) {
	commit(t, engine, set("a", "1"))
	left := snapshot(t, engine)
	if err := engine.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wantClosed(t, engine)
	wantClosed(t, left)
	if err := left.Close(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Close of a snapshot after its engine = %v", err)
	}
	if err := engine.Commit(context.Background(), set("a", "2"), 1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Commit = %v, want ErrClosed", err)
	}
	if _, err := engine.Snapshot(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Snapshot = %v, want ErrClosed", err)
	}
	if err := engine.Close(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("second Close = %v, want ErrClosed", err)
	}
}

// testCompetingWriters lets several writers try to move every head: exactly one may succeed.
func testCompetingWriters(t *testing.T, engine store.Engine) {
	const writers, rounds = 4, 20
	for round := range store.Head(rounds) {
		var group sync.WaitGroup
		results := make([]error, writers)
		for w := range writers {
			group.Go(func() { results[w] = engine.Commit(context.Background(), set("winner", fmt.Sprint(w)), round) })
		}
		group.Wait()
		winner := -1
		for w, err := range results {
			switch {
			case err == nil && winner < 0:
				winner = w
			case !errors.Is(err, store.ErrHeadMoved):
				t.Fatalf("round %d: writer %d: %v, after %d had won", round, w, err, winner)
			}
		}
		if got := get(t, engine, "winner"); string(got[0]) != fmt.Sprint(winner) {
			t.Fatalf("round %d: the row is of writer %s, Commit said %d", round, got[0], winner)
		}
	}
}

// testReadersAndWriters commits two rows that are always equal, while readers look whether they ever differ, go back, or
// disagree with the head.
func testReadersAndWriters(t *testing.T, engine store.Engine) {
	const commits, readers = 100, 3
	done := make(chan struct{})
	var group sync.WaitGroup
	for range readers {
		group.Go(func() {
			last := ""
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true // one more round
				default:
				}
				s, err := engine.Snapshot()
				if err != nil {
					t.Errorf("Snapshot: %v", err)
					return
				}
				values, err := s.Get(context.Background(), []byte("left"), []byte("right"))
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				want := ""
				if s.Head() > 0 {
					want = fmt.Sprintf("%04d", s.Head())
				}
				if string(values[0]) != want || string(values[1]) != want || want < last {
					t.Errorf("head %d: left %q, right %q, after %q", s.Head(), values[0], values[1], last)
					return
				}
				last = want
				if rows, err := engine.Get(context.Background(), []byte("right"), []byte("left")); err != nil || !bytes.Equal(rows[0], rows[1]) {
					t.Errorf("Get = %q, %v", rows, err)
					return
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
					return
				}
			}
		})
	}
	for i := range commits {
		value := fmt.Sprintf("%04d", i+1)
		commit(t, engine, set("left", value, "right", value))
	}
	close(done)
	group.Wait()
}

func testDurable(
	t *testing.T, open func(*testing.T) store.Engine, reopen func(*testing.T, store.Engine) store.Engine,
) {
	engine := open(t)
	commit(t, engine, set("a", "1", "b", "1"))
	engine = reopen(t, engine)
	commit(t, engine, remove("a"))
	commit(t, engine, set("c", "3"))
	engine = reopen(t, engine)
	if got := text(scan(t, engine, store.Range{})); got != "b=1 c=3 " || engine.Head() != 3 {
		t.Errorf("after reopening: %s at head %d", got, engine.Head())
	}
	if err := engine.Commit(context.Background(), set("a", "late"), 1); !errors.Is(err, store.ErrHeadMoved) {
		t.Errorf("Commit at an old head = %v, want ErrHeadMoved", err)
	}
	if err := engine.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// model is the naive engine: a map, and copies of it for snapshots.
type model struct {
	rows map[string]string
	head store.Head
}

func (m model) copy() model {
	return model{rows: maps.Clone(m.rows), head: m.head}
}

// held is a snapshot with what the model says it shows.
type held struct {
	snapshot store.Snapshot
	model    model
}

// testModel does the same random things to an engine and to the model, and compares all that can be read.
func testModel(
	t *testing.T, open func(*testing.T) store.Engine, reopen func(*testing.T, store.Engine) store.Engine,
) {
	key := rapid.SliceOfN(rapid.SampledFrom([]byte{1, 2, 'a', 0xfe, 0xff}), 1, 3)
	bound := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xff}), 0, 3))
	value := rapid.SliceOfN(rapid.Byte(), 0, 4)

	rapid.Check(t, func(rt *rapid.T) {
		engine, m := open(t), model{rows: make(map[string]string)}
		var snapshots []held
		defer func() { _ = engine.Close() }()

		compare := func(what string, reader store.Reader, m model) {
			r := store.Range{Start: bound.Draw(rt, "start"), End: bound.Draw(rt, "end"), Reverse: rapid.Bool().Draw(rt, "reverse")}
			if rapid.Bool().Draw(rt, "by prefix") {
				r = store.Prefix(r.Start)
			}
			if got, want := text(collect(rt, reader.Scan(context.Background(), r))), m.text(r); got != want {
				rt.Fatalf("%s: Scan(%+v) = %s, want %s", what, r, got, want)
			}
			asked := rapid.SliceOfN(key, 0, 4).Draw(rt, "keys")
			values, err := reader.Get(context.Background(), asked...)
			if err != nil {
				rt.Fatalf("%s: Get: %v", what, err)
			}
			for i, k := range asked {
				want, found := m.rows[string(k)]
				if string(values[i]) != want || (values[i] != nil) != found {
					rt.Fatalf("%s: Get(%q) = %q, want %q, %t", what, k, values[i], want, found)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				b, next := new(store.Batch), m.copy()
				for range rapid.IntRange(0, 6).Draw(rt, "changes") {
					k := key.Draw(rt, "key")
					if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
						b.Delete(k)
						delete(next.rows, string(k))
					} else {
						v := value.Draw(rt, "value")
						b.Set(k, v)
						next.rows[string(k)] = string(v)
					}
				}
				if err := engine.Commit(context.Background(), b, m.head); err != nil {
					rt.Fatalf("Commit: %v", err)
				}
				next.head++
				m = next
			},
			"stale commit": func(rt *rapid.T) {
				head := store.Head(rapid.Uint64().Filter(func(h uint64) bool { return h != uint64(m.head) }).Draw(rt, "head"))
				if err := engine.Commit(context.Background(), set(string(key.Draw(rt, "key")), "stale"), head); !errors.Is(err, store.ErrHeadMoved) {
					rt.Fatalf("Commit at head %d of %d: %v", head, m.head, err)
				}
			},
			"snapshot": func(rt *rapid.T) {
				s, err := engine.Snapshot()
				if err != nil {
					rt.Fatalf("Snapshot: %v", err)
				}
				snapshots = append(snapshots, held{snapshot: s, model: m.copy()})
			},
			"read snapshot": func(rt *rapid.T) {
				if len(snapshots) == 0 {
					rt.Skip("no snapshot")
				}
				s := rapid.SampledFrom(snapshots).Draw(rt, "snapshot")
				if s.snapshot.Head() != s.model.head {
					rt.Fatalf("snapshot: head %d, want %d", s.snapshot.Head(), s.model.head)
				}
				compare("snapshot", s.snapshot, s.model)
			},
			"close snapshot": func(rt *rapid.T) {
				if len(snapshots) == 0 {
					rt.Skip("no snapshot")
				}
				i := rapid.IntRange(0, len(snapshots)-1).Draw(rt, "which")
				if err := snapshots[i].snapshot.Close(); err != nil {
					rt.Fatalf("Close: %v", err)
				}
				snapshots = slices.Delete(snapshots, i, i+1)
			},
			"reopen": func(rt *rapid.T) {
				if reopen == nil {
					rt.Skip("forgets")
				}
				if rapid.IntRange(0, 4).Draw(rt, "rarely") != 0 {
					rt.Skip("not now")
				}
				engine, snapshots = reopen(t, engine), nil
			},
			"": func(rt *rapid.T) {
				if engine.Head() != m.head {
					rt.Fatalf("head %d, want %d", engine.Head(), m.head)
				}
				compare("engine", engine, m)
			},
		})
	})
}

// text is what a scan of r should show.
func (m model) text(r store.Range) string {
	var rows []store.Row
	for key, value := range m.rows {
		if key >= string(r.Start) && (r.End == nil || key < string(r.End)) {
			rows = append(rows, store.Row{Key: []byte(key), Value: []byte(value)})
		}
	}
	slices.SortFunc(rows, func(a, b store.Row) int { return bytes.Compare(a.Key, b.Key) })
	if r.Reverse {
		slices.Reverse(rows)
	}
	return text(rows)
}

// fatal is what *testing.T and *rapid.T have in common.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func commit(t fatal, engine store.Engine, b *store.Batch) {
	t.Helper()
	if err := engine.Commit(context.Background(), b, engine.Head()); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// set makes a batch of keys and values in turn.
func set(keysAndValues ...string) *store.Batch {
	b := new(store.Batch)
	for i := 0; i < len(keysAndValues); i += 2 {
		b.Set([]byte(keysAndValues[i]), []byte(keysAndValues[i+1]))
	}
	return b
}

func remove(keys ...string) *store.Batch {
	b := new(store.Batch)
	for _, key := range keys {
		b.Delete([]byte(key))
	}
	return b
}

func snapshot(t fatal, engine store.Engine) store.Snapshot {
	t.Helper()
	s, err := engine.Snapshot()
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	return s
}

func get(t fatal, reader store.Reader, keys ...string) [][]byte {
	t.Helper()
	asked := make([][]byte, len(keys))
	for i, key := range keys {
		asked[i] = []byte(key)
	}
	values, err := reader.Get(context.Background(), asked...)
	if err != nil || len(values) != len(keys) {
		t.Fatalf("Get = %q, %v", values, err)
	}
	return values
}

func scan(t fatal, reader store.Reader, r store.Range) []store.Row {
	t.Helper()
	return collect(t, reader.Scan(context.Background(), r))
}

// collect copies the rows, as whoever keeps them must.
func collect(t fatal, sequence func(func(store.Row, error) bool)) []store.Row {
	t.Helper()
	var rows []store.Row
	for row, err := range sequence {
		if err != nil {
			t.Fatalf("Scan: %v", err)
		}
		rows = append(rows, store.Row{Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value)})
	}
	return rows
}

func wantClosed(t *testing.T, reader store.Reader) {
	t.Helper()
	if _, err := reader.Get(context.Background(), []byte("a")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Get = %v, want ErrClosed", err)
	}
	pairs := 0
	for _, err := range reader.Scan(context.Background(), store.Range{}) {
		if pairs++; !errors.Is(err, store.ErrClosed) {
			t.Errorf("Scan = %v, want ErrClosed", err)
		}
	}
	if pairs != 1 {
		t.Errorf("Scan yields %d pairs, want one error", pairs)
	}
}

func keys(rows []store.Row) []string {
	var keys []string
	for _, row := range rows {
		keys = append(keys, string(row.Key))
	}
	return keys
}

func text(rows []store.Row) string {
	var b bytes.Buffer
	for _, row := range rows {
		fmt.Fprintf(&b, "%s=%s ", row.Key, row.Value)
	}
	return b.String()
}

// equal tells nil from empty.
func equal(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y []byte) bool { return bytes.Equal(x, y) && (x == nil) == (y == nil) })
}
