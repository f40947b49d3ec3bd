/* tenant/snapshot.c: the JSON of DB_SNAPSHOT becomes a tenant_snapshot: one block of memory, arrays sorted for their look-ups, secrets opened.
 *
 * This is the shape that the definer function answers. All keys are always there; null stands for "not set". Ids are the rows' own, integers.
 * A sealed secret is lower-case hex of secret_seal()'s bytes; its context binds it to its place, so a row copied to another tenant does not open:
 * "workspace_keys/<workspace key>/<position>" and "companies/<company key>/calcom_api_key".
 *
 *   { "workspaces":     [{ "id", "key", "name", "token", "default": bool,
 *                          "keys":   ["<hex>", …]   in order of position, which counts from 0 without holes; the current one first
 *                          "agents": ["agent_…", …] in order of their text }],
 *     "companies":      [{ "id", "key", "name", "time_zone",
 *                          "calcom": null or { "base_url": text or null, "api_key_sealed": "<hex>",
 *                                              "bookings_version", "slots_version", "event_types_version": text or null (null: ours) } }],
 *     "branches":       [{ "id", "company_id", "key", "name", "time_zone", "retell_agent_id": text or null, "calcom_event_type_id": integer or null }],
 *     "staff":          [{ "id", "company_id", "branch_id", "key", "name", "calcom_user_id": integer or null }],
 *     "services":       [{ "id", "company_id", "key", "name", "synonyms": [text, …], "duration_minutes", "buffer_before_minutes", "buffer_after_minutes",
 *                          "notice_minutes", "calcom_event_type_id": integer or null }],
 *     "staff_services": [{ "staff_id", "service_id", "calcom_event_type_id": integer or null }]  ordered by service, then position (provisioning order),
 *     "numbers":        [{ "number": E.164, "workspace_id", "branch_id" }] }
 */
#include "tenant/tenant.h"
