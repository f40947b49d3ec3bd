#pragma once
/* tests/unit/call/tenants.h: a salon with two staff members, as the engine sees it: one service that both do, one that nobody is mapped to. */
#include <stdint.h>
#include "tenant/tenant.h"

[[maybe_unused]] static const struct credential salon_credential = { .company_id = 3, .key = { 1, 2 } };
[[maybe_unused]] static struct company salon_companies[] = { { .id = 3, .key = slice_of("fri"), .name = slice_of("Friseur"),
                                                                .time_zone = slice_of("Europe/Berlin"), .credential = &salon_credential } };

[[maybe_unused]] static struct branch salon_branches[] = {
    { .id = 21, .company = &salon_companies[0], .key = slice_of("fri/berlin"), .name = slice_of("Berlin"), .time_zone = slice_of("Europe/Berlin"),
      .retell_agent_id = slice_of("agent_1"), .calcom_event_type_id = 500, .default_service_id = 41 },
    { .id = 22, .company = &salon_companies[0], .key = slice_of("fri/bonn"), .name = slice_of("Bonn"), .time_zone = slice_of("Europe/Berlin") }, /* nothing is set up */
};

[[maybe_unused]] static const struct staff_member salon_staff[] = {
    { .id = 31, .company = &salon_companies[0], .branch_id = 21, .name = slice_of("Lena"), .folded_name = slice_of("lena"), .calcom_user_id = 901 },
    { .id = 32, .company = &salon_companies[0], .branch_id = 21, .name = slice_of("Mia"), .folded_name = slice_of("mia"), .calcom_user_id = 902 },
    { .id = 33, .company = &salon_companies[0], .branch_id = 22, .name = slice_of("Ida"), .folded_name = slice_of("ida"), .calcom_user_id = 903 },
};

[[maybe_unused]] static const struct slice salon_haircut[] = { slice_of("haarschnitt"), slice_of("schneiden") }, salon_colour[] = { slice_of("farbe") },
                          salon_wash[] = { slice_of("waschen"), slice_of("haarschnitt kurz") }, salon_wash_too[] = { slice_of("waschen") };
[[maybe_unused]] static const struct service salon_services[] = {
    { .id = 41, .company = &salon_companies[0], .name = slice_of("Haarschnitt"), .folded_names = salon_haircut, .folded_name_count = 2, .duration_minutes = 30,
      .buffer_before_minutes = 5, .buffer_after_minutes = 10, .notice_minutes = 60, .calcom_event_type_id = 500 },
    { .id = 42, .company = &salon_companies[0], .name = slice_of("Farbe"), .folded_names = salon_colour, .folded_name_count = 1, .duration_minutes = 90 },
    { .id = 43, .company = &salon_companies[0], .name = slice_of("Waschen"), .folded_names = salon_wash, .folded_name_count = 2, .duration_minutes = 15, .calcom_event_type_id = 700 },
    { .id = 44, .company = &salon_companies[0], .name = slice_of("Waschen"), .folded_names = salon_wash_too, .folded_name_count = 1, .duration_minutes = 15, .calcom_event_type_id = 701 },
};

[[maybe_unused]] static const struct staff_service salon_staff_services[] = {
    { &salon_staff[0], &salon_services[0], 501 },
    { &salon_staff[1], &salon_services[0], 502 },
    { &salon_staff[2], &salon_services[0], 503 }, /* of the other branch */
};

[[maybe_unused]] static const struct phone_number salon_numbers[] = { { .number = { "+493012345678" }, .workspace_id = 4, .branch = &salon_branches[0] } };

[[maybe_unused]] static const struct tenant_snapshot salon = {
    .companies = salon_companies, .company_count = 1, .credentials = &salon_credential, .credential_count = 1, .branches = salon_branches, .branch_count = 2,
    .staff = salon_staff, .staff_count = 3, .services = salon_services, .service_count = 4, .staff_services = salon_staff_services, .staff_service_count = 3,
    .numbers = salon_numbers, .number_count = 1,
};
