/* What tls.h promises: two sessions that talk through memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "net/tls.h"
#include "tests/unit/net/certificates.h"

static struct certificates files;
static struct tls_server_config *server_config;
static struct tls_client_config *client_config;

static int set_up(void **)
{
    struct tls_error error;
    certificates_make(&files);
    server_config = tls_server_config_open(files.certificate, files.key, &error);
    client_config = tls_client_config_open(files.ca, &error);
    return server_config && client_config ? 0 : -1;
}

static int tear_down(void **)
{
    tls_server_config_close(server_config);
    tls_client_config_close(client_config);
    certificates_remove(&files);
    return 0;
}

/* -- two ends of a wire -- */

/* Carries at most so many bytes at a time. true: something moved. */
static bool carry(struct tls *from, struct tls *to, size_t at_most)
{
    size_t count = tls_put(to, slice_take(tls_take(from), at_most));
    tls_taken(from, count);
    return count > 0;
}

static enum tls_status shake_hands(struct tls *client, struct tls *server, size_t at_most)
{
    enum tls_status here = TLS_WANT_BYTES, there = TLS_WANT_BYTES;
    for (bool moved = true; moved;) {
        if (here != TLS_OK) here = tls_handshake(client);
        if (here != TLS_OK && here != TLS_WANT_BYTES && here != TLS_WANT_ROOM) return here;
        if (there != TLS_OK) there = tls_handshake(server);
        moved = carry(client, server, at_most);
        moved = carry(server, client, at_most) || moved;
    }
    return here == TLS_OK ? there : here;
}

struct pair { struct tls *client, *server; };

static struct pair connect_pair(const char *host, const struct tls_resume *resume, enum tls_status expected)
{
    struct pair p = { tls_open_client(client_config, host, resume), tls_open_server(server_config) };
    assert_true(p.client && p.server);
    assert_int_equal(shake_hands(p.client, p.server, SIZE_MAX), expected);
    return p;
}

static void close_pair(struct pair p)
{
    tls_close(p.client);
    tls_close(p.server);
}

/* Reads what has come until `wanted` bytes are there or nothing is left; how many. */
static size_t read_all(struct tls *t, char *into, size_t wanted)
{
    size_t here = 0, count = 0;
    while (here < wanted && tls_read(t, into + here, wanted - here, &count) == TLS_OK) here += count;
    return here;
}

static void say(struct pair p, const char *text)
{
    size_t taken, length = strlen(text);
    char   heard[64] = { 0 };
    assert_int_equal(tls_write(p.client, slice_from(text, length), &taken), TLS_OK);
    assert_int_equal(taken, length);
    while (carry(p.client, p.server, SIZE_MAX)) {}
    assert_int_equal(read_all(p.server, heard, length), length);
    assert_string_equal(heard, text);
}

/* TLS 1.3 sends tickets after the handshake: the server when it first reads, and the client finds them among what it reads. */
static struct tls_resume *ticket_of(struct pair p)
{
    char   nothing[16];
    size_t count;
    assert_int_equal(tls_read(p.server, nothing, sizeof nothing, &count), TLS_WANT_BYTES);
    while (carry(p.server, p.client, SIZE_MAX)) {}
    assert_int_equal(tls_read(p.client, nothing, sizeof nothing, &count), TLS_WANT_BYTES);
    return tls_resume_of(p.client);
}

/* -- promises -- */

static void a_certificate_of_the_right_name_and_trust_is_accepted(void **)
{
    struct pair p = connect_pair("localhost", nullptr, TLS_OK);
    assert_false(tls_was_resumed(p.client));
    say(p, "hello");
    close_pair(p);
    close_pair(connect_pair("127.0.0.1", nullptr, TLS_OK));
}

static void another_name_is_refused_and_said_so(void **)
{
    struct pair p = connect_pair("api.cal.com", nullptr, TLS_UNTRUSTED);
    assert_non_null(strstr(tls_error_of(p.client), "Common Name"));
    close_pair(p);
}

static void another_authority_is_refused_and_said_so(void **)
{
    struct tls_error          error;
    struct tls_client_config *trusts_others = tls_client_config_open(files.other_ca, &error);
    assert_non_null(trusts_others);
    struct pair p = { tls_open_client(trusts_others, "localhost", nullptr), tls_open_server(server_config) };
    assert_int_equal(shake_hands(p.client, p.server, SIZE_MAX), TLS_UNTRUSTED);
    assert_non_null(strstr(tls_error_of(p.client), "not correctly signed by the trusted CA"));
    close_pair(p);
    tls_client_config_close(trusts_others);
}

static void a_session_is_resumed_by_its_ticket(void **)
{
    struct pair        first = connect_pair("localhost", nullptr, TLS_OK);
    struct tls_resume *ticket = ticket_of(first);
    assert_non_null(ticket);
    close_pair(first);
    for (int n = 0; n < 2; n++) {
        struct pair again = connect_pair("localhost", ticket, TLS_OK);
        assert_true(tls_was_resumed(again.client));
        say(again, "hello again");
        close_pair(again);
    }
    tls_resume_free(ticket);
}

/* A server that has forgotten its ticket keys (a restart) costs a full handshake, not a connection. */
static void a_ticket_that_the_server_forgot_costs_a_full_handshake(void **)
{
    struct tls_error          error;
    struct tls_server_config *restarted = tls_server_config_open(files.certificate, files.key, &error);
    struct pair               first = connect_pair("localhost", nullptr, TLS_OK);
    struct tls_resume        *ticket = ticket_of(first);
    assert_non_null(ticket);
    struct pair               again = { tls_open_client(client_config, "localhost", ticket), tls_open_server(restarted) };
    assert_int_equal(shake_hands(again.client, again.server, SIZE_MAX), TLS_OK);
    assert_false(tls_was_resumed(again.client));
    close_pair(first);
    close_pair(again);
    tls_resume_free(ticket);
    tls_server_config_close(restarted);
}

/* 300 KiB through 17 KiB of room: writes are refused, and repeated, and nothing is lost or doubled. */
static void much_goes_through_little_room(void **)
{
    enum { BYTES = 300 * 1024 };
    struct pair p = connect_pair("localhost", nullptr, TLS_OK);
    char       *sent = malloc(BYTES), *heard = malloc(BYTES);
    for (size_t n = 0; n < BYTES; n++) sent[n] = (char)(n * 2654435761u >> 24);
    struct slice rest = slice_from(sent, BYTES);
    size_t       here = 0, refused = 0;
    while (here < BYTES) {
        size_t taken = 0;
        while (rest.length > 0) {
            enum tls_status status = tls_write(p.client, rest, &taken);
            rest = slice_skip(rest, taken);
            if (status == TLS_OK) continue;
            assert_int_equal(status, TLS_WANT_ROOM);
            refused += 1;
            break;
        }
        carry(p.client, p.server, 3000);
        here += read_all(p.server, heard + here, BYTES - here);
    }
    assert_true(refused > 10);
    assert_memory_equal(sent, heard, BYTES);
    free(sent);
    free(heard);
    close_pair(p);
}

static void a_handshake_may_come_byte_by_byte(void **)
{
    struct pair p = { tls_open_client(client_config, "localhost", nullptr), tls_open_server(server_config) };
    assert_int_equal(shake_hands(p.client, p.server, 1), TLS_OK);
    say(p, "hello");
    close_pair(p);
}

static void an_end_with_goodbye_and_one_without_are_told_apart(void **)
{
    char   nothing[16];
    size_t count;
    struct pair p = connect_pair("localhost", nullptr, TLS_OK);
    tls_say_goodbye(p.client);
    while (carry(p.client, p.server, SIZE_MAX)) {}
    tls_put_end(p.server);
    assert_int_equal(tls_read(p.server, nothing, sizeof nothing, &count), TLS_END);
    close_pair(p);

    p = connect_pair("localhost", nullptr, TLS_OK);
    tls_put_end(p.server);
    assert_int_equal(tls_read(p.server, nothing, sizeof nothing, &count), TLS_BROKEN);
    close_pair(p);
}

static void what_is_not_tls_or_was_changed_on_the_way_breaks_the_session(void **)
{
    struct tls *server = tls_open_server(server_config);
    (void)tls_put(server, slice_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(tls_handshake(server), TLS_BROKEN);
    tls_close(server);

    struct pair p = connect_pair("localhost", nullptr, TLS_OK);
    size_t      taken, count;
    char        heard[64], cipher[256];
    assert_int_equal(tls_write(p.client, slice_of("hello"), &taken), TLS_OK);
    struct slice lent = tls_take(p.client);
    assert_true(lent.length < sizeof cipher);
    memcpy(cipher, lent.start, lent.length);
    cipher[lent.length - 1] ^= 1;
    (void)tls_put(p.server, slice_from(cipher, lent.length));
    assert_int_equal(tls_read(p.server, heard, sizeof heard, &count), TLS_BROKEN);
    close_pair(p);
}

static void a_file_that_will_not_do_is_named_with_the_reason(void **)
{
    struct tls_error error;
    assert_null(tls_client_config_open("/nowhere/ca.pem", &error));
    assert_non_null(strstr(error.text, "/nowhere/ca.pem"));
    assert_null(tls_server_config_open(files.certificate, "/nowhere/key", &error));
    assert_non_null(strstr(error.text, "/nowhere/key"));
    assert_null(tls_server_config_open(files.certificate, files.other_key, &error));
    assert_non_null(strstr(error.text, "not the key of the certificate"));
    assert_null(tls_client_config_open(files.key, &error)); /* a key is no certificate */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_of_the_right_name_and_trust_is_accepted),
        cmocka_unit_test(another_name_is_refused_and_said_so),
        cmocka_unit_test(another_authority_is_refused_and_said_so),
        cmocka_unit_test(a_session_is_resumed_by_its_ticket),
        cmocka_unit_test(a_ticket_that_the_server_forgot_costs_a_full_handshake),
        cmocka_unit_test(much_goes_through_little_room),
        cmocka_unit_test(a_handshake_may_come_byte_by_byte),
        cmocka_unit_test(an_end_with_goodbye_and_one_without_are_told_apart),
        cmocka_unit_test(what_is_not_tls_or_was_changed_on_the_way_breaks_the_session),
        cmocka_unit_test(a_file_that_will_not_do_is_named_with_the_reason),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
