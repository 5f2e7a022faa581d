package rpc

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxElements is how many fields a request has at most, in itself and in the messages within it, where each element of a list counts:
// twice what the largest take, which are a thousand questions (BatchQueryAccreditation). Two bytes can make an element that takes
// hundreds when it is decoded, of whoever sends them.
const maxElements = 16 << 10

// fits says whether bytes that are a message of this kind have no more than so many elements, and how many are left. It looks no
// further than where they are no message: the decoder refuses them.
func fits(b []byte, of protoreflect.MessageDescriptor, left int) (remaining int, ok bool) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return left, true
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return left, true
		}
		value := b[n : n+size]
		b = b[n+size:]
		if left--; left < 0 {
			return 0, false
		}
		if kind != protowire.BytesType {
			continue
		}
		inner, _ := protowire.ConsumeBytes(value)
		switch field := of.Fields().ByNumber(number); {
		case field == nil, field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
		case field.Message() != nil:
			if left, ok = fits(inner, field.Message(), left); !ok {
				return 0, false
			}
		case len(inner) > left: // packed numbers, of at least a byte each
			return 0, false
		default:
			left -= len(inner)
		}
	}
	return left, true
}
