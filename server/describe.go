package server

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// describeDecisions is the generated description of DecisionService with a Decide whose request comes
// from a pool and goes back to it. The engine keeps strings of a request, never the message.
func describeDecisions(srv *decisionServer) *grpc.ServiceDesc {
	desc := pb.DecisionService_ServiceDesc
	desc.Methods = append([]grpc.MethodDesc(nil), desc.Methods...)
	for i := range desc.Methods {
		if desc.Methods[i].MethodName == "Decide" {
			desc.Methods[i].Handler = pooledDecide(srv)
		}
	}
	return &desc
}

func pooledDecide(srv *decisionServer) grpc.MethodHandler {
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: pb.DecisionService_Decide_FullMethodName}
	decide := func(ctx context.Context, req any) (any, error) { return srv.answer(ctx, req.(*pb.DecideRequest)) }
	return func(_ any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := pb.DecideRequestFromVTPool()
		defer req.ReturnToVTPool()
		if err := dec(req); err != nil {
			return nil, err
		}
		return interceptor(ctx, req, info, decide)
	}
}
