#include "base/log.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/instant.h"
#include "base/json.h"
#include "limits.h"

/* Bytes between `taken` and `written` (which only grow) wait for the writer. A ring outlives its thread: what is left in it is
 * still written, and the next new thread takes it over. */
struct ring {
    alignas(64) _Atomic(uint64_t) written; /* moved by the owner */
    _Atomic(uint64_t) dropped;
    alignas(64) _Atomic(uint64_t) taken; /* moved by the writer */
    _Atomic(bool) is_owned;
    char          bytes[log_ring_bytes];
};

static struct ring rings[log_threads_max];
static _Atomic(uint64_t) dropped_without_ring;
static _Atomic(bool) work_is_announced;
static sem_t wake_writer;

static thread_local struct ring *own_ring;
static thread_local char         own_name[16]; /* the kernel's own limit */
static pthread_key_t             ring_of_ended_thread;
static pthread_once_t            key_made = PTHREAD_ONCE_INIT;

/* Written by log_start() before other threads exist, and by log_stop() after they have ended. */
static struct log_settings {
    bool           is_started;
    int            fd;
    enum log_level least;
    const char    *program, *version;
    pthread_t      writer;
} settings;
static _Atomic(bool) is_stopping;

static const char *const level_names[] = { [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error" };

bool log_level_parse(struct slice text, enum log_level *level)
{
    for (uint8_t n = 0; n < sizeof level_names / sizeof *level_names; n++) {
        if (!slice_equal(text, slice_from_text(level_names[n]))) continue;
        *level = (enum log_level)n;
        return true;
    }
    return false;
}

uint64_t log_lines_dropped(void)
{
    uint64_t sum = atomic_load_explicit(&dropped_without_ring, memory_order_relaxed); /* counts only: nothing hangs on their order */
    for (uint32_t n = 0; n < log_threads_max; n++) sum += atomic_load_explicit(&rings[n].dropped, memory_order_relaxed);
    return sum;
}

static void give_ring_back(void *ring)
{
    /* release: the next owner continues where this one stopped writing */
    atomic_store_explicit(&((struct ring *)ring)->is_owned, false, memory_order_release);
}

static void make_key(void) { ensure(pthread_key_create(&ring_of_ended_thread, give_ring_back) == 0); }

static struct ring *ring_of_this_thread(void)
{
    if (own_ring) return own_ring;
    for (uint32_t n = 0; n < log_threads_max; n++) {
        bool owned = false;
        if (!atomic_compare_exchange_strong_explicit(&rings[n].is_owned, &owned, true,
                memory_order_acquire, /* what the owner before wrote */
                memory_order_relaxed)) continue;
        ensure(pthread_setspecific(ring_of_ended_thread, &rings[n]) == 0);
        if (pthread_getname_np(pthread_self(), own_name, sizeof own_name) != 0) own_name[0] = 0;
        return own_ring = &rings[n];
    }
    return nullptr;
}

/* Cut where a character begins, so that the cut adds no replacement character. */
static struct slice shortened(struct slice text)
{
    if (text.length <= log_text_bytes_max) return text;
    size_t length = log_text_bytes_max;
    while (length > log_text_bytes_max - 4 && ((uint8_t)text.start[length] & 0xc0) == 0x80) length -= 1;
    return slice_take(text, length);
}

/* Country codes have one digit (1, 7), two, or three; these have two. */
static bool has_two_digit_country_code(struct slice e164)
{
    static const struct slice codes = slice_of("20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 "
                                               "60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98");
    return slice_contains(codes, slice_take(slice_skip(e164, 1), 2));
}

static void add_phone(struct json_writer *w, const char *name, struct slice e164)
{
    char          memory[16];
    struct buffer b = buffer_over(memory, sizeof memory);
    if (e164.length < 8 || e164.start[0] != '+') { /* nothing to show that would not show all of it */
        json_add_text(w, name, slice_is_empty(e164) ? slice_absent : slice_of("…"));
        return;
    }
    bool one_digit = e164.start[1] == '1' || e164.start[1] == '7';
    buffer_add(&b, slice_take(e164, one_digit ? 2 : has_two_digit_country_code(e164) ? 3 : 4));
    buffer_add(&b, slice_of("…"));
    buffer_add(&b, slice_skip(e164, e164.length - 2));
    json_add_text(w, name, buffer_slice(&b));
}

static void add_field(struct json_writer *w, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_TEXT:    json_add_text(w, f->name, shortened(f->text)); break;
    case LOG_INTEGER: json_add_integer(w, f->name, f->integer); break;
    case LOG_PHONE:   add_phone(w, f->name, f->text); break;
    }
}

static void begin_line(struct json_writer *w, enum log_level level, const char *event)
{
    char          time_memory[32];
    struct buffer time = buffer_over(time_memory, sizeof time_memory);
    instant_print_millis(&time, clock_wall_us());
    json_begin_object(w, nullptr);
    json_add_text(w, "time", buffer_slice(&time));
    json_add_text(w, "level", slice_from_text(level_names[level]));
    json_add_text(w, "event", slice_from_text(event));
    json_add_text(w, "program", slice_from_text(settings.program));
    json_add_text(w, "version", slice_from_text(settings.version));
    json_add_text(w, "thread", slice_from_text(own_name));
}

/* One line with its end; false: longer than a line may be. All control characters are escaped, so the line's end is the only one. */
static bool print_line(struct buffer *b, enum log_level level, const char *event, const struct log_field *fields, uint32_t field_count)
{
    struct json_writer w = json_writer_over(b);
    begin_line(&w, level, event);
    for (uint32_t n = 0; n < field_count; n++) add_field(&w, &fields[n]);
    json_end_object(&w);
    buffer_add_byte(b, '\n');
    return !b->overflowed;
}

static void print_line_without_fields(struct buffer *b, enum log_level level, const char *event)
{
    struct json_writer w = json_writer_over(b);
    begin_line(&w, level, event);
    json_add_boolean(&w, "truncated", true);
    json_end_object(&w);
    buffer_add_byte(b, '\n');
    ensure(!b->overflowed); /* events and versions are short literals */
}

static void announce_work(void)
{
    /* acq_rel: see the rule in log.h. Release hands the line over; acquire keeps the order with the writer's swap. */
    if (!atomic_exchange_explicit(&work_is_announced, true, memory_order_acq_rel)) ensure(sem_post(&wake_writer) == 0);
}

static void put_line(struct ring *r, struct slice line)
{
    uint64_t written = atomic_load_explicit(&r->written, memory_order_relaxed); /* our own */
    uint64_t taken = atomic_load_explicit(&r->taken, memory_order_acquire);     /* those bytes have been read, and may be overwritten */
    if (line.length > log_ring_bytes - (written - taken)) {
        atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
        return;
    }
    size_t       at = written % log_ring_bytes;
    struct slice before_end = slice_take(line, log_ring_bytes - at), rest = slice_skip(line, before_end.length);
    memcpy(r->bytes + at, before_end.start, before_end.length);
    memcpy(r->bytes, rest.start, rest.length);
    atomic_store_explicit(&r->written, written + line.length, memory_order_release); /* the bytes before the count */
    announce_work();
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, uint32_t field_count)
{
    if (!settings.is_started || level < settings.least) return;
    struct ring *r = ring_of_this_thread();
    if (!r) {
        atomic_fetch_add_explicit(&dropped_without_ring, 1, memory_order_relaxed);
        return;
    }
    char          memory[log_line_bytes_max];
    struct buffer line = buffer_over(memory, sizeof memory);
    if (!print_line(&line, level, event, fields, field_count)) {
        line = buffer_over(memory, sizeof memory);
        print_line_without_fields(&line, level, event);
    }
    put_line(r, buffer_slice(&line));
}

static bool wait_until_writable(void)
{
    struct pollfd p = { .fd = settings.fd, .events = POLLOUT };
    return poll(&p, 1, log_file_patience_ms) == 1;
}

/* How many bytes of it the file took; 0: it takes none. */
static size_t write_some(struct slice text)
{
    for (;;) {
        ssize_t written = write(settings.fd, text.start, text.length);
        if (written > 0) return (size_t)written;
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN && wait_until_writable()) continue;
        return 0; /* closed, full, stuck: nobody is left to tell but the counter */
    }
}

static uint64_t lines_in(struct slice text)
{
    uint64_t count = 0;
    for (size_t n = 0; n < text.length; n++) count += text.start[n] == '\n';
    return count;
}

/* Writes out what is in the ring now. */
static void empty_ring(struct ring *r)
{
    uint64_t written = atomic_load_explicit(&r->written, memory_order_acquire); /* and the bytes before it */
    uint64_t taken = atomic_load_explicit(&r->taken, memory_order_relaxed);     /* our own */
    while (taken < written) {
        size_t       at = taken % log_ring_bytes;
        struct slice piece = slice_take(slice_from(r->bytes + at, log_ring_bytes - at), written - taken);
        size_t       done = write_some(piece);
        if (done == 0) atomic_fetch_add_explicit(&r->dropped, lines_in(piece), memory_order_relaxed);
        taken += done > 0 ? done : piece.length;
        atomic_store_explicit(&r->taken, taken, memory_order_release); /* read before it may be overwritten */
    }
}

static void *writer_run(void *)
{
    for (;;) {
        while (sem_wait(&wake_writer) != 0) ensure(errno == EINTR);
        bool is_last = atomic_load_explicit(&is_stopping, memory_order_acquire); /* then all other threads' lines are in their rings */
        if (!is_last) (void)poll(nullptr, 0, log_rest_ms); /* more will come meanwhile, without waking anyone */
        (void)atomic_exchange_explicit(&work_is_announced, false, memory_order_acq_rel); /* before looking: see log.h */
        for (uint32_t n = 0; n < log_threads_max; n++) empty_ring(&rings[n]);
        if (is_last) return nullptr;
    }
}

void log_start(int fd, enum log_level least, const char *program, const char *version)
{
    ensure(!settings.is_started);
    ensure(pthread_once(&key_made, make_key) == 0);
    ensure(sem_init(&wake_writer, 0, 0) == 0);
    atomic_store(&is_stopping, false);
    atomic_store(&work_is_announced, false);
    settings = (struct log_settings){ .is_started = true, .fd = fd, .least = least, .program = program, .version = version };

    /* The writer inherits this mask: signals are for the main thread, and a closed pipe is an error code here. */
    sigset_t all, before;
    sigfillset(&all);
    ensure(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    ensure(pthread_create(&settings.writer, nullptr, writer_run, nullptr) == 0);
    ensure(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    (void)pthread_setname_np(settings.writer, "log");
}

void log_stop(void)
{
    ensure(settings.is_started);
    atomic_store_explicit(&is_stopping, true, memory_order_release); /* what is in the rings is seen by the last look */
    ensure(sem_post(&wake_writer) == 0);
    ensure(pthread_join(settings.writer, nullptr) == 0);
    ensure(sem_destroy(&wake_writer) == 0);
    settings = (struct log_settings){ .is_started = false };
}
