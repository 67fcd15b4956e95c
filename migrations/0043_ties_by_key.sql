-- What ties a viewer to the authors of a page, by one look-up each. Of an EXISTS the planner makes a hash of everybody
-- whom the viewer follows, which takes milliseconds for those who follow thousands.
SET lock_timeout = '5s';

CREATE OR REPLACE FUNCTION accounts_as_seen(viewer bigint, ids bigint[]) RETURNS TABLE (
    id bigint, version integer, updated_at timestamptz, statuses_count bigint, followers_count bigint,
    following_count bigint, last_status_at timestamptz, following boolean, blocked boolean, muting boolean
) LANGUAGE sql STABLE AS $$
    SELECT h.id, h.version, h.updated_at, h.statuses_count, h.followers_count, h.following_count, h.last_status_at,
        (SELECT f.target_id FROM follows f WHERE f.account_id = $1 AND f.target_id = h.id) IS NOT NULL,
        (SELECT b.target_id FROM blocks b WHERE b.account_id = $1 AND b.target_id = h.id) IS NOT NULL
            OR (SELECT b.target_id FROM blocks b WHERE b.target_id = $1 AND b.account_id = h.id) IS NOT NULL,
        (SELECT m.target_id FROM mutes m WHERE m.account_id = $1 AND m.target_id = h.id
            AND (m.expires_at IS NULL OR m.expires_at > now())) IS NOT NULL
    FROM account_heads($2) h
$$;
