package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func (s *Server) listen(ctx context.Context) (err error) {
	if s.cfg.Address != "" {
		lis, err := listenLoopback(ctx, "address", s.cfg.Address)
		if err != nil {
			return err
		}
		s.Add(lis)
	}
	if s.cfg.Socket != "" {
		lis, err := listenSocket(ctx, s.cfg.Socket)
		if err != nil {
			return err
		}
		s.Add(lis)
	}
	if s.cfg.MetricsAddress != "" {
		s.metrics, err = listenLoopback(ctx, "metrics_address", s.cfg.MetricsAddress)
	}
	return err
}

// listenLoopback listens, and looks again at what a name like localhost has become.
func listenLoopback(ctx context.Context, setting, addr string) (net.Listener, error) {
	lis, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: listen on %s: %w", setting, addr, err)
	}
	if tcp, ok := lis.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(&NotLoopbackError{setting, lis.Addr().String()}, lis.Close())
	}
	return lis, nil
}

// listenSocket listens on a unix socket that only its owner can open. It
// replaces a socket nobody listens on, which a killed server leaves behind, and nothing else.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if err := clearSocket(ctx, path); err != nil {
		return nil, err
	}
	lis, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: restrict %s: %w", path, err), lis.Close())
	}
	return lis, nil
}

func clearSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("socket: %s exists and is not a socket; choose another path", path)
	}
	if conn, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
		return errors.Join(fmt.Errorf("socket: another process listens on %s; stop it or choose another path", path), conn.Close())
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("socket: remove the one a stopped server left: %w", err)
	}
	return nil
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
	}
	s.listeners, s.metrics = nil, nil
	return errors.Join(errs...)
}

func (s *Server) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		resp, err := s.health.Check(r.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			http.Error(w, "not serving", http.StatusServiceUnavailable)
		}
	})
	return mux
}
