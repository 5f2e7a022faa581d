package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type agreementCommand struct {
	Check   agreementCheckCommand   `cmd:"" help:"Check an agreement without asking anybody."`
	Publish agreementPublishCommand `cmd:"" help:"Sign a version of an agreement and publish it, as the institution that accepts."`
	End     agreementEndCommand     `cmd:"" help:"End a version earlier than it says."`
	List    agreementListCommand    `cmd:"" help:"List the agreements, those that were published last first."`
	Show    agreementShowCommand    `cmd:"" help:"Print an agreement, byte for byte."`
}

type agreementCheckCommand struct {
	File string `arg:"" help:"The agreement, as YAML; - reads standard input."`
}

// checkedAgreement is what is said of an agreement for programs.
type checkedAgreement struct {
	AgreementHash string        `json:"agreementHash,omitempty"`
	AgreementID   string        `json:"agreementId,omitempty"`
	Version       string        `json:"version,omitempty"`
	Institution   string        `json:"institution,omitempty"`
	Faults        []policyFault `json:"faults"`
}

// Run checks the agreement.
func (c *agreementCheckCommand) Run(g *globals, p *process) error {
	text, err := policyFile(p, c.File)
	if err != nil {
		return err
	}
	compiled, err := agreement.Compile(text)
	if err != nil {
		faults := agreement.Faults(err)
		if len(faults) == 0 {
			return fmt.Errorf("%s: %w", c.File, err)
		}
		if !g.JSON {
			printFaults(p.stderr, c.File, faults)
			return errReported
		}
		var answer checkedAgreement
		for _, f := range faults {
			answer.Faults = append(answer.Faults, policyFault{f.Line, f.Column, f.Field, f.Message})
		}
		return errors.Join(writeJSON(p.stdout, answer), errReported)
	}
	hash := compiled.Hash()
	if g.JSON {
		return writeJSON(p.stdout, checkedAgreement{
			AgreementHash: hex.EncodeToString(hash[:]), AgreementID: compiled.ID(), Version: compiled.Version(),
			Institution: compiled.Institution(), Faults: []policyFault{},
		})
	}
	shown := &creditbankv1.Agreement{
		AgreementHash: hex.EncodeToString(hash[:]), AgreementId: compiled.ID(), Version: compiled.Version(), Institution: compiled.Institution(),
		Title:         &creditbankv1.Text{Zh: compiled.Title().ZH, En: compiled.Title().EN},
		EffectiveFrom: compiled.EffectiveFrom().String(), Consumes: compiled.Consumes(),
		QuoteDays: int32(compiled.QuoteDays()), HoldDays: int32(compiled.HoldDays()),
	}
	if until := compiled.EffectiveUntil(); until != 0 {
		shown.EffectiveUntil = until.String()
	}
	for _, one := range compiled.Programmes() {
		shown.Programmes = append(shown.Programmes, &creditbankv1.Programme{
			Code: one.Code, Name: &creditbankv1.Text{Zh: one.Name.ZH, En: one.Name.EN}, MilliCredits: int64(one.Credits), Degree: one.Degree,
		})
	}
	printAgreement(p, g.language(p), shown)
	return nil
}

func printAgreement(p *process, l language, one *creditbankv1.Agreement) {
	t := &table{}
	t.row(l.say("互认协议", "agreement"), clean(one.GetAgreementId())+" "+clean(one.GetVersion())+", "+l.text(one.GetTitle()))
	t.row(l.say("机构", "institution"), clean(one.GetInstitution())+" "+clean(one.GetInstitutionName()))
	t.row(l.say("生效", "in effect"), clean(one.GetEffectiveFrom())+" – "+clean(one.GetEffectiveUntil()))
	t.row(l.say("散列值", "hash"), clean(one.GetAgreementHash()))
	t.row(l.say("方式", "credits are"), l.use(one.GetConsumes()))
	t.row(l.say("期限", "days"), fmt.Sprintf(l.say("报价 %d 天内有效，保留 %d 天", "a quote is honoured for %d, a hold lasts %d"), one.GetQuoteDays(), one.GetHoldDays()))
	for _, programme := range one.GetProgrammes() {
		t.row(l.say("专业", "programme"), clean(programme.GetCode())+", "+l.text(programme.GetName())+", "+l.credits(programme.GetMilliCredits()))
	}
	t.write(p.stdout)
}

func (l language) use(consumes bool) string {
	if consumes {
		return l.say("转入后不可再用", "spent once they are taken over")
	}
	return l.say("只认可，不占用", "recognised only, and stay")
}

type agreementPublishCommand struct {
	File      string `arg:"" help:"The agreement, as YAML; - reads standard input."`
	RequestID string `placeholder:"UUID" help:"Id of an earlier try, so that it is published once."`
}

// Run signs and publishes the agreement.
func (c *agreementPublishCommand) Run(ctx context.Context, g *globals, p *process) error {
	text, err := policyFile(p, c.File)
	if err != nil {
		return err
	}
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	institution, err := g.names()
	if err != nil {
		return err
	}
	key, err := readKey("--sign-key", g.SignKey)
	if err != nil {
		return err
	}
	signature, err := key.Sign(keyring.AgreementText(g.Bank, institution, key.Public().ID(), sha256.Sum256(text)))
	if err != nil {
		return err
	}
	err = change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (*creditbankv1.Agreement, error) {
		answer, err := creditbankv1.NewAgreementServiceClient(conn).PublishAgreement(ctx, &creditbankv1.PublishAgreementRequest{
			RequestId: id, Yaml: text, KeyId: key.Public().ID().String(), Signature: signature,
		})
		return answer.GetAgreement(), err
	}, printAgreement)
	if s, ok := status.FromError(err); err != nil && ok && faultOf(s).reason == "AGREEMENT_INVALID" {
		_, fault := agreement.Compile(text)
		if faults := agreement.Faults(fault); len(faults) > 0 {
			printFaults(p.stderr, c.File, faults)
			return errReported
		}
	}
	return err
}

type agreementEndCommand struct {
	Hash      string `arg:"" help:"Hash of the version, 64 hexadecimal digits."`
	Last      string `required:"" placeholder:"DATE" help:"Last day on which it is in force: YYYY-MM-DD, today or later."`
	RequestID string `placeholder:"UUID" help:"Id of an earlier try, so that it is ended once."`
}

// Run ends the version.
func (c *agreementEndCommand) Run(ctx context.Context, g *globals, p *process) error {
	id, err := requestID(p, c.RequestID)
	if err != nil {
		return err
	}
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (*creditbankv1.Agreement, error) {
		answer, err := creditbankv1.NewAgreementServiceClient(conn).EndAgreement(ctx, &creditbankv1.EndAgreementRequest{RequestId: id, AgreementHash: c.Hash, LastDate: c.Last})
		return answer.GetAgreement(), err
	}, printAgreement)
}

type agreementListCommand struct {
	Institution string `placeholder:"ID" help:"Only those of this organization."`
	On          string `placeholder:"DATE" help:"Only those that are in force on this day: YYYY-MM-DD."`
}

// Run lists the agreements.
func (c *agreementListCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewAgreementServiceClient(conn)
	agreements, err := pages(func(token string) ([]*creditbankv1.Agreement, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListAgreements(ctx, &creditbankv1.ListAgreementsRequest{
			Institution: c.Institution, InForceOn: c.On, PageSize: 1000, PageToken: token,
		})
		return page.GetAgreements(), page.GetNextPageToken(), err
	}, 0)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, agreements)
	}
	l := g.language(p)
	t := &table{}
	t.row(l.say("互认协议", "agreement"), l.say("版本", "version"), l.say("机构", "institution"), l.say("生效", "in effect"),
		l.say("专业", "programmes"), l.say("散列值", "hash"))
	for _, one := range agreements {
		var programmes []string
		for _, programme := range one.GetProgrammes() {
			programmes = append(programmes, clean(programme.GetCode()))
		}
		t.row(clean(one.GetAgreementId()), clean(one.GetVersion()), clean(one.GetInstitution()),
			clean(one.GetEffectiveFrom())+" – "+clean(one.GetEffectiveUntil()), strings.Join(programmes, ", "), clean(one.GetAgreementHash()))
	}
	t.write(p.stdout)
	return nil
}

type agreementShowCommand struct {
	Hash string `arg:"" help:"Hash of the version, 64 hexadecimal digits."`
}

// Run prints the agreement, once it is what its hash says.
func (c *agreementShowCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewAgreementServiceClient(conn).GetAgreement(ctx, &creditbankv1.GetAgreementRequest{AgreementHash: c.Hash})
	if err != nil {
		return err
	}
	if hash := sha256.Sum256(answer.GetYaml()); hex.EncodeToString(hash[:]) != c.Hash {
		return refusef("the bank answers another agreement than the one that was asked for")
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	if _, err := p.stdout.Write(answer.GetYaml()); err != nil {
		return fmt.Errorf("writing: %v", err)
	}
	return nil
}
