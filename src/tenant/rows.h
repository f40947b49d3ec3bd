#pragma once
/* tenant/rows.h: one thing of the world file as one row: looked up by its key, compared column by column, added or changed; and the sentence about it.
 *
 * An entity is everything that is said in one line: a row and the lists that hang on it. entity_begin, then any number of row_put and entity_note,
 * then entity_finish. The first thing that fails ends the provisioning: everything after it does nothing. */
#include "db/admin.h"
#include "tenant/provision.h"

/* A column that the file can set. `write` is the SQL of its value, with '?' for it and $1 for the company's id; `read` shows it, of the row named t. */
struct column {
    const char *name, *field, *write, *read;
    bool        is_private;  /* its values are in no line */
    const char *when_new;    /* the value of a new row when the file gives none; nullptr: the table's own */
};
struct table { const char *name; bool of_company; const struct column *columns; uint32_t column_count; };

struct provisioning {
    struct db_admin         *db;
    const struct secret_key *secret;
    provision_line          *line;
    void                    *context;
    struct provision_report *report;
    struct buffer           *error;
    bool                     failed;
    /* the entity */
    char                     subject[256];
    bool                     is_new;
    char                     change_memory[4096];
    struct buffer            change;
    /* parameters of the statement being made */
    char                     text_memory[512 * 1024]; /* the longest list of the schema: 1000 agents, each byte of which may take two in JSON */
    struct buffer            texts;
};

/* "branch", "fri", "berlin" → branch fri/berlin. parent absent: none. */
void entity_begin(struct provisioning *p, const char *kind, struct slice parent, struct slice key);
[[gnu::format(printf, 2, 3)]] void entity_note(struct provisioning *p, const char *format, ...); /* one change of it, in words */
void entity_finish(struct provisioning *p); /* says the line, counts it */

/* Row (company_id, key), or (key) where the table is of no company. Fields that the object does not have stay as they are. The id as text in *id. */
struct row_id { char text[24]; };
void row_put(struct provisioning *p, const struct table *t, struct slice company_id, const struct json_value *object, struct row_id *id);

/* More columns of the row `key` of a table of no company; it must be there. */
void row_set(struct provisioning *p, const struct table *t, struct slice key, const struct json_value *object);

/* The value as JSON, for a parameter. Lives until the next row, or the next of these. */
[[nodiscard]] struct slice provision_json(struct provisioning *p, const struct json_value *v);

/* Rows, or nullptr and p->failed with the reason, when it had not failed before. */
[[nodiscard]] struct db_rows *provision_query(struct provisioning *p, const char *sql, const struct slice *parameters, uint32_t count);
void provision_execute(struct provisioning *p, const char *sql, const struct slice *parameters, uint32_t count);
[[gnu::format(printf, 2, 3)]] void provision_fail(struct provisioning *p, const char *format, ...);
