package servertest_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/server/servertest"
)

// Example runs a server without services and asks for its health. A test
// calls Start instead, which ends the server with the test.
func Example() {
	s, err := servertest.Run(server.Services{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	h, err := grpc_health_v1.NewHealthClient(s.Conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	fmt.Println(h.GetStatus(), err)
	// Output: SERVING <nil>
}
