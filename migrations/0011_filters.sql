-- Filters: words and statuses that a member does not want to see, or wants to be warned of.
SET lock_timeout = '5s';

CREATE TABLE filters (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    title text NOT NULL CHECK (title <> ''),
    contexts text[] NOT NULL CHECK (contexts <> '{}' AND contexts <@ ARRAY['home', 'notifications', 'public', 'thread', 'account']),
    action text NOT NULL DEFAULT 'warn' CHECK (action IN ('warn', 'hide', 'blur')),
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX filters_account ON filters (account_id, id);

CREATE TABLE filter_keywords (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    filter_id bigint NOT NULL REFERENCES filters (id) ON DELETE CASCADE,
    keyword text NOT NULL CHECK (keyword <> '' AND length(keyword) <= 512),
    whole_word boolean NOT NULL DEFAULT true
);
CREATE INDEX filter_keywords_filter ON filter_keywords (filter_id, id);

CREATE TABLE filter_statuses (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    filter_id bigint NOT NULL REFERENCES filters (id) ON DELETE CASCADE,
    status_id bigint NOT NULL,
    UNIQUE (filter_id, status_id)
);
