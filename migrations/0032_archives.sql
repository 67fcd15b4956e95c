-- What members take away and bring along: archives, imports, and statuses that were first posted elsewhere.
SET lock_timeout = '5s';

-- Everything that is a member's, packed into one file that its owner alone can fetch, for some days.
CREATE TABLE archives (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'writing', 'ready', 'failed', 'expired')),
    file text,                                            -- name in the area of archives, which no route serves by name
    size_bytes bigint,
    sha256 text,                                          -- of the whole file, in hexadecimal
    alias text,                                           -- the account elsewhere that it is for: alice@new.example
    done bigint NOT NULL DEFAULT 0,                       -- progress: posts and files written, of so many
    total bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    expires_at timestamptz
);
CREATE INDEX archives_account ON archives (account_id, id);
CREATE UNIQUE INDEX archives_open ON archives (account_id) WHERE state IN ('waiting', 'writing');
CREATE INDEX archives_expiry ON archives (expires_at) WHERE file IS NOT NULL;

-- A file that a member brought along: read first, shown, and applied row by row once the member says so.
CREATE TABLE imports (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('following', 'blocking', 'muting', 'domain_blocking', 'bookmarks', 'lists',
        'custom_filters', 'archive')),
    mode text NOT NULL CHECK (mode IN ('merge', 'overwrite')),
    state text NOT NULL CHECK (state IN ('reading', 'unconfirmed', 'running', 'finished', 'failed', 'cancelled')),
    file_name text NOT NULL DEFAULT '',                   -- as the member's computer calls it, for the member alone
    upload text,                                          -- an archive, in the area of archives, until it is done
    source jsonb,                                         -- of an archive: whose it is, and what is proven of that
    visibilities text[] NOT NULL DEFAULT '{}',            -- of an archive: which posts are wanted
    cleared boolean NOT NULL DEFAULT false,               -- overwrite: what the file does not name is gone
    total integer NOT NULL DEFAULT 0,
    unknown integer NOT NULL DEFAULT 0,                   -- rows that name somebody who is not known here
    done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    error text,                                           -- a sentence for the member
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX imports_account ON imports (account_id, id);
CREATE INDEX imports_age ON imports (created_at);

CREATE TABLE import_rows (
    import_id bigint NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    position integer NOT NULL,
    data jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    held boolean NOT NULL DEFAULT false,                  -- the post that it became waits for a moderator
    reason text,                                          -- why it failed, or what was left out: for the member
    PRIMARY KEY (import_id, position)
);
CREATE INDEX import_rows_waiting ON import_rows (import_id, position) WHERE state = 'waiting';
CREATE INDEX import_rows_failed ON import_rows (import_id, position) WHERE state = 'failed';

-- Which status a post of an archive became: the same post comes once, however often it is brought along.
CREATE TABLE imported_statuses (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    source text NOT NULL,                                 -- its identifier where it was first posted
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, source)
);
CREATE INDEX imported_statuses_status ON imported_statuses (status_id);

-- Readers are told that a status was posted elsewhere first, and how far that is proven. Both or neither. The rows that
-- are there have neither, so the constraint need not look at them while the largest table is locked.
ALTER TABLE statuses
    ADD COLUMN imported_from text,                        -- the host
    ADD COLUMN import_proof text,                         -- own, signed or claimed
    ADD CONSTRAINT statuses_imported CHECK (CASE WHEN imported_from IS NULL THEN import_proof IS NULL
        ELSE import_proof IS NOT NULL AND import_proof IN ('own', 'signed', 'claimed') END) NOT VALID;

-- What somebody brought along says nothing of how they behave here: it does not count as posted in the last month.
DO $$
DECLARE
    before text := pg_get_functiondef('status_ground'::regproc);
    after text := replace(before, 'id > $5 AND reblog_of_id IS NULL ORDER',
        'id > $5 AND reblog_of_id IS NULL AND imported_from IS NULL ORDER');
BEGIN
    IF before = after THEN
        RAISE EXCEPTION 'status_ground is not as this migration expects it';
    END IF;
    EXECUTE after;
END
$$;
