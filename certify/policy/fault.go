package policy

import (
	"errors"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

var (
	// ErrPolicy answers a policy that cannot be published; the [Error]s inside say what is wrong with it.
	ErrPolicy = errors.New("policy")
	// ErrDay answers a malformed day.
	ErrDay = rules.ErrDay
)

// An Error is one fault of a policy and where it is. It wraps [ErrPolicy]. A warning has the same form, and refuses nothing.
type Error = rules.Error

// Faults are the faults inside what [Compile] answered, in the order of the text, however deep they are wrapped.
func Faults(err error) []*Error { return rules.Faults(err) }
