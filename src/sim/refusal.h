#pragma once
/* sim/refusal.h: a "no" of the simulated Cal.com: status, words, and in which of its error shapes they are wrapped (calcom.md 1.4). */
#include <stdint.h>

enum sim_shape : uint8_t {
    SIM_SHAPE_EXCEPTION,         /* A: error.code is the exception's class name, details an object */
    SIM_SHAPE_EXCEPTION_TEXT,    /* A with details as a text: the throttler's */
    SIM_SHAPE_VALIDATION,        /* B: details.errors echoes the input */
    SIM_SHAPE_CODED,             /* C: error.code in capitals, no details */
    SIM_SHAPE_PLAIN,             /* D: statusCode and message */
    SIM_SHAPE_OAUTH,             /* of the token endpoint: error alone */
    SIM_SHAPE_HTML,              /* a proxy's page */
    SIM_SHAPE_EMPTY,
};

struct sim_refusal { uint16_t status; enum sim_shape shape; char message[512]; };

[[gnu::format(printf, 4, 5)]] void refuse(struct sim_refusal *r, uint16_t status, enum sim_shape shape, const char *format, ...);
