#include "sim/world.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "sim/workspace.h"
#include "sim/world_file.h"

const char *sim_status_name(enum sim_status s)
{
    switch (s) {
    case SIM_ACCEPTED:  return "accepted";
    case SIM_PENDING:   return "pending";
    case SIM_CANCELLED: return "cancelled";
    case SIM_REJECTED:  return "rejected";
    }
    ensure(false);
}

static void *rows_of(uint32_t count, size_t row_bytes)
{
    void *rows = calloc(count, row_bytes); /* touched only as far as it is used */
    ensure(rows);
    return rows;
}

/* What belongs to the run and not to the file. */
static void begin_run(struct sim_world *w)
{
    w->dice = (struct prng){ w->seed };
    w->settings = (struct sim_settings){ 0 };
    w->next_subscription_id = 1;
    for (uint32_t i = 0; i < w->account_count; i++) {
        struct sim_account *a = &w->accounts[i];
        limiter_init(&a->limiter, a->requests_per_minute, a->lock_after_overshoots);
        a->grant = (struct sim_grant){ 0 };
        if (a->refresh_token.length) memcpy(a->grant.refresh_token, a->refresh_token.start, a->refresh_token.length);
    }
    for (uint32_t i = 0; i < w->user_count; i++) {
        w->users[i].busy_count = w->users[i].busy_count_at_start;
        w->users[i].last_booked = 0;
    }
}

bool world_load(struct sim_world *w, struct slice text, uint64_t seed, struct sim_world_error *error)
{
    *w = (struct sim_world){ .seed = seed };
    heap_init(&w->heap, sim_heap_bytes);
    w->accounts = rows_of(sim_accounts_max, sizeof *w->accounts);
    w->users = rows_of(sim_users_max, sizeof *w->users);
    w->event_types = rows_of(sim_event_types_max, sizeof *w->event_types);
    w->bookings = rows_of(sim_bookings_max, sizeof *w->bookings);
    w->reservations = rows_of(sim_reservations_max, sizeof *w->reservations);
    w->subscriptions = rows_of(sim_subscriptions_max, sizeof *w->subscriptions);
    w->workspace = rows_of(1, sizeof *w->workspace);
    if (!world_file_read(w, text, error)) {
        world_close(w);
        return false;
    }
    begin_run(w);
    return world_file_subscribe(w, error);
}

static void forget_rows(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->booking_count; i++) {
        struct sim_booking *b = &w->bookings[i];
        heap_release(&w->heap, b->memory, b->memory_bytes);
        heap_release(&w->heap, (char *)b->cancellation_reason.start, b->cancellation_reason.length);
    }
    for (uint32_t i = 0; i < w->subscription_count; i++)
        if (w->subscriptions[i].live) world_drop_subscription(w, &w->subscriptions[i]);
    w->booking_count = w->reservation_count = w->subscription_count = 0;
}

void world_close(struct sim_world *w)
{
    forget_rows(w);
    for (uint32_t i = 0; i < w->user_count; i++) time_zone_close(w->users[i].zone);
    json_release(w->file, &w->heap);
    free(w->accounts);
    free(w->users);
    free(w->event_types);
    free(w->bookings);
    free(w->reservations);
    free(w->subscriptions);
    free(w->workspace);
    *w = (struct sim_world){ 0 };
}

void world_reset(struct sim_world *w)
{
    forget_rows(w);
    begin_run(w);
    struct sim_world_error error;
    ensure(world_file_subscribe(w, &error)); /* it went well at the start */
}

struct sim_account *world_find_account(struct sim_world *w, struct slice api_key)
{
    for (uint32_t i = 0; i < w->account_count; i++)
        if (slice_equal(w->accounts[i].api_key, api_key)) return &w->accounts[i];
    return nullptr;
}

struct sim_user *world_find_user(struct sim_world *w, int64_t id)
{
    for (uint32_t i = 0; i < w->user_count; i++)
        if (w->users[i].id == id) return &w->users[i];
    return nullptr;
}

struct sim_event_type *world_find_event_type(struct sim_world *w, int64_t id)
{
    for (uint32_t i = 0; i < w->event_type_count; i++)
        if (w->event_types[i].id == id) return &w->event_types[i];
    return nullptr;
}

struct sim_booking *world_find_booking(struct sim_world *w, struct slice uid)
{
    for (uint32_t i = w->booking_count; i-- > 0;) /* young ones are asked for most */
        if (slice_equal(slice_from_text(w->bookings[i].uid), uid)) return &w->bookings[i];
    return nullptr;
}

const struct sim_booking *world_next_booking(const struct sim_world *w, const struct sim_booking *after)
{
    size_t next = after ? (size_t)(after - w->bookings) + 1 : 0;
    return next < w->booking_count ? &w->bookings[next] : nullptr;
}

bool account_has_user(const struct sim_account *a, int64_t user_id)
{
    for (uint32_t i = 0; i < a->user_count; i++)
        if (a->user_ids[i] == user_id) return true;
    return false;
}

bool account_sees_booking(const struct sim_account *a, const struct sim_booking *b)
{
    for (uint32_t i = 0; i < b->host_count; i++)
        if (account_has_user(a, b->hosts[i]->id)) return true;
    return false;
}

struct sim_booking *world_add_booking(struct sim_world *w)
{
    if (w->booking_count == sim_bookings_max) return nullptr;
    struct sim_booking *b = &w->bookings[w->booking_count++];
    *b = (struct sim_booking){ .id = 4000 + w->booking_count };
    return b;
}

struct sim_reservation *world_add_reservation(struct sim_world *w, int64_t now_us)
{
    for (uint32_t i = 0; i < w->reservation_count; i++)
        if (!w->reservations[i].live || w->reservations[i].until_us <= now_us) return &w->reservations[i];
    return w->reservation_count < sim_reservations_max ? &w->reservations[w->reservation_count++] : nullptr;
}

struct sim_subscription *world_add_subscription(struct sim_world *w)
{
    struct sim_subscription *s = nullptr;
    for (uint32_t i = 0; i < w->subscription_count && !s; i++)
        if (!w->subscriptions[i].live) s = &w->subscriptions[i];
    if (!s && w->subscription_count < sim_subscriptions_max) s = &w->subscriptions[w->subscription_count++];
    if (s) *s = (struct sim_subscription){ .id = w->next_subscription_id++, .live = true, .active = true };
    return s;
}

void world_drop_subscription(struct sim_world *w, struct sim_subscription *s)
{
    ensure(s->live);
    heap_release(&w->heap, s->memory, s->memory_bytes);
    *s = (struct sim_subscription){ 0 };
}

void world_make_uid(struct sim_world *w, char uid[23])
{
    static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    for (uint32_t i = 0; i < 22; i++) uid[i] = base58[prng_below(&w->dice, 58)];
    uid[22] = 0;
}

void world_make_uuid(struct sim_world *w, char uuid[37])
{
    uint64_t a = prng_next(&w->dice), b = prng_next(&w->dice);
    snprintf(uuid, 37, "%08x-%04x-4%03x-%04x-%012llx", (uint32_t)(a >> 32), (uint32_t)(a >> 16) & 0xffff, (uint32_t)a & 0xfff,
             0x8000 | ((uint32_t)(b >> 48) & 0x3fff), (unsigned long long)(b & 0xffff'ffff'ffff));
}
