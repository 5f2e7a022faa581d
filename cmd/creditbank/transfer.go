package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type transferCommand struct {
	Quote    transferQuoteCommand    `cmd:"" help:"Ask what an institution would take over of a record, and why."`
	Request  transferRequestCommand  `cmd:"" help:"Ask an institution to take over what a quote says."`
	Accept   transferAcceptCommand   `cmd:"" help:"As the institution: take it over, in whole or in part."`
	Decline  transferDeclineCommand  `cmd:"" help:"As the institution: decline it."`
	Withdraw transferWithdrawCommand `cmd:"" help:"As the resident: take the request back, before it is answered."`
	List     transferListCommand     `cmd:"" help:"List transfers, newest first."`
	Show     transferShowCommand     `cmd:"" help:"Show a transfer, lot by lot."`
	Bundle   transferBundleCommand   `cmd:"" help:"Save what was taken over as one file, which \"verify-bundle\" checks without the bank."`
}

type transferQuoteCommand struct {
	Programme   string   `arg:"" help:"Programme, as the agreement names it."`
	Institution string   `placeholder:"ID" help:"Organization that accepts; institutions leave it out: themselves."`
	Number      string   `placeholder:"NUMBER" help:"Account number; residents leave it out: their own."`
	Agreement   string   `placeholder:"ID" help:"Agreement, where several have the programme."`
	Lot         []string `placeholder:"ENTRY[/N]" help:"Only this lot: the log entry that made it, and its position there (0); several times for several."`
}

// Run asks for the quote.
func (c *transferQuoteCommand) Run(ctx context.Context, g *globals, p *process) error {
	request := &creditbankv1.QuoteTransferRequest{
		AccountNumber: c.Number, Institution: c.Institution, Programme: c.Programme, AgreementId: c.Agreement,
	}
	for _, lot := range c.Lot {
		entry, position, _ := strings.Cut(lot, "/")
		if position == "" {
			position = "0"
		}
		index, err := strconv.ParseUint(entry, 10, 64)
		at, failed := strconv.ParseUint(position, 10, 32)
		if err != nil || failed != nil {
			return usagef("--lot: %q is no lot such as 1234 or 1234/1", lot)
		}
		request.Lots = append(request.Lots, &creditbankv1.LotName{EntryIndex: index, Position: uint32(at)})
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewTransferServiceClient(conn).QuoteTransfer(ctx, request)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer.GetQuote())
	}
	printQuote(p, g.language(p), answer.GetQuote())
	return nil
}

func printQuote(p *process, l language, q *creditbankv1.TransferQuote) {
	fmt.Fprintf(p.stdout, l.say("%s %s：%s（%s）\n", "%s %s: %s (%s)\n"), clean(q.GetAgreementId()), clean(q.GetVersion()),
		l.text(q.GetProgramme().GetName()), clean(q.GetProgramme().GetCode()))
	fmt.Fprintf(p.stdout, l.say("可用 %s，转出 %s，计入 %s；%s\n", "%s available, %s taken, %s given; credits are %s\n"),
		l.credits(q.GetAvailableMilliCredits()), l.credits(q.GetTakenMilliCredits()), l.credits(q.GetGivenMilliCredits()), l.use(q.GetConsumes()))
	fmt.Fprintf(p.stdout, l.say("报价 %s，%s 之前（含）有效\n\n", "quote %s, honoured until the end of %s\n\n"), clean(q.GetDigest()), clean(q.GetValidUntil()))
	t := &table{right: []int{0, 3, 4}}
	t.row(l.say("批次", "lot"), l.say("课程", "course"), l.say("结果", "outcome"), l.say("转出", "taken"), l.say("计入", "given"), l.say("最迟", "until"))
	for _, item := range q.GetItems() {
		course := clean(item.GetCourseTitle())
		if course == "" {
			course = clean(item.GetCategory())
		}
		if item.GetCountsAs() != "" {
			course += " → " + clean(item.GetCountsAs()) + " " + l.text(item.GetCountsAsName())
		}
		t.row(fmt.Sprintf("%d/%d", item.GetLot().GetEntryIndex(), item.GetLot().GetPosition()), course, l.quoteOutcome(item.GetOutcome()),
			l.credits(item.GetTakenMilliCredits()), l.credits(item.GetGivenMilliCredits()), clean(item.GetUsableUntil()))
		for _, r := range item.GetReasons() {
			t.note(l.text(r.GetWords()))
		}
	}
	t.write(p.stdout)
}

func (l language) quoteOutcome(o creditbankv1.QuoteOutcome) string {
	switch o {
	case creditbankv1.QuoteOutcome_QUOTE_OUTCOME_ACCEPTED:
		return l.say("接受", "accepted")
	case creditbankv1.QuoteOutcome_QUOTE_OUTCOME_PARTIAL:
		return l.say("部分接受", "in part")
	case creditbankv1.QuoteOutcome_QUOTE_OUTCOME_REFUSED:
		return l.say("不接受", "refused")
	case creditbankv1.QuoteOutcome_QUOTE_OUTCOME_UNSPECIFIED:
		return ""
	default:
		return ""
	}
}
