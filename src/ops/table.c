#include "ops/table.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"

enum { COLUMNS_MAX = 16, WIDTH_MAX = 60, JSON_ROW_BYTES_MAX = 1024 * 1024 };

static struct slice cell(const struct db_rows *r, uint32_t row, uint32_t column)
{
    struct slice text = db_rows_text(r, row, column);
    return slice_take(slice_is_absent(text) ? slice_of("-") : text, WIDTH_MAX);
}

/* In characters, so that umlauts do not bend the columns. */
static int width_of(struct slice text)
{
    int width = 0;
    for (size_t n = 0; n < text.length; n++) width += (text.start[n] & 0xc0) != 0x80;
    return width;
}

static int column_width(const struct db_rows *r, uint32_t column)
{
    int widest = width_of(slice_from_text(db_rows_column_name(r, column)));
    for (uint32_t row = 0; row < db_rows_count(r); row++) {
        int width = width_of(cell(r, row, column));
        if (width > widest) widest = width;
    }
    return widest;
}

static void print_cell(struct slice text, int width, bool last)
{
    printf(SLICE_FORMAT, slice_print(text));
    if (last) putchar('\n');
    else printf("%*s", width - width_of(text) + 2, "");
}

void table_print(const struct db_rows *r)
{
    uint32_t columns = db_rows_columns(r) < COLUMNS_MAX ? db_rows_columns(r) : COLUMNS_MAX;
    int widths[COLUMNS_MAX];
    for (uint32_t c = 0; c < columns; c++) widths[c] = column_width(r, c);
    for (uint32_t c = 0; c < columns; c++) print_cell(slice_from_text(db_rows_column_name(r, c)), widths[c], c + 1 == columns);
    for (uint32_t row = 0; row < db_rows_count(r); row++)
        for (uint32_t c = 0; c < columns; c++) print_cell(cell(r, row, c), widths[c], c + 1 == columns);
}

static void print_json_row(const struct db_rows *r, uint32_t row, char *memory)
{
    struct buffer out = buffer_over(memory, JSON_ROW_BYTES_MAX);
    struct json_writer w = json_writer_over(&out);
    json_begin_object(&w, nullptr);
    for (uint32_t c = 0; c < db_rows_columns(r); c++) json_add_text(&w, db_rows_column_name(r, c), db_rows_text(r, row, c));
    json_end_object(&w);
    printf("%s" SLICE_FORMAT, row ? ",\n " : "", slice_print(buffer_slice(&out)));
}

void table_print_json(const struct db_rows *r)
{
    char *memory = malloc(JSON_ROW_BYTES_MAX);
    if (!memory) return;
    putchar('[');
    for (uint32_t row = 0; row < db_rows_count(r); row++) print_json_row(r, row, memory);
    puts("]");
    free(memory);
}
