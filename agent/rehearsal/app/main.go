// Command hello is the application of the reference revision: a small HTTP server that can be told from its
// predecessor, since it says which deployment started it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *listen)
	if err == nil {
		err = serve(ctx, l, os.Getenv("DEPLOYMENT_ID"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// serve answers until ctx is done, and then lets requests under way end.
func serve(ctx context.Context, l net.Listener, deployment string) error {
	s := &http.Server{Handler: routes(deployment), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		return err
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func routes(deployment string) http.Handler {
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) }
	}
	m := http.NewServeMux()
	m.Handle("GET /{$}", say("hello from "+deployment))
	m.Handle("GET /healthz", say("ok"))
	m.Handle("GET /version", say(deployment))
	return m
}
