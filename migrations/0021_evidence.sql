-- Evidence and law: content as it was, kept by its hash; holds, requests of authorities, what was handed out; and signed
-- heads of the moderation log.
SET lock_timeout = '5s';

-- ---- Snapshots ------------------------------------------------------------------------------------------------------
-- What something was, in canonical JSON: the same content is one row, however often it is captured. Purged rows keep
-- their hash, so that the log still proves what was there.
CREATE TABLE evidence_snapshots (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),    -- of `content` as UTF-8: see safety/evidence/content.py
    subject_type text NOT NULL CHECK (subject_type IN ('account', 'status', 'media', 'profile', 'conversation')),
    subject_id bigint NOT NULL,
    revision integer,
    account_id bigint,                                    -- whose it is
    conversation_id bigint,
    content text,                                         -- NULL: purged
    size_bytes integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    purged_at timestamptz,
    CHECK ((content IS NULL) = (purged_at IS NOT NULL))
);
CREATE UNIQUE INDEX evidence_snapshots_content ON evidence_snapshots (sha256) WHERE purged_at IS NULL;
CREATE INDEX evidence_snapshots_subject ON evidence_snapshots (subject_type, subject_id, id);
CREATE INDEX evidence_snapshots_account ON evidence_snapshots (account_id, id);
CREATE INDEX evidence_snapshots_kept ON evidence_snapshots (id) WHERE purged_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON evidence_snapshots
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{content}', '{}');

-- Why something was captured, when, and what was true then of its author: figures that change from day to day.
CREATE TABLE evidence_captures (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    snapshot_id bigint NOT NULL REFERENCES evidence_snapshots (id),
    case_id bigint REFERENCES cases (id),
    hold_id bigint,
    why text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX evidence_captures_snapshot ON evidence_captures (snapshot_id);
CREATE UNIQUE INDEX evidence_captures_case ON evidence_captures (case_id, snapshot_id) WHERE case_id IS NOT NULL;
CREATE UNIQUE INDEX evidence_captures_hold ON evidence_captures (hold_id, snapshot_id)
    WHERE hold_id IS NOT NULL AND case_id IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON evidence_captures
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{facts}', '{}');

-- Copies of files, of reports and now of snapshots too. `kept_as` is named by the content: several rows may share it.
ALTER TABLE evidence_files DROP CONSTRAINT evidence_files_pkey;
ALTER TABLE evidence_files ALTER COLUMN report_id DROP NOT NULL;
ALTER TABLE evidence_files
    ADD COLUMN id bigint NOT NULL DEFAULT parley_id(),
    ADD COLUMN snapshot_id bigint REFERENCES evidence_snapshots (id),
    ADD COLUMN purged_at timestamptz,
    ADD PRIMARY KEY (id),
    ADD CHECK ((report_id IS NULL) <> (snapshot_id IS NULL));
CREATE UNIQUE INDEX evidence_files_report ON evidence_files (report_id, file) WHERE report_id IS NOT NULL;
CREATE UNIQUE INDEX evidence_files_snapshot ON evidence_files (snapshot_id, file) WHERE snapshot_id IS NOT NULL;
CREATE INDEX evidence_files_kept_as ON evidence_files (kept_as) WHERE kept_as IS NOT NULL AND purged_at IS NULL;
CREATE INDEX evidence_files_sha256 ON evidence_files (sha256) WHERE kept_as IS NOT NULL AND purged_at IS NULL;
CREATE INDEX evidence_files_file ON evidence_files (file) WHERE kept_as IS NOT NULL AND purged_at IS NULL;
DROP INDEX evidence_files_waiting;
CREATE INDEX evidence_files_waiting ON evidence_files (id) WHERE kept_as IS NULL AND error IS NULL AND purged_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON evidence_files
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{file}', '{}');

-- ---- Law ------------------------------------------------------------------------------------------------------------
-- What authorities asked for. Who they are and what they wrote is hidden from the log: some orders are secret.
CREATE TABLE legal_requests (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    kind text NOT NULL CHECK (kind IN ('removal_order', 'preservation', 'disclosure', 'emergency')),
    state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'answered', 'refused', 'withdrawn')),
    authority text NOT NULL,
    reference text NOT NULL DEFAULT '',                   -- theirs
    basis text NOT NULL DEFAULT '',                       -- the law that they name
    statement text NOT NULL DEFAULT '',
    answer text NOT NULL DEFAULT '',
    case_id bigint REFERENCES cases (id),
    notice_id bigint,                                     -- that it came in with
    registered_by bigint REFERENCES accounts (id),        -- NULL: an operator's shell
    received_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    overdue_at timestamptz,                               -- when it was noticed that the time is over
    ended_at timestamptz
);
CREATE INDEX legal_requests_open ON legal_requests (due_at) WHERE state = 'received';
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON legal_requests
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{authority,reference,basis,statement,answer}', '{}');

-- What must not be purged. See safety/evidence/holding.py for what follows what.
CREATE TABLE legal_holds (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    kind text NOT NULL CHECK (kind IN ('preservation', 'cybertip', 'litigation', 'own')),
    state text NOT NULL CHECK (state IN ('requested', 'active', 'renewed', 'released', 'expired')),
    reason text NOT NULL,
    reference text NOT NULL DEFAULT '',
    request_id bigint REFERENCES legal_requests (id),
    requested_by bigint REFERENCES accounts (id),
    activated_by bigint REFERENCES accounts (id),
    created_at timestamptz NOT NULL,
    ends_at timestamptz,                                  -- NULL: until somebody releases it
    renewals integer NOT NULL DEFAULT 0,
    ended_by bigint REFERENCES accounts (id),
    ended_at timestamptz
);
CREATE INDEX legal_holds_ending ON legal_holds (ends_at) WHERE ended_at IS NULL AND ends_at IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON legal_holds
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{reason,reference}', '{}');

CREATE TABLE legal_hold_subjects (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    hold_id bigint NOT NULL REFERENCES legal_holds (id),
    subject_type text NOT NULL
        CHECK (subject_type IN ('account', 'case', 'conversation', 'status', 'media', 'profile')),
    subject_id bigint NOT NULL,
    UNIQUE (hold_id, subject_type, subject_id)
);
CREATE INDEX legal_hold_subjects_subject ON legal_hold_subjects (subject_type, subject_id);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON legal_hold_subjects
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

ALTER TABLE evidence_captures ADD FOREIGN KEY (hold_id) REFERENCES legal_holds (id);

-- What was handed out, to whom, on which ground. Somebody proposes it, somebody else lets it go.
CREATE TABLE legal_disclosures (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    request_id bigint REFERENCES legal_requests (id),
    state text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'approved', 'refused', 'sent')),
    recipient text NOT NULL,
    basis text NOT NULL,
    what text NOT NULL,
    case_id bigint REFERENCES cases (id),                 -- what of ours goes into the package
    account_id bigint REFERENCES accounts (id),
    subscriber boolean NOT NULL DEFAULT false,            -- with the member's mail address and sign-ins
    proposed_by bigint REFERENCES accounts (id),
    decided_by bigint REFERENCES accounts (id),
    single_handed boolean NOT NULL DEFAULT false,         -- approved by its proposer, where four eyes are off
    package_sha256 bytea,
    package_bytes bigint,
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    sent_at timestamptz,
    CHECK (state <> 'sent' OR package_sha256 IS NOT NULL)
);
CREATE INDEX legal_disclosures_request ON legal_disclosures (request_id) WHERE request_id IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON legal_disclosures
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{recipient,basis,what}', '{}');

-- Holds that keep things: one that is only requested does so too, until somebody decides.
CREATE FUNCTION has_hold(type text, subject bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM legal_hold_subjects o JOIN legal_holds h ON h.id = o.hold_id
        WHERE o.subject_type = $1 AND o.subject_id = $2 AND h.ended_at IS NULL)
$$;

-- Whether nothing of an account may be lost: its conduct is before the moderators, or somebody must keep it.
CREATE FUNCTION is_preserved(account bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM cases c WHERE c.account_id = $1 AND c.state <> 'closed')
        OR has_hold('account', $1)
        OR EXISTS (
            SELECT FROM legal_hold_subjects o
            JOIN legal_holds h ON h.id = o.hold_id
            JOIN cases c ON c.id = o.subject_id
            WHERE o.subject_type = 'case' AND h.ended_at IS NULL AND c.account_id = $1)
$$;

-- Attachments that their owner deleted while nothing of the account may be lost: what they were, and where their bytes
-- lie, which are kept as long (social/media/contents.py). No code path can forget it.
CREATE TABLE media_remains (
    media_id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    status_id bigint,
    remains jsonb NOT NULL,                               -- the row of media
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_remains_status ON media_remains (status_id) WHERE status_id IS NOT NULL;
CREATE INDEX media_remains_account ON media_remains (account_id);

CREATE FUNCTION keep_media_remains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_preserved(OLD.account_id) THEN
        INSERT INTO media_remains (media_id, account_id, status_id, remains)
        VALUES (OLD.id, OLD.account_id, OLD.status_id, to_jsonb(OLD)) ON CONFLICT DO NOTHING;
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER remains BEFORE DELETE ON media FOR EACH ROW EXECUTE FUNCTION keep_media_remains();

-- Which of these snapshots nobody needs any more. `closed_before`: cases that were closed earlier are over;
-- `loose_before`: what belongs to no case is dropped when it was captured earlier. An appeal keeps its case's evidence.
CREATE FUNCTION due_evidence(ids bigint[], closed_before timestamptz, loose_before timestamptz)
RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS $$
    SELECT s.id FROM evidence_snapshots s
    WHERE s.id = ANY($1) AND s.purged_at IS NULL
      AND NOT EXISTS (
        SELECT FROM evidence_captures c LEFT JOIN cases k ON k.id = c.case_id
        WHERE c.snapshot_id = s.id AND (
            (c.case_id IS NULL AND c.created_at >= $3)
            OR (c.case_id IS NOT NULL AND (
                k.state <> 'closed' OR k.closed_at IS NULL OR k.closed_at >= $2
                OR EXISTS (SELECT FROM appeals a WHERE a.case_id = c.case_id AND a.ended_at IS NULL)
                OR has_hold('case', c.case_id)))))
      AND NOT has_hold(s.subject_type, s.subject_id)
      AND NOT has_hold('account', s.account_id)
      AND NOT has_hold('conversation', s.conversation_id)
$$;

-- ---- Checkpoints of the log -----------------------------------------------------------------------------------------
-- Heads of the chain, signed and given out: a log that was written anew does not contain them any more.
CREATE TABLE moderation_checkpoints (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    seq bigint NOT NULL UNIQUE,
    hash bytea NOT NULL,
    root bytea NOT NULL,                                  -- of the tree of all hashes up to there: safety/log/tree.py
    peaks bytea[] NOT NULL,                               -- from which the next root is worked out
    signed text NOT NULL,                                 -- what was signed, byte for byte
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION keep_moderation_checkpoints() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'signed heads of the moderation log are never changed';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON moderation_checkpoints
    FOR EACH ROW EXECUTE FUNCTION keep_moderation_checkpoints();

-- Rows that are in a logged table without the log knowing them as they are: from before the table was logged, or since
-- a migration gave it a column with a default. A migration that does such a thing calls this, with its own name.
CREATE FUNCTION adopt_moderation_rows(name text, why text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    cause bigint := parley_id();
BEGIN
    IF NOT EXISTS (SELECT FROM list_moderation_rows(name)) THEN
        RETURN;
    END IF;
    INSERT INTO moderation_events (id, type, actor_type, body)
    VALUES (cause, 'rows_adopted', 'system', jsonb_build_object('type', 'rows_adopted', 'at', now(),
        'actor', jsonb_build_object('type', 'system', 'id', NULL, 'name', 'migration'), 'case_id', NULL, 'subject', NULL,
        'payload', jsonb_build_object('table', name, 'why', why))::text);
    INSERT INTO moderation_events (type, actor_type, body)
    SELECT 'row_changed', 'system', jsonb_build_object('type', 'row_changed', 'cause', cause::text, 'table', name,
        'id', r.id, 'op', 'insert', 'row', r.contents)::text
    FROM list_moderation_rows(name) r;
END $$;
SELECT adopt_moderation_rows('reports', '0018_desk');
SELECT adopt_moderation_rows('evidence_files', '0021_evidence');
