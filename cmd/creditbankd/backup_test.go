package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/backup"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// backedUp founds a bank that has places for backups, and an address at which it can be asked for one.
func backedUp(t *testing.T) (directory, configuration string) {
	t.Helper()
	directory, configuration = founded(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	replaceIn(t, configuration, "admin: 127.0.0.1:0", "admin: "+admin)
	content, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	content = fmt.Appendf(content, "backup:\n  dir: %[1]s/backup/ledger\n  vault_dir: %[1]s/backup/vault\n", directory)
	if err := os.WriteFile(configuration, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return directory, configuration
}

// theOnly is the one path of a pattern.
func theOnly(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: there are %v, %v", pattern, found, err)
	}
	return found[0]
}

// rootOf is the root that fsck finds.
func rootOf(t *testing.T, configuration string) string {
	t.Helper()
	_, root, found := strings.Cut(once(t, "fsck", "--config", configuration).must().stdout.String(), "root ")
	if !found {
		t.Fatal("fsck names no root")
	}
	return strings.TrimSpace(root)
}

// damage makes a store unreadable.
func damage(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != "LOCK" {
			err = os.WriteFile(path, []byte("damaged"), 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A backup is made of a bank that is served and goes on; disks are lost; what is restored is sound, has the same root, starts,
// and answers what was asked before the backup as it did then. An older backup restores as well, but writes nothing.
func TestBackupAndRestore(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	var older, kept []uint64
	served(t, configuration, func(_ addresses, admin creditbankv1.AdminServiceClient) {
		older = appoint(t, admin, 0, 3)
		first := once(t, "backup", "--config", configuration).must().stdout.String()
		kept = appoint(t, admin, 3, 6)
		second := once(t, "backup", "--config", configuration).must().stdout.String()
		for report, size := range map[string]uint64{first: older[2] + 1, second: kept[2] + 1} {
			if !strings.Contains(report, fmt.Sprintf("%d entries of test.creditbank.example/log, root ", size)) || !strings.Contains(report, "\nvault ") {
				t.Errorf("the backup of %d entries says\n%s", size, report)
			}
		}
		if files := regexp.MustCompile(`(\d+) files of \d+ bytes, of which (\d+) of`).FindStringSubmatch(second); files == nil || files[1] == files[2] {
			t.Errorf("nothing was there before:\n%s", second)
		}
	})
	root := rootOf(t, configuration)
	once(t, "restore", "--config", configuration, "--from", path("backup/ledger"), "--vault-from", path("backup/vault")).
		refused(exitFailed, "data.vault_dir", "is not empty", "--move-aside")

	damage(t, path("data"))
	damage(t, path("vault"))
	once(t, "fsck", "--config", configuration).refused(exitFailed, "does not open")
	restored := once(t, "restore", "--config", configuration, "--from", path("backup/ledger"), "--vault-from", path("backup/vault"),
		"--move-aside").must().stdout.String()
	if !strings.Contains(restored, "root "+root) || !strings.Contains(restored, "what was there is in "+path("data")+".") {
		t.Errorf("it says\n%s", restored)
	}
	if again := rootOf(t, configuration); again != root {
		t.Errorf("the root is %s, and was %s", again, root)
	}
	served(t, configuration, func(_ addresses, admin creditbankv1.AdminServiceClient) {
		if again := appoint(t, admin, 0, 6); fmt.Sprint(again) != fmt.Sprint(append(older, kept...)) {
			t.Errorf("what was recorded is answered by the entries %v, and was %v and %v", again, older, kept)
		}
	})
	if again := rootOf(t, configuration); again != root {
		t.Errorf("asking again changed the root from %s to %s", root, again)
	}

	times, err := os.ReadDir(path("backup/ledger"))
	if err != nil || len(times) != 3 {
		t.Fatalf("there are %v, %v", times, err)
	}
	if err := os.RemoveAll(path("data")); err != nil {
		t.Fatal(err)
	}
	once(t, "restore", "--config", configuration, "--from", filepath.Join(path("backup/ledger"), times[0].Name())).must()
	once(t, "serve", "--config", configuration).refused(exitFailed, "behind its anchor", "creditbankd recover")
	once(t, "backup", "--config", configuration).refused(exitFailed, "behind its anchor")
	once(t, "fsck", "--config", configuration).refused(exitFailed)
}

// Backups that are made while entries are being written restore to sound stores, each with what was acknowledged before it was
// asked for, and with what the checkpoint covers that it has.
func TestBackupsOfABusyBank(t *testing.T) {
	directory, configuration := backedUp(t)
	var (
		acknowledged atomic.Uint64
		promised     []uint64
	)
	served(t, configuration, func(_ addresses, admin creditbankv1.AdminServiceClient) {
		stop := make(chan struct{})
		var officers sync.WaitGroup
		defer officers.Wait()
		defer close(stop)
		officers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				response, err := admin.AppointOfficer(context.Background(), appointmentOf(i))
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged.Store(response.GetEntryIndex())
			}
		})
		for range 4 {
			promised = append(promised, acknowledged.Load())
			once(t, "backup", "--config", configuration).must()
		}
	})
	times, err := filepath.Glob(filepath.Join(directory, "backup/ledger/2*"))
	if err != nil || len(times) != len(promised) || promised[len(promised)-1] == 0 {
		t.Fatalf("there are %v of banks with %v, %v", times, promised, err)
	}
	for i, path := range times {
		b, err := backup.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(t.TempDir(), "data")
		anchor := pebble.NewAnchorFile(nil, data+".anchor")
		if err := errors.Join(anchor.Save([]byte(b.Checkpoint)), anchor.Close()); err != nil {
			t.Fatal(err)
		}
		once(t, "restore", "--config", configuration, "--from", path, "--data.dir", data).must()
		checked := once(t, "fsck", "--config", configuration, "--data.dir", data, "--data.anchor_file", data+".anchor").must().stdout.String()
		var size uint64
		if _, err := fmt.Sscanf(checked, "sound: %d entries", &size); err != nil || size <= promised[i] {
			t.Errorf("backup %d lacks entry %d: %s", i, promised[i], checked)
		}
	}
}

// A bank that is not served is backed up by the command itself, with the same result.
func TestBackupOfAStoppedBank(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	root := rootOf(t, configuration)
	once(t, "backup", "--config", configuration).must()
	if err := os.RemoveAll(path("data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	once(t, "restore", "--config", configuration, "--from", path("backup/ledger")).must()
	if again := rootOf(t, configuration); again != root {
		t.Errorf("the root is %s, and was %s", again, root)
	}
}

func TestBackupRefuses(t *testing.T) {
	directory, configuration := backedUp(t)
	_, without := founded(t)
	once(t, "backup", "--config", without).refused(exitUsage, "backup.dir: is missing")
	once(t, "backup", "--config", configuration, "--data.dir", filepath.Join(directory, "none")).refused(exitFailed, "there is no store in")

	// Places that hold backups of another bank, or of the other store, are not written to.
	once(t, "backup", "--config", configuration).must()
	once(t, "backup", "--config", without, "--backup.dir", filepath.Join(directory, "backup/vault"), "--backup.vault_dir", t.TempDir()).
		refused(exitFailed, "backups of something else", "vault of test.creditbank.example")

	server := start(t, time.Now, "serve", "--config", without, "--listen.admin", "127.0.0.1:0")
	at := server.ready()
	once(t, "backup", "--config", without, "--backup.dir", t.TempDir(), "--backup.vault_dir", t.TempDir(), "--listen.admin", at.admin).
		refused(exitFailed, "started without a place for backups")
	once(t, "backup", "--config", without, "--backup.dir", t.TempDir(), "--backup.vault_dir", t.TempDir(), "--listen.admin", "127.0.0.1:1").
		refused(exitFailed, "does not answer at 127.0.0.1:1")
	once(t, "restore", "--config", without, "--vault-from", filepath.Join(directory, "backup/vault"), "--move-aside").
		refused(exitFailed, "is in use")
}

// The server shows how old the newest backup of each store is, and that there is none.
func TestBackupAge(t *testing.T) {
	directory, configuration := backedUp(t)
	server := start(t, time.Now, "serve", "--config", configuration)
	at := server.ready()
	ages := func(want string) {
		t.Helper()
		for _, store := range []string{backupOfLedger, backupOfVault} {
			if got := metric(t, at, `creditbank_backup_complete_time_seconds{store="`+store+`"}`); want == "0" != (got == "0") {
				t.Errorf("%s: %s", store, got)
			}
		}
	}
	ages("0")
	before := time.Now()
	once(t, "backup", "--config", configuration).must()
	ages("since")
	newest, err := backup.Newest(filepath.Join(directory, "backup/vault"))
	if err != nil || newest.Before(before.Truncate(time.Millisecond)) || newest.After(time.Now()) {
		t.Errorf("the newest backup is of %v, %v", newest, err)
	}
	// One that was interrupted is none.
	complete, err := filepath.Glob(filepath.Join(directory, "backup/*/*/COMPLETE"))
	if err != nil || len(complete) != 2 {
		t.Fatal(complete, err)
	}
	for _, file := range complete {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	ages("0")
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d", code)
	}
}

// With TLS the command reaches the server, and nothing else that answers in its place.
func TestBackupWithTLS(t *testing.T) {
	directory, configuration := backedUp(t)
	selfSigned(t, directory)
	flags := []string{
		"--config", configuration, "--tls.certificate_file", filepath.Join(directory, "cert.pem"), "--tls.key_file", filepath.Join(directory, "key.pem"),
	}
	server := start(t, time.Now, append([]string{"serve"}, flags...)...)
	server.ready()
	once(t, append([]string{"backup"}, flags...)...).must()

	other := t.TempDir()
	selfSigned(t, other)
	flags[3] = filepath.Join(other, "cert.pem")
	once(t, append([]string{"backup"}, flags...)...).refused(exitFailed, "certificate")
}

// Nobody but this machine asks for a backup, no page of a browser does, and one is made at a time.
func TestWhoMayAskForABackup(t *testing.T) {
	b := &backups{now: time.Now, log: slog.New(slog.DiscardHandler), stopping: context.Background()}
	b.running.Lock()
	for name, test := range map[string]struct {
		from, site string
		code       int
	}{
		"another machine": {"192.0.2.1:1", "", http.StatusForbidden},
		"a page":          {"127.0.0.1:1", "cross-site", http.StatusForbidden},
		"meanwhile":       {"127.0.0.1:1", "", http.StatusConflict},
	} {
		r := httptest.NewRequest(http.MethodPost, backupPath, http.NoBody)
		r.RemoteAddr = test.from
		r.Header.Set("Sec-Fetch-Site", test.site)
		w := httptest.NewRecorder()
		adminServer(prometheus.NewRegistry(), false, b, b.log).Handler.ServeHTTP(w, r)
		if w.Code != test.code {
			t.Errorf("%s gets %d %s", name, w.Code, w.Body)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	once(t, "restore", "--config", configuration).refused(exitUsage, "--from and --vault-from")
	once(t, "restore", "--config", configuration, "--from", path("backup/ledger")).refused(exitFailed, "no complete backup")
	once(t, "backup", "--config", configuration).must()
	once(t, "restore", "--config", configuration, "--from", path("backup/vault")).refused(exitFailed, "is the vault of")
	once(t, "restore", "--config", configuration, "--from", path("backup/ledger"), "--bank.id", "other").refused(exitFailed, "correct the path, or bank.id")

	// A backup of which a file was damaged replaces nothing.
	before := tree(t, path("data"))
	contents, err := filepath.Glob(path("backup/ledger/files/*"))
	if err != nil || len(contents) == 0 {
		t.Fatal(contents, err)
	}
	if err := os.Remove(contents[0]); err != nil {
		t.Fatal(err)
	}
	once(t, "restore", "--config", configuration, "--from", path("backup/ledger"), "--vault-from", path("backup/vault"), "--move-aside").
		refused(exitFailed, "nothing was restored", "damaged")
	if after := tree(t, path("data")); after != before {
		t.Errorf("there was\n%s\nand now is\n%s", before, after)
	}
	if _, err := os.Stat(path("vault.restoring")); err == nil {
		t.Error("the vault was written")
	}
	rootOf(t, configuration)
}

// Of two backups that were made together the vault's is the later one. An older vault may lack people of the ledger.
func TestRestoreOfAnOlderVault(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	once(t, "backup", "--config", configuration).must()
	older := theOnly(t, path("backup/vault/2*"))
	once(t, "backup", "--config", configuration).must()
	before := tree(t, path("data"))
	together := []string{"restore", "--config", configuration, "--from", path("backup/ledger"), "--move-aside"}
	once(t, append(together, "--vault-from", older)...).refused(exitFailed, "nothing was restored", older, "the vault alone first")
	if after := tree(t, path("data")); after != before {
		t.Errorf("there was\n%s\nand now is\n%s", before, after)
	}
	once(t, append(together, "--vault-from", path("backup/vault"))...).must()
	once(t, "restore", "--config", configuration, "--vault-from", older, "--data.vault_dir", path("older")).must()
}

// A backup that does not hold what it says leaves nothing beside the places of the stores.
func TestRestoreLeavesNothingBehind(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	once(t, "backup", "--config", configuration).must()
	complete := theOnly(t, path("backup/ledger/2*/COMPLETE"))
	text, err := os.ReadFile(complete)
	if err != nil {
		t.Fatal(err)
	}
	wrong := regexp.MustCompile(`"size": \d+`).ReplaceAll(text, []byte(`"size": 99`))
	if err := os.WriteFile(complete, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	before := tree(t, directory)
	once(t, "restore", "--config", configuration, "--from", path("backup/ledger"), "--vault-from", path("backup/vault"), "--move-aside").
		refused(exitFailed, "nothing was restored", "says 99 entries")
	if after := tree(t, directory); after != before {
		t.Errorf("there was\n%s\nand now is\n%s", before, after)
	}
}

// A backup of a bank that is not served is of the stores as they are, whatever the clock says: it may be there to go back to.
func TestBackupBeforeAnUpgrade(t *testing.T) {
	directory := t.TempDir()
	unpack(t, filepath.Join("testdata", "formats", "1.tar.gz"), directory)
	configuration := filepath.Join(directory, "creditbank.yaml")
	ledgers, vaults := filepath.Join(directory, "backup", "ledger"), filepath.Join(directory, "backup", "vault")
	once(t, "backup", "--config", configuration, "--backup.dir", ledgers, "--backup.vault_dir", vaults).must()
	complete := theOnly(t, filepath.Join(ledgers, "2*/COMPLETE"))
	text, err := os.ReadFile(complete)
	if err != nil || !strings.Contains(string(text), `"format": 1`) {
		t.Errorf("the backup says %s, %v", text, err)
	}
}

// A backup whose hashes are right is still no backup of this bank when another key has signed it, or nobody.
func TestRestoreChecksTheSignature(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	once(t, "backup", "--config", configuration).must()
	damage(t, path("data"))
	restore := func(flags ...string) *command {
		return once(t, append([]string{"restore", "--config", configuration, "--from", path("backup/ledger"), "--move-aside"}, flags...)...)
	}
	before := tree(t, path("data"))
	// forge writes another checkpoint into COMPLETE, which says of itself that all is well.
	complete := theOnly(t, path("backup/ledger/*/COMPLETE"))
	original, err := os.ReadFile(complete)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(original, &said); err != nil {
		t.Fatal(err)
	}
	forge := func(checkpoint string) {
		t.Helper()
		said["checkpoint"] = checkpoint
		content, err := json.Marshal(said)
		if err == nil {
			err = os.WriteFile(complete, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	genuine, origin := said["checkpoint"].(string), said["origin"].(string)
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	thief, err := note.NewSigner(merkle.SignerKey(origin, private))
	if err != nil {
		t.Fatal(err)
	}
	thiefs := merkle.VerifierKey(origin, public)
	checkpoint, err := merkle.ParseCheckpoint(genuine[:strings.Index(genuine, "\n\n")+1])
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c merkle.Checkpoint) string {
		signed, err := merkle.Sign(c, thief)
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
	for name, forged := range map[string]string{
		"another key": sign(checkpoint), "none": "", "unsigned": genuine[:strings.Index(genuine, "\n\n")+1],
		"another root": strings.Replace(genuine, checkpoint.Root.String(), merkle.RootOf(nil).String(), 1),
	} {
		forge(forged)
		restore().refused(exitFailed, "nothing was restored", "has signed")
		if tree(t, path("data")) != before {
			t.Errorf("%s: something was restored", name)
		}
	}
	// Whoever signs for a tree that the store does not hold is found out, too.
	lie := checkpoint
	lie.Root = merkle.RootOf(nil)
	forge(sign(lie))
	restore("--vkey", thiefs).refused(exitFailed, "nothing was restored", "does not hold")
	forge(genuine)
	restore("--vkey", thiefs).refused(exitFailed, "has signed")
	restore("--vkey", "no key").refused(exitUsage, "--vkey")
	restore("--vkey", merkle.VerifierKey("another.example", public)).refused(exitFailed, "another.example")
	// Without the private key the public one does.
	if err := os.Rename(path("keys/log-signer"), path("log-signer")); err != nil {
		t.Fatal(err)
	}
	restore().refused(exitFailed, "cannot be checked", "--vkey")
	key, err := readLogKey(path("log-signer"), origin)
	if err != nil {
		t.Fatal(err)
	}
	restore("--vkey", key.vkey).must()
	if err := os.Rename(path("log-signer"), path("keys/log-signer")); err != nil {
		t.Fatal(err)
	}
	rootOf(t, configuration)
}

// After a restore platforms post once more all that they posted before the backup: nothing is doubled, to the root.
func TestPostedAgainAfterARestore(t *testing.T) {
	directory := t.TempDir()
	configuration := write(t, fmt.Sprintf(`
bank: {id: %[2]s, origin: %[3]s}
data: {dir: %[1]s/data, vault_dir: %[1]s/vault, anchor_file: %[1]s/anchor/checkpoint}
keys: {log_signer_file: %[1]s/keys/log-signer, vault_keyset_file: %[1]s/keys/vault-keyset}
backup: {dir: %[1]s/backup/ledger, vault_dir: %[1]s/backup/vault}
`, directory, demoBankID, demoOrigin))
	do := func(args ...string) string {
		c := start(t, noon, append(args, "--config", configuration)...)
		<-c.ended
		return c.must().stdout.String()
	}
	post := func() string {
		c, _, _ := demo(t, small("--data", directory)...)
		if code := c.finish(); code != exitOK {
			t.Fatalf("it ended with %d\n%s", code, c.stderr.String())
		}
		return happened(c)
	}
	if first := post(); !strings.Contains(first, " 0  replayed") {
		t.Errorf("it says\n%s", first)
	}
	checked := do("fsck")
	do("backup")
	damage(t, filepath.Join(directory, "data"))
	damage(t, filepath.Join(directory, "vault"))
	do("restore", "--from", filepath.Join(directory, "backup/ledger"), "--vault-from", filepath.Join(directory, "backup/vault"), "--move-aside")
	if again := do("fsck"); again != checked {
		t.Errorf("fsck says\n%s\nand said\n%s", again, checked)
	}
	if again := post(); !strings.Contains(again, " 0  awarded") || strings.Contains(again, " 0  replayed") {
		t.Errorf("it says\n%s", again)
	}
	if again := do("fsck"); again != checked {
		t.Errorf("after posting again fsck says\n%s\nand said\n%s", again, checked)
	}
}
