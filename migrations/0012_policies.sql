-- Policies: every version that ever was live, who let it go live, entries of banks, what rules did by the hour, and
-- where shortened links lead.
SET lock_timeout = '5s';

-- A version is named by the SHA-256 of its files (screening/reading.py: hash_files) and never changes.
CREATE TABLE policy_versions (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    name text NOT NULL,
    version text NOT NULL,
    source text NOT NULL CHECK (source IN ('shipped', 'folder', 'proposed')),
    proposed_by bigint,                                   -- account; NULL: the program or the operator's folder
    proposed_name text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE policy_files (
    sha256 text NOT NULL REFERENCES policy_versions (sha256),
    name text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (sha256, name)
);
CREATE TABLE policy_approvals (
    sha256 text NOT NULL REFERENCES policy_versions (sha256),
    account_id bigint NOT NULL,
    username text NOT NULL,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sha256, account_id)
);
-- What a proposed version would have done to history. The backtest itself is kept by whoever ran it.
CREATE TABLE policy_backtests (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    sha256 text NOT NULL REFERENCES policy_versions (sha256),
    backtest_id bigint NOT NULL,
    against text NOT NULL,                                -- SHA-256 of the ruleset with which it was compared
    judged bigint NOT NULL CHECK (judged >= 0),
    stopped bigint NOT NULL CHECK (stopped >= 0),         -- newly held, refused or quarantined
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX policy_backtests_version ON policy_backtests (sha256, id);
-- The newest row is the live policy. `pinned` ones stay; others follow the folder or the shipped policy.
CREATE TABLE policy_activations (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    sha256 text NOT NULL REFERENCES policy_versions (sha256),
    ruleset text NOT NULL,
    pinned boolean NOT NULL,
    activated_by bigint,
    activated_name text NOT NULL DEFAULT '',
    backtest_id bigint,
    needs_second boolean NOT NULL DEFAULT false,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row for each change of the banks: its id is the banks' revision.
CREATE TABLE bank_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint,
    username text NOT NULL DEFAULT '',
    what text NOT NULL,
    added integer NOT NULL DEFAULT 0,
    removed integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Entries are never changed or deleted: they are removed in a change, so that the banks of any moment can be had again.
CREATE TABLE bank_entries (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    bank text NOT NULL CHECK (bank IN ('words', 'links', 'emails', 'addresses', 'names')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
    tier text NOT NULL CHECK (tier IN ('reject', 'hold', 'flag')),
    clause text NOT NULL,
    title text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('DRAFT', 'BACKGROUND', 'LIVE', 'EXPIRED')),
    items text[] NOT NULL DEFAULT '{}',                   -- phrases, domains or networks
    patterns text[] NOT NULL DEFAULT '{}',                -- of whole URLs or user names, RE2
    unless text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    note text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    extra jsonb NOT NULL DEFAULT '{}',                    -- columns of other programs' lists, for exporting them again
    created_by bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    added_in bigint NOT NULL REFERENCES bank_changes (id),
    removed_in bigint REFERENCES bank_changes (id),
    CHECK (cardinality(items) + cardinality(patterns) > 0)
);
CREATE UNIQUE INDEX bank_entries_name ON bank_entries (bank, name) WHERE removed_in IS NULL;
CREATE INDEX bank_entries_added ON bank_entries (added_in);

-- Everything that is needed to have a ruleset again: the files and the banks' revision.
CREATE TABLE rulesets (
    sha256 text PRIMARY KEY,
    policy_sha256 text NOT NULL REFERENCES policy_versions (sha256),
    bank_revision bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What rules did, by the hour, counted by a job from screening_results.
CREATE TABLE rule_hours (
    rule text NOT NULL,
    hour timestamptz NOT NULL,
    fired integer NOT NULL DEFAULT 0,                     -- BACKGROUND ones too
    acted integer NOT NULL DEFAULT 0,                     -- limited, held, refused or quarantined
    PRIMARY KEY (rule, hour)
);
CREATE TABLE rule_counting (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    counted_to bigint NOT NULL DEFAULT 0
);
INSERT INTO rule_counting DEFAULT VALUES;
CREATE TABLE rule_caps (
    rule text NOT NULL,
    hour timestamptz NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (rule, hour)
);
CREATE TABLE rule_alarms (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    rule text NOT NULL,
    hour timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('cap', 'many', 'few')),
    count integer NOT NULL,
    expected double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (rule, hour, kind)
);

-- Where links behind shorteners lead. NULL final_url: it could not be found out, for the reason in `problem`.
CREATE TABLE resolved_links (
    url_sha256 bytea PRIMARY KEY,
    url text NOT NULL,
    hops text[] NOT NULL DEFAULT '{}',
    final_url text,
    problem text NOT NULL DEFAULT '',
    resolved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resolved_links_age ON resolved_links (resolved_at);

-- What the banks of sign-up found about a new account: why it waits for approval, or is looked at afterwards.
CREATE TABLE sign_up_notes (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    tier text NOT NULL CHECK (tier IN ('hold', 'flag')),
    clause text NOT NULL,
    because text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
