-- Safety: reports are accepted and stored; the desk that answers them builds on these rows.
SET lock_timeout = '5s';

CREATE TABLE reports (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    target_account_id bigint NOT NULL REFERENCES accounts (id),   -- a reported account is not erased
    status_ids bigint[] NOT NULL DEFAULT '{}',
    evidence jsonb NOT NULL,                              -- the content as it was when it was reported
    evidence_sha256 bytea NOT NULL,                       -- of the evidence in its canonical form, see evidence.py
    comment text NOT NULL DEFAULT '',
    category text NOT NULL CHECK (category IN ('spam', 'legal', 'violation', 'other')),
    rule_ids text[] NOT NULL DEFAULT '{}',
    forward boolean NOT NULL DEFAULT false,
    source text NOT NULL DEFAULT 'user' CHECK (source IN ('user', 'public_notice', 'trusted_flagger',
        'provider_notice', 'authority_order', 'automated')),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'queued', 'assigned', 'escalated', 'closed')),
    action_taken_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reports_open ON reports (id) WHERE state <> 'closed';
CREATE INDEX reports_target ON reports (target_account_id, id);
CREATE INDEX reports_account ON reports (account_id, id);

-- Copies of the reported files, which no route serves. They outlive the original: see safety/jobs.py.
CREATE TABLE evidence_files (
    report_id bigint NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    file text NOT NULL,                                   -- its public name when it was reported
    kept_as text,                                         -- name of the copy below evidence/; NULL: not yet copied
    sha256 bytea,
    size_bytes bigint,
    error text,                                           -- why it could not be copied
    PRIMARY KEY (report_id, file)
);
CREATE INDEX evidence_files_waiting ON evidence_files (report_id) WHERE kept_as IS NULL AND error IS NULL;
