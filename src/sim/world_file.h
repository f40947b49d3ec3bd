#pragma once
/* sim/world_file.h: section "calcom" of a world file becomes rows of the world. The fields are described in docs/WORLD_FILE.md. */
#include "sim/world.h"

/* false: *error says which path of the file is wrong, and how. */
[[nodiscard]] bool world_file_read(struct sim_world *w, struct slice text, struct sim_world_error *error);
/* The subscriptions that the file begins with; again at every reset. */
[[nodiscard]] bool world_file_subscribe(struct sim_world *w, struct sim_world_error *error);

/* Names as the API writes them; 0: no such trigger. */
[[nodiscard]] uint8_t sim_trigger_parse(struct slice name);
[[nodiscard]] const char *sim_trigger_name(enum sim_trigger t);
/* url, secret (may be absent) and triggers; false: no memory. */
[[nodiscard]] bool subscription_fill(struct sim_world *w, struct sim_subscription *s, struct slice url, struct slice secret, uint8_t triggers);
