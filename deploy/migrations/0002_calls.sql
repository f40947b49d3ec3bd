-- What was told: customers, calls, and every webhook that came.

-- One per caller number and company; a caller without a number is a customer of his own, known by the call.
CREATE TABLE customers (
    id                bigint GENERATED ALWAYS AS IDENTITY,
    company_id        bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    key               text,        -- of the provisioning file
    phone             text,        -- E.164
    anonymous_call_id text,        -- the call of a withheld number
    name              text,
    email             text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    CONSTRAINT customers_phone UNIQUE (company_id, phone),
    CONSTRAINT customers_anonymous UNIQUE (company_id, anonymous_call_id),
    CONSTRAINT customers_key UNIQUE (company_id, key)
);
SELECT confine('customers');

-- A call as its events told it. Events come in any order, any number of times; each of the three that matter is kept apart, and the columns from
-- outcome on show analyzed over ended over started, field by field. So no order of arrival can leave another row behind, and since facts hold no
-- nulls, a late one erases nothing. The keys of the facts are written by src/retell/events.c.
CREATE TABLE calls (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    company_id     bigint NOT NULL,
    branch_id      bigint NOT NULL,
    workspace_id   bigint NOT NULL,
    call_id        text NOT NULL,
    customer_id    bigint NOT NULL,
    correlation_id text,
    first_seen_at  timestamptz NOT NULL,
    last_seen_at   timestamptz NOT NULL,
    closed_at      timestamptz,    -- by us, because the end never came
    close_reason   text,
    facts_started  jsonb COMPRESSION lz4,
    facts_ended    jsonb COMPRESSION lz4,
    facts_analyzed jsonb COMPRESSION lz4,
    transcript     text COMPRESSION lz4, -- the longest one that came

    -- Written by show_facts() alone.
    outcome              text NOT NULL, -- open, ended, ended_unknown
    status               text,
    direction            text,
    from_number          text,
    to_number            text,
    agent_id             text,
    agent_version        text,
    started_at           timestamptz,
    ended_at             timestamptz,
    duration_ms          bigint,
    disconnection_reason text,
    recording_url        text,
    public_log_url       text,
    call_summary         text,
    user_sentiment       text,
    call_successful      boolean,
    in_voicemail         boolean,
    cost_cents           numeric,  -- as Retell gives it, fractions of a cent included
    billed_seconds       numeric,
    metadata             jsonb,
    booking              jsonb NOT NULL, -- its fields merged like the others
    booking_confirmed    boolean,

    PRIMARY KEY (company_id, id),
    CONSTRAINT calls_call_id UNIQUE (call_id, workspace_id), -- in this order it also finds a call by its id alone
    FOREIGN KEY (company_id, branch_id) REFERENCES branches,
    FOREIGN KEY (company_id, customer_id) REFERENCES customers
);
CREATE INDEX calls_by_start ON calls (company_id, started_at);
CREATE INDEX calls_by_customer ON calls (company_id, customer_id);
CREATE INDEX calls_open ON calls (first_seen_at, id) WHERE outcome = 'open';
CREATE INDEX calls_undecided ON calls (last_seen_at, id) WHERE outcome = 'ended' AND booking_confirmed AND facts_analyzed IS NULL;
SELECT confine('calls');

-- Not generated columns, though they are that in spirit: PostgreSQL parses the expression of each anew for every statement, which made filing five
-- times as dear.
CREATE FUNCTION show_facts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    facts constant jsonb := coalesce(NEW.facts_started, '{}') || coalesce(NEW.facts_ended, '{}') || coalesce(NEW.facts_analyzed, '{}');
BEGIN
    NEW.outcome              := CASE WHEN NEW.facts_ended IS NOT NULL OR NEW.facts_analyzed IS NOT NULL THEN 'ended'
                                     WHEN NEW.closed_at IS NOT NULL THEN 'ended_unknown' ELSE 'open' END;
    NEW.status               := facts ->> 'call_status';
    NEW.direction            := facts ->> 'direction';
    NEW.from_number          := facts ->> 'from_number';
    NEW.to_number            := facts ->> 'to_number';
    NEW.agent_id             := facts ->> 'agent_id';
    NEW.agent_version        := facts ->> 'agent_version';
    NEW.started_at           := instant_of((facts ->> 'started_at_us')::bigint);
    NEW.ended_at             := instant_of((facts ->> 'ended_at_us')::bigint);
    NEW.duration_ms          := facts ->> 'duration_ms';
    NEW.disconnection_reason := facts ->> 'disconnection_reason';
    NEW.recording_url        := facts ->> 'recording_url';
    NEW.public_log_url       := facts ->> 'public_log_url';
    NEW.call_summary         := facts ->> 'call_summary';
    NEW.user_sentiment       := facts ->> 'user_sentiment';
    NEW.call_successful      := facts ->> 'call_successful';
    NEW.in_voicemail         := facts ->> 'in_voicemail';
    NEW.cost_cents           := facts ->> 'cost_cents';
    NEW.billed_seconds       := facts ->> 'billed_seconds';
    NEW.metadata             := facts -> 'metadata';
    NEW.booking              := coalesce(NEW.facts_started -> 'booking', '{}') || coalesce(NEW.facts_ended -> 'booking', '{}')
                                || coalesce(NEW.facts_analyzed -> 'booking', '{}');
    NEW.booking_confirmed    := NEW.booking ->> 'booking_confirmed';
    RETURN NEW;
END $$;
CREATE TRIGGER show_facts BEFORE INSERT OR UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION show_facts();

-- Every webhook of a call, as it came. The body lies out of line, compressed: reading the rest of the row does not touch it.
-- No foreign keys: a row is written before its call, in the same transaction, and every webhook would lock its company's row for all others.
CREATE TABLE call_events (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    company_id     bigint NOT NULL,
    workspace_id   bigint NOT NULL,
    call_id        text NOT NULL,
    event          text NOT NULL,
    dedupe         text NOT NULL,
    kind           smallint NOT NULL, -- 0 started, 1 ended, 2 analyzed, 3 other
    received_at    timestamptz NOT NULL,
    correlation_id text,
    body           text COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (company_id, id),
    CONSTRAINT call_events_once UNIQUE (call_id, workspace_id, event, dedupe)
) WITH (toast_tuple_target = 256);
CREATE INDEX call_events_by_time ON call_events (received_at);
SELECT confine('call_events');

-- What belongs to no call of a tenant. company_id is null where none was found, and then the workspace is what may see it. The body is bytes:
-- what could not be understood need not be text.
CREATE TABLE webhook_log (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id   bigint NOT NULL,
    company_id     bigint,
    provider       text NOT NULL,
    event          text,
    call_id        text,
    dedupe         text NOT NULL,
    received_at    timestamptz NOT NULL,
    correlation_id text,
    outcome        text NOT NULL CHECK (outcome IN ('unrouted', 'quarantined', 'kept', 'replayed')),
    reason         text,
    body           bytea COMPRESSION lz4 NOT NULL,
    CONSTRAINT webhook_log_once UNIQUE NULLS NOT DISTINCT (workspace_id, provider, event, call_id, dedupe)
);
CREATE INDEX webhook_log_by_time ON webhook_log (received_at);
SELECT confine('webhook_log', 'company_id = current_company() OR company_id IS NULL AND workspace_id = current_workspace()');

-- Bytes as the text that they are, or else in hex.
CREATE FUNCTION shown(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN bytes::text;
END $$;

-- All webhooks in one list, with the rights of whoever asks.
CREATE VIEW webhooks WITH (security_invoker = true) AS
    SELECT 'call'::text AS source, id, workspace_id, company_id, 'retell'::text AS provider, event, call_id, dedupe, received_at, correlation_id,
           'filed'::text AS outcome, NULL::text AS reason, body FROM call_events
    UNION ALL
    SELECT 'log', id, workspace_id, company_id, provider, event, call_id, dedupe, received_at, correlation_id, outcome, reason, shown(body) FROM webhook_log;

-- The customer of a call: by number, or of this call alone. A call that has one already and now comes without a number keeps it.
CREATE FUNCTION customer_of_call(p_company bigint, p_workspace bigint, p_call_id text, p_caller text, p_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_id bigint;
BEGIN
    -- Twice: who lost the race for a new caller finds the winner's row, which is committed by then.
    FOR attempt IN 1..2 LOOP
        IF p_caller IS NOT NULL THEN
            SELECT id INTO found_id FROM customers WHERE company_id = p_company AND phone = p_caller;
        ELSE
            SELECT customer_id INTO found_id FROM calls WHERE call_id = p_call_id AND workspace_id = p_workspace;
            IF found_id IS NULL THEN
                SELECT id INTO found_id FROM customers WHERE company_id = p_company AND anonymous_call_id = p_call_id;
            END IF;
        END IF;
        IF found_id IS NULL THEN
            INSERT INTO customers (company_id, phone, anonymous_call_id, created_at)
            VALUES (p_company, p_caller, CASE WHEN p_caller IS NULL THEN p_call_id END, p_at)
            ON CONFLICT DO NOTHING RETURNING id INTO found_id;
        END IF;
        EXIT WHEN found_id IS NOT NULL;
    END LOOP;
    RETURN found_id;
END $$;

-- Keeps one webhook of a call and merges it. A function, not one statement: each step must see what a concurrent delivery has just committed,
-- which one statement's snapshot would hide. Everyone locks in the same order: event, customer, call.
CREATE FUNCTION file_call_event(p_company bigint, p_branch bigint, p_workspace bigint, p_call_id text, p_event text, p_kind smallint, p_dedupe text,
                                p_received_us bigint, p_correlation_id text, p_body text, p_facts jsonb, p_caller text, p_transcript text,
                                OUT is_new boolean, OUT call bigint, OUT customer bigint, OUT booking_facts text, OUT has_intent boolean,
                                OUT is_closed boolean) LANGUAGE plpgsql AS $$
DECLARE
    received_at constant timestamptz := instant_of(p_received_us);
BEGIN
    -- A copy that comes while the first is being filed waits here for its end.
    INSERT INTO call_events (company_id, workspace_id, call_id, event, dedupe, kind, received_at, correlation_id, body)
    VALUES (p_company, p_workspace, p_call_id, p_event, p_dedupe, p_kind, received_at, p_correlation_id, p_body)
    ON CONFLICT ON CONSTRAINT call_events_once DO NOTHING;
    is_new := FOUND;

    IF is_new THEN
        INSERT INTO calls AS old (company_id, branch_id, workspace_id, call_id, customer_id, correlation_id, first_seen_at, last_seen_at,
                                  facts_started, facts_ended, facts_analyzed, transcript)
        VALUES (p_company, p_branch, p_workspace, p_call_id, customer_of_call(p_company, p_workspace, p_call_id, p_caller, received_at),
                p_correlation_id, received_at, received_at,
                CASE p_kind WHEN 0 THEN p_facts END, CASE p_kind WHEN 1 THEN p_facts END, CASE p_kind WHEN 2 THEN p_facts END, p_transcript)
        ON CONFLICT ON CONSTRAINT calls_call_id DO UPDATE SET
            -- A number that comes to be known replaces "withheld", never another number.
            customer_id = CASE WHEN old.customer_id <> excluded.customer_id AND EXISTS (
                                   SELECT FROM customers k WHERE k.company_id = old.company_id AND k.id = old.customer_id AND k.anonymous_call_id IS NOT NULL)
                               THEN excluded.customer_id ELSE old.customer_id END,
            correlation_id = CASE WHEN excluded.first_seen_at < old.first_seen_at THEN excluded.correlation_id ELSE old.correlation_id END,
            first_seen_at  = least(old.first_seen_at, excluded.first_seen_at),
            last_seen_at   = greatest(old.last_seen_at, excluded.last_seen_at),
            facts_started  = coalesce(old.facts_started, excluded.facts_started),
            facts_ended    = coalesce(old.facts_ended, excluded.facts_ended),
            facts_analyzed = coalesce(old.facts_analyzed, excluded.facts_analyzed),
            transcript     = CASE WHEN (octet_length(old.transcript), old.transcript COLLATE "C") >= (octet_length(excluded.transcript), excluded.transcript COLLATE "C")
                                    OR excluded.transcript IS NULL THEN old.transcript ELSE excluded.transcript END
        RETURNING old.id, old.customer_id, old.booking::text, old.outcome <> 'open',
                  EXISTS (SELECT FROM booking_intents i WHERE i.company_id = old.company_id AND i.call = old.id)
        INTO call, customer, booking_facts, is_closed, has_intent;
    ELSE
        SELECT o.id, o.customer_id, o.booking::text, o.outcome <> 'open', EXISTS (SELECT FROM booking_intents i WHERE i.company_id = o.company_id AND i.call = o.id)
        INTO call, customer, booking_facts, is_closed, has_intent
        FROM calls o WHERE o.call_id = p_call_id AND o.workspace_id = p_workspace;
    END IF;
END $$;
