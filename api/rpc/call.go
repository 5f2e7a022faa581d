package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
)

// guarded registers services so that their calls are taken by [Server.call] before the request is read. An interceptor
// would come too late: gRPC reads the request first.
type guarded struct{ server *Server }

// RegisterService implements grpc.ServiceRegistrar.
func (g guarded) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	d := *desc
	d.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		d.Methods[i] = grpc.MethodDesc{
			MethodName: m.MethodName, Handler: g.server.guard("/"+desc.ServiceName+"/"+m.MethodName, m.Handler),
		}
	}
	g.server.grpc.RegisterService(&d, implementation)
}

// guard puts a method with one request and one answer behind call.
func (s *Server) guard(method string, next grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, read func(any) error, measured grpc.UnaryServerInterceptor) (any, error) {
		info := &grpc.UnaryServerInfo{Server: service, FullMethod: method}
		return measured(ctx, nil, info, func(ctx context.Context, _ any) (answer any, err error) {
			err = s.call(ctx, method, func(ctx context.Context, seat *seat) error {
				r := request{seat: seat, read: read}
				answer, err = next(service, ctx, r.decode, admit)
				return err
			})
			return answer, err
		})
	}
}

// stream puts a method with streams behind call. It ends when the server stops.
func (s *Server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return s.call(stream.Context(), info.FullMethod, func(ctx context.Context, seat *seat) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.closing, cancel)() //nolint:contextcheck // the stream ends with either of two contexts
		return next(service, ending{stream, ctx, seat})
	})
}

// ownPackage is the protobuf package of the bank's own services.
const ownPackage = "creditbank.v1"

// ending is a stream under a context that ends earlier than its own.
type ending struct {
	grpc.ServerStream
	ctx  context.Context
	seat *seat
}

// RecvMsg implements grpc.ServerStream. The requests of the bank's own methods are read as those of methods without
// streams are. Each has its bytes until the next one is read.
func (e ending) RecvMsg(message any) error {
	asked, ok := message.(proto.Message)
	if !ok || asked.ProtoReflect().Descriptor().ParentFile().Package() != ownPackage {
		return e.ServerStream.RecvMsg(message)
	}
	e.seat.give()
	r := request{seat: e.seat, read: e.ServerStream.RecvMsg}
	if err := r.decode(asked); err != nil {
		return err
	}
	if fault := checkKnown(asked.ProtoReflect()); fault != nil {
		return fault
	}
	return nil
}

// Context implements grpc.ServerStream.
func (e ending) Context() context.Context { return e.ctx }

// call is one call from its first byte to its status: the caller is found out, the call gets its seat, run does it. The
// error that it answers has its status.
func (s *Server) call(ctx context.Context, method string, run func(ctx context.Context, seat *seat) error) (err error) {
	began := s.config.Now()
	var caller access.Caller
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("rpc: panic: %v\n%s", cause, debug.Stack())
		}
		answered := statusOf(err)
		s.log(ctx, method, caller, answered, err, s.config.Now().Sub(began))
		err = answered.Err()
	}()
	if caller, err = s.authenticate(ctx); err != nil {
		return err
	}
	seat, err := s.calls.enter(place(ctx, caller), caller.Kind == access.Anonymous)
	if err != nil {
		return err
	}
	defer seat.leave()
	return run(context.WithValue(ctx, callerKey{}, caller), seat)
}

type callerKey struct{}

// callerOf is who calls. A context that did not come through call is anonymous.
func callerOf(ctx context.Context) access.Caller {
	caller, _ := ctx.Value(callerKey{}).(access.Caller)
	return caller
}

// authenticate finds out who calls by the metadata "authorization: Bearer <token>" (RFC 6750). Without it the caller is
// anonymous; with one that does not hold, the call is refused even where it would not need any.
func (s *Server) authenticate(ctx context.Context) (access.Caller, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return access.Caller{}, nil
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return access.Caller{}, fmt.Errorf("%w: the metadata \"authorization\" is not one \"Bearer <token>\"", access.ErrUnauthenticated)
	}
	return s.config.Bank.Authenticate(ctx, token)
}

// place is the name under which a caller's calls are counted. It is not for logs: it names residents.
func place(ctx context.Context, caller access.Caller) string {
	switch caller.Kind {
	case access.Resident:
		return "resident:" + caller.Account.String()
	case access.Anonymous:
		if p, ok := peer.FromContext(ctx); ok {
			if address, err := netip.ParseAddrPort(p.Addr.String()); err == nil {
				return "anonymous:" + network(address.Addr().Unmap()).String()
			}
		}
		return "anonymous"
	default:
		return caller.String()
	}
}

// network is what one host has of addresses: of IPv6 64 bits (RFC 6177).
func network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(address.WithZone(""), bits).Masked()
}

// admit lets a request that was read go on to its method when nothing in it is unknown.
func admit(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	message, ok := request.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("rpc: the request is a %T", request)
	}
	if fault := checkKnown(message.ProtoReflect()); fault != nil {
		return nil, fault
	}
	return next(ctx, request)
}

// log writes the line of a call. An error's words are written only when the bank is at fault: others may quote what was
// asked.
func (s *Server) log(
	ctx context.Context, method string, caller access.Caller, answered *status.Status, err error, took time.Duration,
) {
	level := levelOf(answered.Code())
	if !s.config.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("code", answered.Code().String()),
		slog.Duration("duration", took), slog.String("caller", caller.String()),
	}
	if reason := reasonOf(answered); reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	if level == slog.LevelError {
		attrs = append(attrs, slog.Any("cause", causeOf(err)))
	}
	s.config.Log.LogAttrs(ctx, level, "call", attrs...)
}

// causeOf is what lies behind an error.
func causeOf(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok && e.Cause != nil {
		return e.Cause
	}
	return err
}

func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK:
		return slog.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.ResourceExhausted, codes.Unavailable:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
