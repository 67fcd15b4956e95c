-- What was done about the host: snapshots and drills, for those who run the instance.
SET lock_timeout = '5s';

CREATE TABLE hosting_records (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    kind text NOT NULL CHECK (kind IN ('snapshot', 'drill')),
    ok boolean NOT NULL,
    seconds double precision NOT NULL,
    detail jsonb NOT NULL,                                -- figures; what went wrong, in one sentence
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX hosting_records_kind ON hosting_records (kind, id);
