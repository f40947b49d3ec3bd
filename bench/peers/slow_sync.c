/* bench/peers/slow_sync.c: preloaded into a server, makes its disk slower: every fsync, fdatasync and sync_file_range takes PEERS_SYNC_EXTRA_US longer.
 * For those that call the C library (Redis, PostgreSQL); what waits in a ring is slowed where it is written (bare_server --sync-extra-us, bench/ingest/slow_journal.c). */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_longer(void)
{
    const char *extra = getenv("PEERS_SYNC_EXTRA_US");
    long us = extra ? strtol(extra, nullptr, 10) : 0;
    struct timespec left = { us / 1'000'000, us % 1'000'000 * 1000 };
    while (nanosleep(&left, &left) != 0) {}
}

static int then_wait(int result)
{
    wait_longer();
    return result;
}

typedef int sync_fd(int fd);
typedef int sync_range(int fd, off64_t from, off64_t count, unsigned flags);

int fsync(int fd) { return then_wait(((sync_fd *)dlsym(RTLD_NEXT, "fsync"))(fd)); }
int fdatasync(int fd) { return then_wait(((sync_fd *)dlsym(RTLD_NEXT, "fdatasync"))(fd)); }
int sync_file_range(int fd, off64_t from, off64_t count, unsigned flags) { return then_wait(((sync_range *)dlsym(RTLD_NEXT, "sync_file_range"))(fd, from, count, flags)); }
