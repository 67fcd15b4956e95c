-- A legal hold keeps who a member is, too: addresses, sign-ins, devices, what was planned and never posted.
SET lock_timeout = '5s';

-- Whether a hold names this account, or a case about it. A case alone, without a hold, keeps nobody's sign-ins.
CREATE FUNCTION is_held(account bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT has_hold('account', $1) OR has_hold('profile', $1)
        OR EXISTS (
            SELECT FROM legal_hold_subjects o
            JOIN legal_holds h ON h.id = o.hold_id
            JOIN cases c ON c.id = o.subject_id
            WHERE o.subject_type = 'case' AND h.ended_at IS NULL AND c.account_id = $1)
$$;

-- Rows that went, or were written over, while a hold named their account: without what could sign anybody in. They go
-- when the hold ends (safety/evidence/retention.py). No code path can forget to keep them.
CREATE TABLE held_remains (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL,
    kind text NOT NULL,                                   -- the table
    remains jsonb NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX held_remains_account ON held_remains (account_id, id);

-- Argument: the columns that are not kept.
CREATE FUNCTION keep_held_remains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_held(OLD.account_id) THEN
        INSERT INTO held_remains (account_id, kind, remains)
        VALUES (OLD.account_id, TG_TABLE_NAME, to_jsonb(OLD) - TG_ARGV[0]::text[]);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER held AFTER DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION keep_held_remains('{token_hash}');
CREATE TRIGGER held AFTER DELETE ON passkeys
    FOR EACH ROW EXECUTE FUNCTION keep_held_remains('{credential_id,public_key}');
CREATE TRIGGER held AFTER DELETE ON access_tokens
    FOR EACH ROW WHEN (OLD.account_id IS NOT NULL)
    EXECUTE FUNCTION keep_held_remains('{token_hash,code_hash}');
CREATE TRIGGER held AFTER UPDATE OF email, unconfirmed_email, sign_up_address ON users
    FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email OR OLD.sign_up_address IS DISTINCT FROM NEW.sign_up_address
        OR OLD.unconfirmed_email IS NOT NULL AND OLD.unconfirmed_email IS DISTINCT FROM NEW.unconfirmed_email)
    EXECUTE FUNCTION keep_held_remains('{password_hash,otp_secret_sealed,otp_last_step,webauthn_id}');
CREATE TRIGGER held AFTER DELETE ON scheduled_statuses
    FOR EACH ROW EXECUTE FUNCTION keep_held_remains('{}');

-- What is known of a member besides the public account is evidence of its own, kept under holds alone.
ALTER TABLE evidence_snapshots DROP CONSTRAINT evidence_snapshots_subject_type_check;
ALTER TABLE evidence_snapshots ADD CONSTRAINT evidence_snapshots_subject_type_check
    CHECK (subject_type IN ('account', 'status', 'media', 'profile', 'conversation', 'subscriber'));
CREATE INDEX evidence_snapshots_subscriber ON evidence_snapshots (id)
    WHERE subject_type = 'subscriber' AND purged_at IS NULL;

CREATE OR REPLACE FUNCTION due_evidence(ids bigint[], closed_before timestamptz, loose_before timestamptz)
RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS $$
    SELECT s.id FROM evidence_snapshots s
    WHERE s.id = ANY($1) AND s.purged_at IS NULL
      AND CASE WHEN s.subject_type = 'subscriber' THEN NOT is_held(s.account_id) ELSE
        NOT EXISTS (
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
      END
$$;
