/* ringload: the load harness: many calls at once, told to the engine as Retell tells them, and afterwards the question whether anything was lost or doubled.
 * See --help; bench/results/ says what was measured with it, and how.
 *
 *     plan → lanes (one shard a thread) → report → verify
 *
 * Exit status: 0: with --verify: what was acknowledged is there, once, on both sides; without: every event was acknowledged in the end. 1: not. 2: it could
 * not begin. (An event that was never acknowledged is not lost: Retell was told so. A run through an outage is judged by --verify.)
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <arpa/inet.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "lane.h"
#include "limits.h"
#include "net/http_client.h"
#include "report.h"
#include "sim/flags.h"
#include "verify.h"

struct load {
    struct load_options options;
    struct load_plan    plan;
    struct load_bodies  bodies;
    struct lane         lanes[LANES_MAX];
    uint64_t            begins_at_us;
};

static int refuse_usage(const char *why)
{
    fprintf(stderr, "ringload: %s\n", why);
    return 2;
}

static bool find_engine(const char *url, struct http_origin *o, struct sockaddr_in *engine)
{
    if (!url || !http_origin_parse(slice_from_text(url), o) || o->tls || strlen(o->base_path) > 120) return false;
    *engine = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(o->port) };
    const char *host = slice_equal(slice_from_text(o->host), slice_of("localhost")) ? "127.0.0.1" : o->host;
    return inet_pton(AF_INET, host, &engine->sin_addr) == 1;
}

static bool start(struct shard *s, void *context)
{
    struct load *load = context;
    lane_begin(&load->lanes[s->index], s, load->begins_at_us);
    return true;
}

static void stop(struct shard *s) { (void)s; }
static void finish(struct shard *s) { lane_end(s->resident); }

static bool all_finished(const struct load *load)
{
    for (uint32_t i = 0; i < load->options.threads; i++)
        if (!atomic_load_explicit(&load->lanes[i].finished, memory_order_acquire)) return false;
    return true;
}

static void watch(const struct load *load)
{
    const struct timespec tenth = { .tv_nsec = 100'000'000 };
    uint64_t told_us = load->begins_at_us;
    while (!all_finished(load)) {
        nanosleep(&tenth, nullptr);
        if (clock_monotonic_us() < told_us + 1'000'000) continue;
        told_us += 1'000'000;
        report_progress(load->lanes, (uint32_t)load->options.threads, (double)(told_us - load->begins_at_us) / 1e6);
    }
}

static bool play(struct load *load, double *took_s)
{
    struct shard_group group;
    struct io_refusal refusal;
    struct shard_config config = { .io = { ring_entries, receive_buffers, receive_buffer_bytes }, .start = start, .stop = stop, .finish = finish, .context = load };
    load->begins_at_us = clock_monotonic_us() + 100'000; /* all lanes are up by then */
    if (!shard_group_start(&group, (uint16_t)load->options.threads, &config, &refusal)) {
        fprintf(stderr, "ringload: %s\n", refusal.text);
        return false;
    }
    watch(load);
    *took_s = (double)(clock_monotonic_us() - load->begins_at_us) / 1e6;
    shard_group_stop(&group);
    shard_group_join(&group);
    return true;
}

static int run(struct load *load)
{
    const struct load_options *o = &load->options;
    struct http_origin origin;
    struct sockaddr_in engine;
    struct plan_error error;
    static struct load_report report;
    struct verify_result verified = { 0 };
    double took_s;
    if (!find_engine(o->url, &origin, &engine)) return refuse_usage("--url wants http://ADDRESS:PORT/PATH");
    if (!plan_make(&load->plan, o, &error)) return refuse_usage(error.text);
    bodies_make(&load->bodies, o);
    for (uint32_t i = 0; i < o->threads; i++)
        load->lanes[i] = (struct lane){ .index = i, .count = (uint32_t)o->threads, .plan = &load->plan, .bodies = &load->bodies, .engine = engine, .host = origin.host,
                                        .path = origin.base_path[0] ? origin.base_path : "/" };
    if (!play(load, &took_s)) return 2;

    report_gather(&report, load->lanes, (uint32_t)o->threads, took_s);
    report_print(&report, o, &load->plan);
    if (o->verify) {
        verify_run(&verified, &load->plan);
        verify_print(&verified);
    }
    bool written = !o->json_path || report_write(o->json_path, &report, o, &load->plan, o->verify ? &verified : nullptr);
    if (!written) fprintf(stderr, "ringload: cannot write %s\n", o->json_path);
    bodies_free(&load->bodies);
    plan_free(&load->plan);
    bool good = o->verify ? verify_is_clean(&verified) : report.given_up == 0;
    return written && good && report.overrun == 0 ? 0 : 1;
}

/* "2k-60k": bytes, k for 1,000. */
static bool read_sizes(const char *text, uint64_t *min, uint64_t *max)
{
    struct slice high = slice_from_text(text), low = slice_split(&high, '-');
    if (slice_is_absent(high)) high = low;
    struct slice *const sides[] = { &low, &high };
    uint64_t *const values[] = { min, max };
    for (uint32_t i = 0; i < 2; i++) {
        bool thousands = sides[i]->length > 0 && sides[i]->start[sides[i]->length - 1] == 'k';
        if (!slice_to_u64(slice_take(*sides[i], sides[i]->length - thousands), 512 * 1024, values[i])) return false;
        *values[i] *= thousands ? 1000 : 1;
    }
    return *min >= 1 && *min <= *max && *max <= 512 * 1024;
}

/* name nullptr: all of them. */
static bool read_events(const char *name, struct load_options *o)
{
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++)
        if (!name || strcmp(name, call_event_name((enum call_event)e)) == 0) o->told[o->told_count++] = (enum call_event)e;
    return o->told_count > 0;
}

static const char *what_is_wrong(const struct load_options *o)
{
    if (!o->url || !o->key || !o->agent || !o->to) return "--url, --key, --agent and --to are needed";
    if (o->threads < 1 || o->threads > LANES_MAX) return "--threads is 1 to 16";
    if (o->rate <= 0 || o->duration_s <= 0 || o->calls < 1) return "--calls, --rate and --duration must be positive";
    if (o->connections < 1 || o->connections > 32'768 || o->closed > 32'768) return "there are 1 to 32768 connections";
    if (o->warmup_s >= o->duration_s) return "--warmup must be shorter than --duration";
    if (o->closed && (o->verify || o->book_share > 0)) return "a closed loop is for throughput: it neither books nor verifies";
    if (o->book_share > 1) return "--book-share is at most 1";
    return nullptr;
}

int main(int argc, char **argv)
{
    static struct load load;
    struct load_options *o = &load.options;
    const char *sizes = "2k-60k", *event = nullptr;
    bool help = false;
    *o = (struct load_options){ .agent = "agent_load", .calls = 100, .rate = 50, .duration_s = 10, .analysis_gap_ms = 500, .connections = 1024, .threads = 1, .settle_s = 60, .seed = random_u64() };
    const struct flag flags[] = {
        { "url", FLAG_TEXT, &o->url, "where the engine takes webhooks: http://ADDRESS:PORT/w/TOKEN/retell/webhook" },
        { "key", FLAG_TEXT, &o->key, "the Retell API key that signs" },
        { "agent", FLAG_TEXT, &o->agent, "agent id (agent_load)" },
        { "to", FLAG_TEXT, &o->to, "called numbers, comma between" },
        { "calls", FLAG_NUMBER, &o->calls, "going on at once (100): each lasts calls / rate seconds" },
        { "rate", FLAG_REAL, &o->rate, "new calls a second (50); each tells its events" },
        { "duration", FLAG_REAL, &o->duration_s, "seconds in which new calls come (10)" },
        { "bodies", FLAG_TEXT, &sizes, "bytes of ended and analyzed, MIN-MAX (2k-60k)" },
        { "book-share", FLAG_REAL, &o->book_share, "of the calls agree on an appointment (0); needs --control and --world" },
        { "analysis-gap", FLAG_NUMBER, &o->analysis_gap_ms, "milliseconds from ended to analyzed (500)" },
        { "connections", FLAG_NUMBER, &o->connections, "at most so many, kept alive (1024)" },
        { "threads", FLAG_NUMBER, &o->threads, "shards of the generator (1)" },
        { "seed", FLAG_NUMBER, &o->seed, "of call ids, sizes and bookings (from the kernel if absent)" },
        { "closed", FLAG_NUMBER, &o->closed, "closed loop on so many connections instead, for throughput" },
        { "warmup", FLAG_REAL, &o->warmup_s, "what is due in the first so many seconds does not count (0)" },
        { "event", FLAG_TEXT, &event, "tell only this event of each call: call_started, call_ended or call_analyzed (all three)" },
        { "spread", FLAG_YES, &o->spread, "open all connections before the first event, and use them in turn" },
        { "control", FLAG_TEXT, &o->control_url, "the simulator's control port" },
        { "world", FLAG_TEXT, &o->world_path, "the world file" },
        { "verify", FLAG_YES, &o->verify, "compare PostgreSQL and Cal.com with what was acknowledged" },
        { "database-owner-url", FLAG_TEXT, &o->database_url, "PostgreSQL as the owner, for --verify" },
        { "settle", FLAG_REAL, &o->settle_s, "seconds that the engine may take to drain (60)" },
        { "json", FLAG_TEXT, &o->json_path, "where the result is written, too" },
        { "help", FLAG_YES, &help, "this list" },
    };
    uint32_t count = sizeof flags / sizeof *flags;
    struct flag_error error;
    if (!flags_read(flags, count, argc - 1, argv + 1, &error)) return refuse_usage(error.text);
    if (help) return flags_print_help(flags, count), 0;
    if (!read_sizes(sizes, &o->body_bytes_min, &o->body_bytes_max)) return refuse_usage("--bodies wants MIN-MAX, as 2k-60k; at most 512k");
    if (!read_events(event, o)) return refuse_usage("--event is call_started, call_ended or call_analyzed");
    const char *wrong = what_is_wrong(o);
    return wrong ? refuse_usage(wrong) : run(&load);
}
