-- What the judge is told about authors and their surroundings, and fingerprints by which copies of a text are found.
SET lock_timeout = '5s';

-- What the rooms tell a new status, each from its own tables, so that one statement can ask for all of it.
CREATE FUNCTION posting_preferences(account bigint) RETURNS TABLE (
    visibility text, sensitive boolean, language text, quote_policy text
) LANGUAGE sql STABLE AS $$
    SELECT default_visibility, default_sensitive, default_language, default_quote_policy
    FROM users WHERE account_id = $1
$$;

CREATE FUNCTION author_facts(account bigint) RETURNS TABLE (
    created_at timestamptz, domain text, role text, statuses_count bigint, followers_count bigint,
    following_count bigint
) LANGUAGE sql STABLE AS $$
    SELECT a.created_at, a.domain, a.role, coalesce(s.statuses_count, 0), coalesce(s.followers_count, 0),
           coalesce(s.following_count, 0)
    FROM accounts a LEFT JOIN account_stats s ON s.account_id = a.id WHERE a.id = $1
$$;

-- Counts `more` statuses of an author in, notes the day, and tells what an account's head then is (see account_heads).
CREATE FUNCTION count_author_statuses(account bigint, more integer, posted_at timestamptz) RETURNS TABLE (
    id bigint, version integer, updated_at timestamptz, statuses_count bigint, followers_count bigint,
    following_count bigint, last_status_at timestamptz
) LANGUAGE sql VOLATILE AS $$
    UPDATE account_stats SET statuses_count = greatest(statuses_count + $2, 0),
           last_status_at = greatest(last_status_at, date_trunc('day', $3, 'UTC'))
    WHERE account_id = $1 AND $2 <> 0;
    SELECT * FROM account_heads(ARRAY[$1]);
$$;
