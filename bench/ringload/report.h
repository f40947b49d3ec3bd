#pragma once
/* What came out: a line a second while it runs (stderr), a table at the end (stdout), and all of it as JSON for bench/results/. */
#include "lane.h"
#include "verify.h"

struct load_report {
    struct histogram latency_us[SCRIPT_EVENTS], all_us, wire_us, late_us;
    uint64_t sent, acknowledged, given_up, retried, overrun, refused_4xx, refused_5xx, other_status, timed_out, broken, unreached, connects;
    double   took_s;
};

void report_progress(const struct lane *lanes, uint32_t count, double at_s);
void report_gather(struct load_report *r, const struct lane *lanes, uint32_t count, double took_s);
void report_print(const struct load_report *r, const struct load_options *o, const struct load_plan *p);
/* verified nullptr: nobody looked. false: the file cannot be written. */
[[nodiscard]] bool report_write(const char *path, const struct load_report *r, const struct load_options *o, const struct load_plan *p, const struct verify_result *verified);
