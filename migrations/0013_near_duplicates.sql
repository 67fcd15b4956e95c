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

-- What is known of an account's conduct, for accounts of which there is something to know. Jobs and the desk write it,
-- screening reads it. Not in accounts: every update there makes readers fetch a profile anew.
CREATE TABLE account_standing (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    strikes integer NOT NULL DEFAULT 0,                   -- that count now
    reporters integer NOT NULL DEFAULT 0,                 -- different accounts that reported it in the last week
    cluster_id bigint,                                    -- the oldest account of those that signed up alike
    cluster_size integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX account_standing_reported ON account_standing (account_id) WHERE reporters > 0;
CREATE INDEX account_standing_cluster ON account_standing (cluster_id) WHERE cluster_id IS NOT NULL;

DROP FUNCTION author_facts(bigint);
CREATE FUNCTION author_facts(account bigint) RETURNS TABLE (
    created_at timestamptz, domain text, role text, statuses_count bigint, followers_count bigint,
    following_count bigint, strikes integer, reporters integer, cluster_size integer
) LANGUAGE sql STABLE AS $$
    SELECT a.created_at, a.domain, a.role, coalesce(s.statuses_count, 0), coalesce(s.followers_count, 0),
           coalesce(s.following_count, 0), coalesce(t.strikes, 0), coalesce(t.reporters, 0),
           coalesce(t.cluster_size, 1)
    FROM accounts a
    LEFT JOIN account_stats s ON s.account_id = a.id
    LEFT JOIN account_standing t ON t.account_id = a.id
    WHERE a.id = $1
$$;

-- Who of `ids` follows the account: the graph tells the rooms above.
CREATE FUNCTION followers_among(account bigint, ids bigint[]) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS $$
    SELECT f.account_id FROM follows f WHERE f.target_id = $1 AND f.account_id = ANY($2)
$$;

-- How often screening refused something of an author since an id; at most 100 are counted.
CREATE INDEX screening_results_refused ON screening_results (account_id, id) WHERE outcome = 'reject';
CREATE FUNCTION count_refusals(account bigint, since bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM (
        SELECT FROM screening_results WHERE account_id = $1 AND id > $2 AND outcome = 'reject' LIMIT 100) AS refused
$$;

-- An author's statuses that wait or were taken down.
CREATE INDEX statuses_stopped ON statuses (account_id, id) INCLUDE (state)
    WHERE state IN ('held', 'hidden_interim', 'removed');

ALTER TABLE statuses ADD COLUMN reply_depth smallint NOT NULL DEFAULT 0;   -- answers above it, at most 1,000

-- Who addressed whom without a tie: the addressed neither follows the author nor ever wrote to them. Held posts count
-- as well, or a brigade would begin anew whenever it has been stopped. Kept for a day.
CREATE TABLE stranger_mentions (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,   -- the addressed
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    author_id bigint NOT NULL,
    PRIMARY KEY (account_id, status_id)
);
CREATE INDEX stranger_mentions_age ON stranger_mentions USING brin (status_id) WITH (autosummarize = on);

-- Fingerprints of texts (see screening/near_duplicates.py): two texts that share one of the eight numbers are copies,
-- very likely. Newest first under each number, so that a look-up is bounded however often something was said. Rows of
-- one time lie together; the table can be partitioned by status_id when it is to be.
CREATE TABLE status_fingerprints (
    status_id bigint PRIMARY KEY REFERENCES statuses (id) ON DELETE CASCADE,
    account_id bigint NOT NULL,
    b1 integer NOT NULL, b2 integer NOT NULL, b3 integer NOT NULL, b4 integer NOT NULL,
    b5 integer NOT NULL, b6 integer NOT NULL, b7 integer NOT NULL, b8 integer NOT NULL
);
CREATE INDEX status_fingerprints_b1 ON status_fingerprints (b1, status_id);
CREATE INDEX status_fingerprints_b2 ON status_fingerprints (b2, status_id);
CREATE INDEX status_fingerprints_b3 ON status_fingerprints (b3, status_id);
CREATE INDEX status_fingerprints_b4 ON status_fingerprints (b4, status_id);
CREATE INDEX status_fingerprints_b5 ON status_fingerprints (b5, status_id);
CREATE INDEX status_fingerprints_b6 ON status_fingerprints (b6, status_id);
CREATE INDEX status_fingerprints_b7 ON status_fingerprints (b7, status_id);
CREATE INDEX status_fingerprints_b8 ON status_fingerprints (b8, status_id);

-- Statuses that share a number with `bands`, of ids above `after`, with how many are the same; of each number the
-- newest `most`.
CREATE FUNCTION statuses_like(bands integer[], after bigint, most bigint) RETURNS TABLE (
    status_id bigint, account_id bigint, same integer
) LANGUAGE sql STABLE AS $$
    SELECT f.status_id, f.account_id,
        (f.b1 = $1[1])::integer + (f.b2 = $1[2])::integer + (f.b3 = $1[3])::integer + (f.b4 = $1[4])::integer
        + (f.b5 = $1[5])::integer + (f.b6 = $1[6])::integer + (f.b7 = $1[7])::integer + (f.b8 = $1[8])::integer
    FROM (
        (SELECT * FROM status_fingerprints WHERE b1 = $1[1] AND status_id > $2 ORDER BY b1, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b2 = $1[2] AND status_id > $2 ORDER BY b2, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b3 = $1[3] AND status_id > $2 ORDER BY b3, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b4 = $1[4] AND status_id > $2 ORDER BY b4, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b5 = $1[5] AND status_id > $2 ORDER BY b5, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b6 = $1[6] AND status_id > $2 ORDER BY b6, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b7 = $1[7] AND status_id > $2 ORDER BY b7, status_id DESC LIMIT $3)
        UNION
        (SELECT * FROM status_fingerprints WHERE b8 = $1[8] AND status_id > $2 ORDER BY b8, status_id DESC LIMIT $3)
    ) f
$$;

-- What waits to be put into status_fingerprints: a job moves it each minute, many rows at once. Writing into eight large
-- indexes while an author waits would make posting slower as they grow.
CREATE TABLE fingerprint_queue (
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    revision integer NOT NULL,
    account_id bigint NOT NULL,
    bands integer[] NOT NULL,
    PRIMARY KEY (status_id, revision)
);

-- The numbers of the last hour once more, in a table that stays small: posting asks it. One row for each number, newest
-- first. Lost in a crash, on purpose.
CREATE UNLOGGED TABLE recent_numbers (
    band integer NOT NULL,
    status_id bigint NOT NULL,
    account_id bigint NOT NULL,
    PRIMARY KEY (band, status_id)
);
CREATE INDEX recent_numbers_age ON recent_numbers USING brin (status_id) WITH (autosummarize = on);

-- Texts that people took down: small beside the others, and asked for every new post.
CREATE TABLE removed_texts (
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    revision integer NOT NULL,
    clause text,                                          -- the rule that it was taken down under
    letters text NOT NULL,                                -- what the fingerprint was made of
    bands integer[] NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (status_id, revision)
);
CREATE INDEX removed_texts_bands ON removed_texts USING gin (bands) WITH (fastupdate = off);

-- What a new status or an edit starts from: the author's defaults, and what the judge is told of the author, of those
-- whom the text addresses and of copies. The columns are explained in social/statuses/store_ground.py.
--
-- A function, because it must be planned once for each connection: planning it takes three times as long as running
-- it, and a plan for one author's numbers may walk through everybody's posts of the last hour when the statistics are
-- older than that. The plan is kept while tables grow, so one that was made when they were empty must use the indexes
-- already: hence no sequential scans. Every part is a look-up or a bounded range in an index, most of them empty. Posts
-- of the author and of the thread: statuses_account, statuses_conversation; what was stopped: statuses_stopped;
-- strangers: primary keys of status_mentions and follows; a target's hour: primary key of stranger_mentions; copies:
-- primary key of recent_numbers; what was taken down: removed_texts_bands.
CREATE FUNCTION status_ground(
    author bigint, targets bigint[], ten_minutes bigint, hour bigint, month bigint, parent bigint, conversation bigint,
    numbers integer[]
) RETURNS TABLE (
    visibility text, sensitive boolean, language text, quote_policy text, created_at timestamptz, domain text,
    role text, statuses_count bigint, followers_count bigint, following_count bigint, strikes integer,
    reporters integer, cluster_size integer, posts bigint[], people_hour bigint, stopped bigint[], refused bigint[],
    strangers bigint[], unanswered bigint, pressure bigint, thread bigint[], depth integer, copies bigint[],
    removed jsonb
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH recent AS MATERIALIZED (
        SELECT id, mentioned_ids FROM statuses
        WHERE account_id = $1 AND id > $5 AND reblog_of_id IS NULL ORDER BY id DESC LIMIT 200
    ), strangers AS MATERIALIZED (
        SELECT t.id FROM unnest($2::bigint[]) AS t (id)
        WHERE (SELECT 1 FROM status_mentions m WHERE m.account_id = $1 AND m.author_id = t.id LIMIT 1) IS NULL
        EXCEPT SELECT f.id FROM followers_among($1, $2::bigint[]) AS f
    )
    SELECT p.visibility, p.sensitive, p.language, p.quote_policy,
        f.created_at, f.domain, f.role, f.statuses_count, f.followers_count, f.following_count,
        f.strikes, f.reporters, f.cluster_size,
        (SELECT ARRAY[count(*), count(*) FILTER (WHERE id > $4), count(*) FILTER (WHERE id > $3)] FROM recent),
        (SELECT count(DISTINCT m) FROM recent, unnest(mentioned_ids) AS m WHERE id > $4 AND m <> $1),
        (SELECT ARRAY[count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state <> 'held')] FROM (
            SELECT state FROM statuses
            WHERE account_id = $1 AND id > $5 AND state IN ('held', 'hidden_interim', 'removed') LIMIT 100) AS s),
        ARRAY[count_refusals($1, $5), count_refusals($1, $4)],
        ARRAY(SELECT id FROM strangers),
        coalesce((SELECT max(n) FROM strangers CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT FROM status_mentions
                WHERE account_id = strangers.id AND author_id = $1 LIMIT 50) AS m) AS s), 0),
        coalesce((SELECT max(n) FROM unnest($2::bigint[]) AS t (id) CROSS JOIN LATERAL (
            SELECT count(DISTINCT m.author_id) AS n FROM (
                SELECT author_id FROM stranger_mentions
                WHERE account_id = t.id AND status_id > $4 AND author_id <> $1
                ORDER BY status_id DESC LIMIT 300) AS m) AS s), 0),
        (SELECT ARRAY[count(*), count(DISTINCT account_id)] FROM (
            SELECT account_id FROM statuses WHERE conversation_id = $7 AND id > $3 LIMIT 200) AS s),
        coalesce((SELECT least(reply_depth, 999) + 1 FROM statuses WHERE id = $6), 0),
        (SELECT ARRAY[count(DISTINCT account_id) FILTER (WHERE account_id <> $1),
            count(*) FILTER (WHERE account_id = $1)] FROM (
            SELECT r.status_id, r.account_id FROM unnest($8) AS b (band) CROSS JOIN LATERAL (
                SELECT n.status_id, n.account_id FROM recent_numbers n
                WHERE n.band = b.band AND n.status_id > $4 ORDER BY n.status_id DESC LIMIT 50) AS r
            GROUP BY r.status_id, r.account_id HAVING count(*) > 1) AS s),
        (SELECT jsonb_agg(jsonb_build_array(clause, letters)) FROM (
            SELECT clause, letters FROM removed_texts WHERE bands && $8::integer[]
            ORDER BY removed_at DESC LIMIT 20) AS r)
    FROM author_facts($1) f LEFT JOIN posting_preferences($1) p ON true;
END
$$;
