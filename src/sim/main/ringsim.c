/* ringsim: the world around the engine, simulated: Cal.com (serve, faults) and Retell (call). See --help.
 *
 * serve runs one shard: the simulated Cal.com over TLS, and its control port. When both doors are open it says so in one JSON line.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "io/file.h"
#include "limits.h"
#include "sim/caller.h"
#include "sim/flags.h"
#include "sim/simulator.h"

#define count_of(list) ((uint32_t)(sizeof(list) / sizeof *(list)))

static int refuse_usage(const char *command, const char *why)
{
    fprintf(stderr, "ringsim %s: %s\n", command, why);
    return 2;
}

/* -- serve -- */

struct serve_options {
    const char *world_path, *tls_cert, *tls_key, *subscriber_ca, *ready_path;
    uint64_t    calcom_port, control_port, seed;
    int64_t     at_us;
    bool        plain;
};

struct serving {
    const struct serve_options *options;
    struct simulator_config     config;
    struct simulator            simulator;
};

static bool serve_start(struct shard *s, void *context)
{
    struct serving *v = context;
    struct simulator_error error;
    s->resident = &v->simulator;
    if (simulator_open(&v->simulator, s, &v->config, &error)) return true;
    fprintf(stderr, "ringsim serve: %s: %s\n", v->options->world_path, error.text);
    return false;
}

static void serve_stop(struct shard *s) { simulator_stop(s->resident); }
static void serve_finish(struct shard *s) { simulator_close(s->resident); }

static void say_ready(const struct serving *v)
{
    char line[256];
    snprintf(line, sizeof line, "{\"calcom_url\":\"%s://localhost:%u/v2\",\"calcom_port\":%u,\"control_url\":\"http://127.0.0.1:%u\",\"control_port\":%u}\n",
             v->config.tls ? "https" : "http", http_server_port(v->simulator.calcom), http_server_port(v->simulator.calcom), http_server_port(v->simulator.control),
             http_server_port(v->simulator.control));
    fputs(line, stdout);
    fflush(stdout);
    FILE *file = v->options->ready_path ? fopen(v->options->ready_path, "w") : nullptr;
    if (!file) return;
    fputs(line, file);
    fclose(file);
}

static int run_serving(struct serving *v)
{
    struct shard_group group;
    struct io_refusal refusal = { "" };
    struct shard_config config = { .io = { ring_entries, receive_buffers, receive_buffer_bytes }, .start = serve_start, .stop = serve_stop, .finish = serve_finish, .context = v };
    sigset_t signals;
    int signal_number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    v->config.worker = worker_start(&group);
    ensure(v->config.worker);
    bool started = shard_group_start(&group, 1, &config, &refusal);
    if (started) {
        say_ready(v);
        sigwait(&signals, &signal_number);
        shard_group_stop(&group);
        shard_group_join(&group);
    } else if (refusal.text[0]) {
        fprintf(stderr, "ringsim serve: %s\n", refusal.text);
    }
    worker_stop(v->config.worker);
    return started ? 0 : 1;
}

static int serve_world(struct serving *v)
{
    const struct serve_options *o = v->options;
    char *text = nullptr;
    size_t length = 0;
    struct tls_error error;
    if (file_read_whole(o->world_path, world_file_bytes_max, &text, &length) != IO_OK) return refuse_usage("serve", "--world: cannot read that file");
    struct tls_server_config *tls = o->plain ? nullptr : tls_server_config_open(o->tls_cert, o->tls_key, &error);
    struct tls_client_config *trust = o->subscriber_ca && (tls || o->plain) ? tls_client_config_open(o->subscriber_ca, &error) : nullptr;
    bool ready = (tls || o->plain) && (trust || !o->subscriber_ca);
    v->config = (struct simulator_config){ .world = slice_from(text, length), .seed = o->seed, .calcom_port = (uint16_t)o->calcom_port,
                                           .control_port = (uint16_t)o->control_port, .tls = tls, .subscriber_trust = trust };
    int status = ready ? run_serving(v) : refuse_usage("serve", error.text);
    if (trust) tls_client_config_close(trust);
    if (tls) tls_server_config_close(tls);
    free(text);
    return status;
}

static int serve(int argc, char **argv)
{
    static struct serving v;
    struct serve_options o = { .seed = 1 };
    bool help = false;
    const struct flag flags[] = {
        { "world", FLAG_TEXT, &o.world_path, "the world file; its section \"calcom\" is what this Cal.com holds" },
        { "tls-cert", FLAG_TEXT, &o.tls_cert, "PEM certificate chain" },
        { "tls-key", FLAG_TEXT, &o.tls_key, "PEM key" },
        { "subscriber-ca", FLAG_TEXT, &o.subscriber_ca, "PEM bundle to trust for https webhook subscribers (none: they are not reached)" },
        { "plain", FLAG_YES, &o.plain, "no TLS" },
        { "calcom-port", FLAG_NUMBER, &o.calcom_port, "0, the default: any free one" },
        { "control-port", FLAG_NUMBER, &o.control_port, "0, the default: any free one" },
        { "at", FLAG_INSTANT, &o.at_us, "start the clock there and let it run on" },
        { "seed", FLAG_NUMBER, &o.seed, "of uids and dice (1)" },
        { "ready-file", FLAG_TEXT, &o.ready_path, "where the ready line is written, too" },
        { "help", FLAG_YES, &help, "this list" },
    };
    struct flag_error error;
    if (!flags_read(flags, count_of(flags), argc, argv, &error)) return refuse_usage("serve", error.text);
    if (help) return flags_print_help(flags, count_of(flags)), 0;
    if (!o.world_path) return refuse_usage("serve", "--world is missing");
    if (!o.plain && (!o.tls_cert || !o.tls_key)) return refuse_usage("serve", "--tls-cert and --tls-key are missing (or say --plain)");
    if (o.calcom_port > 65535 || o.control_port > 65535) return refuse_usage("serve", "a port is at most 65535");
    if (o.at_us) clock_start_at(o.at_us);
    log_start(2, LOG_INFO, "ringsim", "0");
    v = (struct serving){ .options = &o };
    int status = serve_world(&v);
    log_stop();
    return status;
}

/* -- call -- */

static const char *call_is_incomplete(const struct caller_options *o)
{
    bool books = !o->no_booking;
    if (!o->url || !o->key || !o->agent || !o->from || !o->to) return "--url, --key, --agent, --from and --to are needed";
    if (books && o->next_free && !o->control_url) return "--next-free needs --control";
    if (books && !o->next_free && (!o->date || !o->time)) return "--datum and --uhrzeit, --next-free or --no-booking is needed";
    if (o->body_bytes > 512 * 1024) return "--body-bytes is at most 524288";
    return nullptr;
}

static int call(int argc, char **argv)
{
    struct caller_options o = { .gap_ms = 300 };
    int64_t at_us = 0;
    bool help = false;
    const struct flag flags[] = {
        { "url", FLAG_TEXT, &o.url, "where the engine takes webhooks: URL/w/TOKEN/retell/webhook" },
        { "key", FLAG_TEXT, &o.key, "the Retell API key that signs" },
        { "agent", FLAG_TEXT, &o.agent, "agent id" },
        { "from", FLAG_TEXT, &o.from, "who calls" },
        { "to", FLAG_TEXT, &o.to, "which number" },
        { "call-id", FLAG_TEXT, &o.call_id, "made from the seed if absent" },
        { "datum", FLAG_TEXT, &o.date, "the agreed day, YYYY-MM-DD" },
        { "uhrzeit", FLAG_TEXT, &o.time, "the agreed time, HH:MM" },
        { "name", FLAG_TEXT, &o.name, "of the caller" },
        { "service", FLAG_TEXT, &o.service, "what for; absent: nothing is named" },
        { "no-booking", FLAG_YES, &o.no_booking, "nothing is agreed" },
        { "next-free", FLAG_YES, &o.next_free, "agree on the next free slot, asked from --control" },
        { "control", FLAG_TEXT, &o.control_url, "the control port of ringsim serve" },
        { "event-type", FLAG_NUMBER, &o.event_type, "whose next free slot; else that of the branch with --to in --world" },
        { "world", FLAG_TEXT, &o.world_path, "the world file" },
        { "after", FLAG_TEXT, &o.after, "the next free slot from this instant on" },
        { "ca", FLAG_TEXT, &o.ca_path, "PEM bundle to trust for https" },
        { "gap", FLAG_NUMBER, &o.gap_ms, "milliseconds between the events (300)" },
        { "body-bytes", FLAG_NUMBER, &o.body_bytes, "of ended and analyzed, about; 0: a short call" },
        { "duplicate", FLAG_REAL, &o.duplicate, "probability that an event is delivered twice" },
        { "drop", FLAG_REAL, &o.drop, "probability that an event is never delivered" },
        { "delay", FLAG_NUMBER, &o.delay_ms, "every event is late by up to so many milliseconds" },
        { "reorder", FLAG_YES, &o.reorder, "the events in any order" },
        { "at", FLAG_INSTANT, &at_us, "start the clock there and let it run on" },
        { "seed", FLAG_NUMBER, &o.seed, "of the call id and of what goes wrong (from the kernel if absent)" },
        { "json", FLAG_YES, &o.json, "one JSON object a line" },
        { "help", FLAG_YES, &help, "this list" },
    };
    struct flag_error error;
    o.seed = random_u64();
    if (!flags_read(flags, count_of(flags), argc, argv, &error)) return refuse_usage("call", error.text);
    if (help) return flags_print_help(flags, count_of(flags)), 0;
    const char *missing = call_is_incomplete(&o);
    if (missing) return refuse_usage("call", missing);
    if (at_us) clock_start_at(at_us);
    return caller_run(&o);
}

/* -- faults -- */

/* As the manual has it. */
static int print_faults(void)
{
    puts("| fault | number | what happens |\n|---|---|---|");
    for (uint32_t i = SIM_FAULT_NO_FAULT + 1; i < SIM_FAULT_COUNT; i++)
        printf("| `%s` | %s | %s |\n", sim_fault_name((enum sim_fault)i), sim_fault_number((enum sim_fault)i), sim_fault_description((enum sim_fault)i));
    return 0;
}

int main(int argc, char **argv)
{
    struct slice command = slice_from_text(argc > 1 ? argv[1] : "--help");
    if (slice_equal(command, slice_of("serve"))) return serve(argc - 2, argv + 2);
    if (slice_equal(command, slice_of("call"))) return call(argc - 2, argv + 2);
    if (slice_equal(command, slice_of("faults"))) return print_faults();
    fputs("ringsim serve --world FILE --tls-cert FILE --tls-key FILE   a Cal.com that holds what the world file says, and its control port\n"
          "ringsim call --url URL --key KEY --agent ID --from N --to N …  one call, as Retell tells it\n"
          "ringsim faults                                               what serve can be told to do wrong\n"
          "The first two with --help says which flags it takes.\n", stdout);
    return slice_equal(command, slice_of("--help")) ? 0 : 2;
}
