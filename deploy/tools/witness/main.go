// Command witness runs a litewitness (filippo.io/torchwood) that knows one log: for tests, and for trying how a bank is
// witnessed. A witness for others to rely on is set up as litewitness' own documentation says.
//
// It starts the program litewitness, which is built from the same module:
//
//	cd deploy/tools/witness
//	go build -o /tmp/witness/ . filippo.io/torchwood/cmd/litewitness
//	/tmp/witness/witness -litewitness /tmp/witness/litewitness -dir /tmp/witness -log VKEY
//
// It keeps the witness's key and database in a directory, so that the witness started again there goes on; hands the key
// over as an ssh-agent does; tells the witness of the log, as witnessctl does; and then writes the witness's address and
// public key as one line of JSON to standard output. It ends when it is told to, or when litewitness does.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// patience is how long the witness may take until it answers, and poll how often it is tried.
const (
	patience = 20 * time.Second
	poll     = 50 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var (
		program   = flag.String("litewitness", "litewitness", "the program")
		directory = flag.String("dir", "", "directory of key, database and socket; its path is short")
		name      = flag.String("name", "witness.test", "name of the witness")
		log       = flag.String("log", "", "verifier key of the log, named like its origin")
		listen    = flag.String("listen", "127.0.0.1:0", "address; port 0 takes a free one")
	)
	flag.Parse()
	if err := run(ctx, *program, *directory, *name, *log, *listen); err != nil {
		fmt.Fprintf(os.Stderr, "witness: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, directory, name, log, listen string) error {
	verifier, err := note.NewVerifier(log)
	if err != nil {
		return fmt.Errorf("-log: %w", err)
	}
	key, err := witnessKey(filepath.Join(directory, "key"))
	if err != nil {
		return err
	}
	signer, err := torchwood.NewCosignatureSigner(name, key)
	if err != nil {
		return fmt.Errorf("-name: %w", err)
	}
	socket := filepath.Join(directory, "agent")
	fingerprint, err := serveKey(ctx, socket, key)
	if err != nil {
		return err
	}
	address, err := freeAddress(ctx, listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	database := filepath.Join(directory, "db")
	command := exec.CommandContext(ctx, program, "-db", database, "-name", name, "-key", fingerprint, "-ssh-agent", socket, "-listen", address)
	command.Stderr = os.Stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = patience
	if err := command.Start(); err != nil {
		return fmt.Errorf("-litewitness: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- command.Wait()
		close(ended)
	}()
	err = answers(ctx, address, ended)
	if err == nil {
		err = introduce(database, verifier.Name(), log)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(map[string]string{"url": "http://" + address, "vkey": signer.Verifier().String()})
	}
	if err != nil {
		_ = command.Process.Signal(os.Interrupt) // it may have ended by itself
		return errors.Join(err, <-ended)
	}
	err = <-ended
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("litewitness ended: %w", err)
}

// witnessKey reads the seed of the key, or makes one.
func witnessKey(file string) (ed25519.PrivateKey, error) {
	seed, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		seed = make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(seed) // it never fails
		err = os.WriteFile(file, seed, 0o600)
	}
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is no seed of an Ed25519 key", file)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// introduce makes the log known to the witness, whose tables litewitness has made: a log begins empty, under one key. A log
// that is known already stays as it is.
func introduce(database, origin, vkey string) (err error) {
	db, err := sqlite.OpenConn(database, sqlite.OpenReadWrite)
	if err != nil {
		return fmt.Errorf("%s: %w", database, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	empty := sha256.Sum256(nil) // the root of a tree without leaves (RFC 6962, section 2.1)
	for _, row := range []struct {
		into string
		args []any
	}{
		{"INSERT OR IGNORE INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", []any{origin, base64.StdEncoding.EncodeToString(empty[:])}},
		{"DELETE FROM key WHERE origin = ?", []any{origin}},
		{"INSERT INTO key (origin, key) VALUES (?, ?)", []any{origin, vkey}},
	} {
		if err := sqlitex.Execute(db, row.into, &sqlitex.ExecOptions{Args: row.args}); err != nil {
			return fmt.Errorf("%s: %w", database, err)
		}
	}
	return nil
}

// serveKey is an ssh-agent that has the key, until ctx ends. It answers the fingerprint of the key.
func serveKey(ctx context.Context, socket string, key ed25519.PrivateKey) (fingerprint string, err error) {
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return "", err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keys, conn) }()
		}
	}()
	return ssh.FingerprintSHA256(public), nil
}

// freeAddress chooses a port where the address leaves it open: litewitness does not say which one it got.
func freeAddress(ctx context.Context, listen string) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// answers waits until the witness accepts connections.
func answers(ctx context.Context, address string, ended <-chan error) error {
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("litewitness ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("litewitness does not answer: %w", err)
		case <-time.After(poll):
		}
	}
}
