-- Timelines: home rows written ahead of time, private conversations, reading positions.
SET lock_timeout = '5s';

-- The largest table of a large instance: one row for each post and follower. Hash partitions keep each index small
-- and let old rows be trimmed a partition at a time. See docs/decisions/0003.
CREATE TABLE home_timeline (
    account_id bigint NOT NULL,                           -- whose home
    status_id bigint NOT NULL,                            -- the status or the boost
    author_id bigint NOT NULL,                            -- who posted or boosted
    original_id bigint NOT NULL,                          -- the boosted status, or status_id itself
    PRIMARY KEY (account_id, status_id)
) PARTITION BY HASH (account_id);
DO $$
BEGIN
    FOR n IN 0..15 LOOP
        EXECUTE format('CREATE TABLE home_timeline_%s PARTITION OF home_timeline FOR VALUES WITH (MODULUS 16, REMAINDER %s)', n, n);
    END LOOP;
END
$$;

CREATE TABLE account_conversations (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    conversation_id bigint NOT NULL,
    participant_ids bigint[] NOT NULL,
    last_status_id bigint NOT NULL,
    unread boolean NOT NULL DEFAULT false,
    UNIQUE (account_id, conversation_id)
);
CREATE INDEX account_conversations_recent ON account_conversations (account_id, last_status_id DESC);

CREATE TABLE markers (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    timeline text NOT NULL CHECK (timeline IN ('home', 'notifications')),
    last_read_id bigint NOT NULL,
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, timeline)
);

CREATE TABLE tag_follows (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    tag_id bigint NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, tag_id)
);
CREATE INDEX tag_follows_tag ON tag_follows (tag_id, account_id);
