-- Decisions: what they leave behind in the network, proposals that wait for a second person, and what accounts share.
SET lock_timeout = '5s';

-- The clause as it read when it was decided, who agreed, until when it may be appealed, and the key of a request.
ALTER TABLE decisions
    ADD COLUMN clause_title text NOT NULL DEFAULT '',
    ADD COLUMN clause_text text NOT NULL DEFAULT '',
    ADD COLUMN approved_by bigint REFERENCES accounts (id),
    ADD COLUMN appeal_until timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN request_key text;
CREATE UNIQUE INDEX decisions_request ON decisions (decided_by, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX decisions_reverses ON decisions (reverses_id) WHERE reverses_id IS NOT NULL;
ALTER TABLE decision_actions ADD COLUMN label text NOT NULL DEFAULT '';
CREATE INDEX decision_actions_reversed ON decision_actions (reversed_by_id) WHERE reversed_by_id IS NOT NULL;
CREATE INDEX strikes_decision ON strikes (decision_id);
CREATE INDEX strikes_expiry ON strikes (expires_at) WHERE refunded_at IS NULL;

-- What one member of the staff wants and a second one must agree to.
CREATE TABLE decision_proposals (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    case_id bigint REFERENCES cases (id),
    account_id bigint NOT NULL REFERENCES accounts (id),
    why text NOT NULL CHECK (why IN ('termination', 'many')),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'approved', 'refused', 'stale')),
    decisions jsonb NOT NULL,                             -- NewDecision, one for each account
    proposed_by bigint NOT NULL REFERENCES accounts (id),
    answered_by bigint REFERENCES accounts (id),
    answer text NOT NULL DEFAULT '',
    decision_ids bigint[] NOT NULL DEFAULT '{}',
    request_key text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX decision_proposals_waiting ON decision_proposals (id) WHERE state = 'waiting';
CREATE INDEX decision_proposals_case ON decision_proposals (case_id, id) WHERE case_id IS NOT NULL;
CREATE UNIQUE INDEX decision_proposals_request ON decision_proposals (proposed_by, request_key) WHERE request_key IS NOT NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON decision_proposals
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{decisions,answer}', '{}');

-- Reporters who have been told what came of their report.
CREATE TABLE told_reports (
    report_id bigint NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    decision_id bigint NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (report_id, decision_id)
);

-- ---- In the network -------------------------------------------------------------------------------------------------
-- What an account may not do now: a row for each action in force. It is gone when the action has ended.
CREATE TABLE account_restrictions (
    action_id bigint PRIMARY KEY,                         -- decision_actions
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    decision_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('limit_account', 'restrict_posting', 'freeze', 'suspend', 'terminate')),
    clause text,
    title text NOT NULL DEFAULT '',                       -- of the clause
    until timestamptz,
    found_state account_state NOT NULL                    -- what the account was before any of these
);
CREATE INDEX account_restrictions_account ON account_restrictions (account_id);

-- The gravest of them that stops a member from doing something; NULL: none. Other rooms join it.
CREATE FUNCTION gravest_restriction(account bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('kind', r.kind, 'clause', r.clause, 'title', r.title, 'decision_id', r.decision_id,
        'until', to_char(r.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    FROM account_restrictions r
    WHERE r.account_id = account AND r.kind <> 'limit_account' AND (r.until IS NULL OR r.until > now())
    ORDER BY array_position(ARRAY['terminate', 'suspend', 'freeze', 'restrict_posting'], r.kind),
        r.until DESC NULLS FIRST, r.action_id
    LIMIT 1
$$;

CREATE OR REPLACE VIEW members AS
SELECT u.account_id, a.username, a.state AS account_state, u.email, u.unconfirmed_email, u.email_confirmed_at,
       u.password_hash, u.role, u.approved_at, u.disabled_at, u.sign_up_reason, u.app_id, u.locale,
       u.otp_secret_sealed, u.otp_enabled_at, u.otp_last_step, u.webauthn_id, u.created_at,
       gravest_restriction(u.account_id) AS restriction
FROM users u
JOIN accounts a ON a.id = u.account_id
WHERE coalesce(a.domain, '') = '';

-- What moderators put on a status for its readers.
ALTER TABLE statuses
    ADD COLUMN marked_label text NOT NULL DEFAULT '',
    ADD COLUMN marked_sensitive boolean NOT NULL DEFAULT false;
ALTER TABLE media ADD COLUMN hidden boolean NOT NULL DEFAULT false;   -- by moderators: readers do not learn of it

-- Statuses that are hidden until their author has changed them; `revision` is the one that must not be shown again.
CREATE TABLE required_changes (
    status_id bigint PRIMARY KEY REFERENCES statuses (id) ON DELETE CASCADE,
    revision integer NOT NULL
);

-- ---- Who may be the same person ---------------------------------------------------------------------------------------
-- Keyed hashes only (kit/secrets.py): what is hashed cannot be told from them, and nobody else can compare them.
CREATE TABLE account_traces (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('device', 'address', 'network', 'mailbox', 'pattern')),
    digest bytea NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, kind, digest)
);
CREATE INDEX account_traces_digest ON account_traces (digest, kind);
CREATE INDEX account_traces_seen ON account_traces (seen_at);
ALTER TABLE sessions ADD COLUMN device_hash bytea;        -- of a cookie that stays when the member signs out
CREATE INDEX sessions_created ON sessions (created_at);

-- Whom we have put before the moderators for it already.
CREATE TABLE evasion_flags (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    banned_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, banned_id)
);
