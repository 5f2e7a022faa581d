package access_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	bankID = "bank.test"
	issuer = "https://sign-in.test"
)

func start() time.Time { return time.Date(2026, 6, 15, 2, 0, 0, 0, time.UTC) }

// bytesOf is a source of one byte, over and over: it makes a key of its own for each.
type bytesOf byte

func (b bytesOf) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func newKey(t testing.TB, algorithm keyring.Algorithm, n byte) *keyring.PrivateKey {
	t.Helper()
	key, err := keyring.Generate(algorithm, bytesOf(n))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// directory is what the ledger says, for tests.
type directory struct {
	network
	version  uint64
	keys     map[keyring.KeyID]keyring.Key
	officers map[string]string
}

func (d *directory) Version() uint64 { return d.version }
func (d *directory) Key(id keyring.KeyID) (keyring.Key, bool) {
	k, ok := d.keys[id]
	return k, ok
}

func (d *directory) Roles(organization string) ([]ledgerv1.Role, bool) {
	return []ledgerv1.Role{platform}, organization == "hangxue"
}

func (d *directory) Officer(id string) (string, []ledgerv1.OfficerRole, bool) {
	organization, ok := d.officers[id]
	return organization, []ledgerv1.OfficerRole{certification}, ok
}

// world is an authenticator with keys of all kinds.
type world struct {
	*access.Authenticator
	*directory
	now                                     time.Time
	auth, ecdsa, sign, ghost, ended, signIn *keyring.PrivateKey
	residentsOnly, officersOnly             *keyring.PrivateKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		now:  start(),
		auth: newKey(t, keyring.Ed25519, 1), ecdsa: newKey(t, keyring.ECDSAP256SHA256, 2), sign: newKey(t, keyring.Ed25519, 3),
		ghost: newKey(t, keyring.Ed25519, 4), ended: newKey(t, keyring.Ed25519, 5), signIn: newKey(t, keyring.Ed25519, 6),
		residentsOnly: newKey(t, keyring.Ed25519, 7), officersOnly: newKey(t, keyring.ECDSAP256SHA256, 8),
	}
	w.directory = &directory{version: 1, keys: make(map[keyring.KeyID]keyring.Key), officers: map[string]string{"chen": "town"}}
	add := func(key *keyring.PrivateKey, organization unit.OrganizationID, purpose keyring.Purpose, until time.Time) {
		w.keys[key.Public().ID()] = keyring.Key{
			Public: key.Public(), Organization: organization, Purpose: purpose, ValidFrom: start().Add(-time.Hour), ValidUntil: until,
		}
	}
	add(w.auth, "hangxue", keyring.Authenticate, time.Time{})
	add(w.ecdsa, "hangxue", keyring.Authenticate, time.Time{})
	add(w.sign, "hangxue", keyring.Sign, time.Time{})
	add(w.ghost, "nobody", keyring.Authenticate, time.Time{})
	add(w.ended, "hangxue", keyring.Authenticate, start().Add(time.Minute))
	var err error
	w.Authenticator, err = access.NewAuthenticator(bankID, []access.Issuer{
		{Name: issuer, Key: w.signIn.Public(), Officers: true, Residents: true},
		{Name: issuer, Key: w.residentsOnly.Public(), Residents: true},
		{Name: issuer, Key: w.officersOnly.Public(), Officers: true},
	}, func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// claims are those of a good token of hangxue; nil removes one.
func claims(change map[string]any) map[string]any {
	all := map[string]any{
		"iss": "hangxue", "sub": "hangxue", "aud": bankID, "iat": start().Unix(), "exp": start().Add(5 * time.Minute).Unix(),
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// token signs claims in compact form with any header.
func token(t testing.TB, key *keyring.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": key.Public().ID().String()}
	if key.Public().Algorithm() == keyring.ECDSAP256SHA256 {
		h["alg"] = "ES256"
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	if header == nil {
		signer, err := jose.NewSigner(
			jose.SigningKey{Algorithm: jose.SignatureAlgorithm(h["alg"].(string)), Key: key.Crypto()},
			(&jose.SignerOptions{}).WithHeader("kid", h["kid"]),
		)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	maps.Copy(h, header)
	protected, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString(protected) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature := []byte{}
	switch h["alg"] {
	case "none":
	case "HS256":
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key.Public().SPKI()}, (&jose.SignerOptions{}).WithHeader("kid", h["kid"]))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return compact
	default:
		signature = ed25519.Sign(key.Crypto().(ed25519.PrivateKey), []byte(text))
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestGoodTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := unit.AccountID{1, 2, 3}
	for name, c := range map[string]struct {
		make func() (string, error)
		want access.Caller
	}{
		"organization": {func() (string, error) { return access.OrganizationToken(bankID, "hangxue", w.auth, w.now) }, access.Caller{Kind: access.Organization, Organization: "hangxue"}},
		"ecdsa":        {func() (string, error) { return access.OrganizationToken(bankID, "hangxue", w.ecdsa, w.now) }, access.Caller{Kind: access.Organization, Organization: "hangxue"}},
		"officer": {
			func() (string, error) { return access.OfficerToken(bankID, issuer, "chen", w.signIn, w.now, time.Hour) },
			access.Caller{Kind: access.Officer, Officer: "chen", Organization: "town"},
		},
		"resident": {
			func() (string, error) {
				return access.ResidentToken(bankID, issuer, account, w.residentsOnly, w.now, 100*time.Hour)
			},
			access.Caller{Kind: access.Resident, Account: account},
		},
	} {
		raw, err := c.make()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from memory
			got, err := w.Caller(raw, w.directory)
			if err != nil || got.Kind != c.want.Kind || got.Organization != c.want.Organization || got.Officer != c.want.Officer || got.Account != c.want.Account {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(d time.Duration) int64 { return start().Add(d).Unix() }
	account := unit.AccountID{1}
	officer := map[string]any{"iss": issuer, "sub": "officer:chen"}
	person := func(change map[string]any) map[string]any {
		all := claims(officer)
		maps.Copy(all, change)
		return all
	}
	for name, raw := range map[string]string{
		"empty":                   "",
		"no token":                "abc",
		"two parts":               "e30.e30",
		"long":                    strings.Repeat("a", 5000),
		"expired":                 token(t, w.auth, nil, claims(map[string]any{"iat": at(-5 * time.Minute), "exp": at(-31 * time.Second)})),
		"not yet":                 token(t, w.auth, nil, claims(map[string]any{"iat": at(31 * time.Second), "exp": at(2 * time.Minute)})),
		"not before":              token(t, w.auth, nil, claims(map[string]any{"nbf": at(31 * time.Second)})),
		"older than 5 minutes":    token(t, w.auth, nil, claims(map[string]any{"iat": at(-331 * time.Second), "exp": at(time.Minute)})),
		"valid for too long":      token(t, w.auth, nil, claims(map[string]any{"exp": at(301 * time.Second)})),
		"for ever":                token(t, w.auth, nil, claims(map[string]any{"exp": 1e300})),
		"since ever":              token(t, w.auth, nil, claims(map[string]any{"iat": -1e300})),
		"no iat":                  token(t, w.auth, nil, claims(map[string]any{"iat": nil})),
		"no exp":                  token(t, w.auth, nil, claims(map[string]any{"exp": nil})),
		"another audience":        token(t, w.auth, nil, claims(map[string]any{"aud": "other.bank"})),
		"no audience":             token(t, w.auth, nil, claims(map[string]any{"aud": nil})),
		"another issuer":          token(t, w.auth, nil, claims(map[string]any{"iss": "zhihui"})),
		"no issuer":               token(t, w.auth, nil, claims(map[string]any{"iss": nil})),
		"ES256 of an Ed25519 key": token(t, w.auth, map[string]any{"alg": "ES256"}, claims(nil)),
		"EdDSA of an ECDSA key":   token(t, w.auth, map[string]any{"kid": w.ecdsa.Public().ID().String()}, claims(nil)),
		"HS256":                   token(t, w.auth, map[string]any{"alg": "HS256"}, claims(nil)),
		"none":                    token(t, w.auth, map[string]any{"alg": "none"}, claims(nil)),
		"no kid":                  token(t, w.auth, map[string]any{"kid": ""}, claims(nil)),
		"unknown kid":             token(t, newKey(t, keyring.Ed25519, 99), nil, claims(nil)),
		"another's kid":           token(t, w.auth, map[string]any{"kid": w.sign.Public().ID().String()}, claims(nil)),
		"purpose sign":            token(t, w.sign, nil, claims(nil)),
		"unknown organization":    token(t, w.ghost, nil, claims(map[string]any{"iss": "nobody"})),
		"organization as officer": token(t, w.auth, nil, claims(map[string]any{"sub": "officer:chen", "iss": issuer})),
		"officer not in office":   token(t, w.signIn, nil, person(map[string]any{"sub": "officer:sun"})),
		"officer of no name":      token(t, w.signIn, nil, person(map[string]any{"sub": "officer:"})),
		"no subject":              token(t, w.signIn, nil, person(map[string]any{"sub": nil})),
		"subject of no kind":      token(t, w.signIn, nil, person(map[string]any{"sub": "chen"})),
		"resident of no account":  token(t, w.signIn, nil, person(map[string]any{"sub": "resident:xyz"})),
		"resident of zeros":       token(t, w.signIn, nil, person(map[string]any{"sub": "resident:" + strings.Repeat("0", 32)})),
		"not for officers":        token(t, w.residentsOnly, nil, person(nil)),
		"not for residents":       token(t, w.officersOnly, nil, person(map[string]any{"sub": "resident:" + account.String()})),
		"issuer's other name":     token(t, w.signIn, nil, person(map[string]any{"iss": "https://elsewhere.test"})),
		"person for 13 hours":     token(t, w.signIn, nil, person(map[string]any{"exp": at(13 * time.Hour)})),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := w.Caller(raw, w.directory); !errors.Is(err, access.ErrUnauthenticated) || c.Kind != access.Anonymous {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	good := token(t, w.auth, nil, claims(nil))
	for i := range good {
		changed := good[:i] + string('A'+(good[i]+1)%26) + good[i+1:]
		if changed[i] == good[i] {
			continue
		}
		// The last character of each part has bits that mean nothing.
		if c, err := w.Caller(changed, w.directory); err == nil && i != len(good)-1 {
			t.Errorf("changed at %d: %+v", i, c)
		}
	}
	if _, err := w.Caller(good, w.directory); err != nil {
		t.Error(err)
	}
	if _, err := w.Caller(token(t, w.auth, map[string]any{}, claims(nil)), w.directory); err != nil {
		t.Errorf("the tokens made here do not hold: %v", err)
	}
}

// A token that was seen before is asked again when the directory changed, when it has expired, and when its key has.
func TestMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, short := token(t, w.auth, nil, claims(nil)), token(t, w.ended, nil, claims(nil))
	officer := token(t, w.signIn, nil, claims(map[string]any{"iss": issuer, "sub": "officer:chen", "exp": start().Add(time.Hour).Unix()}))
	for _, raw := range []string{good, short, officer} {
		if _, err := w.Caller(raw, w.directory); err != nil {
			t.Fatal(err)
		}
	}
	w.now = start().Add(2 * time.Minute)
	if _, err := w.Caller(short, w.directory); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("after the key's end: %v", err)
	}
	if _, err := w.Caller(good, w.directory); err != nil {
		t.Errorf("in time: %v", err)
	}
	key := w.keys[w.auth.Public().ID()]
	key.RevokedAt = w.now
	w.keys[w.auth.Public().ID()] = key
	delete(w.officers, "chen")
	w.version++
	for name, raw := range map[string]string{"revoked": good, "removed": officer} {
		if _, err := w.Caller(raw, w.directory); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w = newWorld(t)
	if _, err := w.Caller(good, w.directory); err != nil {
		t.Fatal(err)
	}
	w.now = start().Add(5*time.Minute + 31*time.Second)
	if _, err := w.Caller(good, w.directory); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("expired: %v", err)
	}
}

// No bytes make a caller but those that somebody signed who may.
func FuzzCaller(f *testing.F) {
	w := newWorld(f)
	good := token(f, w.auth, nil, claims(nil))
	for _, seed := range []string{"", good, token(f, w.auth, map[string]any{"alg": "none"}, claims(nil)), good + ".", "{}", `{"payload":"","signatures":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := w.Caller(raw, w.directory)
		if err == nil && (c.Kind != access.Organization || c.Organization != "hangxue") {
			t.Errorf("%+v", c)
		}
		if err != nil && (!errors.Is(err, access.ErrUnauthenticated) || c.Kind != access.Anonymous) {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
