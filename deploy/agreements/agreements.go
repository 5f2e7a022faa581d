// Package agreements holds sample agreements of accepting institutions, as the exact bytes that are published. It decides nothing:
// an agreement is in force only where an institution has signed and published it.
package agreements

import _ "embed" // the agreements are files

//go:embed open-university-2026.yaml
var openUniversity2026 []byte

//go:embed vocational-college-2026.yaml
var vocationalCollege2026 []byte

// OpenUniversity2026 is the agreement of an open university: what it takes over is spent.
func OpenUniversity2026() []byte { return append([]byte(nil), openUniversity2026...) }

// VocationalCollege2026 is the agreement of a vocational college: what it takes over is recognised only.
func VocationalCollege2026() []byte { return append([]byte(nil), vocationalCollege2026...) }
