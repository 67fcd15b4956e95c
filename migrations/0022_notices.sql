-- Notices from outside: hosts, app stores, authorities, trusted flaggers, and anybody without an account.
SET lock_timeout = '5s';

-- ---- Who writes to us -----------------------------------------------------------------------------------------------
CREATE TABLE providers (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('host', 'app_store', 'authority', 'trusted_flagger')),
    contact_mail text NOT NULL DEFAULT '',                -- where answers go
    format text NOT NULL DEFAULT 'xarf4' CHECK (format IN ('xarf4', 'xarf3', 'arf', 'mail')),
    trusted boolean NOT NULL DEFAULT false,               -- a threat to life that it names is hidden before anybody looked
    addresses text[] NOT NULL DEFAULT '{}',               -- from which it writes, lower case
    domains text[] NOT NULL DEFAULT '{}',
    address_suffices boolean NOT NULL DEFAULT false,      -- believed without SPF or DKIM
    public_key text NOT NULL DEFAULT '',
    webhook_url text NOT NULL DEFAULT '',
    token_hash bytea UNIQUE,                              -- SHA-256; NULL: it may not use the API
    token_made_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE UNIQUE INDEX providers_name ON providers (lower(name)) WHERE revoked_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON providers FOR EACH ROW EXECUTE FUNCTION
    log_moderation_row('{contact_mail,addresses,webhook_url,token_hash}', '{}');

-- ---- What they write ------------------------------------------------------------------------------------------------
CREATE TABLE notices (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    source text NOT NULL CHECK (source IN ('public_notice', 'trusted_flagger', 'provider_notice', 'authority_order')),
    channel text NOT NULL CHECK (channel IN ('api', 'mail', 'form', 'desk', 'shell')),
    provider_id bigint REFERENCES providers (id),
    verified boolean NOT NULL DEFAULT false,              -- whether we know that it comes from whom it says
    format text NOT NULL DEFAULT 'json',                  -- xarf4, xarf3, arf, mail, json, form, list
    reference text NOT NULL DEFAULT '',                   -- theirs, unchanged
    subject text NOT NULL DEFAULT '',                     -- of the mail, unchanged
    statement text NOT NULL DEFAULT '',                   -- why it is wrong, in their words
    harms text[] NOT NULL DEFAULT '{}',                   -- tags and types, as they were sent
    clause text,                                          -- what they mean in our policy; see harms.py
    severity smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    order_kind text CHECK (order_kind IN ('removal', 'preservation')),
    authority text NOT NULL DEFAULT '',
    basis text NOT NULL DEFAULT '',                       -- the law that an order names
    reporter_name text NOT NULL DEFAULT '',
    reporter_mail text NOT NULL DEFAULT '',
    answer_to text NOT NULL DEFAULT '',                   -- where answers are mailed; empty: nowhere
    good_faith boolean NOT NULL DEFAULT false,
    language text NOT NULL DEFAULT 'en',
    filed_by bigint REFERENCES accounts (id),             -- who of the staff pasted it
    raw_sha256 bytea,                                     -- the message byte for byte, in the area of evidence
    raw_bytes bigint,
    message_id text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    answered_at timestamptz,                              -- the first answer was given
    forgotten_at timestamptz                              -- who wrote it is not known any more
);
CREATE INDEX notices_open ON notices (due_at, id) WHERE answered_at IS NULL;
CREATE INDEX notices_provider ON notices (provider_id, id) WHERE provider_id IS NOT NULL;
CREATE INDEX notices_message ON notices (message_id) WHERE message_id <> '';
CREATE INDEX notices_answered ON notices (answered_at) WHERE answered_at IS NOT NULL AND forgotten_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON notices FOR EACH ROW EXECUTE FUNCTION
    log_moderation_row('{subject,statement,reference,authority,basis,reporter_name,reporter_mail,answer_to,message_id}', '{}');

-- Each URL as it was sent, and what it turned out to be. What became of it is read from decisions: see store_ledger.py.
CREATE TABLE notice_urls (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    notice_id bigint NOT NULL REFERENCES notices (id),
    position integer NOT NULL,                            -- from 1, in the order of the notice
    url text NOT NULL,
    found text NOT NULL CHECK (found IN ('status', 'media', 'profile', 'account', 'gone', 'unknown', 'not_ours')),
    UNIQUE (notice_id, position)
);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON notice_urls
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{url}', '{}');

CREATE TABLE notice_subjects (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    notice_id bigint NOT NULL REFERENCES notices (id),
    url_id bigint NOT NULL REFERENCES notice_urls (id),
    subject_type text NOT NULL CHECK (subject_type IN ('account', 'status', 'media', 'profile')),
    subject_id bigint NOT NULL,
    revision integer,
    account_id bigint NOT NULL,                           -- whose it is
    case_id bigint REFERENCES cases (id),                 -- NULL: it was decided before the notice came
    UNIQUE (url_id, subject_type, subject_id)
);
CREATE INDEX notice_subjects_notice ON notice_subjects (notice_id);
CREATE INDEX notice_subjects_subject ON notice_subjects (subject_type, subject_id, notice_id);
CREATE INDEX notice_subjects_case ON notice_subjects (case_id) WHERE case_id IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON notice_subjects
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

-- ---- What we answer -------------------------------------------------------------------------------------------------
-- Signed, and never changed: what is to be said later is another row.
CREATE TABLE provider_responses (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    notice_id bigint NOT NULL REFERENCES notices (id),
    number integer NOT NULL,                              -- 1 for the first answer to a notice
    contents text NOT NULL,                               -- canonical JSON, byte for byte what is signed
    sha256 bytea NOT NULL,
    signature bytea NOT NULL,                             -- Ed25519
    key_fingerprint text NOT NULL,
    words text NOT NULL DEFAULT '',                       -- what a moderator added
    written_by bigint REFERENCES accounts (id),           -- NULL: made when everything was decided
    created_at timestamptz NOT NULL,
    UNIQUE (notice_id, number)
);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON provider_responses
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{contents,words}', '{}');

-- Mails and calls of a notice: what came in (`in`), what goes out and when it went.
CREATE TABLE notice_messages (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    notice_id bigint NOT NULL REFERENCES notices (id),
    direction text NOT NULL CHECK (direction IN ('in', 'out')),
    kind text NOT NULL CHECK (kind IN ('notice', 'reply', 'receipt', 'answer', 'webhook')),
    response_id bigint REFERENCES provider_responses (id),
    address text NOT NULL DEFAULT '',                     -- from or to whom
    message_id text NOT NULL DEFAULT '',
    raw_sha256 bytea,
    problem text NOT NULL DEFAULT '',                     -- why it could not be sent, the last time
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE INDEX notice_messages_notice ON notice_messages (notice_id, id);
CREATE INDEX notice_messages_message ON notice_messages (message_id) WHERE message_id <> '';
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON notice_messages
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{address,message_id,problem}', '{}');

-- ---- Plumbing: forgotten after a day --------------------------------------------------------------------------------
CREATE TABLE notice_tokens (
    provider_id bigint NOT NULL REFERENCES providers (id),
    token text NOT NULL,                                  -- the caller's idempotency token
    body_sha256 bytea NOT NULL,
    notice_id bigint NOT NULL REFERENCES notices (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, token)
);
CREATE INDEX notice_tokens_age ON notice_tokens (created_at);

CREATE TABLE used_challenges (
    challenge text PRIMARY KEY,                           -- proofs of work that were used
    used_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX used_challenges_age ON used_challenges (used_at);

-- ---- Finding what a URL names ---------------------------------------------------------------------------------------
CREATE INDEX media_preview_file ON media (preview_file) WHERE preview_file IS NOT NULL;
CREATE INDEX media_remains_file ON media_remains ((remains ->> 'file'));
CREATE INDEX media_remains_preview_file ON media_remains ((remains ->> 'preview_file'));
CREATE INDEX evidence_files_of_snapshot ON evidence_files (file) WHERE snapshot_id IS NOT NULL;
