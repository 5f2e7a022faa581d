package rpc

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/learning-credit-bank/creditbank/api"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// request reads the request of one call. gRPC by itself would answer what it cannot read with a status of its own, which
// has no reason and blames the server; and it decodes a request before anybody can ask whether there is room for it.
type request struct {
	// seat is that of the call.
	seat *seat
	// read is gRPC's: it hands the bytes to codec.
	read func(any) error
	// message is what the bytes are decoded into.
	message any
	err     error
}

// decode reads the request into a message.
func (r *request) decode(message any) error {
	r.message = message
	if err := r.read(r); err != nil {
		return err
	}
	return r.err
}

// unmarshal decodes the bytes of the request, for which there has to be room.
func (r *request) unmarshal(codec encoding.CodecV2, data mem.BufferSlice) error {
	size, most := data.Len(), r.seat.calls.limits.MessageBytes
	if size > most {
		return &api.Error{
			Kind: api.Busy, Reason: reasonMessageSize,
			Message: fmt.Sprintf("the request has %d bytes, at most %d are taken; split it", size, most),
		}
	}
	if err := r.seat.take(int64(size)); err != nil {
		return err
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if message, ok := r.message.(protoreflect.ProtoMessage); ok {
		left, fault := fits(whole.ReadOnlyData(), message.ProtoReflect().Descriptor(), maxElements)
		if fault != nil {
			return fault
		}
		if err := r.seat.take(int64(maxElements-left) * elementBytes); err != nil {
			return err
		}
	}
	if err := codec.Unmarshal(mem.BufferSlice{whole}, r.message); err != nil {
		return malformed()
	}
	return nil
}

func malformed() *api.Error {
	return &api.Error{
		Kind: api.Invalid, Reason: reasonMalformed,
		Message: "the bytes of the request are not the message that the method takes",
	}
}

// codec is gRPC's own codec of protobuf, but that it lets a request decode itself, and that completions, of which there are
// up to a thousand in one message, are read and written without reflection.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(*request); ok {
		r.err = r.unmarshal(c, data)
		return nil
	}
	// Its strings are names, of which those that are not UTF-8 are not known: nothing has to look at that here.
	if completions, ok := v.(*creditbankv1.RecordCompletionsRequest); ok {
		whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer whole.Free()
		return completions.UnmarshalVT(whole.ReadOnlyData())
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	var fast interface{ MarshalVT() ([]byte, error) }
	switch answer := v.(type) {
	case *creditbankv1.RecordCompletionsResponse:
		fast = answer
	case *creditbankv1.GetPortfolioResponse:
		fast = answer
	case *creditbankv1.ListPortfolioEntriesResponse:
		fast = answer
	default:
		return c.CodecV2.Marshal(v)
	}
	b, err := fast.MarshalVT()
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}
