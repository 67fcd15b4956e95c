-- How often an outside model was asked on each day (UTC): its budget is counted here, so that a restart does not renew it.
SET lock_timeout = '5s';

CREATE TABLE outside_calls (
    day date PRIMARY KEY,
    calls bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    raised bigint NOT NULL DEFAULT 0                      -- verdicts that became stricter by what it said
);
