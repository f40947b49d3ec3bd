-- Who is who: workspaces, companies, branches, numbers, staff, services; and the rules by which a role sees one tenant alone.
--
-- Two roles. The owner runs migrations and provisions tenants: a policy lets it see every row. The runtime role serves: it sees the rows of the
-- company, or of the workspace, that its transaction has set, and nothing when none is set. Row-level security is forced, so not even a table's
-- owner is past it by accident.
--
-- Keys of tenant rows begin with company_id, and foreign keys carry it: a row of one company cannot refer to another company's.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Instants enter and leave as microseconds UTC. Exact to the microsecond beyond the year 2100.
CREATE FUNCTION instant_of(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_timestamp(us::float8 / 1000000);

CREATE FUNCTION us_of(instant timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (extract(epoch FROM instant) * 1000000)::bigint;

-- Set for one transaction by every unit of work. Unset, or left over as the empty text: null, which equals nothing.
CREATE FUNCTION current_company() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('ringmaster.company', true), '')::bigint;

CREATE FUNCTION current_workspace() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('ringmaster.workspace', true), '')::bigint;

-- Every table with rows of tenants goes through here. `visible` is the condition under which a row is the tenant's.
CREATE FUNCTION confine(tenant_table regclass, visible text DEFAULT 'company_id = current_company()') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY owner_sees_all ON %s TO CURRENT_USER USING (true) WITH CHECK (true)', tenant_table);
    EXECUTE format('CREATE POLICY tenant_sees_its_own ON %s USING (%s) WITH CHECK (%s)', tenant_table, visible, visible);
END $$;

CREATE TABLE workspaces (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    name       text NOT NULL,
    token      text NOT NULL UNIQUE,            -- in the URL of its webhooks
    is_default boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX workspaces_one_default ON workspaces (is_default) WHERE is_default;

-- Retell's API keys, which are also the webhooks' signing keys. Sealed by the engine; the key to them is never in the database.
CREATE TABLE workspace_keys (
    workspace_id bigint NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    position     smallint NOT NULL CHECK (position >= 0), -- 0 is the current one; the others are of a rotation
    sealed       bytea NOT NULL,
    PRIMARY KEY (workspace_id, position)
);

CREATE TABLE workspace_agents (
    workspace_id bigint NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    agent_id     text NOT NULL,
    PRIMARY KEY (workspace_id, agent_id)
);

CREATE TABLE companies (
    id                         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key                        text NOT NULL UNIQUE,
    name                       text NOT NULL,
    time_zone                  text NOT NULL,
    calcom_base_url            text,              -- null: api.cal.com
    calcom_api_key_sealed      bytea,             -- null: no Cal.com account
    calcom_bookings_version    text,              -- null: the versions that the engine was written for
    calcom_slots_version       text,
    calcom_event_types_version text
);

CREATE TABLE branches (
    id                   bigint GENERATED ALWAYS AS IDENTITY,
    company_id           bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    key                  text NOT NULL,
    name                 text NOT NULL,
    time_zone            text NOT NULL,
    retell_agent_id      text,
    calcom_event_type_id bigint,                  -- used when a caller names no service
    opening_hours        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (company_id, id),
    UNIQUE (company_id, key)
);

-- The way to a tenant: workspace and called number → branch → company.
CREATE TABLE phone_numbers (
    workspace_id bigint NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    number       text NOT NULL CHECK (number ~ '^\+[1-9][0-9]{1,14}$'),
    company_id   bigint NOT NULL,
    branch_id    bigint NOT NULL,
    PRIMARY KEY (workspace_id, number),
    FOREIGN KEY (company_id, branch_id) REFERENCES branches ON DELETE CASCADE
);
CREATE INDEX phone_numbers_by_branch ON phone_numbers (company_id, branch_id);

CREATE TABLE staff (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    company_id     bigint NOT NULL,
    branch_id      bigint NOT NULL,
    key            text NOT NULL,
    name           text NOT NULL,
    calcom_user_id bigint,
    PRIMARY KEY (company_id, id),
    UNIQUE (company_id, key),
    FOREIGN KEY (company_id, branch_id) REFERENCES branches ON DELETE CASCADE
);

-- Services; called event types because that is what each is at Cal.com.
CREATE TABLE event_types (
    id                    bigint GENERATED ALWAYS AS IDENTITY,
    company_id            bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    key                   text NOT NULL,
    name                  text NOT NULL,
    synonyms              text[] NOT NULL DEFAULT '{}',
    duration_minutes      integer NOT NULL CHECK (duration_minutes > 0),
    buffer_before_minutes integer NOT NULL DEFAULT 0 CHECK (buffer_before_minutes >= 0),
    buffer_after_minutes  integer NOT NULL DEFAULT 0 CHECK (buffer_after_minutes >= 0),
    notice_minutes        integer NOT NULL DEFAULT 0 CHECK (notice_minutes >= 0),
    calcom_event_type_id  bigint,
    PRIMARY KEY (company_id, id),
    UNIQUE (company_id, key)
);

-- Who does what, and under which event type. position: the order of provisioning, in which staff is chosen when none is named.
CREATE TABLE staff_event_types (
    company_id           bigint NOT NULL,
    service_id           bigint NOT NULL,
    staff_id             bigint NOT NULL,
    position             integer NOT NULL,
    calcom_event_type_id bigint,
    PRIMARY KEY (company_id, service_id, staff_id),
    FOREIGN KEY (company_id, service_id) REFERENCES event_types ON DELETE CASCADE,
    FOREIGN KEY (company_id, staff_id) REFERENCES staff ON DELETE CASCADE
);

SELECT confine('workspaces', 'id = current_workspace()');
SELECT confine('workspace_keys', 'workspace_id = current_workspace()');
SELECT confine('workspace_agents', 'workspace_id = current_workspace()');
SELECT confine('companies', 'id = current_company()');
SELECT confine('branches');
SELECT confine('phone_numbers');
SELECT confine('staff');
SELECT confine('event_types');
SELECT confine('staff_event_types');

-- Whoever holds a snapshot of the tenants reads it again when one of these tables was written. Equal notices of one transaction are sent once.
CREATE FUNCTION tenants_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('ringmaster_tenants', '');
    RETURN NULL;
END $$;

DO $$
DECLARE
    config_table text;
BEGIN
    FOREACH config_table IN ARRAY ARRAY['workspaces', 'workspace_keys', 'workspace_agents', 'companies', 'branches', 'phone_numbers', 'staff',
                                        'event_types', 'staff_event_types'] LOOP
        EXECUTE format('CREATE TRIGGER tenants_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION tenants_changed()', config_table);
    END LOOP;
END $$;

-- The one way to see across tenants while serving: who is who, secrets sealed, no customer and no call. src/tenant/snapshot.c documents the shape.
CREATE FUNCTION tenant_snapshot() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
RETURN (SELECT json_build_object(
    'workspaces', (SELECT coalesce(json_agg(json_build_object(
            'id', w.id, 'key', w.key, 'name', w.name, 'token', w.token, 'default', w.is_default,
            'keys', (SELECT coalesce(json_agg(encode(k.sealed, 'hex') ORDER BY k.position), '[]') FROM workspace_keys k WHERE k.workspace_id = w.id),
            'agents', (SELECT coalesce(json_agg(a.agent_id ORDER BY a.agent_id), '[]') FROM workspace_agents a WHERE a.workspace_id = w.id)
        ) ORDER BY w.id), '[]') FROM workspaces w),
    'companies', (SELECT coalesce(json_agg(json_build_object(
            'id', c.id, 'key', c.key, 'name', c.name, 'time_zone', c.time_zone,
            'calcom', CASE WHEN c.calcom_api_key_sealed IS NOT NULL THEN json_build_object(
                'base_url', c.calcom_base_url, 'api_key_sealed', encode(c.calcom_api_key_sealed, 'hex'),
                'bookings_version', c.calcom_bookings_version, 'slots_version', c.calcom_slots_version,
                'event_types_version', c.calcom_event_types_version) END
        ) ORDER BY c.id), '[]') FROM companies c),
    'branches', (SELECT coalesce(json_agg(json_build_object(
            'id', b.id, 'company_id', b.company_id, 'key', b.key, 'name', b.name, 'time_zone', b.time_zone,
            'retell_agent_id', b.retell_agent_id, 'calcom_event_type_id', b.calcom_event_type_id
        ) ORDER BY b.id), '[]') FROM branches b),
    'staff', (SELECT coalesce(json_agg(json_build_object(
            'id', s.id, 'company_id', s.company_id, 'branch_id', s.branch_id, 'key', s.key, 'name', s.name, 'calcom_user_id', s.calcom_user_id
        ) ORDER BY s.id), '[]') FROM staff s),
    'services', (SELECT coalesce(json_agg(json_build_object(
            'id', e.id, 'company_id', e.company_id, 'key', e.key, 'name', e.name, 'synonyms', to_json(e.synonyms),
            'duration_minutes', e.duration_minutes, 'buffer_before_minutes', e.buffer_before_minutes,
            'buffer_after_minutes', e.buffer_after_minutes, 'notice_minutes', e.notice_minutes, 'calcom_event_type_id', e.calcom_event_type_id
        ) ORDER BY e.id), '[]') FROM event_types e),
    'staff_services', (SELECT coalesce(json_agg(json_build_object(
            'staff_id', x.staff_id, 'service_id', x.service_id, 'calcom_event_type_id', x.calcom_event_type_id
        ) ORDER BY x.service_id, x.position), '[]') FROM staff_event_types x),
    'numbers', (SELECT coalesce(json_agg(json_build_object(
            'number', n.number, 'workspace_id', n.workspace_id, 'branch_id', n.branch_id
        ) ORDER BY n.workspace_id, n.number), '[]') FROM phone_numbers n)
)::text);
REVOKE ALL ON FUNCTION tenant_snapshot() FROM PUBLIC;
