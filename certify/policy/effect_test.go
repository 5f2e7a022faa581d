package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
)

func TestCheckEffect(t *testing.T) {
	span := func(version, from, until string) policy.Effect {
		e := policy.Effect{Version: version, From: day(t, from)}
		if until != "" {
			e.Until = day(t, until)
		}
		return e
	}
	open, year := span("1", "2024-03-30", ""), span("2", "2027-01-01", "2027-12-31")
	for _, c := range []struct {
		name             string
		from, until      string
		published        []policy.Effect
		faults, warnings []string // "line field: part of the message", in order
	}{
		{name: "the first reaches back", from: "2020-01-01"},
		{name: "a later one does not", from: "2026-06-14", published: []policy.Effect{open}, faults: []string{"5 effective_from: can begin on 2026-06-15 at the earliest"}},
		{name: "from today on", from: "2026-06-15", published: []policy.Effect{open}},
		{name: "from the same day on", from: "2027-01-01", published: []policy.Effect{open, year}, faults: []string{`5 effective_from: version "2" is in force from the same day`}},
		{name: "within one that has an end", from: "2027-12-31", published: []policy.Effect{open, year}, faults: []string{`5 effective_from: version "2" is in force until 2027-12-31; begin on 2028-01-01`}},
		{name: "after it", from: "2028-01-01", published: []policy.Effect{open, year}},
		{name: "a gap before it", from: "2028-01-03", published: []policy.Effect{open, year}, warnings: []string{`5 effective_from: from 2028-01-01, after version "2", to 2028-01-02`}},
		{name: "between, without an end", from: "2026-09-01", published: []policy.Effect{open, year}},
		{name: "between, to the day", from: "2026-09-01", until: "2026-12-31", published: []policy.Effect{open, year}},
		{name: "a gap after it", from: "2026-09-01", until: "2026-12-29", published: []policy.Effect{open, year}, warnings: []string{`6 effective_until: from 2026-12-30 to 2026-12-31, before version "2"`}},
		{name: "into the next", from: "2026-09-01", until: "2027-01-01", published: []policy.Effect{open, year}, faults: []string{`6 effective_until: version "2" is in force from 2027-01-01 on; end on 2026-12-31`}},
		{name: "the end of all", from: "2024-03-30", until: "2030-12-31", warnings: []string{"6 effective_until: from 2031-01-01 on"}},
		{name: "all at once", from: "2026-01-01", until: "2027-06-30", published: []policy.Effect{span("0", "2025-01-01", "2026-02-28"), year}, faults: []string{
			"5 effective_from: only the first", `5 effective_from: version "0" is in force until 2026-02-28`, `6 effective_until: version "2"`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			until := ""
			if c.until != "" {
				until = fmt.Sprintf("effective_until: %q\n", c.until)
			}
			p := compile(t, strings.Replace(minimal, "effective_from: \"2024-03-30\"\n", fmt.Sprintf("effective_from: %q\n%s", c.from, until), 1))
			faults, warnings := p.CheckEffect(c.published, day(t, "2026-06-15"))
			checkFaults(t, "faults", faults, c.faults)
			checkFaults(t, "warnings", warnings, c.warnings)
		})
	}
	p := compile(t, minimal)
	if e := p.Fault("organization", "there is no %q", "x"); !errors.Is(e, policy.ErrPolicy) || e.Error() != `policy: 3:15: organization: there is no "x"` {
		t.Error(e)
	}
}

func checkFaults(t *testing.T, what string, got []*policy.Error, want []string) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(e *policy.Error, words string) bool {
		place, part, _ := strings.Cut(words, ": ")
		return fmt.Sprintf("%d %s", e.Line, e.Field) == place && strings.Contains(e.Message, part) && e.Column > 0
	}) {
		t.Errorf("%s %v, want %q", what, got, want)
	}
}
