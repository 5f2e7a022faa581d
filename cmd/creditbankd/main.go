// Command creditbankd is the server of a learning credit bank: it founds a bank, serves it, checks and compacts its store,
// backs it up and restores it, changes the keys of its vault, and shows a made-up one to whoever wants to try it.
//
// It wires rooms together and decides nothing that they decide: what is right stands in api, certify and ledger. It never
// serves anybody but this machine without TLS, and never writes over a key.
//
// Its one invariant: what was acknowledged survives whatever ends the process. SIGINT and SIGTERM let what is in flight
// finish first; a second one ends it at once.
//
// Exit codes: 0 all went well; 1 something failed, or fsck found faults; 2 the command line or the configuration is wrong.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // policies name time zones, also on machines without a database of them

	"github.com/alecthomas/kong"
)

// Exit codes of the command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// heapGrowth is GOGC, where the environment does not say it: memory is spent to collect garbage less often, which is a
// sixth of the CPU of a posting otherwise. A server, whose memory is limited besides, spends more: calls that meet a collection are
// its slowest.
const (
	heapGrowth   = 400
	servedGrowth = 800
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	serving := func(limit int64) {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(servedGrowth)
		}
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(limit)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from now on a signal ends the process, as if nobody listened
	code := run(ctx, os.Args[1:], &process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		now: time.Now, random: rand.Reader, environ: os.Environ(),
		serving: serving,
	})
	stop()
	os.Exit(code)
}

// process is what a command takes from the world around it.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	// random must be cryptographically secure.
	random io.Reader
	// environ has the variables as os.Environ answers them.
	environ []string
	// serving hears, before a bank is served, how much memory it should take, but for what it has outside of the heap; nil: nobody asks.
	serving func(limit int64)
	// started hears where the bank listens once it is ready; nil: nobody asks.
	started func(addresses)
}

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve the bank, until SIGTERM."`
	Init    initCommand    `cmd:"" help:"Found a bank: make its keys, its places and its first administrators."`
	Demo    demoCommand    `cmd:"" help:"Try a bank with a made-up district: nothing to install, nothing to configure."`
	Backup  backupCommand  `cmd:"" help:"Copy ledger and vault to where backups lie, also while the bank is served."`
	Restore restoreCommand `cmd:"" help:"Put a backup where the ledger or the vault was."`
	Recover recoverCommand `cmd:"" help:"Go on with what is left of a log that was lost, or whose key was, as another log."`
	Fsck    fsckCommand    `cmd:"" help:"Check a store that is not being served: tree, state, and who signed what."`
	Vault   vaultCommand   `cmd:"" help:"Change the key that wraps the keys of the accounts."`
	Compact compactCommand `cmd:"" help:"Make the stores of a bank that is not being served as small as they can be."`
	Token   tokenCommand   `cmd:"" help:"Sign an officer or a resident in on this machine."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

const description = `Server of a learning credit bank.

Exit codes: 0 all went well, 1 something failed or fsck found faults, 2 wrong command line or configuration.`

// run is the command with everything that it touches handed in. It answers the exit code. The end of ctx is the signal to
// stop.
func run(ctx context.Context, args []string, p *process) int {
	var (
		line   commands
		exited bool // after printing help
	)
	parser, err := kong.New(&line,
		kong.Name("creditbankd"), kong.Description(description),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.ExplicitGroups([]kong.Group{{Key: "configuration", Title: "Keys of the configuration:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p),
	)
	if err != nil {
		fmt.Fprintf(p.stderr, "creditbankd: %v\n", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited:
		return exitOK
	case err != nil:
		fmt.Fprintf(p.stderr, "creditbankd: %v\nTry \"creditbankd --help\".\n", err)
		return exitUsage
	}
	return exitCode(p, parsed.Run())
}

// errReported ends a command that has already said what is wrong.
var errReported = errors.New("reported")

// usageError is a command line that cannot be done.
type usageError struct{ words string }

func (e *usageError) Error() string { return e.words }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitCode says what went wrong, and how a program learns of it.
func exitCode(p *process, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errReported) {
		return exitFailed
	}
	fmt.Fprintf(p.stderr, "creditbankd: %v\n", err)
	if _, isUsage := errors.AsType[*usageError](err); isUsage {
		return exitUsage
	}
	if _, isConfig := errors.AsType[*configError](err); isConfig {
		return exitUsage
	}
	return exitFailed
}
