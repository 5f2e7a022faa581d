package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/api/evidence"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type claimCommand struct {
	Submit claimSubmitCommand `cmd:"" help:"Claim prior learning, with files that show it."`
	List   claimListCommand   `cmd:"" help:"List the claims of a record."`
	Show   claimShowCommand   `cmd:"" help:"Show a claim, and how far it is; review answer, withdraw and appeal take it further."`
}

// maxEvidenceBytes is the longest file that the bank takes: longer ones are not read.
const maxEvidenceBytes = 3 << 20

type claimSubmitCommand struct {
	Account     string   `placeholder:"ID" help:"Opaque id of the account (32 hex digits); residents leave it out: their own."`
	Kind        string   `required:"" enum:"certificate,work,volunteering,teaching" help:"What it is about: ${enum}."`
	Category    string   `required:"" placeholder:"ID" help:"Category that is claimed, as the policy names it."`
	Title       string   `required:"" placeholder:"TEXT" help:"What was learned."`
	Issuer      string   `required:"" placeholder:"TEXT" help:"Who issued the certificate, or where the work was done."`
	From        string   `placeholder:"DATE" help:"First day, YYYY-MM-DD; left out where it was one day."`
	To          string   `required:"" placeholder:"DATE" help:"Last day, YYYY-MM-DD."`
	Minutes     int64    `required:"" placeholder:"N" help:"Minutes that are claimed."`
	Credits     int64    `name:"milli-credits" placeholder:"N" help:"Thousandths of a credit that are claimed; left out: as many as the minutes give."`
	Description string   `placeholder:"TEXT" help:"More about it, in your own words."`
	File        []string `required:"" placeholder:"PATH" help:"A PDF, JPEG or PNG that shows it, at most 3 MiB; up to ten."`
	RequestID   string   `placeholder:"UUID" help:"Id of an earlier try, so that it is one claim."`
}

// Run files the claim.
func (c *claimSubmitCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	files, err := readFiles(c.File)
	if err != nil {
		return err
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewReviewServiceClient(conn)
	request := &creditbankv1.SubmitClaimRequest{
		RequestId: id, AccountId: c.Account, Category: c.Category, Title: c.Title, Issuer: c.Issuer, BeginDate: c.From, EndDate: c.To,
		Description: c.Description, Minutes: c.Minutes, MilliCredits: c.Credits,
		Kind: ledgerv1.ClaimKind(ledgerv1.ClaimKind_value["CLAIM_KIND_"+strings.ToUpper(c.Kind)]),
	}
	if request.Files, err = upload(ctx, g, p, client, c.Account, files); err != nil {
		return err
	}
	var answer *creditbankv1.SubmitClaimResponse
	err = retry{p: p, limit: g.Timeout}.do(ctx, func() (err error) {
		ctx, done := g.call(ctx)
		defer done()
		answer, err = client.SubmitClaim(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	fmt.Fprintf(p.stdout, g.language(p).say("申请已提交，案件 %d。\n", "The claim is filed: case %d.\n"), answer.GetCaseId())
	return nil
}

// requestID is one that the caller kept, or a new one.
func requestID(p *process, kept string) (string, error) {
	if kept != "" {
		if _, err := uuid.Parse(kept); err != nil {
			return "", usagef("--request-id: it is a UUID")
		}
		return kept, nil
	}
	id, err := uuid.NewRandomFromReader(p.random)
	if err != nil {
		return "", fmt.Errorf("request id: %v", err)
	}
	return id.String(), nil
}

// evidenceFile is a file that is going to be uploaded.
type evidenceFile struct {
	name, mediaType string
	content         []byte
}

// readFiles reads files before anything is sent. What they are is said by their extensions, and checked by the bank.
func readFiles(paths []string) ([]evidenceFile, error) {
	types := map[string]string{".pdf": "application/pdf", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".bundle": evidence.Bundle}
	files := make([]evidenceFile, len(paths))
	for i, path := range paths {
		mediaType := types[strings.ToLower(filepath.Ext(path))]
		if mediaType == "" {
			return nil, usagef("--file: %s is none of .pdf, .jpg, .jpeg, .png and .bundle", path)
		}
		content, err := readAtMost("--file", path, maxEvidenceBytes)
		if err != nil {
			return nil, err
		}
		files[i] = evidenceFile{filepath.Base(path), mediaType, content}
	}
	return files, nil
}

// readAtMost reads a file that an argument names.
func readAtMost(argument, path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("%s: %v", argument, err)
	}
	defer hangUp(file)
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, usagef("%s: %v", argument, err)
	case int64(len(content)) > most:
		return nil, usagef("%s: %s has more than %d MiB", argument, path, most>>20)
	default:
		return content, nil
	}
}

// upload sends files, one call each. Sent again, a file is the same one.
func upload(
	ctx context.Context, g *globals, p *process, client creditbankv1.ReviewServiceClient, account string, files []evidenceFile,
) ([]*creditbankv1.EvidenceRef, error) {
	refs := make([]*creditbankv1.EvidenceRef, len(files))
	for i, file := range files {
		var answer *creditbankv1.UploadEvidenceResponse
		err := retry{p: p, limit: g.Timeout}.do(ctx, func() (err error) {
			ctx, done := g.call(ctx)
			defer done()
			answer, err = client.UploadEvidence(ctx, &creditbankv1.UploadEvidenceRequest{
				AccountId: account, Name: file.name, MediaType: file.mediaType, Content: file.content,
			})
			return err
		})
		if err != nil {
			fmt.Fprintf(p.stderr, g.language(p).say("creditbank: 未接收 %s\n", "creditbank: %s was not taken\n"), clean(file.name))
			return nil, err
		}
		if in := answer.GetFile().GetInbound(); in != nil && !g.JSON {
			t := &table{}
			t.row(g.language(p).say("材料", "file"), clean(file.name))
			inboundRows(t, g.language(p), in)
			t.write(p.stdout)
		}
		refs[i] = &creditbankv1.EvidenceRef{EvidenceId: answer.GetFile().GetEvidenceId(), Name: file.name}
	}
	return refs, nil
}

type claimListCommand struct {
	Account string `placeholder:"ID" help:"Opaque id of the account (32 hex digits); residents leave it out: their own."`
}

// Run lists the claims.
func (c *claimListCommand) Run(ctx context.Context, g *globals, p *process) error {
	return list(ctx, g, p, 0, claimsPage(c.Account), func(l language, claims []*creditbankv1.PortfolioEntry) {
		t := &table{right: []int{0, 4, 5}}
		t.row(l.say("案件", "case"), l.say("状态", "state"), l.say("结束日期", "ended"), l.say("内容", "what"), l.say("时长", "learned"), l.say("学分", "credits"))
		for _, one := range claims {
			a := one.GetAssessment()
			t.row(fmt.Sprint(one.GetEntryIndex()), l.caseState(one.GetCase().GetState()), clean(one.GetEndDate()), clean(one.GetClaim().GetTitle()),
				l.minutes(a.GetMinutes()), l.credits(a.GetAvailableMilliCredits()+a.GetPendingMilliCredits()))
		}
		t.write(p.stdout)
	})
}

// claimsPage asks for a page of a record, and answers the claims in it.
func claimsPage(account string) func(context.Context, *grpc.ClientConn, string) ([]*creditbankv1.PortfolioEntry, string, error) {
	return func(ctx context.Context, conn *grpc.ClientConn, token string) ([]*creditbankv1.PortfolioEntry, string, error) {
		page, err := creditbankv1.NewPortfolioServiceClient(conn).ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
			AccountId: account, PageToken: token, View: creditbankv1.View_VIEW_FULL,
		})
		claims := slices.DeleteFunc(page.GetEntries(), func(entry *creditbankv1.PortfolioEntry) bool { return entry.GetClaim() == nil })
		return claims, page.GetNextPageToken(), err
	}
}

type claimShowCommand struct {
	Case    uint64 `arg:"" help:"Id of its case."`
	Account string `placeholder:"ID" help:"Opaque id of the account (32 hex digits); residents leave it out: their own."`
}

// Run shows the claim.
func (c *claimShowCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	claims, err := readAll(ctx, g, conn, 0, claimsPage(c.Account))
	if err != nil {
		return err
	}
	for _, one := range claims {
		if one.GetEntryIndex() != c.Case {
			continue
		}
		if err := readBundles(ctx, g, conn, c.Case, one.GetClaim().GetFiles()); err != nil {
			return err
		}
		if g.JSON {
			return writeMessage(p.stdout, one)
		}
		l := g.language(p)
		t := &table{}
		t.row(l.say("案件", "case"), fmt.Sprint(one.GetEntryIndex())+", "+l.caseState(one.GetCase().GetState()))
		claimRows(t, l, one.GetClaim())
		t.row(l.say("学习结束", "learning ended"), clean(one.GetEndDate()))
		printAssessment(t, l, one.GetAssessment())
		stepRows(t, l, one.GetCase().GetSteps())
		t.write(p.stdout)
		return nil
	}
	return fmt.Errorf("the record has no claim %d", c.Case)
}

// readBundles has the bank say once more what the bundles among the files of a claim show: it may trust other logs by now.
func readBundles(ctx context.Context, g *globals, conn *grpc.ClientConn, id uint64, files []*creditbankv1.EvidenceFile) error {
	for _, file := range files {
		if file.GetMediaType() != evidence.Bundle {
			continue
		}
		one, done := g.call(ctx)
		answer, err := creditbankv1.NewReviewServiceClient(conn).GetEvidence(one, &creditbankv1.GetEvidenceRequest{
			CaseId: id, EvidenceId: file.GetEvidenceId(),
		})
		done()
		if err != nil {
			return err
		}
		file.Inbound = answer.GetFile().GetInbound()
	}
	return nil
}

// claimRows says what is claimed, and with which files.
func claimRows(t *table, l language, c *creditbankv1.Claim) {
	t.row(l.say("内容", "what"), clean(c.GetTitle())+" ("+clean(l.text(c.GetName()))+")")
	t.row(l.say("出具单位", "issuer"), clean(c.GetIssuer()))
	if c.GetBeginDate() != "" {
		t.row(l.say("学习开始", "learning began"), clean(c.GetBeginDate()))
	}
	if c.GetDescription() != "" {
		t.row(l.say("说明", "description"), clean(c.GetDescription()))
	}
	t.row(l.say("申请", "claimed"), l.minutes(c.GetClaimed().GetMinutes())+", "+l.credits(c.GetClaimed().GetMilliCredits()))
	if c.GetFiledBy() != "" {
		t.row(l.say("代为申请", "filed by"), clean(c.GetFiledBy()))
	}
	for _, file := range c.GetFiles() {
		t.row(l.say("材料", "file"), fmt.Sprintf("%s, %s, %d B, %s", clean(file.GetName()), clean(file.GetMediaType()), file.GetSize(), clean(file.GetEvidenceId())))
		inboundRows(t, l, file.GetInbound())
	}
}

// inboundRows says what another bank's bundle shows, and what it does not.
func inboundRows(t *table, l language, in *creditbankv1.InboundBundle) {
	if in == nil {
		return
	}
	row := func(what string) { t.row("", what) }
	for _, use := range in.GetUses() {
		row(fmt.Sprintf(l.say("注意：同一笔转换也用于案件 %d（%s），学分只能计一次", "note: the same transfer was brought in case %d (%s), and credits count once"),
			use.GetCaseId(), l.caseState(use.GetState())))
	}
	switch in.GetStatus() {
	case creditbankv1.InboundStatus_INBOUND_STATUS_VERIFIED:
		row(fmt.Sprintf(l.say("已核验：%[1]s，账本 %[3]s 前 %[2]d 条", "verified: %[1]s, within the first %[2]d entries of the log %[3]s"),
			clean(in.GetBankId()), in.GetLogSize(), clean(in.GetOrigin())))
	case creditbankv1.InboundStatus_INBOUND_STATUS_OWN_BANK:
		row(l.say("未核验：出自本行，所列学分已在本行某人的档案中", "not verified: it is of this bank, and what it holds is on somebody's record here already"))
		return
	case creditbankv1.InboundStatus_INBOUND_STATUS_REFUSED:
		row(l.say("未通过核验：", "not verified: ") + clean(in.GetPart()) + ": " + clean(in.GetProblem()))
		return
	default:
		row(l.say("未核验：本行不认识的学分银行 ", "not verified: unknown bank ") + clean(in.GetOrigin()))
		return
	}
	if in.GetAgreementSigned() {
		row(l.say("院校 ", "institution ") + clean(in.GetInstitution()) + l.say("，已签署协议", ", which signed the agreement"))
	} else {
		row(l.say("院校 ", "institution ") + clean(in.GetInstitution()) + l.say("，协议仅由该行记载", ", whose agreement that bank alone speaks of"))
	}
	for _, item := range in.GetItems() {
		what, signed := clean(item.GetCourseTitle()), clean(item.GetSignedBy())
		if what == "" {
			what = clean(item.GetKind())
		}
		if signed == "" {
			signed = l.say("仅由该行记载", "that bank alone says so")
		} else {
			signed = l.say("签名：", "signed by ") + signed
		}
		row(fmt.Sprintf("%d  %s  %s [%s]  %s  %s", item.GetEntryIndex(), clean(item.GetEndDate()), what, clean(item.GetCategory()),
			l.credits(item.GetMilliCredits()), signed))
	}
	row(l.say("不能证明：账户是否属于申请人（该行账户 ", "not shown: that it is the learner's own (account ") + clean(in.GetAccountId()) +
		l.say("）、此后是否被撤销、是否已在别的银行使用", " there), that nothing was taken back since, and that no other bank took it"))
}

// saveEvidence writes the files of a claim into a directory. Their names are the bank's own, by id and kind, since what a
// learner calls a file is no name for a file here; files that are there are never written over.
func saveEvidence(ctx context.Context, g *globals, p *process, client creditbankv1.ReviewServiceClient, id uint64, files []*creditbankv1.EvidenceFile, dir string) error {
	l := g.language(p)
	for _, file := range files {
		one, done := g.call(ctx)
		answer, err := client.GetEvidence(one, &creditbankv1.GetEvidenceRequest{CaseId: id, EvidenceId: file.GetEvidenceId()})
		done()
		if err != nil {
			return err
		}
		extension := map[string]string{"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", evidence.Bundle: ".bundle"}[file.GetMediaType()]
		if len(file.GetEvidenceId()) < 16 || strings.ContainsFunc(file.GetEvidenceId(), func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
			return refusef("the bank named a file by no id")
		}
		name := filepath.Join(dir, fmt.Sprintf("case-%d-%s%s", id, file.GetEvidenceId()[:16], extension))
		saved, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return usagef("--save: %v", err)
		}
		_, err = saved.Write(answer.GetContent())
		if closing := saved.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return fmt.Errorf("%v", err)
		}
		fmt.Fprintf(p.stderr, l.say("已保存 %s\n", "saved %s\n"), name)
	}
	return nil
}
