-- Lists for banks that are too large for one person: kept whole, and looked for once a second person has confirmed them.
SET lock_timeout = '5s';

CREATE TABLE bank_drafts (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    kind text NOT NULL CHECK (kind IN ('entries', 'hashes')),
    bank text NOT NULL,
    source text NOT NULL,
    replace boolean NOT NULL DEFAULT false,               -- also take out what the source had and this list lacks
    entries bigint NOT NULL DEFAULT 0,                    -- how many are new, changed or taken out
    samples jsonb NOT NULL DEFAULT '[]',                  -- the first of them in words, for whoever confirms
    sha256 bytea,                                         -- of its parts, one after the other
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'confirmed', 'refused', 'stale')),
    proposed_by bigint,                                   -- account; NULL: an operator's shell
    proposed_name text NOT NULL DEFAULT '',
    ended_name text NOT NULL DEFAULT '',
    answer text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX bank_drafts_waiting ON bank_drafts (id) WHERE state = 'waiting';
-- What the list holds, compressed; gone once it was decided.
CREATE TABLE bank_draft_parts (
    draft_id bigint NOT NULL REFERENCES bank_drafts (id) ON DELETE CASCADE,
    part integer NOT NULL,
    contents bytea NOT NULL,
    PRIMARY KEY (draft_id, part)
);
CREATE TABLE bank_draft_approvals (
    draft_id bigint NOT NULL REFERENCES bank_drafts (id) ON DELETE CASCADE,
    account_id bigint NOT NULL,
    username text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (draft_id, account_id)
);

-- A programme behind which two people stand may bring in as much as it has.
ALTER TABLE hash_exchanges ADD COLUMN set_by bigint;      -- account; NULL: an operator's shell
CREATE TABLE hash_exchange_approvals (
    exchange_id bigint NOT NULL REFERENCES hash_exchanges (id) ON DELETE CASCADE,
    account_id bigint NOT NULL,
    username text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (exchange_id, account_id)
);
