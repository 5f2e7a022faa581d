package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// served runs what a test wants of a bank while it is served.
func served(t *testing.T, configuration string, use func(at addresses, admin creditbankv1.AdminServiceClient)) {
	t.Helper()
	server := start(t, time.Now, "serve", "--config", configuration)
	at := server.ready()
	token := strings.TrimSpace(once(t, "token", "--config", configuration, "--officer", "admin-a").must().stdout.String())
	use(at, creditbankv1.NewAdminServiceClient(dial(t, at.grpc, token)))
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}
}

// appointmentOf is an appointment of its own.
func appointmentOf(i int) *creditbankv1.AppointOfficerRequest {
	r := appointment()
	r.RequestId, r.Officer = fmt.Sprintf("0198f3c2-7c1e-7a52-9d0f-%012d", i), fmt.Sprintf("certifier-%d", i)
	return r
}

// appoint makes the appointments from one number up to another, and answers their entries.
func appoint(t *testing.T, admin creditbankv1.AdminServiceClient, from, to int) (entries []uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		response, err := admin.AppointOfficer(t.Context(), appointmentOf(i))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, response.GetEntryIndex())
	}
	return entries
}

// copyTree copies a directory of files.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// vkeyOf is the verifier key that a bank publishes.
func vkeyOf(t *testing.T, at addresses) string {
	t.Helper()
	_, vkey := get(t, new(http.Client), "http://"+at.http+"/log/key")
	return strings.TrimSpace(vkey)
}

// replaceIn changes a configuration file.
func replaceIn(t *testing.T, file string, pairs ...string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(pairs...).Replace(string(content))
	if changed == string(content) {
		t.Fatalf("nothing of %q is in\n%s", pairs, content)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A bank of which the newest entries are lost goes on under another origin: what is left is answered as before, what was
// lost can be asked for again and is done once.
func TestRecover(t *testing.T) {
	directory, configuration := founded(t)
	data, older := filepath.Join(directory, "data"), filepath.Join(directory, "older")
	var kept, lost []uint64
	var oldKey string
	served(t, configuration, func(_ addresses, admin creditbankv1.AdminServiceClient) { kept = appoint(t, admin, 0, 3) })
	copyTree(t, data, older)
	var last string
	served(t, configuration, func(at addresses, admin creditbankv1.AdminServiceClient) {
		lost = appoint(t, admin, 3, 5)
		oldKey = vkeyOf(t, at)
		_, last = get(t, new(http.Client), "http://"+at.http+"/log/checkpoint")
	})
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyTree(t, older, data)

	once(t, "serve", "--config", configuration).refused(exitFailed, "behind its anchor", "creditbankd recover", "When entries are lost")
	once(t, "recover", "--config", configuration, "--old-vkey", "nonsense").refused(exitUsage, "--old-vkey")
	once(t, "recover", "--config", configuration, "--old-vkey", oldKey).refused(exitUsage, "bank.origin", "give the one that goes on a new name")
	old := filepath.Join(directory, "creditbank.old.yaml")
	content, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, content, 0o600); err != nil {
		t.Fatal(err)
	}
	replaceIn(t, configuration, "test.creditbank.example/log", "test.creditbank.example/log/2", "keys/log-signer", "keys/log-signer-2")
	once(t, "serve", "--config", configuration).refused(exitUsage, "keys.log_signer_file")
	once(t, "recover", "--config", configuration, "--old-vkey", oldKey, "--last-checkpoint", filepath.Join(directory, "none")).
		refused(exitUsage, "--last-checkpoint", "there is no file")

	c := once(t, "recover", "--config", configuration, "--old-vkey", oldKey).must()
	for _, words := range []string{
		"goes on as test.creditbank.example/log/2", fmt.Sprintf("%d of test.creditbank.example/log", kept[2]+1),
		fmt.Sprintf("at least 2 of the %d", lost[1]+1), "keys/log-signer-2", "test.creditbank.example/log/2+", "/log/former/",
	} {
		if !strings.Contains(c.stdout.String(), words) {
			t.Errorf("it does not say %q, but\n%s", words, c.stdout.String())
		}
	}
	if c := once(t, "recover", "--config", configuration, "--old-vkey", oldKey).must(); !strings.Contains(c.stdout.String(), "nothing left to do") {
		t.Errorf("the second time it says\n%s", c.stdout.String())
	}
	once(t, "fsck", "--config", configuration).must()
	once(t, "serve", "--config", old).refused(exitFailed, "another log's", "creditbankd recover")

	served(t, configuration, func(at addresses, admin creditbankv1.AdminServiceClient) {
		if again := appoint(t, admin, 0, 3); fmt.Sprint(again) != fmt.Sprint(kept) {
			t.Errorf("what was kept is answered by the entries %v, and was %v", again, kept)
		}
		first := appoint(t, admin, 3, 5)
		if first[0] <= kept[2]+1 {
			t.Errorf("what was lost is answered by the entries %v without being written", first)
		}
		if again := appoint(t, admin, 3, 5); fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("what was lost is written twice: %v and %v", first, again)
		}
		if key := vkeyOf(t, at); key == oldKey || !strings.HasPrefix(key, "test.creditbank.example/log/2+") {
			t.Errorf("the key is %s", key)
		}
		id := strings.Split(oldKey, "+")[1]
		if code, body := get(t, new(http.Client), "http://"+at.http+"/log/former/"+id); code != http.StatusOK || body != last {
			t.Errorf("the last checkpoint of the old log is %d\n%s, and was\n%s", code, body, last)
		}
	})
	once(t, "fsck", "--config", configuration).must()
}

// Nothing is signed once more over a store that is damaged, with the key of the lost log, or while somebody uses it.
func TestRecoverRefuses(t *testing.T) {
	directory, configuration := founded(t)
	data := filepath.Join(directory, "data")
	var vkey string
	served(t, configuration, func(at addresses, _ creditbankv1.AdminServiceClient) {
		vkey = vkeyOf(t, at)
		once(t, "recover", "--config", configuration, "--old-vkey", vkey).refused(exitFailed, "is in use")
	})
	signer := filepath.Join(directory, "keys/log-signer")
	key, err := os.ReadFile(signer)
	if err != nil {
		t.Fatal(err)
	}
	replaceIn(t, configuration, "test.creditbank.example/log", "test.creditbank.example/log/2", "keys/log-signer", "keys/log-signer-2")
	renamed := strings.Replace(string(key), "test.creditbank.example/log+", "test.creditbank.example/log/2+", 1)
	once(t, "recover", "--config", configuration, "--old-vkey", vkey, "--data.dir", filepath.Join(directory, "none")).
		refused(exitFailed, "there is no store in")
	if _, err := os.Stat(filepath.Join(directory, "none")); err == nil {
		t.Error("it made a store")
	}
	once(t, "recover", "--config", configuration, "--old-vkey", vkey, "--keys.log_signer_file", signer).
		refused(exitUsage, "keys.log_signer_file", "is the key of the log")
	once(t, "recover", "--config", configuration, "--old-vkey", vkey, "--data.anchor_file", filepath.Join(directory, "none")).
		refused(exitFailed, "--last-checkpoint", "--accept-anchor")
	flip(t, data, book.EntryKey(2))
	once(t, "recover", "--config", configuration, "--old-vkey", vkey).refused(exitFailed, "entry 2:", "is damaged, and nothing was changed")
	flip(t, data, book.EntryKey(2))

	// The same key under the new name has an id of its own, which is in its text.
	if _, err := os.Stat(filepath.Join(directory, "keys/log-signer-2")); err != nil {
		t.Fatal(err) // the attempts before made it
	}
	if err := os.WriteFile(filepath.Join(directory, "keys/log-signer-2"), []byte(reidentified(t, renamed)), 0o600); err != nil {
		t.Fatal(err)
	}
	once(t, "recover", "--config", configuration, "--old-vkey", vkey).refused(exitFailed, "the key of the lost log under another name")
}

// reidentified is the key in a text under the name that stands there.
func reidentified(t *testing.T, text string) string {
	t.Helper()
	private, err := notePrivateKey(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return merkle.SignerKey(strings.Split(text, "+")[2], private) + "\n"
}
