package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

// holdDirectory names the directory that the test binary holds open when it is run as another process.
const holdDirectory = "CREDITBANK_TEST_HOLD_DIRECTORY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdDirectory); dir != "" {
		holdOpen(dir)
		return
	}
	// Pebble leaves a goroutine behind when it can't be opened: usually the process ends then.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

func open(t testing.TB, dir string, options pebble.Options) *pebble.Engine {
	t.Helper()
	if options.CacheBytes == 0 {
		options.CacheBytes = 1 << 20
	}
	engine, err := pebble.Open(dir, options)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return engine
}

func shut(t testing.TB, engine *pebble.Engine) {
	t.Helper()
	if err := engine.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func put(engine store.Engine, key, value string) error {
	var b store.Batch
	b.Set([]byte(key), []byte(value))
	return engine.Commit(context.Background(), &b, engine.Head())
}

func mustPut(t testing.TB, engine store.Engine, key, value string) {
	t.Helper()
	if err := put(engine, key, value); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func value(t testing.TB, reader store.Reader, key string) string {
	t.Helper()
	values, err := reader.Get(context.Background(), []byte(key))
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return string(values[0])
}

// TestEngine reopens by pulling the plug: what was not synced is gone.
func TestEngine(t *testing.T) {
	disks := make(map[store.Engine]*vfs.MemFS)
	on := func(t *testing.T, disk *vfs.MemFS) store.Engine {
		engine := open(t, "data", pebble.Options{FS: disk})
		disks[engine] = disk
		return engine
	}
	ledgertest.TestEngine(t,
		func(t *testing.T) store.Engine { return on(t, vfs.NewCrashableMem()) },
		func(t *testing.T, engine store.Engine) store.Engine {
			disk := disks[engine].CrashClone(vfs.CrashCloneCfg{})
			delete(disks, engine)
			shut(t, engine.(*pebble.Engine))
			return on(t, disk)
		})
}

// Scratch is an engine like others as long as it is open, and writes no log.
func TestScratch(t *testing.T) {
	ledgertest.TestEngine(t, func(t *testing.T) store.Engine {
		return open(t, "scratch", pebble.Options{FS: vfs.NewMem(), Scratch: true})
	}, nil)
	disk := vfs.NewMem()
	engine := open(t, "scratch", pebble.Options{FS: disk, Scratch: true})
	mustPut(t, engine, "k", "1")
	names, err := disk.List("scratch")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := disk.Stat(disk.PathJoin("scratch", name))
		if err != nil || strings.HasSuffix(name, ".log") && info.Size() > 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	shut(t, engine)
}

func TestRealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "parents", "data")
	engine := open(t, dir, pebble.Options{})
	mustPut(t, engine, "k", "1")
	shut(t, engine)
	for _, made := range []string{dir, filepath.Dir(dir)} {
		info, err := os.Stat(made)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v: others may read it", filepath.Base(made), info.Mode(), err)
		}
	}
	t.Chdir(filepath.Dir(dir))
	engine = open(t, "data", pebble.Options{})
	if value(t, engine, "k") != "1" || engine.Head() != 1 {
		t.Errorf("reopened at head %d without the row", engine.Head())
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, pebble.ErrLocked) {
		t.Errorf("Open under another spelling = %v, want ErrLocked", err)
	}
	shut(t, engine)
}

// TestParentsAreDurable pulls the plug right after the first commit: the way to the store must still be there.
func TestParentsAreDurable(t *testing.T) {
	disk := vfs.NewCrashableMem()
	engine := open(t, "/var/lib/bank/ledger", pebble.Options{FS: disk})
	mustPut(t, engine, "k", "1")
	after := disk.CrashClone(vfs.CrashCloneCfg{})
	shut(t, engine)
	engine = open(t, "/var/lib/bank/ledger", pebble.Options{FS: after})
	if value(t, engine, "k") != "1" {
		t.Error("the row is gone")
	}
	shut(t, engine)
}

func TestLockedWithinProcess(t *testing.T) {
	for name, at := range map[string]struct {
		dir  string
		disk vfs.FS
	}{"memory": {"data", vfs.NewMem()}, "disk": {filepath.Join(t.TempDir(), "data"), nil}} {
		t.Run(name, func(t *testing.T) {
			engine := open(t, at.dir, pebble.Options{FS: at.disk})
			for _, readOnly := range []bool{false, true} {
				_, err := pebble.Open(at.dir, pebble.Options{FS: at.disk, ReadOnly: readOnly})
				if !errors.Is(err, pebble.ErrLocked) || !strings.Contains(err.Error(), at.dir) {
					t.Errorf("second Open = %v, want ErrLocked with the directory", err)
				}
			}
			mustPut(t, engine, "k", "1") // the first is not disturbed
			shut(t, engine)
			shut(t, open(t, at.dir, pebble.Options{FS: at.disk}))
		})
	}
}

func TestLockedByAnotherProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdDirectory+"="+dir)
	stop, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the other process: %v", err)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, pebble.ErrLocked) {
		t.Errorf("Open = %v, want ErrLocked", err)
	}
	if err := stop.Close(); err != nil {
		t.Error(err)
	}
	if err := other.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	shut(t, open(t, dir, pebble.Options{}))
}

// holdOpen is the other process: it says that it has the directory, and lets go when its input ends.
func holdOpen(dir string) {
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Print("!")
	_, _ = os.Stdin.Read(make([]byte, 1))
	if err := engine.Close(); err != nil {
		panic(err)
	}
}

func TestReadOnly(t *testing.T) {
	disk := vfs.NewMem()
	if _, err := pebble.Open("data", pebble.Options{FS: disk, ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing = %v, want ErrNotExist", err)
	}
	engine := open(t, "data", pebble.Options{FS: disk})
	mustPut(t, engine, "k", "1")
	shut(t, engine)
	engine = open(t, "data", pebble.Options{FS: disk, ReadOnly: true})
	if value(t, engine, "k") != "1" || engine.Head() != 1 {
		t.Errorf("head %d", engine.Head())
	}
	if err := put(engine, "k", "2"); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("Commit = %v, want ErrReadOnly", err)
	}
	shut(t, engine)
}

// onLog answers what inject answers for an operation of one kind on a write-ahead log.
func onLog(kind errorfs.OpKind, inject func() error) errorfs.InjectorFunc {
	return func(op errorfs.Op) error {
		if op.Kind == kind && strings.HasSuffix(op.Path, ".log") {
			return inject()
		}
		return nil
	}
}

// TestFailedSync breaks the disk under a commit. Whatever of it has reached the disk, the engine must not go on, must not
// show the rows, and must recover when it is opened again.
func TestFailedSync(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{"write": errorfs.OpFileWrite, "sync": errorfs.OpFileSyncData} {
		t.Run(name, func(t *testing.T) {
			disk, broken := vfs.NewCrashableMem(), new(atomic.Bool)
			var output lockedBuffer
			engine := open(t, "data", pebble.Options{
				Log: slog.New(slog.NewTextHandler(&output, nil)),
				FS: errorfs.Wrap(disk, onLog(kind, func() error {
					if broken.Load() {
						return errors.New("disk on fire")
					}
					return nil
				})),
			})
			mustPut(t, engine, "k", "1")
			if err := engine.Halted(); err != nil {
				t.Errorf("a sound engine: Halted = %v", err)
			}
			broken.Store(true)
			err := put(engine, "k", "2")
			for _, harmless := range []error{nil, store.ErrHeadMoved, store.ErrClosed, store.ErrHalted, store.ErrReadOnly, store.ErrBatch} {
				if errors.Is(err, harmless) {
					t.Fatalf("Commit = %v, want an error of unknown outcome", err)
				}
			}
			if !strings.Contains(err.Error(), "disk on fire") {
				t.Errorf("Commit = %v: the cause is not said", err)
			}
			if err := engine.Halted(); !errors.Is(err, store.ErrHalted) || !strings.Contains(err.Error(), "disk on fire") {
				t.Errorf("Halted = %v", err)
			}
			broken.Store(false)
			if err := put(engine, "k", "3"); !errors.Is(err, store.ErrHalted) {
				t.Errorf("Commit after that = %v, want ErrHalted", err)
			}
			if got := value(t, engine, "k"); got != "1" || engine.Head() != 1 {
				t.Errorf("head %d shows %q, want the last durable row", engine.Head(), got)
			}
			lost := disk.CrashClone(vfs.CrashCloneCfg{})
			kept := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
			_ = engine.Close() // it has every reason to complain
			if !strings.Contains(output.String(), "disk on fire") {
				t.Errorf("the log doesn't name the cause:\n%s", &output)
			}
			for name, disk := range map[string]*vfs.MemFS{"lost": lost, "kept": kept} {
				engine := open(t, "data", pebble.Options{FS: disk})
				if got := value(t, engine, "k"); got != fmt.Sprint(engine.Head()) || engine.Head() < 1 || engine.Head() > 2 {
					t.Errorf("%s: head %d with %q", name, engine.Head(), got)
				}
				mustPut(t, engine, "k", "again")
				shut(t, engine)
			}
		})
	}
}

// TestFailedOpen breaks the disk while the store is being made, where Pebble calls Fatalf or panics.
func TestFailedOpen(t *testing.T) {
	for name, at := range map[string]struct {
		before, now string // what is made before, and what fails then
		logged      bool
	}{
		"sync of the manifest":                           {now: "MANIFEST-", logged: true},
		"sync of the directory with the format's marker": {before: "marker.format-version.", now: "data"},
	} {
		t.Run(name, func(t *testing.T) {
			disk, reached := vfs.NewMem(), at.before == ""
			var output lockedBuffer
			broken := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				base := filepath.Base(op.Path)
				if op.Kind == errorfs.OpCreate && strings.HasPrefix(base, at.before) {
					reached = true
				}
				if reached && op.Kind == errorfs.OpFileSync && strings.HasPrefix(base, at.now) {
					return errors.New("disk on fire")
				}
				return nil
			}))
			log := slog.New(slog.NewTextHandler(&output, nil))
			if _, err := pebble.Open("data", pebble.Options{FS: broken, Log: log}); err == nil || !strings.Contains(err.Error(), "disk on fire") {
				t.Errorf("Open = %v, want the cause", err)
			}
			if at.logged && !strings.Contains(output.String(), "disk on fire") {
				t.Errorf("the log doesn't name the cause:\n%s", &output)
			}
			shut(t, open(t, "data", pebble.Options{FS: disk})) // the lock was let go
		})
	}
}

// TestInvisibleUntilDurable looks at the store while a commit waits for the disk.
func TestInvisibleUntilDurable(t *testing.T) {
	var waiting atomic.Bool
	syncing, proceed := make(chan struct{}), make(chan struct{})
	engine := open(t, "data", pebble.Options{
		FS: errorfs.Wrap(vfs.NewMem(), onLog(errorfs.OpFileSyncData, func() error {
			if waiting.CompareAndSwap(true, false) {
				close(syncing)
				<-proceed
			}
			return nil
		})),
	})
	mustPut(t, engine, "k", "1")
	waiting.Store(true)
	done := make(chan error)
	go func() { done <- put(engine, "k", "2") }()
	<-syncing
	s, err := engine.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for name, reader := range map[string]store.Reader{"engine": engine, "snapshot": s} {
		if got := value(t, reader, "k"); got != "1" {
			t.Errorf("%s shows %q before it is durable", name, got)
		}
	}
	if engine.Head() != 1 || s.Head() != 1 {
		t.Errorf("heads %d and %d before the commit is durable", engine.Head(), s.Head())
	}
	close(proceed)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if value(t, engine, "k") != "2" || value(t, s, "k") != "1" || engine.Head() != 2 {
		t.Error("after the commit the engine must show it and the snapshot must not")
	}
	shut(t, engine)
}

// TestCrashAnywhere pulls the plug before every single change to the disk, keeping none, some or all of what was not
// synced, and checks each time that every acknowledged commit is there, and no half of another.
func TestCrashAnywhere(t *testing.T) {
	type plug struct {
		disk         *vfs.MemFS
		acknowledged store.Head
		operation    string
	}
	var (
		mu           sync.Mutex
		acknowledged store.Head
		plugs        []plug
		disk         = vfs.NewCrashableMem()
		rng          = rand.New(rand.NewPCG(3, 4))
	)
	pull := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		for _, percent := range []int{0, 50, 100} {
			plugs = append(plugs, plug{
				disk:         disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}),
				acknowledged: acknowledged,
				operation:    fmt.Sprintf("%v %s, %d%% kept", op.Kind, op.Path, percent),
			})
		}
		return nil
	})
	const commits, rows = 6, 3
	for range 2 { // the second time, recovery is interrupted too
		engine := open(t, "dir/data", pebble.Options{FS: errorfs.Wrap(disk, pull)})
		for range commits / 2 {
			var b store.Batch
			for r := range rows {
				b.Set([]byte(fmt.Sprint("row", r)), fmt.Append(nil, engine.Head()+1))
			}
			if err := engine.Commit(context.Background(), &b, engine.Head()); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			acknowledged = engine.Head()
			mu.Unlock()
		}
		shut(t, engine)
	}
	if len(plugs) < 3*commits*2 {
		t.Fatalf("only %d interruptions: the disk is not watched", len(plugs))
	}
	for _, plug := range plugs {
		engine, err := pebble.Open("dir/data", pebble.Options{FS: plug.disk, CacheBytes: 1 << 20})
		if err != nil {
			t.Fatalf("%s: Open: %v", plug.operation, err)
		}
		if head := engine.Head(); head != plug.acknowledged && head != plug.acknowledged+1 {
			t.Errorf("%s: head %d, %d was acknowledged", plug.operation, head, plug.acknowledged)
		}
		for r := range rows {
			if got := value(t, engine, fmt.Sprint("row", r)); got != fmt.Sprint(engine.Head()) && (got != "" || engine.Head() > 0) {
				t.Errorf("%s: row %d holds %q at head %d", plug.operation, r, got, engine.Head())
			}
		}
		shut(t, engine)
	}
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		engine := open(t, "data", pebble.Options{FS: vfs.NewMem()})
		mustPut(t, engine, "a", "1")
		mustPut(t, engine, "b", "2")
		closed := make(chan error, 1)
		seen := ""
		for row, err := range engine.Scan(ctx, store.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen += string(row.Key); seen == "a" {
				go func() { closed <- engine.Close() }()
			}
			synctest.Wait() // until Close can't go on
			select {
			case err := <-closed:
				t.Fatalf("Close did not wait for the scan: %v", err)
			default:
			}
			if _, err := engine.Get(ctx, []byte("a")); !errors.Is(err, store.ErrClosed) {
				t.Errorf("Get while Close waits = %v, want ErrClosed", err)
			}
		}
		if err := <-closed; err != nil || seen != "ab" {
			t.Errorf("Close = %v, and the scan saw %q", err, seen)
		}
	})
}

// TestCorruption changes a bit in the middle of every table.
func TestCorruption(t *testing.T) {
	disk := vfs.NewMem()
	engine := open(t, "data", pebble.Options{FS: disk})
	random := make([]byte, 100_000)
	for i := range 20 {
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(random)
		mustPut(t, engine, fmt.Sprint("secret", i), "hidden"+string(random))
	}
	shut(t, engine)
	shut(t, open(t, "data", pebble.Options{FS: disk})) // opening makes tables of the log
	names, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			changed++
			flip(t, disk, "data/"+name)
		}
	}
	if changed == 0 {
		t.Fatal("no table to corrupt")
	}
	var output lockedBuffer
	engine = open(t, "data", pebble.Options{FS: disk, Log: slog.New(slog.NewTextHandler(&output, nil))})
	var failure error
	for _, err := range engine.Scan(context.Background(), store.Range{}) {
		failure = err
	}
	if failure == nil {
		t.Fatal("the damage went unnoticed")
	}
	if err := put(engine, "k", "1"); !errors.Is(err, store.ErrHalted) {
		t.Errorf("Commit = %v, want ErrHalted", err)
	}
	if text := output.String() + failure.Error(); !strings.Contains(text, "corrupt") || strings.Contains(text, "secret") {
		t.Errorf("the log doesn't tell, or tells too much:\n%s", text)
	}
	_ = engine.Close()
}

func flip(t *testing.T, disk vfs.FS, path string) {
	t.Helper()
	file, err := disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := file.WriteAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLogKeepsSecrets fills the log with everything that Pebble has to say.
func TestLogKeepsSecrets(t *testing.T) {
	var output lockedBuffer
	disk := vfs.NewMem()
	for range 2 {
		engine := open(t, "data", pebble.Options{
			FS: disk, Log: slog.New(slog.NewTextHandler(&output, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		random := make([]byte, 100_000)
		for i := range 20 { // enough for flushes
			_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(random)
			mustPut(t, engine, fmt.Sprint("secret", i), "hidden"+string(random))
		}
		shut(t, engine)
	}
	if output.Len() == 0 {
		t.Error("nothing was logged")
	}
	for _, word := range []string{"secret", "hidden"} {
		if strings.Contains(output.String(), word) {
			t.Errorf("the log contains %q", word)
		}
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	engine := open(t, "data", pebble.Options{FS: vfs.NewMem(), Registerer: registry})
	if _, err := pebble.Open("other", pebble.Options{FS: vfs.NewMem(), Registerer: registry}); err == nil {
		t.Error("two engines under the same names")
	}
	// Pebble notes how long a sync took after the commit has returned, and before it begins the next one.
	mustPut(t, engine, "k", "1")
	mustPut(t, engine, "k", "2")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		m := family.GetMetric()[0]
		got[family.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	for _, name := range []string{"head", "disk_bytes", "memtable_bytes", "wal_written_bytes_total", "wal_sync_seconds", "snapshots"} {
		if got["creditbank_store_"+name] <= 0 {
			t.Errorf("creditbank_store_%s = %v after a commit", name, got["creditbank_store_"+name])
		}
	}
	for _, name := range []string{"halted", "compactions_total", "compaction_debt_bytes", "read_amplification", "write_stalls_total"} {
		if v, found := got["creditbank_store_"+name]; !found || v != 0 {
			t.Errorf("creditbank_store_%s = %v, %t in a fresh store", name, v, found)
		}
	}
	shut(t, engine)
	if families, err := registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("a closed engine still reports %d families, %v", len(families), err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	shut(t, open(t, "data", pebble.Options{FS: disk}))
	names, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "marker.format-version.") {
			newer := name[:len(name)-3] + "999"
			if err := disk.Rename("data/"+name, "data/"+newer); err != nil {
				t.Fatal(err)
			}
		}
	}
	if engine, err := pebble.Open("data", pebble.Options{FS: disk}); err == nil {
		shut(t, engine)
		t.Error("a store of an unknown version was opened")
	}
}

// lockedBuffer is a buffer for log lines from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Len() int { return len(l.String()) }

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d statements", size), func(b *testing.B) {
			engine, err := pebble.Open(filepath.Join(b.TempDir(), "data"), pebble.Options{})
			if err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			row := make([]byte, 300)
			for b.Loop() {
				var batch store.Batch
				for range size * 4 {
					batch.Set(fmt.Appendf([]byte{1}, "%016x", rng.Uint64()), row)
				}
				if err := engine.Commit(context.Background(), &batch, engine.Head()); err != nil {
					b.Fatal(err)
				}
			}
			shut(b, engine)
		})
	}
}

func BenchmarkGet(b *testing.B) {
	const rows = 200_000
	dir := filepath.Join(b.TempDir(), "data")
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	key := func(i uint64) []byte { return fmt.Appendf([]byte{1}, "%016x", i*0x9e3779b97f4a7c15) }
	for i := uint64(0); i < rows; {
		var batch store.Batch
		for range 10_000 {
			batch.Set(key(i), make([]byte, 300))
			i++
		}
		if err := engine.Commit(context.Background(), &batch, engine.Head()); err != nil {
			b.Fatal(err)
		}
	}
	shut(b, engine)
	if engine, err = pebble.Open(dir, pebble.Options{}); err != nil { // the rows are in tables now, not in memory
		b.Fatal(err)
	}
	for _, asked := range []struct {
		name  string
		count int
		from  uint64
	}{{"1 present", 1, 0}, {"1000 present", 1000, 0}, {"1000 absent", 1000, rows}} {
		b.Run(asked.name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			keys := make([][]byte, asked.count)
			for b.Loop() {
				for i := range keys {
					keys[i] = key(asked.from + rng.Uint64N(rows))
				}
				if _, err := engine.Get(context.Background(), keys...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*asked.count), "ns/key")
		})
	}
	shut(b, engine)
}
