/* The simulator's other door, for tests and people: plain HTTP and JSON.
 *
 *   GET  /control/health                          {"status":"ok", counts}
 *   GET  /control/bookings?skip=&take=            every booking as Cal.com shows it, with engineRef and idempotencyKey
 *   GET  /control/reservations
 *   GET  /control/requests?after=NUMBER&take=     what was asked, what was told, which fault it met
 *   GET  /control/slots?eventTypeId=&after=&take= the next free starts
 *   GET  /control/faults
 *   POST /control/faults                          one rule (faults.h)
 *   DELETE /control/faults                        all of them
 *   POST /control/settings                        {"replica_lag_ms", "race_window_ms", "retry_after", "reset_is_epoch", "slots_mode", "loser",
 *                                                  "clock_skew_ms", "chunked", "limit_is_untold"}
 *   POST /control/busy                            {"userId", "start", "end"}: an event in the host's other calendar (S21)
 *   POST /control/bookings/{uid}/cancel|confirm|decline   what the host does (S13, S21)
 *   POST /control/bookings/{uid}/move             {"start"}: to any time, as a new booking
 *   POST /control/bookings/{uid}/reassign         {"userId"}: to another host
 *   POST /control/reset                           everything as the world file says, no faults, empty log
 */
#include <stdio.h>
#include "base/ensure.h"
#include "limits.h"
#include "sim/answers.h"
#include "sim/calendar.h"
#include "sim/host.h"
#include "sim/query.h"
#include "sim/simulator.h"
#include "sim/workspace.h"

struct control_call {
    struct simulator        *simulator;
    struct http_request     *request;
    const struct json_value *json;
    struct slice             uid;
    struct buffer            out;      /* over the simulator's scratch */
    struct json_writer       writer;   /* of out, inside the root object */
    uint16_t                 status;
};

static void refuse_call(struct control_call *c, uint16_t status, const char *why)
{
    c->status = status;
    c->out.length = 0;
    c->writer = json_writer_over(&c->out);
    json_begin_object(&c->writer, nullptr);
    json_add_text(&c->writer, "error", slice_from_text(why));
}

static uint32_t asked_number(const struct control_call *c, const char *name, uint32_t otherwise)
{
    char memory[32];
    struct buffer b = buffer_over(memory, sizeof memory);
    uint64_t value;
    return slice_to_u64(query_get(c->request->query, name, &b), UINT32_MAX, &value) ? (uint32_t)value : otherwise;
}

/* -- looking -- */

static uint32_t live_bookings(const struct sim_world *w)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < w->booking_count; i++) live += booking_is_live(&w->bookings[i]);
    return live;
}

static void show_health(struct control_call *c)
{
    const struct simulator *s = c->simulator;
    json_add_text(&c->writer, "status", slice_of("ok"));
    add_instant(&c->writer, "now", s->shard->wall_us);
    json_add_integer(&c->writer, "bookings", s->world.booking_count);
    json_add_integer(&c->writer, "live_bookings", live_bookings(&s->world));
    json_add_unsigned(&c->writer, "requests", s->log.count);
    json_add_integer(&c->writer, "requests_open", s->exchanges_open.count);
    json_add_unsigned(&c->writer, "webhooks_delivered", s->webhooks_delivered);
    json_add_unsigned(&c->writer, "webhooks_lost", s->webhooks_lost);
}

static void show_bookings(struct control_call *c)
{
    const struct sim_world *w = &c->simulator->world;
    uint32_t skip = asked_number(c, "skip", 0), take = asked_number(c, "take", 500);
    json_add_integer(&c->writer, "total", w->booking_count);
    json_begin_array(&c->writer, "bookings");
    for (uint32_t i = skip; i < w->booking_count && take > 0 && c->out.length < sim_answer_bytes_max - 128 * 1024; i++, take--) {
        const struct sim_booking *b = &w->bookings[i];
        json_begin_object(&c->writer, nullptr);
        json_add_text(&c->writer, "engineRef", b->engine_reference);
        json_add_text(&c->writer, "idempotencyKey", b->idempotency_key[0] ? slice_from_text(b->idempotency_key) : slice_absent);
        answer_booking(&c->writer, "booking", b);
        json_end_object(&c->writer);
    }
    json_end_array(&c->writer);
}

static void show_reservations(struct control_call *c)
{
    const struct sim_world *w = &c->simulator->world;
    json_begin_array(&c->writer, "reservations");
    for (uint32_t i = 0; i < w->reservation_count; i++)
        if (w->reservations[i].live && w->reservations[i].until_us > c->simulator->shard->wall_us) answer_reservation(&c->writer, nullptr, &w->reservations[i], 0);
    json_end_array(&c->writer);
}

static void show_requests(struct control_call *c)
{
    json_add_unsigned(&c->writer, "total", c->simulator->log.count);
    request_log_print(&c->writer, &c->simulator->log, asked_number(c, "after", 0), asked_number(c, "take", 1000) % 1001);
}

static void show_slots(struct control_call *c)
{
    static const int64_t reach_us = INT64_C(60) * 24 * 3600 * 1'000'000;
    struct simulator *s = c->simulator;
    int64_t *starts_us = s->world.workspace->starts_us;
    char memory[128];
    struct buffer b = buffer_over(memory, sizeof memory);
    const struct sim_event_type *t = world_find_event_type(&s->world, asked_number(c, "eventTypeId", 0));
    if (!t) return refuse_call(c, 404, "eventTypeId: there is no such event type");
    struct sim_stretch range = { .from_us = s->shard->wall_us };
    struct slice after = query_get(c->request->query, "after", &b);
    if (!slice_is_absent(after) && !instant_parse(after, &range.from_us)) return refuse_call(c, 400, "after: must be an instant (RFC 3339)");
    range.until_us = range.from_us + reach_us;

    uint32_t take = asked_number(c, "take", 20), count = event_type_slots(&s->world, t, range, s->shard->wall_us, nullptr, starts_us, sim_slots_max);
    json_add_integer(&c->writer, "eventTypeId", t->id);
    json_add_text(&c->writer, "timeZone", t->hosts[0]->time_zone);
    json_add_integer(&c->writer, "lengthMinutes", t->length_minutes);
    json_add_integer(&c->writer, "beforeBufferMinutes", t->before_buffer_minutes);
    json_add_integer(&c->writer, "afterBufferMinutes", t->after_buffer_minutes);
    json_begin_array(&c->writer, "slots");
    for (uint32_t i = 0; i < count && i < take; i++) {
        struct wall_time w = instant_to_wall(t->hosts[0]->zone, starts_us[i]);
        char date[16], time[8];
        snprintf(date, sizeof date, "%04u-%02u-%02u", (unsigned)w.year % 10'000, w.month % 100u, w.day % 100u);
        snprintf(time, sizeof time, "%02u:%02u", w.hour % 100u, w.minute % 100u);
        json_begin_object(&c->writer, nullptr);
        add_instant(&c->writer, "start", starts_us[i]);
        json_add_text(&c->writer, "date", slice_from_text(date));
        json_add_text(&c->writer, "time", slice_from_text(time));
        json_end_object(&c->writer);
    }
    json_end_array(&c->writer);
}

static void show_faults(struct control_call *c) { faults_print(&c->writer, &c->simulator->faults); }

/* -- changing -- */

static void add_fault(struct control_call *c)
{
    struct sim_refusal refusal;
    if (!simulator_apply_fault(c->simulator, c->json, &refusal)) return refuse_call(c, refusal.status, refusal.message);
    show_faults(c);
}

static void clear_faults(struct control_call *c)
{
    faults_clear(&c->simulator->faults);
    show_faults(c);
}

static bool choose(struct control_call *c, const char *field, const char *const *names, uint32_t count, uint8_t *choice)
{
    const struct json_value *v = json_get(c->json, field);
    if (!v) return true;
    for (uint8_t i = 0; i < count; i++)
        if (slice_equal(json_text(v), slice_from_text(names[i]))) return *choice = i, true;
    return false;
}

static void change_settings(struct control_call *c)
{
    static const char *const retry_after[] = { "off", "delta", "date", "absurd", "negative" }, *const modes[] = { "normal", "leak", "stale", "empty", "strings" },
                      *const losers[] = { "409-plain", "409-wrapped", "500-plain" };
    struct sim_settings *to = &c->simulator->world.settings;
    uint8_t retry = to->retry_after, mode = to->slots_mode, loser = to->loser;
    int64_t lag = to->replica_lag_ms, window = to->race_window_ms, skew = to->clock_skew_ms;
    bool numbers = (!json_get(c->json, "replica_lag_ms") || json_integer(json_get(c->json, "replica_lag_ms"), &lag)) &&
                   (!json_get(c->json, "race_window_ms") || json_integer(json_get(c->json, "race_window_ms"), &window));
    if (!numbers || lag < 0 || lag > 3'600'000 || window < 0 || window > 3'600'000) return refuse_call(c, 400, "replica_lag_ms, race_window_ms: from 0 to 3600000");
    bool is_skew = !json_get(c->json, "clock_skew_ms") || json_integer(json_get(c->json, "clock_skew_ms"), &skew);
    if (!is_skew || skew < -3'600'000 || skew > 3'600'000) return refuse_call(c, 400, "clock_skew_ms: from -3600000 to 3600000");
    if (!choose(c, "retry_after", retry_after, 5, &retry)) return refuse_call(c, 400, "retry_after: off, delta, date, absurd or negative");
    if (!choose(c, "slots_mode", modes, 5, &mode)) return refuse_call(c, 400, "slots_mode: normal, leak, stale, empty or strings");
    if (!choose(c, "loser", losers, 3, &loser)) return refuse_call(c, 400, "loser: 409-plain, 409-wrapped or 500-plain");
    (void)json_boolean(json_get(c->json, "reset_is_epoch"), &to->reset_is_epoch);
    (void)json_boolean(json_get(c->json, "chunked"), &to->chunked);
    (void)json_boolean(json_get(c->json, "limit_is_untold"), &to->limit_is_untold);
    to->replica_lag_ms = (uint32_t)lag;
    to->race_window_ms = (uint32_t)window;
    to->clock_skew_ms = (int32_t)skew;
    to->retry_after = (enum sim_retry_after)retry;
    to->slots_mode = (enum sim_slots_mode)mode;
    to->loser = (enum sim_loser)loser;
    json_add_text(&c->writer, "status", slice_of("ok"));
}

static void add_busy(struct control_call *c)
{
    int64_t id = 0;
    struct sim_stretch busy;
    struct sim_user *u = json_integer(json_get(c->json, "userId"), &id) ? world_find_user(&c->simulator->world, id) : nullptr;
    if (!u) return refuse_call(c, 404, "userId: there is no such user");
    if (!instant_parse(json_get_text(c->json, "start"), &busy.from_us) || !instant_parse(json_get_text(c->json, "end"), &busy.until_us) || busy.until_us <= busy.from_us)
        return refuse_call(c, 400, "start, end: must be instants (RFC 3339), end after start");
    if (!host_add_busy(u, busy)) return refuse_call(c, 409, "this user has no room for more");
    json_add_text(&c->writer, "status", slice_of("ok"));
}

static struct sim_booking *asked_booking(struct control_call *c)
{
    struct sim_booking *b = world_find_booking(&c->simulator->world, c->uid);
    if (!b) refuse_call(c, 404, "there is no such booking");
    return b;
}

static void cancel_booking(struct control_call *c)
{
    struct sim_booking *b = asked_booking(c);
    if (!b) return;
    host_cancel(c->simulator, b, json_get_text(c->json, "reason"));
    answer_booking(&c->writer, "booking", b);
}

static void settle_booking(struct control_call *c, bool accepted)
{
    struct sim_booking *b = asked_booking(c);
    if (!b) return;
    if (!host_settle(c->simulator, b, accepted)) return refuse_call(c, 409, "it is not pending");
    answer_booking(&c->writer, "booking", b);
}

static void move_booking(struct control_call *c)
{
    struct sim_booking *b = asked_booking(c), *moved;
    int64_t starts_at_us;
    if (!b) return;
    if (!instant_parse(json_get_text(c->json, "start"), &starts_at_us)) return refuse_call(c, 400, "start: must be an instant (RFC 3339)");
    if (!host_move(c->simulator, b, starts_at_us, &moved)) return refuse_call(c, 409, "it is not live, or its host has another booking at exactly that time");
    answer_booking(&c->writer, "booking", moved);
}

static void reassign_booking(struct control_call *c)
{
    struct sim_booking *b = asked_booking(c);
    if (!b) return;
    int64_t id = 0;
    struct sim_user *to = json_integer(json_get(c->json, "userId"), &id) ? world_find_user(&c->simulator->world, id) : nullptr;
    if (!to) return refuse_call(c, 404, "userId: there is no such user");
    if (!host_reassign(c->simulator, b, to)) return refuse_call(c, 409, "it is not live");
    answer_booking(&c->writer, "booking", b);
}

static void confirm_booking(struct control_call *c) { settle_booking(c, true); }
static void decline_booking(struct control_call *c) { settle_booking(c, false); }

static void reset(struct control_call *c)
{
    simulator_reset(c->simulator);
    json_add_text(&c->writer, "status", slice_of("ok"));
}

/* -- the table -- */

static const struct { enum http_method method; const char *path; const char *after_uid; void (*run)(struct control_call *c); } routes[] = {
    { HTTP_GET,  "/control/health",       nullptr,    show_health },
    { HTTP_GET,  "/control/bookings",     nullptr,    show_bookings },
    { HTTP_GET,  "/control/reservations", nullptr,    show_reservations },
    { HTTP_GET,  "/control/requests",     nullptr,    show_requests },
    { HTTP_GET,  "/control/slots",        nullptr,    show_slots },
    { HTTP_GET,  "/control/faults",       nullptr,    show_faults },
    { HTTP_POST, "/control/faults",       nullptr,    add_fault },
    { HTTP_DELETE, "/control/faults",     nullptr,    clear_faults },
    { HTTP_POST, "/control/settings",     nullptr,    change_settings },
    { HTTP_POST, "/control/busy",         nullptr,    add_busy },
    { HTTP_POST, "/control/reset",        nullptr,    reset },
    { HTTP_POST, "/control/bookings/",    "/cancel",  cancel_booking },
    { HTTP_POST, "/control/bookings/",    "/confirm", confirm_booking },
    { HTTP_POST, "/control/bookings/",    "/decline", decline_booking },
    { HTTP_POST, "/control/bookings/",    "/move",    move_booking },
    { HTTP_POST, "/control/bookings/",    "/reassign", reassign_booking },
};

static bool path_is(struct slice path, const char *before, const char *after, struct slice *uid)
{
    if (!after) return slice_equal(path, slice_from_text(before));
    size_t from = strlen(before), tail = strlen(after);
    if (path.length <= from + tail || !slice_starts_with(path, slice_from_text(before))) return false;
    *uid = slice_take(slice_skip(path, from), path.length - from - tail);
    return slice_equal(slice_skip(path, path.length - tail), slice_from_text(after));
}

static void run_call(struct control_call *c)
{
    for (uint32_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (routes[i].method != c->request->method || !path_is(c->request->path, routes[i].path, routes[i].after_uid, &c->uid)) continue;
        bool wants_json = c->request->method == HTTP_POST && !slice_is_empty(c->request->body);
        if (wants_json && !c->json) return refuse_call(c, 400, "the body is not JSON");
        return routes[i].run(c);
    }
    refuse_call(c, 404, "see the list at the top of src/sim/control.c");
}

static void asked(void *context, struct http_request *r)
{
    struct simulator *s = context;
    struct json_error error;
    struct json_document *document = slice_is_empty(r->body) ? nullptr : json_parse(r->body, &s->world.heap, &error);
    struct control_call c = { .simulator = s, .request = r, .json = document ? json_root(document) : nullptr, .status = 200 };
    c.out = buffer_over(s->scratch, sim_answer_bytes_max);
    c.writer = json_writer_over(&c.out);
    json_begin_object(&c.writer, nullptr);
    run_call(&c);
    json_end_object(&c.writer);
    buffer_add_byte(&c.out, '\n');
    json_release(document, &s->world.heap);

    struct http_header type = { slice_of("Content-Type"), slice_of("application/json") };
    struct http_response answer = { .status = c.status, .headers = &type, .header_count = 1, .body = buffer_slice(&c.out) };
    if (c.out.overflowed) http_respond_status(s->control, r->exchange, 500);
    else http_respond(s->control, r->exchange, &answer);
}

bool control_open(struct simulator *s, const struct http_server_config *config, struct io_refusal *refusal)
{
    struct http_server_config c = *config;
    c.handler = asked;
    c.context = s;
    s->control = http_server_open(s->shard, &c, refusal);
    return s->control != nullptr;
}
