package access

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Lifetimes of tokens.
const (
	// MaxOrganizationToken is how old the token of an organization may be.
	MaxOrganizationToken = 5 * time.Minute
	// MaxPersonToken is how long the token of an officer or a resident may be valid.
	MaxPersonToken = 12 * time.Hour
	// leeway is how far the clocks of the two sides may differ.
	leeway = 30 * time.Second
	// maxTokenBytes is the length of the longest token.
	maxTokenBytes = 4096
	// cachedTokens is how many verified tokens are remembered.
	cachedTokens = 4096
)

// LocalIssuer is the "iss" of the tokens that are made on the bank's own machine ("creditbankd token"). No sign-in service
// may have the same.
const LocalIssuer = "local"

// Prefixes of the subject of a token of a sign-in service.
const (
	officerSubject  = "officer:"
	residentSubject = "resident:"
)

// Directory is what the ledger says about those who call.
type Directory interface {
	Network
	// Version changes with everything that the other methods answer.
	Version() uint64
	// Key answers a registered key.
	Key(id keyring.KeyID) (keyring.Key, bool)
	// Roles answers what an organization does.
	Roles(organization string) ([]ledgerv1.Role, bool)
	// Officer answers where an officer in office acts, and what they may do.
	Officer(id string) (organization string, offices []ledgerv1.OfficerRole, ok bool)
}

// Issuer is a sign-in service that the bank trusts to say who a person is.
type Issuer struct {
	// Name is the "iss" of its tokens.
	Name string
	// Key verifies them.
	Key *keyring.PublicKey
	// Officers and Residents say whom it may speak for.
	Officers, Residents bool
}

// Authenticator verifies tokens. It is safe for concurrent use.
type Authenticator struct {
	bankID  string
	issuers map[keyring.KeyID]Issuer
	now     func() time.Time
	known   *lru.Cache[[sha256.Size]byte, verified]
}

// verified is a token that was verified against one version of the directory.
type verified struct {
	caller  Caller
	version uint64
	expires time.Time
}

// NewAuthenticator verifies tokens for a bank. Issuers may be none.
func NewAuthenticator(bankID string, issuers []Issuer, now func() time.Time) (*Authenticator, error) {
	known, err := lru.New[[sha256.Size]byte, verified](cachedTokens)
	if err != nil {
		return nil, fmt.Errorf("access: %v", err)
	}
	a := &Authenticator{bankID: bankID, issuers: make(map[keyring.KeyID]Issuer), now: now, known: known}
	for _, issuer := range issuers {
		a.issuers[issuer.Key.ID()] = issuer
	}
	return a, nil
}

// Caller answers whose token it is, or ErrUnauthenticated. A token that was verified once is answered from memory until
// it expires or the directory changes.
func (a *Authenticator) Caller(token string, directory Directory) (Caller, error) {
	if len(token) > maxTokenBytes {
		return Caller{}, fmt.Errorf("%w: the token is longer than %d bytes", ErrUnauthenticated, maxTokenBytes)
	}
	now, sum := a.now(), sha256.Sum256([]byte(token))
	if v, ok := a.known.Get(sum); ok && v.version == directory.Version() && now.Before(v.expires) {
		return v.caller, nil
	}
	caller, expires, err := a.verify(token, directory, now)
	if err != nil {
		return Caller{}, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	a.known.Add(sum, verified{caller: caller, version: directory.Version(), expires: expires})
	return caller, nil
}

func (a *Authenticator) verify(token string, directory Directory, now time.Time) (Caller, time.Time, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		return Caller{}, time.Time{}, fmt.Errorf("the token is no JWT signed with EdDSA or ES256")
	}
	id, err := keyring.ParseKeyID(parsed.Headers[0].KeyID)
	if err != nil {
		return Caller{}, time.Time{}, fmt.Errorf("the token's kid is no key id: %w", err)
	}
	if issuer, ok := a.issuers[id]; ok {
		return a.person(parsed, issuer, directory, now)
	}
	return a.organization(parsed, id, directory, now)
}

// claims verifies signature, audience and times, whoever signed.
func (a *Authenticator) claims(
	parsed *jwt.JSONWebToken, key *keyring.PublicKey, issuer string, longest time.Duration, now time.Time,
) (jwt.Claims, error) {
	var claims jwt.Claims
	if parsed.Headers[0].Algorithm != algorithm(key) {
		return claims, fmt.Errorf("the token's alg is not that of its key")
	}
	if err := parsed.Claims(key.Crypto(), &claims); err != nil {
		return claims, fmt.Errorf("the token's signature does not fit its key")
	}
	if claims.IssuedAt == nil || claims.Expiry == nil {
		return claims, fmt.Errorf("the token lacks iat or exp")
	}
	expected := jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{a.bankID}, Time: now}
	if err := claims.ValidateWithLeeway(expected, leeway); err != nil {
		return claims, fmt.Errorf("the token does not hold: %v", err)
	}
	if claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > longest || now.Sub(claims.IssuedAt.Time()) > longest+leeway {
		return claims, fmt.Errorf("the token is older, or valid for longer, than %s", longest)
	}
	return claims, nil
}

func (a *Authenticator) organization(
	parsed *jwt.JSONWebToken, id keyring.KeyID, directory Directory, now time.Time,
) (Caller, time.Time, error) {
	key, ok := directory.Key(id)
	if !ok {
		return Caller{}, time.Time{}, fmt.Errorf("the token's key is not registered")
	}
	claims, err := a.claims(parsed, key.Public, string(key.Organization), MaxOrganizationToken, now)
	if err != nil {
		return Caller{}, time.Time{}, err
	}
	if err := key.Check(key.Organization, keyring.Authenticate, now); err != nil {
		return Caller{}, time.Time{}, err
	}
	roles, ok := directory.Roles(string(key.Organization))
	if !ok {
		return Caller{}, time.Time{}, fmt.Errorf("the token's organization is not registered")
	}
	caller := Caller{Kind: Organization, Organization: string(key.Organization), Roles: roles, KeyID: id[:]}
	expires := claims.Expiry.Time().Add(leeway)
	if until := key.ValidUntil; !until.IsZero() && until.Before(expires) {
		expires = until // the key's own end changes no directory
	}
	return caller, expires, nil
}

func (a *Authenticator) person(
	parsed *jwt.JSONWebToken, issuer Issuer, directory Directory, now time.Time,
) (Caller, time.Time, error) {
	claims, err := a.claims(parsed, issuer.Key, issuer.Name, MaxPersonToken, now)
	if err != nil {
		return Caller{}, time.Time{}, err
	}
	expires := claims.Expiry.Time().Add(leeway)
	if id, ok := strings.CutPrefix(claims.Subject, officerSubject); ok && issuer.Officers {
		organization, offices, ok := directory.Officer(id)
		if !ok {
			return Caller{}, time.Time{}, fmt.Errorf("the token's officer is not in office")
		}
		return Caller{Kind: Officer, Officer: id, Organization: organization, Offices: offices}, expires, nil
	}
	if id, ok := strings.CutPrefix(claims.Subject, residentSubject); ok && issuer.Residents {
		account, err := unit.ParseAccountID(id)
		if err != nil {
			return Caller{}, time.Time{}, fmt.Errorf("the token's subject names no account")
		}
		return Caller{Kind: Resident, Account: account}, expires, nil
	}
	return Caller{}, time.Time{}, fmt.Errorf("the sign-in service may not speak for this subject")
}

func algorithm(key *keyring.PublicKey) string {
	if key.Algorithm() == keyring.ECDSAP256SHA256 {
		return string(jose.ES256)
	}
	return string(jose.EdDSA)
}

// OrganizationToken makes a token with which an organization calls a bank.
func OrganizationToken(bankID string, organization unit.OrganizationID, key *keyring.PrivateKey, now time.Time) (string, error) {
	return sign(key, jwt.Claims{
		Issuer: string(organization), Subject: string(organization), Audience: jwt.Audience{bankID},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(MaxOrganizationToken)),
	})
}

// OfficerToken makes a token with which a sign-in service lets an officer call a bank.
func OfficerToken(bankID, issuer, officer string, key *keyring.PrivateKey, now time.Time, lifetime time.Duration) (string, error) {
	return personToken(bankID, issuer, officerSubject+officer, key, now, lifetime)
}

// ResidentToken makes a token with which a sign-in service lets the holder of an account call a bank.
func ResidentToken(
	bankID, issuer string, account unit.AccountID, key *keyring.PrivateKey, now time.Time, lifetime time.Duration,
) (string, error) {
	return personToken(bankID, issuer, residentSubject+account.String(), key, now, lifetime)
}

func personToken(
	bankID, issuer, subject string, key *keyring.PrivateKey, now time.Time, lifetime time.Duration,
) (string, error) {
	return sign(key, jwt.Claims{
		Issuer: issuer, Subject: subject, Audience: jwt.Audience{bankID},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(min(lifetime, MaxPersonToken))),
	})
}

func sign(key *keyring.PrivateKey, claims jwt.Claims) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm(key.Public())), Key: key.Crypto()},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", key.Public().ID().String()),
	)
	if err != nil {
		return "", fmt.Errorf("access: %v", err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("access: %v", err)
	}
	return token, nil
}
