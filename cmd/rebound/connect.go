package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rebound-engine/rebound/client"
	"github.com/rebound-engine/rebound/store"
)

const (
	defaultAddr = "127.0.0.1:7420"
	// maxCommandTime bounds one call of a command; a person can interrupt it.
	maxCommandTime = 10 * time.Minute
)

// session is a client of a server, which may be in this process.
type session struct {
	*client.Client
	node *node // nil for a server elsewhere
}

// connect dials --addr, or opens --store behind a server of its own.
func (a *app) connect(ctx context.Context) (*session, error) {
	if a.store == "" {
		c, err := client.Dial(cmp.Or(a.addr, defaultAddr), patient...)
		if err != nil {
			return nil, &exitError{exitUsage, err}
		}
		return &session{Client: c}, nil
	}
	cfg := defaultNodeConfig()
	cfg.Store, cfg.Policies, cfg.Clock = a.store, a.bundle, a.clock
	s, err := openSession(ctx, cfg, slog.New(slog.NewTextHandler(a.errOut, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if errors.Is(err, store.ErrLocked) {
		err = fmt.Errorf("%w (if it serves, give its --addr instead of --store)", err)
	}
	return s, err
}

// connectExisting is connect for verbs that only look: they do not make a store.
func (a *app) connectExisting(ctx context.Context) (*session, error) {
	if a.store != "" {
		if err := holdsStore(a.store); err != nil {
			return nil, err
		}
	}
	return a.connect(ctx)
}

// holdsStore refuses a folder that is not there or empty, which opening would turn into a new store.
func holdsStore(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if len(entries) == 0 {
		return fmt.Errorf("store %s: the folder is empty; rebound ingest and rebound serve make a store", dir)
	}
	return nil
}

// patient are the client's deadlines for commands: people wait longer than tills.
var patient = []client.Option{client.WithDecideTimeout(10 * time.Second), client.WithTimeout(maxCommandTime)}

// openSession opens a folder and serves it in memory.
func openSession(ctx context.Context, cfg nodeConfig, log *slog.Logger) (*session, error) {
	cfg.Server.Address, cfg.Server.MetricsAddress, cfg.Server.Socket = "", "", ""
	cfg.Server.MaxDeadline = maxCommandTime
	n, err := openNode(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	lis := bufconn.Listen(1 << 20) // 1 MiB
	n.server.Add(lis)
	n.start(context.WithoutCancel(ctx))
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })
	c, err := client.Dial("passthrough:///memory", append([]client.Option{client.WithDialOptions(dial)}, patient...)...)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return &session{Client: c, node: n}, nil
}

// openLoopback opens a folder and serves it on an address of loopback; port 0 is a free one.
func openLoopback(ctx context.Context, cfg nodeConfig, addr string, log *slog.Logger) (*session, error) {
	cfg.Server.Address, cfg.Server.MetricsAddress, cfg.Server.Socket = addr, "", ""
	cfg.Server.MaxDeadline = maxCommandTime
	n, err := openNode(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if err := n.server.Listen(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.start(context.WithoutCancel(ctx))
	c, err := client.Dial(n.server.Addr().String(), patient...)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return &session{Client: c, node: n}, nil
}

// Close hangs up and, for a server of its own, stops it.
func (s *session) Close() error {
	err := s.Client.Close()
	if s.node != nil {
		err = errors.Join(err, s.node.Close())
	}
	return err
}
