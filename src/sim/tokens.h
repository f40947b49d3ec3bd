#pragma once
/* sim/tokens.h: the smallest honest OAuth 2 server (calcom.md 1.1): POST /v2/auth/oauth2/token with grant_type refresh_token, as JSON or as a form. A refresh
 * token is good for one use: its answer carries the next one, and whoever lost that answer is locked out (F15). No authorization_code: nobody clicks here. */
#include "base/buffer.h"
#include "base/json.h"
#include "sim/refusal.h"
#include "sim/world.h"

/* Writes the answer, which has no envelope. false: *refusal. body: as it came; json: if it is some. */
[[nodiscard]] bool tokens_refresh(struct sim_world *w, struct slice body, const struct json_value *json, int64_t now_us, struct buffer *answer, struct sim_refusal *refusal);
/* Whose access token that is, while it has not expired; else nullptr. */
[[nodiscard]] struct sim_account *tokens_find_account(struct sim_world *w, struct slice access_token, int64_t now_us);
