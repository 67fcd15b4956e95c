-- Cases: subjects that settle, reports that merge, reporters and how reliable they are, clocks of subjects, crises.
SET lock_timeout = '5s';

-- ---- Subjects and reports -------------------------------------------------------------------------------------------
ALTER TABLE case_subjects
    ADD COLUMN settled_at timestamptz,                    -- NULL: waits
    ADD COLUMN settled_as text CHECK (settled_as IN ('decided', 'released', 'withdrawn', 'deleted'));
CREATE INDEX case_subjects_waiting ON case_subjects (case_id) WHERE settled_at IS NULL;
CREATE INDEX case_subjects_found ON case_subjects (id) WHERE settled_at IS NULL AND source = 'automated';
CREATE INDEX case_subjects_screening ON case_subjects (screening_id) WHERE screening_id IS NOT NULL;

ALTER TABLE reports
    ADD COLUMN subject_ids bigint[] NOT NULL DEFAULT '{}',  -- case_subjects: what it is about
    ADD COLUMN times integer NOT NULL DEFAULT 1,          -- how often the same reporter said it
    ADD COLUMN muted boolean NOT NULL DEFAULT false,      -- of a reporter who was not listened to then
    ADD COLUMN closed_at timestamptz;
CREATE INDEX reports_again ON reports (account_id, target_account_id, id) WHERE state <> 'closed';
CREATE INDEX reports_orphans ON reports (id) WHERE source = 'automated' AND state <> 'closed' AND case_id IS NULL;

-- ---- The queue ------------------------------------------------------------------------------------------------------
-- The backlog is counted from this index alone; the others give a page of a filtered list in order.
CREATE INDEX cases_backlog ON cases (queue, severity, opened_at) INCLUDE (due_at, leased_until, state, assigned_to)
    WHERE state <> 'closed';
CREATE INDEX cases_severity ON cases (severity, priority DESC, id) WHERE state <> 'closed';
CREATE INDEX cases_source ON cases (source, priority DESC, id) WHERE state <> 'closed';
CREATE INDEX cases_assigned ON cases (assigned_to, priority DESC, id) WHERE state <> 'closed' AND assigned_to IS NOT NULL;
CREATE INDEX cases_escalated ON cases (priority DESC, id) WHERE state = 'escalated';
CREATE INDEX cases_due ON cases (due_at) WHERE state <> 'closed' AND due_at IS NOT NULL;
CREATE INDEX cases_waiting ON cases (id) WHERE state <> 'closed';

-- ---- Reporters ------------------------------------------------------------------------------------------------------
-- A row for whoever has a record: muted, a trusted flagger, or with reports that were decided.
CREATE TABLE reporters (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
    muted_at timestamptz,                                 -- their reports are stored and close by themselves
    muted_by bigint,
    flagger_since timestamptz,                            -- a trusted flagger
    flagger_note text NOT NULL DEFAULT '',
    -- worked out again from the outcomes of their reports:
    reports integer NOT NULL DEFAULT 0,
    acted real NOT NULL DEFAULT 0,                        -- outcomes that count less as they grow old
    not_acted real NOT NULL DEFAULT 0,
    reliability real NOT NULL DEFAULT 0.5,
    weighed_at timestamptz
);
CREATE INDEX reporters_weighed ON reporters (weighed_at);
CREATE INDEX reporters_marked ON reporters (account_id) WHERE muted_at IS NOT NULL OR flagger_since IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON reporters FOR EACH ROW EXECUTE FUNCTION
    log_moderation_row('{flagger_note}', '{reports,acted,not_acted,reliability,weighed_at}');

-- ---- Clocks ---------------------------------------------------------------------------------------------------------
-- Each subject of a case has its own clocks. `measured_at`: nobody had acted, so the program hid it before the time was
-- over; `told_at`: the mail about that, or about the breach, has gone out.
ALTER TABLE sla_clocks
    ADD COLUMN case_subject_id bigint REFERENCES case_subjects (id),
    ADD COLUMN measured_at timestamptz,
    ADD COLUMN told_at timestamptz;
CREATE INDEX sla_clocks_measures ON sla_clocks (due_at) WHERE state = 'running' AND kind IN ('interim', 'first_action');
CREATE INDEX sla_clocks_subject ON sla_clocks (case_subject_id) WHERE case_subject_id IS NOT NULL;
CREATE INDEX sla_clocks_untold ON sla_clocks (ended_at)
    WHERE told_at IS NULL AND (state = 'breached' OR measured_at IS NOT NULL);
DROP TRIGGER logged ON sla_clocks;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON sla_clocks
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{measured_at,told_at}');

-- ---- A crisis -------------------------------------------------------------------------------------------------------
-- Which incident sends cases into the war queue now, and which cases; no row: none.
CREATE TABLE war_queue (
    id bigint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    incident_id bigint NOT NULL,
    severity_at_most smallint NOT NULL CHECK (severity_at_most BETWEEN -1 AND 3),
    clauses text[] NOT NULL DEFAULT '{}'
);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON war_queue
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

-- ---- What screening found -------------------------------------------------------------------------------------------
-- How far the results were looked through for what people must see.
CREATE TABLE case_intake (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    looked_to bigint NOT NULL
);
INSERT INTO case_intake (looked_to) VALUES (((extract(epoch FROM now() - interval '7 days') * 1000)::bigint) << 16);
CREATE INDEX screening_results_look ON screening_results (id) WHERE outcome IN ('allow_flag', 'hold', 'quarantine');
