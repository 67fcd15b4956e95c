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

CREATE FUNCTION author_boosts(account bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT boosts_count FROM account_stats WHERE account_id = $1
$$;
