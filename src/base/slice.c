#include "base/slice.h"

static char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool slice_equal_ignoring_case(struct slice a, struct slice b)
{
    if (a.length != b.length) return false;
    for (size_t n = 0; n < a.length; n++)
        if (ascii_lower(a.start[n]) != ascii_lower(b.start[n])) return false;
    return true;
}

bool slice_contains(struct slice s, struct slice part)
{
    if (part.length == 0) return true;
    return s.length >= part.length && memmem(s.start, s.length, part.start, part.length) != nullptr;
}

struct slice slice_trim(struct slice s)
{
    while (s.length > 0 && is_blank(s.start[0])) s = slice_skip(s, 1);
    while (s.length > 0 && is_blank(s.start[s.length - 1])) s.length -= 1;
    return s;
}

struct slice slice_split(struct slice *rest, char separator)
{
    struct slice all = *rest;
    const char  *at = all.length > 0 ? memchr(all.start, separator, all.length) : nullptr;
    if (!at) {
        *rest = slice_absent;
        return all;
    }
    size_t before = (size_t)(at - all.start);
    *rest = slice_skip(all, before + 1);
    return slice_take(all, before);
}

bool slice_to_u64(struct slice s, uint64_t max, uint64_t *value)
{
    if (s.length == 0 || (s.start[0] == '0' && s.length > 1)) return false;

    uint64_t sum = 0;
    for (size_t n = 0; n < s.length; n++) {
        if (s.start[n] < '0' || s.start[n] > '9') return false;
        uint64_t digit = (uint64_t)(s.start[n] - '0');
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    if (sum > max) return false;
    *value = sum;
    return true;
}
