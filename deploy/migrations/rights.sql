-- What the runtime role may do, in whole. Applied after every migrate, to the role named in the setting ringmaster.runtime_role.
-- No rights at all: workspace_keys. Not the sealed key of a company either. No DELETE but of a freed busy range; nothing is changed in the audit.
DO $$
DECLARE
    runtime constant text := current_setting('ringmaster.runtime_role');
    rights text;
BEGIN
    FOREACH rights IN ARRAY ARRAY[
        'USAGE ON SCHEMA public',
        'SELECT ON schema_migrations, workspaces, workspace_agents, branches, phone_numbers, staff, event_types, staff_event_types, webhooks',
        'SELECT (id, key, name, time_zone, calcom_base_url) ON companies',
        'SELECT, INSERT, UPDATE ON customers, calls, call_events, webhook_log, booking_intents, appointments, jobs',
        'SELECT, INSERT, DELETE ON busy_ranges',
        'SELECT, INSERT ON audit_log',
        'EXECUTE ON FUNCTION tenant_snapshot(), open_calls(bigint, bigint, bigint), undecided_calls(bigint, bigint, bigint), due_intents(bigint, bigint)'
    ] LOOP
        EXECUTE format('GRANT %s TO %I', rights, runtime);
    END LOOP;
END $$;
