-- Whom new entries of the banks of sign-up mean among the members who are here already; see safety/sweeps/members.py.
SET lock_timeout = '5s';

-- One look at every member who was here when it began; everybody up to `cursor` has been looked at. It acts on nobody: it
-- opens cases, which are in the moderation log.
CREATE TABLE member_sweeps (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    ruleset text NOT NULL,                                -- that was live when it was planned
    entries integer NOT NULL,                             -- how many it is about
    members bigint NOT NULL,                              -- how many were here when it was planned, then began
    until_id bigint NOT NULL,                             -- the newest of them
    cursor bigint NOT NULL DEFAULT 0,
    looked bigint NOT NULL DEFAULT 0,
    meant bigint NOT NULL DEFAULT 0,                      -- members whom an entry means
    opened bigint NOT NULL DEFAULT 0,                     -- of these, who came before the moderators now
    held bigint NOT NULL DEFAULT 0,                       -- of these, newcomers who wait for a moderator's approval
    left_out bigint NOT NULL DEFAULT 0,                   -- of these, who did not, for there were too many
    planned_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz
);

-- The entries that are live and whose like was looked for among members, or is: the last sweep that did, with what it
-- found. `digest` says what the entry looks for; another one, or an entry that comes back, is a new entry.
CREATE TABLE member_sweep_entries (
    bank text NOT NULL,
    entry text NOT NULL,
    digest bytea NOT NULL,
    sweep_id bigint REFERENCES member_sweeps (id),        -- NULL: there were no members yet
    meant bigint NOT NULL DEFAULT 0,
    opened bigint NOT NULL DEFAULT 0,
    left_out bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (bank, entry)
);
CREATE INDEX member_sweep_entries_sweep ON member_sweep_entries (sweep_id, meant DESC);

-- Who came before the moderators for which entry: nobody does twice. No address stands here.
CREATE TABLE member_sweep_cases (
    bank text NOT NULL,
    entry text NOT NULL,
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    case_id bigint NOT NULL REFERENCES cases (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bank, entry, account_id)
);
CREATE INDEX member_sweep_cases_account ON member_sweep_cases (account_id);
CREATE INDEX member_sweep_cases_case ON member_sweep_cases (case_id);

-- Which entries were known when somebody signed up: whoever let them in knew of them.
ALTER TABLE sign_up_notes ADD COLUMN entries text[] NOT NULL DEFAULT '{}';
