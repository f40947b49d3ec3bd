#pragma once
/* ops/table.h: rows of PostgreSQL on a terminal, or as JSON for programs. */
#include <stdio.h>
#include "db/admin.h"

void table_print(const struct db_rows *r);      /* aligned columns, "-" for NULL */
void table_print_json(const struct db_rows *r); /* one array of objects; values as texts, NULL as null */

/* Of them, pure: characters of a text, its first so many, and one cell with two blanks behind it (of the last column: the line's end);
 * a wider text is printed whole. */
[[nodiscard]] uint32_t table_width(struct slice text);
[[nodiscard]] struct slice table_cut(struct slice text, uint32_t width_max);
void table_print_cell(FILE *out, struct slice text, uint32_t width, bool last);
