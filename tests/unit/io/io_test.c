/* What the ring promises, on real sockets and files. Every wait has an event to wait for and a deadline that fails the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/list.h"
#include "io/file.h"
#include "io/io.h"

static constexpr uint64_t patience_us = 10'000'000;
static constexpr uint64_t page = 4096;

static struct io *io;
static int        depth; /* of callbacks: never more than one */

/* An operation, and everything that its completions have said. */
struct watched {
    struct io_op     op;
    struct io_result last;
    uint32_t         completions;
    char            *bytes;     /* receive: put together here */
    size_t           count;
    uint16_t         lent[64];  /* receive: kept when `keeps` */
    uint32_t         lent_count;
    bool             keeps;
    bool             goes_on;   /* receive: again after a pause for want of buffers */
};

static void note(struct io_op *op, struct io_result result)
{
    struct watched *w = container_of(op, struct watched, op);
    assert_int_equal(depth++, 0);
    w->last = result;
    w->completions += 1;
    if (result.received.bytes) {
        if (w->bytes) memcpy(w->bytes + w->count, result.received.bytes, result.received.count);
        w->count += result.received.count;
        if (w->keeps) w->lent[w->lent_count++] = result.received.buffer;
        else io_return_buffer(io, result.received.buffer);
    }
    if (result.status == IO_NO_BUFFERS && w->goes_on) io_receive(io, op, op->fd, note);
    depth -= 1;
}

#define turn_until(condition)                                                   \
    do {                                                                        \
        uint64_t give_up_at_us = clock_monotonic_us() + patience_us;            \
        while (!(condition)) {                                                  \
            if (clock_monotonic_us() > give_up_at_us) fail_msg("never: " #condition); \
            io_turn(io, clock_monotonic_us() + 100'000);                        \
        }                                                                       \
    } while (0)

static int open_ring_of(uint32_t entries, uint32_t buffers, uint32_t buffer_bytes)
{
    struct io_refusal refusal = {};
    io = io_open(&(struct io_config){ entries, buffers, buffer_bytes }, &refusal);
    if (io == nullptr) print_error("%s\n", refusal.text);
    depth = 0;
    return io ? 0 : -1;
}
static int open_ring(void **) { return open_ring_of(64, 64, 4096); }
static int open_small_ring(void **) { return open_ring_of(8, 4, 64); }
static int close_ring(void **) { io_close_all(io); return 0; }

static const struct sockaddr_in any_port = { .sin_family = AF_INET };

/* Two ends of one TCP connection, made through the ring. */
struct connection { int listener, client, server; struct watched accept, connect; };

static void listen_here(struct connection *c)
{
    struct io_refusal refusal = {};
    struct sockaddr_in at = any_port;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct connection){};
    c->listener = io_listen(&at, 16, &refusal);
    if (c->listener < 0) fail_msg("%s", refusal.text);
    io_accept(io, &c->accept.op, c->listener, note);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
}

static struct connection connected(struct connection *c)
{
    listen_here(c);
    struct sockaddr_in to = loopback(io_port_of(c->listener));
    c->client = io_socket();
    io_connect(io, &c->connect.op, c->client, &to, note);
    memset(&to, 0xff, sizeof to); /* the caller's address may die at once */
    turn_until(c->connect.completions == 1 && c->accept.completions == 1);
    assert_int_equal(c->connect.last.status, IO_OK);
    assert_int_equal(c->accept.last.status, IO_OK);
    assert_true(c->accept.last.more);
    c->server = c->accept.last.fd;
    return *c;
}

static void join(struct watched *w)
{
    io_cancel(io, &w->op);
    turn_until(!w->op.submitted);
}

static void disconnect(struct connection *c)
{
    join(&c->accept);
    io_close(c->client);
    io_close(c->server);
    io_close(c->listener);
}

static char *patterned(size_t count)
{
    char *bytes = malloc(count);
    for (size_t n = 0; n < count; n++) bytes[n] = (char)(n * 31 + n / 251);
    return bytes;
}

/* -- sockets -- */

static void megabytes_arrive_whole_and_in_order(void **)
{
    struct connection c;
    connected(&c);
    size_t count = 3 * 1024 * 1024 + 17;
    char *sent = patterned(count);
    struct watched send = {}, receive = { .bytes = malloc(count), .goes_on = true };
    io_receive(io, &receive.op, c.server, note);
    io_send(io, &send.op, c.client, slice_from(sent, count), note);
    turn_until(receive.count == count && send.completions == 1);
    assert_int_equal(send.last.status, IO_OK);
    assert_int_equal(send.last.count, count);
    assert_memory_equal(sent, receive.bytes, count);
    assert_int_equal(io_buffers_free(io), 64);
    join(&receive);
    free(sent);
    free(receive.bytes);
    disconnect(&c);
}

static void the_end_of_a_stream_ends_the_receive(void **)
{
    struct connection c;
    connected(&c);
    struct watched receive = {};
    io_receive(io, &receive.op, c.server, note);
    io_shutdown(c.client);
    turn_until(!receive.op.submitted);
    assert_int_equal(receive.last.status, IO_END);
    assert_false(receive.last.more);
    io_shutdown(c.server); /* the peer was faster: nothing happens */
    disconnect(&c);
}

static void shutting_down_ends_our_own_receive(void **)
{
    struct connection c;
    connected(&c);
    struct watched receive = {};
    io_receive(io, &receive.op, c.server, note);
    io_turn(io, 0);
    io_shutdown(c.server);
    turn_until(!receive.op.submitted);
    assert_int_equal(receive.last.status, IO_END);
    disconnect(&c);
}

static void a_broken_connection_is_told_as_reset(void **)
{
    struct connection c;
    connected(&c);
    struct watched receive = {}, send = {};
    io_receive(io, &receive.op, c.server, note);
    struct linger at_once = { .l_onoff = 1 };
    setsockopt(c.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    io_close(c.client);
    turn_until(!receive.op.submitted);
    assert_int_equal(receive.last.status, IO_RESET);
    io_send(io, &send.op, c.server, slice_of("into the void"), note);
    turn_until(!send.op.submitted);
    assert_int_equal(send.last.status, IO_RESET); /* and no SIGPIPE */
    c.client = io_socket();
    disconnect(&c);
}

static void nobody_listening_is_told_as_refused(void **)
{
    int bound = io_socket();
    struct sockaddr_in at = loopback(0);
    assert_int_equal(bind(bound, (struct sockaddr *)&at, sizeof at), 0); /* ours, so nobody else listens there meanwhile */
    at = loopback(io_port_of(bound));
    struct watched connect = {};
    int fd = io_socket();
    io_connect(io, &connect.op, fd, &at, note);
    turn_until(connect.completions == 1);
    assert_int_equal(connect.last.status, IO_REFUSED);
    io_close(fd);
    io_close(bound);
}

static void a_cancelled_receive_says_so_once_and_the_connection_lives_on(void **)
{
    struct connection c;
    connected(&c);
    struct watched receive = {}, again = {}, send = {};
    io_receive(io, &receive.op, c.server, note);
    io_turn(io, 0);
    io_cancel(io, &receive.op);
    io_cancel(io, &receive.op); /* twice is once */
    turn_until(!receive.op.submitted);
    assert_int_equal(receive.last.status, IO_CANCELLED);
    assert_int_equal(receive.completions, 1);
    io_cancel(io, &receive.op); /* not submitted: nothing happens */

    io_receive(io, &again.op, c.server, note);
    io_send(io, &send.op, c.client, slice_of("still here"), note);
    turn_until(again.count == 10);
    assert_int_equal(receive.completions, 1);
    join(&again);
    turn_until(!send.op.submitted);
    disconnect(&c);
}

static void an_operation_can_be_cancelled_in_the_turn_in_which_it_was_started(void **)
{
    struct connection c;
    connected(&c);
    struct watched receive = {};
    io_receive(io, &receive.op, c.server, note);
    io_cancel(io, &receive.op);
    turn_until(!receive.op.submitted);
    assert_int_equal(receive.last.status, IO_CANCELLED);
    disconnect(&c);
}

static void a_cancelled_send_to_a_peer_that_does_not_read_ends(void **)
{
    struct connection c;
    connected(&c);
    size_t count = 64 * 1024 * 1024; /* more than both socket buffers hold */
    char *bytes = patterned(count);
    struct watched send = {};
    io_send(io, &send.op, c.client, slice_from(bytes, count), note);
    io_turn(io, 0);
    assert_true(send.op.submitted);
    join(&send);
    assert_int_equal(send.last.status, IO_CANCELLED);
    assert_true(send.last.count < count);
    assert_int_equal(send.completions, 1);
    free(bytes);
    disconnect(&c);
}

static void exhausted_buffers_pause_a_receive_and_nothing_is_lost(void **)
{
    struct connection c;
    connected(&c);
    size_t count = 4 * 64 * 3; /* three times what the ring's four buffers of 64 bytes hold */
    char *sent = patterned(count);
    struct watched send = {}, receive = { .bytes = malloc(count), .keeps = true };
    io_send(io, &send.op, c.client, slice_from(sent, count), note);
    uint32_t pauses = 0;
    while (receive.count < count) {
        io_receive(io, &receive.op, c.server, note);
        turn_until(!receive.op.submitted || receive.count == count);
        if (receive.op.submitted) break;
        assert_int_equal(receive.last.status, IO_NO_BUFFERS);
        assert_int_equal(io_buffers_free(io), 0);
        pauses += 1;
        while (receive.lent_count > 0) io_return_buffer(io, receive.lent[--receive.lent_count]);
    }
    assert_true(pauses >= 2);
    assert_int_equal(io_counters_of(io).buffers_exhausted, pauses);
    assert_memory_equal(sent, receive.bytes, count);
    if (receive.op.submitted) join(&receive);
    while (receive.lent_count > 0) io_return_buffer(io, receive.lent[--receive.lent_count]);
    turn_until(!send.op.submitted);
    free(sent);
    free(receive.bytes);
    disconnect(&c);
}

static void one_accept_serves_many_connections(void **)
{
    struct connection c;
    listen_here(&c);
    struct watched connects[5] = {};
    int fds[5];
    for (int n = 0; n < 5; n++) {
        struct sockaddr_in to = loopback(io_port_of(c.listener));
        fds[n] = io_socket();
        io_connect(io, &connects[n].op, fds[n], &to, note);
        turn_until(c.accept.completions == (uint32_t)n + 1 && connects[n].completions == 1);
        assert_true(c.accept.op.submitted);
        io_close(c.accept.last.fd);
        io_close(fds[n]);
    }
    join(&c.accept);
    assert_int_equal(c.accept.last.status, IO_CANCELLED);
    io_close(c.listener);
}

/* -- readiness -- */

static void a_poll_armed_late_still_sees_what_is_ready(void **)
{
    struct connection c;
    connected(&c);
    assert_int_equal(send(c.client, "x", 1, 0), 1);
    struct watched poll = {};
    io_poll(io, &poll.op, c.server, IO_READABLE | IO_WRITABLE, note);
    turn_until(poll.completions == 1);
    assert_int_equal(poll.last.status, IO_OK);
    assert_int_equal(poll.last.count & IO_WRITABLE, IO_WRITABLE);
    assert_false(poll.op.submitted);
    disconnect(&c);
}

static void a_standing_poll_sees_every_wake(void **)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    struct watched poll = {};
    io_poll_forever(io, &poll.op, fd, note);
    for (uint32_t n = 1; n <= 20; n++) {
        eventfd_t wakes;
        assert_int_equal(eventfd_write(fd, 1), 0);
        turn_until(poll.completions == n);
        assert_true(poll.op.submitted);
        assert_int_equal(eventfd_read(fd, &wakes), 0);
    }
    join(&poll);
    io_close(fd);
}

/* -- the ring itself -- */

static void more_operations_than_the_ring_has_entries_all_complete(void **)
{
    enum { MANY = 2000 }; /* eight entries; the completions overflow their ring too */
    int fd = eventfd(1, EFD_NONBLOCK);
    struct watched *polls = calloc(MANY, sizeof *polls);
    uint32_t completed = 0;
    for (int n = 0; n < MANY; n++) io_poll(io, &polls[n].op, fd, IO_READABLE, note);
    turn_until(({ completed = 0; for (int n = 0; n < MANY; n++) completed += polls[n].completions; completed; }) == MANY);
    for (int n = 0; n < MANY; n++) assert_int_equal(polls[n].last.status, IO_OK);
    assert_true(io_counters_of(io).overflows > 0);
    free(polls);
    io_close(fd);
}

static void a_wait_does_not_end_before_its_instant_without_a_completion(void **)
{
    uint64_t until_us = clock_monotonic_us() + 30'000;
    io_turn(io, until_us);
    assert_true(clock_monotonic_us() >= until_us);
    io_turn(io, 0); /* returns */
    io_turn(io, until_us); /* past: returns */
}

/* -- files -- */

struct on_disk { char directory[64], path[128]; int fd; };

static struct on_disk segment_of(uint64_t bytes)
{
    struct on_disk d = { .directory = "/tmp/ringmaster-io-XXXXXX" };
    assert_non_null(mkdtemp(d.directory));
    snprintf(d.path, sizeof d.path, "%s/segment", d.directory);
    assert_int_equal(file_create_filled(d.path, bytes, &d.fd), IO_OK);
    return d;
}

static void remove_segment(struct on_disk *d)
{
    file_close(d->fd);
    assert_int_equal(file_remove(d->path), IO_OK);
    assert_int_equal(rmdir(d->directory), 0);
}

static void a_durable_write_is_told_once_and_read_back(void **)
{
    struct on_disk d = segment_of(16 * page);
    char *out = aligned_alloc(page, 4 * page), *in = aligned_alloc(page, 4 * page);
    for (uint64_t round = 0; round < 4; round++) {
        struct watched write = {};
        uint64_t told_before = io_counters_of(io).completions;
        memset(out, 'a' + (int)round, 4 * page);
        io_write_durably(io, &write.op, d.fd, slice_from(out, 4 * page), round * 4 * page, note);
        io_cancel(io, &write.op); /* a write is not ended */
        turn_until(!write.op.submitted);
        assert_int_equal(write.completions, 1);
        assert_int_equal(write.last.status, IO_OK);
        assert_int_equal(write.last.count, 4 * page);
        assert_int_equal(io_counters_of(io).completions, told_before + 1); /* nobody is woken between write and sync */
        size_t count;
        assert_int_equal(file_read(d.fd, round * 4 * page, in, 4 * page, &count), IO_OK);
        assert_int_equal(count, 4 * page);
        assert_memory_equal(in, out, 4 * page);
    }
    free(out);
    free(in);
    remove_segment(&d);
}

static void a_full_disk_is_told_as_no_space(void **)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    char *bytes = aligned_alloc(page, page);
    memset(bytes, 'x', page);
    struct watched write = {};
    io_write_durably(io, &write.op, full, slice_from(bytes, page), 0, note);
    turn_until(!write.op.submitted);
    assert_int_equal(write.last.status, IO_NO_SPACE);
    assert_int_equal(write.completions, 1);
    free(bytes);
    io_close(full);
}

static void a_short_write_is_no_success_but_a_full_disk(void **)
{
    struct on_disk d = segment_of(page);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){ .rlim_cur = 2 * page, .rlim_max = before.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    char *bytes = aligned_alloc(page, 8 * page);
    memset(bytes, 'x', 8 * page);
    struct watched write = {};
    io_write_durably(io, &write.op, d.fd, slice_from(bytes, 8 * page), 0, note);
    turn_until(!write.op.submitted);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(write.last.status, IO_NO_SPACE);
    assert_int_equal(write.completions, 1);
    free(bytes);
    remove_segment(&d);
}

/* -- refusals -- */

static void a_taken_port_is_refused_with_its_number(void **)
{
    int other = io_socket(); /* without SO_REUSEPORT, as another program's */
    struct sockaddr_in at = loopback(0);
    assert_int_equal(bind(other, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(other, 1), 0);
    at = loopback(io_port_of(other));
    struct io_refusal refusal = {};
    assert_int_equal(io_listen(&at, 1, &refusal), -1);
    char port[8];
    snprintf(port, sizeof port, "%u", io_port_of(other));
    assert_non_null(strstr(refusal.text, port));
    assert_non_null(strstr(refusal.text, "ss -ltnp"));
    io_close(other);
}

/* In a child that a seccomp filter answers `error` when it asks for a ring: what io_open() says. */
static void refusal_of(int error, struct io_refusal *refusal)
{
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
        struct io_refusal r = { "a ring was given" };
        (void)!io_open(&(struct io_config){ 8, 8, 64 }, &r);
        _exit(write(told[1], &r, sizeof r) == sizeof r ? 0 : 1);
    }
    close(told[1]);
    assert_int_equal(read(told[0], refusal, sizeof *refusal), sizeof *refusal);
    close(told[0]);
    waitpid(child, nullptr, 0);
}

static void a_refused_ring_comes_with_its_remedy(void **)
{
    const struct { int error; const char *cause, *remedy; } refusals[] = {
        { EPERM, "io_uring_disabled", "io_uring" }, /* seccomp or sysctl: depends on the machine's setting */
        { ENOSYS, "does not offer io_uring", "6.0" },
        { EINVAL, "does not offer", "6.0" },
        { ENOMEM, "locked memory", "LimitMEMLOCK" },
        { EMFILE, "file descriptor", "LimitNOFILE" },
        { EIO, "errno 5", "refused" },
    };
    for (size_t n = 0; n < sizeof refusals / sizeof *refusals; n++) {
        struct io_refusal refusal;
        refusal_of(refusals[n].error, &refusal);
        assert_non_null(strstr(refusal.text, refusals[n].cause));
        assert_non_null(strstr(refusal.text, refusals[n].remedy));
    }
}

static void every_status_has_a_name_of_its_own(void **)
{
    for (int a = IO_OK; a <= IO_FAILED; a++)
        for (int b = IO_OK; b < a; b++) assert_string_not_equal(io_status_name((enum io_status)a), io_status_name((enum io_status)b));
}

int main(void)
{
#define on_a_ring(test) cmocka_unit_test_setup_teardown(test, open_ring, close_ring)
#define on_a_small_ring(test) cmocka_unit_test_setup_teardown(test, open_small_ring, close_ring)
    const struct CMUnitTest tests[] = {
        on_a_ring(megabytes_arrive_whole_and_in_order),
        on_a_ring(the_end_of_a_stream_ends_the_receive),
        on_a_ring(shutting_down_ends_our_own_receive),
        on_a_ring(a_broken_connection_is_told_as_reset),
        on_a_ring(nobody_listening_is_told_as_refused),
        on_a_ring(a_cancelled_receive_says_so_once_and_the_connection_lives_on),
        on_a_ring(an_operation_can_be_cancelled_in_the_turn_in_which_it_was_started),
        on_a_ring(a_cancelled_send_to_a_peer_that_does_not_read_ends),
        on_a_small_ring(exhausted_buffers_pause_a_receive_and_nothing_is_lost),
        on_a_ring(one_accept_serves_many_connections),
        on_a_ring(a_poll_armed_late_still_sees_what_is_ready),
        on_a_ring(a_standing_poll_sees_every_wake),
        on_a_small_ring(more_operations_than_the_ring_has_entries_all_complete),
        on_a_ring(a_wait_does_not_end_before_its_instant_without_a_completion),
        on_a_ring(a_durable_write_is_told_once_and_read_back),
        on_a_ring(a_full_disk_is_told_as_no_space),
        on_a_ring(a_short_write_is_no_success_but_a_full_disk),
        on_a_ring(a_taken_port_is_refused_with_its_number),
        cmocka_unit_test(a_refused_ring_comes_with_its_remedy),
        cmocka_unit_test(every_status_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
