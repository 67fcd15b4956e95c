-- Files of what others may not see, contents that people hid, trust by one's own posts, and figures of screening.
SET lock_timeout = '5s';

-- What hangs on a post that waits, or that was taken down, is served to those alone who may see that post.
ALTER TABLE media ADD COLUMN withheld boolean NOT NULL DEFAULT false;
ALTER TABLE files ADD COLUMN withheld boolean NOT NULL DEFAULT false;

-- Contents that people hid: nobody may upload the same bytes again, also once every name of them is gone.
CREATE TABLE hidden_contents (
    content_hash bytea PRIMARY KEY,                       -- SHA-256 of the stored bytes
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Boosts are shown among an author's statuses, but who only passes on what others wrote is not trusted for it.
ALTER TABLE account_stats ADD COLUMN boosts_count bigint NOT NULL DEFAULT 0;
UPDATE account_stats s SET boosts_count = b.boosts
FROM (SELECT account_id, count(*) AS boosts FROM statuses WHERE reblog_of_id IS NOT NULL AND deleted_at IS NULL
      GROUP BY account_id) b
WHERE b.account_id = s.account_id;

CREATE OR REPLACE FUNCTION author_facts(account bigint) RETURNS TABLE (
    created_at timestamptz, domain text, role text, statuses_count bigint, followers_count bigint,
    following_count bigint, strikes integer, reporters integer, cluster_size integer
) LANGUAGE sql STABLE AS $$
    SELECT a.created_at, a.domain, a.role, coalesce(s.statuses_count - s.boosts_count, 0),
           coalesce(s.followers_count, 0), coalesce(s.following_count, 0), coalesce(t.strikes, 0),
           coalesce(t.reporters, 0), coalesce(t.cluster_size, 1)
    FROM accounts a
    LEFT JOIN account_stats s ON s.account_id = a.id
    LEFT JOIN account_standing t ON t.account_id = a.id
    WHERE a.id = $1
$$;

-- The staff is told once of a report, and an author once of what was taken back.
CREATE UNIQUE INDEX notifications_report_once ON notifications (account_id, (detail ->> 'report_id'))
    WHERE type = 'admin.report';
CREATE UNIQUE INDEX notifications_withdrawal_once ON notifications (account_id, (detail ->> 'screening_id'))
    WHERE type = 'moderation_warning' AND status_id IS NULL;

-- What the judge did, hour by hour and since the beginning: counted from screening_results each minute by a job.
-- measure: outcome, rule, failed (a signal), degraded, covered (by the text model), latency (the bucket) or latency_us.
CREATE TABLE screening_hours (
    hour timestamptz NOT NULL,
    measure text NOT NULL,
    label text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (hour, measure, label)
);
CREATE TABLE screening_totals (
    measure text NOT NULL,
    label text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (measure, label)
);
CREATE TABLE screening_counting (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    counted_to bigint NOT NULL
);
INSERT INTO screening_counting (counted_to)
VALUES (((extract(epoch FROM now() - interval '7 days') * 1000)::bigint) << 16);

-- What waits for people.
CREATE INDEX statuses_waiting ON statuses (id)
    WHERE state IN ('held', 'hidden_interim') OR held_revision IS NOT NULL;
CREATE INDEX accounts_waiting ON accounts (id) WHERE held_revision IS NOT NULL;
