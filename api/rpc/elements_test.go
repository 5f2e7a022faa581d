package rpc_test

import (
	"bytes"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// raw sends bytes as they are.
type raw struct{ encoding.CodecV2 }

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// Whoever sends as many empty elements as fit the bytes of a request, without being anybody, is refused before they are made.
func TestManyElements(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	conn := s.nobody()
	for method, element := range map[string]string{
		creditbankv1.AccreditationService_BatchQueryAccreditation_FullMethodName: "\x0a\x00",         // a query
		creditbankv1.CompletionService_RecordCompletions_FullMethodName:          "\x22\x00",         // a statement
		creditbankv1.ConsentService_GrantConsent_FullMethodName:                  "\x32\x02\x01\x01", // entries, packed
	} {
		body := []byte(strings.Repeat(element, (4<<20)/len(element)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := conn.Invoke(t.Context(), method, body, new(creditbankv1.RecordCompletionsResponse), grpc.ForceCodecV2(raw{}))
		runtime.ReadMemStats(&after)
		refused(t, err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE", "")
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 { // of tests beside this one, too
			t.Errorf("%s: it took %d MiB", method, taken>>20)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	queries := func(n int) *creditbankv1.BatchQueryAccreditationRequest {
		m := new(creditbankv1.BatchQueryAccreditationRequest)
		for range n {
			q := new(creditbankv1.QueryAccreditationRequest)
			setAll(q.ProtoReflect(), 1)
			m.Queries = append(m.Queries, q)
		}
		return m
	}
	roots := new(creditbankv1.ProposeOpeningBalancesRequest)
	setAll(roots.ProtoReflect(), 1000)
	consent := new(creditbankv1.GrantConsentRequest)
	setAll(consent.ProtoReflect(), 500)
	for name, test := range map[string]struct {
		request proto.Message
		fits    bool
	}{
		"the most questions":          {queries(1000), true},
		"the most statements":         {&creditbankv1.RecordCompletionsRequest{Statements: make([][]byte, 1000)}, true},
		"the most parts of an import": {roots, true},
		"a consent about many items":  {consent, true},
		"as many as there may be":     {&creditbankv1.RecordCompletionsRequest{Statements: make([][]byte, rpc.MaxElements)}, true},
		"one too many":                {&creditbankv1.RecordCompletionsRequest{Statements: make([][]byte, rpc.MaxElements+1)}, false},
		"too many further in":         {queries(5000), false},
		"too many numbers":            {&creditbankv1.GrantConsentRequest{EntryIndexes: make([]uint64, rpc.MaxElements)}, false},
	} {
		b, err := proto.Marshal(test.request)
		if err != nil {
			t.Fatal(err)
		}
		if _, fault := rpc.Fits(b, test.request.ProtoReflect().Descriptor(), rpc.MaxElements); (fault == nil) != test.fits {
			t.Errorf("%s: %v", name, fault)
		}
	}
}

// No message of a request takes more memory than an element is reckoned at.
func TestElementBytes(t *testing.T) {
	t.Parallel()
	for _, m := range requestMessages() {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(m.FullName())
		if err != nil {
			t.Fatal(err)
		}
		if size := reflect.TypeOf(kind.Zero().Interface()).Elem().Size() + 2*reflect.TypeFor[*int]().Size(); size > rpc.ElementBytes {
			t.Errorf("%s takes %d bytes", m.FullName(), size)
		}
	}
}

// A tag that is too long ends no counting behind which elements could hide: the decoder of completions reads on.
func TestNothingHidesElements(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	conn := s.nobody()
	long := protowire.AppendVarint(nil, 1<<35|0x08) // a number that the decoder cuts to 32 bits
	body := append(append(long, 1), strings.Repeat("\x22\x00", 1<<20)...)
	err := conn.Invoke(t.Context(), creditbankv1.CompletionService_RecordCompletions_FullMethodName, body,
		new(creditbankv1.RecordCompletionsResponse), grpc.ForceCodecV2(raw{}))
	refused(t, err, codes.InvalidArgument, "MESSAGE_MALFORMED", "")
}

// setAll sets every field of a message and of those within it; lists have so many elements.
func setAll(m protoreflect.Message, elements int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsList():
			list := m.Mutable(field).List()
			for range elements {
				element := list.NewElement()
				if field.Message() != nil {
					setAll(element.Message(), 1)
				}
				list.Append(element)
			}
		case field.Message() != nil:
			setAll(m.Mutable(field).Message(), elements)
		case field.Kind() == protoreflect.StringKind:
			m.Set(field, protoreflect.ValueOfString("x"))
		case field.Kind() == protoreflect.BytesKind:
			m.Set(field, protoreflect.ValueOfBytes([]byte("x")))
		case field.Kind() == protoreflect.BoolKind:
			m.Set(field, protoreflect.ValueOfBool(true))
		case field.Kind() == protoreflect.EnumKind:
			m.Set(field, protoreflect.ValueOfEnum(1))
		}
	}
}

// elementsOf is how many elements a message has, once it is decoded.
func elementsOf(m protoreflect.Message) (count int) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if !field.IsList() {
			count++
			if field.Message() != nil {
				count += elementsOf(value.Message())
			}
			return true
		}
		list := value.List()
		count += list.Len()
		for i := 0; i < list.Len() && field.Message() != nil; i++ {
			count += elementsOf(list.Get(i).Message())
		}
		return true
	})
	return count
}

// What is decoded has no more elements than were counted, whatever the bytes.
func FuzzFits(f *testing.F) {
	consent := new(creditbankv1.GrantConsentRequest)
	setAll(consent.ProtoReflect(), 3)
	seed, err := proto.Marshal(consent)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(bytes.Repeat([]byte("\x32\x02\x01\x01"), 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(creditbankv1.GrantConsentRequest)
		if proto.Unmarshal(b, m) != nil {
			return
		}
		left, fault := rpc.Fits(b, m.ProtoReflect().Descriptor(), rpc.MaxElements)
		if has := elementsOf(m.ProtoReflect()); fault == nil && has > rpc.MaxElements-left {
			t.Errorf("%d elements are %d", rpc.MaxElements-left, has)
		}
	})
}
