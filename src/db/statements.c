/* db/statements.c: the SQL of the engine, all of it. Prepared on every connection as it opens; a statement that the schema does not know keeps the
 * connection from opening. What takes several steps, each of which must see what others have just committed, is a function of the schema
 * (deploy/migrations). Row-level security stands behind every one of these; company_id is said all the same, because it is the first column of the keys.
 */
#include "db/statements.h"
#include "base/ensure.h"

#define UNFINISHED "state IN ('written', 'sending', 'unknown')"

static const struct db_statement_definition definitions[DB_STATEMENT_COUNT] = {
    [DB_SNAPSHOT] = { "SNAPSHOT", "", "t", "SELECT tenant_snapshot()" },

    [DB_FILE_CALL_EVENT] = { "FILE_CALL_EVENT", "iiittitittjtt", "biitbb",
        "SELECT is_new, call, customer, booking_facts, has_intent, is_closed"
        "  FROM file_call_event($1, $2, $3, $4, $5, $6::smallint, $7, $8, $9, $10, $11::jsonb, $12, $13)" },

    /* The update changes nothing; it is there so that the row of an earlier asking is answered too. */
    [DB_KEEP_WEBHOOK] = { "KEEP_WEBHOOK", "iittttitttx", "i",
        "INSERT INTO webhook_log (workspace_id, company_id, provider, event, call_id, dedupe, received_at, correlation_id, outcome, reason, body)"
        "  VALUES ($1, $2, $3, $4, $5, $6, instant_of($7), $8, $9, $10, $11)"
        "  ON CONFLICT ON CONSTRAINT webhook_log_once DO UPDATE SET dedupe = excluded.dedupe"
        "  RETURNING id" },

    /* A second asking finds its own instant there, and says the same. */
    [DB_CLOSE_CALL] = { "CLOSE_CALL", "itit", "b",
        "WITH closed AS (UPDATE calls SET closed_at = instant_of($3), close_reason = $4"
        "    WHERE company_id = $1 AND call_id = $2 AND outcome <> 'ended' AND (closed_at IS NULL OR closed_at = instant_of($3)) RETURNING id)"
        "  SELECT EXISTS (SELECT FROM closed)" },

    [DB_OPEN_CALLS] = { "OPEN_CALLS", "iii", "iiitiiii",
        "SELECT company, branch, workspace, call_id, first_seen_us, call, customer, first_seen_us FROM open_calls($1, $2, $3)" },

    [DB_UNDECIDED_CALLS] = { "UNDECIDED_CALLS", "iii", "iiitiiii",
        "SELECT company, branch, workspace, call_id, first_seen_us, call, customer, last_seen_us FROM undecided_calls($1, $2, $3)" },

    [DB_WRITE_INTENT] = { "WRITE_INTENT", "iiiittiitiiiiijti", "itb",
        "SELECT intent, state, is_new"
        "  FROM write_intent($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::jsonb, $16, $17)" },

    [DB_REFUSE_OPERATION] = { "REFUSE_OPERATION", "iiiittji", "b", "SELECT refuse_operation($1, $2, $3, $4, $5, $6, $7::jsonb, $8)" },

    [DB_DUE_INTENTS] = { "DUE_INTENTS", "ii", "iiit", "SELECT company, intent, calcom_event_type, state FROM due_intents($1, $2)" },

    [DB_LOAD_INTENT] = { "LOAD_INTENT", "ii", "tiiittiitiiittiiiiit",
        "SELECT state, branch_id, call, customer_id, operation_key, reference, service_id, staff_id, calendar, calcom_event_type_id,"
        "       us_of(starts_at), us_of(ends_at), attendee::text, payload, attempts::bigint, us_of(created_at), us_of(first_sent_at),"
        "       us_of(busy_from), us_of(busy_until), reason"
        "  FROM booking_intents WHERE company_id = $1 AND id = $2" },

    [DB_SEND_INTENT] = { "SEND_INTENT", "iiii", "i",
        "UPDATE booking_intents SET"
        "    attempts = attempts + CASE WHEN last_sent_at = instant_of($3) AND state = 'sending' THEN 0 ELSE 1 END,"
        "    state = 'sending', first_sent_at = coalesce(first_sent_at, instant_of($3)), last_sent_at = instant_of($3), updated_at = instant_of($3)"
        "  WHERE company_id = $1 AND id = $2 AND " UNFINISHED
        "    AND (attempts = $4 OR last_sent_at = instant_of($3) AND state = 'sending')"
        "  RETURNING attempts::bigint" },

    [DB_DELAY_INTENT] = { "DELAY_INTENT", "iittitii", "",
        "UPDATE booking_intents SET state = CASE state WHEN 'pending' THEN state ELSE $3 END, step = $4, next_attempt_at = instant_of($5), last_error = $6,"
        "    updated_at = instant_of($7)"
        "  WHERE company_id = $1 AND id = $2 AND (" UNFINISHED " AND attempts = $8 OR state = 'pending')" },

    [DB_BOOK_INTENT] = { "BOOK_INTENT", "iititiiti", "i", "SELECT book_intent($1, $2, $3, $4, $5, $6, $7, $8, $9)" },

    [DB_REFUSE_INTENT] = { "REFUSE_INTENT", "iitjii", "b", "SELECT refuse_intent($1, $2, $3, $4::jsonb, $5, $6)" },

    [DB_PARK_INTENT] = { "PARK_INTENT", "iitiii", "v", "SELECT park_intent($1, $2, $3, $4, $5, $6)" },

    [DB_AUDIT] = { "AUDIT", "itttji", "v", "SELECT audit($1, $2, $3, $4, $5::jsonb, instant_of($6))" },

    [DB_PROBE] = { "PROBE", "", "i", "SELECT 1::bigint" },
};

const struct db_statement_definition *db_statement_definition(enum db_statement s)
{
    ensure(s < DB_STATEMENT_COUNT);
    return &definitions[s];
}
