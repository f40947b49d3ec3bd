/* main.c: arguments → configuration → size every pool → start shards → wait for a signal → drain. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/instant.h"
#include "base/log.h"
#include "db/admin.h"
#include "engine.h"
#include "ops/commands.h"
#include "ops/metrics_page.h"

static const char version[] = "0.1.0";

static_assert(log_threads_max >= SHARD_COUNT_MAX + 3); /* with the helper, this thread and the one that waits for signals */

static int complain(const char *why)
{
    fprintf(stderr, "ringmaster: %s\n", why);
    return 1;
}

/* Of a command without arguments of its own: what is left over is a mistyped setting, and an engine that serves without it would be worse than none. */
static bool nothing_left(int count, char **arguments)
{
    if (count == 0) return true;
    int name = (int)strcspn(arguments[0], "="); /* what was to be its value may be a password */
    fprintf(stderr, "ringmaster: %.*s: no such setting; `ringmaster settings` lists them\n", name, arguments[0]);
    return false;
}

/* -- check-config: everything that can be known before serving -- */

static bool check_texts(const struct config *c, struct engine_shared *shared)
{
    enum log_level level;
    int64_t at_us;
    struct http_origin origin;
    if (!config_address(c->listen, &shared->address)) return complain("listen: must be an IPv4 address and a port, like 127.0.0.1:8080"), false;
    if (!log_level_parse(slice_from_text(c->log_level), &level)) return complain("log_level: must be debug, info, warning or error"), false;
    if (*c->at && !instant_parse(slice_from_text(c->at), &at_us)) return complain("at: must be an instant like 2026-03-10T14:00:00Z"), false;
    if (!http_origin_parse(slice_from_text(c->calcom_url), &origin)) return complain("calcom_url: must be an http or https URL without a query"), false;
    if (!*c->database_url) return complain("database_url: is not set"), false;
    if (!*c->journal_directory) return complain("journal_directory: is not set"), false;
    char role[128];
    if (!db_user_of(c->database_url, role, sizeof role)) return complain("database_url: must be one that libpq understands, and name the runtime role"), false;
    if (!*c->tls_certificate != !*c->tls_key) return complain("tls_certificate and tls_key belong together: set both, or none"), false;
    return command_secret_key(c, &shared->secret);
}

static bool open_tls(const struct config *c, struct engine_shared *shared)
{
    struct tls_error error;
    shared->calcom_tls = tls_client_config_open(*c->calcom_ca ? c->calcom_ca : nullptr, &error);
    if (!shared->calcom_tls) return complain(error.text), false;
    if (!*c->tls_certificate) return true;
    shared->server_tls = tls_server_config_open(c->tls_certificate, c->tls_key, &error);
    if (!shared->server_tls) return complain(error.text), false;
    return true;
}

static void close_tls(struct engine_shared *shared)
{
    tls_client_config_close(shared->calcom_tls);
    tls_server_config_close(shared->server_tls);
}

/* A ring as each shard will want one: refused here, it is refused with the remedy. */
static bool try_ring(void)
{
    const struct io_config ring = { .entries = ring_entries, .receive_buffers = receive_buffers, .receive_buffer_bytes = receive_buffer_bytes };
    struct io_refusal refusal;
    struct io *io = io_open(&ring, &refusal);
    if (!io) return complain(refusal.text), false;
    io_close_all(io);
    return true;
}

static int check_config(const struct config *c, int count, char **arguments)
{
    if (!nothing_left(count, arguments)) return 2;
    struct engine_shared shared = {};
    bool good = check_texts(c, &shared) && open_tls(c, &shared) && try_ring();
    close_tls(&shared);
    if (!good) return 1;
    config_print(c, stdout);
    engine_print_memory(c, stdout);
    puts("the configuration is good");
    return 0;
}

/* -- serve -- */

/* After a kill -9 the kernel takes some milliseconds to tear a ring down, and its listening socket with it: whoever restarts us at once meets our own ghost. */
static bool port_is_free(const struct sockaddr_in *address)
{
    enum { PATIENCE_MS = 3'000, STEP_MS = 20 };
    struct io_refusal refusal;
    for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += STEP_MS) {
        if (io_port_is_free(address, &refusal)) return true;
        usleep(STEP_MS * 1'000);
    }
    return complain(refusal.text), false;
}

/* All shards listen on one port. Port 0 is chosen here, once. */
static bool choose_port(struct engine_shared *shared)
{
    struct io_refusal refusal;
    if (shared->address.sin_port != 0) return port_is_free(&shared->address);
    int fd = io_listen(&shared->address, 1, &refusal);
    if (fd < 0) return complain(refusal.text), false;
    shared->address.sin_port = htons(io_port_of(fd));
    io_close(fd);
    return true;
}

/* Bodies and their parsed forms come and go by the hundred kilobytes: given back to the kernel each time, half of a decode would be page faults. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
}

static uint16_t shards_wanted(const struct config *c)
{
    if (c->shards > 0) return (uint16_t)c->shards;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > SHARD_COUNT_MAX ? SHARD_COUNT_MAX : (uint16_t)cores;
}

/* Each connection is a descriptor: as many as we are allowed. A quarter of them stays for journal, PostgreSQL and Cal.com: whoever opens connections until none is left
 * keeps others out, and not us from what is acknowledged. */
static void share_descriptors(struct config *c)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);

    uint64_t most = limit.rlim_max / 4 * 3 / shards_wanted(c);
    if ((uint64_t)c->connections <= most) return;
    c->connections = most > 0 ? (int64_t)most : 1;
    log_event(LOG_WARNING, "connections_lowered", log_integer("to", c->connections), log_integer("descriptors", limit.rlim_max));
}

static bool write_ready_file(const struct config *c, const struct engine_shared *shared)
{
    if (!*c->ready_file) return true;
    char part[4096];
    snprintf(part, sizeof part, "%s.part", c->ready_file);
    FILE *f = fopen(part, "w");
    if (f) fprintf(f, "{\"port\":%u,\"pid\":%d}\n", ntohs(shared->address.sin_port), getpid());
    bool written = f && fclose(f) == 0 && rename(part, c->ready_file) == 0;
    return written || (complain("ready_file: cannot be written"), false);
}

/* The first SIGTERM or SIGINT drains, for a while; a second one, or the end of that while, stops. A thread of its own, since the main one waits for the shards. */
struct signal_watch { const struct config *config; struct engine_shared *shared; sigset_t signals; };

static void *watch_signals(void *watch)
{
    struct signal_watch *w = watch;
    int number;
    while (sigwait(&w->signals, &number) != 0) {}
    log_event(LOG_INFO, "stopping", log_integer("signal", number));
    engine_stop(w->shared);

    const struct timespec patience = { .tv_sec = w->config->drain_s };
    int again;
    do again = sigtimedwait(&w->signals, nullptr, &patience);
    while (again == -1 && errno == EINTR);
    log_event(LOG_WARNING, again > 0 ? "stopped_by_second_signal" : "stopped_after_drain_time");
    usleep(20'000); /* the log's writer rests for a few milliseconds between two looks; what is acknowledged is in the journal */
    _exit(1);
}

static bool start_signal_watch(struct signal_watch *w)
{
    pthread_t thread;
    if (pthread_create(&thread, nullptr, watch_signals, w) != 0) return false;
    return pthread_detach(thread) == 0;
}

static int run(const struct config *c, struct engine_shared *shared, const sigset_t *signals)
{
    static struct signal_watch watch;
    struct io_refusal refusal;
    shared->worker = worker_start(&shared->group);
    if (!shared->worker) return complain("no thread was to be had for the helper");
    if (!engine_start(shared, shards_wanted(c), &refusal)) return complain(refusal.text);

    watch = (struct signal_watch){ .config = c, .shared = shared, .signals = *signals };
    bool serves = start_signal_watch(&watch) && write_ready_file(c, shared);
    if (!serves) engine_stop(shared);
    else log_event(LOG_INFO, "serving", log_integer("port", ntohs(shared->address.sin_port)), log_integer("shards", shared->group.count), log_integer("pid", getpid()));
    engine_join(shared);
    worker_stop(shared->worker);
    log_event(LOG_INFO, "stopped");
    return serves && !atomic_load(&shared->refused) ? 0 : 1;
}

static int serve(const struct config *wanted, int count, char **arguments)
{
    static struct config config; /* as far as this machine allows it */
    const struct config *c = &config;
    config = *wanted;
    if (!nothing_left(count, arguments)) return 2;
    static struct engine_shared shared; /* shards point into it until the process ends */
    shared.config = c;
    shared.version = version;
    enum log_level level = LOG_INFO;
    if (!check_texts(c, &shared) || !open_tls(c, &shared)) return 1;
    if (!log_level_parse(slice_from_text(c->log_level), &level)) return 1;

    int64_t at_us;
    if (*c->at && instant_parse(slice_from_text(c->at), &at_us)) clock_start_at(at_us);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr); /* every thread inherits it: signals are waited for, not handled */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file limit is a full disk: the journal answers it */
    keep_memory();
    log_start(STDERR_FILENO, level, "ringmaster", version);
    share_descriptors(&config);
    struct io_refusal refusal;
    if (!choose_port(&shared)) return log_stop(), 1;
    if (!engine_recover(&shared, &refusal)) return log_stop(), complain(refusal.text);
    engine_log_memory(c);
    int status = run(c, &shared, &signals);
    journal_recovery_close(shared.recovery);
    close_tls(&shared);
    log_stop();
    return status;
}

/* -- the rest -- */

static int print_settings(const struct config *c, int count, char **arguments)
{
    (void)c;
    if (!nothing_left(count, arguments)) return 2;
    config_print_markdown(stdout);
    return 0;
}

static int print_metrics(const struct config *c, int count, char **arguments)
{
    (void)c;
    if (!nothing_left(count, arguments)) return 2;
    metrics_page_print_markdown(stdout);
    return 0;
}

static int print_version(const struct config *c, int count, char **arguments)
{
    (void)c;
    if (!nothing_left(count, arguments)) return 2;
    puts(version);
    return 0;
}

typedef int command_function(const struct config *c, int count, char **arguments);
static const struct { const char *name; command_function *run; const char *help; } commands[] = {
    { "serve", serve, "take webhooks until SIGTERM" },
    { "check-config", check_config, "say what is wrong with the configuration or the machine, or print the effective settings" },
    { "migrate", command_migrate, "bring the database to this version's schema (owner role)" },
    { "provision", command_provision, "FILE [--dry-run]: make tenants from a world file (owner role)" },
    { "doctor", command_doctor, "[--offline] [--json]: prove that the role is confined, find what is missing in every tenant, and ask Cal.com about it" },
    { "calls", command_calls, "recent [--company KEY] [--limit N] [--json]" },
    { "webhooks", command_webhooks, "list [--outcome O] [--company KEY] [--limit N] [--json] | replay ID... | retry-failed" },
    { "jobs", command_jobs, "list [--kind callback|reconcile] [--company KEY] [--limit N] [--json] | done ID" },
    { "settings", print_settings, "every setting, as a table" },
    { "metrics", print_metrics, "every metric, as a table" },
    { "version", print_version, "of this program" },
};

static int usage(FILE *out)
{
    fputs("usage: ringmaster COMMAND [--setting value ...] [arguments]\n\n", out);
    for (size_t n = 0; n < sizeof commands / sizeof commands[0]; n++) fprintf(out, "  %-13s %s\n", commands[n].name, commands[n].help);
    fputs("\nSettings come from flags, RINGMASTER_* in the environment, and --config FILE, in this order; `ringmaster settings` lists them.\n", out);
    return out == stderr ? 2 : 0;
}

static bool asks_for_help(int count, char **arguments)
{
    for (int n = 1; n < count; n++)
        if (strcmp(arguments[n], "--help") == 0 || strcmp(arguments[n], "-h") == 0) return true;
    return strcmp(arguments[1], "help") == 0;
}

/* Who starts us may have closed them (`2>&-`): then the next file or socket gets their number, and lines meant for people go into the journal's lock or to PostgreSQL. */
static void fill_standard_files(void)
{
    int fd;
    do fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

/* Settings may stand before and after a command's own arguments; what config_read() does not know is the command's. */
int main(int count, char **arguments)
{
    fill_standard_files();
    if (count < 2) return usage(stderr);
    if (asks_for_help(count, arguments)) return usage(stdout);
    for (size_t n = 0; n < sizeof commands / sizeof commands[0]; n++) {
        if (strcmp(arguments[1], commands[n].name) != 0) continue;
        static struct config config;
        struct config_error error;
        int own = count - 2;
        if (!config_read(&config, &own, arguments + 2, &error)) return complain(error.text), 2;
        return commands[n].run(&config, own, arguments + 2);
    }
    fprintf(stderr, "ringmaster: no command %s\n", arguments[1]);
    return usage(stderr);
}
