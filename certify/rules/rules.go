// Package rules is what texts of rules have in common, be they policies or agreements: where everything stands in their YAML,
// what is wrong with them, the conditions in CEL, days, and words in both languages.
//
// It knows no rule and decides nothing. Like the packages above it, it never reads a clock, a file, the network or a random
// source, and never touches a floating-point number. Its one invariant: a text that it reads can be read in one way only.
package rules

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrDay answers a malformed day.
var ErrDay = errors.New("day")

// A Kind is what a text is.
type Kind struct {
	Of   error  // what its faults wrap, such as "policy"
	Name string // with its article: "a policy"
}

// An Error is one fault of a text and where it is. It wraps the error of the text's kind. A warning has the same form, and refuses
// nothing.
type Error struct {
	Of     error  // the error of the text's kind
	Line   int    // from 1; 0 where the fault is nowhere in particular
	Column int    // from 1, in characters; 0 where the line is all that is known
	Field  string // such as "conversion[1].when"; empty where no field is at fault
	// Message is for whoever wrote the text. It quotes the text.
	Message string
}

// Error is "policy: 12:7: conversion[1].when: undeclared reference to 'minuets'".
func (e *Error) Error() string {
	place, field := "", ""
	switch {
	case e.Line > 0 && e.Column > 0:
		place = fmt.Sprintf("%d:%d: ", e.Line, e.Column)
	case e.Line > 0:
		place = fmt.Sprintf("%d: ", e.Line)
	}
	if e.Field != "" {
		field = e.Field + ": "
	}
	return e.Of.Error() + ": " + place + field + e.Message
}

// Unwrap gives the error of the text's kind.
func (e *Error) Unwrap() error { return e.Of }

// Faults are the faults inside an error, in the order of the text, however deep they are wrapped.
func Faults(err error) []*Error {
	if one, ok := err.(*Error); ok { //nolint:errorlint // each layer is looked at by itself
		return []*Error{one}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, one := range joined.Unwrap() {
			all = append(all, Faults(one)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return Faults(errors.Unwrap(err))
}

// maxFaults is how many faults of a text are said at most: whoever mends them hears of the others then.
const maxFaults = 200

// Join makes one error of faults: sorted, each said once, and no check's complaint where the YAML itself is wrong. Of very many only the
// first are there, and how many more there are.
func Join(written, checked []*Error) error {
	checked = slices.DeleteFunc(checked, func(e *Error) bool {
		return slices.ContainsFunc(written, func(w *Error) bool { return w.Line == e.Line && (w.Column == e.Column || w.Field == e.Field) })
	})
	all := slices.Concat(written, checked)
	slices.SortStableFunc(all, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all = slices.CompactFunc(all, func(a, b *Error) bool { return *a == *b })
	if more := len(all) - maxFaults; more > 0 {
		all = append(all[:maxFaults:maxFaults], &Error{Of: all[0].Of, Message: fmt.Sprintf("%d more faults: mend these first", more)})
	}
	errs := make([]error, len(all))
	for i, e := range all {
		errs[i] = e
	}
	return errors.Join(errs...)
}
