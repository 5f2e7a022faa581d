package unit

import "github.com/google/uuid"

// A StatementID names what an organization states, once and for ever within that organization. It is a UUID of any
// version; version 7 is expected, because time-ordered ids keep the store fast.
type StatementID = uuid.UUID

// ParseStatementID copies 16 bytes that are a UUID of the RFC 9562 variant and neither nil nor max.
func ParseStatementID(b []byte) (StatementID, error) {
	if len(b) != len(StatementID{}) {
		return StatementID{}, flawed(ErrStatementID, FlawLength, 0, "%d bytes, not 16", len(b))
	}
	switch id := StatementID(b); {
	case id == uuid.Nil:
		return StatementID{}, flawed(ErrStatementID, FlawRange, 0, "the nil uuid")
	case id == uuid.Max:
		return StatementID{}, flawed(ErrStatementID, FlawRange, 0, "the max uuid")
	case id.Variant() != uuid.RFC4122: // the variant that RFC 9562 took over from RFC 4122
		return StatementID{}, flawed(ErrStatementID, FlawRange, 0, "not the variant of rfc 9562")
	default:
		return id, nil
	}
}
