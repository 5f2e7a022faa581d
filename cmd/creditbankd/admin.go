package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// adminServer answers what only the operator should see and do: metrics and, where that is wanted, profiles and backups.
func adminServer(registry *prometheus.Registry, profiles bool, backups http.Handler, log *slog.Logger) *http.Server {
	failures := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: failures, Registry: registry}))
	routes.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "metrics: /metrics")
	})
	if profiles {
		routes.HandleFunc("GET /debug/pprof/", pprof.Index)
		routes.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		routes.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		routes.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if backups != nil {
		routes.Handle("POST "+backupPath, http.NewCrossOriginProtection().Handler(backups))
	}
	return &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      2 * time.Minute, // a profile takes its time
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
