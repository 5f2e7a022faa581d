package rpc_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// forge makes a token of any header and any claims, signed by sign.
func forge(t *testing.T, header, claims map[string]any, sign func(text []byte) []byte) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(text)))
}

func signer(t *testing.T, key *keyring.PrivateKey) func([]byte) []byte {
	t.Helper()
	return func(text []byte) []byte {
		signature, err := key.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	now, key, id := s.Clock.Now(), s.AuthKey(apitest.Platform), s.AuthKey(apitest.Platform).Public().ID().String()
	header := func(changes ...any) map[string]any {
		return changed(map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": id}, changes)
	}
	claims := func(changes ...any) map[string]any {
		return changed(map[string]any{
			"iss": apitest.Platform, "sub": apitest.Platform, "aud": apitest.BankID,
			"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		}, changes)
	}
	token := func(c map[string]any) string { return forge(t, header(), c, signer(t, key)) }
	organization := func(audience string, key *keyring.PrivateKey, at time.Time) string {
		return ok[string](t)(access.OrganizationToken(audience, unit.OrganizationID(apitest.Platform), key, at))
	}
	revoked := s.AddedKey(apitest.Platform, keyring.Authenticate)
	_, _, err := s.RevokeKey(t.Context(), s.Officer(apitest.Administrator), s.RequestID(), api.Revocation{Key: revoked.Public().ID()})
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]string{
		"good, forged as the library makes it": {"Bearer " + token(claims())},
		"good, in small letters":               {"bearer " + s.PlatformToken(apitest.Platform)},
		"good, five minutes old":               {"Bearer " + organization(apitest.BankID, key, now.Add(-access.MaxOrganizationToken))},

		"expired":                  {"Bearer " + organization(apitest.BankID, key, now.Add(-time.Hour))},
		"issued in the future":     {"Bearer " + organization(apitest.BankID, key, now.Add(time.Hour))},
		"valid for too long":       {"Bearer " + token(claims("exp", now.Add(time.Hour).Unix()))},
		"without exp":              {"Bearer " + token(claims("exp", nil))},
		"without iat":              {"Bearer " + token(claims("iat", nil))},
		"wrong audience":           {"Bearer " + organization("another.bank", key, now)},
		"no audience":              {"Bearer " + token(claims("aud", nil))},
		"another's name":           {"Bearer " + token(claims("iss", apitest.OtherPlatform, "sub", apitest.OtherPlatform))},
		"unknown kid":              {"Bearer " + organization(apitest.BankID, s.NewKey(), now)},
		"no kid":                   {"Bearer " + forge(t, header("kid", nil), claims(), signer(t, key))},
		"kid of another key":       {"Bearer " + forge(t, header("kid", s.AuthKey(apitest.OtherPlatform).Public().ID().String()), claims(), signer(t, key))},
		"key for signing":          {"Bearer " + organization(apitest.BankID, s.SignKey(apitest.Platform), now)},
		"revoked key":              {"Bearer " + organization(apitest.BankID, revoked, now)},
		"signature over other":     {"Bearer " + token(claims()) + "AA"},
		"alg none":                 {"Bearer " + forge(t, header("alg", "none"), claims(), func([]byte) []byte { return nil })},
		"alg none, signed":         {"Bearer " + forge(t, header("alg", "none"), claims(), signer(t, key))},
		"alg of another key":       {"Bearer " + forge(t, header("alg", "ES256"), claims(), signer(t, key))},
		"alg HS256 by public key":  {"Bearer " + forge(t, header("alg", "HS256"), claims(), hmacOf(key.Public().SPKI()))},
		"officer by an own token":  {"Bearer " + token(claims("sub", "officer:"+apitest.Officer, "iss", apitest.Issuer))},
		"officer not in office":    {"Bearer " + s.OfficerToken("somebody")},
		"officer of nobody known":  {"Bearer " + ok[string](t)(access.OfficerToken(apitest.BankID, "elsewhere", apitest.Officer, s.IssuerKey, now, time.Hour))},
		"resident without account": {"Bearer " + ok[string](t)(access.ResidentToken(apitest.BankID, apitest.Issuer, unit.AccountID{}, s.IssuerKey, now, time.Hour))},
		"no token":                 {"Bearer "},
		"another scheme":           {"Basic aGVsbG86d29ybGQ="},
		"no scheme":                {s.PlatformToken(apitest.Platform)},
		"no JWT":                   {"Bearer hello"},
		"too long":                 {"Bearer " + strings.Repeat("a", 5000)},
		"two":                      {"Bearer " + s.PlatformToken(apitest.Platform), "Bearer " + s.PlatformToken(apitest.Platform)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.connect(values...)
			// A method that anyone may call says whether the token held, and nothing else.
			_, err := creditbankv1.NewLedgerServiceClient(conn).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{})
			if strings.HasPrefix(name, "good") {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
		})
	}
	t.Run("none where one is needed", func(t *testing.T) {
		t.Parallel()
		_, err := creditbankv1.NewAccountServiceClient(s.nobody()).GetAccount(t.Context(), &creditbankv1.GetAccountRequest{AccountId: account.ID.String()})
		refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	})
	t.Run("another's account", func(t *testing.T) {
		t.Parallel()
		_, err := creditbankv1.NewAccountServiceClient(s.resident(s.Open())).GetAccount(t.Context(), &creditbankv1.GetAccountRequest{AccountId: account.ID.String()})
		refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	})
}

// changed sets or, for nil, removes keys.
func changed(m map[string]any, changes []any) map[string]any {
	for i := 0; i < len(changes); i += 2 {
		if key := changes[i].(string); changes[i+1] == nil {
			delete(m, key)
		} else {
			m[key] = changes[i+1]
		}
	}
	return m
}

func hmacOf(key []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(text)
		return h.Sum(nil)
	}
}

// A key that is revoked ends the tokens under it at once, also those that were verified before.
func TestRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	client := creditbankv1.NewLedgerServiceClient(s.platform(apitest.Platform))
	ok[*creditbankv1.GetCheckpointResponse](t)(client.GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{}))
	_, _, err := s.RevokeKey(t.Context(), s.Officer(apitest.Administrator), s.RequestID(), api.Revocation{Key: s.AuthKey(apitest.Platform).Public().ID()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{})
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
}
