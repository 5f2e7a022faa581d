package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type transferRequestCommand struct {
	Quote     string `arg:"" placeholder:"FILE" help:"The quote, as \"--json transfer quote\" printed it; - for standard input."`
	Number    string `placeholder:"NUMBER" help:"Account number; residents leave it out: their own."`
	RequestID string `placeholder:"UUID" help:"Id of an earlier try, so that it is one request."`
}

const (
	// maxQuoteBytes is how large the file of a quote is at most.
	maxQuoteBytes = 16 << 20
	// maxQuoteLots is how many lots a request can name.
	maxQuoteLots = 500
)

// Run asks for the transfer.
func (c *transferRequestCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	var content []byte
	if c.Quote == "-" {
		content, err = io.ReadAll(io.LimitReader(p.stdin, maxQuoteBytes))
	} else {
		content, err = readAtMost("<quote>", c.Quote, maxQuoteBytes)
	}
	if err != nil {
		return err
	}
	quote := new(creditbankv1.TransferQuote)
	if err := protojson.Unmarshal(content, quote); err != nil {
		return usagef("<quote>: %s is no quote as \"--json transfer quote\" prints it", c.Quote)
	}
	request := &creditbankv1.RequestTransferRequest{
		RequestId: id, AccountNumber: c.Number, Institution: quote.GetInstitution(), Programme: quote.GetProgramme().GetCode(),
		AgreementHash: quote.GetAgreementHash(), QuoteDate: quote.GetQuoteDate(), QuoteDigest: quote.GetDigest(), WithProof: true,
	}
	if len(quote.GetItems()) <= maxQuoteLots {
		for _, item := range quote.GetItems() { // what was learned since changes nothing
			request.Lots = append(request.Lots, item.GetLot())
		}
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (transferAnswer, error) {
		return creditbankv1.NewTransferServiceClient(conn).RequestTransfer(ctx, request)
	}, printChangedTransfer)
}

type transferAcceptCommand struct {
	Transfer  uint64   `arg:"" help:"Id of the transfer."`
	Take      []string `placeholder:"ITEM=N" help:"Take so many thousandths of a credit of an item, counted from 0, and nothing of items that are not named; left out: everything."`
	Note      string   `placeholder:"TEXT" help:"Words for the resident."`
	RequestID string   `placeholder:"UUID" help:"Id of an earlier try, so that it is one acceptance."`
}

// Run accepts the transfer.
func (c *transferAcceptCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	request := &creditbankv1.AcceptTransferRequest{RequestId: id, TransferId: c.Transfer, Note: c.Note, WithProof: true}
	for _, text := range c.Take {
		item, credits, _ := strings.Cut(text, "=")
		place, err := strconv.ParseUint(item, 10, 32)
		amount, failed := strconv.ParseInt(credits, 10, 64)
		if err := errors.Join(err, failed); err != nil {
			return usagef("--take: %q is no item and no amount, such as 0=1500", text)
		}
		request.Take = append(request.Take, &creditbankv1.TransferTake{Item: uint32(place), MilliCredits: amount})
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (transferAnswer, error) {
		return creditbankv1.NewTransferServiceClient(conn).AcceptTransfer(ctx, request)
	}, printChangedTransfer)
}

type transferDeclineCommand struct {
	Transfer  uint64 `arg:"" help:"Id of the transfer."`
	Reason    string `required:"" enum:"PROGRAMME_FULL,NOT_ENROLLED,ALREADY_RECOGNISED,EVIDENCE_INSUFFICIENT,OTHER" help:"Why: ${enum}."`
	Note      string `placeholder:"TEXT" help:"Words for the resident; needed with OTHER."`
	RequestID string `placeholder:"UUID" help:"Id of an earlier try."`
}

// Run declines the transfer.
func (c *transferDeclineCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (transferAnswer, error) {
		return creditbankv1.NewTransferServiceClient(conn).DeclineTransfer(ctx, &creditbankv1.DeclineTransferRequest{
			RequestId: id, TransferId: c.Transfer, ReasonCode: c.Reason, Note: c.Note, WithProof: true,
		})
	}, printChangedTransfer)
}

type transferWithdrawCommand struct {
	Transfer  uint64 `arg:"" help:"Id of the transfer."`
	RequestID string `placeholder:"UUID" help:"Id of an earlier try."`
}

// Run withdraws the transfer.
func (c *transferWithdrawCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (transferAnswer, error) {
		return creditbankv1.NewTransferServiceClient(conn).WithdrawTransfer(ctx, &creditbankv1.WithdrawTransferRequest{RequestId: id, TransferId: c.Transfer, WithProof: true})
	}, printChangedTransfer)
}

// transferAnswer is what all changes of a transfer answer.
type transferAnswer interface {
	proto.Message
	GetTransfer() *creditbankv1.Transfer
	GetBalance() *creditbankv1.TransferBalance
	GetProof() *creditbankv1.TransferProof
}

// printChangedTransfer says how a transfer stands after a change of it.
func printChangedTransfer(p *process, l language, answer transferAnswer) {
	printTransfer(p, l, answer.GetTransfer())
	t := &table{}
	t.row(l.say("本专业累计", "programme so far"), l.credits(answer.GetBalance().GetProgrammeMilliCredits()))
	if totals := answer.GetBalance().GetTotals(); totals != nil {
		t.row(l.say("可用", "available"), l.credits(totals.GetAvailableMilliCredits()))
		t.row(l.say("预留", "reserved"), l.credits(totals.GetReservedMilliCredits()))
		t.row(l.say("已转换", "transferred"), l.credits(totals.GetTransferredMilliCredits()))
	}
	t.row(l.say("账本条目", "entry"), fmt.Sprint(answer.GetProof().GetEntryIndex()))
	t.write(p.stdout)
}

// transferStatus says where a transfer stands.
func (l language) transferStatus(status ledgerv1.HoldStatus) string {
	switch status {
	case ledgerv1.HoldStatus_HOLD_STATUS_HELD:
		return l.say("等待院校答复", "waits for the institution")
	case ledgerv1.HoldStatus_HOLD_STATUS_POSTED:
		return l.say("已接受", "accepted")
	case ledgerv1.HoldStatus_HOLD_STATUS_DECLINED:
		return l.say("未接受", "declined")
	case ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN:
		return l.say("已撤回", "withdrawn")
	case ledgerv1.HoldStatus_HOLD_STATUS_REVERSED:
		return l.say("因学分被撤销而取消", "undone, since credits were taken back")
	case ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED:
		return l.say("逾期未答复", "lapsed")
	default:
		return clean(status.String())
	}
}

type transferListCommand struct {
	Account string `placeholder:"ID" help:"Opaque id of the account (32 hex digits), for officers; residents and institutions leave it out."`
	Status  string `enum:",held,posted,declined,withdrawn,reversed,expired" default:"" help:"Only those that are held, posted, declined, withdrawn, reversed or expired."`
	Limit   int    `default:"50" help:"Most transfers; 0: all (${default})."`
}

// Run lists transfers.
func (c *transferListCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.Limit < 0 {
		return usagef("--limit: it is 0 or more")
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewTransferServiceClient(conn)
	status := ledgerv1.HoldStatus(ledgerv1.HoldStatus_value["HOLD_STATUS_"+strings.ToUpper(c.Status)])
	all, err := pages(func(token string) ([]*creditbankv1.Transfer, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{AccountId: c.Account, Status: status, PageToken: token})
		return page.GetTransfers(), page.GetNextPageToken(), err
	}, c.Limit)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, all)
	}
	l := g.language(p)
	t := &table{right: []int{0, 4, 5}}
	t.row(l.say("编号", "transfer"), l.say("状态", "state"), l.say("院校", "institution"), l.say("专业", "programme"),
		l.say("申请", "asked"), l.say("接受", "taken"))
	for _, one := range all {
		t.row(fmt.Sprint(one.GetTransferId()), l.transferStatus(one.GetStatus()), clean(one.GetInstitutionName()), clean(one.GetProgramme()),
			l.credits(one.GetHeldMilliCredits()), l.credits(one.GetTakenMilliCredits()))
	}
	t.write(p.stdout)
	return nil
}

type transferShowCommand struct {
	Transfer uint64 `arg:"" help:"Id of the transfer."`
}

// Run shows the transfer.
func (c *transferShowCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	one, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewTransferServiceClient(conn).GetTransfer(one, &creditbankv1.GetTransferRequest{TransferId: c.Transfer})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer.GetTransfer())
	}
	printTransfer(p, g.language(p), answer.GetTransfer())
	return nil
}

// printTransfer shows a transfer, lot by lot.
func printTransfer(p *process, l language, one *creditbankv1.Transfer) {
	t := &table{}
	t.row(l.say("学分转换", "transfer"), fmt.Sprint(one.GetTransferId())+", "+l.transferStatus(one.GetStatus()))
	t.row(l.say("院校", "institution"), clean(one.GetInstitutionName()))
	t.row(l.say("专业", "programme"), clean(l.text(one.GetProgrammeName()))+" ("+clean(one.GetProgramme())+")")
	if one.GetStatus() == ledgerv1.HoldStatus_HOLD_STATUS_HELD {
		t.row(l.say("答复期限", "until"), when(one.GetExpireTime()))
	} else {
		t.row(l.say("结束", "ended"), when(one.GetEndTime()))
	}
	if one.GetReasonCode()+one.GetNote() != "" {
		t.row(l.say("答复", "they say"), strings.TrimSpace(clean(one.GetReasonCode())+" "+clean(one.GetNote())))
	}
	t.write(p.stdout)
	t = &table{right: []int{0, 3, 4, 5, 6}}
	t.row(l.say("项", "item"), l.say("类别", "category"), l.say("内容", "what"), l.say("申请", "asked"), l.say("可得", "gives"),
		l.say("接受", "taken"), l.say("所得", "gave"))
	for i, item := range one.GetItems() {
		what := clean(item.GetTitle())
		if item.GetCourse() != "" {
			what = strings.TrimSpace(what + " → " + clean(item.GetCourse()))
		}
		if item.GetClawedBack() {
			what += l.say("（后被撤销）", " (taken back later)")
		}
		t.row(fmt.Sprint(i), clean(item.GetCategory()), what, l.credits(item.GetMilliCredits()), l.credits(item.GetGrantedMilliCredits()),
			l.credits(item.GetTakenMilliCredits()), l.credits(item.GetTakenGrantedMilliCredits()))
	}
	t.row("", l.say("合计", "all"), "", l.credits(one.GetHeldMilliCredits()), l.credits(one.GetGrantedMilliCredits()),
		l.credits(one.GetTakenMilliCredits()), l.credits(one.GetTakenGrantedMilliCredits()))
	t.write(p.stdout)
}

type transferBundleCommand struct {
	Transfer uint64 `arg:"" help:"Id of the transfer."`
	Out      string `required:"" placeholder:"FILE" help:"File to write; one that is there is not written over."`
}

// Run saves the bundle.
func (c *transferBundleCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	one, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewTransferServiceClient(conn).GetTransferBundle(one, &creditbankv1.GetTransferBundleRequest{TransferId: c.Transfer})
	if err != nil {
		return err
	}
	saved, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usagef("--out: %v", err)
	}
	_, err = saved.Write(answer.GetBundle())
	if closing := saved.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	fmt.Fprintf(p.stdout, g.language(p).say("已保存 %s，%d 字节。\n", "Saved %s, %d bytes.\n"), c.Out, len(answer.GetBundle()))
	return nil
}
