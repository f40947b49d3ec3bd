#include "io/io_refusal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

[[gnu::format(printf, 2, 3)]] static void say(struct io_refusal *refusal, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal->text, sizeof refusal->text, format, arguments);
    va_end(arguments);
}

/* The number a sysctl file begins with; 0 where there is no such file: kernels before 6.6 have no switch, so nothing is switched off. */
static int sysctl_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[16] = {};
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    return count > 0 ? atoi(text) : 0;
}

static void refuse_forbidden(struct io_refusal *refusal)
{
    int disabled = sysctl_read("/proc/sys/kernel/io_uring_disabled");
    if (disabled == 0)
        say(refusal, "A security policy forbids io_uring to this process. The sysctl kernel.io_uring_disabled allows it, so this is a seccomp "
                     "filter, as containers have by default, or an LSM. Run with a seccomp profile that allows io_uring_setup, io_uring_enter "
                     "and io_uring_register (docker, podman: --security-opt seccomp=PROFILE.json).");
    else if (disabled == 1)
        say(refusal, "io_uring is reserved to a group on this machine (sysctl kernel.io_uring_disabled is 1, kernel.io_uring_group is %d). "
                     "Add the user that runs Ringmaster to that group, or open it to all: sudo sysctl -w kernel.io_uring_disabled=0",
            sysctl_read("/proc/sys/kernel/io_uring_group"));
    else
        say(refusal, "io_uring is switched off on this machine (sysctl kernel.io_uring_disabled is %d). "
                     "Switch it on: sudo sysctl -w kernel.io_uring_disabled=0 and, to keep it over a restart: "
                     "echo kernel.io_uring_disabled=0 | sudo tee /etc/sysctl.d/60-io-uring.conf", disabled);
}

static void refuse_memory(struct io_refusal *refusal)
{
    struct rlimit limit = {};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    say(refusal, "There is no memory for the ring. The limit for locked memory is %llu KiB: raise it (ulimit -l unlimited; in a systemd unit: "
                 "LimitMEMLOCK=infinity; docker, podman: --ulimit memlock=-1), or give the machine more memory.",
        (unsigned long long)limit.rlim_cur / 1024);
}

void io_refuse_kernel(struct io_refusal *refusal, const char *missing)
{
    struct utsname kernel = {};
    uname(&kernel);
    say(refusal, "This kernel (Linux %s) does not offer %s. Ringmaster needs Linux 6.0 or later, and likes 6.1 or later best. "
                 "If the kernel is newer, a seccomp filter hides it: allow io_uring_setup, io_uring_enter and io_uring_register.",
        kernel.release, missing);
}

void io_refuse_ring(struct io_refusal *refusal, int error)
{
    switch (error) {
    case EPERM:
    case EACCES: refuse_forbidden(refusal); break;
    case ENOMEM: refuse_memory(refusal); break;
    case ENOSYS: io_refuse_kernel(refusal, "io_uring"); break;
    case EINVAL: io_refuse_kernel(refusal, "the ring's modes (SINGLE_ISSUER, SUBMIT_ALL) or buffer rings"); break;
    case EMFILE:
    case ENFILE:
        say(refusal, "There is no file descriptor left for the ring. Raise the limit (ulimit -n 65536; in a systemd unit: LimitNOFILE=65536).");
        break;
    default: say(refusal, "The kernel refused the ring: %s (errno %d).", strerrordesc_np(error), error); break;
    }
}

void io_refuse_listener(struct io_refusal *refusal, const struct sockaddr_in *at, int error)
{
    char host[INET_ADDRSTRLEN] = "?";
    inet_ntop(AF_INET, &at->sin_addr, host, sizeof host);
    unsigned port = ntohs(at->sin_port);
    switch (error) {
    case EADDRINUSE:
        say(refusal, "Port %u on %s is taken. See by whom: ss -ltnp 'sport = :%u'. Stop that program, or choose another port.", port, host, port);
        break;
    case EACCES:
        say(refusal, "Port %u on %s needs a privilege. Choose a port above 1023, or give the binary the right: "
                     "sudo setcap cap_net_bind_service=+ep ringmaster (in a systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE).", port, host);
        break;
    case EADDRNOTAVAIL:
        say(refusal, "%s is no address of this machine. See which are: ip -brief address. 0.0.0.0 listens on all of them.", host);
        break;
    case EMFILE:
    case ENFILE:
        say(refusal, "There is no file descriptor left to listen on port %u. Raise the limit (ulimit -n 65536; in a systemd unit: "
                     "LimitNOFILE=65536).", port);
        break;
    default: say(refusal, "Cannot listen on %s port %u: %s (errno %d).", host, port, strerrordesc_np(error), error); break;
    }
}
