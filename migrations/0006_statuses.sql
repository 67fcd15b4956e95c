-- Statuses: what people say, and what others do with it.
SET lock_timeout = '5s';

CREATE TYPE status_visibility AS ENUM ('public', 'unlisted', 'private', 'direct');
CREATE TYPE status_state AS ENUM ('published', 'limited', 'held', 'hidden_interim', 'removed', 'author_deleted');
CREATE TYPE quote_state AS ENUM ('accepted', 'revoked', 'denied', 'pending');

CREATE TABLE polls (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint,
    options text[] NOT NULL,
    tallies bigint[] NOT NULL,
    multiple boolean NOT NULL DEFAULT false,
    hide_totals boolean NOT NULL DEFAULT false,
    voters_count bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    closed_at timestamptz,                                -- set by the job that tells voters
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX polls_open ON polls (expires_at) WHERE closed_at IS NULL;

CREATE TABLE poll_votes (
    poll_id bigint NOT NULL REFERENCES polls (id) ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    choice integer NOT NULL,
    PRIMARY KEY (poll_id, account_id, choice)
);

CREATE TABLE custom_emojis (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    shortcode text NOT NULL CHECK (shortcode ~ '^[A-Za-z0-9_]{2,}$'),
    domain text,
    file text NOT NULL,
    static_file text NOT NULL,
    category text,
    visible_in_picker boolean NOT NULL DEFAULT true,
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX custom_emojis_shortcode ON custom_emojis (shortcode, coalesce(domain, ''));

CREATE TABLE statuses (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    conversation_id bigint NOT NULL,                      -- id of the status that began the thread
    in_reply_to_id bigint,
    in_reply_to_account_id bigint,
    reblog_of_id bigint REFERENCES statuses (id) ON DELETE CASCADE,
    quote_of_id bigint,
    quote_state quote_state,
    quote_policy text NOT NULL DEFAULT 'public' CHECK (quote_policy IN ('public', 'followers', 'nobody')),
    visibility status_visibility NOT NULL,
    local_only boolean NOT NULL DEFAULT false,
    state status_state NOT NULL,
    text text NOT NULL DEFAULT '',                        -- as typed
    content_type text NOT NULL DEFAULT 'text/plain' CHECK (content_type IN ('text/plain', 'text/markdown')),
    html text NOT NULL DEFAULT '',                        -- sanitised, ready to show
    spoiler_text text NOT NULL DEFAULT '',
    sensitive boolean NOT NULL DEFAULT false,
    language text,
    mentions jsonb NOT NULL DEFAULT '[]',                 -- [{id, username, domain}]
    mentioned_ids bigint[] NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',                    -- normalised names, in order
    emojis text[] NOT NULL DEFAULT '{}',
    media_ids bigint[] NOT NULL DEFAULT '{}',             -- in order
    media_descriptions text[] NOT NULL DEFAULT '{}',      -- as screened with this revision, in the same order
    poll_id bigint REFERENCES polls (id) ON DELETE SET NULL,
    app_id bigint REFERENCES apps (id) ON DELETE SET NULL,
    version integer NOT NULL DEFAULT 1,                   -- grows with every update: a trigger sees to it
    revision integer NOT NULL DEFAULT 1,
    held_revision integer,                                -- a newer edit that waits for a decision
    screening_id bigint REFERENCES screening_results (id),
    uri text,
    url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    edited_at timestamptz,
    deleted_at timestamptz,
    CHECK (reblog_of_id IS NOT NULL OR screening_id IS NOT NULL)   -- nothing is shown that was not screened
);
CREATE INDEX statuses_account ON statuses (account_id, id DESC);
CREATE INDEX statuses_conversation ON statuses (conversation_id, id);
CREATE INDEX statuses_reply ON statuses (in_reply_to_id, id) WHERE in_reply_to_id IS NOT NULL;
CREATE UNIQUE INDEX statuses_reblog ON statuses (reblog_of_id, account_id) WHERE reblog_of_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX statuses_quote ON statuses (quote_of_id, id) WHERE quote_of_id IS NOT NULL;
CREATE UNIQUE INDEX statuses_uri ON statuses (uri) WHERE uri IS NOT NULL;
-- The public timelines: few rows are public originals of the newest hours, so a partial index pages through them.
CREATE INDEX statuses_public ON statuses (id DESC)
    WHERE visibility = 'public' AND state = 'published' AND reblog_of_id IS NULL AND deleted_at IS NULL;

-- Readers cache a status by (id, version), so no update may forget to raise it.
CREATE FUNCTION raise_status_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER statuses_version BEFORE UPDATE ON statuses FOR EACH ROW EXECUTE FUNCTION raise_status_version();

CREATE TABLE status_stats (
    status_id bigint PRIMARY KEY REFERENCES statuses (id) ON DELETE CASCADE,
    replies_count bigint NOT NULL DEFAULT 0,
    reblogs_count bigint NOT NULL DEFAULT 0,
    favourites_count bigint NOT NULL DEFAULT 0,
    quotes_count bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

-- Every revision, the first included, each with its own screening result.
CREATE TABLE status_revisions (
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    revision integer NOT NULL,
    text text NOT NULL,
    content_type text NOT NULL DEFAULT 'text/plain',
    html text NOT NULL,
    spoiler_text text NOT NULL,
    sensitive boolean NOT NULL,
    language text,
    mentions jsonb NOT NULL DEFAULT '[]',
    tags text[] NOT NULL DEFAULT '{}',
    emojis text[] NOT NULL DEFAULT '{}',
    media_ids bigint[] NOT NULL DEFAULT '{}',
    media_descriptions text[] NOT NULL DEFAULT '{}',
    poll_id bigint,                                       -- the poll that goes with this revision
    poll_options text[],
    quote_policy text NOT NULL DEFAULT 'public',
    screening_id bigint NOT NULL REFERENCES screening_results (id),
    state status_state NOT NULL,                          -- published or held, as the verdict said
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (status_id, revision)
);

-- Who was addressed by whom: one row for each mention of a published status.
CREATE TABLE status_mentions (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,   -- the addressed
    author_id bigint NOT NULL,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, author_id, status_id)
);
CREATE INDEX status_mentions_status ON status_mentions (status_id);

CREATE TABLE favourites (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, status_id)
);
CREATE INDEX favourites_status ON favourites (status_id, id);
CREATE INDEX favourites_account ON favourites (account_id, id DESC);

CREATE TABLE bookmarks (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, status_id)
);
CREATE INDEX bookmarks_account ON bookmarks (account_id, id DESC);
CREATE INDEX bookmarks_status ON bookmarks (status_id);

CREATE TABLE status_pins (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, status_id)
);
CREATE INDEX status_pins_status ON status_pins (status_id);

CREATE TABLE conversation_mutes (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    conversation_id bigint NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
);

CREATE TABLE tags (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    name text NOT NULL UNIQUE,                            -- lower case, NFKC
    display_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tags_prefix ON tags (name text_pattern_ops);

CREATE TABLE status_tags (
    tag_id bigint NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    PRIMARY KEY (tag_id, status_id)
);
CREATE INDEX status_tags_status ON status_tags (status_id);

-- Same key, same author, same result: a client that asks twice posts once.
CREATE TABLE idempotency_keys (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    key text NOT NULL,
    status_id bigint,
    scheduled_status_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE scheduled_statuses (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    scheduled_at timestamptz NOT NULL,
    params jsonb NOT NULL,                                -- a NewStatus
    app_id bigint REFERENCES apps (id) ON DELETE SET NULL,
    media_ids bigint[] NOT NULL DEFAULT '{}',
    failed_at timestamptz,
    error text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX scheduled_statuses_due ON scheduled_statuses (scheduled_at) WHERE failed_at IS NULL;
CREATE INDEX scheduled_statuses_account ON scheduled_statuses (account_id, id);
