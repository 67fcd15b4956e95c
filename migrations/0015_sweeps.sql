-- History judged again: sweeps, backtests, candidates of the text model, and labels, by which the judge is measured.
SET lock_timeout = '5s';

-- Every revision of history once under the ruleset that is live; see safety/sweeps/states.py for what follows what.
CREATE TABLE sweeps (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    state text NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'counted', 'approved', 'running', 'completed', 'aborted')),
    ruleset text NOT NULL,
    reason text NOT NULL,
    changed text[] NOT NULL DEFAULT '{}',                 -- rules and entries of banks for which it was planned
    automatic boolean NOT NULL DEFAULT false,
    planned_by bigint,                                    -- account; NULL: the program, or an operator's command
    release boolean NOT NULL DEFAULT false,               -- also publish what was held and now would not be
    per_second integer NOT NULL CHECK (per_second > 0),   -- how many revisions are judged in a second at most
    after_id bigint NOT NULL,                             -- of screening_results: the range that it covers
    until_id bigint NOT NULL,
    total bigint NOT NULL DEFAULT 0,                      -- results in that range
    counts jsonb NOT NULL DEFAULT '{}',                   -- what counting found: a Count
    expected bigint NOT NULL DEFAULT 0,                   -- how many revisions it would hide, limit or publish
    needs_second boolean NOT NULL DEFAULT false,
    cursor bigint NOT NULL DEFAULT 0,                     -- the last result that was judged; everything up to it is done
    judged bigint NOT NULL DEFAULT 0,
    acted bigint NOT NULL DEFAULT 0,
    unclear bigint NOT NULL DEFAULT 0,                    -- could not be judged completely: left as they are
    note text NOT NULL DEFAULT '',                        -- why it was aborted
    planned_at timestamptz NOT NULL DEFAULT now(),
    counted_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    undone_at timestamptz
);
CREATE INDEX sweeps_open ON sweeps (id) WHERE state NOT IN ('completed', 'aborted');

CREATE TABLE sweep_approvals (
    sweep_id bigint NOT NULL REFERENCES sweeps (id),
    account_id bigint NOT NULL,
    username text NOT NULL,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sweep_id, account_id)
);

-- One row for each revision that a sweep did something about, with what was before.
CREATE TABLE sweep_changes (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    sweep_id bigint NOT NULL REFERENCES sweeps (id),
    subject_type text NOT NULL,
    subject_id bigint NOT NULL,
    revision integer NOT NULL,
    account_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hidden', 'revision_hidden', 'limited', 'released', 'withdrawn', 'flagged')),
    clause text,
    result_before bigint NOT NULL REFERENCES screening_results (id),
    result_after bigint NOT NULL REFERENCES screening_results (id),
    before jsonb NOT NULL DEFAULT '{}',
    report_id bigint REFERENCES reports (id) ON DELETE SET NULL,  -- holds the evidence
    created_at timestamptz NOT NULL DEFAULT now(),
    undone_at timestamptz,
    undo text,                                            -- restored, or why not
    UNIQUE (sweep_id, subject_type, subject_id, revision)
);

-- What a draft would have done. A policy goes live by referring to one of these.
CREATE TABLE backtests (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    ruleset text NOT NULL,
    policy_sha256 text NOT NULL,                          -- of the draft's files
    against text NOT NULL,                                -- the ruleset that was live
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by bigint,
    result jsonb NOT NULL
);
CREATE INDEX backtests_policy ON backtests (policy_sha256, id);

-- What people said should have happened to a revision. Nothing is changed here: of several, the newest counts.
CREATE TABLE labels (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    subject_type text NOT NULL CHECK (subject_type IN ('status', 'poll', 'media', 'profile', 'message')),
    subject_id bigint NOT NULL,
    revision integer NOT NULL,
    outcome verdict_outcome NOT NULL,                     -- what should have happened
    clause text,                                          -- which clause it breaks; NULL: none
    source text NOT NULL CHECK (source IN ('decision', 'appeal', 'quality_check')),
    decided_by bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX labels_subject ON labels (subject_id, revision, id);

-- Text models other than the one that ships, whole, so that every machine of the instance has them. A model is named by
-- the SHA-256 of its text.json, which holds the hashes of its other files.
CREATE TABLE text_models (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    version text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE text_model_files (
    sha256 text NOT NULL REFERENCES text_models (sha256),
    name text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (sha256, name)
);
-- The newest row says which model judges; without rows, and where it is empty, the one that ships does.
CREATE TABLE text_model_promotions (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    sha256 text NOT NULL,
    previous text NOT NULL,
    candidate_id bigint,
    promoted_by bigint,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A model that judges beside the live one, without deciding anything: one at a time.
CREATE TABLE model_candidates (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    sha256 text NOT NULL REFERENCES text_models (sha256),
    state text NOT NULL DEFAULT 'judging' CHECK (state IN ('judging', 'promoted', 'stopped')),
    against text NOT NULL,                                -- the ruleset that was live
    added_by bigint,
    cursor bigint NOT NULL,                               -- of screening_results: the last one that it judged
    compared jsonb,                                       -- the newest comparison
    compared_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX model_candidates_one ON model_candidates ((true)) WHERE state = 'judging';
CREATE TABLE candidate_results (
    candidate_id bigint NOT NULL REFERENCES model_candidates (id) ON DELETE CASCADE,
    result_id bigint NOT NULL REFERENCES screening_results (id),
    outcome verdict_outcome NOT NULL,
    live_outcome verdict_outcome NOT NULL,
    scores jsonb NOT NULL,                                -- by name, those above nothing
    PRIMARY KEY (candidate_id, result_id)
);
