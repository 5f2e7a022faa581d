package main

import (
	"errors"
	"strconv"
)

// pages reads a list page by page until it ends or has most elements; 0: to its end.
func pages[T any](read func(token string) (page []T, next string, err error), most int) ([]T, error) {
	var (
		all   []T
		token string
	)
	for {
		page, next, err := read(token)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		switch {
		case most > 0 && len(all) >= most:
			return all[:most], nil
		case next == "":
			return all, nil
		case next == token:
			return nil, errors.New("the bank answers the same page for ever")
		}
		token = next
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
