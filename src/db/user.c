#include <postgresql/libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include "db/admin.h"

bool db_user_of(const char *url, char *user, size_t room)
{
    PQconninfoOption *options = PQconninfoParse(url, nullptr);
    bool found = false;
    for (PQconninfoOption *o = options; o && o->keyword; o++) {
        if (strcmp(o->keyword, "user") != 0 || !o->val) continue;
        found = (size_t)snprintf(user, room, "%s", o->val) < room;
    }
    PQconninfoFree(options);
    return found;
}
