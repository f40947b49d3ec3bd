#pragma once
/* ops/table.h: rows of PostgreSQL on a terminal, or as JSON for programs. */
#include "db/admin.h"

void table_print(const struct db_rows *r);      /* aligned columns, "-" for NULL */
void table_print_json(const struct db_rows *r); /* one array of objects; values as texts, NULL as null */
