package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of the list of public notices.
const (
	maxNoticePage   = 100
	usualNoticePage = 50
)

// Notice is a case under public notice, as everybody may read it.
type Notice struct {
	Case uint64
	// Name is the learner's, masked.
	Name            string
	Title           string
	Provider        string
	ProviderName    string
	Category        string
	Minutes         unit.Minutes // 0 of a claim: they lie under a seal
	EndDate         string
	Published, Ends time.Time
	// Zone is where the days of the notice begin and end.
	Zone *time.Location
}

// ListNotices answers a page of the cases under public notice, those whose notice ends first before the others. Everybody may
// read it. Within is the organization in whose subtree their providers lie; empty: all.
func (b *Bank) ListNotices(ctx context.Context, within string, page Page) (notices []Notice, next string, err error) {
	size, fault := page.size(usualNoticePage, maxNoticePage)
	if fault != nil {
		return nil, "", fault
	}
	asked := []string{"ListNotices", within}
	var after []byte
	if err := parsePageToken(page.Token, asked, &after); err != nil {
		return nil, "", err
	}
	if after != nil && len(after) != 16 {
		return nil, "", wrongPageToken()
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	if fault := (CaseFilter{Within: within}).check(d); fault != nil {
		return nil, "", fault
	}
	prefix := book.CaseTimesPrefix(book.CaseEnds)
	ends := store.Prefix(prefix)
	ends.Start = book.CaseTimesUntil(book.CaseEnds, b.config.Now().UnixMicro()+1) // what has ended only waits for its entry
	if from := append(slices.Concat(prefix, after), 0); after != nil && bytes.Compare(from, ends.Start) > 0 {
		ends.Start = from
	}
	looked, state := 0, view.State(ctx)
	for row, err := range view.Scan(ctx, ends) {
		if err != nil {
			return nil, "", err
		}
		if len(notices) == size || looked == maxCasesLooked {
			next, err = pageToken(asked, after)
			return notices, next, err
		}
		looked++
		after = bytes.Clone(row.Key[len(prefix):])
		id := binary.BigEndian.Uint64(after[8:])
		c, err := state.Case(id)
		if err != nil {
			return nil, "", err
		}
		organization := d.jurisdiction(c)
		if c.GetStatus() != ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE || organization == "" ||
			(within != "" && !d.Within(organization, within)) {
			continue
		}
		person, err := b.vault.Person(ctx, unit.AccountID(c.GetAccount()))
		if errors.Is(err, vault.ErrErased) || errors.Is(err, vault.ErrUnknownAccount) {
			continue // nobody is there to object to
		}
		if err != nil {
			return nil, "", err
		}
		read, err := readCase(ctx, view, d, id)
		if err != nil {
			return nil, "", err
		}
		notices = append(notices, Notice{
			Case: id, Name: MaskedName(person.Name), Title: read.Title, Provider: read.Provider,
			ProviderName: d.organizations[read.Provider].GetFact().GetName(), Category: read.Category, Minutes: read.Minutes,
			EndDate: read.EndDate, Published: read.Since, Ends: read.Deadline, Zone: read.zone,
		})
	}
	return notices, "", nil
}

// MaskedName is a name as a public notice shows it: whoever knows the person may recognize them, and others learn nothing. Of a
// name of two characters the first is shown, of a longer one the first and the last; of one that is written in words, the first
// letter of each. Chinese names have no words: spaces within one, with which lists are filled up, count for nothing.
func MaskedName(name string) string {
	const hidden = "*"
	words := strings.Fields(name)
	if joined := strings.Join(words, ""); !strings.ContainsFunc(joined, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) {
		words = []string{joined}
	}
	if len(words) > 1 {
		for i, word := range words {
			first, _ := utf8.DecodeRuneInString(word)
			words[i] = string(first) + hidden // even where that is all: nobody can tell
		}
		return strings.Join(words, " ")
	}
	letters := []rune(strings.Join(words, ""))
	switch n := len(letters); {
	case n < 2:
		return hidden
	case n == 2 || letters[n-1] < utf8.RuneSelf:
		return string(letters[0]) + hidden
	default:
		return string(letters[0]) + strings.Repeat(hidden, n-2) + string(letters[n-1])
	}
}
