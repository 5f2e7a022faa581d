package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/learning-credit-bank/creditbank/ledger"
)

// formerLogs lists the logs that ended, the oldest first: verifier key, and how many of its entries went on
// (ledger/FORMAT.md, "Another log").
func (s *site) formerLogs(w http.ResponseWriter, r *http.Request) {
	public(w.Header())
	former, err := s.config.Bank.FormerLogs(r.Context())
	if err != nil {
		s.failPlainly(w, err)
		return
	}
	var list strings.Builder
	for _, log := range former {
		fmt.Fprintf(&list, "%s %d\n", log.VerifierKey, log.Kept)
	}
	send(w, plainText, "no-store", []byte(list.String()))
}

// formerLog answers the last checkpoint of a log that ended.
func (s *site) formerLog(w http.ResponseWriter, r *http.Request) {
	public(w.Header())
	former, err := s.config.Bank.FormerLogs(r.Context())
	if err != nil {
		s.failPlainly(w, err)
		return
	}
	for _, log := range former {
		if fmt.Sprintf("%08x", log.Verifier.KeyHash()) == r.PathValue("key") && log.Signed != nil {
			send(w, plainText, "public, max-age=300", log.Signed)
			return
		}
	}
	s.failPlainly(w, ledger.ErrNotFound)
}
