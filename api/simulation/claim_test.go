package simulation_test

import (
	"fmt"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// claimsOfOne is how many claims of one account a simulation files: as many as may wait at a time.
const claimsOfOne = 10

// claim has an officer file a claim for somebody, with a file that shows it; officers decide it as any other case. Wherever it
// is interrupted, asking once more leads to the same entry, and the file is there.
func (g *generator) claim(m *model) command {
	living := m.living()
	name := living[g.random.IntN(len(living))]
	if g.claims == nil {
		g.claims = make(map[string]int)
	}
	if g.claims[name]++; g.claims[name] > claimsOfOne {
		return g.look(m)
	}
	n, account := g.number(), m.accounts[name].ID
	claim := api.NewClaim{
		RequestID: requestID(1<<20 + n), Account: account, Kind: ledgerv1.ClaimKind_CLAIM_KIND_CERTIFICATE,
		Category: []string{"arts", "health", "vocational"}[g.random.IntN(3)], Title: fmt.Sprint("certificate ", n), Issuer: "somebody",
		To:      g.clock.Now().AddDate(0, 0, -1-g.random.IntN(700)).Format("2006-01-02"),
		Minutes: unit.Minutes(1 + g.random.IntN(2880)),
	}
	content := []byte(fmt.Sprintf("%%PDF-1.7\n%d\nstartxref\n9\n%%%%EOF\n", n))
	return by(apitest.Registrar, fmt.Sprintf("claim %d of %d minutes", n, claim.Minutes), claim.RequestID,
		func(w *world, by access.Caller, _ string) (string, error) {
			file, err := w.UploadEvidence(ctx(), by, account, "certificate.pdf", "application/pdf", content)
			if err != nil {
				return "", err
			}
			asked := claim
			asked.Evidence = []api.ClaimFile{file.ClaimFile}
			filed, err := w.SubmitClaim(ctx(), by, asked)
			if err != nil {
				return "", err
			}
			if filed.Index >= filed.Receipt.Size {
				return "", wrongf("claim %d is under a checkpoint of size %d", filed.Index, filed.Receipt.Size)
			}
			officer, err := w.officer(apitest.Officer)
			if err != nil {
				return "", err
			}
			_, kept, err := w.GetEvidence(ctx(), officer, filed.Index, file.ID)
			if err != nil {
				return "", err
			}
			if string(kept) != string(content) {
				return "", wrongf("the file of claim %d is %q", filed.Index, kept)
			}
			return entry(filed.Index, nil)
		})
}
