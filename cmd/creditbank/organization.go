package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type organizationCommand struct {
	Change organizationChangeCommand `cmd:"" help:"Change the trust in an organization or its roles, suspend, reinstate or end it."`
}

type organizationChangeCommand struct {
	ID     string   `arg:"" help:"The organization."`
	Change string   `arg:"" enum:"trust,roles,suspended,reinstated,ended" help:"What happens: trust, roles, suspended, reinstated or ended."`
	Trust  int32    `placeholder:"N" help:"For trust: in what it posts, 1 (new) to 5 (proven)."`
	Role   []string `placeholder:"ROLE" help:"For roles: what it does from now on: platform, provider, certifier, acceptor or auditor."`
	From   string   `placeholder:"DAY" help:"For suspended and reinstated: the first day, YYYY-MM-DD."`
	Until  string   `placeholder:"DAY" help:"For suspended (without it: no end) and ended: the last day."`
	Reason string   `required:"" placeholder:"CODE" help:"Why: QUALITY, FRAUD, OWN_WISH, CORRECTED, or OTHER with --why."`
	Why    string   `placeholder:"TEXT" help:"Why, for people; names nobody."`
}

// Run changes it.
func (c *organizationChangeCommand) Run(ctx context.Context, g *globals, p *process) error {
	roles := make([]ledgerv1.Role, len(c.Role))
	for i, name := range c.Role {
		role, ok := ledgerv1.Role_value["ROLE_"+strings.ToUpper(name)]
		if !ok || role == 0 {
			return usagef("--role: %q is none of platform, provider, certifier, acceptor and auditor", name)
		}
		roles[i] = ledgerv1.Role(role)
	}
	answer, err := asked(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.ChangeOrganizationResponse, error) {
		return creditbankv1.NewApplicationServiceClient(conn).ChangeOrganization(ctx, &creditbankv1.ChangeOrganizationRequest{
			RequestId: id, Organization: c.ID, TrustTier: c.Trust, Roles: roles, From: c.From, Until: c.Until, ReasonCode: c.Reason, Reason: c.Why,
			Change: ledgerv1.OrganizationChange(ledgerv1.OrganizationChange_value["ORGANIZATION_CHANGE_"+strings.ToUpper(c.Change)]),
		})
	})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	fmt.Fprintf(p.stdout, g.language(p).say("已记入账本第 %d 条。\n", "Recorded by entry %d.\n"), answer.GetEntryIndex())
	return nil
}
