-- Discovery: what search looks through.
SET lock_timeout = '5s';

-- Filled by a job after a status is published; visibility is checked again when it is read.
CREATE TABLE status_search (
    status_id bigint PRIMARY KEY REFERENCES statuses (id) ON DELETE CASCADE,
    account_id bigint NOT NULL,
    words tsvector NOT NULL
);
CREATE INDEX status_search_words ON status_search USING gin (words);
CREATE INDEX status_search_account ON status_search (account_id, status_id DESC);
