-- Sweeps over what carries files that a bank of hashes has come to know: what is looked for, what was found, what is judged.
SET lock_timeout = '5s';

ALTER TABLE sweeps ADD COLUMN scope text NOT NULL DEFAULT 'history' CHECK (scope IN ('history', 'files'));
ALTER TABLE sweep_changes DROP CONSTRAINT sweep_changes_kind_check;
ALTER TABLE sweep_changes ADD CONSTRAINT sweep_changes_kind_check CHECK (kind IN
    ('hidden', 'revision_hidden', 'limited', 'released', 'withdrawn', 'flagged', 'file_hidden'));

-- Rows of banks whose like is looked for among our files; everything up to `cursor` has been. Where files are gone through
-- for many rows at once, those up to `walked` of media_hashes have been for the rows that follow `cursor`.
CREATE TABLE sweep_spans (
    sweep_id bigint NOT NULL REFERENCES sweeps (id),
    bank_id bigint NOT NULL,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    cursor bigint NOT NULL,
    walked bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (sweep_id, bank_id, first_id, last_id)
);
CREATE INDEX sweep_spans_open ON sweep_spans (sweep_id) WHERE cursor < last_id;

-- What was found, with what the banks knew of it before and know now.
CREATE TABLE sweep_files (
    sweep_id bigint NOT NULL REFERENCES sweeps (id),
    file text NOT NULL,
    media_id bigint,                                      -- NULL: a profile picture or an emoji
    account_id bigint,                                    -- NULL: an emoji
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    hidden text[] NOT NULL DEFAULT '{}',                  -- files of an emoji that were hidden at once
    PRIMARY KEY (sweep_id, file)
);

-- The revisions that a sweep of the scope `files` judges, in the order in which it does.
CREATE TABLE sweep_subjects (
    sweep_id bigint NOT NULL REFERENCES sweeps (id),
    place bigint NOT NULL,
    subject_type text NOT NULL,
    subject_id bigint NOT NULL,
    revision integer NOT NULL,
    PRIMARY KEY (sweep_id, place),
    UNIQUE (sweep_id, subject_type, subject_id, revision)
);

-- Sounds are looked for by exactly their hash too.
CREATE INDEX media_hashes_audio ON media_hashes (hash) WHERE kind = 'audio';
