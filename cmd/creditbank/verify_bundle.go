package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/api/bundle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type verifyBundleCommand struct {
	logKey

	File string `arg:"" help:"The bundle, as \"transfer bundle\" saved it."`
}

// Run checks the bundle, and says what it shows. Nobody is asked.
func (c *verifyBundleCommand) Run(g *globals, p *process) error {
	verifier, origin, err := c.verifier()
	if err != nil {
		return err
	}
	content, err := readAtMost("<file>", c.File, bundle.MaxBytes)
	if err != nil {
		return err
	}
	shown, err := bundle.Verify(content, verifier, origin)
	if fault := (*bundle.Error)(nil); errors.As(err, &fault) {
		return refusef("%s", fault.Error())
	}
	if err != nil {
		return err
	}
	if g.JSON {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(shown)
	}
	printBundle(p, g.language(p), shown)
	return nil
}

func printBundle(p *process, l language, v *bundle.Verified) {
	t := &table{}
	t.row(l.say("学分银行", "bank"), clean(v.BankID))
	t.row(l.say("账本", "log"), fmt.Sprintf("%s, %d", clean(v.Origin), v.Size))
	t.row(l.say("院校", "institution"), clean(v.Institution))
	t.row(l.say("专业", "programme"), clean(v.Programme))
	t.row(l.say("账户", "account"), v.Account.String())
	if v.AccountNumber != "" {
		t.row(l.say("账号", "account number"), clean(v.AccountNumber))
	}
	t.row(l.say("申请", "asked"), fmt.Sprintf("%s, %d", v.Asked.Format(time.RFC3339), v.Hold))
	t.row(l.say("接受", "accepted"), fmt.Sprintf("%s, %d", v.Taken.Format(time.RFC3339), v.Posted))
	t.write(p.stdout)
	t = &table{right: []int{0, 4, 5}}
	t.row(l.say("条目", "entry"), l.say("结束", "ended"), l.say("内容", "what"), l.say("签名", "signed by"), l.say("学分", "credits"), l.say("所得", "give"))
	for _, item := range v.Items {
		what := clean(item.Title)
		switch item.Kind {
		case ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE:
			what = l.say("期初余额", "opening balance")
		case ledgerv1.ItemKind_ITEM_KIND_CLAIM:
			what = l.say("先前学习认定", "prior learning")
		default:
		}
		signed := clean(item.Platform)
		if signed == "" {
			signed = l.say("（仅由学分银行记载）", "(the bank alone says so)")
		}
		t.row(fmt.Sprint(item.Recorded), item.Ended, what+" ["+clean(item.Category)+"]", signed, l.credits(int64(item.Credits)), l.credits(int64(item.Granted)))
	}
	t.row("", "", l.say("合计", "all"), "", l.credits(int64(v.Credits)), l.credits(int64(v.Granted)))
	t.write(p.stdout)
	fmt.Fprint(p.stdout, l.say("以上各条均在账本中，平台签名有效。", "All of this is in the log, and the platforms signed what was learned. "))
	if v.AgreementSigned {
		fmt.Fprintln(p.stdout, l.say("院校对协议的签名有效。", "The institution signed its agreement."))
	} else {
		fmt.Fprintln(p.stdout, l.say("本文件不含院校对协议的签名。", "That the institution signed its agreement is not in this file."))
	}
	fmt.Fprintln(p.stdout, l.say(
		"本文件不能证明此后未被撤销：请以院校的转换列表为准。",
		"Whether something was taken back since is not in this file: the list of transfers says so."))
}
