package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/api/witness"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// config is the configuration of a bank. Every key is described in deploy/creditbank.example.yaml; a test holds the two
// together.
type config struct {
	bank struct {
		id, origin string
	}
	data struct {
		dir, vaultDir, anchorFile string
	}
	keys struct {
		logSignerFile, vaultKeysetFile string
	}
	listen struct {
		grpc, http, admin string
		pprof             bool
	}
	tls struct {
		certificateFile, keyFile string
	}
	limits struct {
		messageBytes, streamsPerCaller, bytesInFlight, queue, resolvePerMinute, evidenceBytes int
	}
	memory struct {
		accounts, ledgerBytes int
	}
	signIn struct {
		local struct {
			privateKeyFile, publicKeyFile string
		}
		issuers []issuerConfig
	}
	backup struct {
		dir, vaultDir string
		vaultKeep     time.Duration
	}
	witness struct {
		quorum            int // 0: more than half of the witnesses
		interval, timeout time.Duration
		witnesses         []witnessConfig
	}
	inbound struct {
		banks []trustedLogConfig
	}
	shutdown struct {
		grace time.Duration
	}
	log struct {
		level, format string
	}
}

// issuerConfig names a sign-in service.
type issuerConfig struct {
	name, publicKeyFile string
	officers, residents bool
}

// withTLS says whether the bank speaks TLS.
func (c *config) withTLS() bool { return c.tls.certificateFile != "" }

func defaults() *config {
	c := new(config)
	c.listen.grpc, c.listen.http, c.listen.admin = "127.0.0.1:7461", "127.0.0.1:7480", "127.0.0.1:7490"
	c.limits.messageBytes = 4 << 20
	c.limits.streamsPerCaller = 64
	c.limits.bytesInFlight = 256 << 20
	c.limits.queue = 4096
	c.limits.resolvePerMinute = 60
	c.limits.evidenceBytes = vault.DefaultEvidenceBytes
	c.memory.accounts = vault.DefaultCacheAccounts
	c.memory.ledgerBytes = pebble.DefaultCacheBytes
	c.backup.vaultKeep = 30 * 24 * time.Hour
	c.witness.interval, c.witness.timeout = witness.DefaultInterval, witness.DefaultTimeout
	c.shutdown.grace = 30 * time.Second
	c.log.level, c.log.format = "info", "json"
	return c
}

// setting is one key: its name in files and flags, and how its value is read. What read answers as an error says what
// value it wants.
type setting struct {
	key  string
	read func(value any) error
}

// The keys that hold lists, and so stand in files only.
const (
	issuersKey   = "sign_in.issuers"
	witnessesKey = "witness.witnesses"
	banksKey     = "inbound.banks"
)

func listKeys() []string { return []string{issuersKey, witnessesKey, banksKey} }

// settings is the table of all keys, bound to c.
func (c *config) settings() []setting {
	return []setting{
		{"bank.id", text(&c.bank.id)},
		{"bank.origin", text(&c.bank.origin)},
		{"data.dir", text(&c.data.dir)},
		{"data.vault_dir", text(&c.data.vaultDir)},
		{"data.anchor_file", text(&c.data.anchorFile)},
		{"keys.log_signer_file", text(&c.keys.logSignerFile)},
		{"keys.vault_keyset_file", text(&c.keys.vaultKeysetFile)},
		{"listen.grpc", text(&c.listen.grpc)},
		{"listen.http", text(&c.listen.http)},
		{"listen.admin", text(&c.listen.admin)},
		{"listen.pprof", truth(&c.listen.pprof)},
		{"tls.certificate_file", text(&c.tls.certificateFile)},
		{"tls.key_file", text(&c.tls.keyFile)},
		{"limits.message_bytes", number(&c.limits.messageBytes, 64<<10, 64<<20)},
		{"limits.streams_per_caller", number(&c.limits.streamsPerCaller, 1, 10_000)},
		{"limits.bytes_in_flight", number(&c.limits.bytesInFlight, 1<<20, 64<<30)},
		{"limits.queue", number(&c.limits.queue, 1, 1_000_000)},
		{"limits.resolve_per_minute", number(&c.limits.resolvePerMinute, 1, 100_000)},
		{"limits.evidence_bytes", number(&c.limits.evidenceBytes, 1<<20, 64<<30)},
		{"memory.accounts", number(&c.memory.accounts, 1<<10, 64<<20)},
		{"memory.ledger_bytes", number(&c.memory.ledgerBytes, 64<<20, 1<<40)},
		{"sign_in.local.private_key_file", text(&c.signIn.local.privateKeyFile)},
		{"sign_in.local.public_key_file", text(&c.signIn.local.publicKeyFile)},
		{"backup.dir", text(&c.backup.dir)},
		{"backup.vault_dir", text(&c.backup.vaultDir)},
		{"backup.vault_keep", duration(&c.backup.vaultKeep, 24*time.Hour, 10*366*24*time.Hour)},
		{"witness.quorum", number(&c.witness.quorum, 1, cosignature.MaxWitnesses)},
		{"witness.interval", duration(&c.witness.interval, 100*time.Millisecond, time.Hour)},
		{"witness.timeout", duration(&c.witness.timeout, 100*time.Millisecond, time.Minute)},
		{"shutdown.grace", duration(&c.shutdown.grace, time.Second, time.Hour)},
		{"log.level", oneOf(&c.log.level, "debug", "info", "warn", "error")},
		{"log.format", oneOf(&c.log.format, "text", "json")},
	}
}

func text(target *string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		switch {
		case !ok:
			return fmt.Errorf("%v is no text: put it in quotes", value)
		case s == "":
			return fmt.Errorf("is empty: give it a value, or leave it out")
		}
		*target = s
		return nil
	}
}

func number(target *int, least, most int) func(any) error {
	return func(value any) error {
		n, ok := value.(int)
		if s, isText := value.(string); isText {
			var err error
			n, err = strconv.Atoi(s)
			ok = err == nil
		}
		if !ok || n < least || n > most {
			return fmt.Errorf("%v is not it: give a whole number from %d to %d", value, least, most)
		}
		*target = n
		return nil
	}
}

func truth(target *bool) func(any) error {
	return func(value any) error {
		b, ok := value.(bool)
		if s, isText := value.(string); isText {
			b, ok = s == "true", s == "true" || s == "false"
		}
		if !ok {
			return fmt.Errorf("%v is not it: give true or false", value)
		}
		*target = b
		return nil
	}
}

func duration(target *time.Duration, least, most time.Duration) func(any) error {
	return func(value any) error {
		s, _ := value.(string)
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > most {
			return fmt.Errorf("%v is not it: give a time from %s to %s with its unit, such as 30s or 5m", value, least, most)
		}
		*target = d
		return nil
	}
}

func oneOf(target *string, words ...string) func(any) error {
	return func(value any) error {
		s, _ := value.(string)
		if !slices.Contains(words, s) {
			return fmt.Errorf("%v is not it: give one of %s", value, strings.Join(words, ", "))
		}
		*target = s
		return nil
	}
}

// overrides are the keys as flags. A test holds them to the table of settings.
type overrides struct {
	BankID          *string `name:"bank.id" placeholder:"ID" group:"configuration" help:"Name of the bank in what partners sign."`
	BankOrigin      *string `name:"bank.origin" placeholder:"NAME" group:"configuration" help:"Name of the log in its checkpoints."`
	DataDir         *string `name:"data.dir" placeholder:"DIR" group:"configuration" help:"The ledger's store."`
	DataVaultDir    *string `name:"data.vault_dir" placeholder:"DIR" group:"configuration" help:"Who residents are."`
	DataAnchorFile  *string `name:"data.anchor_file" placeholder:"FILE" group:"configuration" help:"The last checkpoint that was signed."`
	KeysLogSigner   *string `name:"keys.log_signer_file" placeholder:"FILE" group:"configuration" help:"Key that signs checkpoints."`
	KeysVaultKeyset *string `name:"keys.vault_keyset_file" placeholder:"FILE" group:"configuration" help:"Keys of the vault."`
	ListenGRPC      *string `name:"listen.grpc" placeholder:"HOST:PORT" group:"configuration" help:"Address of gRPC (127.0.0.1:7461)."`
	ListenHTTP      *string `name:"listen.http" placeholder:"HOST:PORT" group:"configuration" help:"Address of pages, checkpoint and tiles (127.0.0.1:7480)."`
	ListenAdmin     *string `name:"listen.admin" placeholder:"HOST:PORT" group:"configuration" help:"Address of metrics (127.0.0.1:7490)."`
	ListenPprof     *string `name:"listen.pprof" placeholder:"BOOL" group:"configuration" help:"Profiles on the admin address (false)."`
	TLSCertificate  *string `name:"tls.certificate_file" placeholder:"FILE" group:"configuration" help:"Certificate (PEM)."`
	TLSKey          *string `name:"tls.key_file" placeholder:"FILE" group:"configuration" help:"Its private key (PEM)."`
	LimitsMessage   *string `name:"limits.message_bytes" placeholder:"BYTES" group:"configuration" help:"Largest request (4194304)."`
	LimitsStreams   *string `name:"limits.streams_per_caller" placeholder:"N" group:"configuration" help:"Calls that one caller may have open (64)."`
	LimitsInFlight  *string `name:"limits.bytes_in_flight" placeholder:"BYTES" group:"configuration" help:"Requests in memory (268435456)."`
	LimitsQueue     *string `name:"limits.queue" placeholder:"N" group:"configuration" help:"Proposals that wait for the writer (4096)."`
	LimitsResolve   *string `name:"limits.resolve_per_minute" placeholder:"N" group:"configuration" help:"Questions for an account by document, per caller (60)."`
	LimitsEvidence  *string `name:"limits.evidence_bytes" placeholder:"BYTES" group:"configuration" help:"Files of evidence of one account, together (209715200)."`
	MemoryAccounts  *string `name:"memory.accounts" placeholder:"N" group:"configuration" help:"Accounts of which keys and standing are kept in memory (262144)."`
	MemoryLedger    *string `name:"memory.ledger_bytes" placeholder:"BYTES" group:"configuration" help:"Cache of the ledger's blocks (536870912)."`
	LocalPrivateKey *string `name:"sign_in.local.private_key_file" placeholder:"FILE" group:"configuration" help:"Key with which \"token\" signs (PEM)."`
	LocalPublicKey  *string `name:"sign_in.local.public_key_file" placeholder:"FILE" group:"configuration" help:"Key that verifies these tokens (PEM)."`
	BackupDir       *string `name:"backup.dir" placeholder:"DIR" group:"configuration" help:"Backups of the ledger."`
	BackupVaultDir  *string `name:"backup.vault_dir" placeholder:"DIR" group:"configuration" help:"Backups of the vault."`
	BackupVaultKeep *string `name:"backup.vault_keep" placeholder:"TIME" group:"configuration" help:"How long a backup of the vault is kept (720h)."`
	WitnessQuorum   *string `name:"witness.quorum" placeholder:"N" group:"configuration" help:"Cosignatures that make a checkpoint witnessed (more than half of the witnesses)."`
	WitnessInterval *string `name:"witness.interval" placeholder:"TIME" group:"configuration" help:"Time from one checkpoint for the witnesses to the next (1s)."`
	WitnessTimeout  *string `name:"witness.timeout" placeholder:"TIME" group:"configuration" help:"Time for a witness to answer (3s)."`
	ShutdownGrace   *string `name:"shutdown.grace" placeholder:"TIME" group:"configuration" help:"Time for requests in flight to finish (30s)."`
	LogLevel        *string `name:"log.level" placeholder:"LEVEL" group:"configuration" help:"debug, info, warn or error (info)."`
	LogFormat       *string `name:"log.format" placeholder:"FORMAT" group:"configuration" help:"text or json (json)."`
}

// set answers the keys that were given as flags.
func (o overrides) set() map[string]string {
	given := make(map[string]string)
	for field, value := range reflect.ValueOf(o).Fields() {
		if flag, ok := reflect.TypeAssert[*string](value); ok && flag != nil {
			given[field.Tag.Get("name")] = *flag
		}
	}
	return given
}

// configured is what commands that need the configuration have in common.
type configured struct {
	Config string `placeholder:"FILE" help:"Configuration file (YAML). Flags win over the environment (CREDITBANK_BANK_ID for bank.id), and the environment over the file."`
	overrides
}

// A configFault is one thing that is wrong with a configuration.
type configFault struct {
	key string
	// from is where the value stands; empty if it stands nowhere.
	from string
	// problem says what is wrong and how to mend it.
	problem string
}

func (f configFault) String() string {
	if f.from == "" {
		return f.key + ": " + f.problem
	}
	return fmt.Sprintf("%s (%s): %s", f.key, f.from, f.problem)
}

// configError is everything that is wrong with a configuration.
type configError struct{ faults []configFault }

func (e *configError) Error() string {
	lines := make([]string, 0, len(e.faults)+1)
	if len(e.faults) == 1 {
		lines = append(lines, "the configuration has a fault:")
	} else {
		lines = append(lines, fmt.Sprintf("the configuration has %d faults:", len(e.faults)))
	}
	for _, f := range e.faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

// loading is a configuration on its way in.
type loading struct {
	config *config
	// from says where each key's value stands.
	from   map[string]string
	faults []configFault
}

func (l *loading) fault(key, format string, args ...any) {
	l.faults = append(l.faults, configFault{key: key, from: l.from[key], problem: fmt.Sprintf(format, args...)})
}

// err is what is wrong so far, in the order of the keys; nil if nothing is.
func (l *loading) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(l.faults, func(a, b configFault) int {
		return cmp.Compare(section(a.key), section(b.key))
	})
	return &configError{l.faults}
}

// load reads the configuration: the file, over it the environment, over that the flags. It collects all faults and
// ends at the first only when the file cannot be read at all.
func (c configured) load(environ []string) (*loading, error) {
	values := koanf.New(".")
	l := &loading{config: defaults(), from: make(map[string]string)}
	if c.Config != "" {
		if err := values.Load(file.Provider(c.Config), yaml.Parser()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("--config: there is no file %s: correct the path, or run \"creditbankd init\" to make it", c.Config)
			}
			if _, isPath := errors.AsType[*fs.PathError](err); isPath {
				return nil, fmt.Errorf("--config: %v", err)
			}
			return nil, fmt.Errorf("--config: %s is not YAML as it is meant here: %v", c.Config, err)
		}
	}
	for key := range values.All() {
		l.from[key] = c.Config
	}
	set := func(key, value, from string) {
		l.from[key] = from
		if err := values.Set(key, value); err != nil {
			l.fault(key, "%v", err)
		}
	}
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(variable, "=")
		if key, ok := l.environmentKey(name); ok {
			set(key, value, name)
		}
	}
	flags := c.set()
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		set(key, flags[key], "--"+key)
	}
	l.read(values)
	l.check()
	return l, nil
}

const environmentPrefix = "CREDITBANK_"

// environmentKey answers the key that a variable of the environment sets. A variable that looks like a key and is none is a
// fault: whoever set it believes that it does something.
func (l *loading) environmentKey(name string) (string, bool) {
	if !strings.HasPrefix(name, environmentPrefix) || name == "CREDITBANK_TLS_CA" { // that one is the client's
		return "", false
	}
	sections := make(map[string]bool)
	for _, s := range l.config.settings() {
		if name == environmentName(s.key) {
			return s.key, true
		}
		sections[section(s.key)] = true
	}
	for prefix := range sections {
		if strings.HasPrefix(name, environmentName(prefix)+"_") {
			l.from[prefix] = name
			l.fault(prefix, "the environment has %s, but there is no such key; %s", name, l.known(prefix))
			delete(l.from, prefix)
		}
	}
	return "", false
}

func environmentName(key string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// section is the first part of a key.
func section(key string) string {
	first, _, _ := strings.Cut(key, ".")
	return first
}

// read fills the configuration with what stands anywhere, and refuses keys that are not known.
func (l *loading) read(values *koanf.Koanf) {
	known := make(map[string]setting)
	sections := make(map[string]bool)
	for _, s := range l.config.settings() {
		known[s.key] = s
		for i, c := range s.key {
			if c == '.' {
				sections[s.key[:i]] = true
			}
		}
	}
	for _, key := range listKeys() {
		sections[section(key)] = true
	}
	all := values.All()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key]
		s, ok := known[key]
		switch {
		case key == issuersKey:
			readList(l, key, "issuer: give name, public_key_file and kinds", value, &l.config.signIn.issuers, (*issuerConfig).read)
		case key == witnessesKey:
			readList(l, key, "witness: give url and vkey", value, &l.config.witness.witnesses, (*witnessConfig).read)
		case key == banksKey:
			readList(l, key, "bank: give vkey, and origin if that is another", value, &l.config.inbound.banks, (*trustedLogConfig).read)
		case sections[key] && isEmpty(value): // a section of which everything is commented out
		case sections[key]:
			l.fault(key, "is a section, not a value; %s", l.known(section(key)))
		case !ok:
			l.fault(key, "is not known; %s", l.known(section(key)))
		case value == nil:
			l.fault(key, "is empty: give it a value, or leave it out")
		default:
			if err := s.read(value); err != nil {
				l.fault(key, "%v", err)
			}
		}
	}
}

func isEmpty(value any) bool {
	m, ok := value.(map[string]any)
	return value == nil || ok && len(m) == 0
}

// known says which keys there are in a section, or which sections there are.
func (l *loading) known(of string) string {
	var keys, sections []string
	for _, s := range l.config.settings() {
		if first := section(s.key); first == of {
			keys = append(keys, s.key)
		} else if !slices.Contains(sections, first) {
			sections = append(sections, first)
		}
	}
	for _, key := range listKeys() {
		if section(key) == of {
			keys = append(keys, key)
		} else if !slices.Contains(sections, section(key)) {
			sections = append(sections, section(key))
		}
	}
	if len(keys) > 0 {
		return "its section has " + strings.Join(keys, ", ")
	}
	return "the sections are " + strings.Join(sections, ", ")
}

// readList reads a list of things with fields. What is one of them, and which fields it has.
func readList[T any](l *loading, list, what string, value any, into *[]T, read func(*T, string, any) error) {
	elements, ok := value.([]any)
	if !ok && value != nil {
		one, _, _ := strings.Cut(what, ":")
		l.fault(list, "is no list: begin each %s with a hyphen", one)
		return
	}
	for i, element := range elements {
		at := fmt.Sprintf("%s[%d]", list, i)
		l.from[at] = l.from[list]
		fields, ok := element.(map[string]any)
		if !ok {
			l.fault(at, "is no %s", what)
			continue
		}
		var one T
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			if err := read(&one, key, fields[key]); err != nil {
				l.from[at+"."+key] = l.from[list]
				l.fault(at+"."+key, "%v", err)
			}
		}
		*into = append(*into, one)
	}
}

func (i *issuerConfig) read(key string, value any) error {
	switch key {
	case "name":
		return text(&i.name)(value)
	case "public_key_file":
		return text(&i.publicKeyFile)(value)
	case "kinds":
		kinds, _ := value.([]any)
		for _, kind := range kinds {
			switch kind {
			case "officer":
				i.officers = true
			case "resident":
				i.residents = true
			default:
				return fmt.Errorf("%v is not it: give officer, resident, or both", kind)
			}
		}
		return nil
	default:
		return fmt.Errorf("is not known; an issuer has name, public_key_file and kinds")
	}
}
