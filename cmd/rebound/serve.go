package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rebound-engine/rebound/internal/logbuffer"
)

func (a *app) serveCmd() *cobra.Command {
	cfg := defaultNodeConfig()
	var configFile string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Serve opens a store folder and answers over gRPC. Settings come from defaults, a
YAML file (--config), the environment (REBOUND_STORE, REBOUND_MAX_CALLS …) and
flags, each over the one before. It listens on loopback and unix sockets only:
there is no TLS and no authentication yet.`,
		Example: "  rebound serve --store ./store --policies ./policies --watch",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(configure(configFile, cmd.LocalNonPersistentFlags()), cfg.validate()); err != nil {
				return &exitError{exitUsage, err}
			}
			return a.serve(cmd, cfg)
		},
	}
	cmd.Flags().StringVarP(&configFile, "config", "c", "", "configuration file (YAML)")
	serveFlags(cmd.Flags(), &cfg)
	return cmd
}

// serveFlags has a flag per setting; file and environment use the same names with underscores.
func serveFlags(f *pflag.FlagSet, cfg *nodeConfig) {
	f.StringVar(&cfg.Store, "store", cfg.Store, "store folder")
	f.StringVar(&cfg.Policies, "policies", cfg.Policies, "bundle directory (default: the last one the log activated)")
	f.StringVar(&cfg.RequireSignature, "require-signature", cfg.RequireSignature, "file of trusted public keys: refuse bundles none of them signed")
	f.BoolVar(&cfg.Watch, "watch", cfg.Watch, "activate the bundle directory again when it changes")
	f.StringVar(&cfg.Clock, "clock", cfg.Clock, "business time: wall, or events to follow the log")
	f.StringVar(&cfg.Journal, "journal", cfg.Journal, "lossless: answered when on disk; bounded: a crash may lose the last milliseconds")
	f.IntVar(&cfg.RetentionDays, "retention-days", cfg.RetentionDays, "drop events and decisions from the journal that were recorded longer ago; 0 keeps them for ever")
	f.StringVar(&cfg.Keys, "keys", cfg.Keys, "secrets for draws and tokens (default: keys.json in the store folder, made at the first start)")
	f.BoolVar(&cfg.Strict, "strict-scopes", cfg.Strict, "refuse unknown scopes instead of using their nearest ancestor")
	f.StringVar(&cfg.Programs, "allow-process-models", cfg.Programs, "folder whose programs bundles may start as model processes; empty for none")
	f.DurationVar(&cfg.ModelTimeout, "model-timeout", cfg.ModelTimeout, "longest a call of a model on an inference server or in a process may take, whatever its own timeout")
	f.IntVar(&cfg.PromotionDecisions, "promotion-decisions", cfg.PromotionDecisions, "decisions with complete outcomes that have to prove a model before it is promoted")
	f.IntVar(&cfg.PromotionDays, "promotion-days", cfg.PromotionDays, "days these decisions have to span")
	f.Float64Var(&cfg.PromotionMaxLoss, "promotion-max-loss", cfg.PromotionMaxLoss, "money per decision a challenger may lose at worst")
	f.StringVar(&cfg.LogFormat, "log-format", cfg.LogFormat, "text or json")
	f.StringVar(&cfg.LogLevel, "log-level", cfg.LogLevel, "debug, info, warn or error")
	s := &cfg.Server
	f.StringVar(&s.Address, "address", s.Address, "loopback address to listen on; empty for none")
	f.StringVar(&s.Socket, "socket", s.Socket, "unix socket to listen on; empty for none")
	f.StringVar(&s.MetricsAddress, "metrics-address", s.MetricsAddress, "loopback address of /metrics, /healthz and /readyz; empty for none")
	f.IntVar(&s.MaxMessageBytes, "max-message-bytes", s.MaxMessageBytes, "largest message received")
	f.Uint32Var(&s.MaxHeaderBytes, "max-header-bytes", s.MaxHeaderBytes, "largest headers of a call")
	f.Uint32Var(&s.MaxStreams, "max-streams", s.MaxStreams, "calls at once on one connection")
	f.IntVar(&s.MaxCalls, "max-calls", s.MaxCalls, "calls at once on all connections")
	f.IntVar(&s.StreamWorkers, "stream-workers", s.StreamWorkers, "decisions at once within a stream or batch")
	f.DurationVar(&s.MaxDeadline, "max-deadline", s.MaxDeadline, "longest a call may take")
	f.DurationVar(&s.DrainTimeout, "drain-timeout", s.DrainTimeout, "how long calls under way may take once told to stop")
	f.DurationVar(&s.RetryDelay, "retry-delay", s.RetryDelay, "what a caller refused for overload is told to wait")
	f.DurationVar(&s.KeepaliveTime, "keepalive-time", s.KeepaliveTime, "silence after which a connection is probed")
	f.DurationVar(&s.KeepaliveTimeout, "keepalive-timeout", s.KeepaliveTimeout, "how long the answer to a probe may take")
	f.DurationVar(&s.ConnectionTimeout, "connection-timeout", s.ConnectionTimeout, "how long a new connection may take to introduce itself")
}

// configure lays file and environment under the flags that were given, and
// refuses keys it does not know and values that do not fit, all at once. Unknown
// variables of the environment are left alone: others may use the prefix.
func configure(configFile string, flags *pflag.FlagSet) error {
	k := koanf.New(".")
	if configFile != "" {
		if err := k.Load(file.Provider(configFile), yaml.Parser()); err != nil {
			return fmt.Errorf("configuration %s: %w", configFile, err)
		}
	}
	known := map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) { known[setting(f.Name)] = f.Name != "config" && f.Name != "help" })
	unknown := unknownSettings(k, known, configFile)
	err := k.Load(env.Provider(".", env.Opt{Prefix: "REBOUND_", TransformFunc: func(key, value string) (string, any) {
		key = strings.ToLower(strings.TrimPrefix(key, "REBOUND_"))
		if !known[key] {
			return "", nil
		}
		return key, value
	}}), nil)
	if err != nil {
		return err
	}
	return errors.Join(unknown, applySettings(k, flags))
}

// setting is a flag's name in files and the environment.
func setting(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

func unknownSettings(k *koanf.Koanf, known map[string]bool, name string) error {
	var bad []string
	for _, key := range k.Keys() {
		if !known[key] {
			bad = append(bad, key)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("configuration %s: unknown keys %s; `rebound serve --help` lists them", name, strings.Join(bad, ", "))
	}
	return nil
}

// applySettings sets every flag that was not given on the command line from file or environment.
func applySettings(k *koanf.Koanf, flags *pflag.FlagSet) error {
	var bad []string
	flags.VisitAll(func(f *pflag.Flag) {
		key := setting(f.Name)
		if f.Changed || !k.Exists(key) {
			return
		}
		if err := f.Value.Set(k.String(key)); err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", key, err))
		}
	})
	if len(bad) > 0 {
		return fmt.Errorf("configuration: %s", strings.Join(bad, "; "))
	}
	return nil
}

func (a *app) serve(cmd *cobra.Command, cfg nodeConfig) error {
	tuneMemory()
	lines := logbuffer.New(a.errOut)
	defer lines.Flush() //nolint:errcheck // there is nowhere else to say it
	log := newLogger(lines, cfg)
	n, err := openNode(cmd.Context(), cfg, log)
	if err != nil {
		return err
	}
	if err := n.server.Listen(cmd.Context()); err != nil {
		return joinClose(err, n)
	}
	if _, active := n.engine.Active(); !active {
		log.Warn("no policies yet: every Decide is refused until a bundle is activated")
	}
	log.Info("serving", "address", addrText(n.server.Addr()), "socket", cfg.Server.Socket, "metrics", addrText(n.server.MetricsAddr()),
		"store", cfg.Store, "journal", cfg.Journal, "pid", os.Getpid(), "version", readBuildInfo().Version)
	n.start(cmd.Context())
	err = n.wait()
	n.stop = nil
	return joinClose(err, n)
}

func newLogger(w *logbuffer.Writer, cfg nodeConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	if cfg.LogFormat == "json" {
		return slog.New(logbuffer.Handler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), w))
	}
	return slog.New(logbuffer.Text(w, level))
}
