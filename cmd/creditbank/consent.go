package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type consentCommand struct {
	Grant    consentGrantCommand    `cmd:"" help:"Let an institution ask about a record."`
	Withdraw consentWithdrawCommand `cmd:"" help:"Take a consent back, at once."`
	List     consentListCommand     `cmd:"" help:"List the consents of a record, those that were granted last first."`
	Received consentReceivedCommand `cmd:"" help:"List the consents that are granted to the calling institution."`
}

// maxConsentDays is longer than any consent the bank takes.
const maxConsentDays = 2000

type consentGrantCommand struct {
	Institution string   `arg:"" help:"Organization that may ask."`
	Account     string   `placeholder:"ID" help:"Opaque id of the account (32 hex digits); residents leave it out: their own."`
	Purpose     string   `default:"transfer" placeholder:"CODE" help:"What for (${default})."`
	Category    []string `placeholder:"ID" help:"Category that it may see; several times for several. Without these and --entry: all."`
	Entry       []uint64 `placeholder:"N" help:"Item of the record that it may see, by its log entry; several times for several."`
	Days        int      `default:"30" help:"Days after which it ends by itself (${default})."`
	RequestID   string   `placeholder:"UUID" help:"Id of an earlier try, so that it is one consent."`
}

// Run grants the consent.
func (c *consentGrantCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.Days < 1 || c.Days > maxConsentDays {
		return usagef("--days: it is 1 or more, up to three years")
	}
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	request := &creditbankv1.GrantConsentRequest{
		RequestId: id, AccountId: c.Account, Institution: c.Institution, Purpose: c.Purpose, Categories: c.Category, EntryIndexes: c.Entry,
		ExpireTime: timestamppb.New(p.now().Add(time.Duration(c.Days) * 24 * time.Hour).Truncate(time.Second)),
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (*creditbankv1.Consent, error) {
		answer, err := creditbankv1.NewConsentServiceClient(conn).GrantConsent(ctx, request)
		return answer.GetConsent(), err
	}, printConsent)
}

type consentWithdrawCommand struct {
	Consent   uint64 `arg:"" help:"Log entry that granted it, as \"consent list\" shows it."`
	Account   string `placeholder:"ID" help:"Opaque id of the account; residents leave it out: their own."`
	RequestID string `placeholder:"UUID" help:"Id of an earlier try."`
}

// Run withdraws the consent.
func (c *consentWithdrawCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (*creditbankv1.Consent, error) {
		answer, err := creditbankv1.NewConsentServiceClient(conn).WithdrawConsent(ctx, &creditbankv1.WithdrawConsentRequest{RequestId: id, AccountId: c.Account, ConsentId: c.Consent})
		return answer.GetConsent(), err
	}, printConsent)
}

func printConsent(p *process, l language, one *creditbankv1.Consent) {
	printConsents(p, l, []*creditbankv1.Consent{one})
}

type consentListCommand struct {
	Account string `placeholder:"ID" help:"Opaque id of the account; residents leave it out: their own."`
}

// Run lists the consents.
func (c *consentListCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewConsentServiceClient(conn)
	consents, err := pages(func(token string) ([]*creditbankv1.Consent, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListConsents(ctx, &creditbankv1.ListConsentsRequest{AccountId: c.Account, PageSize: 100, PageToken: token})
		return page.GetConsents(), page.GetNextPageToken(), err
	}, 0)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, consents)
	}
	printConsents(p, g.language(p), consents)
	return nil
}

type consentReceivedCommand struct {
	Active  bool   `help:"Only those that hold."`
	Purpose string `placeholder:"CODE" help:"Only those for this purpose."`
}

// Run lists the consents that an institution has.
func (c *consentReceivedCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewConsentServiceClient(conn)
	consents, err := pages(func(token string) ([]*creditbankv1.ReceivedConsent, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListReceivedConsents(ctx, &creditbankv1.ListReceivedConsentsRequest{
			ActiveOnly: c.Active, Purpose: c.Purpose, PageSize: 100, PageToken: token,
		})
		return page.GetConsents(), page.GetNextPageToken(), err
	}, 0)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, consents)
	}
	l := g.language(p)
	t := &table{right: []int{0}}
	t.row(l.say("编号", "consent"), l.say("账号", "account"), l.say("用途", "purpose"), l.say("范围", "may see"), l.say("到期", "ends"), l.say("状态", "state"))
	for _, one := range consents {
		of := one.GetConsent()
		t.row(strconv.FormatUint(of.GetConsentId(), 10), clean(one.GetAccountNumber()), clean(of.GetPurpose()), l.scope(of), when(of.GetExpireTime()),
			l.consentState(of.GetState()))
	}
	t.write(p.stdout)
	return nil
}

func printConsents(p *process, l language, consents []*creditbankv1.Consent) {
	t := &table{right: []int{0}}
	t.row(l.say("编号", "consent"), l.say("机构", "institution"), l.say("用途", "purpose"), l.say("范围", "may see"), l.say("到期", "ends"),
		l.say("状态", "state"), l.say("经办人", "for the resident by"))
	for _, c := range consents {
		t.row(strconv.FormatUint(c.GetConsentId(), 10), clean(c.GetInstitution()), clean(c.GetPurpose()), l.scope(c), when(c.GetExpireTime()),
			l.consentState(c.GetState()), clean(c.GetGrantedBy()))
	}
	t.write(p.stdout)
}

func (l language) scope(c *creditbankv1.Consent) string {
	var parts []string
	for _, category := range c.GetCategories() {
		parts = append(parts, clean(category))
	}
	for _, entry := range c.GetEntryIndexes() {
		parts = append(parts, strconv.FormatUint(entry, 10))
	}
	if len(parts) == 0 {
		return l.say("全部", "all")
	}
	return strings.Join(parts, ", ")
}

func (l language) consentState(s creditbankv1.ConsentState) string {
	switch s {
	case creditbankv1.ConsentState_CONSENT_STATE_ACTIVE:
		return l.say("有效", "active")
	case creditbankv1.ConsentState_CONSENT_STATE_EXPIRED:
		return l.say("已到期", "expired")
	case creditbankv1.ConsentState_CONSENT_STATE_WITHDRAWN:
		return l.say("已撤回", "withdrawn")
	case creditbankv1.ConsentState_CONSENT_STATE_UNSPECIFIED:
		return ""
	default:
		return ""
	}
}
