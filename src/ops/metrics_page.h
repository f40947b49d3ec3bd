#pragma once
/* ops/metrics_page.h: GET /metrics, and the table of its numbers for the manual. */
#include <stdio.h>
#include "base/heap.h"
#include "base/metrics.h"
#include "ops/view.h"

/* Writes all families into w (metrics_init'ed by the caller). Any shard's thread. */
void metrics_page_write(struct metrics_writer *w, const struct ops_view *view, const char *version);
void metrics_page_print_markdown(FILE *out);
