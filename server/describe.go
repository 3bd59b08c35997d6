package server

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

type unaryMethod = func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error)

// describe returns a copy of a generated service description whose unary
// methods send messages that cannot be read (too large, torn) through the
// interceptors too: they are counted, logged and given a reason like every other error.
func describe(desc grpc.ServiceDesc) *grpc.ServiceDesc {
	methods := make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		full := "/" + desc.ServiceName + "/" + m.MethodName
		methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: guarded(full, m.Handler)}
	}
	desc.Methods = methods
	return &desc
}

func guarded(full string, generated unaryMethod) unaryMethod {
	return func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		var unreadable error
		resp, err := generated(srv, ctx, func(v any) error {
			unreadable = dec(v)
			return unreadable
		}, interceptor)
		if unreadable == nil {
			return resp, err
		}
		return refuse(ctx, srv, full, unreadable, interceptor)
	}
}

// refuse answers a call whose message could not be read.
func refuse(ctx context.Context, srv any, full string, cause error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: full}
	return interceptor(ctx, nil, info, func(context.Context, any) (any, error) { return nil, &unreadableError{cause} })
}

// describeDecisions is describe with a Decide whose request comes from a pool and goes back to it.
// The engine keeps strings of a request, never the message.
func describeDecisions() *grpc.ServiceDesc {
	desc := describe(pb.DecisionService_ServiceDesc)
	for i := range desc.Methods {
		if desc.Methods[i].MethodName == "Decide" {
			desc.Methods[i].Handler = pooledDecide
		}
	}
	return desc
}

func pooledDecide(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	req := pb.DecideRequestFromVTPool()
	defer req.ReturnToVTPool()
	if err := dec(req); err != nil {
		return refuse(ctx, srv, pb.DecisionService_Decide_FullMethodName, err, interceptor)
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: pb.DecisionService_Decide_FullMethodName}
	return interceptor(ctx, req, info, func(ctx context.Context, req any) (any, error) {
		return srv.(pb.DecisionServiceServer).Decide(ctx, req.(*pb.DecideRequest))
	})
}
