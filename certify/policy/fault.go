package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrPolicy answers a policy that cannot be published; the [Error]s inside say what is wrong with it.
	ErrPolicy = errors.New("policy")
	// ErrDay answers a malformed day.
	ErrDay = errors.New("day")
)

// An Error is one fault of a policy and where it is. It wraps [ErrPolicy]. A warning has the same form, and refuses nothing.
type Error struct {
	Line   int    // from 1; 0 where the fault is nowhere in particular
	Column int    // from 1, in characters; 0 where the line is all that is known
	Field  string // such as "conversion[1].when"; empty where no field is at fault
	// Message is for whoever wrote the policy. It quotes the policy.
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
	return ErrPolicy.Error() + ": " + place + field + e.Message
}

// Unwrap gives [ErrPolicy].
func (*Error) Unwrap() error { return ErrPolicy }

// Faults are the faults inside what [Compile] answered, in the order of the text, however deep they are wrapped.
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

// join makes one error of faults: sorted, each said once, and no check's complaint where the YAML itself is wrong.
func join(written, checked []*Error) error {
	checked = slices.DeleteFunc(checked, func(e *Error) bool {
		return slices.ContainsFunc(written, func(w *Error) bool { return w.Line == e.Line && (w.Column == e.Column || w.Field == e.Field) })
	})
	all := slices.Concat(written, checked)
	slices.SortStableFunc(all, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all = slices.CompactFunc(all, func(a, b *Error) bool { return *a == *b })
	errs := make([]error, len(all))
	for i, e := range all {
		errs[i] = e
	}
	return errors.Join(errs...)
}
