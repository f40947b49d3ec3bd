#include "fetch.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/http_client.h"

constexpr size_t answer_bytes_max = 8 * 1024 * 1024;

/* Only numeric hosts: the control port is on this machine, or named by number. */
static int dial(const struct http_origin *o)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(o->port) };
    const char *host = slice_equal(slice_from_text(o->host), slice_of("localhost")) ? "127.0.0.1" : o->host;
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1) return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = { .tv_sec = 10 };
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static size_t read_all(int fd, char *into)
{
    size_t length = 0;
    ssize_t got;
    while (length < answer_bytes_max && (got = recv(fd, into + length, answer_bytes_max - length, 0)) > 0) length += (size_t)got;
    return length;
}

bool fetch(const char *origin_url, const char *path, struct fetched *f)
{
    struct http_origin o;
    *f = (struct fetched){ 0 };
    int fd = origin_url && http_origin_parse(slice_from_text(origin_url), &o) && !o.tls ? dial(&o) : -1;
    if (fd < 0) return false;
    char head[512];
    int length = snprintf(head, sizeof head, "GET %s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", o.base_path, path, o.host);
    bool sent = length < (int)sizeof head && send(fd, head, (size_t)length, MSG_NOSIGNAL) == length;
    f->memory = sent ? malloc(answer_bytes_max + 1) : nullptr;
    size_t got = f->memory ? read_all(fd, f->memory) : 0;
    close(fd);
    if (f->memory) f->memory[got] = 0;
    const char *body = got ? strstr(f->memory, "\r\n\r\n") : nullptr;
    unsigned status = 0;
    if (!body || sscanf(f->memory, "HTTP/1.1 %u", &status) != 1) return fetch_free(f), false;
    f->status = (uint16_t)status;
    f->body = slice_from(body + 4, got - (size_t)(body + 4 - f->memory));
    return true;
}

void fetch_free(struct fetched *f)
{
    free(f->memory);
    *f = (struct fetched){ 0 };
}
