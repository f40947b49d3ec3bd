#include "sim/branches.h"

uint64_t branch_event_type(const struct json_value *world, struct slice called_number)
{
    struct json_iterator companies = json_each(json_get(world, "companies"));
    const struct json_value *company, *branch, *v;
    while (json_next(&companies, nullptr, &company)) {
        struct json_iterator branches = json_each(json_get(company, "branches"));
        while (json_next(&branches, nullptr, &branch)) {
            struct json_iterator numbers = json_each(json_get(branch, "phone_numbers"));
            int64_t id = 0;
            while (json_next(&numbers, nullptr, &v))
                if (slice_equal(json_text(v), called_number) && json_integer(json_get(branch, "calcom_event_type_id"), &id)) return (uint64_t)id;
        }
    }
    return 0;
}
