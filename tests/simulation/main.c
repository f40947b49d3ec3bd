/* tests/simulation/main.c: `simulate`: worlds by their seeds, each in a process of its own, so that none sees what another left and a broken ensure() is one world's end.
 *
 *     simulate --seed N [--worlds M] [--minutes K] [--jobs J] [--without c12,f3,i4] [--trace] [--twice] [--plan] [--patience S]
 *     simulate --seed N --torture allocation|ring_operation|database_unit|descriptor|thread [--nth N]     see torture.c: for every n, or that one
 *
 * The last line counts: {"worlds":…,"failed":…,"promises":…,…,"faults":{…},"met_in":{…}}: faults of Cal.com by name, and in how many of the worlds each of the
 * things that worlds are lived for was met (world.h: WORLD_SIGHTS): whatever is 0 after hundreds of worlds is proven by none. Status 0: every promise held; 1: one was broken; 2: not understood.
 * --patience: how many seconds of the processor a world may take (120). Past it, it hangs.
 * --twice lives each world two times and compares their stories: the same seed is the same world. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/ensure.h"
#include "base/hash_map.h"
#include "base/hmac.h"
#include "net/tls.h"
#include "world.h"

enum { JOBS_MAX = 64 };

struct options { struct world_options world; uint64_t worlds; uint32_t jobs, patience_s; bool twice, only_plan; };

/* What a world tells whoever lives it: shared with the parent. */
struct report { uint64_t seed, fingerprint, promises, tortured; struct world_figures figures; struct world_sights sights; uint64_t faults[SIM_FAULT_COUNT]; bool has_ended; };
struct sum { uint64_t worlds, failed, promises, tortured; struct world_figures figures; struct world_sights met_in; uint64_t faults[SIM_FAULT_COUNT]; }; /* met_in: so many worlds */

/* -- in the child -- */

static struct report *report;

/* A broken ensure(): the promise is its text, which stands on stderr. */
static void aborted(int)
{
    printf("seed %" PRIu64 ": BROKEN: an ensure() of the engine, or a sanitizer (see stderr)\n", report->seed);
    trace_print_last();
    fflush(stdout);
    _exit(1);
}

void world_broken(const char *promise, const char *format, ...)
{
    printf("seed %" PRIu64 ": BROKEN: %s\n    ", report->seed, promise);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("");
    trace_print_last();
    fflush(stdout);
    _exit(1);
}

/* What a process of ours makes once and keeps belongs to no process of the world. */
static void warm_up(void)
{
    (void)hash128_of(slice_of("warm"));
    (void)hmac_sha256(slice_of("key"), (struct slice[]){ slice_of("text") }, 1);
}

static void live(const struct options *o, uint64_t seed, uint64_t nth)
{
    const struct rlimit cpu = { o->patience_s, o->patience_s };
    setrlimit(RLIMIT_CPU, &cpu);
    signal(SIGABRT, aborted);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN); /* the parent's */
    signal(SIGINT, SIG_IGN);
    report->seed = seed;
    warm_up();
    struct world_options w = o->world;
    w.seed = seed;
    w.nth = nth;
    world_live(&w);
    report->fingerprint = trace_fingerprint();
    report->promises = checkers_promises_checked();
    report->tortured = torture_counted();
    report->figures = world_figures();
    report->sights = world_sights();
    for (uint64_t f = 0; f < SIM_FAULT_COUNT; f++) report->faults[f] = calcom_fault_met((enum sim_fault)f);
    report->has_ended = true;
    fflush(stdout);
    _exit(0);
}

/* -- in the parent -- */

struct child { pid_t pid; struct report *report; uint64_t seed, nth; int lives_left, said; uint64_t first_fingerprint; }; /* said: a file with what it writes to stderr */

static void start(struct child *c, const struct options *o)
{
    *c->report = (struct report){};
    fflush(stdout);
    c->said = memfd_create("stderr", MFD_CLOEXEC);
    ensure(c->said >= 0);
    c->pid = fork();
    ensure(c->pid >= 0);
    if (c->pid > 0) return;
    report = c->report;
    ensure(dup2(c->said, STDERR_FILENO) == STDERR_FILENO);
    live(o, c->seed, c->nth);
}

static void add(struct sum *s, const struct report *r)
{
    s->promises += r->promises;
    s->tortured = r->tortured;
    static_assert(sizeof(struct world_figures) % sizeof(uint64_t) == 0);
    uint64_t *to = (uint64_t *)&s->figures;
    const uint64_t *from = (const uint64_t *)&r->figures;
    for (size_t n = 0; n < sizeof(struct world_figures) / sizeof(uint64_t); n++) to[n] += from[n];
#define ADD_SIGHT(name) s->met_in.name += r->sights.name > 0;
    WORLD_SIGHTS(ADD_SIGHT)
    for (size_t f = 0; f < SIM_FAULT_COUNT; f++) s->faults[f] += r->faults[f];
}

#define FAILURE_NAME(name) [SEAM_##name] = #name,
static const char *const failure_names[] = { SEAM_FAILURES(FAILURE_NAME) };

/* An engine says why it gives up, and worlds make it give up often: of interest where a promise was broken. */
static void tell_what_it_said(struct child *c, bool held)
{
    char text[4096];
    off_t from = lseek(c->said, 0, SEEK_END) - (off_t)sizeof text;
    (void)lseek(c->said, from > 0 ? from : 0, SEEK_SET);
    ssize_t length = held ? 0 : read(c->said, text, sizeof text);
    if (length > 0) printf("stderr, its last %zd bytes:\n%.*s\n", length, (int)length, text);
    close(c->said);
}

/* A word of the command line that only the world itself could judge. */
[[noreturn]] static void give_up(struct child *c)
{
    tell_what_it_said(c, false);
    exit(world_not_understood);
}

static char commit[64] = "unknown";

static void tell_failure(const struct options *o, const struct child *c, const char *why)
{
    printf("seed %" PRIu64 ": FAILED at commit %s (%s). Again, with its story: zig build simulate -- --seed %" PRIu64 " --minutes %u%s%s", c->seed, commit, why, c->seed, o->world.minutes,
           o->world.without ? " --without " : "", o->world.without ? o->world.without : "");
    if (o->world.is_torture) printf(" --torture %s --nth %" PRIu64, failure_names[o->world.tortures], c->nth);
    puts(" --trace");
}

/* true: it lives once more. */
static bool ended(struct child *c, int status, const struct options *o, struct sum *s)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == world_not_understood) give_up(c);
    bool held = WIFEXITED(status) && WEXITSTATUS(status) == 0 && c->report->has_ended;
    bool is_second = o->twice && c->lives_left == 1;
    tell_what_it_said(c, held);
    if (held && is_second && c->report->fingerprint != c->first_fingerprint) {
        tell_failure(o, c, "its second life was another one: something in it does not come from the seed");
        held = false;
    } else if (!held) tell_failure(o, c, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "see above");
    c->lives_left -= 1;
    if (held && c->lives_left > 0) {
        c->first_fingerprint = c->report->fingerprint;
        return true;
    }
    s->worlds += 1;
    s->failed += !held;
    if (s->worlds % 500 == 0) fprintf(stderr, "%" PRIu64 " worlds, %" PRIu64 " failed\n", s->worlds, s->failed);
    add(s, c->report);
    return false;
}

static struct child *child_of(struct child *children, uint32_t jobs, pid_t pid)
{
    for (uint32_t n = 0; n < jobs; n++)
        if (children[n].pid == pid) return &children[n];
    ensure(false);
    return nullptr;
}

/* The worlds of a torture have one seed, and one after the other fails. */
static void settle(struct child *c, const struct options *o, uint64_t number)
{
    c->seed = o->world.seed + (o->world.is_torture ? 0 : number);
    c->nth = o->world.nth + (o->world.is_torture ? number : 0);
    c->lives_left = o->twice ? 2 : 1;
}

/* A long run that is to end sooner: the worlds that live are lived to their end, and counted. */
static volatile sig_atomic_t is_enough;
static void enough(int) { is_enough = 1; }

static void live_all(const struct options *o, struct sum *s)
{
    const struct sigaction ends = { .sa_handler = enough };
    sigaction(SIGTERM, &ends, nullptr);
    sigaction(SIGINT, &ends, nullptr);
    static struct child children[JOBS_MAX];
    struct report *reports = mmap(nullptr, JOBS_MAX * sizeof *reports, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ensure(reports != MAP_FAILED);
    uint64_t begun = 0;
    for (uint32_t n = 0; n < o->jobs && begun < o->worlds; n++, begun++) {
        children[n] = (struct child){ .report = &reports[n] };
        settle(&children[n], o, begun);
        start(&children[n], o);
    }
    while (s->worlds < (is_enough ? begun : o->worlds)) {
        int status;
        pid_t pid = wait(&status);
        if (pid < 0 && errno == EINTR) continue;
        ensure(pid > 0);
        struct child *c = child_of(children, o->jobs, pid);
        c->pid = 0;
        if (ended(c, status, o, s)) start(c, o);
        else if (begun < o->worlds && !is_enough) {
            settle(c, o, begun++);
            start(c, o);
        }
    }
}

/* Once without, to learn how many there are; then every n of them. */
static void torture(struct options *o, struct sum *s)
{
    o->worlds = 1;
    if (o->world.nth > 0) return live_all(o, s);
    live_all(o, s);
    if (s->failed > 0) return;
    printf("%s: %" PRIu64 " of them\n", failure_names[o->world.tortures], s->tortured);
    s->failed = s->tortured == 0; /* a whole call needs some of each: nobody has counted */
    if (s->failed > 0) return;
    if (s->figures.bookings == 0) puts("(In this world nothing is booked, even if nothing fails: another seed's caller gets further.)");
    o->worlds = s->tortured;
    o->world.nth = 1;
    *s = (struct sum){};
    live_all(o, s);
}

static void print_sum(const struct sum *s)
{
    printf("{\"worlds\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"promises\":%" PRIu64, s->worlds, s->failed, s->promises);
#define PRINT_FIGURE(name) printf(",\"" #name "\":%" PRIu64, s->figures.name);
    WORLD_FIGURES(PRINT_FIGURE)
    fputs(",\"faults\":{", stdout);
    for (uint64_t f = SIM_FAULT_NO_FAULT + 1; f < SIM_FAULT_COUNT; f++)
        printf("%s\"%s\":%" PRIu64, f > SIM_FAULT_NO_FAULT + 1 ? "," : "", sim_fault_name((enum sim_fault)f), s->faults[f]);
    printf("},\"met_in\":{\"worlds\":%" PRIu64, s->worlds);
#define PRINT_SIGHT(name) printf(",\"" #name "\":%" PRIu64, s->met_in.name);
    WORLD_SIGHTS(PRINT_SIGHT)
    puts("}}");
}

/* -- what build.py has left beside the program: the commit that it was built from, and certificates -- */

static void path_beside(char path[PATH_MAX], const char *name)
{
    char program[PATH_MAX - 32];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    ensure(length > 0);
    program[length] = 0;
    snprintf(path, PATH_MAX, "%s/%s", dirname(program), name);
}

static void read_commit(void)
{
    char path[PATH_MAX];
    path_beside(path, "commit");
    FILE *f = fopen(path, "r");
    if (!f) return;
    (void)fscanf(f, "%63s", commit);
    fclose(f);
}

static bool open_tls(void)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    struct tls_error error = {};
    path_beside(certificate, "certificate.pem");
    path_beside(key, "key.pem");
    if (access(certificate, R_OK) != 0) return true; /* no world has TLS then: see plan.c */
    world_trust = tls_client_config_open(certificate, &error);
    world_identity = world_trust ? tls_server_config_open(certificate, key, &error) : nullptr;
    if (!world_identity) fprintf(stderr, "simulate: %s\n", error.text);
    return world_identity != nullptr;
}

/* -- arguments -- */

static int usage(void)
{
    fputs("usage: simulate --seed N [--worlds M] [--minutes K] [--jobs J] [--without c12,f3,i4] [--trace] [--twice] [--plan] [--patience S]\n"
          "       simulate --seed N --torture allocation|ring_operation|database_unit|descriptor|thread [--nth N] [--jobs J] [--trace]\n", stderr);
    return 2;
}

static bool read_number(const char *text, uint64_t most, uint64_t *to)
{
    char *end;
    errno = 0;
    *to = text ? strtoull(text, &end, 10) : 0;
    return text && *text && *end == 0 && errno == 0 && *to <= most;
}

static bool read_failure(const char *text, enum seam_failure *f)
{
    for (*f = 0; *f < SEAM_FAILURE_COUNT; (*f)++)
        if (text && strcasecmp(text, failure_names[*f]) == 0) return true;
    return false;
}

static bool read_option(struct options *o, const char *name, const char *value, int *taken)
{
    uint64_t number;
    *taken = 1;
    if (strcmp(name, "--trace") == 0) return o->world.tells = true;
    if (strcmp(name, "--twice") == 0) return o->twice = true;
    if (strcmp(name, "--plan") == 0) return o->only_plan = true;
    *taken = 2;
    if (strcmp(name, "--without") == 0) return (o->world.without = value) != nullptr;
    if (strcmp(name, "--torture") == 0) return o->world.is_torture = read_failure(value, &o->world.tortures);
    if (strcmp(name, "--nth") == 0) return read_number(value, UINT64_MAX, &o->world.nth);
    if (strcmp(name, "--seed") == 0) return read_number(value, UINT64_MAX, &o->world.seed);
    if (strcmp(name, "--worlds") == 0) return read_number(value, UINT64_MAX, &o->worlds) && o->worlds > 0;
    if (strcmp(name, "--minutes") == 0 && read_number(value, 7 * 24 * 60, &number)) return (o->world.minutes = (uint32_t)number) > 0;
    if (strcmp(name, "--patience") == 0 && read_number(value, UINT32_MAX, &number)) return (o->patience_s = (uint32_t)number) > 0;
    if (strcmp(name, "--jobs") == 0 && read_number(value, JOBS_MAX, &number)) return (o->jobs = (uint32_t)number) > 0;
    return false;
}

int main(int count, char **arguments)
{
    static struct options o = { .world = { .seed = 1, .minutes = 1 }, .worlds = 1, .jobs = 1, .patience_s = 120 };
    for (int n = 1, taken; n < count; n += taken)
        if (!read_option(&o, arguments[n], n + 1 < count ? arguments[n + 1] : nullptr, &taken)) return usage();
    read_commit();
    if (!open_tls()) return 2; /* first: whether a world has TLS is a part of its plan */
    if (o.only_plan) {
        if (!world_draw_plan(&o.world)) return world_not_understood;
        plan_print(&world.plan);
        return 0;
    }
    struct sum sum = {};
    if (o.world.is_torture) torture(&o, &sum);
    else live_all(&o, &sum);
    print_sum(&sum);
    return sum.failed > 0;
}
