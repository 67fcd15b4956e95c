-- Timelines: home rows written ahead of time, private conversations, reading positions, tags that members follow.
SET lock_timeout = '5s';

-- The largest table of a large instance: one row for each post and follower. Hash partitions keep each index small
-- and let old rows be trimmed a partition at a time. See docs/decisions/0003. A row says only that a status was sent
-- to a home; whether its reader may still see it is asked of the statuses when it is read. A page of home reads the
-- primary key alone: the other columns ride in it.
CREATE TABLE home_timeline (
    account_id bigint NOT NULL,                           -- whose home
    status_id bigint NOT NULL,                            -- the status or the boost
    author_id bigint NOT NULL,                            -- who posted or boosted
    original_id bigint NOT NULL,                          -- the boosted status, or status_id itself
    via_tag boolean NOT NULL DEFAULT false,               -- here for a followed tag, not for its author
    PRIMARY KEY (account_id, status_id) INCLUDE (author_id, original_id, via_tag)
) PARTITION BY HASH (account_id);
DO $$
BEGIN
    FOR n IN 0..15 LOOP
        EXECUTE format('CREATE TABLE home_timeline_%s PARTITION OF home_timeline FOR VALUES WITH (MODULUS 16, REMAINDER %s)'
            ' WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05)', n, n);
    END LOOP;
END
$$;

-- Whom a reader does not see: blocked by either side, or muted. Written so that the planner inlines it.
CREATE FUNCTION hidden_accounts(reader bigint) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS $$
    SELECT target_id FROM blocks WHERE account_id = reader
    UNION ALL
    SELECT account_id FROM blocks WHERE target_id = reader
    UNION ALL
    SELECT target_id FROM mutes WHERE account_id = reader AND (expires_at IS NULL OR expires_at > now())
$$;

-- Authors whose posts are merged into homes when these are read. Few, and so a small index.
CREATE INDEX accounts_merge_on_read ON accounts (id) WHERE merge_on_read;

CREATE TABLE account_conversations (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    conversation_id bigint NOT NULL,
    participant_ids bigint[] NOT NULL,                    -- the others, without account_id
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

-- Tags that a member shows on the own profile.
CREATE TABLE featured_tags (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    tag_id bigint NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    UNIQUE (account_id, tag_id)
);
