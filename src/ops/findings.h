#pragma once
/* ops/findings.h: what doctor says, a line each as it finds it: "ok", "FAIL" for what must be mended, "note" for what somebody should know. */
#include <stdint.h>
#include <stdio.h>

enum finding : uint8_t { FINDING_OK, FINDING_FAULT, FINDING_NOTE };
enum { FINDINGS = FINDING_NOTE + 1, FINDING_BYTES_MAX = 1024 }; /* of what, and of why. Past it: cut */

struct findings { FILE *out; bool json; uint32_t counts[FINDINGS]; };

void findings_begin(struct findings *f, FILE *out, bool json);
void findings_pass(struct findings *f, const char *what); /* ok, and nothing more to say */
/* `why` is what follows the colon: "branch fri/berlin", "has no Retell agent id". */
[[gnu::format(printf, 4, 5)]] void findings_add(struct findings *f, enum finding kind, const char *what, const char *why, ...);
void findings_end(struct findings *f); /* the sum */
