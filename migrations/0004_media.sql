-- Media: files that members attach. A file's public name is random; its content hash finds copies.
SET lock_timeout = '5s';

CREATE TYPE media_type AS ENUM ('unknown', 'image', 'gifv', 'video', 'audio');
CREATE TYPE media_state AS ENUM ('processing', 'ready', 'failed');

CREATE TABLE media (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint,                                     -- NULL: uploaded, not yet posted
    scheduled_status_id bigint,
    type media_type NOT NULL DEFAULT 'unknown',
    state media_state NOT NULL DEFAULT 'processing',
    error text,                                           -- a sentence for the member, when failed
    upload_file text,                                     -- the raw upload, deleted once processed
    file text,                                            -- name below media/, unguessable
    preview_file text,
    content_hash bytea,                                   -- SHA-256 of the stored file
    mime_type text,
    size_bytes bigint,
    meta jsonb NOT NULL DEFAULT '{}',                     -- Mastodon's meta: original, small, focus, length, fps...
    blurhash text,
    description text NOT NULL DEFAULT '',
    description_revision integer NOT NULL DEFAULT 1,
    screening_id bigint NOT NULL REFERENCES screening_results (id),
    remote_url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_status ON media (status_id) WHERE status_id IS NOT NULL;
CREATE INDEX media_account ON media (account_id, id);
CREATE INDEX media_unattached ON media (id) WHERE status_id IS NULL AND scheduled_status_id IS NULL;
CREATE INDEX media_content ON media (content_hash);

-- Stored files by content: one copy of the bytes behind many names is possible, the last name removed frees it.
CREATE TABLE files (
    name text PRIMARY KEY,                                -- the public, unguessable name
    content_hash bytea NOT NULL,
    mime_type text NOT NULL,
    size_bytes bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX files_content ON files (content_hash);
