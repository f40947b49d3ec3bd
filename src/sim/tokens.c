#include "sim/tokens.h"
#include <stdio.h>
#include "sim/query.h"

constexpr int64_t access_s = 1800; /* the contract's example */

/* The words of RFC 6749 5.2; Cal.com's own are not known. */
static bool refuse_grant(struct sim_refusal *refusal, uint16_t status, const char *error)
{
    refuse(refusal, status, SIM_SHAPE_OAUTH, "%s", error);
    return false;
}

static struct slice field(struct slice body, const struct json_value *json, const char *name, struct buffer *memory)
{
    return json ? json_get_text(json, name) : query_get(body, name, memory);
}

static struct sim_account *find_client(struct sim_world *w, struct slice client_id)
{
    for (uint32_t i = 0; i < w->account_count; i++)
        if (!slice_is_empty(client_id) && slice_equal(w->accounts[i].oauth_client_id, client_id)) return &w->accounts[i];
    return nullptr;
}

static void rotate(struct sim_world *w, struct sim_grant *g, int64_t now_us, struct buffer *answer)
{
    char uid[23];
    uint32_t place = g->access_count++ % SIM_ACCESS_TOKENS;
    world_make_uid(w, uid);
    snprintf(g->access[place].text, sizeof g->access[place].text, "at_%s", uid);
    g->access[place].expires_at_us = now_us + access_s * 1'000'000;
    world_make_uid(w, uid);
    snprintf(g->refresh_token, sizeof g->refresh_token, "rt_%s", uid);

    struct json_writer out = json_writer_over(answer);
    json_begin_object(&out, nullptr);
    json_add_text(&out, "access_token", slice_from_text(g->access[place].text));
    json_add_text(&out, "token_type", slice_of("bearer"));
    json_add_text(&out, "refresh_token", slice_from_text(g->refresh_token));
    json_add_integer(&out, "expires_in", access_s);
    json_end_object(&out);
}

bool tokens_refresh(struct sim_world *w, struct slice body, const struct json_value *json, int64_t now_us, struct buffer *answer, struct sim_refusal *refusal)
{
    char memory[1024];
    struct buffer b = buffer_over(memory, sizeof memory);
    if (!slice_equal(field(body, json, "grant_type", &b), slice_of("refresh_token"))) return refuse_grant(refusal, 400, "unsupported_grant_type");
    struct sim_account *a = find_client(w, field(body, json, "client_id", &b));
    if (!a) return refuse_grant(refusal, 401, "invalid_client");
    if (!slice_equal(field(body, json, "refresh_token", &b), slice_from_text(a->grant.refresh_token))) return refuse_grant(refusal, 400, "invalid_grant");
    rotate(w, &a->grant, now_us, answer);
    return true;
}

struct sim_account *tokens_find_account(struct sim_world *w, struct slice access_token, int64_t now_us)
{
    for (uint32_t i = 0; i < w->account_count; i++) {
        const struct sim_grant *g = &w->accounts[i].grant;
        for (uint32_t n = 0; n < SIM_ACCESS_TOKENS && n < g->access_count; n++)
            if (g->access[n].expires_at_us > now_us && slice_equal(access_token, slice_from_text(g->access[n].text))) return &w->accounts[i];
    }
    return nullptr;
}
