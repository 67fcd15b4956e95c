-- Appeals, juries of members, checks of quality, incidents.
SET lock_timeout = '5s';

-- ---- Appeals --------------------------------------------------------------------------------------------------------
ALTER TABLE appeals ADD COLUMN notice_id bigint;          -- of whoever sent a notice without an account
ALTER TABLE appeals ADD COLUMN waits_for text NOT NULL DEFAULT 'staff' CHECK (waits_for IN ('staff', 'jury', 'nobody'));
DROP INDEX appeals_once;
CREATE UNIQUE INDEX appeals_once_author ON appeals (decision_id) WHERE role = 'author';
CREATE UNIQUE INDEX appeals_once_reporter ON appeals (decision_id, account_id)
    WHERE role = 'reporter' AND account_id IS NOT NULL;
CREATE UNIQUE INDEX appeals_once_notice ON appeals (decision_id, coalesce(notice_id, 0), coalesce(report_id, 0))
    WHERE role = 'reporter' AND account_id IS NULL;
CREATE INDEX appeals_decision ON appeals (decision_id);
CREATE INDEX appeals_lease ON appeals (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX appeals_ended ON appeals (ended_at) WHERE ended_at IS NOT NULL;

CREATE FUNCTION refuse_own_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reviewer_id IN (SELECT list_deciders(NEW.decision_id)) THEN
        RAISE EXCEPTION 'whoever made a decision does not review it' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER another_reviewer BEFORE INSERT OR UPDATE OF reviewer_id ON appeals
    FOR EACH ROW WHEN (NEW.reviewer_id IS NOT NULL) EXECUTE FUNCTION refuse_own_review();

CREATE FUNCTION refuse_own_reversal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.decided_by IN (SELECT list_deciders(NEW.reverses_id)) THEN
        RAISE EXCEPTION 'an appeal is not decided by whoever made the decision' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER another_decider BEFORE INSERT OR UPDATE OF decided_by, reverses_id ON decisions
    FOR EACH ROW WHEN (NEW.kind = 'appeal' AND NEW.decided_by IS NOT NULL AND NEW.reverses_id IS NOT NULL)
    EXECUTE FUNCTION refuse_own_reversal();

-- ---- Known answers --------------------------------------------------------------------------------------------------
-- Settled decisions about words, as questions whose answer is known: jurors and moderators are calibrated with them.
CREATE TABLE golden_cases (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    decision_id bigint NOT NULL REFERENCES decisions (id),
    subject_type text NOT NULL CHECK (subject_type IN ('status', 'profile')),
    subject_id bigint NOT NULL,
    revision integer NOT NULL,
    expected text NOT NULL CHECK (expected IN ('breaks', 'fine')),
    clause text,
    made_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz                                -- its decision was reversed, or the words are gone
);
CREATE UNIQUE INDEX golden_cases_one ON golden_cases (subject_type, subject_id, revision);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON golden_cases
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

-- ---- Juries ---------------------------------------------------------------------------------------------------------
CREATE TABLE jury_members (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    opted_in_at timestamptz NOT NULL DEFAULT now()        -- a member's own wish, and nothing that the desk decides
);

CREATE TABLE juries (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    case_id bigint NOT NULL REFERENCES cases (id),
    appeal_id bigint REFERENCES appeals (id),             -- NULL: the case itself is before the jury
    account_id bigint NOT NULL REFERENCES accounts (id),  -- whose conduct it is about
    state text NOT NULL DEFAULT 'convened' CHECK (state IN ('convened', 'sitting', 'decided', 'hung', 'dissolved')),
    seats smallint NOT NULL CHECK (seats >= 3),
    quorum smallint NOT NULL,
    pool bigint[] NOT NULL,                               -- who qualified, in order
    pool_sha256 text NOT NULL,
    seed bytea NOT NULL,                                  -- its SHA-256 goes into the log before, itself with the draw
    convened_event bigint NOT NULL,                       -- whose place in the chain decides the draw together with it
    verdict text CHECK (verdict IN ('breaks', 'fine')),
    clause text,
    decision_id bigint REFERENCES decisions (id),
    convened_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK (quorum > seats / 2 AND quorum <= seats)
);
CREATE UNIQUE INDEX juries_case ON juries (case_id) WHERE ended_at IS NULL;
CREATE INDEX juries_open ON juries (id) WHERE ended_at IS NULL;
CREATE INDEX juries_decision ON juries (decision_id) WHERE decision_id IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON juries
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{seed}', '{pool}');

-- Who had a hand in a decision, and so may not review it: who made it, who approved it as the second person, and whoever
-- sat on the jury that made it.
CREATE FUNCTION list_deciders(decision bigint) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT decided_by FROM decisions WHERE id = decision AND decided_by IS NOT NULL
    UNION SELECT approved_by FROM decisions WHERE id = decision AND approved_by IS NOT NULL
    UNION SELECT s.account_id FROM juries j JOIN jury_seats s ON s.jury_id = j.id
          WHERE j.decision_id = decision AND s.state = 'answered';
END $$;

-- One question to one member: of a jury, or one whose answer is known. Members cannot tell them apart.
CREATE TABLE jury_seats (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    jury_id bigint REFERENCES juries (id),
    golden_id bigint REFERENCES golden_cases (id),
    account_id bigint NOT NULL REFERENCES accounts (id),
    rank integer NOT NULL DEFAULT 0,                      -- in the draw
    state text NOT NULL DEFAULT 'called' CHECK (state IN ('called', 'answered', 'declined', 'expired')),
    vote text CHECK (vote IN ('breaks', 'fine', 'unsure')),
    clause text,
    called_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK ((jury_id IS NULL) <> (golden_id IS NULL)),
    CHECK ((state = 'answered') = (vote IS NOT NULL))
);
CREATE UNIQUE INDEX jury_seats_jury ON jury_seats (jury_id, account_id) WHERE jury_id IS NOT NULL;
CREATE UNIQUE INDEX jury_seats_golden ON jury_seats (golden_id, account_id) WHERE golden_id IS NOT NULL;
CREATE INDEX jury_seats_account ON jury_seats (account_id, id);
CREATE INDEX jury_seats_due ON jury_seats (due_at) WHERE state = 'called';
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON jury_seats
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

CREATE FUNCTION refuse_party_as_juror() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    jury juries;
BEGIN
    SELECT * INTO jury FROM juries WHERE id = NEW.jury_id;
    IF NEW.account_id = jury.account_id
       OR NEW.account_id IN (SELECT account_id FROM reports WHERE case_id = jury.case_id AND account_id IS NOT NULL)
       OR NEW.account_id IN (SELECT list_deciders(a.decision_id) FROM appeals a WHERE a.id = jury.appeal_id) THEN
        RAISE EXCEPTION 'nobody sits on a jury about themselves' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_party BEFORE INSERT ON jury_seats
    FOR EACH ROW WHEN (NEW.jury_id IS NOT NULL) EXECUTE FUNCTION refuse_party_as_juror();

-- ---- Quality --------------------------------------------------------------------------------------------------------
-- Decisions and verdicts that somebody else judges again without being told what was decided.
CREATE TABLE quality_checks (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    decision_id bigint REFERENCES decisions (id),
    screening_id bigint,                                  -- of a hold or a refusal that no person looked at
    golden_id bigint REFERENCES golden_cases (id),
    subject_type text NOT NULL,
    subject_id bigint NOT NULL,
    revision integer,
    account_id bigint NOT NULL REFERENCES accounts (id),  -- whose conduct it is about
    stratum text NOT NULL,                                -- severity-0-person, severity-2-rule, hold, reject, golden
    expected text NOT NULL CHECK (expected IN ('breaks', 'fine')),
    expected_clause text,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'claimed', 'answered', 'dropped')),
    reviewer_id bigint REFERENCES accounts (id),
    leased_until timestamptz,
    answer text CHECK (answer IN ('breaks', 'fine', 'unsure')),
    clause text,
    drawn_at timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    CHECK (num_nonnulls(decision_id, screening_id, golden_id) = 1),
    CHECK ((state = 'answered') = (answer IS NOT NULL))
);
CREATE UNIQUE INDEX quality_checks_decision ON quality_checks (decision_id, subject_type, subject_id)
    WHERE decision_id IS NOT NULL;
CREATE UNIQUE INDEX quality_checks_screening ON quality_checks (screening_id) WHERE screening_id IS NOT NULL;
CREATE UNIQUE INDEX quality_checks_golden ON quality_checks (golden_id, reviewer_id) WHERE golden_id IS NOT NULL;
CREATE INDEX quality_checks_open ON quality_checks (id) WHERE state IN ('waiting', 'claimed');
CREATE INDEX quality_checks_answered ON quality_checks (answered_at) WHERE answered_at IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON quality_checks
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');
CREATE TRIGGER another_reviewer BEFORE INSERT OR UPDATE OF reviewer_id ON quality_checks
    FOR EACH ROW WHEN (NEW.reviewer_id IS NOT NULL AND NEW.decision_id IS NOT NULL) EXECUTE FUNCTION refuse_own_review();

-- How a moderator wants to work: their own wish, and so not in the log.
CREATE TABLE moderator_wellness (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    no_severe_until timestamptz,
    severe_per_day smallint CHECK (severe_per_day BETWEEN 0 AND 500),   -- NULL: the instance's
    unblurred boolean NOT NULL DEFAULT false,
    break_began_at timestamptz
);

ALTER TABLE policy_versions DROP CONSTRAINT policy_versions_source_check;
ALTER TABLE policy_versions ADD CONSTRAINT policy_versions_source_check
    CHECK (source IN ('shipped', 'folder', 'proposed', 'incident'));

-- ---- Incidents ------------------------------------------------------------------------------------------------------
CREATE TABLE incidents (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    kind text NOT NULL CHECK (kind IN ('riot', 'mass_shooting', 'custom')),
    title text NOT NULL,
    why text NOT NULL,
    state text NOT NULL DEFAULT 'declared' CHECK (state IN ('declared', 'active', 'concluded', 'debriefed')),
    declared_by bigint NOT NULL REFERENCES accounts (id),
    scope text[] NOT NULL DEFAULT '{}',                   -- words, #tags and places that it is about
    factor real NOT NULL CHECK (factor > 0 AND factor <= 1),
    hold_new boolean NOT NULL,
    severity_at_most smallint NOT NULL DEFAULT 1,         -- cases as grave as this go to the war queue
    base_policy_sha256 text,                              -- what was live before, and is again after
    base_pinned boolean NOT NULL DEFAULT false,
    policy_sha256 text,                                   -- what is live because of it
    declared_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL,                         -- concluded by itself then
    restored boolean,                                     -- after it: false where people activated another meanwhile
    kept_by bigint REFERENCES accounts (id),              -- the second person, without whom it ends after 72 hours
    concluded_by bigint REFERENCES accounts (id),         -- NULL: by time
    concluded_at timestamptz,
    figures jsonb,                                        -- of the debriefing
    lessons text NOT NULL DEFAULT '',
    debriefed_by bigint REFERENCES accounts (id),
    debriefed_at timestamptz,
    CHECK (kept_by <> declared_by),
    CHECK (ends_at <= declared_at + interval '72 hours 1 minute' OR kept_by IS NOT NULL)
);
CREATE UNIQUE INDEX incidents_open ON incidents ((true)) WHERE state IN ('declared', 'active');   -- one at a time
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON incidents
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{title,why,lessons,scope}', '{}');
CREATE INDEX cases_incident ON cases (incident_id) WHERE incident_id IS NOT NULL;
