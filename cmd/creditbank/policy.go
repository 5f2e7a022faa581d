package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type policyCommand struct {
	Check    policyCheckCommand    `cmd:"" help:"Check a policy without asking anybody."`
	List     policyListCommand     `cmd:"" help:"List the policies, newest first."`
	Get      policyGetCommand      `cmd:"" help:"Print a policy, byte for byte."`
	Simulate policySimulateCommand `cmd:"" help:"Try a policy on everything that was recorded; nothing is written."`
	Propose  policyProposeCommand  `cmd:"" help:"Propose a policy for publishing."`
	Publish  policyPublishCommand  `cmd:"" help:"Put a proposed policy into force, as another officer than the one who proposed it."`
}

// maxPolicyFile is more than a bank takes: what is longer is no policy.
const maxPolicyFile = 1 << 20

// policyFile reads a policy; "-" is standard input.
func policyFile(p *process, name string) ([]byte, error) {
	from := p.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usagef("%v", err)
		}
		defer hangUp(file)
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxPolicyFile+1))
	if err != nil {
		return nil, usagef("%s: %v", name, err)
	}
	if len(text) > maxPolicyFile {
		return nil, usagef("%s: it has more than %d bytes, and is no policy", name, maxPolicyFile)
	}
	return text, nil
}

// printFaults prints what is wrong with a policy as compilers do: file:line:column: what.
func printFaults(w io.Writer, name string, faults []*policy.Error) {
	for _, f := range faults {
		line := clean(name)
		if f.Line > 0 {
			line = fmt.Sprintf("%s:%d", line, f.Line)
			if f.Column > 0 {
				line = fmt.Sprintf("%s:%d", line, f.Column)
			}
		}
		line += ": "
		if f.Field != "" {
			line += clean(f.Field) + ": "
		}
		fmt.Fprintln(w, line+clean(f.Message))
	}
}

// faulty prints the faults of a policy that the bank does not take, where they can be found here too, and answers the error
// that is left.
func faulty(p *process, name string, text []byte, err error) error {
	if s, ok := status.FromError(err); !ok || faultOf(s).reason != "POLICY_INVALID" {
		return err
	}
	_, fault := policy.Compile(text)
	faults := policy.Faults(fault)
	if len(faults) == 0 {
		return err
	}
	printFaults(p.stderr, name, faults)
	return errReported
}

type policyCheckCommand struct {
	File string `arg:"" help:"The policy, as YAML; - reads standard input."`
}

// checkedPolicy is what is said of a policy for programs.
type checkedPolicy struct {
	PolicyHash     string        `json:"policyHash,omitempty"`
	PolicyID       string        `json:"policyId,omitempty"`
	Version        string        `json:"version,omitempty"`
	Organization   string        `json:"organization,omitempty"`
	EffectiveFrom  string        `json:"effectiveFrom,omitempty"`
	EffectiveUntil string        `json:"effectiveUntil,omitempty"`
	Faults         []policyFault `json:"faults"`
}

type policyFault struct {
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Run checks the policy.
func (c *policyCheckCommand) Run(g *globals, p *process) error {
	text, err := policyFile(p, c.File)
	if err != nil {
		return err
	}
	compiled, err := policy.Compile(text)
	if err != nil {
		faults := policy.Faults(err)
		if len(faults) == 0 {
			return fmt.Errorf("%s: %w", c.File, err)
		}
		if !g.JSON {
			printFaults(p.stderr, c.File, faults)
			return errReported
		}
		var answer checkedPolicy
		for _, f := range faults {
			answer.Faults = append(answer.Faults, policyFault{f.Line, f.Column, f.Field, f.Message})
		}
		return errors.Join(writeJSON(p.stdout, answer), errReported)
	}
	hash := compiled.Hash()
	answer := checkedPolicy{
		PolicyHash: hex.EncodeToString(hash[:]), PolicyID: compiled.ID(), Version: compiled.Version(),
		Organization: compiled.Organization(), EffectiveFrom: compiled.EffectiveFrom().String(), Faults: []policyFault{},
	}
	if until := compiled.EffectiveUntil(); until != 0 {
		answer.EffectiveUntil = until.String()
	}
	if g.JSON {
		return writeJSON(p.stdout, answer)
	}
	printPolicy(p, g.language(p), &creditbankv1.Policy{
		PolicyHash: answer.PolicyHash, PolicyId: answer.PolicyID, Version: answer.Version, Organization: answer.Organization,
		Title:         &creditbankv1.Text{Zh: compiled.Title().ZH, En: compiled.Title().EN},
		EffectiveFrom: answer.EffectiveFrom, EffectiveUntil: answer.EffectiveUntil,
	})
	return nil
}

func printPolicy(p *process, l language, one *creditbankv1.Policy) {
	t := &table{}
	t.row(l.say("规则", "policy"), clean(one.GetPolicyId())+" "+clean(one.GetVersion())+", "+l.text(one.GetTitle()))
	t.row(l.say("机构", "organization"), clean(one.GetOrganization()))
	t.row(l.say("生效", "in effect"), clean(one.GetEffectiveFrom())+" – "+clean(one.GetEffectiveUntil()))
	t.row(l.say("散列值", "hash"), clean(one.GetPolicyHash()))
	switch one.GetStatus() {
	case creditbankv1.PolicyStatus_POLICY_STATUS_PROPOSED:
		t.row(l.say("状态", "status"), l.policyStatus(one.GetStatus())+", "+when(one.GetProposeTime()))
	case creditbankv1.PolicyStatus_POLICY_STATUS_PUBLISHED:
		t.row(l.say("状态", "status"), l.policyStatus(one.GetStatus())+", "+when(one.GetPublishTime()))
	default: // it was checked here, and no bank knows it
	}
	t.write(p.stdout)
}

type policyListCommand struct {
	Limit int `default:"100" help:"Most policies; 0: all (${default})."`
}

// Run lists the policies.
func (c *policyListCommand) Run(ctx context.Context, g *globals, p *process) error {
	return list(ctx, g, p, c.Limit, func(ctx context.Context, conn *grpc.ClientConn, token string) ([]*creditbankv1.Policy, string, error) {
		page, err := creditbankv1.NewPolicyServiceClient(conn).ListPolicies(ctx, &creditbankv1.ListPoliciesRequest{PageSize: 1000, PageToken: token})
		return page.GetPolicies(), page.GetNextPageToken(), err
	}, func(l language, policies []*creditbankv1.Policy) {
		t := &table{}
		t.row(l.say("规则", "policy"), l.say("版本", "version"), l.say("机构", "organization"), l.say("状态", "status"),
			l.say("生效", "in effect"), l.say("散列值", "hash"))
		for _, one := range policies {
			t.row(clean(one.GetPolicyId()), clean(one.GetVersion()), clean(one.GetOrganization()), l.policyStatus(one.GetStatus()),
				clean(one.GetEffectiveFrom())+" – "+clean(one.GetEffectiveUntil()), clean(one.GetPolicyHash()))
		}
		t.write(p.stdout)
	})
}

type policyGetCommand struct {
	Hash string `arg:"" help:"Hash of the policy, 64 hexadecimal digits."`
}

// Run prints the policy.
func (c *policyGetCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewPolicyServiceClient(conn).GetPolicy(ctx, &creditbankv1.GetPolicyRequest{PolicyHash: c.Hash})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	if _, err := p.stdout.Write(answer.GetYaml()); err != nil {
		return fmt.Errorf("writing: %v", err)
	}
	return nil
}

type policyProposeCommand struct {
	File string `arg:"" help:"The policy, as YAML; - reads standard input."`
}

// Run proposes the policy.
func (c *policyProposeCommand) Run(ctx context.Context, g *globals, p *process) error {
	text, err := policyFile(p, c.File)
	if err != nil {
		return err
	}
	err = change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.Policy, error) {
		answer, err := creditbankv1.NewPolicyServiceClient(conn).ProposePolicy(ctx, &creditbankv1.ProposePolicyRequest{RequestId: id, Yaml: text})
		return answer.GetPolicy(), err
	}, printPolicy)
	return faulty(p, c.File, text, err)
}

type policyPublishCommand struct {
	Hash string `arg:"" help:"Hash of the policy, 64 hexadecimal digits: what was read is what is published."`
}

// Run publishes the policy.
func (c *policyPublishCommand) Run(ctx context.Context, g *globals, p *process) error {
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.Policy, error) {
		answer, err := creditbankv1.NewPolicyServiceClient(conn).PublishPolicy(ctx, &creditbankv1.PublishPolicyRequest{RequestId: id, PolicyHash: c.Hash})
		return answer.GetPolicy(), err
	}, printPolicy)
}

type policySimulateCommand struct {
	Draft   string `arg:"" help:"The policy: a file of YAML (- reads standard input), or the hash of one that was proposed."`
	Subtree string `placeholder:"ID" help:"Count only courses that this organization and those below it provide."`
	From    string `placeholder:"DATE" help:"Count only learning that ended on this day or later: YYYY-MM-DD."`
	To      string `placeholder:"DATE" help:"Count only learning that ended on this day or earlier."`
	AnyDay  bool   `help:"Judge by it whenever the learning ended, whatever days it says itself."`
	Top     int    `default:"10" help:"Name so many accounts that gain most, and that lose most: 1 to 100 (${default})."`
}

// Help is shown below the flags.
func (*policySimulateCommand) Help() string {
	return `Everything that was recorded is decided once more, as if this policy had been in force: the numbers are those of a bank in which
it was published in the beginning. What officers decided stays. A policy that begins in the future judges nothing that was
learned so far: --any-day tries it all the same.`
}

// Run simulates the policy.
func (c *policySimulateCommand) Run(ctx context.Context, g *globals, p *process) error {
	request := &creditbankv1.SimulatePolicyRequest{
		Organization: c.Subtree, FromDate: c.From, ToDate: c.To, AnyDay: c.AnyDay, TopN: int32(min(max(c.Top, -1), 1000)),
	}
	if c.Top < 1 {
		return usagef("--top: name 1 to 100")
	}
	var text []byte
	if isHash(c.Draft) {
		request.Draft = &creditbankv1.SimulatePolicyRequest_PolicyHash{PolicyHash: c.Draft}
	} else {
		var err error
		if text, err = policyFile(p, c.Draft); err != nil {
			return err
		}
		request.Draft = &creditbankv1.SimulatePolicyRequest_Yaml{Yaml: text}
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewPolicyServiceClient(conn)
	var result *creditbankv1.SimulationResult
	// When as many run as may, the bank says when to come back.
	err = retry{p: p, limit: g.Timeout}.do(ctx, func() (err error) {
		result, err = simulate(ctx, g, p, client, request)
		return err
	})
	if err != nil {
		return faulty(p, c.Draft, text, err)
	}
	if g.JSON {
		return writeMessage(p.stdout, result)
	}
	printSimulation(p, g.language(p), result)
	return nil
}

// isHash says whether a draft is named by its hash.
func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// simulate asks once, shows how far it is, and answers what it came to. It gives up when the bank says nothing for the
// longest wait for an answer, however long all of it takes.
func simulate(
	ctx context.Context, g *globals, p *process, client creditbankv1.PolicyServiceClient, request *creditbankv1.SimulatePolicyRequest,
) (*creditbankv1.SimulationResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(g.Timeout, func() { cancel(fmt.Errorf("the bank has said nothing for %s", g.Timeout)) })
	defer silence.Stop()
	failed := func(err error) error {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		return err
	}
	stream, err := client.SimulatePolicy(ctx, request)
	if err != nil {
		return nil, failed(err)
	}
	bar := newEstimate(p, g.language(p).say("试算", "simulating"))
	defer bar.finish()
	for {
		step, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the bank ended without a result")
			}
			return nil, failed(err)
		}
		silence.Reset(g.Timeout)
		if result := step.GetResult(); result != nil {
			return result, nil
		}
		bar.at(step.GetProgress().GetDone(), step.GetProgress().GetTotal())
	}
}
