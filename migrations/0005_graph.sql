-- The graph: who follows, blocks, mutes and lists whom.
SET lock_timeout = '5s';

CREATE TABLE follows (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    show_reblogs boolean NOT NULL DEFAULT true,
    notify boolean NOT NULL DEFAULT false,
    languages text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, target_id),
    CHECK (account_id <> target_id)
);
CREATE INDEX follows_target ON follows (target_id, id);                  -- pages of followers
CREATE INDEX follows_account ON follows (account_id, id);                -- pages of followed accounts
CREATE INDEX follows_fan_out ON follows (target_id, account_id);         -- all followers, from the index alone
CREATE INDEX follows_notify ON follows (target_id, account_id) WHERE notify;

CREATE TABLE follow_requests (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    show_reblogs boolean NOT NULL DEFAULT true,
    notify boolean NOT NULL DEFAULT false,
    languages text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, target_id),
    CHECK (account_id <> target_id)
);
CREATE INDEX follow_requests_target ON follow_requests (target_id, id);

CREATE TABLE blocks (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, target_id)
);
CREATE INDEX blocks_target ON blocks (target_id, account_id);
CREATE INDEX blocks_account ON blocks (account_id, id);

-- A member who wants nothing to do with a whole other instance.
CREATE TABLE account_domain_blocks (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    domain text NOT NULL CHECK (domain = lower(domain)),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, domain)
);
CREATE INDEX account_domain_blocks_account ON account_domain_blocks (account_id, id);

CREATE TABLE mutes (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    notifications boolean NOT NULL DEFAULT true,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, target_id)
);
CREATE INDEX mutes_account ON mutes (account_id, id);
CREATE INDEX mutes_expiry ON mutes (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE account_notes (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    comment text NOT NULL,
    PRIMARY KEY (account_id, target_id)
);

CREATE TABLE endorsements (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, target_id)
);
CREATE INDEX endorsements_account ON endorsements (account_id, id);

CREATE TABLE lists (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    title text NOT NULL,
    replies_policy text NOT NULL DEFAULT 'list' CHECK (replies_policy IN ('followed', 'list', 'none')),
    exclusive boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX lists_account ON lists (account_id);

CREATE TABLE list_accounts (
    list_id bigint NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,   -- the member of the list
    id bigint NOT NULL DEFAULT parley_id(),
    PRIMARY KEY (list_id, account_id)
);
CREATE INDEX list_accounts_page ON list_accounts (list_id, id);
CREATE INDEX list_accounts_account ON list_accounts (account_id);

CREATE TABLE suggestion_dismissals (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, target_id)
);

-- Accounts with what ties a reader to each, for pages that show both. Other rooms join it.
CREATE FUNCTION accounts_as_seen(viewer bigint, ids bigint[]) RETURNS TABLE (
    id bigint, version integer, updated_at timestamptz, statuses_count bigint, followers_count bigint,
    following_count bigint, last_status_at timestamptz, following boolean, blocked boolean, muting boolean
) LANGUAGE sql STABLE AS $$
    SELECT h.id, h.version, h.updated_at, h.statuses_count, h.followers_count, h.following_count, h.last_status_at,
        EXISTS (SELECT FROM follows f WHERE f.account_id = $1 AND f.target_id = h.id),
        EXISTS (SELECT FROM blocks b WHERE b.account_id = $1 AND b.target_id = h.id)
            OR EXISTS (SELECT FROM blocks b WHERE b.target_id = $1 AND b.account_id = h.id),
        EXISTS (SELECT FROM mutes m WHERE m.account_id = $1 AND m.target_id = h.id
            AND (m.expires_at IS NULL OR m.expires_at > now()))
    FROM account_heads($2) h
$$;
