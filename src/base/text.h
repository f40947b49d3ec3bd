#pragma once
/* base/text.h: texts as people and agents write them: numbers, yes and no, names. Pure. */
#include "base/buffer.h"
#include "base/slice.h"
#include "limits.h"

/* Bytes of the well-formed UTF-8 character at the start: 1 to 4; 0: there is none (RFC 3629: no overlong forms, no surrogates). */
[[nodiscard]] size_t utf8_character_bytes(struct slice text);

enum { E164_BYTES_MAX = 16, E164_DIGITS_MIN = 7 }; /* '+' and 15 digits (ITU-T E.164); the shortest in use (Niue) has 7 */
struct e164 { char text[E164_BYTES_MAX + 1]; }; /* zero-terminated; text[0] == 0: none */

/* "+49 (30) 23125-001", "0049302312…" → +49302312…; needs a country code ('+' or "00"). false: not a number that can be normalised
 * ("anonymous", "unknown", "restricted", "private", empty, letters, too short or long). Custom telephony may send anything. */
[[nodiscard]] bool e164_parse(struct slice text, struct e164 *out);
static inline struct slice e164_slice(const struct e164 *n) { return slice_from_text(n->text); }

/* Names that models invent for "no name": Unbekannt, Kunde, Anonym, {{name}}, unknown, N/A, … and nothing at all. */
[[nodiscard]] bool name_is_placeholder(struct slice name);
/* Unicode case folding (NFKC_Casefold: composed and decomposed forms become one), ä→ae ö→oe ü→ue ß→ss,
 * blanks trimmed and squeezed: for comparing names and services. Over text_fold_bytes_max: b is overflowed. ICU. */
void text_fold(struct buffer *b, struct slice text);
