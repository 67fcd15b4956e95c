-- What every room stands on: ids, schema versions, events, results of screening, rate limits.
SET lock_timeout = '5s';

-- One row. A program refuses a database whose oldest_compatible is newer than what it knows.
CREATE TABLE parley_meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema_version integer NOT NULL,
    oldest_compatible integer NOT NULL,
    instance_id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO parley_meta (schema_version, oldest_compatible) VALUES (0, 0);

-- Ids: milliseconds << 16 | 16 bits of a sequence. They sort by time; see kit/ids.py.
CREATE SEQUENCE parley_id_seq CACHE 32 CYCLE MINVALUE 0 MAXVALUE 65535;
CREATE FUNCTION parley_id() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
    SELECT ((extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16) | nextval('parley_id_seq')
$$;

-- The log of facts, written in the same transaction as the rows that they are about. Partitioned by id, and so by
-- month; a job makes partitions ahead, the default one catches what it missed. See docs/decisions/0003.
CREATE TABLE events (
    id bigint NOT NULL DEFAULT parley_id(),
    type text NOT NULL,
    account_id bigint,
    payload jsonb NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE TYPE verdict_outcome AS ENUM ('allow', 'allow_flag', 'limit', 'hold', 'reject', 'quarantine');

-- One row for every revision of everything that a person may see, made in the transaction of the write.
CREATE TABLE screening_results (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    subject_type text NOT NULL CHECK (subject_type IN ('status', 'poll', 'media', 'profile', 'message')),
    subject_id bigint NOT NULL,
    revision integer NOT NULL,
    account_id bigint NOT NULL,
    outcome verdict_outcome NOT NULL,
    clause text,
    sentence text NOT NULL DEFAULT '',
    ruleset text NOT NULL,
    detail jsonb NOT NULL,              -- signals, matches, because, rules fired
    degraded boolean NOT NULL DEFAULT false,
    latency_us integer NOT NULL,
    rescreened_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX screening_results_subject ON screening_results (subject_type, subject_id, revision);
CREATE INDEX screening_results_degraded ON screening_results (id) WHERE degraded AND rescreened_at IS NULL;
CREATE INDEX screening_results_held ON screening_results (id) WHERE outcome IN ('hold', 'reject', 'quarantine');

-- Counters of tries at doors that guess-work would attack. Lost in a crash, on purpose.
CREATE UNLOGGED TABLE rate_limits (
    bucket text NOT NULL,
    window_start timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 1,
    PRIMARY KEY (bucket, window_start)
);
