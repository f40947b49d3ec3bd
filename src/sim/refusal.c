#include "sim/refusal.h"
#include <stdarg.h>
#include <stdio.h>

void refuse(struct sim_refusal *r, uint16_t status, enum sim_shape shape, const char *format, ...)
{
    r->status = status;
    r->shape = shape;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->message, sizeof r->message, format, arguments);
    va_end(arguments);
}
