package api

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// Limits of pages of accesses.
const (
	usualAccessPage = 50
	maxAccessPage   = 500
)

// Access says that somebody looked at an account.
type Access struct {
	Time time.Time
	// Organization looked, or has the officer who did. It is empty where that is not known any more.
	Organization, OrganizationName string
	// Officer is the opaque id of one; empty: the organization itself looked.
	Officer string
	// Action is the name of a method, Purpose a code that may be empty.
	Action, Purpose string
}

// ListAccesses answers a page of who looked at an account, the newest first: to its holder, and to a registrar for them.
func (b *Bank) ListAccesses(ctx context.Context, caller access.Caller, id unit.AccountID, page Page) (accesses []Access, next string, err error) {
	size, fault := page.size(usualAccessPage, maxAccessPage)
	if fault != nil {
		return nil, "", fault
	}
	asked := []any{"ListAccesses", id.String()}
	var token string
	if err := parsePageToken(page.Token, asked, &token); err != nil {
		return nil, "", err
	}
	var after vault.Cursor
	if cursor, err := hex.DecodeString(token); err != nil || len(cursor) != len(after) && token != "" {
		return nil, "", wrongPageToken()
	} else if token != "" {
		after = vault.Cursor(cursor)
	}
	if err := b.look(ctx, caller, access.ReadAccesses, id); err != nil {
		return nil, "", err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, "", err
	}
	all, more, err := b.vault.Accesses(ctx, id, vault.Page{After: after, Size: size})
	if err != nil {
		return nil, "", err
	}
	for _, a := range all {
		accesses = append(accesses, d.accessOf(a))
	}
	if more != (vault.Cursor{}) {
		next, err = pageToken(asked, hex.EncodeToString(more[:]))
	}
	return accesses, next, err
}

func (d *directory) accessOf(a vault.Access) Access {
	answer := Access{Time: a.At, Action: a.Action, Purpose: a.Purpose}
	if id, ok := strings.CutPrefix(a.Caller, "organization:"); ok {
		answer.Organization = id
	} else if id, ok := strings.CutPrefix(a.Caller, "officer:"); ok {
		answer.Officer, answer.Organization = id, d.officers[id].GetFact().GetOrganization()
	}
	answer.OrganizationName = d.organizations[answer.Organization].GetFact().GetName()
	return answer
}
