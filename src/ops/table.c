#include "ops/table.h"

#include <stdlib.h>
#include "base/json.h"
#include "base/text.h"

enum { COLUMNS_MAX = 16, WIDTH_MAX = 60, JSON_ROW_BYTES_MAX = 1024 * 1024 };

/* In characters, so that umlauts do not bend the columns. What is no UTF-8 counts byte by byte. */
uint32_t table_width(struct slice text)
{
    uint32_t width = 0;
    for (; text.length > 0; width++) {
        size_t bytes = utf8_character_bytes(text);
        text = slice_skip(text, bytes ? bytes : 1);
    }
    return width;
}

struct slice table_cut(struct slice text, uint32_t width_max)
{
    struct slice rest = text;
    for (uint32_t width = 0; width < width_max && rest.length > 0; width++) {
        size_t bytes = utf8_character_bytes(rest);
        rest = slice_skip(rest, bytes ? bytes : 1);
    }
    return slice_take(text, text.length - rest.length);
}

static struct slice cell(const struct db_rows *r, uint32_t row, uint32_t column)
{
    struct slice text = db_rows_text(r, row, column);
    return table_cut(slice_is_absent(text) ? slice_of("-") : text, WIDTH_MAX);
}

static uint32_t column_width(const struct db_rows *r, uint32_t column)
{
    uint32_t widest = table_width(slice_from_text(db_rows_column_name(r, column)));
    for (uint32_t row = 0; row < db_rows_count(r); row++) {
        uint32_t width = table_width(cell(r, row, column));
        if (width > widest) widest = width;
    }
    return widest;
}

/* Of one character. U+0080 to U+009F count, too: a terminal may take U+009B for ESC [. */
static bool may_steer(struct slice c)
{
    uint8_t first = (uint8_t)c.start[0];
    return first < ' ' || first == 0x7f || (first == 0xc2 && (uint8_t)c.start[1] < 0xa0);
}

/* Names and ids come from outside: none of them may steer the terminal, or begin a line. */
void table_print_cell(FILE *out, struct slice text, uint32_t width, bool last)
{
    uint32_t own = table_width(text);
    while (text.length > 0) {
        size_t bytes = utf8_character_bytes(text);
        if (bytes == 0 || may_steer(text)) fputc('?', out);
        else fwrite(text.start, 1, bytes, out);
        text = slice_skip(text, bytes ? bytes : 1);
    }
    if (last) fputc('\n', out);
    else fprintf(out, "%*s", (int)(own < width ? width - own : 0) + 2, "");
}

void table_print(const struct db_rows *r)
{
    uint32_t columns = db_rows_columns(r) < COLUMNS_MAX ? db_rows_columns(r) : COLUMNS_MAX;
    uint32_t widths[COLUMNS_MAX];
    for (uint32_t c = 0; c < columns; c++) widths[c] = column_width(r, c);
    for (uint32_t c = 0; c < columns; c++) table_print_cell(stdout, slice_from_text(db_rows_column_name(r, c)), widths[c], c + 1 == columns);
    for (uint32_t row = 0; row < db_rows_count(r); row++)
        for (uint32_t c = 0; c < columns; c++) table_print_cell(stdout, cell(r, row, c), widths[c], c + 1 == columns);
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
