package rpc

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/learning-credit-bank/creditbank/api"
)

// checkKnown refuses a request that says something which this version does not know: a field without a name, at any
// depth, or a value of an enum without one. Whoever sent it meant something by it, and would believe that it was heeded.
// The bytes of statements are not looked into; api does that for each.
func checkKnown(m protoreflect.Message) *api.Error {
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		number, _, _ := protowire.ConsumeTag(unknown)
		return &api.Error{
			Kind: api.Invalid, Reason: api.ReasonUnknownField, Field: strconv.Itoa(int(number)),
			Message: fmt.Sprintf("%s has no field %d here", m.Descriptor().FullName(), number),
		}
	}
	var fault *api.Error
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil && field.Enum() == nil:
		case field.IsList():
			list := value.List()
			for i := 0; i < list.Len() && fault == nil; i++ {
				fault = within(fmt.Sprintf("%s[%d]", field.Name(), i), checkValue(field, list.Get(i)))
			}
		default:
			fault = within(string(field.Name()), checkValue(field, value))
		}
		return fault == nil
	})
	return fault
}

func checkValue(field protoreflect.FieldDescriptor, value protoreflect.Value) *api.Error {
	if field.Message() != nil {
		return checkKnown(value.Message())
	}
	if number := value.Enum(); field.Enum().Values().ByNumber(number) == nil {
		return &api.Error{
			Kind: api.Invalid, Reason: api.ReasonUnknownEnum,
			Message: fmt.Sprintf("%s has no value %d here", field.Enum().FullName(), number),
		}
	}
	return nil
}

// within puts a fault at its place in the message around it.
func within(name string, fault *api.Error) *api.Error {
	switch {
	case fault == nil:
	case fault.Field == "":
		fault.Field = name
	default:
		fault.Field = name + "." + fault.Field
	}
	return fault
}
