#pragma once
/* Certificates for tests, made by the openssl command at test time, in a folder that goes away with the test: nothing secret is ever checked in. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct certificates { char folder[64]; char ca[96], other_ca[96], certificate[96], key[96], other_key[96]; };

static inline void certificates_run(const char *command)
{
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        abort();
    }
}

/* One CA, one that signed nothing of ours, and a server's certificate for localhost and 127.0.0.1. */
static inline void certificates_make(struct certificates *c)
{
    snprintf(c->folder, sizeof c->folder, "/tmp/certificates-XXXXXX");
    if (!mkdtemp(c->folder)) abort();
    snprintf(c->ca, sizeof c->ca, "%s/ca.pem", c->folder);
    snprintf(c->other_ca, sizeof c->other_ca, "%s/other.pem", c->folder);
    snprintf(c->certificate, sizeof c->certificate, "%s/server.pem", c->folder);
    snprintf(c->key, sizeof c->key, "%s/server.key", c->folder);
    snprintf(c->other_key, sizeof c->other_key, "%s/other.key", c->folder);
    char command[2048];
    snprintf(command, sizeof command,
             "cd %s && exec 2>log && set -e\n"
             "for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca"
             " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout $ca.key -out $ca.pem; done\n"
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key -out server.csr\n"
             "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' >extensions\n"
             "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem\n",
             c->folder);
    certificates_run(command);
}

static inline void certificates_remove(struct certificates *c)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", c->folder);
    certificates_run(command);
}
