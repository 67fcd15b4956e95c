-- The epoch: a number that grows by one whenever another host takes over. Every write says with which epoch it was
-- begun; what still believes in an older one is refused. See parley/kit/gate.py and parley/hosting.
SET lock_timeout = '5s';

ALTER TABLE parley_meta ADD COLUMN epoch bigint NOT NULL DEFAULT 1;

-- Called at the beginning of every write transaction; 0 is a program that has not asked yet.
CREATE FUNCTION parley_begin(expected bigint) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM parley_meta WHERE epoch = expected) THEN
        RAISE EXCEPTION 'this write was begun with epoch %, which is not the instance''s any more', expected
            USING ERRCODE = 'PE001';
    END IF;
END
$$;

ALTER TABLE hosting_records DROP CONSTRAINT hosting_records_kind_check;
ALTER TABLE hosting_records ADD CONSTRAINT hosting_records_kind_check
    CHECK (kind IN ('snapshot', 'drill', 'standby', 'move', 'failover', 'degraded', 'restored'));
