package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// consentedDays is for how many days residents of a demo let institutions ask.
const consentedDays = 90

// institution is an accepting institution with its keys.
type institution struct {
	district.Acceptor
	sign, authenticate keyFile
}

// institutionKeys writes the keys of the accepting institutions to files, for scripts that ask in their name.
func (s *show) institutionKeys() error {
	directory := filepath.Join(s.directory, "institutions")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("--data: %v", err)
	}
	for _, a := range district.Acceptors() {
		one := institution{Acceptor: a}
		for purpose, to := range map[keyring.Purpose]*keyFile{keyring.Sign: &one.sign, keyring.Authenticate: &one.authenticate} {
			key, err := s.district.AcceptorKey(a, purpose)
			if err != nil {
				return err
			}
			text, err := key.MarshalPEM()
			if err != nil {
				return err
			}
			*to = keyFile{key, filepath.Join(directory, a.ID+"."+purpose.String()+".pem")}
			if err := replaceFile(to.file, text); err != nil {
				return err
			}
		}
		s.institutions = append(s.institutions, one)
	}
	return nil
}

// agree registers the accepting institutions, has them sign and publish what they take over, and some residents let them ask.
func (s *show) agree(ctx context.Context) error {
	admin, by := creditbankv1.NewAdminServiceClient(s.conn), s.as("administrator-1")
	agreements, consents := creditbankv1.NewAgreementServiceClient(s.conn), creditbankv1.NewConsentServiceClient(s.conn)
	for i, a := range s.institutions {
		_, err := admin.RegisterOrganization(ctx, &creditbankv1.RegisterOrganizationRequest{
			RequestId: s.district.RequestID("acceptor", i),
			Organization: &creditbankv1.Organization{
				OrganizationId: a.ID, Name: a.Name, Code: a.Code, Parent: a.Parent, Roles: a.Roles, TrustTier: int32(a.TrustTier),
			},
		}, by)
		if err != nil {
			return err
		}
		for k, purpose := range []keyring.Purpose{keyring.Sign, keyring.Authenticate} {
			key := []keyFile{a.sign, a.authenticate}[k]
			if err := s.addKey(ctx, s.district.RequestID("acceptor key", 2*i+k), a.ID, key, purpose); err != nil {
				return err
			}
		}
		signature, err := a.sign.Sign(keyring.AgreementText(demoBankID, unit.OrganizationID(a.ID), a.sign.Public().ID(), sha256.Sum256(a.Agreement)))
		if err != nil {
			return err
		}
		_, err = agreements.PublishAgreement(ctx, &creditbankv1.PublishAgreementRequest{
			RequestId: s.district.RequestID("agreement", i), Yaml: a.Agreement, KeyId: a.sign.Public().ID().String(), Signature: signature,
		}, s.asOrganization(a.ID, a.authenticate))
		if err != nil {
			return err
		}
		for k := range s.persons[:min(a.Consents, s.district.Listed())] {
			if err := s.consent(ctx, consents, &s.persons[k], a.ID, s.district.RequestID("consent", 100*i+k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// consent has a registrar grant an institution what a resident wants, once: the resident asks whether it is there, since each try of
// an officer is noted in the journal of the account.
func (s *show) consent(
	ctx context.Context, client creditbankv1.ConsentServiceClient, of *person, institution, request string,
) error {
	token, err := s.token(of)
	if err != nil {
		return err
	}
	known, err := client.ListConsents(ctx, &creditbankv1.ListConsentsRequest{}, grpc.PerRPCCredentials(bearer(token)))
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known.GetConsents(), func(c *creditbankv1.Consent) bool { return c.GetInstitution() == institution }) {
		return nil
	}
	_, err = client.GrantConsent(ctx, &creditbankv1.GrantConsentRequest{
		RequestId: request, AccountId: of.account.String(), Institution: institution, Purpose: "transfer",
		ExpireTime: timestamppb.New(s.district.Day.AddDate(0, 0, consentedDays)),
	}, s.as("registrar-1"))
	return err
}
