package web

import (
	"context"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/export"
)

// accessesOnPage is how many looks are shown: those before them are there for programs (ListAccesses).
const accessesOnPage = 20

// looks are who looked at the record, and who may ask about it.
type (
	looks struct {
		Consents []consentLine
		Accesses []accessLine
		// More says that there are older looks than those that are shown.
		More bool
	}
	accessLine struct {
		Date, Who, Tag, What string
		// Code is what for, where that is a code and no words.
		Code string
	}
	consentLine struct {
		Who, Tag, What string
	}
)

// looksOf answers what the holder of an account is shown of them.
func (s *site) looksOf(ctx context.Context, caller access.Caller, v recordView) (*looks, error) {
	accesses, more, err := s.config.Bank.ListAccesses(ctx, caller, caller.Account, api.Page{Size: accessesOnPage})
	if err != nil {
		return nil, err
	}
	consents, _, err := s.config.Bank.ListConsents(ctx, caller, caller.Account, api.Page{})
	if err != nil {
		return nil, err
	}
	shown, zone := &looks{More: more != ""}, v.usual.zone
	if zone == nil {
		zone = time.UTC
	}
	for _, c := range consents {
		if !c.Active {
			continue
		}
		shown.Consents = append(shown.Consents, consentLine{
			Who: c.InstitutionName, Tag: v.foreign(c.InstitutionName),
			What: v.purpose(c.Purpose) + v.say("，", ", ") + v.consentScope(c) + v.say("，有效至", ", until ") + v.date(c.Expires.In(zone)),
		})
	}
	for _, a := range accesses {
		line := accessLine{
			Date: v.date(a.Time.In(zone)) + " " + a.Time.In(zone).Format("15:04"), Who: a.OrganizationName, Tag: v.foreign(a.OrganizationName),
			What: v.lookedFor(a.Action),
		}
		if a.Officer != "" {
			line.What = v.say("工作人员", "an officer") + v.say("：", ": ") + line.What
		}
		for _, code := range strings.FieldsFunc(a.Purpose, func(r rune) bool { return r == ':' }) {
			if words := v.purpose(code); words != code {
				line.What += v.say("（", " (") + words + v.say("）", ")")
			} else {
				line.Code = code
			}
		}
		shown.Accesses = append(shown.Accesses, line)
	}
	return shown, nil
}

// consentScope says what an institution may see.
func (v recordView) consentScope(c api.Consent) string {
	if len(c.Categories)+len(c.Items) == 0 {
		return v.say("可见全部记录", "may see the whole record")
	}
	return v.say("可见部分记录", "may see a part of the record")
}

// purpose says what somebody may look for, or looked for, or into what kind of file they wrote it; a code that is not known here is shown as it is.
func (l language) purpose(code string) string {
	switch code {
	case api.PurposeTransfer:
		return l.say("学分转换", "transfer of credits")
	case string(export.ShanghaiXLSX):
		return l.say("电子表格", "Excel")
	case string(export.ShanghaiCSV):
		return l.say("文本表格", "CSV")
	case string(export.ELMO):
		return l.say("国际成绩单", "ELMO XML")
	case string(export.JSON):
		return l.say("完整数据", "JSON")
	default:
		return code
	}
}

// lookedFor says what somebody did with a record; what is not known here is shown as it is.
func (l language) lookedFor(action string) string {
	switch access.Action(action) {
	case access.QuoteTransfer:
		return l.say("询问可转换的学分", "asked what credits it may take over")
	case access.ResolveAccount, access.OpenAccount:
		return l.say("凭证件查询账号", "looked the account up by a document")
	case access.ReadAccount:
		return l.say("查看账户", "looked at the account")
	case access.ReadPortfolio:
		return l.say("查看学习档案", "looked at the record")
	case access.ExportPortfolio:
		return l.say("导出学习档案", "wrote the record into a file")
	case access.ExportIdentity:
		return l.say("导出带姓名和证件号码的学习档案", "wrote the record into a file, with name and document number")
	case access.ReadTransfers:
		return l.say("查看学分转换", "looked at transfers")
	case access.RequestTransfer:
		return l.say("代为申请学分转换", "asked for a transfer for you")
	case access.GetTransferBundle:
		return l.say("保存已接受学分的证明文件", "saved the proof of what it took over")
	case access.ReadMerges:
		return l.say("查看账户合并", "looked at a merge of accounts")
	case access.ReadCases:
		return l.say("查看案件", "looked at a case")
	case access.ReadEntry:
		return l.say("查看账本中的一条记录", "looked at an entry of the log")
	case access.GetEvidence:
		return l.say("查看证明材料", "looked at evidence")
	case access.SubmitClaim:
		return l.say("代为申请认定", "filed a claim for you")
	case access.RecordOpeningBalances:
		return l.say("登记期初余额", "recorded opening balances")
	case access.GrantConsent:
		return l.say("代为授权", "granted a consent for you")
	case access.WithdrawConsent:
		return l.say("代为撤回授权", "withdrew a consent for you")
	case access.ReadConsents:
		return l.say("查看授权", "looked at your consents")
	case access.ReadReceivedConsents:
		return l.say("查看您给它的授权", "looked at the consent that you gave it")
	case access.ReadAccesses:
		return l.say("查看访问记录", "looked at who had looked")
	default:
		return action
	}
}
