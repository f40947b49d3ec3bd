#pragma once
/* tests/simulation/database/statement.h: inside the store: one call of a unit as it runs. A function that carries a statement answers false when it fails, and the whole unit
 * with it: sqlstate and constraint say why, as PostgreSQL does. */
#include "jsonb.h"
#include "store.h"
#include "table.h"

struct tenants; /* tenants.c */

struct store {
    struct arena    memory;   /* of the texts in rows; what is replaced stays, and nothing is ever freed */
    struct tenants *tenants;
    struct changes  changes;  /* of the unit that runs */
#define STORE_TABLE(name, row) struct table name;
    STORE_TABLES(STORE_TABLE)
#undef STORE_TABLE
    struct index customers_by_id, customers_by_phone, customers_by_call;
    struct index calls_by_id, calls_by_call_id, calls_by_company;
    struct index events_by_key, webhooks_by_key;
    struct index intents_by_id, intents_by_operation, intents_by_reference, intents_by_call;
    struct index ranges_by_calendar, ranges_by_intent;
    struct index appointments_by_intent, appointments_by_uid;
    struct index jobs_by_key, audit_by_key;
};

struct statement {
    struct store        *store;
    const struct db_call *call;
    struct db_tenant     tenant;
    struct arena        *memory;    /* of the answer */
    struct store_rows   *rows;
    uint32_t             room, column; /* rows that there is memory for; where the next value goes */
    char                 sqlstate[6], constraint[64];
};

static const char sqlstate_no_right[] = "42501", sqlstate_is_null[] = "23502", sqlstate_check[] = "23514", sqlstate_foreign_key[] = "23503", sqlstate_unique[] = "23505",
                  sqlstate_exclusion[] = "23P01", sqlstate_malformed[] = "22P02", sqlstate_no_integer[] = "22003", sqlstate_no_instant[] = "22008", sqlstate_no_text[] = "22021",
                  sqlstate_limit[] = "2201W";

bool statement_fail(struct statement *q, const char *sqlstate, const char *constraint); /* false, always. constraint nullptr: none */

/* Parameters, from 0. */
[[nodiscard]] bool parameter_is_null(const struct statement *q, uint32_t n);
[[nodiscard]] int64_t parameter_integer(const struct statement *q, uint32_t n);          /* NULL: 0, which no row has for an id */
[[nodiscard]] struct number parameter_number(const struct statement *q, uint32_t n);
[[nodiscard]] struct slice parameter_text(const struct statement *q, uint32_t n);        /* while the unit runs */
[[nodiscard]] bool parameter_instant(struct statement *q, uint32_t n, struct number *at); /* instant_of() of the schema. false: failed */
[[nodiscard]] bool parameter_json(struct statement *q, uint32_t n, const struct jsonb **v); /* nullptr: NULL */
[[nodiscard]] bool store_instant(struct number us, struct number *at);            /* false: out of range */

[[nodiscard]] bool parameter_list_has_null(const struct statement *q, const uint8_t *places, size_t count);
#define parameters_have_null(q, ...) parameter_list_has_null((q), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

[[nodiscard]] struct slice kept_text(const struct statement *q, uint32_t n);   /* a parameter, for a row */
[[nodiscard]] struct slice store_keep(struct store *s, struct slice text);           /* for a row */
[[nodiscard]] bool number_equal(struct number a, struct number b);             /* as SQL's =: NULL equals nothing */
[[nodiscard]] static inline bool text_is(struct slice text, const char *word) { return slice_equal(text, slice_from_text(word)); }

/* The tenant of the unit, as current_company() has it. */
[[nodiscard]] bool statement_may_see(const struct statement *q, int64_t company);

/* The answer: a row, then its columns from left to right. */
void answer_row(struct statement *q);
void answer_integer(struct statement *q, int64_t value);
void answer_number(struct statement *q, struct number value);
void answer_boolean(struct statement *q, bool value);
void answer_text(struct statement *q, struct slice value); /* absent: NULL */
void answer_null(struct statement *q);
void answer_void(struct statement *q);

/* tenants.c */
[[nodiscard]] struct tenants *tenants_new(void);
[[nodiscard]] bool tenants_read(struct tenants *t, struct slice snapshot);
[[nodiscard]] struct slice tenants_text(const struct tenants *t);
[[nodiscard]] bool tenants_have_company(const struct tenants *t, int64_t company);
[[nodiscard]] bool tenants_have_branch(const struct tenants *t, int64_t company, int64_t branch);
[[nodiscard]] bool tenants_have_service(const struct tenants *t, int64_t company, int64_t service);
[[nodiscard]] bool tenants_have_staff(const struct tenants *t, int64_t company, int64_t staff);

/* calls.c */
[[nodiscard]] bool statement_file_call_event(struct statement *q);
[[nodiscard]] bool statement_keep_webhook(struct statement *q);
[[nodiscard]] bool statement_close_call(struct statement *q);
[[nodiscard]] bool statement_open_calls(struct statement *q);
[[nodiscard]] bool statement_undecided_calls(struct statement *q);
[[nodiscard]] struct customer_row *store_find_customer(struct store *s, int64_t company, int64_t id);
[[nodiscard]] struct call_row *store_find_call(struct store *s, int64_t company, int64_t id);

/* bookings.c */
[[nodiscard]] bool statement_write_intent(struct statement *q);
[[nodiscard]] bool statement_refuse_operation(struct statement *q);
[[nodiscard]] bool statement_due_intents(struct statement *q);
[[nodiscard]] bool statement_load_intent(struct statement *q);
[[nodiscard]] bool statement_send_intent(struct statement *q);
[[nodiscard]] bool statement_delay_intent(struct statement *q);
[[nodiscard]] bool statement_book_intent(struct statement *q);
[[nodiscard]] bool statement_refuse_intent(struct statement *q);
[[nodiscard]] bool statement_park_intent(struct statement *q);
[[nodiscard]] bool statement_audit(struct statement *q);
[[nodiscard]] bool store_has_intent(const struct store *s, int64_t company, int64_t call);
