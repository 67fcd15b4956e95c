-- Sessions: how a member proves to be one, and what apps may do in a member's name.
SET lock_timeout = '5s';

CREATE TYPE user_role AS ENUM ('member', 'moderator', 'admin', 'owner');

CREATE TABLE invites (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    code text NOT NULL UNIQUE,
    created_by bigint REFERENCES accounts (id) ON DELETE CASCADE,
    max_uses integer,
    uses integer NOT NULL DEFAULT 0,
    expires_at timestamptz,
    comment text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE apps (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    name text NOT NULL,
    website text,
    client_id text NOT NULL UNIQUE,
    client_secret_hash bytea NOT NULL,
    redirect_uris text[] NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The private half of a local account.
CREATE TABLE users (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    email text NOT NULL,
    unconfirmed_email text,
    email_confirmed_at timestamptz,
    password_hash text NOT NULL,
    role user_role NOT NULL DEFAULT 'member',
    approved_at timestamptz,                              -- NULL: waits for a moderator
    sign_up_reason text NOT NULL DEFAULT '',
    sign_up_address inet,                                 -- forgotten after a year
    invite_id bigint REFERENCES invites (id) ON DELETE SET NULL,
    app_id bigint REFERENCES apps (id) ON DELETE SET NULL,
    locale text NOT NULL DEFAULT 'en',
    disabled_at timestamptz,
    otp_secret_sealed bytea,
    otp_enabled_at timestamptz,
    otp_last_step bigint,                                 -- a code is good once (RFC 6238, 5.2)
    webauthn_id bytea NOT NULL,
    default_visibility text NOT NULL DEFAULT 'public' CHECK (default_visibility IN ('public', 'unlisted', 'private', 'direct')),
    default_sensitive boolean NOT NULL DEFAULT false,
    default_language text,
    default_quote_policy text NOT NULL DEFAULT 'public' CHECK (default_quote_policy IN ('public', 'followers', 'nobody')),
    expand_media text NOT NULL DEFAULT 'default',
    expand_spoilers boolean NOT NULL DEFAULT false,
    theme text NOT NULL DEFAULT 'auto' CHECK (theme IN ('auto', 'light', 'dark')),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_sign_in_at timestamptz
);
CREATE UNIQUE INDEX users_email ON users (lower(email));
CREATE INDEX users_pending ON users (account_id) WHERE approved_at IS NULL;
CREATE INDEX users_sign_up_address ON users (created_at) WHERE sign_up_address IS NOT NULL;
CREATE INDEX users_unconfirmed ON users (created_at) WHERE email_confirmed_at IS NULL;

-- A member with both halves: what proving who one is needs to know, in one look.
CREATE VIEW members AS
SELECT u.account_id, a.username, a.state AS account_state, u.email, u.unconfirmed_email, u.email_confirmed_at,
       u.password_hash, u.role, u.approved_at, u.disabled_at, u.sign_up_reason, u.app_id, u.locale,
       u.otp_secret_sealed, u.otp_enabled_at, u.otp_last_step, u.webauthn_id, u.created_at
FROM users u
JOIN accounts a ON a.id = u.account_id
WHERE coalesce(a.domain, '') = '';

CREATE TABLE recovery_codes (
    account_id bigint NOT NULL REFERENCES users (account_id) ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (account_id, code_hash)
);

CREATE TABLE passkeys (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES users (account_id) ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL DEFAULT 0,
    name text NOT NULL,
    transports text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz
);
CREATE INDEX passkeys_account ON passkeys (account_id);

-- A browser that signed in. The cookie holds the token, the table its hash.
CREATE TABLE sessions (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES users (account_id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE,
    user_agent text NOT NULL DEFAULT '',
    address inet,
    method text NOT NULL DEFAULT 'password',              -- password, passkey, recovery_code
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Short-lived proofs: mail confirmation, password reset, a sign-in half done, a WebAuthn challenge.
CREATE TABLE one_time_tokens (
    token_hash bytea PRIMARY KEY,
    purpose text NOT NULL,
    account_id bigint REFERENCES accounts (id) ON DELETE CASCADE,
    payload jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX one_time_tokens_account ON one_time_tokens (account_id, purpose);
CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);

-- What a member allowed an app, until the app fetches its token. Kept a while after use, so that a replay shows.
CREATE TABLE authorization_codes (
    code_hash bytea PRIMARY KEY,
    app_id bigint NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES users (account_id) ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    scopes text[] NOT NULL,
    code_challenge text,                                  -- always S256
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE access_tokens (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    token_hash bytea NOT NULL UNIQUE,
    app_id bigint REFERENCES apps (id) ON DELETE CASCADE,
    account_id bigint REFERENCES users (account_id) ON DELETE CASCADE,   -- NULL: an app's own token
    code_hash bytea,                                      -- the code it came from: a replayed code revokes it
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX access_tokens_account ON access_tokens (account_id, app_id) WHERE revoked_at IS NULL;
CREATE INDEX access_tokens_code ON access_tokens (code_hash) WHERE code_hash IS NOT NULL;
