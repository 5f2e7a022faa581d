package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Page asks for a part of a list.
type Page struct {
	// Size is how many at most; 0 for the list's default.
	Size int
	// Token is where to go on; empty for the beginning.
	Token string
}

// size checks a page's size.
func (p Page) size(usual, most int) (int, *Error) {
	switch {
	case p.Size == 0:
		return usual, nil
	case p.Size < 0 || p.Size > most:
		return 0, invalid(ReasonField, "page_size", "the page size is %d, 1 to %d are answered", p.Size, most)
	default:
		return p.Size, nil
	}
}

// A page token is the place at which the next page begins, and a hash of what was asked: a token that comes with other
// questions than it was made for is refused (AIP-158).

const askedBytes = 8

func askedHash(asked any) ([]byte, error) {
	b, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("api: page token: %v", err)
	}
	sum := sha256.Sum256(b)
	return sum[:askedBytes], nil
}

// pageToken makes a token for a place, which is a struct of plain fields.
func pageToken(asked, place any) (string, error) {
	hash, err := askedHash(asked)
	if err != nil {
		return "", err
	}
	at, err := json.Marshal(place)
	if err != nil {
		return "", fmt.Errorf("api: page token: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(hash, at...)), nil
}

// parsePageToken reads a token into place, which stays as it is when the token is empty.
func parsePageToken(token string, asked, place any) error {
	if token == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < askedBytes || len(token) > 512 {
		return wrongPageToken()
	}
	hash, err := askedHash(asked)
	if err != nil {
		return err
	}
	if string(b[:askedBytes]) != string(hash) || json.Unmarshal(b[askedBytes:], place) != nil {
		return wrongPageToken()
	}
	return nil
}

func wrongPageToken() *Error {
	return invalid(ReasonPageToken, "page_token", "the page token is not one of this list; leave it empty to begin anew")
}
