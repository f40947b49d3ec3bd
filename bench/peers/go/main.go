// Retell's webhooks into PostgreSQL: verified over the bytes that came, answered once the row is committed.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	window       = 5 * time.Minute
	bodyBytesMax = 8 << 20
)

type receiver struct {
	key  []byte
	pool *pgxpool.Pool
}

// isAuthentic: "v=<milliseconds>,d=<hex of HMAC-SHA256 over body and milliseconds>".
func (r *receiver) isAuthentic(header string, body []byte) bool {
	digits, digest, found := strings.Cut(strings.TrimPrefix(header, "v="), ",d=")
	if !found || !strings.HasPrefix(header, "v=") {
		return false
	}
	ms, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || time.Since(time.UnixMilli(ms)).Abs() > window {
		return false
	}
	claimed, err := hex.DecodeString(digest)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write(body)
	mac.Write([]byte(digits))
	return hmac.Equal(mac.Sum(nil), claimed)
}

func readBody(req *http.Request) ([]byte, error) {
	if req.ContentLength < 0 || req.ContentLength > bodyBytesMax {
		return io.ReadAll(io.LimitReader(req.Body, bodyBytesMax))
	}
	body := make([]byte, req.ContentLength) // the length is known: no growing
	_, err := io.ReadFull(req.Body, body)
	return body, err
}

func (r *receiver) webhook(w http.ResponseWriter, req *http.Request) {
	body, err := readBody(req)
	if err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	if !r.isAuthentic(req.Header.Get("X-Retell-Signature"), body) {
		http.Error(w, "signature", http.StatusUnauthorized)
		return
	}
	if _, err := r.pool.Exec(req.Context(), "INSERT INTO webhooks (body) VALUES ($1)", body); err != nil {
		http.Error(w, "storage", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	r := &receiver{key: []byte(os.Getenv("RETELL_API_KEY")), pool: pool}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", r.webhook)
	server := &http.Server{Addr: net.JoinHostPort("127.0.0.1", os.Getenv("PORT")), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
