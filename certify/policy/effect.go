package policy

import "fmt"

// An Effect is when a published version of an organization's policy is in force.
type Effect struct {
	Version     string
	From, Until Day // Until is inclusive; 0: until the next version
}

// CheckEffect holds the time of a version that is proposed, or is about to be published, against the versions that are in force
// for its organization, whatever their policy's id: learning that ended on one day has one judge. The faults are those for
// which it must not be published; the warnings are gaps, days on which no version would be in force once it is. Learning
// that ended then is judged by the policy of the organization above, if at all, which may be what is meant. Both are in the
// order of the text.
//
//   - Only the first policy of an organization reaches back: a later one begins today at the earliest.
//   - No two versions begin on the same day. A version without an end is in force until the next one begins; one that says
//     when it ends is in force until then, and no other begins meanwhile.
func (p *Policy) CheckEffect(published []Effect, today Day) (faults, warnings []*Error) {
	if len(published) > 0 && p.from < today {
		faults = append(faults, p.Fault("effective_from",
			"only the first policy of an organization reaches back; this one can begin on %v at the earliest", today))
	}
	var before, after *Effect // its neighbours
	for i := range published {
		e := &published[i]
		switch {
		case e.From == p.from:
			faults = append(faults, p.Fault("effective_from", "version %q is in force from the same day on; begin on another", e.Version))
		case e.From < p.from && (before == nil || e.From > before.From):
			before = e
		case e.From > p.from && (after == nil || e.From < after.From):
			after = e
		}
		if e.From < p.from && e.Until >= p.from {
			faults = append(faults, p.Fault("effective_from", "version %q is in force until %v; begin on %v at the earliest", e.Version, e.Until, e.Until+1))
		}
	}
	if before != nil && before.Until != 0 && before.Until+1 < p.from {
		warnings = append(warnings, p.Fault("effective_from", "no version is in force from %v, after version %q, to %v", before.Until+1, before.Version, p.from-1))
	}
	switch {
	case p.until == 0:
	case after == nil:
		warnings = append(warnings, p.Fault("effective_until", "no version is in force from %v on", p.until+1))
	case after.From <= p.until:
		faults = append(faults, p.Fault("effective_until",
			"version %q is in force from %v on; end on %v at the latest, or leave effective_until out", after.Version, after.From, after.From-1))
	case p.until+1 < after.From:
		warnings = append(warnings, p.Fault("effective_until", "no version is in force from %v to %v, before version %q", p.until+1, after.From-1, after.Version))
	}
	return faults, warnings
}

// Fault is a fault of a field of the policy that only its surroundings show, such as an organization that there is not. It
// stands where the field does. Field is the name of one at the top of the policy.
func (p *Policy) Fault(field, format string, args ...any) *Error {
	at := p.places[field]
	return &Error{Of: ErrPolicy, Line: at.Line, Column: at.Column, Field: field, Message: fmt.Sprintf(format, args...)}
}
