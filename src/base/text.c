#include "base/text.h"
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>
#include "base/ensure.h"

size_t utf8_character_bytes(struct slice text)
{
    const uint8_t *bytes = (const uint8_t *)text.start;
    if (text.length == 0) return 0;
    if (bytes[0] < 0x80) return 1;

    /* The second byte's range shuts out overlong forms (e0, f0), surrogates (ed) and what lies past U+10FFFF (f4). */
    uint8_t low = 0x80, high = 0xbf;
    size_t  count;
    if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf) count = 2;
    else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef) count = 3;
    else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4) count = 4;
    else return 0;
    if (bytes[0] == 0xe0) low = 0xa0;
    if (bytes[0] == 0xed) high = 0x9f;
    if (bytes[0] == 0xf0) low = 0x90;
    if (bytes[0] == 0xf4) high = 0x8f;

    if (text.length < count || bytes[1] < low || bytes[1] > high) return 0;
    for (size_t n = 2; n < count; n++)
        if (bytes[n] < 0x80 || bytes[n] > 0xbf) return 0;
    return count;
}

static bool is_number_punctuation(char c) { return c == ' ' || c == '-' || c == '(' || c == ')' || c == '.' || c == '/' || c == '\t'; }

/* Where the country code begins; absent: the text has none. */
static struct slice without_plus(struct slice text)
{
    if (slice_starts_with(text, slice_of("+"))) return slice_skip(text, 1);
    if (slice_starts_with(text, slice_of("00"))) return slice_skip(text, 2);
    return slice_absent;
}

bool e164_parse(struct slice text, struct e164 *out)
{
    struct e164   number = {};
    struct buffer b = buffer_over(number.text, E164_BYTES_MAX);
    struct slice  rest = without_plus(slice_trim(text));
    buffer_add_byte(&b, '+');
    while (rest.length > 0) {
        if (b.length > 1 && slice_starts_with(rest, slice_of("(0)"))) { /* "+49 (0)30": dialled inside the country only */
            rest = slice_skip(rest, 3);
            continue;
        }
        char c = rest.start[0];
        rest = slice_skip(rest, 1);
        if (is_number_punctuation(c)) continue;
        if (c < '0' || c > '9' || (c == '0' && b.length == 1)) return false; /* no country code begins with 0 */
        buffer_add_byte(&b, c);
    }
    if (b.overflowed || b.length < 1 + E164_DIGITS_MIN) return false;
    *out = number;
    return true;
}

static const UNormalizer2 *case_folding(void)
{
    UErrorCode          status = U_ZERO_ERROR;
    const UNormalizer2 *folding = unorm2_getNFKCCasefoldInstance(&status); /* ICU keeps it: a look-up, not a construction */
    ensure(U_SUCCESS(status));
    return folding;
}

static void add_folded_character(struct buffer *b, UChar32 c)
{
    switch (c) {
    case U'ä': buffer_add(b, slice_of("ae")); return;
    case U'ö': buffer_add(b, slice_of("oe")); return;
    case U'ü': buffer_add(b, slice_of("ue")); return;
    default:   break;
    }
    uint8_t bytes[U8_MAX_LENGTH];
    int32_t length = 0;
    U8_APPEND_UNSAFE(bytes, length, c);
    buffer_add(b, slice_from(bytes, (size_t)length));
}

void text_fold(struct buffer *b, struct slice text)
{
    UChar      wide[text_fold_bytes_max], folded[text_fold_bytes_max * 2];
    int32_t    wide_length = 0;
    UErrorCode status = U_ZERO_ERROR;
    if (text.length == 0) return;
    if (text.length > text_fold_bytes_max) {
        b->overflowed = true;
        return;
    }
    u_strFromUTF8WithSub(wide, text_fold_bytes_max, &wide_length, text.start, (int32_t)text.length, 0xfffd, nullptr, &status);
    int32_t length = unorm2_normalize(case_folding(), wide, wide_length, folded, text_fold_bytes_max * 2, &status);
    if (U_FAILURE(status)) { /* a few characters unfold into many: hostile text only */
        b->overflowed = true;
        return;
    }
    bool blank_waits = false, has_text = false;
    for (int32_t at = 0; at < length;) {
        UChar32 c;
        U16_NEXT(folded, at, length, c);
        if (u_isUWhiteSpace(c)) {
            blank_waits = has_text;
            continue;
        }
        if (blank_waits) buffer_add_byte(b, ' ');
        add_folded_character(b, U_IS_SURROGATE(c) ? 0xfffd : c);
        blank_waits = false;
        has_text = true;
    }
}

/* Whole names, folded. A real person called Null or Gast gives a first name with it. */
static const struct slice placeholders[] = {
    slice_of("unbekannt"), slice_of("unbekannte"), slice_of("unbekannter"), slice_of("unbekannter kunde"), slice_of("unbekannte kundin"),
    slice_of("unbekannter anrufer"), slice_of("unbekannte anruferin"), slice_of("kunde"), slice_of("kundin"), slice_of("neukunde"),
    slice_of("neukundin"), slice_of("neuer kunde"), slice_of("neue kundin"), slice_of("anrufer"), slice_of("anruferin"), slice_of("patient"),
    slice_of("patientin"), slice_of("gast"), slice_of("anonym"), slice_of("anonymer anrufer"), slice_of("anonymer kunde"), slice_of("anonymous"),
    slice_of("anonymous caller"), slice_of("unknown"), slice_of("unknown caller"), slice_of("unknown customer"), slice_of("unknown name"),
    slice_of("customer"), slice_of("customer name"), slice_of("caller"), slice_of("caller name"), slice_of("client"), slice_of("guest"),
    slice_of("user"), slice_of("name"), slice_of("vorname nachname"), slice_of("kein name"), slice_of("ohne name"), slice_of("no name"),
    slice_of("nicht angegeben"), slice_of("nicht bekannt"), slice_of("nicht genannt"), slice_of("keine angabe"), slice_of("not provided"),
    slice_of("not specified"), slice_of("not given"), slice_of("not available"), slice_of("n/a"), slice_of("n.a."), slice_of("k.a."),
    slice_of("k. a."), slice_of("null"), slice_of("none"), slice_of("nil"), slice_of("undefined"), slice_of("herr"), slice_of("frau"),
    slice_of("mr"), slice_of("mr."), slice_of("mrs"), slice_of("mrs."), slice_of("ms"), slice_of("ms."), slice_of("max mustermann"),
    slice_of("erika mustermann"), slice_of("mustermann"), slice_of("john doe"), slice_of("jane doe"), slice_of("privat"), slice_of("private"),
    slice_of("restricted"), slice_of("withheld"),
};

/* "{{name}}", "[Name]", "<name>": a template that nobody filled in. */
static bool is_template(struct slice name)
{
    if (slice_contains(name, slice_of("{{")) || slice_contains(name, slice_of("}}"))) return true;
    char first = name.start[0], last = name.start[name.length - 1];
    return (first == '{' && last == '}') || (first == '[' && last == ']') || (first == '<' && last == '>');
}

static bool has_letter(struct slice name)
{
    for (int32_t at = 0; at < (int32_t)name.length;) {
        UChar32 c;
        U8_NEXT(name.start, at, (int32_t)name.length, c);
        if (c >= 0 && u_isalpha(c)) return true;
    }
    return false;
}

bool name_is_placeholder(struct slice name)
{
    char          memory[256];
    struct buffer folded = buffer_over(memory, sizeof memory);
    text_fold(&folded, name);
    if (folded.overflowed) return false; /* whatever it is, nobody invents that for "no name" */
    struct slice s = buffer_slice(&folded);
    if (!has_letter(s) || is_template(s)) return true;
    for (size_t n = 0; n < sizeof placeholders / sizeof *placeholders; n++)
        if (slice_equal(s, placeholders[n])) return true;
    return false;
}
