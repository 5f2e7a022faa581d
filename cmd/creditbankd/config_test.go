package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/learning-credit-bank/creditbank/api/witness/witnesstest"
)

const exampleFile = "../../deploy/creditbank.example.yaml"

// sound is a configuration without a fault.
const sound = `
bank:
  id: xihu.creditbank.example
  origin: xihu.creditbank.example/log/2026
data:
  dir: /srv/data
  vault_dir: /srv/vault
  anchor_file: /srv/anchor/checkpoint
keys:
  log_signer_file: /srv/keys/log-signer
  vault_keyset_file: /srv/keys/vault-keyset
`

// Keys of a witness, and of a log, which is none.
const (
	vkeyA   = "a.test+8b563730+BMqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58"
	vkeyLog = "xihu.demo.creditbank.example/log+924d3431+AQaK2zh97Yp+zeykpGKH5V/ghgohjAQKA3EfSdvN+KuC"
)

// withWitnesses is a sound configuration but for its witnesses.
func withWitnesses(witnesses string) string { return sound + "witness: {witnesses: " + witnesses + "}" }

// manyWitnesses is a list of different witnesses.
func manyWitnesses(t *testing.T, count int) string {
	t.Helper()
	list := make([]string, count)
	for i := range list {
		w, err := witnesstest.New(fmt.Sprintf("w%d.test", i), byte(i), vkeyLog)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = fmt.Sprintf("{url: https://%s, vkey: %s}", w.Name(), w.VKey())
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "creditbank.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// load reads a configuration and answers its faults as "key: problem".
func load(t *testing.T, content string, environ []string, flags overrides) (*config, []configFault) {
	t.Helper()
	l, err := configured{Config: write(t, content), overrides: flags}.load(environ)
	if err != nil {
		t.Fatal(err)
	}
	return l.config, l.faults
}

// TestEachFault has a line for each thing that can be wrong. What is appended comes on top of a sound configuration, whose
// sections it may name again only if it replaces them.
func TestEachFault(t *testing.T) {
	replace := func(old, by string) string {
		if !strings.Contains(sound, old) {
			t.Fatalf("the sound configuration has no %q", old)
		}
		return strings.Replace(sound, old, by, 1)
	}
	for name, test := range map[string]struct {
		content string
		environ []string
		// key has the fault, and problem is part of its words.
		key, problem string
	}{
		"no bank id":            {replace("  id: xihu.creditbank.example\n", ""), nil, "bank.id", "is missing"},
		"bank id with a space":  {replace("id: xihu.creditbank.example\n", "id: xi hu\n"), nil, "bank.id", "without spaces"},
		"bank id too long":      {replace("id: xihu.creditbank.example\n", "id: "+strings.Repeat("x", 129)+"\n"), nil, "bank.id", "1 to 128"},
		"bank id a number":      {replace("id: xihu.creditbank.example\n", "id: 2026\n"), nil, "bank.id", "put it in quotes"},
		"bank id empty":         {replace("id: xihu.creditbank.example\n", "id: \"\"\n"), nil, "bank.id", "is empty"},
		"bank id null":          {replace("id: xihu.creditbank.example\n", "id:\n"), nil, "bank.id", "is empty"},
		"no origin":             {replace("  origin: xihu.creditbank.example/log/2026\n", ""), nil, "bank.origin", "is missing"},
		"origin with a plus":    {replace("/log/2026", "/log+2026"), nil, "bank.origin", "plus signs"},
		"no data":               {replace("  dir: /srv/data\n", ""), nil, "data.dir", "is missing"},
		"no vault":              {replace("  vault_dir: /srv/vault\n", ""), nil, "data.vault_dir", "is missing"},
		"vault in data":         {replace("/srv/vault", "/srv/data/vault"), nil, "data.vault_dir", "backed up apart"},
		"vault is data":         {replace("/srv/vault", "/srv/./data"), nil, "data.vault_dir", "backed up apart"},
		"data in vault":         {replace("/srv/data", "/srv/vault/data"), nil, "data.dir", "backed up apart"},
		"no anchor":             {replace("  anchor_file: /srv/anchor/checkpoint\n", ""), nil, "data.anchor_file", "is missing"},
		"anchor in data":        {replace("/srv/anchor/checkpoint", "/srv/data/checkpoint"), nil, "data.anchor_file", "restored old copy"},
		"anchor in vault":       {replace("/srv/anchor/checkpoint", "/srv/vault/checkpoint"), nil, "data.anchor_file", "restored old copy"},
		"no log key":            {replace("  log_signer_file: /srv/keys/log-signer\n", ""), nil, "keys.log_signer_file", "is missing"},
		"log key in data":       {replace("/srv/keys/log-signer", "/srv/data/log-signer"), nil, "keys.log_signer_file", "protects nothing that"},
		"no keyset":             {replace("  vault_keyset_file: /srv/keys/vault-keyset\n", ""), nil, "keys.vault_keyset_file", "is missing"},
		"keyset in the vault":   {replace("/srv/keys/vault-keyset", "/srv/vault/keyset"), nil, "keys.vault_keyset_file", "protects nothing that"},
		"token key in data":     {sound + "sign_in: {local: {private_key_file: /srv/data/key, public_key_file: /srv/p}}", nil, "sign_in.local.private_key_file", "protects nothing that"},
		"unknown section":       {sound + "lissten: {grpc: 127.0.0.1:1}", nil, "lissten.grpc", "the sections are bank, data"},
		"unknown key":           {sound + "listen: {grcp: 127.0.0.1:1}", nil, "listen.grcp", "listen.grpc, listen.http"},
		"unknown key below":     {sound + "sign_in: {local: {key: x}}", nil, "sign_in.local.key", "is not known"},
		"section as a value":    {sound + "listen: 127.0.0.1:1", nil, "listen", "is a section"},
		"value as a section":    {sound + "listen: {grpc: {host: x}}", nil, "listen.grpc.host", "is not known"},
		"no port":               {sound + "listen: {grpc: 127.0.0.1}", nil, "listen.grpc", "write host:port"},
		"port is a name":        {sound + "listen: {http: 127.0.0.1:http}", nil, "listen.http", "0 to 65535"},
		"port out of range":     {sound + "listen: {http: 127.0.0.1:65536}", nil, "listen.http", "0 to 65535"},
		"port with a sign":      {sound + "listen: {http: 127.0.0.1:+80}", nil, "listen.http", "0 to 65535"},
		"open without TLS":      {sound + "listen: {grpc: 0.0.0.0:7461}", nil, "listen.grpc", "without TLS"},
		"any address":           {sound + "listen: {admin: \":7490\"}", nil, "listen.admin", "without TLS"},
		"a name without TLS":    {sound + "listen: {http: bank.example:7480}", nil, "listen.http", "without TLS"},
		"one address twice":     {sound + "listen: {http: 127.0.0.1:7461}", nil, "listen.http", "is also listen.grpc"},
		"pprof":                 {sound + "listen: {pprof: maybe}", nil, "listen.pprof", "true or false"},
		"certificate alone":     {sound + "tls: {certificate_file: /srv/c.pem}", nil, "tls.key_file", "name both files"},
		"TLS key alone":         {sound + "tls: {key_file: /srv/k.pem}", nil, "tls.certificate_file", "name both files"},
		"message too small":     {sound + "limits: {message_bytes: 1}", nil, "limits.message_bytes", "whole number from 65536"},
		"no number":             {sound + "limits: {queue: many}", nil, "limits.queue", "whole number"},
		"a fraction":            {sound + "limits: {queue: 1.5}", nil, "limits.queue", "whole number"},
		"no streams":            {sound + "limits: {streams_per_caller: 0}", nil, "limits.streams_per_caller", "from 1"},
		"little in flight":      {sound + "limits: {bytes_in_flight: 9437183}", nil, "limits.bytes_in_flight", "at least 9437184"},
		"hardly a file":         {sound + "limits: {evidence_bytes: 1024}", nil, "limits.evidence_bytes", "from 1048576"},
		"no questions":          {sound + "limits: {resolve_per_minute: -1}", nil, "limits.resolve_per_minute", "from 1"},
		"grace without a unit":  {sound + "shutdown: {grace: 30}", nil, "shutdown.grace", "with its unit"},
		"grace of a day":        {sound + "shutdown: {grace: 24h}", nil, "shutdown.grace", "1h0m0s"},
		"log level":             {sound + "log: {level: loud}", nil, "log.level", "debug, info, warn, error"},
		"log format":            {sound + "log: {format: xml}", nil, "log.format", "text, json"},
		"no vault backup":       {sound + "backup: {dir: /bak/ledger}", nil, "backup.vault_dir", "name both"},
		"no ledger backup":      {sound + "backup: {vault_dir: /bak/vault}", nil, "backup.dir", "name both"},
		"backups in each other": {sound + "backup: {dir: /bak, vault_dir: /bak/vault}", nil, "backup.vault_dir", "different lifetimes"},
		"backups the other way": {sound + "backup: {dir: /bak/v/l, vault_dir: /bak/v}", nil, "backup.dir", "different lifetimes"},
		"backup in the data":    {sound + "backup: {dir: /srv/data/b, vault_dir: /bak/v}", nil, "backup.dir", "takes the backup too"},
		"backup in the vault":   {sound + "backup: {dir: /bak/l, vault_dir: /srv/vault/b}", nil, "backup.vault_dir", "takes the backup too"},
		"token key in a backup": {sound + "backup: {dir: /bak/l, vault_dir: /bak/v}\nsign_in: {local: {private_key_file: /bak/v/key, public_key_file: /srv/p}}", nil, "sign_in.local.private_key_file", "protects nothing that"},
		"backups of an hour":    {sound + "backup: {vault_keep: 1h}", nil, "backup.vault_keep", "from 24h"},
		"half a local issuer":   {sound + "sign_in: {local: {private_key_file: /srv/k}}", nil, "sign_in.local.public_key_file", "does not accept"},
		"issuers no list":       {sound + "sign_in: {issuers: x}", nil, "sign_in.issuers", "is no list"},
		"issuer no map":         {sound + "sign_in: {issuers: [x]}", nil, "sign_in.issuers[0]", "is no issuer"},
		"issuer without name":   {sound + "sign_in: {issuers: [{public_key_file: /p, kinds: [officer]}]}", nil, "sign_in.issuers[0].name", "is missing"},
		"issuer without key":    {sound + "sign_in: {issuers: [{name: a, kinds: [officer]}]}", nil, "sign_in.issuers[0].public_key_file", "is missing"},
		"issuer without kinds":  {sound + "sign_in: {issuers: [{name: a, public_key_file: /p}]}", nil, "sign_in.issuers[0].kinds", "is missing"},
		"issuer of others":      {sound + "sign_in: {issuers: [{name: a, public_key_file: /p, kinds: [dog]}]}", nil, "sign_in.issuers[0].kinds", "officer, resident"},
		"issuer with more":      {sound + "sign_in: {issuers: [{name: a, public_key_file: /p, kinds: [officer], url: x}]}", nil, "sign_in.issuers[0].url", "is not known"},
		"issuer twice":          {sound + "sign_in: {issuers: [{name: a, public_key_file: /p, kinds: [officer]}, {name: a, public_key_file: /q, kinds: [officer]}]}", nil, "sign_in.issuers[1].name", "there twice"},
		"issuer called local":   {sound + "sign_in: {issuers: [{name: local, public_key_file: /p, kinds: [officer]}]}", nil, "sign_in.issuers[0].name", "must have another"},
		"banks no list":         {sound + "inbound: {banks: x}", nil, "inbound.banks", "is no list: begin each bank"},
		"bank without key":      {sound + "inbound: {banks: [{origin: a.test/log}]}", nil, "inbound.banks[0].vkey", "is missing"},
		"bank with a url":       {sound + "inbound: {banks: [{vkey: https://a.test}]}", nil, "inbound.banks[0].vkey", "no key of a log"},
		"bank with more":        {sound + "inbound: {banks: [{vkey: " + vkeyLog + ", name: x}]}", nil, "inbound.banks[0].name", "a bank has vkey and origin"},
		"banks in the air":      {sound + "inbound: {bank: x}", nil, "inbound.bank", "its section has inbound.banks"},
		"witnesses no list":     {withWitnesses("x"), nil, "witness.witnesses", "is no list: begin each witness"},
		"witness no map":        {withWitnesses("[x]"), nil, "witness.witnesses[0]", "is no witness: give url and vkey"},
		"witness nowhere":       {withWitnesses("[{vkey: " + vkeyA + "}]"), nil, "witness.witnesses[0].url", "is missing"},
		"witness without key":   {withWitnesses("[{url: https://a.test}]"), nil, "witness.witnesses[0].vkey", "is missing"},
		"witness elsewhere":     {withWitnesses("[{url: a.test, vkey: " + vkeyA + "}]"), nil, "witness.witnesses[0].url", "submission prefix"},
		"witness with a number": {withWitnesses("[{url: 1, vkey: " + vkeyA + "}]"), nil, "witness.witnesses[0].url", "put it in quotes"},
		"witness with log key":  {withWitnesses("[{url: https://a.test, vkey: " + vkeyLog + "}]"), nil, "witness.witnesses[0].vkey", "no key of a witness"},
		"witness without text":  {withWitnesses("[{url: https://a.test, vkey: ''}]"), nil, "witness.witnesses[0].vkey", "is empty"},
		"witness with more":     {withWitnesses("[{url: https://a.test, vkey: " + vkeyA + ", name: a}]"), nil, "witness.witnesses[0].name", "is not known"},
		"witness twice":         {withWitnesses("[{url: https://a.test, vkey: " + vkeyA + "}, {url: https://b.test, vkey: " + vkeyA + "}]"), nil, "witness.witnesses[1].vkey", "each counts once"},
		"quorum of nobody":      {sound + "witness: {quorum: 1}", nil, "witness.quorum", "there are 0 witnesses"},
		"quorum too large":      {withWitnesses("[{url: https://a.test, vkey: " + vkeyA + "}], quorum: 2"), nil, "witness.quorum", "could ever have so many"},
		"quorum of none":        {withWitnesses("[{url: https://a.test, vkey: " + vkeyA + "}], quorum: 0"), nil, "witness.quorum", "from 1"},
		"too many witnesses":    {withWitnesses(manyWitnesses(t, 16)), nil, "witness.witnesses", "give at most 15"},
		"witness interval":      {sound + "witness: {interval: 1ms}", nil, "witness.interval", "from 100ms"},
		"witness timeout":       {sound + "witness: {timeout: 2m}", nil, "witness.timeout", "to 1m0s"},
		"witnesses as variable": {sound, []string{"CREDITBANK_WITNESS_WITNESSES=x"}, "witness", "CREDITBANK_WITNESS_WITNESSES"},
		"unknown variable":      {sound, []string{"CREDITBANK_LISTEN_GRCP=127.0.0.1:1"}, "listen", "CREDITBANK_LISTEN_GRCP"},
		"bad variable":          {sound, []string{"CREDITBANK_LIMITS_QUEUE=x"}, "limits.queue", "whole number"},
		"variable with no text": {sound, []string{"CREDITBANK_BANK_ID="}, "bank.id", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := load(t, test.content, test.environ, overrides{})
			if len(faults) != 1 || faults[0].key != test.key || !strings.Contains(faults[0].problem, test.problem) {
				t.Fatalf("the faults are %v, want one of %s with %q", faults, test.key, test.problem)
			}
		})
	}
}

func TestSoundConfigurations(t *testing.T) {
	for name, content := range map[string]string{
		"only what is needed": sound,
		"empty sections":      sound + "tls:\nlisten: {}\nsign_in: {issuers: []}\n",
		"no issuers":          sound + "sign_in: {issuers: }\n",
		"open with TLS":       sound + "tls: {certificate_file: /c, key_file: /k}\nlisten: {grpc: 0.0.0.0:1, http: \":2\", admin: bank.example:3}\n",
		"IPv6":                sound + "listen: {grpc: \"[::1]:1\", http: \"localhost:2\", admin: \"[::ffff:127.0.0.1]:3\"}\n",
		"most witnesses":      withWitnesses(manyWitnesses(t, 15) + ", quorum: 15"),
		"no witnesses":        withWitnesses(""),
		"free ports":          sound + "listen: {grpc: 127.0.0.1:0, http: 127.0.0.1:0, admin: 127.0.0.1:0}\n",
		"siblings":            strings.ReplaceAll(sound, "/srv/vault", "/srv/data-vault"),
	} {
		if _, faults := load(t, content, []string{"CREDITBANK_TLS_CA=x", "CREDITBANK_BANK=x", "PATH=/bin"}, overrides{}); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// Where the quorum is left out, more than half have to sign.
func TestQuorumOfTheMost(t *testing.T) {
	for count, want := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 15: 8} {
		if c, faults := load(t, withWitnesses(manyWitnesses(t, count)), nil, overrides{}); len(faults) > 0 || c.witness.quorum != want {
			t.Errorf("of %d witnesses %d sign, want %d; %v", count, c.witness.quorum, want, faults)
		}
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	flag := "127.0.0.1:3"
	c, faults := load(t, sound+"listen: {grpc: 127.0.0.1:1, http: 127.0.0.1:1}\nshutdown: {grace: 5s}\n",
		[]string{"CREDITBANK_LISTEN_GRPC=127.0.0.1:2", "CREDITBANK_LISTEN_HTTP=127.0.0.1:2"}, overrides{ListenHTTP: &flag})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if c.listen.grpc != "127.0.0.1:2" || c.listen.http != flag || c.shutdown.grace != 5*time.Second {
		t.Errorf("gRPC listens at %s, HTTP at %s, grace is %s", c.listen.grpc, c.listen.http, c.shutdown.grace)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	l, err := configured{Config: write(t, "listen: {grpc: x}\nlog: {level: y}\nfoo: 1\nwitness: {quorum: 3, witnesses: [{url: x}, {vkey: y}]}\n")}.load([]string{"CREDITBANK_LIMITS_QUEUE=z"})
	if err != nil {
		t.Fatal(err)
	}
	text := l.err().Error()
	for _, key := range []string{
		"bank.id", "bank.origin", "data.dir", "data.vault_dir", "data.anchor_file", "keys.log_signer_file", "keys.vault_keyset_file",
		"listen.grpc", "log.level", "foo", "witness.witnesses[0].url", "witness.witnesses[0].vkey", "witness.witnesses[1].url",
		"witness.witnesses[1].vkey", "witness.quorum", "limits.queue (CREDITBANK_LIMITS_QUEUE)",
	} {
		if !strings.Contains(text, "\n  "+key) {
			t.Errorf("nothing is said of %s in:\n%s", key, text)
		}
	}
	if !strings.HasPrefix(text, "the configuration has 16 faults:") {
		t.Error(text)
	}
}

func TestUnreadableFiles(t *testing.T) {
	for name, file := range map[string]string{
		"no file":       filepath.Join(t.TempDir(), "none.yaml"),
		"directory":     t.TempDir(),
		"no YAML":       write(t, "bank: [x\n"),
		"a key twice":   write(t, "bank: {id: a, id: b}\n"),
		"not a mapping": write(t, "- a\n"),
	} {
		if _, err := (configured{Config: file}).load(nil); err == nil || !strings.Contains(err.Error(), "--config") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// flatten answers the keys of a YAML file.
func flatten(prefix string, values map[string]any) (keys []string) {
	for key, value := range values {
		if below, ok := value.(map[string]any); ok {
			keys = append(keys, flatten(prefix+key+".", below)...)
		} else {
			keys = append(keys, prefix+key)
		}
	}
	slices.Sort(keys)
	return keys
}

// The table of settings, the flags and the example must have the same keys.
func TestKeysAreTheSameEverywhere(t *testing.T) {
	var known []string
	for _, s := range defaults().settings() {
		known = append(known, s.key)
	}
	slices.Sort(known)
	var flags []string
	for field := range reflect.TypeFor[overrides]().Fields() {
		flags = append(flags, field.Tag.Get("name"))
	}
	slices.Sort(flags)
	if !slices.Equal(known, flags) {
		t.Errorf("the flags are %v\nthe keys are %v", flags, known)
	}
	content, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var example map[string]any
	if err := yaml.Unmarshal(content, &example); err != nil {
		t.Fatal(err)
	}
	if keys := flatten("", example); !slices.Equal(keys, slices.Sorted(slices.Values(append(known, listKeys()...)))) {
		t.Errorf("the example has %v\nthe keys are %v", keys, known)
	}
}

func TestExampleHasNoFaultAndShowsDefaults(t *testing.T) {
	l, err := configured{Config: exampleFile}.load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.err(); err != nil {
		t.Fatal(err)
	}
	usual := defaults()
	if l.config.limits != usual.limits || l.config.shutdown != usual.shutdown || l.config.log != usual.log {
		t.Errorf("the example has %+v, the defaults are %+v", l.config, usual)
	}
	if w, usual := l.config.witness, usual.witness; w.interval != usual.interval || w.timeout != usual.timeout || w.quorum != 2 || len(w.witnesses) != 3 {
		t.Errorf("the example has %+v, the defaults are %+v", w, usual)
	}
	if len(l.config.signIn.issuers) != 1 || !l.config.signIn.issuers[0].officers || !l.config.signIn.issuers[0].residents {
		t.Errorf("the issuers are %+v", l.config.signIn.issuers)
	}
	if _, isConfig := errors.AsType[*configError](l.err()); isConfig {
		t.Error("no fault is an error")
	}
}
