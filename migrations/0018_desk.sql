-- The desk: the moderation log, and the states of cases, decisions, appeals and clocks, which are projections of it.
-- See docs/decisions/0015-moderation-log.md.
SET lock_timeout = '5s';

-- ---- The log --------------------------------------------------------------------------------------------------------
-- Append-only and chained: hash = SHA-256(previous hash || seq || line feed || id || line feed || body), the numbers as
-- decimal text, the first previous hash empty. A row gets its place when its transaction commits, so that writers wait
-- for each other only then.
CREATE TABLE moderation_events (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    seq bigint UNIQUE,                                    -- 1, 2, 3 ...; NULL only until the transaction commits
    type text NOT NULL,
    actor_type text NOT NULL CHECK (actor_type IN ('human', 'rule', 'system', 'provider', 'member', 'public')),
    actor_id bigint,
    case_id bigint,
    subject_type text,
    subject_id bigint,
    body text NOT NULL,                                   -- JSON: everything of the above and the payload; what is hashed
    previous bytea,
    hash bytea
) WITH (fillfactor = 70);
CREATE INDEX moderation_events_case ON moderation_events (case_id, id) WHERE case_id IS NOT NULL;
CREATE INDEX moderation_events_subject ON moderation_events (subject_type, subject_id, id) WHERE subject_id IS NOT NULL;
CREATE INDEX moderation_events_actor ON moderation_events (actor_type, actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX moderation_events_type ON moderation_events (type, id) WHERE type <> 'row_changed';

CREATE TABLE moderation_chain (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION seal_moderation_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head moderation_chain;
    sealed bytea;
BEGIN
    SELECT * INTO head FROM moderation_chain FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO moderation_chain (seq, hash) VALUES (0, '\x'::bytea) ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM moderation_chain FOR UPDATE;
    END IF;
    sealed := sha256(head.hash || convert_to((head.seq + 1)::text || E'\n' || NEW.id::text || E'\n' || NEW.body, 'UTF8'));
    UPDATE moderation_chain SET seq = head.seq + 1, hash = sealed;
    UPDATE moderation_events SET seq = head.seq + 1, previous = head.hash, hash = sealed WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER sealed AFTER INSERT ON moderation_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION seal_moderation_event();

CREATE FUNCTION keep_moderation_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.seq IS NULL AND NEW.body = OLD.body AND NEW.id = OLD.id AND NEW.type = OLD.type THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the moderation log is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON moderation_events
    FOR EACH ROW EXECUTE FUNCTION keep_moderation_events();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON moderation_events
    FOR EACH STATEMENT EXECUTE FUNCTION keep_moderation_events();

-- A row as the log speaks of it: what must not stand in a log that is never shortened (text, mail addresses) is there
-- as its hash only (0033 salts it); what is worked out again at any time (`ignored`) is not there.
CREATE FUNCTION moderation_row(whole jsonb, hidden text[], ignored text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    name text;
BEGIN
    whole := whole - ignored;
    FOREACH name IN ARRAY hidden LOOP
        IF whole ->> name IS NOT NULL THEN
            whole := jsonb_set(whole, ARRAY[name],
                to_jsonb('sha256:' || encode(sha256(convert_to(whole ->> name, 'UTF8')), 'hex')));
        END IF;
    END LOOP;
    RETURN whole;
END $$;

-- On a table of the desk: every change of a row goes into the log, beside the event that caused it. A change without an
-- event is refused. Arguments: the hidden and the ignored columns, each as an array's text. The table's key is `id`.
CREATE FUNCTION log_moderation_row() RETURNS trigger LANGUAGE plpgsql
SET timezone = 'UTC' SET bytea_output = 'hex' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
DECLARE
    cause text := current_setting('parley.moderation_event', true);
    after jsonb := '{}';
    before jsonb := '{}';
    changed jsonb;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        after := moderation_row(to_jsonb(NEW), TG_ARGV[0]::text[], TG_ARGV[1]::text[]);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        before := moderation_row(to_jsonb(OLD), TG_ARGV[0]::text[], TG_ARGV[1]::text[]);
    END IF;
    IF before = after THEN
        RETURN NULL;
    END IF;
    IF coalesce(cause, '') = '' THEN
        RAISE EXCEPTION 'a change of % needs an event in the moderation log first', TG_TABLE_NAME;
    END IF;
    SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO changed
    FROM jsonb_each(after) WHERE value IS DISTINCT FROM before -> key;
    INSERT INTO moderation_events (type, actor_type, body)
    VALUES ('row_changed', 'system', jsonb_build_object('type', 'row_changed', 'cause', cause, 'table', TG_TABLE_NAME,
        'id', coalesce(after ->> 'id', before ->> 'id'), 'op', lower(TG_OP), 'row', changed)::text);
    RETURN NULL;
END $$;

-- The rows of a table of the desk as the log must have them, for `parley audit verify`.
CREATE FUNCTION list_moderation_rows(name text) RETURNS TABLE (id text, contents jsonb) LANGUAGE plpgsql STABLE
SET timezone = 'UTC' SET bytea_output = 'hex' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
DECLARE
    arguments text[];
BEGIN
    SELECT string_to_array(encode(tgargs, 'escape'), '\000') INTO arguments
    FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = 'logged';
    RETURN QUERY EXECUTE format(
        'SELECT (to_jsonb(one) ->> ''id''), moderation_row(to_jsonb(one), $1, $2) FROM %I one', name)
    USING arguments[1]::text[], arguments[2]::text[];
END $$;

-- ---- Cases ----------------------------------------------------------------------------------------------------------
-- One open case for each account, with what it did as the subjects of the case; see docs/decisions/0016-cases.md.
CREATE TABLE cases (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id),  -- whose conduct it is about
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'queued', 'assigned', 'escalated', 'closed')),
    queue text NOT NULL DEFAULT 'main',                   -- main, urgent, legal, jury, war (see safety/cases/routing.py)
    source text NOT NULL,                                 -- the gravest source of its reports
    clause text,                                          -- the gravest clause that was named or found
    severity smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    incident_id bigint,
    assigned_to bigint REFERENCES accounts (id),
    leased_until timestamptz,
    escalated_to text,                                    -- a role or a name; why stands in the event
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    due_at timestamptz,                                   -- of the clock that ends first; NULL: none runs
    -- worked out again by a job, and so not in the log:
    reports_count integer NOT NULL DEFAULT 0,
    reporters_count integer NOT NULL DEFAULT 0,
    reach bigint NOT NULL DEFAULT 0,                      -- how many may have seen it
    reach_per_hour real NOT NULL DEFAULT 0,
    confidence real NOT NULL DEFAULT 0,                   -- 0 to 1: how sure signals and reporters are
    priority double precision NOT NULL DEFAULT 0          -- higher first; see safety/cases/priority.py
);
CREATE UNIQUE INDEX cases_open ON cases (account_id) WHERE state <> 'closed';
CREATE INDEX cases_queue ON cases (queue, priority DESC, id) WHERE state <> 'closed';
CREATE INDEX cases_priority ON cases (priority DESC, id) WHERE state <> 'closed';
CREATE INDEX cases_account ON cases (account_id, id);
CREATE INDEX cases_lease ON cases (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX cases_closed ON cases (closed_at) WHERE closed_at IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON cases FOR EACH ROW EXECUTE FUNCTION
    log_moderation_row('{}', '{reports_count,reporters_count,reach,reach_per_hour,confidence,priority}');

-- What a case is about: the account's profile, its statuses, media, messages. Each ends with a decision of its own.
CREATE TABLE case_subjects (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    case_id bigint NOT NULL REFERENCES cases (id),
    subject_type text NOT NULL CHECK (subject_type IN ('account', 'status', 'media', 'profile', 'conversation')),
    subject_id bigint NOT NULL,                           -- of an account or a profile: the account's id
    revision integer,                                     -- as it was when it came into the case
    clause text,
    severity smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    source text NOT NULL,
    screening_id bigint,                                  -- the result that held or flagged it
    evidence_id bigint,                                   -- evidence_snapshots
    decision_id bigint,                                   -- NULL: not decided
    interim_decision_id bigint,                           -- hidden until somebody decides
    added_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX case_subjects_one ON case_subjects (case_id, subject_type, subject_id);
CREATE INDEX case_subjects_subject ON case_subjects (subject_type, subject_id, id);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON case_subjects
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

ALTER TABLE reports ADD COLUMN case_id bigint REFERENCES cases (id);
ALTER TABLE reports ADD COLUMN notice_id bigint;          -- the notice from outside that it came with
ALTER TABLE reports ADD COLUMN clause text;               -- the gravest that was named
ALTER TABLE reports ADD COLUMN outcome text CHECK (outcome IN ('acted', 'not_acted'));
CREATE INDEX reports_case ON reports (case_id, id);
CREATE INDEX reports_notice ON reports (notice_id) WHERE notice_id IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON reports
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{evidence,comment}', '{}');

CREATE TABLE case_notes (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    case_id bigint REFERENCES cases (id),                 -- NULL: a note on the account itself
    account_id bigint NOT NULL REFERENCES accounts (id),
    written_by bigint NOT NULL REFERENCES accounts (id),
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX case_notes_account ON case_notes (account_id, id);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON case_notes
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{text}', '{}');

-- ---- Clocks ---------------------------------------------------------------------------------------------------------
CREATE TABLE sla_clocks (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    case_id bigint REFERENCES cases (id),
    notice_id bigint,
    appeal_id bigint,
    kind text NOT NULL CHECK (kind IN ('acknowledge', 'first_action', 'resolve', 'interim', 'appeal', 'preserve')),
    source text NOT NULL,
    severity smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'met', 'breached')),
    started_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    paused_at timestamptz,
    ended_at timestamptz                                  -- met or breached
);
CREATE INDEX sla_clocks_due ON sla_clocks (due_at) WHERE state = 'running';
CREATE INDEX sla_clocks_case ON sla_clocks (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX sla_clocks_notice ON sla_clocks (notice_id) WHERE notice_id IS NOT NULL;
CREATE INDEX sla_clocks_appeal ON sla_clocks (appeal_id) WHERE appeal_id IS NOT NULL;
CREATE INDEX sla_clocks_ended ON sla_clocks (ended_at, state) WHERE ended_at IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON sla_clocks
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

-- ---- Decisions ------------------------------------------------------------------------------------------------------
-- A reasoned decision about subjects of one account. Taking no action is one too.
CREATE TABLE decisions (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    case_id bigint REFERENCES cases (id),
    account_id bigint NOT NULL REFERENCES accounts (id),  -- whom it is about
    kind text NOT NULL CHECK (kind IN ('decision', 'interim', 'appeal', 'undo', 'jury', 'sweep', 'screening', 'expiry')),
    decided_by bigint REFERENCES accounts (id),           -- NULL: a rule, a clock, a jury
    automated_detection boolean NOT NULL,
    automated_decision boolean NOT NULL,
    source text NOT NULL,                                 -- of the report or finding that led to it
    clause text,                                          -- NULL: nothing was broken
    severity smallint,
    policy_sha256 text NOT NULL,
    ruleset text NOT NULL,
    facts text NOT NULL DEFAULT '',                       -- what was found, for its author to read
    reasons text NOT NULL DEFAULT '',                     -- why it breaks the clause, for its author to read
    language text NOT NULL DEFAULT 'en',
    reverses_id bigint REFERENCES decisions (id),
    reversed_by_id bigint REFERENCES decisions (id),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_case ON decisions (case_id, id);
CREATE INDEX decisions_account ON decisions (account_id, id);
CREATE INDEX decisions_decided_by ON decisions (decided_by, id) WHERE decided_by IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON decisions
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{facts,reasons}', '{}');

-- What a decision did, to what; `before` is what its reversal restores.
CREATE TABLE decision_actions (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    decision_id bigint NOT NULL REFERENCES decisions (id),
    account_id bigint NOT NULL REFERENCES accounts (id),
    kind text NOT NULL CHECK (kind IN ('no_action', 'publish', 'warn', 'label', 'sensitive', 'limit', 'hide', 'remove',
        'remove_media', 'quarantine', 'require_change', 'restrict_posting', 'limit_account', 'freeze', 'suspend', 'terminate')),
    subject_type text NOT NULL,
    subject_id bigint NOT NULL,
    revision integer,
    ends_at timestamptz,                                  -- NULL: until somebody takes it back
    before jsonb NOT NULL DEFAULT '{}',
    applied_at timestamptz NOT NULL DEFAULT now(),
    reversed_at timestamptz,
    reversed_by_id bigint REFERENCES decisions (id)
);
CREATE INDEX decision_actions_decision ON decision_actions (decision_id);
CREATE INDEX decision_actions_subject ON decision_actions (subject_type, subject_id, id);
CREATE INDEX decision_actions_account ON decision_actions (account_id, id);
CREATE INDEX decision_actions_end ON decision_actions (ends_at) WHERE ends_at IS NOT NULL AND reversed_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON decision_actions
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

CREATE TABLE strikes (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id),
    decision_id bigint NOT NULL REFERENCES decisions (id),
    clause text NOT NULL,
    weight integer NOT NULL CHECK (weight > 0),
    expires_at timestamptz NOT NULL,
    refunded_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX strikes_account ON strikes (account_id, expires_at) WHERE refunded_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON strikes
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

-- ---- Appeals --------------------------------------------------------------------------------------------------------
CREATE TABLE appeals (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    decision_id bigint NOT NULL REFERENCES decisions (id),
    case_id bigint REFERENCES cases (id),
    role text NOT NULL CHECK (role IN ('author', 'reporter')),
    account_id bigint REFERENCES accounts (id),           -- NULL: whoever sent a notice without an account
    report_id bigint REFERENCES reports (id),             -- of the reporter
    state text NOT NULL DEFAULT 'received'
        CHECK (state IN ('received', 'queued', 'in_review', 'upheld', 'overturned', 'modified')),
    text text NOT NULL,
    reviewer_id bigint REFERENCES accounts (id),
    leased_until timestamptz,
    appeal_decision_id bigint REFERENCES decisions (id),  -- what came of it
    answer text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX appeals_once ON appeals (decision_id, role, coalesce(account_id, 0), coalesce(report_id, 0));
CREATE INDEX appeals_open ON appeals (id) WHERE ended_at IS NULL;
CREATE INDEX appeals_account ON appeals (account_id, id);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON appeals
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{text,answer}', '{}');
