-- Media: files that members attach. A file's public name is random; its bytes are stored once for each content.
SET lock_timeout = '5s';

CREATE TYPE media_type AS ENUM ('unknown', 'image', 'gifv', 'video', 'audio');
CREATE TYPE media_state AS ENUM ('processing', 'ready', 'failed');

-- Every stored file that may be served, and what the server says of it: never what a client claimed.
CREATE TABLE files (
    name text PRIMARY KEY,                                -- the public, unguessable name
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    content_hash bytea NOT NULL,                          -- SHA-256 of the stored bytes
    content_key text NOT NULL,                            -- where they lie; names of equal bytes share it
    mime_type text NOT NULL,
    size_bytes bigint NOT NULL,
    hidden boolean NOT NULL DEFAULT false,                -- moderation: kept as evidence, served to nobody
    withdrawn boolean NOT NULL DEFAULT false,             -- its post was deleted; served again if posted again
    removed_at timestamptz,                               -- gone for good; the row waits for its bytes to go
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX files_content ON files (content_hash);
CREATE INDEX files_key ON files (content_key);
CREATE INDEX files_removed ON files (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX files_account ON files (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE media (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint,                                     -- NULL: uploaded, not yet posted
    scheduled_status_id bigint,
    type media_type NOT NULL DEFAULT 'unknown',
    state media_state NOT NULL DEFAULT 'processing',
    error text,                                           -- a sentence for the member, when failed
    upload_file text,                                     -- the raw upload, deleted once processed
    upload_thumbnail text,                                -- a raw thumbnail of the member's own, likewise
    file text,                                            -- name below media/
    preview_file text,
    content_hash bytea,                                   -- SHA-256 of the stored file
    mime_type text,
    size_bytes bigint,
    meta jsonb NOT NULL DEFAULT '{}',                     -- Mastodon's meta: original, small, length, fps...
    focus_x double precision,
    focus_y double precision,
    blurhash text,
    description text NOT NULL DEFAULT '',                 -- the newest revision that others may read
    description_revision integer NOT NULL DEFAULT 1,      -- the newest revision, shown or held
    screening_id bigint NOT NULL REFERENCES screening_results (id),
    remote_url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_status ON media (status_id) WHERE status_id IS NOT NULL;
CREATE INDEX media_scheduled ON media (scheduled_status_id) WHERE scheduled_status_id IS NOT NULL;
CREATE INDEX media_account ON media (account_id, id);
CREATE INDEX media_unattached ON media (updated_at) WHERE status_id IS NULL AND scheduled_status_id IS NULL;
CREATE INDEX media_content ON media (content_hash);
CREATE INDEX media_file ON media (file);

-- Every revision of a description with the result that let it through or not.
CREATE TABLE media_descriptions (
    media_id bigint NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    revision integer NOT NULL,
    description text NOT NULL,
    held boolean NOT NULL,
    sentence text NOT NULL DEFAULT '',                    -- why it is held, for its author
    screening_id bigint NOT NULL REFERENCES screening_results (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (media_id, revision)
);
