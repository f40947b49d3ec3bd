#include "ops/health.h"

#include "base/json.h"

struct checks { bool tenants, database, journal, replay; };

static struct checks look(const struct ops_view *view)
{
    struct checks c = { true, true, true, true };
    for (uint16_t n = 0; n < view->count; n++) {
        const struct ops_shard *s = &view->shards[n];
        c.tenants = c.tenants && atomic_load_explicit(s->tenants_known, memory_order_relaxed);
        c.database = c.database && gauge_read(&s->db->connections_up) > 0;
        c.journal = c.journal && gauge_read(&s->journal->full) == 0;
        c.replay = c.replay && !atomic_load_explicit(s->replaying, memory_order_relaxed);
    }
    return c;
}

bool health_write(struct buffer *json, const struct ops_view *view, bool draining)
{
    struct checks c = look(view);
    bool ready = c.tenants && c.journal && !draining;
    struct json_writer w = json_writer_over(json);
    json_begin_object(&w, nullptr);
    json_add_boolean(&w, "ready", ready);
    json_add_boolean(&w, "draining", draining);
    json_begin_object(&w, "checks");
    json_add_boolean(&w, "tenants", c.tenants);
    json_add_boolean(&w, "database", c.database);
    json_add_boolean(&w, "journal", c.journal);
    json_add_boolean(&w, "replay", c.replay);
    json_end_object(&w);
    json_end_object(&w);
    return ready;
}
