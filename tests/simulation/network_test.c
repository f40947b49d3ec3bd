/* tests/simulation/network_test.c: what network.h promises, through io.h, between two processes.
 *
 * Talks: each side sends bytes that depend on the talk, the direction and the place, so that whatever is lost, doubled, swapped or mixed up shows at the first byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/ensure.h"
#include "io/io.h"
#include "network.h"
#include "world.h"

/* What a kernel without a world needs to be linked. */
struct world world;
void disk_crash(struct disk *) {}
void world_broken(const char *promise, const char *, ...)
{
    fprintf(stderr, "%s\n", promise);
    abort();
}

enum { PORT = 443, TALKS_MAX = 6, CHUNK_BYTES = 5000, PATIENCE_US = 10'000'000 };

static const struct network_climate calm = { .latency_us = 200, .segment_bytes_max = 1460, .window_bytes = 8192 };

/* -- a side of a talk -- */

struct side {
    struct party *party;
    struct io_op  connect, receive, send;
    int           fd, number;  /* -1: not known yet */
    bool          has_connected, is_connecting, is_over;
    enum io_status end;        /* IO_OK: none yet */
    uint64_t      to_send, sent, received, heard_at_us;
    uint32_t      chunk;
    char          bytes[CHUNK_BYTES];
};

struct door { struct party *party; struct io_op accept; int fd; uint64_t accepted; };

struct party {
    struct io   *io;
    bool         is_server, reads_nothing, stop, sits_on_buffers;
    uint32_t     talks, opened, closed;
    struct door  doors[2];
    uint32_t     door_count;
    uint64_t     to_send, patience_us;
    int          lent[256];
    uint32_t     lent_count;
    struct side  sides[TALKS_MAX];
};

static char byte_of(int number, bool by_server, uint64_t place)
{
    if (place == 0) return (char)number;
    return (char)((place * 2654435761u >> 7) + (uint64_t)number * 37 + by_server * 101);
}

static void receive_more(struct side *s);

static void give_buffers_back(struct party *p)
{
    while (p->lent_count > 0) io_return_buffer(p->io, (uint16_t)p->lent[--p->lent_count]);
}

static void received(struct io_op *op, struct io_result result)
{
    struct side *s = container_of(op, struct side, receive);
    if (result.status == IO_OK) {
        if (s->number < 0) s->number = result.received.bytes[0];
        for (uint32_t n = 0; n < result.received.count; n++)
            if (result.received.bytes[n] != byte_of(s->number, !s->party->is_server, s->received + n)) world_broken("bytes arrive as they were sent", "%u", n);
        s->received += result.received.count;
        s->heard_at_us = world_now_us();
        s->party->lent[s->party->lent_count++] = result.received.buffer;
    }
    if (result.more) return;
    if (result.status == IO_END || result.status == IO_RESET) s->end = result.status;
    else if (result.status == IO_OK || result.status == IO_NO_BUFFERS) receive_more(s);
}

static void receive_more(struct side *s)
{
    if (s->party->reads_nothing || s->is_over) return;
    if (!s->receive.submitted && s->party->lent_count < 4) io_receive(s->party->io, &s->receive, s->fd, received);
}

static void sent(struct io_op *op, struct io_result result)
{
    struct side *s = container_of(op, struct side, send);
    if (result.status == IO_OK && result.count != s->chunk) world_broken("a send is whole", "%u", result.count);
    s->sent += result.count;
    memset(s->bytes, '?', sizeof s->bytes); /* nobody reads them any more */
}

static void send_more(struct side *s)
{
    if (s->send.submitted || s->sent >= s->to_send || s->end == IO_RESET || s->is_over || s->number < 0) return;
    uint64_t left = s->to_send - s->sent;
    s->chunk = (uint32_t)dice_between(DIE_WORKLOAD, 1, left < CHUNK_BYTES ? left : CHUNK_BYTES);
    for (uint32_t n = 0; n < s->chunk; n++) s->bytes[n] = byte_of(s->number, s->party->is_server, s->sent + n);
    io_send(s->party->io, &s->send, s->fd, slice_from(s->bytes, s->chunk), sent);
}

static struct side *new_side(struct party *p, int fd, int number)
{
    ensure(p->opened < TALKS_MAX);
    struct side *s = &p->sides[p->opened++];
    *s = (struct side){ .party = p, .fd = fd, .number = number, .to_send = p->to_send, .heard_at_us = world_now_us() };
    return s;
}

static void accepted(struct io_op *op, struct io_result result)
{
    struct door  *d = container_of(op, struct door, accept);
    struct party *p = d->party;
    if (result.status == IO_OK) {
        d->accepted += 1;
        new_side(p, result.fd, -1)->has_connected = true;
    }
    if (!result.more && !p->stop && result.status != IO_CANCELLED) io_accept(p->io, op, d->fd, accepted);
}

static void connected(struct io_op *op, struct io_result result)
{
    struct side *s = container_of(op, struct side, connect);
    s->is_connecting = false;
    s->has_connected = result.status == IO_OK;
    if (result.status != IO_OK) s->end = result.status;
}

/* -- a process -- */

static void open_party(struct party *p)
{
    struct io_refusal refusal;
    const struct io_config config = { .entries = 64, .receive_buffers = 4, .receive_buffer_bytes = 1000 };
    p->io = io_open(&config, &refusal);
    const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    for (uint32_t n = 0; n < p->door_count; n++) {
        p->doors[n] = (struct door){ .party = p, .fd = io_listen(&at, 16, &refusal) };
        io_accept(p->io, &p->doors[n].accept, p->doors[n].fd, accepted);
    }
    for (uint32_t n = 0; !p->is_server && n < p->talks; n++) {
        struct side *s = new_side(p, io_socket(), (int)n + 1);
        s->is_connecting = true;
        io_connect(p->io, &s->connect, s->fd, &at, connected);
    }
}

static void close_when_idle(struct side *s)
{
    if (s->connect.submitted || s->receive.submitted || s->send.submitted) return;
    io_close(s->fd);
    s->fd = -1;
    s->party->closed += 1;
}

static void stop_side(struct side *s)
{
    s->is_over = true;
    io_shutdown(s->fd);
    io_cancel(s->party->io, &s->connect);
    io_cancel(s->party->io, &s->receive);
    io_cancel(s->party->io, &s->send);
}

static bool has_all(const struct side *s) { return s->sent == s->to_send && s->received == s->party->to_send; }

static void step(struct side *s)
{
    struct party *p = s->party;
    if (s->fd < 0) return;
    bool is_late = world_now_us() - s->heard_at_us > p->patience_us;
    bool is_done = s->end != IO_OK || is_late || p->stop || (!p->is_server && has_all(s) && !p->reads_nothing);
    if (!s->is_over && is_done && (is_late || s->end != IO_END || !s->send.submitted)) stop_side(s);
    if (s->is_over) close_when_idle(s);
    else if (s->has_connected) {
        receive_more(s);
        send_more(s);
    }
}

static void stop_listening(struct party *p)
{
    p->stop = true;
    for (uint32_t n = 0; n < p->door_count; n++) io_cancel(p->io, &p->doors[n].accept);
}

static bool is_done(const struct party *p)
{
    bool accepts = false;
    for (uint32_t n = 0; n < p->door_count; n++) accepts |= p->doors[n].accept.submitted;
    return !accepts && p->closed == p->opened && (!p->is_server || p->stop) && (p->is_server || p->opened == p->talks);
}

static void run_party(void *context)
{
    struct party *p = context;
    open_party(p);
    uint64_t gives_up_us = world_now_us() + 3 * p->patience_us;
    while (!is_done(p)) {
        (void)io_turn(p->io, world_now_us() + 50'000);
        for (uint32_t n = 0; n < p->opened; n++) step(&p->sides[n]);
        if (!p->sits_on_buffers || dice_happens(DIE_WORKLOAD, 0.5)) give_buffers_back(p);
        if (p->is_server && !p->stop && (p->closed == p->talks || world_now_us() > gives_up_us)) stop_listening(p);
    }
    give_buffers_back(p);
    for (uint32_t n = 0; n < p->door_count; n++) io_close(p->doors[n].fd);
    io_close_all(p->io);
}

/* -- both -- */

struct pair { struct party *server, *client; struct process *server_process, *client_process; };

static bool are_over(void *context)
{
    struct pair *p = context;
    return process_is_over(p->server_process) && process_is_over(p->client_process);
}

static struct party *new_party(bool is_server, uint32_t talks, uint64_t bytes)
{
    struct party *p = calloc(1, sizeof *p);
    ensure(p != nullptr);
    *p = (struct party){ .is_server = is_server, .talks = talks, .to_send = bytes, .patience_us = PATIENCE_US, .door_count = is_server };
    return p;
}

static struct pair new_pair(uint32_t talks, uint64_t bytes) { return (struct pair){ .server = new_party(true, talks, bytes), .client = new_party(false, talks, bytes) }; }

static void start_pair(struct pair *p)
{
    p->server_process = process_start("server", nullptr, run_party, p->server);
    (void)kernel_run(world_now_us() + 2'000, nullptr, nullptr);
    p->client_process = process_start("client", nullptr, run_party, p->client);
}

static void run_for(uint64_t us) { (void)kernel_run(world_now_us() + us, nullptr, nullptr); }

static void end_pair(struct pair *p)
{
    assert_true(kernel_run(world_now_us() + UINT64_C(1'000'000'000), are_over, p));
    assert_true(are_over(p));
    struct process_remains s = process_remains(p->server_process), c = process_remains(p->client_process);
    assert_int_equal(s.descriptors + s.rings + c.descriptors + c.rings, 0);
    assert_int_equal(network_connections_open(), 0);
    process_forget(p->server_process);
    process_forget(p->client_process);
    free(p->server);
    free(p->client);
}

/* -- the promises -- */

static void in_a_calm_network_everything_arrives(void **)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        dice_seed(seed);
        struct network_climate c = calm;
        c.segment_bytes_max = (uint32_t)dice_between(DIE_WORLD, 1, 3000);
        c.window_bytes = (uint32_t)dice_between(DIE_WORLD, 1, 20'000);
        network_open(&c);
        uint64_t bytes = dice_between(DIE_WORLD, 1, 20 * (uint64_t)(c.segment_bytes_max < c.window_bytes ? c.segment_bytes_max : c.window_bytes));
        if (bytes > 30'000) bytes = 30'000;
        struct pair p = new_pair((uint32_t)dice_between(DIE_WORLD, 1, TALKS_MAX), bytes);
        p.server->sits_on_buffers = p.client->sits_on_buffers = seed % 2 == 0;
        p.server->door_count = 1 + seed % 2;
        start_pair(&p);
        assert_true(kernel_run(world_now_us() + UINT64_C(1'000'000'000), are_over, &p));
        assert_int_equal(p.server->opened, p.client->talks);
        for (uint32_t n = 0; n < p.client->talks; n++) {
            assert_int_equal(p.client->sides[n].received, bytes);
            assert_int_equal(p.client->sides[n].sent, bytes);
            assert_int_equal(p.server->sides[n].received, bytes);
        }
        end_pair(&p);
    }
}

static struct network_climate draw_climate(void)
{
    struct network_climate c = calm;
    double *faults[] = { &c.reset_per_connection, &c.half_open_per_connection, &c.slow_per_connection, &c.refuse_per_connect, &c.unreachable_per_connect, &c.lost_per_connect };
    for (uint32_t n = 0; n < sizeof faults / sizeof *faults; n++)
        if (dice_happens(DIE_WORLD, 0.4)) *faults[n] = 0.3;
    c.window_bytes = (uint32_t)dice_between(DIE_WORLD, 200, 20'000);
    return c;
}

/* What arrives is a prefix of what was sent, whatever happens: received() checks each byte. Nothing is left, and no side waits for ever. */
static uint64_t rough_life(uint64_t seed)
{
    dice_seed(seed);
    struct network_climate c = draw_climate();
    network_open(&c);
    struct pair p = new_pair((uint32_t)dice_between(DIE_WORLD, 1, TALKS_MAX), dice_between(DIE_WORLD, 1, 20'000));
    start_pair(&p);
    if (seed % 3 == 0) process_kill_at_seam(seed % 2 ? p.server_process : p.client_process, dice_between(DIE_WORLD, 1, 400));
    if (seed % 5 == 0) run_for(dice_between(DIE_WORLD, 0, 5'000));
    if (seed % 5 == 0) network_partition(PORT, world_now_us() + dice_between(DIE_WORLD, 1'000, 5'000'000), seed % 2);
    if (seed % 7 == 0) seam_fail_nth(p.client_process, SEAM_RING_OPERATION, dice_between(DIE_WORLD, 1, 60));
    if (seed % 11 == 0) process_freeze(p.server_process, world_now_us() + 2'000'000);
    end_pair(&p);
    return trace_fingerprint();
}

static void in_every_climate_what_arrives_is_what_was_sent(void **)
{
    for (uint64_t seed = 1000; seed < 2000; seed++) (void)rough_life(seed);
    struct network_counters n = network_counters();
    assert_true(n.resets > 50 && n.half_opens > 20 && n.slow > 50 && n.refused > 50 && n.lost > 50 && n.partitions > 50);
}

/* In a process of its own, as worlds are. */
static uint64_t story_of(uint64_t seed)
{
    uint64_t *shared = mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        void *elsewhere = malloc(1000 * (size_t)(getpid() % 100)); /* addresses are not to matter */
        *shared = rough_life(seed);
        free(elsewhere);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return *shared;
}

static void one_seed_is_one_story(void **)
{
    for (uint64_t seed = 1; seed <= 20; seed++) assert_true(story_of(seed) == story_of(seed));
    assert_true(story_of(1) != story_of(2));
}

static void nobody_listens_is_a_refusal(void **)
{
    dice_seed(1);
    network_open(&calm);
    struct pair p = new_pair(2, 10);
    p.server->door_count = 0;
    p.server->stop = true;
    start_pair(&p);
    run_for(1'000'000);
    assert_int_equal(p.client->sides[0].end, IO_REFUSED);
    assert_int_equal(p.client->sides[1].end, IO_REFUSED);
    end_pair(&p);
}

static void a_lost_connect_ends_only_when_it_is_cancelled(void **)
{
    dice_seed(2);
    struct network_climate c = calm;
    c.lost_per_connect = 1;
    network_open(&c);
    struct pair p = new_pair(1, 10);
    start_pair(&p);
    run_for(PATIENCE_US - 1'000'000);
    assert_true(p.client->sides[0].is_connecting);
    run_for(2'000'000);
    assert_false(p.client->sides[0].is_connecting);
    assert_int_equal(p.client->sides[0].end, IO_CANCELLED);
    end_pair(&p);
}

static void a_peer_that_goes_silent_is_not_told_of(void **)
{
    dice_seed(3);
    struct network_climate c = calm;
    c.half_open_per_connection = 1;
    network_open(&c);
    struct pair p = new_pair(1, 400'000);
    start_pair(&p);
    run_for(PATIENCE_US / 2);
    struct side *client = &p.client->sides[0];
    assert_true(client->received < 400'000 || client->sent < 400'000);
    assert_int_equal(client->end, IO_OK);
    end_pair(&p);
}

static void a_killed_process_ends_its_connections(void **)
{
    dice_seed(4);
    network_open(&calm);
    for (uint32_t reads_nothing = 0; reads_nothing < 2; reads_nothing++) {
        struct pair p = new_pair(1, 1000);
        p.client->to_send = reads_nothing ? 1000 : 1;
        p.server->to_send = 0;
        p.client->patience_us = p.server->patience_us = PATIENCE_US;
        p.server->reads_nothing = reads_nothing;
        start_pair(&p);
        run_for(1'000'000);
        assert_int_equal(p.client->sides[0].end, IO_OK);
        process_kill(p.server_process);
        run_for(100'000);
        assert_int_equal(p.client->sides[0].end, reads_nothing ? IO_RESET : IO_END);
        end_pair(&p);
    }
}

static void a_slow_reader_makes_a_slow_writer(void **)
{
    dice_seed(5);
    network_open(&calm);
    struct pair p = new_pair(1, 50'000);
    p.server->reads_nothing = true;
    start_pair(&p);
    run_for(5'000'000);
    assert_true(p.client->sides[0].sent <= calm.window_bytes);
    assert_true(p.client->sides[0].send.submitted);
    p.server->reads_nothing = false;
    end_pair(&p);
}

static void what_a_cut_holds_up_arrives_after_it(void **)
{
    dice_seed(6);
    network_open(&calm);
    struct pair p = new_pair(2, 20'000);
    start_pair(&p);
    run_for(500);
    network_partition(PORT, world_now_us() + 3'000'000, false);
    run_for(2'900'000);
    uint64_t before = p.client->sides[0].received;
    assert_true(before < 20'000);
    assert_true(kernel_run(world_now_us() + UINT64_C(1'000'000'000), are_over, &p));
    assert_int_equal(p.client->sides[0].received, 20'000);
    assert_int_equal(p.client->sides[1].received, 20'000);
    end_pair(&p);
}

static void several_listeners_share_a_port(void **)
{
    dice_seed(7);
    network_open(&calm);
    uint64_t by[2] = {};
    for (uint32_t n = 0; n < 10; n++) {
        struct pair p = new_pair(TALKS_MAX, 10);
        p.server->door_count = 2;
        start_pair(&p);
        assert_true(kernel_run(world_now_us() + UINT64_C(1'000'000'000), are_over, &p));
        by[0] += p.server->doors[0].accepted;
        by[1] += p.server->doors[1].accepted;
        end_pair(&p);
    }
    assert_int_equal(by[0] + by[1], 10 * TALKS_MAX);
    assert_true(by[0] > 10 && by[1] > 10);
}

static void look_at_ports(void *context)
{
    bool *good = context;
    struct io_refusal refusal;
    struct sockaddr_in any = { .sin_family = AF_INET }, at = any;
    int first = io_listen(&any, 1, &refusal), second = io_listen(&any, 1, &refusal);
    at.sin_port = htons(io_port_of(first));
    *good = io_port_of(first) != io_port_of(second) && !io_port_is_free(&at, &refusal);
    io_close(first);
    *good = *good && io_port_is_free(&at, &refusal) && io_port_is_free(&any, &refusal);
    io_close(second);
}

static bool is_over(void *process) { return process_is_over(process); }

static void a_port_is_taken_while_somebody_listens(void **)
{
    bool good = false;
    struct process *p = process_start("ports", nullptr, look_at_ports, &good);
    (void)kernel_run(UINT64_MAX, is_over, p);
    assert_true(good);
    process_forget(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_calm_network_everything_arrives), cmocka_unit_test(in_every_climate_what_arrives_is_what_was_sent),
        cmocka_unit_test(one_seed_is_one_story),
        cmocka_unit_test(nobody_listens_is_a_refusal), cmocka_unit_test(a_lost_connect_ends_only_when_it_is_cancelled),
        cmocka_unit_test(a_peer_that_goes_silent_is_not_told_of), cmocka_unit_test(a_killed_process_ends_its_connections),
        cmocka_unit_test(a_slow_reader_makes_a_slow_writer), cmocka_unit_test(what_a_cut_holds_up_arrives_after_it),
        cmocka_unit_test(several_listeners_share_a_port), cmocka_unit_test(a_port_is_taken_while_somebody_listens),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
