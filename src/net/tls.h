#pragma once
/* net/tls.h: mbedTLS as bytes in, bytes out: no socket, no callback to the outside. TLS 1.2 and 1.3; certificate and host name always verified.
 *
 * A session belongs to one connection. Ciphertext that came goes in by tls_put(); ciphertext to send comes out by tls_take(). A handshake
 * costs milliseconds of CPU (3 ms in full, 1 ms resumed: bench/tls_bench.c), so its steps run on the helper thread (shard/worker.h); data runs
 * on the shard. While a step is on the helper, the shard touches nothing of the session.
 */
#include <stdint.h>
#include "base/slice.h"

struct tls_client_config; /* opaque, one per process and trust: CA bundle, curves (X25519, P-256 first), TLS ≥ 1.2 */
struct tls_server_config; /* opaque: certificate chain and key, session tickets */
struct tls_error { char text[256]; };

/* ca_path nullptr: the system's bundle (/etc/ssl/certs/ca-certificates.crt). At start; nullptr: *error says which file and why. */
[[nodiscard]] struct tls_client_config *tls_client_config_open(const char *ca_path, struct tls_error *error);
[[nodiscard]] struct tls_server_config *tls_server_config_open(const char *certificate_path, const char *key_path, struct tls_error *error);
void tls_client_config_close(struct tls_client_config *c);
void tls_server_config_close(struct tls_server_config *c);

struct tls; /* opaque: one connection's session */
/* host: the name that the certificate must bear (copied). resume: a saved session of the same origin, or nullptr. */
struct tls_resume; /* opaque */
[[nodiscard]] struct tls *tls_open_client(const struct tls_client_config *c, const char *host, const struct tls_resume *resume);
[[nodiscard]] struct tls *tls_open_server(const struct tls_server_config *c);
void tls_close(struct tls *t);

enum tls_status : uint8_t {
    TLS_OK,          /* handshake: done. read: some bytes. write: all taken */
    TLS_WANT_BYTES,  /* needs more ciphertext from the peer */
    TLS_WANT_ROOM,   /* its outgoing ciphertext must be taken first */
    TLS_END,         /* the peer said goodbye (close_notify) */
    TLS_UNTRUSTED,   /* the peer's certificate or name was refused: tls_error_of() tells */
    TLS_BROKEN,      /* anything else: the connection is over */
};
[[nodiscard]] enum tls_status tls_handshake(struct tls *t);
[[nodiscard]] enum tls_status tls_read(struct tls *t, char *into, size_t capacity, size_t *count);
[[nodiscard]] enum tls_status tls_write(struct tls *t, struct slice plain, size_t *taken); /* after TLS_WANT_ROOM: again with the rest */
void tls_say_goodbye(struct tls *t);

/* Ciphertext. tls_put takes all it is given up to its bound; returns how much. tls_take lends what is to be sent; tls_taken(n) says it is sent. */
[[nodiscard]] size_t tls_put(struct tls *t, struct slice cipher);
void tls_put_end(struct tls *t); /* the peer's bytes have ended */
[[nodiscard]] struct slice tls_take(const struct tls *t);
void tls_taken(struct tls *t, size_t count);

[[nodiscard]] const char *tls_error_of(const struct tls *t);
[[nodiscard]] bool tls_was_resumed(const struct tls *t); /* the client's side */
/* The newest ticket of this session, for the next connection to the same origin; nullptr: none came. The caller's to free. */
[[nodiscard]] struct tls_resume *tls_resume_of(struct tls *t);
void tls_resume_free(struct tls_resume *r);
