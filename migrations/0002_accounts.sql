-- Accounts: who is known here, local or remote, and what their profile says.
SET lock_timeout = '5s';

CREATE TYPE account_state AS ENUM ('pending', 'active', 'limited', 'suspended', 'deleted');

CREATE TABLE accounts (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    username text NOT NULL CHECK (username ~ '^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$' AND length(username) <= 64),
    domain text CHECK (domain = lower(domain)),          -- NULL: a member of this instance
    state account_state NOT NULL DEFAULT 'active',
    display_name text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',                        -- as the member typed it
    note_html text NOT NULL DEFAULT '',
    fields jsonb NOT NULL DEFAULT '[]',                   -- rows: name, value, value_html, verified_at
    emojis text[] NOT NULL DEFAULT '{}',                  -- shortcodes used in name, note and fields
    avatar_file text,                                     -- file names below media/, unguessable
    avatar_static_file text,
    header_file text,
    header_static_file text,
    avatar_description text NOT NULL DEFAULT '',
    header_description text NOT NULL DEFAULT '',
    role text NOT NULL DEFAULT 'member'                   -- the badge; what a role may do is decided from users
        CHECK (role IN ('member', 'moderator', 'admin', 'owner')),
    attribution_domains text[] NOT NULL DEFAULT '{}',     -- sites that may name this account as author
    show_media boolean NOT NULL DEFAULT true,             -- tabs of the profile page
    show_media_replies boolean NOT NULL DEFAULT true,
    show_featured boolean NOT NULL DEFAULT true,
    bot boolean NOT NULL DEFAULT false,
    locked boolean NOT NULL DEFAULT false,
    discoverable boolean NOT NULL DEFAULT true,
    indexable boolean NOT NULL DEFAULT true,
    hide_collections boolean NOT NULL DEFAULT false,
    sensitized boolean NOT NULL DEFAULT false,            -- moderation: all media marked sensitive
    uri text,
    url text,
    merge_on_read boolean NOT NULL DEFAULT false,         -- so many followers that posts are not fanned out
    version integer NOT NULL DEFAULT 1,                   -- grows with every update: see accounts_touch
    revision integer NOT NULL DEFAULT 1,                  -- of the profile, as screened
    screening_id bigint REFERENCES screening_results (id),
    held_revision integer,                                -- a newer profile that waits for a decision
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz,
    CHECK (domain IS NOT NULL OR screening_id IS NOT NULL)
);
CREATE UNIQUE INDEX accounts_address ON accounts (lower(username), coalesce(domain, ''));
CREATE UNIQUE INDEX accounts_uri ON accounts (uri) WHERE uri IS NOT NULL;
CREATE INDEX accounts_name_search ON accounts USING gin (to_tsvector('simple', username || ' ' || display_name));
CREATE INDEX accounts_username_prefix ON accounts (lower(username) text_pattern_ops);
CREATE INDEX accounts_directory ON accounts (id) WHERE discoverable AND state = 'active';
CREATE INDEX accounts_staff ON accounts (id) WHERE role <> 'member';
CREATE INDEX accounts_local ON accounts (id) WHERE domain IS NULL;
CREATE INDEX accounts_domain ON accounts (domain) WHERE domain IS NOT NULL;

-- Readers keep what they rendered under (id, version, updated_at), so no update may forget to change them.
CREATE FUNCTION accounts_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER accounts_touch BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_touch();

-- Every revision of a profile, with the result that let it through or not.
CREATE TABLE profile_revisions (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    revision integer NOT NULL,
    profile jsonb NOT NULL,                               -- a Profile: see social/accounts/profiles.py
    screening_id bigint NOT NULL REFERENCES screening_results (id),
    held boolean NOT NULL,
    sentence text NOT NULL DEFAULT '',                    -- why it is held, for its author
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, revision)
);

-- Counters apart from accounts, so that counting does not rewrite profiles.
CREATE TABLE account_stats (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    statuses_count bigint NOT NULL DEFAULT 0,
    followers_count bigint NOT NULL DEFAULT 0,
    following_count bigint NOT NULL DEFAULT 0,
    last_status_at timestamptz                            -- midnight UTC: clients show the day, and HOT updates stay
) WITH (fillfactor = 70);
CREATE INDEX account_stats_active ON account_stats (last_status_at DESC NULLS LAST, account_id DESC);

-- What happened here, week by week: counted every hour from the events since the last count.
CREATE TABLE activity_weeks (
    week date PRIMARY KEY,                                -- its Monday
    statuses bigint NOT NULL DEFAULT 0,
    logins bigint NOT NULL DEFAULT 0,
    registrations bigint NOT NULL DEFAULT 0
);
CREATE TABLE activity_cursor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    event_id bigint NOT NULL
);
INSERT INTO activity_cursor (event_id) VALUES (0);

-- What changes often of some accounts, and the stamp under which a process may keep the rest. Other rooms join it.
CREATE FUNCTION account_heads(ids bigint[]) RETURNS TABLE (
    id bigint, version integer, updated_at timestamptz, statuses_count bigint, followers_count bigint,
    following_count bigint, last_status_at timestamptz
) LANGUAGE sql STABLE AS $$
    SELECT a.id, a.version, a.updated_at, coalesce(s.statuses_count, 0), coalesce(s.followers_count, 0),
           coalesce(s.following_count, 0), s.last_status_at
    FROM accounts a LEFT JOIN account_stats s ON s.account_id = a.id
    WHERE a.id = ANY($1)
$$;
