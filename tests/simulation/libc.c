/* tests/simulation/libc.c: what the engine's sources and the libraries linked into it ask of the C library, and what must come from the seed: names, randomness, and the
 * time of day (mbedTLS looks at it for certificates and tickets). Defined here these win over the C library's own. Before a world begins they are still honest, but for
 * randomness: what is prepared once for all worlds must be the same each time, too. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/ensure.h"
#include "world.h"

static bool world_has_begun(void) { return world.plan.wall_us != 0; }

ssize_t getrandom(void *bytes, size_t count, unsigned)
{
    static struct prng before = { 1 };
    struct prng *from = world_has_begun() ? dice(DIE_RANDOM) : &before;
    uint8_t *to = bytes;
    for (size_t n = 0; n < count; n++) to[n] = (uint8_t)(prng_next(from) >> 32);
    return (ssize_t)count;
}

/* Wall time goes on from when this program began, not from the world's: certificates are made when it is built, and worlds lie anywhere. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    static time_t began_at_s;
    if (!world_has_begun()) return (int)syscall(SYS_clock_gettime, clock, t);
    if (began_at_s == 0) {
        syscall(SYS_clock_gettime, CLOCK_REALTIME, t);
        began_at_s = t->tv_sec;
    }
    uint64_t us = world_now_us();
    *t = (struct timespec){ .tv_sec = (clock == CLOCK_REALTIME ? began_at_s : 0) + (time_t)(us / 1'000'000), .tv_nsec = (long)(us % 1'000'000) * 1'000 };
    return 0;
}

time_t time(time_t *to)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (to) *to = t.tv_sec;
    return t.tv_sec;
}

static uint64_t names_unknown;
uint64_t world_names_unknown(void) { return names_unknown; }

/* Every name is this machine; at times nobody knows it, which is what a name server that is gone looks like. */
int getaddrinfo(const char *name, const char *, const struct addrinfo *, struct addrinfo **found)
{
    struct answer { struct addrinfo info; struct sockaddr_in at; };
    seam_cross("getaddrinfo");
    bool fails = dice_happens(DIE_NETWORK, world.is_calm ? 0 : world.plan.unknown_per_name);
    names_unknown += fails;
    trace("name server: %s%s", name, fails ? " is not known" : "");
    if (fails) return EAI_AGAIN;
    struct answer *a = calloc(1, sizeof *a);
    ensure(a != nullptr);
    a->at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    a->info = (struct addrinfo){ .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)&a->at, .ai_addrlen = sizeof a->at };
    *found = &a->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *found) { free(found); }
