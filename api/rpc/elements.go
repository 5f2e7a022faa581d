package rpc

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/learning-credit-bank/creditbank/api"
)

// maxElements is how many fields a request has at most, in itself and in the messages within it, where each element of a list counts:
// twice what the largest take, which are a thousand questions (BatchQueryAccreditation). Two bytes can make an element that takes
// hundreds when it is decoded, of whoever sends them.
const maxElements = 16 << 10

// elementBytes is what an element takes in memory at most, once it is decoded: a message, and twice its place in a list that grew.
const elementBytes = 320

// fits counts the elements of bytes that are a message of this kind, of which so many are left, and answers how many are left then. It
// refuses more, and bytes that are no message: of those, the decoder of completions would read some all the same.
func fits(b []byte, of protoreflect.MessageDescriptor, left int) (remaining int, fault *api.Error) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, malformed()
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return 0, malformed()
		}
		value := b[n : n+size]
		b = b[n+size:]
		if left--; left < 0 {
			return 0, tooManyElements()
		}
		if kind != protowire.BytesType {
			continue
		}
		inner, _ := protowire.ConsumeBytes(value)
		switch field := of.Fields().ByNumber(number); {
		case field == nil, field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
		case field.Message() != nil:
			if left, fault = fits(inner, field.Message(), left); fault != nil {
				return 0, fault
			}
		case len(inner) > left: // packed numbers, of at least a byte each
			return 0, tooManyElements()
		default:
			left -= len(inner)
		}
	}
	return left, nil
}

func tooManyElements() *api.Error {
	return &api.Error{
		Kind: api.Busy, Reason: reasonMessageSize,
		Message: fmt.Sprintf("the request has more than %d fields and elements of lists; split it", maxElements),
	}
}
