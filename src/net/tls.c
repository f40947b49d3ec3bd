/* mbedTLS between two pieces of memory: what came from the peer, and what goes to it. Nothing here waits, and nothing here knows a socket. */
#include "net/tls.h"
#include <stdio.h>
#include <stdlib.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include "base/ensure.h"
#include "limits.h"

/* A receive buffer's worth is taken whole, and a whole record of ours (16 KiB and its frame) finds room. */
enum : size_t { CIPHER_IN_BYTES = 2 * receive_buffer_bytes, CIPHER_OUT_BYTES = 16 * 1024 + 1024 };

/* Around the bytes of a record: header, tag and padding are under 100; a ticket that goes out before it, under 400. */
enum : size_t { RECORD_FRAME_BYTES = 1024 };

static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";
enum : uint32_t { TICKET_LIFETIME_S = 24 * 3600, TLS_MAGIC = 0x71570001 };

/* X25519 and P-256 cost a third of P-521, which stands first in mbedTLS's own list. */
static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

struct tls_client_config { mbedtls_ssl_config ssl; mbedtls_x509_crt authorities; };
struct tls_server_config { mbedtls_ssl_config ssl; mbedtls_x509_crt chain; mbedtls_pk_context key; mbedtls_ssl_ticket_context tickets; };
struct tls_resume { mbedtls_ssl_session session; };

struct tls {
    uint32_t            magic;
    bool                is_client;
    bool                input_has_ended;
    bool                saw_certificate; /* so this was a full handshake */
    mbedtls_ssl_context ssl;
    struct tls_resume  *ticket;          /* the newest, not yet asked for */
    size_t              in_start, in_end, out_start, out_end;
    char                in[CIPHER_IN_BYTES], out[CIPHER_OUT_BYTES];
    char                error[256];
};

/* -- configurations -- */

static bool explain(struct tls_error *error, const char *what, const char *path, int code)
{
    char why[160];
    mbedtls_strerror(code, why, sizeof why);
    snprintf(error->text, sizeof error->text, "%s %.80s: %.120s", what, path, why);
    return false;
}

static bool set_defaults(mbedtls_ssl_config *ssl, int endpoint, struct tls_error *error)
{
    mbedtls_ssl_config_init(ssl);
    if (psa_crypto_init() != PSA_SUCCESS) { /* again and again is fine */
        snprintf(error->text, sizeof error->text, "TLS: the cryptography library does not start");
        return false;
    }
    int failure = mbedtls_ssl_config_defaults(ssl, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (failure != 0) return explain(error, "TLS", "configuration", failure);
    mbedtls_ssl_conf_rng(ssl, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(ssl, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(ssl, groups);
    return true;
}

static bool trust(struct tls_client_config *c, const char *path, struct tls_error *error)
{
    int failure = mbedtls_x509_crt_parse_file(&c->authorities, path); /* positive: so many certificates of a bundle were not understood */
    if (failure < 0) return explain(error, "TLS: cannot read the trusted certificates in", path, failure);
    if (c->authorities.version == 0) return explain(error, "TLS: no usable certificate in", path, MBEDTLS_ERR_X509_INVALID_FORMAT);
    mbedtls_ssl_conf_ca_chain(&c->ssl, &c->authorities, nullptr);
    return true;
}

struct tls_client_config *tls_client_config_open(const char *ca_path, struct tls_error *error)
{
    struct tls_client_config *c = calloc(1, sizeof *c);
    ensure(c); /* at start */
    mbedtls_x509_crt_init(&c->authorities);
    if (!set_defaults(&c->ssl, MBEDTLS_SSL_IS_CLIENT, error) || !trust(c, ca_path ? ca_path : system_bundle, error)) {
        tls_client_config_close(c);
        return nullptr;
    }
    mbedtls_ssl_conf_authmode(&c->ssl, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_session_tickets(&c->ssl, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&c->ssl, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    return c;
}

void tls_client_config_close(struct tls_client_config *c)
{
    if (!c) return;
    mbedtls_ssl_config_free(&c->ssl);
    mbedtls_x509_crt_free(&c->authorities);
    free(c);
}

static bool identify(struct tls_server_config *c, const char *certificate_path, const char *key_path, struct tls_error *error)
{
    int failure = mbedtls_x509_crt_parse_file(&c->chain, certificate_path);
    if (failure != 0) return explain(error, "TLS: cannot read the certificate", certificate_path, failure < 0 ? failure : MBEDTLS_ERR_X509_INVALID_FORMAT);
    failure = mbedtls_pk_parse_keyfile(&c->key, key_path, nullptr, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (failure != 0) return explain(error, "TLS: cannot read the key", key_path, failure);
    failure = mbedtls_pk_check_pair(&c->chain.pk, &c->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (failure != 0) return explain(error, "TLS: this is not the key of the certificate:", key_path, failure);
    failure = mbedtls_ssl_conf_own_cert(&c->ssl, &c->chain, &c->key);
    return failure == 0 || explain(error, "TLS: cannot use the certificate", certificate_path, failure);
}

static bool issue_tickets(struct tls_server_config *c, struct tls_error *error)
{
    int failure = mbedtls_ssl_ticket_setup(&c->tickets, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE, MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S);
    if (failure != 0) return explain(error, "TLS", "session tickets", failure);
    mbedtls_ssl_conf_session_tickets_cb(&c->ssl, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &c->tickets);
    return true;
}

struct tls_server_config *tls_server_config_open(const char *certificate_path, const char *key_path, struct tls_error *error)
{
    struct tls_server_config *c = calloc(1, sizeof *c);
    ensure(c); /* at start */
    mbedtls_x509_crt_init(&c->chain);
    mbedtls_pk_init(&c->key);
    mbedtls_ssl_ticket_init(&c->tickets);
    if (!set_defaults(&c->ssl, MBEDTLS_SSL_IS_SERVER, error) || !identify(c, certificate_path, key_path, error) || !issue_tickets(c, error)) {
        tls_server_config_close(c);
        return nullptr;
    }
    return c;
}

void tls_server_config_close(struct tls_server_config *c)
{
    if (!c) return;
    mbedtls_ssl_config_free(&c->ssl);
    mbedtls_ssl_ticket_free(&c->tickets);
    mbedtls_x509_crt_free(&c->chain);
    mbedtls_pk_free(&c->key);
    free(c);
}

/* -- ciphertext -- */

/* mbedTLS asks for bytes of the peer. An end must not look like "later": it would ask for ever. */
static int give_cipher(void *context, unsigned char *into, size_t capacity)
{
    struct tls *t = context;
    size_t      here = t->in_end - t->in_start, count = here < capacity ? here : capacity;
    if (count == 0) return t->input_has_ended ? MBEDTLS_ERR_SSL_CONN_EOF : MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(into, t->in + t->in_start, count);
    t->in_start += count;
    return (int)count;
}

static int take_cipher(void *context, const unsigned char *bytes, size_t length)
{
    struct tls *t = context;
    size_t      room = sizeof t->out - t->out_end, count = room < length ? room : length;
    if (count == 0) return MBEDTLS_ERR_SSL_WANT_WRITE;
    memcpy(t->out + t->out_end, bytes, count);
    t->out_end += count;
    return (int)count;
}

size_t tls_put(struct tls *t, struct slice cipher)
{
    ensure_magic(t, TLS_MAGIC);
    size_t here = t->in_end - t->in_start;
    if (t->in_start > 0) memmove(t->in, t->in + t->in_start, here);
    t->in_start = 0;
    size_t room = sizeof t->in - here, count = room < cipher.length ? room : cipher.length;
    if (count > 0) memcpy(t->in + here, cipher.start, count);
    t->in_end = here + count;
    return count;
}

void tls_put_end(struct tls *t) { t->input_has_ended = true; }

struct slice tls_take(const struct tls *t) { return slice_from(t->out + t->out_start, t->out_end - t->out_start); }

/* What is lent out does not move: the rest waits behind it until all is sent. */
void tls_taken(struct tls *t, size_t count)
{
    ensure(count <= t->out_end - t->out_start);
    t->out_start += count;
    if (t->out_start == t->out_end) t->out_start = t->out_end = 0;
}

/* -- sessions -- */

/* Called for each certificate of the chain that the peer shows; none is shown when a session is resumed. */
static int see_certificate(void *context, mbedtls_x509_crt *, int, uint32_t *)
{
    struct tls *t = context;
    t->saw_certificate = true;
    return 0; /* the verdict stays mbedTLS's */
}

static struct tls *open_session(const mbedtls_ssl_config *config)
{
    struct tls *t = malloc(sizeof *t);
    if (!t) return nullptr;
    memset(t, 0, offsetof(struct tls, in)); /* the buffers are only read where they were written */
    t->error[0] = '\0';
    t->magic = TLS_MAGIC;
    mbedtls_ssl_init(&t->ssl);
    if (mbedtls_ssl_setup(&t->ssl, config) != 0) {
        tls_close(t);
        return nullptr;
    }
    mbedtls_ssl_set_bio(&t->ssl, t, take_cipher, give_cipher, nullptr);
    return t;
}

struct tls *tls_open_client(const struct tls_client_config *c, const char *host, const struct tls_resume *resume)
{
    struct tls *t = open_session(&c->ssl);
    if (!t) return nullptr;
    t->is_client = true;
    mbedtls_ssl_set_verify(&t->ssl, see_certificate, t);
    if (mbedtls_ssl_set_hostname(&t->ssl, host) != 0) {
        tls_close(t);
        return nullptr;
    }
    if (resume) (void)mbedtls_ssl_set_session(&t->ssl, &resume->session); /* one that cannot be used costs a full handshake */
    return t;
}

struct tls *tls_open_server(const struct tls_server_config *c) { return open_session(&c->ssl); }

void tls_close(struct tls *t)
{
    if (!t) return;
    ensure_magic(t, TLS_MAGIC);
    t->magic = 0;
    mbedtls_ssl_free(&t->ssl);
    tls_resume_free(t->ticket);
    free(t);
}

/* -- handshake, plain bytes -- */

static enum tls_status fail(struct tls *t, int code)
{
    if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
        uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
        if (mbedtls_x509_crt_verify_info(t->error, sizeof t->error, "", flags) <= 0) snprintf(t->error, sizeof t->error, "certificate refused");
        return TLS_UNTRUSTED;
    }
    mbedtls_strerror(code, t->error, sizeof t->error);
    return TLS_BROKEN;
}

static enum tls_status status_of(struct tls *t, int code)
{
    switch (code) { /* mbedTLS's, an open set */
    case 0:                                  return TLS_OK;
    case MBEDTLS_ERR_SSL_WANT_READ:          return TLS_WANT_BYTES;
    case MBEDTLS_ERR_SSL_WANT_WRITE:         return TLS_WANT_ROOM;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:  return TLS_END;
    default:                                 return fail(t, code);
    }
}

enum tls_status tls_handshake(struct tls *t)
{
    ensure_magic(t, TLS_MAGIC);
    return status_of(t, mbedtls_ssl_handshake(&t->ssl));
}

/* Saves the session as it is now, for the next connection. */
static void save_session(struct tls *t)
{
    struct tls_resume *ticket = calloc(1, sizeof *ticket);
    if (!ticket) return; /* the next handshake is a full one */
    mbedtls_ssl_session_init(&ticket->session);
    if (mbedtls_ssl_get_session(&t->ssl, &ticket->session) != 0) {
        tls_resume_free(ticket);
        return;
    }
    tls_resume_free(t->ticket);
    t->ticket = ticket;
}

/* A ticket came, which is no failure: it is kept, and the call is made again. */
static bool went_for_ticket(struct tls *t, int result)
{
    if (result != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) return false;
    save_session(t);
    return true;
}

/* One try. Messages that carry no data (TLS 1.3 sends its tickets among them) look like "later", even if the next one is here already:
 * so it is only believed once a try has used nothing up. */
static int read_record(struct tls *t, char *into, size_t capacity)
{
    int    result;
    size_t before;
    do {
        before = t->in_start;
        result = mbedtls_ssl_read(&t->ssl, (unsigned char *)into, capacity);
    } while (result == MBEDTLS_ERR_SSL_WANT_READ && t->in_start != before);
    return result;
}

enum tls_status tls_read(struct tls *t, char *into, size_t capacity, size_t *count)
{
    ensure_magic(t, TLS_MAGIC);
    *count = 0;
    int result;
    do result = read_record(t, into, capacity);
    while (went_for_ticket(t, result));
    if (result == 0) return fail(t, MBEDTLS_ERR_SSL_CONN_EOF); /* ended without goodbye */
    if (result < 0) return status_of(t, result);
    *count = (size_t)result;
    return TLS_OK;
}

/* mbedTLS must never be left with half a record: any other call may finish it unnoticed, and then the repeated write that it demands
 * would send the same bytes twice. So a record is only begun when there is room for all of it. */
enum tls_status tls_write(struct tls *t, struct slice plain, size_t *taken)
{
    ensure_magic(t, TLS_MAGIC);
    *taken = 0;
    size_t room = sizeof t->out - t->out_end;
    if (room < 2 * RECORD_FRAME_BYTES) return TLS_WANT_ROOM;

    size_t length = plain.length < room - RECORD_FRAME_BYTES ? plain.length : room - RECORD_FRAME_BYTES;
    int    result;
    do result = mbedtls_ssl_write(&t->ssl, (const unsigned char *)plain.start, length);
    while (went_for_ticket(t, result)); /* one that tls_read() has begun */
    if (result <= 0) return fail(t, result);
    *taken = (size_t)result;
    return TLS_OK;
}

void tls_say_goodbye(struct tls *t)
{
    ensure_magic(t, TLS_MAGIC);
    (void)mbedtls_ssl_close_notify(&t->ssl); /* without room it goes unsaid: the connection ends anyway */
}

const char *tls_error_of(const struct tls *t) { return t->error; }

bool tls_was_resumed(const struct tls *t) { return t->is_client && mbedtls_ssl_is_handshake_over((mbedtls_ssl_context *)&t->ssl) && !t->saw_certificate; }

struct tls_resume *tls_resume_of(struct tls *t)
{
    ensure_magic(t, TLS_MAGIC);
    bool has_1_2_session = mbedtls_ssl_is_handshake_over(&t->ssl) && mbedtls_ssl_get_version_number(&t->ssl) == MBEDTLS_SSL_VERSION_TLS1_2;
    if (!t->ticket && t->is_client && has_1_2_session) save_session(t);
    struct tls_resume *ticket = t->ticket;
    t->ticket = nullptr;
    return ticket;
}

void tls_resume_free(struct tls_resume *r)
{
    if (!r) return;
    mbedtls_ssl_session_free(&r->session);
    free(r);
}
