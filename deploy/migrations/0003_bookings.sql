-- What was decided: intents, the time they occupy, appointments; and what is left for people: jobs, and the audit.

-- The decision to book, written before the first byte goes to Cal.com. One per operation, for ever: asking again finds it.
--
--     written ──► sending ──► booked | pending        refused: a definite no, from any state before booked
--        ▲           │
--        └───────────┴──► unknown ──► (looked up) ──► booked | pending | refused | written
CREATE TABLE booking_intents (
    id                   bigint GENERATED ALWAYS AS IDENTITY,
    company_id           bigint NOT NULL,
    branch_id            bigint NOT NULL,
    call                 bigint NOT NULL,
    customer_id          bigint NOT NULL,
    operation_key        text NOT NULL,
    state                text NOT NULL CHECK (state IN ('written', 'sending', 'unknown', 'pending', 'booked', 'refused')),
    reference            text CHECK (length(reference) <= 40), -- ours, in Cal.com's metadata
    service_id           bigint,
    staff_id             bigint,
    calendar             text,
    calcom_event_type_id bigint,
    starts_at            timestamptz,
    ends_at              timestamptz,
    busy_from            timestamptz,
    busy_until           timestamptz,
    attendee             jsonb,
    payload              text,        -- the exact bytes of the create: a retry sends these again
    step                 text,
    attempts             integer NOT NULL DEFAULT 0,
    first_sent_at        timestamptz,
    last_sent_at         timestamptz,
    next_attempt_at      timestamptz, -- null: nothing is left to do by itself
    last_error           text,
    reason               text,        -- of a refusal, or of being parked
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (company_id, id),
    CONSTRAINT booking_intents_operation UNIQUE (company_id, operation_key),
    CONSTRAINT booking_intents_reference UNIQUE (reference),
    -- An operation that could not even become a request is kept as a refused intent, without what a request needs.
    CHECK (state = 'refused' OR num_nulls(reference, calendar, calcom_event_type_id, starts_at, ends_at, busy_from, busy_until, attendee, payload) = 0),
    CHECK (ends_at > starts_at AND busy_from <= starts_at AND busy_until >= ends_at),
    FOREIGN KEY (company_id, branch_id) REFERENCES branches,
    FOREIGN KEY (company_id, call) REFERENCES calls,
    FOREIGN KEY (company_id, customer_id) REFERENCES customers,
    FOREIGN KEY (company_id, service_id) REFERENCES event_types,
    FOREIGN KEY (company_id, staff_id) REFERENCES staff
);
CREATE INDEX booking_intents_due ON booking_intents (next_attempt_at) WHERE state IN ('written', 'sending', 'unknown', 'pending');
CREATE INDEX booking_intents_by_call ON booking_intents (company_id, call);
SELECT confine('booking_intents');

-- The judge: the time of a calendar that live intents occupy, buffers included. Half open, so back to back is no conflict.
CREATE TABLE busy_ranges (
    company_id bigint NOT NULL,
    intent_id  bigint NOT NULL,
    calendar   text NOT NULL,
    during     tstzrange NOT NULL CHECK (NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during)),
    PRIMARY KEY (company_id, intent_id),
    FOREIGN KEY (company_id, intent_id) REFERENCES booking_intents ON DELETE CASCADE,
    CONSTRAINT busy_ranges_no_overlap EXCLUDE USING gist (company_id WITH =, calendar WITH =, during WITH &&)
);
SELECT confine('busy_ranges');

-- What Cal.com confirmed as ours.
CREATE TABLE appointments (
    id                   bigint GENERATED ALWAYS AS IDENTITY,
    company_id           bigint NOT NULL,
    branch_id            bigint NOT NULL,
    intent_id            bigint NOT NULL,
    call                 bigint NOT NULL,
    customer_id          bigint NOT NULL,
    service_id           bigint,
    staff_id             bigint,
    calcom_booking_uid   text NOT NULL,
    calcom_booking_id    bigint,
    calcom_event_type_id bigint NOT NULL,
    status               text NOT NULL CHECK (status IN ('accepted', 'pending', 'cancelled', 'rejected')),
    starts_at            timestamptz NOT NULL,
    ends_at              timestamptz NOT NULL,
    attendee_name        text,        -- the person it is for, who need not be the customer who called
    host_name            text,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (company_id, id),
    CONSTRAINT appointments_calcom_uid UNIQUE (company_id, calcom_booking_uid),
    CONSTRAINT appointments_one_per_intent UNIQUE (company_id, intent_id),
    FOREIGN KEY (company_id, intent_id) REFERENCES booking_intents
);
CREATE INDEX appointments_by_start ON appointments (company_id, starts_at);
CREATE INDEX appointments_by_customer ON appointments (company_id, customer_id);
SELECT confine('appointments');

-- Work that outlives the process: callbacks and reconciliations for people now, whatever runs by itself later. unique_key: asked for twice, there once.
CREATE TABLE jobs (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    company_id  bigint NOT NULL,
    branch_id   bigint,
    kind        text NOT NULL,     -- 'callback', 'reconcile'
    unique_key  text NOT NULL,
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'running', 'done', 'dead')),
    reason      text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}',
    call        bigint,
    customer_id bigint,
    intent_id   bigint,
    attempts    integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (company_id, id),
    CONSTRAINT jobs_once UNIQUE (company_id, unique_key)
);
CREATE INDEX jobs_due ON jobs (due_at) WHERE state = 'open';
SELECT confine('jobs');

-- Who did what, when. The runtime role may add to it and read it, not change it.
CREATE TABLE audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    company_id bigint NOT NULL,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL,
    subject    text NOT NULL,
    details    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (company_id, id),
    CONSTRAINT audit_log_once UNIQUE (company_id, subject, action, actor, at)
);
SELECT confine('audit_log');

CREATE FUNCTION audit(p_company bigint, p_actor text, p_action text, p_subject text, p_details jsonb, p_at timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audit_log (company_id, at, actor, action, subject, details)
    VALUES (p_company, p_at, p_actor, p_action, p_subject, coalesce(p_details, '{}'))
    ON CONFLICT ON CONSTRAINT audit_log_once DO NOTHING
$$;

-- A task for people about an intent, once.
CREATE FUNCTION add_job(i booking_intents, p_kind text, p_reason text, p_details jsonb, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO jobs (company_id, branch_id, kind, unique_key, reason, details, call, customer_id, intent_id, due_at, created_at)
    VALUES (i.company_id, i.branch_id, p_kind, p_kind || '/' || i.id, p_reason, coalesce(p_details, '{}'), i.call, i.customer_id, i.id, p_now, p_now)
    ON CONFLICT ON CONSTRAINT jobs_once DO NOTHING
$$;

-- Whatever was to be found out about an intent has been.
CREATE FUNCTION finish_reconcile_job(i booking_intents, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
    UPDATE jobs SET state = 'done', finished_at = p_now
    WHERE company_id = i.company_id AND unique_key = 'reconcile/' || i.id AND state <> 'done'
$$;

CREATE FUNCTION write_intent(p_company bigint, p_branch bigint, p_call bigint, p_customer bigint, p_operation_key text, p_reference text, p_service bigint,
                             p_staff bigint, p_calendar text, p_calcom_event_type bigint, p_starts_us bigint, p_ends_us bigint, p_busy_from_us bigint,
                             p_busy_until_us bigint, p_attendee jsonb, p_payload text, p_now_us bigint,
                             OUT intent bigint, OUT state text, OUT is_new boolean) LANGUAGE plpgsql AS $$
DECLARE
    now_at constant timestamptz := instant_of(p_now_us);
BEGIN
    -- One at a time per calendar: two overlapping ranges inserted at once would each wait for the other's transaction, and one would end as a
    -- deadlock a second later instead of as a conflict at once.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_calendar, p_company));

    INSERT INTO booking_intents AS i (company_id, branch_id, call, customer_id, operation_key, state, reference, service_id, staff_id, calendar,
                                      calcom_event_type_id, starts_at, ends_at, busy_from, busy_until, attendee, payload, next_attempt_at, created_at, updated_at)
    VALUES (p_company, p_branch, p_call, p_customer, p_operation_key, 'written', p_reference, p_service, p_staff, p_calendar, p_calcom_event_type,
            instant_of(p_starts_us), instant_of(p_ends_us), instant_of(p_busy_from_us), instant_of(p_busy_until_us), p_attendee, p_payload,
            now_at, now_at, now_at)
    ON CONFLICT ON CONSTRAINT booking_intents_operation DO NOTHING
    RETURNING i.id, i.state INTO intent, state;
    is_new := FOUND;

    IF is_new THEN
        INSERT INTO busy_ranges (company_id, intent_id, calendar, during)
        VALUES (p_company, intent, p_calendar, tstzrange(instant_of(p_busy_from_us), instant_of(p_busy_until_us)));
    ELSE
        SELECT i.id, i.state INTO intent, state FROM booking_intents i WHERE i.company_id = p_company AND i.operation_key = p_operation_key;
    END IF;
END $$;

CREATE FUNCTION refuse_operation(p_company bigint, p_branch bigint, p_call bigint, p_customer bigint, p_operation_key text, p_reason text, p_details jsonb,
                                 p_now_us bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    now_at constant timestamptz := instant_of(p_now_us);
    i booking_intents;
BEGIN
    INSERT INTO booking_intents AS n (company_id, branch_id, call, customer_id, operation_key, state, reason, created_at, updated_at)
    VALUES (p_company, p_branch, p_call, p_customer, p_operation_key, 'refused', p_reason, now_at, now_at)
    ON CONFLICT ON CONSTRAINT booking_intents_operation DO NOTHING
    RETURNING n.* INTO i;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM add_job(i, 'callback', p_reason, p_details, now_at);
    PERFORM audit(p_company, 'engine', 'booking_refused', 'intent/' || i.id, jsonb_build_object('reason', p_reason), now_at);
    RETURN true;
END $$;

-- Cal.com confirmed our booking: the truth, whatever we believed before. A second booking for one intent, or one booking for two intents, is a
-- conflict. Accepted does not become pending again: of two answers that overtook each other, the later state of the booking stays.
CREATE FUNCTION book_intent(p_company bigint, p_intent bigint, p_uid text, p_booking_id bigint, p_status text, p_starts_us bigint, p_ends_us bigint,
                            p_host_name text, p_now_us bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_at constant timestamptz := instant_of(p_now_us);
    i booking_intents;
    new_state text := CASE p_status WHEN 'accepted' THEN 'booked' ELSE 'pending' END;
    appointment bigint;
BEGIN
    SELECT * INTO i FROM booking_intents b WHERE b.company_id = p_company AND b.id = p_intent FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    INSERT INTO appointments AS a (company_id, branch_id, intent_id, call, customer_id, service_id, staff_id, calcom_booking_uid, calcom_booking_id,
                                   calcom_event_type_id, status, starts_at, ends_at, attendee_name, host_name, created_at, updated_at)
    VALUES (p_company, i.branch_id, i.id, i.call, i.customer_id, i.service_id, i.staff_id, p_uid, p_booking_id, i.calcom_event_type_id, p_status,
            instant_of(p_starts_us), instant_of(p_ends_us), i.attendee ->> 'name', p_host_name, now_at, now_at)
    ON CONFLICT ON CONSTRAINT appointments_one_per_intent DO UPDATE
        SET status = CASE WHEN i.state = 'booked' THEN a.status ELSE excluded.status END, updated_at = excluded.updated_at
        WHERE a.calcom_booking_uid = excluded.calcom_booking_uid
    RETURNING a.id INTO appointment;
    IF NOT FOUND THEN
        RAISE unique_violation USING MESSAGE = 'this intent is booked under another uid', CONSTRAINT = 'appointments_one_per_intent';
    END IF;
    IF i.state IN ('booked', new_state) THEN
        RETURN appointment;
    END IF;

    UPDATE booking_intents b SET state = new_state, next_attempt_at = NULL, last_error = NULL, reason = NULL, updated_at = now_at
    WHERE b.company_id = p_company AND b.id = p_intent;
    -- Freed by an earlier refusal, the range is taken again where it still can be; Cal.com has spoken either way.
    INSERT INTO busy_ranges (company_id, intent_id, calendar, during)
    VALUES (p_company, i.id, i.calendar, tstzrange(i.busy_from, i.busy_until)) ON CONFLICT DO NOTHING;
    -- One number, many people: a name is given once and never overwritten.
    UPDATE customers k SET name = i.attendee ->> 'name'
    WHERE k.company_id = p_company AND k.id = i.customer_id AND k.name IS NULL AND i.attendee ->> 'name' IS NOT NULL;
    PERFORM finish_reconcile_job(i, now_at);
    PERFORM audit(p_company, 'engine', 'booking_' || p_status, 'intent/' || i.id, jsonb_build_object('uid', p_uid), now_at);
    RETURN appointment;
END $$;

-- A definite no, and whether it stands. What is booked stays booked; and who does not know of the last create (p_attempts) has no say: another engine, or the one
-- before this, has sent it. Null: a person, who knows.
CREATE FUNCTION refuse_intent(p_company bigint, p_intent bigint, p_reason text, p_details jsonb, p_now_us bigint, p_attempts bigint DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    now_at constant timestamptz := instant_of(p_now_us);
    i booking_intents;
BEGIN
    UPDATE booking_intents b SET state = 'refused', reason = p_reason, next_attempt_at = NULL, updated_at = now_at
    WHERE b.company_id = p_company AND b.id = p_intent AND b.state NOT IN ('booked', 'refused')
        AND (p_attempts IS NULL OR b.attempts = p_attempts) RETURNING b.* INTO i;
    IF NOT FOUND THEN
        RETURN EXISTS (SELECT FROM booking_intents b WHERE b.company_id = p_company AND b.id = p_intent AND b.state = 'refused');
    END IF;
    DELETE FROM busy_ranges WHERE company_id = p_company AND intent_id = p_intent;
    UPDATE appointments SET status = 'rejected', updated_at = now_at WHERE company_id = p_company AND intent_id = p_intent AND status = 'pending';
    PERFORM finish_reconcile_job(i, now_at);
    PERFORM add_job(i, 'callback', p_reason, p_details, now_at);
    PERFORM audit(p_company, 'engine', 'booking_refused', 'intent/' || i.id, jsonb_build_object('reason', p_reason), now_at);
    RETURN true;
END $$;

-- Still unknown after every bound: people look, the engine looks again later, and the time stays taken meanwhile.
CREATE FUNCTION park_intent(p_company bigint, p_intent bigint, p_reason text, p_next_attempt_us bigint, p_now_us bigint, p_attempts bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now_at constant timestamptz := instant_of(p_now_us);
    i booking_intents;
BEGIN
    UPDATE booking_intents b SET state = 'unknown', reason = p_reason, next_attempt_at = instant_of(p_next_attempt_us), updated_at = now_at
    WHERE b.company_id = p_company AND b.id = p_intent AND b.state IN ('written', 'sending', 'unknown', 'pending') AND b.attempts = p_attempts
    RETURNING b.* INTO i;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM add_job(i, 'reconcile', p_reason, NULL, now_at);
    PERFORM audit(p_company, 'engine', 'booking_parked', 'intent/' || i.id, jsonb_build_object('reason', p_reason), now_at);
END $$;

-- Calls that something is waited for, across tenants, a page at a time: the first p_limit behind a place in a stable order, (seen, call). An index has that
-- order, so a page costs what it shows; ids are not given twice, so no two calls have one place. From the first: (0, 0).
--
-- Those without an end; seen: first.
CREATE FUNCTION open_calls(p_after_us bigint, p_after_call bigint, p_limit bigint, OUT company bigint, OUT branch bigint, OUT workspace bigint, OUT call_id text,
                           OUT first_seen_us bigint, OUT call bigint, OUT customer bigint)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT c.company_id, c.branch_id, c.workspace_id, c.call_id, us_of(c.first_seen_at), c.id, c.customer_id
    FROM calls c
    WHERE c.outcome = 'open' AND (c.first_seen_at, c.id) > (instant_of(p_after_us), p_after_call)
    ORDER BY c.first_seen_at, c.id LIMIT p_limit;
END;
REVOKE ALL ON FUNCTION open_calls(bigint, bigint, bigint) FROM PUBLIC;

-- Those that ended with a booking agreed and came to no intent, because something was missing that the analysis may bring; seen:
-- last. Where one begins to read says how long it is waited for.
CREATE FUNCTION undecided_calls(p_after_us bigint, p_after_call bigint, p_limit bigint, OUT company bigint, OUT branch bigint, OUT workspace bigint, OUT call_id text,
                                OUT first_seen_us bigint, OUT call bigint, OUT customer bigint, OUT last_seen_us bigint)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT c.company_id, c.branch_id, c.workspace_id, c.call_id, us_of(c.first_seen_at), c.id, c.customer_id, us_of(c.last_seen_at)
    FROM calls c
    WHERE c.outcome = 'ended' AND c.booking_confirmed AND c.facts_analyzed IS NULL AND (c.last_seen_at, c.id) > (instant_of(p_after_us), p_after_call)
        AND NOT EXISTS (SELECT FROM booking_intents i WHERE i.company_id = c.company_id AND i.call = c.id)
    ORDER BY c.last_seen_at, c.id LIMIT p_limit;
END;
REVOKE ALL ON FUNCTION undecided_calls(bigint, bigint, bigint) FROM PUBLIC;

-- Unfinished intents whose time has come, across tenants.
CREATE FUNCTION due_intents(p_now_us bigint, p_limit bigint, OUT company bigint, OUT intent bigint, OUT calcom_event_type bigint, OUT state text)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT i.company_id, i.id, i.calcom_event_type_id, i.state
    FROM booking_intents i
    WHERE i.state IN ('written', 'sending', 'unknown', 'pending') AND i.next_attempt_at <= instant_of(p_now_us)
    ORDER BY i.next_attempt_at, i.id LIMIT p_limit;
END;
REVOKE ALL ON FUNCTION due_intents(bigint, bigint) FROM PUBLIC;
