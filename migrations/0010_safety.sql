-- Safety: reports are accepted and stored; the desk that answers them builds on these rows.
SET lock_timeout = '5s';

CREATE TABLE reports (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    target_account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_ids bigint[] NOT NULL DEFAULT '{}',
    evidence jsonb NOT NULL,                              -- the content as it was when it was reported
    comment text NOT NULL DEFAULT '',
    category text NOT NULL CHECK (category IN ('spam', 'legal', 'violation', 'other')),
    rule_ids text[] NOT NULL DEFAULT '{}',
    forward boolean NOT NULL DEFAULT false,
    source text NOT NULL DEFAULT 'user',
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'queued', 'assigned', 'escalated', 'closed')),
    action_taken_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reports_open ON reports (id) WHERE state <> 'closed';
CREATE INDEX reports_target ON reports (target_account_id, id);
