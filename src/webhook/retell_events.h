#pragma once
/* webhook/retell_events.h: the front door for Retell's events. */
#include "webhook/door.h"

/* A POST to /api/mcp/retell/webhook (token absent: the default workspace) or /w/{token}/retell/webhook. Answers now, or when the event is durable. */
void webhook_receive_event(struct webhook_door *door, struct http_request *r, struct slice token);
