#pragma once
/* sim/answers.h: how the simulated Cal.com says things: its envelope, its booking object, its four shapes of errors (calcom.md 1.3, 1.4, 3.2).
 * Writers append to a buffer; nothing here decides anything. */
#include "base/buffer.h"
#include "base/json.h"
#include "sim/refusal.h"
#include "sim/world.h"

/* {"status":"success","data": … } around what is written between the two. */
void answer_begin(struct json_writer *w, struct buffer *out);
void answer_end(struct json_writer *w);

/* path: of the request, for shapes A to C. echo: the request's body, which shape B gives back. */
void answer_refusal(struct buffer *out, const struct sim_refusal *r, struct slice path, struct slice echo, int64_t now_us);

void answer_booking(struct json_writer *w, const char *key, const struct sim_booking *b);
void answer_event_type(struct json_writer *w, const char *key, const struct sim_event_type *t);
void answer_user(struct json_writer *w, const char *key, const struct sim_user *u);
void answer_reservation(struct json_writer *w, const char *key, const struct sim_reservation *r, uint32_t reservation_minutes /* 0: not shown */);
void answer_subscription(struct json_writer *w, const char *key, const struct sim_world *world, const struct sim_subscription *s);
void answer_pagination(struct json_writer *w, uint32_t total, uint32_t skipped, uint32_t returned, uint32_t per_page);

/* Days of the asked zone with their starts. strings: items are bare texts, as the formal schema says; range: with ends. */
struct answer_slots_form { const struct time_zone *zone; bool strings, range; uint32_t length_minutes; };
void answer_slots(struct json_writer *w, const char *key, const int64_t *starts_us, uint32_t count, const struct answer_slots_form *form);

/* A booking as webhooks tell it (calcom.md 7.2): upper-case status, instants without milliseconds. */
void answer_webhook(struct buffer *out, enum sim_trigger trigger, const struct sim_booking *b, int64_t now_us);

/* The same under a template of the subscriber's that is not JSON: as a form. */
void answer_webhook_form(struct buffer *out, enum sim_trigger trigger, const struct sim_booking *b);

void add_instant(struct json_writer *w, const char *key, int64_t at_us); /* with milliseconds and Z */
