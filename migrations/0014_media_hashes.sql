-- Hashes of media: banks of what is known, hashes of our own files, and what was taken out of sight because of them.
SET lock_timeout = '5s';

-- A PDQ hash cut into sixteen bands of sixteen bits, each a key of its own: hashes that differ in at most 31 bits
-- share a band but for one bit at most, so an index over these keys finds them (screening/image_hash.py). The cost tells
-- the planner to use that index rather than to cut up every row, however few rows it believes in.
CREATE FUNCTION pdq_bands(hash bytea) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS $$
BEGIN
    RETURN ARRAY[
        0 + 256 * get_byte(hash, 0) + get_byte(hash, 1),
        65536 + 256 * get_byte(hash, 2) + get_byte(hash, 3),
        131072 + 256 * get_byte(hash, 4) + get_byte(hash, 5),
        196608 + 256 * get_byte(hash, 6) + get_byte(hash, 7),
        262144 + 256 * get_byte(hash, 8) + get_byte(hash, 9),
        327680 + 256 * get_byte(hash, 10) + get_byte(hash, 11),
        393216 + 256 * get_byte(hash, 12) + get_byte(hash, 13),
        458752 + 256 * get_byte(hash, 14) + get_byte(hash, 15),
        524288 + 256 * get_byte(hash, 16) + get_byte(hash, 17),
        589824 + 256 * get_byte(hash, 18) + get_byte(hash, 19),
        655360 + 256 * get_byte(hash, 20) + get_byte(hash, 21),
        720896 + 256 * get_byte(hash, 22) + get_byte(hash, 23),
        786432 + 256 * get_byte(hash, 24) + get_byte(hash, 25),
        851968 + 256 * get_byte(hash, 26) + get_byte(hash, 27),
        917504 + 256 * get_byte(hash, 28) + get_byte(hash, 29),
        983040 + 256 * get_byte(hash, 30) + get_byte(hash, 31)];
END
$$;

CREATE FUNCTION pdq_distance(one bytea, other bytea) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT bit_count(('x' || encode(one, 'hex'))::bit(256) # ('x' || encode(other, 'hex'))::bit(256))::integer
$$;

CREATE TABLE hash_banks (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    title text NOT NULL DEFAULT '',
    tier text NOT NULL CHECK (tier IN ('quarantine', 'reject', 'hold', 'flag')),
    clause text NOT NULL,
    state text NOT NULL DEFAULT 'LIVE' CHECK (state IN ('BACKGROUND', 'LIVE', 'EXPIRED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- One row for each hash. A picture with its parts, and a video with its frames, are rows of one `entry`.
CREATE TABLE bank_hashes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bank_id bigint NOT NULL REFERENCES hash_banks (id) ON DELETE CASCADE,
    entry bigint NOT NULL,                                -- the id of the first row of the entry
    kind text NOT NULL CHECK (kind IN ('pdq', 'frame', 'md5', 'sha1', 'sha256', 'audio')),
    hash bytea NOT NULL CHECK (length(hash) = CASE kind
        WHEN 'md5' THEN 16 WHEN 'sha1' THEN 20 WHEN 'audio' THEN length(hash) ELSE 32 END),
    quality smallint NOT NULL DEFAULT 100,
    part text NOT NULL DEFAULT '',                        -- which part of a picture, in words; '' for all of it
    state text NOT NULL DEFAULT 'LIVE' CHECK (state IN ('LIVE', 'BACKGROUND', 'DISPUTED')),
    tags text[] NOT NULL DEFAULT '{}',
    note text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',                      -- who put it in: a command, a file, an exchange
    external_key text NOT NULL DEFAULT '',                -- what the exchange calls it
    external jsonb,                                       -- what an exchange needs to hear back about it
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (bank_id, kind, hash, external_key, entry)
);
CREATE INDEX bank_hashes_exact ON bank_hashes (hash) WHERE kind IN ('md5', 'sha1', 'sha256');
CREATE INDEX bank_hashes_near ON bank_hashes USING gin (pdq_bands(hash)) WITH (fastupdate = off) WHERE kind IN ('pdq', 'frame');
CREATE INDEX bank_hashes_entry ON bank_hashes (entry);
CREATE INDEX bank_hashes_key ON bank_hashes (bank_id, external_key) WHERE external_key <> '';

-- Raised in every transaction that changes what is looked for: such transactions follow one another, and processes know
-- that what they hold is old.
CREATE TABLE hash_bank_changes (one boolean PRIMARY KEY DEFAULT true CHECK (one), generation bigint NOT NULL);
INSERT INTO hash_bank_changes (generation) VALUES (1);

-- Hashes of every file of ours, so that what enters a bank later finds what is here already.
CREATE TABLE media_hashes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file text NOT NULL REFERENCES files (name) ON DELETE CASCADE,
    media_id bigint REFERENCES media (id) ON DELETE CASCADE,  -- NULL: a profile picture or an emoji
    account_id bigint,
    kind text NOT NULL CHECK (kind IN ('pdq', 'frame', 'md5', 'sha1', 'sha256', 'audio')),
    hash bytea NOT NULL,
    quality smallint NOT NULL DEFAULT 100,
    second real,                                          -- of a frame
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_hashes_exact ON media_hashes (hash) WHERE kind IN ('md5', 'sha1', 'sha256');
CREATE INDEX media_hashes_near ON media_hashes USING gin (pdq_bands(hash)) WITH (fastupdate = off) WHERE kind IN ('pdq', 'frame');
CREATE INDEX media_hashes_file ON media_hashes (file);
CREATE INDEX media_hashes_media ON media_hashes (media_id) WHERE media_id IS NOT NULL;

-- Rows with one of these keys among their bands, some more than once. Key by key, so that each look goes through the
-- index: for thousands of keys in one query the planner would rather read the whole table.
CREATE FUNCTION bank_hashes_by_bands(keys integer[]) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    one integer;
BEGIN
    FOREACH one IN ARRAY keys LOOP
        RETURN QUERY SELECT h.id FROM bank_hashes h
            WHERE h.kind IN ('pdq', 'frame') AND pdq_bands(h.hash) @> ARRAY[one];
    END LOOP;
END
$$;

CREATE FUNCTION media_hashes_by_bands(keys integer[]) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    one integer;
BEGIN
    FOREACH one IN ARRAY keys LOOP
        RETURN QUERY SELECT h.id FROM media_hashes h
            WHERE h.kind IN ('pdq', 'frame') AND pdq_bands(h.hash) @> ARRAY[one];
    END LOOP;
END
$$;

ALTER TABLE media
    ADD COLUMN matches jsonb NOT NULL DEFAULT '[]',       -- what of the banks was found in it (screening.MediaMatch)
    ADD COLUMN image_text text NOT NULL DEFAULT '',       -- words that were read in the picture, for the judge alone
    ADD COLUMN file_screening_id bigint REFERENCES screening_results (id),
    ADD COLUMN waiting jsonb NOT NULL DEFAULT '[]';       -- results of revisions that wait until the file is judged

-- Files that were taken out of sight: kept where no route reads them, until a decision says what becomes of them.
CREATE TABLE media_evidence (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    media_id bigint,                                      -- also after the attachment is gone
    origin text NOT NULL CHECK (origin IN ('attachment', 'thumbnail', 'avatar', 'header', 'emoji')),
    outcome text NOT NULL CHECK (outcome IN ('reject', 'quarantine', 'hold')),
    clause text,
    matches jsonb NOT NULL,
    screening_id bigint REFERENCES screening_results (id),
    evidence_file text NOT NULL,                          -- in the area of evidence
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    mime_type text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_evidence_account ON media_evidence (account_id) WHERE account_id IS NOT NULL;

-- Every time that somebody opened such a file, and why. Rows are never changed.
CREATE TABLE media_evidence_openings (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    evidence_id bigint NOT NULL REFERENCES media_evidence (id),
    account_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    reason text NOT NULL CHECK (length(reason) >= 10),
    opened_at timestamptz NOT NULL DEFAULT now()
);

-- Programmes that share hashes. What they need to let us in is sealed with the instance's key.
CREATE TABLE hash_exchanges (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    api text NOT NULL,
    bank_id bigint NOT NULL REFERENCES hash_banks (id),
    config jsonb NOT NULL DEFAULT '{}',
    credentials bytea,
    enabled boolean NOT NULL DEFAULT true,
    checkpoint jsonb,
    fetched_at timestamptz,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What we have to tell an exchange about one of its hashes: a false positive.
CREATE TABLE hash_opinions (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    exchange_id bigint NOT NULL REFERENCES hash_exchanges (id) ON DELETE CASCADE,
    kind text NOT NULL,
    hash bytea NOT NULL,
    external_key text NOT NULL DEFAULT '',
    external jsonb,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'unsupported', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE INDEX hash_opinions_waiting ON hash_opinions (exchange_id) WHERE state = 'waiting';
