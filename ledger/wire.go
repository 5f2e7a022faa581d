package ledger

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// shape is what may stand in the bytes of a message of one kind. It is made of the message's description, and finds in some
// hundred nanoseconds what reflection over the decoded message would take several times as long for: a field that is not
// known, at any depth, and a text that is not UTF-8.
type shape struct {
	name   protoreflect.Name
	fields []fieldShape // by number
}

type fieldShape struct {
	known   bool
	wire    protowire.Type
	packed  bool // it may come as one piece, too
	text    bool
	message *shape
}

// shapes are those of what a check reads. It reads a sealed statement no further than it has to: nobody needs the reasons.
type shapes struct {
	entry, completion, void, stated *shape
}

// Numbers of the fields that are read in passing.
const (
	sealedContent protowire.Number = 1 // of SealedCompletion and of SealedVoid

	statementID         protowire.Number = 1
	statementCompletion protowire.Number = 3
	statementVoid       protowire.Number = 4
)

func newShapes() shapes {
	return shapes{
		entry:      newShape(new(ledgerv1.Entry).ProtoReflect().Descriptor()),
		completion: newShape(new(ledgerv1.SealedCompletion).ProtoReflect().Descriptor()),
		void:       newShape(new(ledgerv1.SealedVoid).ProtoReflect().Descriptor()),
		stated:     newShape(new(statementv1.Statement).ProtoReflect().Descriptor()),
	}
}

// statement answers the statement in a payload that was opened; ok is false when there is none.
func (s *shapes) statement(opened []byte, voids bool) (statement []byte, ok bool) {
	sealed := s.completion
	if voids {
		sealed = s.void
	}
	if sealed.check(opened) != nil {
		return nil, false
	}
	statement = content(opened, sealedContent)
	return statement, s.stated.check(statement) == nil
}

func newShape(d protoreflect.MessageDescriptor) *shape {
	return shapeOf(d, make(map[protoreflect.FullName]*shape))
}

func shapeOf(d protoreflect.MessageDescriptor, made map[protoreflect.FullName]*shape) *shape {
	if s, ok := made[d.FullName()]; ok {
		return s
	}
	s := &shape{name: d.Name()}
	made[d.FullName()] = s
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		for len(s.fields) <= int(field.Number()) {
			s.fields = append(s.fields, fieldShape{})
		}
		f := &s.fields[field.Number()]
		f.known, f.wire = true, wireType(field.Kind())
		f.packed = field.IsList() && f.wire != protowire.BytesType
		f.text = field.Kind() == protoreflect.StringKind
		if field.Message() != nil {
			f.message = shapeOf(field.Message(), made)
		}
	}
	return s
}

func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	default:
		return protowire.VarintType
	}
}

var errWire = errors.New("they are no message")

// consumeTag is [protowire.ConsumeTag], which takes longer for tags of one byte: nearly all are.
func consumeTag(b []byte) (number protowire.Number, wire protowire.Type, n int) {
	if tag := b[0]; 1<<3 <= tag && tag < 1<<7 {
		return protowire.Number(tag >> 3), protowire.Type(tag & 7), 1
	}
	return protowire.ConsumeTag(b)
}

// check says what in the bytes of a message does not belong there.
func (s *shape) check(b []byte) error {
	for len(b) > 0 {
		number, wire, n := consumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		if int(number) >= len(s.fields) || !s.fields[number].known {
			return fmt.Errorf("they hold a field that is not known: %d of %s", number, s.name)
		}
		f := &s.fields[number]
		switch {
		case wire == protowire.BytesType && (f.wire == wire || f.packed):
			content, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return errWire
			}
			b = b[n:]
			if f.text && !utf8.Valid(content) {
				return fmt.Errorf("they hold a text that is not UTF-8: field %d of %s", number, s.name)
			}
			if err := f.checkInside(content); err != nil {
				return err
			}
		case wire == f.wire && wire != protowire.StartGroupType:
			n := protowire.ConsumeFieldValue(number, wire, b)
			if n < 0 {
				return errWire
			}
			b = b[n:]
		default:
			return fmt.Errorf("they hold a field of another kind than is known: %d of %s", number, s.name)
		}
	}
	return nil
}

// checkInside says what does not belong into the content of a field: a message, or numbers in one piece.
func (f *fieldShape) checkInside(content []byte) error {
	if f.message != nil {
		return f.message.check(content)
	}
	for f.packed && len(content) > 0 {
		n := protowire.ConsumeFieldValue(1, f.wire, content)
		if n < 0 {
			return errWire
		}
		content = content[n:]
	}
	return nil
}

// content answers the newest content of a field of bytes, or of a message, in bytes that have been checked; nil where the field
// is not there.
func content(b []byte, field protowire.Number) (content []byte) {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(number, wire, b[n:])
		if number == field && wire == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(b[n:])
		}
		b = b[n+size:]
	}
	return content
}

// assertion answers which field of a statement, whose bytes have been checked, is what it asserts: the last one counts.
func assertion(statement []byte) (field protowire.Number) {
	for len(statement) > 0 {
		number, wire, n := protowire.ConsumeTag(statement)
		if number == statementCompletion || number == statementVoid {
			field = number
		}
		statement = statement[n+protowire.ConsumeFieldValue(number, wire, statement[n:]):]
	}
	return field
}
