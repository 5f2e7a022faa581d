package pebble

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Compacted is a table as a compaction writes it, where L0 has a depth. Wait says that somebody waits for it.
func Compacted(
	file vfs.File, now func() time.Time, sleep func(time.Duration), yield func(), depth func() int,
) (table vfs.File, wait func()) {
	p := &pace{now: now, sleep: sleep, yield: yield}
	p.watches(depth)
	return newCompactedFile(file, p), func() { p.waiting.Add(1) }
}
