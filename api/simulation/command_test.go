package simulation_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// command is something that a client asks of the bank.
type command interface {
	// run asks, compares the answer with what the model says, and notes it there. Again says that the same was asked before
	// and not answered. An error that is *wrong says that the bank broke a promise; any other is the bank's own.
	run(w *world, m *model, again bool) error
	// changes says whether it can write to the ledger.
	changes() bool
	String() string
}

// call is a command that several clients can be in the middle of at the same time: it is sent first, and what was answered is
// compared with the model when all of them are back.
type call interface {
	command
	send(w *world) (answer, error)
}

// answer is what a call was answered.
type answer struct {
	// keep compares it with what the model says, and notes it there.
	keep func(m *model, again bool) error
	// replayed says that somebody else had posted the same.
	replayed bool
}

// ask sends a call and keeps what it is answered.
func ask(c call, w *world, m *model, again bool) error {
	a, err := c.send(w)
	if err != nil {
		return err
	}
	return a.keep(m, again)
}

// statement is what a platform says.
type statement struct {
	id  unit.StatementID
	raw []byte
	// bad is why the bank rejects it; empty: it does not.
	bad api.Reason
	// void says that it takes target back.
	void   bool
	target unit.StatementID
}

// submission posts statements. Nobody else has posted any of its new ones, unless this submission was sent before and not
// answered: then all of them are on the ledger, or none.
type submission struct {
	platform   string
	statements []statement
	// twice says that it is sent twice at the same time, as by a client that is too impatient to wait for its first answer.
	twice bool
}

func (s submission) changes() bool { return true }

func (s submission) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s posts", s.platform)
	if s.twice {
		b.WriteString(" twice")
	}
	for i, one := range s.statements {
		if i == 4 {
			fmt.Fprintf(&b, " and %d more", len(s.statements)-i)
			break
		}
		fmt.Fprintf(&b, " %s", hex.EncodeToString(one.id[14:]))
		if one.void {
			fmt.Fprintf(&b, " (void of %s)", hex.EncodeToString(one.target[14:]))
		}
		if one.bad != "" {
			fmt.Fprintf(&b, " (%s)", one.bad)
		}
	}
	return b.String()
}

func (s submission) run(w *world, m *model, again bool) error { return ask(s, w, m, again) }

func (s submission) send(w *world) (answer, error) {
	results, receipt, err := s.post(w)
	if err != nil {
		return answer{}, err
	}
	return answer{
		keep:     func(m *model, again bool) error { return s.check(w, m, again || s.twice, results, receipt) },
		replayed: results[0].Status == api.Replayed,
	}, nil
}

func (s submission) post(w *world) ([]api.StatementResult, ledger.Receipt, error) {
	raw := make([][]byte, len(s.statements))
	for i, one := range s.statements {
		raw[i] = one.raw
	}
	signed, err := w.setting.sign(s.platform, raw)
	if err != nil {
		return nil, ledger.Receipt{}, err
	}
	caller, err := w.organization(s.platform)
	if err != nil {
		return nil, ledger.Receipt{}, err
	}
	return w.RecordCompletions(ctx(), caller, signed, false)
}

func (s submission) check(w *world, m *model, again bool, results []api.StatementResult, receipt ledger.Receipt) error {
	checkpoint, err := merkle.OpenCheckpoint(receipt.Checkpoint, apitest.Origin, w.setting.verifier)
	if err != nil || checkpoint.Size != receipt.Size {
		return wrongf("the receipt of size %d is no checkpoint: %v", receipt.Size, err)
	}
	if err := m.saw(checkpoint); err != nil {
		return err
	}
	view, err := w.ledger.View()
	if err != nil {
		return err
	}
	defer view.Close()
	var recorded, replayed int // of those nobody knew of
	for i, result := range results {
		one := s.statements[i]
		want := m.expect(one)
		var fault string
		if result.Fault != nil {
			fault = string(result.Fault.Reason)
		}
		switch {
		case want.reason != "":
			if result.Status != api.Rejected || fault != string(want.reason) {
				return wrongf("statement %v is answered %d %s, want a reject: %s", one.id, result.Status, fault, want.reason)
			}
			continue
		case result.Status == api.Rejected:
			return wrongf("statement %v is rejected: %v", one.id, result.Fault)
		case result.Index >= receipt.Size:
			return wrongf("statement %v is entry %d, under a checkpoint of size %d", one.id, result.Index, receipt.Size)
		case want.known && (result.Status != api.Replayed || result.Index != want.index):
			return wrongf("statement %v is answered %d, entry %d; it was acknowledged as entry %d", one.id, result.Status, result.Index, want.index)
		case want.known:
			continue
		case result.Status == api.Recorded:
			recorded++
		default:
			replayed++
		}
		if err := m.acknowledge(view, s.platform, one, result); err != nil {
			return err
		}
	}
	if replayed > 0 && !again {
		return wrongf("%d statements that nobody has posted before are replayed", replayed)
	}
	if recorded > 0 && replayed > 0 {
		return wrongf("half of a submission was visible: %d of its statements, and %d were not", replayed, recorded)
	}
	return nil
}

// crowd are callers who call at the same time, each of them one thing after the other until it isn't answered. What one asks
// says nothing of what another does, but that a submission may be sent twice.
type crowd [][]call

func (c crowd) changes() bool { return true }

func (c crowd) String() string {
	var callers []string
	for _, calls := range c {
		var parts []string
		for _, one := range calls {
			parts = append(parts, one.String())
		}
		callers = append(callers, strings.Join(parts, ", then "))
	}
	return "at once: " + strings.Join(callers, "; ")
}

func (c crowd) run(w *world, m *model, again bool) error {
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		answers []answer
		unheard unanswered
		halted  = w.ledger.Halted() != nil
	)
	for _, calls := range c {
		group.Go(func() {
			for _, one := range calls {
				a, err := one.send(w)
				if err == nil && w.off() {
					err = errPowerLost // whether it had been answered before nobody can tell
				}
				mu.Lock()
				if err != nil {
					unheard.commands, unheard.causes = append(unheard.commands, one), append(unheard.causes, err)
				} else {
					answers = append(answers, a)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	if halted && len(answers) > 0 {
		return wrongf("%d calls were acknowledged by a ledger that had halted", len(answers))
	}
	for _, replayed := range []bool{false, true} {
		for _, a := range answers {
			if a.replayed != replayed {
				continue
			}
			if err := a.keep(m, again); err != nil {
				return err
			}
		}
	}
	if len(unheard.commands) > 0 {
		return &unheard
	}
	return nil
}

// errPowerLost is why a client hears nothing.
var errPowerLost = errors.New("simulation: the power is lost")

// unanswered is the error of a crowd of which only a part was answered.
type unanswered struct {
	commands []command
	causes   []error
}

func (u *unanswered) Error() string { return errors.Join(u.causes...).Error() }

// change is a call that is idempotent by its request id. Asked again, it is answered the same.
type change struct {
	name string
	ask  func(w *world) (answer string, err error)
	// overtaken is what it may be answered when it was not done before another change that was in doubt with it; so is that the
	// completion has come to be held, or the account part of another one.
	overtaken []api.Reason
}

func (c change) changes() bool { return true }

func (c change) String() string { return c.name }

func (c change) run(w *world, m *model, again bool) error {
	if !again {
		return ask(c, w, m, again)
	}
	return askInTime(c, w, m, again, append(slices.Clone(c.overtaken), api.ReasonCompletionHeld)...)
}

func (c change) send(w *world) (answer, error) {
	got, err := c.ask(w)
	return answer{keep: func(m *model, _ bool) error {
		known, asked := m.answers[c.name]
		switch {
		case asked && known != got:
			return wrongf("%s: answered %s before, and now %s", c.name, known, got)
		case asked:
			return nil
		}
		m.answers[c.name], m.done = got, append(m.done, c)
		return nil
	}}, err
}

// opening opens an account.
type opening struct {
	opening api.Opening
}

func (o opening) changes() bool { return true }

func (o opening) String() string { return "open an account for " + o.opening.Name }

func (o opening) run(w *world, m *model, again bool) error { return ask(o, w, m, again) }

func (o opening) send(w *world) (answer, error) {
	registrar, err := w.officer(apitest.Registrar)
	if err != nil {
		return answer{}, err
	}
	account, _, err := w.OpenAccount(ctx(), registrar, o.opening)
	return answer{keep: func(m *model, _ bool) error {
		known, asked := m.accounts[o.opening.Name]
		if asked && m.gone[o.opening.Name] && account.Number != known.Number {
			return nil // it is part of the one that was answered
		}
		if asked && known != account {
			return wrongf("%s has account %+v, and had %+v", o.opening.Name, account, known)
		}
		if !asked {
			m.accounts[o.opening.Name], m.holders = account, append(m.holders, o)
		}
		return nil
	}}, err
}

// look is a call that nobody needs an answer of: it is asked and, unanswered, forgotten.
type look struct {
	name string
	ask  func(w *world, m *model) error
	// writes says that it leaves something on the disk, so that it may fail when the disk does.
	writes bool
}

func (l look) changes() bool { return false }

func (l look) String() string { return l.name }

func (l look) run(w *world, m *model, _ bool) error { return l.ask(w, m) }
