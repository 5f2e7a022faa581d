// Package policies holds the policies that come with the bank, as the exact bytes that are published. It decides nothing:
// a policy is in force only where officers of a bank have proposed and published it.
package policies

import _ "embed" // the policies are files

//go:embed xihu-2026.yaml
var xihu2026 []byte

// Xihu2026 is the policy of the first bank: Xihu district, Hangzhou.
func Xihu2026() []byte { return append([]byte(nil), xihu2026...) }
