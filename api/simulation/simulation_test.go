// Package simulation_test runs whole banks – ledger, vault and anchor on one file system in memory – and pulls the plug.
//
// From a seed follow the commands of the bank's clients, the place on the disk where something goes wrong, and what: a loss
// of power before a change to the disk, or a change that answers an error, done or not. Whatever is left is opened again
// and compared with a model that knows only what the clients were answered: no receipt is lost, nothing that was not
// acknowledged is there by half, nothing is doubled, every checkpoint is a beginning of the log, every seal opens, a replay
// leads to the same root, each transfer ends once, and minutes and credits are conserved.
//
// A seed says what is asked and where the plug is pulled, not how goroutines take turns: what fails only when calls meet in a
// certain way may take a few tries (-count=20) to fail again.
//
// It lies beside package api since it drives the bank as its transports do, and has a package of its own because it runs for
// as long as it is told:
//
//	go test ./api/simulation -run Simulation -sim.duration=1h -timeout=0
//	go test ./api/simulation -run Simulation -sim.seed=4711 -v   # once more what failed
package simulation_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

var (
	simDuration = flag.Duration("sim.duration", 0, "simulate seed after seed for so long")
	simSeed     = flag.Uint64("sim.seed", 1, "the first seed")
	simSeeds    = flag.Int("sim.seeds", 0, "how many seeds; 0: a few, or 1 if -sim.seed is given")
	simKeep     = flag.String("sim.keep", "", "write the disk that failed into this directory")
)

// Pebble leaves a goroutine behind when it can't be opened: usually the process ends then.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// Seeds of a run that is asked for nothing.
const (
	usualSeeds = 10
	shortSeeds = 2
)

func TestSimulation(t *testing.T) {
	if end, ok := t.Deadline(); ok && *simDuration > 0 && time.Until(end) < *simDuration+time.Minute {
		t.Fatalf("go test ends it before -sim.duration=%v: give it -timeout=0 as well", *simDuration)
	}
	s := newSimulator(t)
	seeds, given := *simSeeds, false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "sim.seed" })
	switch {
	case seeds > 0:
	case *simDuration > 0:
		seeds = 1 << 40
	case given:
		seeds = 1
	case testing.Short():
		seeds = shortSeeds
	default:
		seeds = usualSeeds
	}
	s.all(t, *simSeed, seeds, *simDuration)
}

// simulator runs seeds.
type simulator struct {
	keys *keys
	// founded is a bank with the network of package apitest and nothing else, grown one that is about to fill a tile.
	founded, grown beginning
}

// beginning is a bank that histories begin with, and what its clients hold.
type beginning struct {
	disk  *vfs.MemFS
	model *model
}

// Entries of the bank that has grown, and the first number that a history may use: those below are its.
const (
	grownEntries = 240
	firstNumber  = 1000
)

func newSimulator(t *testing.T) *simulator {
	t.Helper()
	k, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	s := &simulator{keys: k}
	s.founded, err = s.begin(beginning{vfs.NewCrashableMem(), newModel()}, func(w *world, m *model) error {
		for _, step := range founding(k) {
			if err := step.run(w, m, false); err != nil {
				return fmt.Errorf("%v: %w", step, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.grown = s.founded; testing.Short() {
		return s // looking through many entries takes long, above all with the race detector
	}
	if s.grown, err = s.begin(s.founded, grow); err != nil {
		t.Fatal(err)
	}
	return s
}

// begin makes a beginning out of another.
func (s *simulator) begin(from beginning, do func(w *world, m *model) error) (beginning, error) {
	disk, m := from.disk.CrashClone(vfs.CrashCloneCfg{}), from.model.clone()
	w, err := open(setting{keys: s.keys, clock: apitest.NewClock(apitest.Start())}, disk)
	if err != nil {
		return beginning{}, err
	}
	err = do(w, m)
	return beginning{disk.CrashClone(vfs.CrashCloneCfg{}), m}, errors.Join(err, w.close())
}

// grow opens accounts, has an institution take over some of what officers approved, one of which is revoked and appealed for, and posts
// until a bank has so many entries.
func grow(w *world, m *model) error {
	g := &generator{random: rand.New(rand.NewPCG(0, 0)), clock: w.setting.clock}
	for range 3 {
		if err := g.opening().run(w, m, false); err != nil {
			return err
		}
	}
	for i, name := range m.living() {
		if err := g.spend(w, m, m.accounts[name]); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		for range 2 { // it is the only case
			c, err := g.secondThought(w, m)
			if err != nil {
				return err
			}
			if err := c.run(w, m, false); err != nil {
				return err
			}
		}
	}
	for m.newest < grownEntries {
		if err := g.submission(m, 20).run(w, m, false); err != nil {
			return err
		}
	}
	if g.n >= firstNumber {
		return fmt.Errorf("%d numbers are used", g.n)
	}
	return nil
}

// all runs seeds one after the other, as many at a time as there are processors.
func (s *simulator) all(t *testing.T, first uint64, seeds int, duration time.Duration) {
	t.Helper()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		next  int
		begun = time.Now()
	)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				mu.Lock()
				seed := first + uint64(next)
				stop := next == seeds || t.Failed() || duration > 0 && time.Since(begun) > duration
				if !stop {
					next++
				}
				mu.Unlock()
				if stop {
					return
				}
				history, err := s.run(seed, bug{})
				if err != nil {
					t.Errorf("seed %d: %v\n%s\nonce more: %s", seed, err, history, onceMore(seed))
				} else if seeds == 1 {
					t.Log(history)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d seeds from %d on, in %v", next, first, time.Since(begun).Round(time.Millisecond))
}

// onceMore is the command that runs a seed again.
func onceMore(seed uint64) string {
	words := []string{"go test ./api/simulation -run Simulation -v", fmt.Sprint("-sim.seed=", seed)}
	if testing.Short() {
		words = append(words, "-short")
	}
	return strings.Join(words, " ")
}

// run runs a seed, in a bank with a bug or without.
func (s *simulator) run(seed uint64, planted bug) (history string, err error) {
	random := rand.New(rand.NewPCG(seed, 0))
	r := &run{
		setting: setting{keys: s.keys, clock: apitest.NewClock(apitest.Start()), bug: planted, seed: seed},
		random:  random, model: newModel(), steps: founding(s.keys),
	}
	r.generator = &generator{random: random, clock: r.setting.clock, n: firstNumber}
	left := vfs.NewCrashableMem()
	if n := random.IntN(8); n > 0 { // most banks are founded already
		from := s.founded
		if n > 4 {
			from = s.grown
		}
		left, r.model, r.steps = from.disk.CrashClone(vfs.CrashCloneCfg{}), from.model.clone(), nil
	}
	for lives := 2 + random.IntN(3); lives > 0 && err == nil; lives-- {
		var images []image
		if images, err = r.live(left); err == nil {
			left, err = r.survive(images)
		}
	}
	return strings.Join(r.trace, "\n"), err
}

// run is the history of one bank.
type run struct {
	setting   setting
	random    *rand.Rand
	generator *generator
	model     *model
	// steps are those of the founding that are still to be taken.
	steps []change
	trace []string

	mu   sync.Mutex
	seen []merkle.Checkpoint // by readers, at the moment of the power loss
	late error
}

func (r *run) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

// plan draws what goes wrong.
func (r *run) plan() plan {
	p := plan{fault: []fault{nothing, powerLoss, powerLoss, powerLoss, powerLoss, powerLoss, failsLost, failsLost, failsKept}[r.random.IntN(9)]}
	p.place = []place{anywhere, anywhere, ledgerLog, ledgerLog, vaultLog, anchor}[r.random.IntN(6)]
	most := map[place]int{anywhere: 140, ledgerLog: 30, vaultLog: 8, anchor: 24}[p.place]
	p.after = r.random.IntN(most)
	return p
}

// live is one life of a bank: it is opened, asked, and ends. What is left of its disk then is answered.
func (r *run) live(left *vfs.MemFS) ([]image, error) {
	p := r.plan()
	r.setting.life++
	r.note("life %d: %v", r.setting.life, p)
	d := newDisk(left, p, rand.New(rand.NewPCG(r.setting.seed, uint64(r.setting.life))))
	d.lies = r.setting.bug.lies
	w, err := open(r.setting, d)
	if err != nil {
		r.note("it does not open: %v; %s", err, d.struck())
		if d.struck() == "" {
			return nil, wrongf("it does not open: %v", err)
		}
		return d.remains(), nil
	}
	w.off = d.off
	d.watch(func() { r.look(w) })
	err = r.ask(w, d)
	if struck := d.struck(); struck != "" {
		r.note("%v: %s", p.fault, struck)
	}
	if err == nil && d.struck() == "" && r.random.IntN(2) == 0 {
		r.note("power loss")
		d.remains()
	}
	closed := w.close()
	if err == nil && closed != nil && d.struck() == "" {
		err = wrongf("it does not close: %v", closed)
	}
	return d.remains(), errors.Join(err, r.looked())
}

// look notes what readers see at the moment of a power loss.
func (r *run) look(w *world) {
	checkpoint, err := w.published()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, errReaderWaits):
		r.late = wrongf("%v", err)
	case err == nil:
		r.seen = append(r.seen, checkpoint)
	}
}

// looked makes what readers saw a part of the model.
func (r *run) looked() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.late
	for _, checkpoint := range r.seen {
		err = errors.Join(err, r.model.saw(checkpoint))
	}
	r.seen = nil
	return err
}

// ask asks what was not answered in the life before, and then something new.
func (r *run) ask(w *world, d *disk) error {
	doubts := r.model.doubts
	r.model.doubts = nil
	for i, doubt := range doubts {
		over, err := r.command(w, d, doubt, true)
		if err != nil || over {
			r.model.doubts = append(r.model.doubts, doubts[i+1:]...)
			return err
		}
	}
	refused := 0
	for range 4 + r.random.IntN(12) {
		next, err := r.next(w)
		if err != nil {
			return wrongf("what to ask can't be read: %v", err)
		}
		over, err := r.command(w, d, next, false)
		if err != nil || d.off() {
			return err
		}
		if over { // it has halted: whatever is asked then is refused
			if refused++; refused == 3 {
				return nil
			}
		}
	}
	return nil
}

// next is the next step of the founding, or something made up.
func (r *run) next(w *world) (command, error) {
	for len(r.steps) > 0 {
		step := r.steps[0]
		if _, done := r.model.answers[step.name]; !done {
			return step, nil
		}
		r.steps = r.steps[1:]
	}
	return r.generator.next(w, r.model)
}

// command runs one command and keeps the books. Over says that it was not answered.
func (r *run) command(w *world, d *disk, c command, again bool) (over bool, err error) {
	halted := w.ledger.Halted() != nil
	next := r.model.clone()
	err = c.run(w, next, again)
	word := ""
	if again {
		word = "again: "
	}
	_, broken := errors.AsType[*wrong](err)
	_, several := c.(crowd)
	switch {
	case broken:
		r.note("%s%v: %v", word, c, err)
		return true, err
	case d.off() && several: // some may have heard before
		r.note("%s%v … the power is lost, %v", word, c, err)
		r.model = next
		if err != nil {
			r.doubt(c, err)
		}
		return true, nil
	case d.off():
		r.note("%s%v … the power is lost", word, c)
		r.doubt(c, nil)
		return true, nil
	case err == nil && halted && c.changes():
		return true, wrongf("%v was acknowledged by a ledger that has halted", c)
	case err == nil:
		r.note("%s%v", word, c)
		r.model = next
		return false, nil
	}
	r.note("%s%v: %v", word, c, err)
	if d.struck() == "" {
		return true, wrongf("%v: %v, though nothing went wrong", c, err)
	}
	if !r.clearly(err) {
		return true, wrongf("%v: %v: that says neither that it halted nor why", c, err)
	}
	r.model = next
	r.doubt(c, err)
	return true, nil
}

// clearly says whether an error tells that writing has stopped, or what the disk said, or that an account is part of another one by
// a merge that nobody has heard of.
func (r *run) clearly(err error) bool {
	if part, ok := errors.AsType[*unanswered](err); ok {
		return !slices.ContainsFunc(part.causes, func(cause error) bool { return !r.clearly(cause) })
	}
	if fault, ok := errors.AsType[*api.Error](err); ok && isClosed(fault) {
		return slices.ContainsFunc(r.model.doubts, func(doubt command) bool { _, merge := doubt.(merging); return merge })
	}
	return errors.Is(err, ledger.ErrHalted) || errors.Is(err, store.ErrHalted) || strings.Contains(err.Error(), errInjected.Error())
}

// doubt notes that nobody knows what became of a command.
func (r *run) doubt(c command, err error) {
	if part, ok := errors.AsType[*unanswered](err); ok {
		r.model.doubts = append(r.model.doubts, part.commands...)
		return
	}
	if _, forgotten := c.(look); !forgotten {
		r.model.doubts = append(r.model.doubts, c)
	}
}

// survive checks what a power loss may have left, and answers with which of it the next life begins. In short mode that is all
// that is checked.
func (r *run) survive(images []image) (*vfs.MemFS, error) {
	chosen := images[r.random.IntN(len(images))]
	if testing.Short() {
		images = []image{chosen}
	}
	for _, i := range images {
		s := r.setting
		s.life += 1000 // it draws other ids than the lives to come
		copied := i.disk.CrashClone(vfs.CrashCloneCfg{})
		random := rand.New(rand.NewPCG(s.seed, uint64(s.life)))
		if err := recovered(s, copied, r.model.clone(), random); err != nil {
			r.note("%s", i.name)
			return nil, errors.Join(err, keep(i.disk))
		}
	}
	r.note("goes on with %s", chosen.name)
	return chosen.disk, nil
}

// keep writes a disk to where it can be looked at.
func keep(disk *vfs.MemFS) error {
	if *simKeep == "" {
		return nil
	}
	if err := os.MkdirAll(*simKeep, 0o700); err != nil {
		return err
	}
	_, err := vfs.Clone(disk, vfs.Default, "bank", filepath.Join(*simKeep, "bank"))
	return err
}
