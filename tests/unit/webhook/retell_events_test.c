/* What the first half of a webhook's way promises, from the last body byte to the hop: only what a workspace has signed goes on, whatever it says; the rest gets its
 * status, and there is nothing left of it. Workspaces, signatures and decoding are real; the socket and the hop are played. */
#include "tests/unit/call/played.h"

#include "base/buffer.h"
#include "retell/signature.h"
#include "webhook/retell_events.h"

static enum db_outcome play_statement(struct db_unit *, struct played_row *) { return DB_REJECTED; } /* nobody asks */

/* -- the hop: a delivery that travels is written down and kept -- */

static struct delivery *travelled;
void delivery_travel(struct delivery *d)
{
    assert_null(travelled);
    travelled = d;
}

static struct heap heap;
void delivery_give_back(struct delivery *d)
{
    retell_event_release(&d->event, &heap);
    heap_release(&heap, d->body.start, d->body.capacity);
    pool_release(&d->door->deliveries, d);
}

/* -- the socket -- */

static struct { struct http_request request; struct http_body body; char signature[128]; uint16_t status; } exchange;

bool http_respond_status(struct http_server *, struct http_exchange, uint16_t status)
{
    assert_int_equal(exchange.status, 0); /* once */
    exchange.status = status;
    return true;
}

struct slice http_request_header(const struct http_request *, struct slice name, uint32_t *count)
{
    assert_true(slice_equal(name, slice_of("x-retell-signature")));
    *count = exchange.signature[0] != 0;
    return *count ? slice_from_text(exchange.signature) : slice_absent;
}

struct http_body http_request_take_body(struct http_request *)
{
    struct http_body taken = exchange.body;
    exchange.body = (struct http_body){};
    return taken;
}

/* -- a door -- */

enum { DELIVERIES = 2 };
static const struct workspace workspaces[] = {
    { .id = 4, .token = slice_of("wt_four"), .is_default = true, .keys = { slice_of("key_of_four") }, .key_count = 1 },
    { .id = 5, .token = slice_of("wt_five"), .keys = { slice_of("key_of_five") }, .key_count = 1 },
};
static const struct tenant_snapshot tenants = { .workspaces = workspaces, .workspace_count = 2 };
static struct tenant_directory directory;
static struct webhook_door door;
static const char started[] = "{\"event\":\"call_started\",\"call\":{\"call_id\":\"call_1\",\"to_number\":\"+493012345678\"}}";

static int set_up(void **)
{
    play_shard();
    play_database();
    heap_init(&heap, 1 << 20);
    directory.current = &tenants;
    door = (struct webhook_door){ .magic = webhook_door_magic, .shard = &shard, .config = { .directory = &directory, .heap = &heap } };
    pool_init(&door.deliveries, "deliveries", sizeof(struct delivery), DELIVERIES);
    travelled = nullptr;
    memset(&exchange, 0, sizeof exchange);
    return 0;
}

static int tear_down(void **)
{
    if (travelled) delivery_give_back(travelled);
    heap_release(&heap, exchange.body.start, exchange.body.capacity);
    assert_int_equal(heap.used_bytes, 0);
    pool_deinit(&door.deliveries);
    return 0;
}

/* The request's body stays with the socket unless it is taken. */
static uint16_t receive(const char *body, const char *token, const char *key)
{
    heap_release(&heap, exchange.body.start, exchange.body.capacity);
    memset(&exchange, 0, sizeof exchange);
    size_t bytes = strlen(body);
    exchange.body = (struct http_body){ .start = heap_acquire(&heap, bytes), .length = bytes, .capacity = bytes };
    memcpy(exchange.body.start, body, bytes);
    exchange.request = (struct http_request){ .body = slice_from(exchange.body.start, bytes), .complete_at_us = shard.now_us };
    struct buffer b = buffer_over(exchange.signature, sizeof exchange.signature - 1);
    if (key) retell_sign(&b, exchange.request.body, slice_from_text(key), shard.wall_us / 1'000);
    webhook_receive_event(&door, &exchange.request, token ? slice_from_text(token) : slice_absent);
    return exchange.status;
}

static void expect_nothing_left(void)
{
    assert_null(travelled);
    assert_int_equal(door.deliveries.used, 0);
}

/* -- promises -- */

static void what_a_workspace_has_signed_goes_on_and_is_not_answered_yet(void **)
{
    assert_int_equal(receive(started, "wt_five", "key_of_five"), 0);
    assert_non_null(travelled);
    assert_int_equal(travelled->workspace_id, 5);
    assert_int_equal(travelled->received_at_us, shard.wall_us);
    assert_true(slice_equal(travelled->event.call_id, slice_of("call_1")));
    assert_null(exchange.body.start); /* taken, not copied */
    assert_int_equal(counter_read(&door.counters.accepted), 1);
}

static void without_a_token_it_is_the_default_workspace(void **)
{
    assert_int_equal(receive(started, nullptr, "key_of_four"), 0);
    assert_int_equal(travelled->workspace_id, 4);
}

static void what_is_signed_goes_on_whatever_it_says(void **)
{
    assert_int_equal(receive("no JSON at all", "wt_four", "key_of_four"), 0);
    assert_non_null(travelled);
    assert_int_not_equal(travelled->reading, RETELL_UNDERSTOOD);
}

static void an_unknown_token_is_404(void **)
{
    assert_int_equal(receive(started, "wt_six", "key_of_four"), 404);
    expect_nothing_left();
    assert_int_equal(counter_read(&door.counters.refused_404), 1);
}

static void what_is_not_signed_by_this_workspace_is_401(void **)
{
    assert_int_equal(receive(started, "wt_four", nullptr), 401);
    assert_int_equal(receive(started, "wt_four", "key_of_five"), 401);
    expect_nothing_left();
    assert_int_equal(counter_read(&door.counters.refused_401), 2);
    assert_int_equal(counter_read(&door.counters.verdicts[SIGNATURE_MISSING]), 1);
    assert_int_equal(counter_read(&door.counters.verdicts[SIGNATURE_WRONG]), 1);
}

static void whoever_floods_the_door_does_not_flood_the_log(void **)
{
    listen_to_log();
    for (int n = 0; n < 100; n++) assert_int_equal(receive(started, "wt_five", "key_of_four"), 401);
    move_clock(shard.now_us + played_second_us);
    for (int n = 0; n < 100; n++) assert_int_equal(receive(started, "wt_five", nullptr), 401);
    assert_int_equal(lines_heard("webhook_unverified"), 2);
    assert_int_equal(counter_read(&door.counters.refused_401), 200);
}

static void before_there_are_tenants_it_is_503(void **)
{
    directory.current = nullptr;
    assert_int_equal(receive(started, "wt_four", "key_of_four"), 503);
    expect_nothing_left();
}

static void when_as_many_are_under_way_as_there_may_be_it_is_503_and_counted(void **)
{
    struct delivery *others[DELIVERIES];
    for (int n = 0; n < DELIVERIES; n++) others[n] = pool_acquire(&door.deliveries);
    assert_int_equal(receive(started, "wt_four", "key_of_four"), 503);
    assert_null(travelled);
    assert_int_equal(counter_read(&door.counters.full_deliveries), 1);
    assert_int_equal(counter_read(&door.counters.refused_503), 1);
    for (int n = 0; n < DELIVERIES; n++) pool_release(&door.deliveries, others[n]);
    assert_int_equal(receive(started, "wt_four", "key_of_four"), 0);
}

static void while_draining_it_is_503(void **)
{
    door.draining = true;
    assert_int_equal(receive(started, "wt_four", "key_of_four"), 503);
    expect_nothing_left();
    assert_int_equal(counter_read(&door.counters.refused_503), 1);
    assert_int_equal(counter_read(&door.counters.full_deliveries), 0); /* or every drain is an alarm */
}

static void without_memory_to_read_it_it_is_503_and_its_body_goes(void **)
{
    heap_init(&heap, sizeof started + 16);
    assert_int_equal(receive(started, "wt_four", "key_of_four"), 503);
    expect_nothing_left();
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(counter_read(&door.counters.full_memory), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_workspace_has_signed_goes_on_and_is_not_answered_yet),
        TEST(without_a_token_it_is_the_default_workspace),
        TEST(what_is_signed_goes_on_whatever_it_says),
        TEST(an_unknown_token_is_404),
        TEST(what_is_not_signed_by_this_workspace_is_401),
        TEST(whoever_floods_the_door_does_not_flood_the_log),
        TEST(before_there_are_tenants_it_is_503),
        TEST(when_as_many_are_under_way_as_there_may_be_it_is_503_and_counted),
        TEST(while_draining_it_is_503),
        TEST(without_memory_to_read_it_it_is_503_and_its_body_goes),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
