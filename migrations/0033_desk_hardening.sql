-- Hidden columns stand in the moderation log as salted commitments; see docs/decisions/0020-hidden-columns.md.
SET lock_timeout = '5s';

-- What must not stand in a log that is never shortened is in it as a commitment, for a column of a row with a salt:
--   digest     = SHA-256(column || line feed || value as text)
--   opening    = SHA-256(salt as text || digest)
--   commitment = SHA-256(opening || digest)
-- Who has the log alone can guess nothing. With the opening of one value anybody can check that value, and no other: not
-- of another column, nor an earlier one. The salt never leaves the row's own table, and goes with the row.
CREATE OR REPLACE FUNCTION moderation_row(whole jsonb, hidden text[], ignored text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    salt bytea := convert_to(whole ->> 'log_salt', 'UTF8');
    name text;
    digest bytea;
BEGIN
    whole := whole - ignored - 'log_salt'::text;
    FOREACH name IN ARRAY hidden LOOP
        IF whole ->> name IS NOT NULL THEN
            IF salt IS NULL THEN
                RAISE EXCEPTION 'a table that hides % from the moderation log needs a column log_salt', name;
            END IF;
            digest := sha256(convert_to(name || E'\n' || (whole ->> name), 'UTF8'));
            whole := jsonb_set(whole, ARRAY[name],
                to_jsonb('salted:' || encode(sha256(sha256(salt || digest) || digest), 'hex')));
        END IF;
    END LOOP;
    RETURN whole;
END $$;

-- What proves one hidden value to somebody who has the log.
CREATE FUNCTION moderation_opening(salt uuid, name text, value text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(salt::text, 'UTF8') || sha256(convert_to(name || E'\n' || value, 'UTF8')))
$$;

-- As before, but an update hashes only what it changes; with a new salt, every hidden column.
CREATE OR REPLACE FUNCTION log_moderation_row() RETURNS trigger LANGUAGE plpgsql
SET timezone = 'UTC' SET bytea_output = 'hex' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
DECLARE
    cause text := current_setting('parley.moderation_event', true);
    hidden text[] := TG_ARGV[0];
    ignored text[] := TG_ARGV[1];
    after jsonb;
    before jsonb;
    changed jsonb := '{}';
BEGIN
    IF TG_OP <> 'DELETE' THEN
        after := to_jsonb(NEW) - ignored;
        changed := after;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        before := to_jsonb(OLD) - ignored;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF before = after THEN
            RETURN NULL;
        END IF;
        SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO changed FROM jsonb_each(after)
        WHERE value IS DISTINCT FROM before -> key
           OR key = 'log_salt' OR (key = ANY (hidden) AND after -> 'log_salt' IS DISTINCT FROM before -> 'log_salt');
    END IF;
    IF coalesce(cause, '') = '' THEN
        RAISE EXCEPTION 'a change of % needs an event in the moderation log first', TG_TABLE_NAME;
    END IF;
    INSERT INTO moderation_events (type, actor_type, body)
    VALUES ('row_changed', 'system', jsonb_build_object('type', 'row_changed', 'cause', cause, 'table', TG_TABLE_NAME,
        'id', coalesce(after, before) ->> 'id', 'op', lower(TG_OP),
        'row', moderation_row(changed, hidden, ignored))::text);
    RETURN NULL;
END $$;

CREATE FUNCTION renew_log_salt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.log_salt := gen_random_uuid();
    RETURN NEW;
END $$;

-- Let the changes of a table be logged. `hidden` and `ignored` are columns, as in 0018. A hidden value that is changed or
-- emptied takes its salt with it, so that what it was cannot be found by guessing, not even with the whole database;
-- `keeps`: it does not, for the row goes on proving what it was. Rows that are there are told to the log anew.
CREATE FUNCTION log_moderation_table(name text, hidden text[], ignored text[], keeps boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed text;
    named text;
BEGIN
    EXECUTE format('DROP TRIGGER IF EXISTS logged ON %I', name);
    EXECUTE format('DROP TRIGGER IF EXISTS resalted ON %I', name);
    IF cardinality(hidden) > 0 THEN
        EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS log_salt uuid NOT NULL DEFAULT gen_random_uuid()', name);
        IF NOT keeps THEN
            SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', one), ' OR '),
                string_agg(quote_ident(one), ', ') INTO changed, named
            FROM unnest(hidden) AS one;
            EXECUTE format('CREATE TRIGGER resalted BEFORE UPDATE OF %s ON %I FOR EACH ROW WHEN (%s) '
                'EXECUTE FUNCTION renew_log_salt()', named, name, changed);
        END IF;
    END IF;
    EXECUTE format('CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW '
        'EXECUTE FUNCTION log_moderation_row(%L, %L)', name, hidden, ignored);
    PERFORM adopt_moderation_rows(name, '0033_desk_hardening');
END $$;

-- The hash of what is hidden is hidden too: of something short it is as good as the words.
SELECT log_moderation_table('reports', '{evidence,evidence_sha256,comment}', '{}');
SELECT log_moderation_table('case_notes', '{text}', '{}');
SELECT log_moderation_table('decisions', '{facts,reasons}', '{}');
SELECT log_moderation_table('appeals', '{text,answer}', '{}');
SELECT log_moderation_table('reporters', '{flagger_note}', '{reports,acted,not_acted,reliability,weighed_at}');
SELECT log_moderation_table('decision_proposals', '{decisions,answer}', '{}');
SELECT log_moderation_table('evidence_snapshots', '{content,sha256}', '{}', true);
SELECT log_moderation_table('evidence_captures', '{facts}', '{}');
SELECT log_moderation_table('evidence_files', '{file,sha256,kept_as}', '{}', true);
SELECT log_moderation_table('legal_requests', '{authority,reference,basis,statement,answer}', '{}');
ALTER TABLE legal_holds ADD COLUMN released_why text NOT NULL DEFAULT '';
SELECT log_moderation_table('legal_holds', '{reason,reference,released_why}', '{}');
SELECT log_moderation_table('legal_disclosures', '{recipient,basis,what}', '{}');
SELECT log_moderation_table('providers', '{contact_mail,addresses,webhook_url,token_hash}', '{}');
SELECT log_moderation_table('notices',
    '{subject,statement,reference,authority,basis,reporter_name,reporter_mail,answer_to,message_id,raw_sha256}', '{}');
SELECT log_moderation_table('notice_urls', '{url}', '{}');
SELECT log_moderation_table('provider_responses', '{contents,words,sha256}', '{}');
SELECT log_moderation_table('notice_messages', '{address,message_id,problem,raw_sha256}', '{}');
SELECT log_moderation_table('juries', '{seed}', '{pool}');
SELECT log_moderation_table('incidents', '{title,why,lessons,scope}', '{}');
SELECT log_moderation_table('transparency_reports', '{contents}', '{}');

-- One hidden value as it is now, and what proves it; nothing for a column that is not hidden, or empty.
CREATE FUNCTION open_moderation_value(name text, row_id bigint, hidden_column text)
RETURNS TABLE (value text, opening bytea) LANGUAGE plpgsql STABLE
SET timezone = 'UTC' SET bytea_output = 'hex' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
DECLARE
    hides boolean;
BEGIN
    SELECT hidden_column = ANY ((string_to_array(encode(tgargs, 'escape'), '\000'))[1]::text[]) INTO hides
    FROM pg_trigger WHERE tgrelid = to_regclass(name) AND tgname = 'logged';
    IF coalesce(hides, false) THEN
        RETURN QUERY EXECUTE format('SELECT v, moderation_opening(log_salt, $2, v) FROM ('
            'SELECT log_salt, to_jsonb(one) ->> $2 AS v FROM %I one WHERE one.id = $1) found WHERE v IS NOT NULL', name)
        USING row_id, hidden_column;
    END IF;
END $$;

-- ---- Raw messages ---------------------------------------------------------------------------------------------------
-- What is kept byte for byte in the area of evidence, by its hash, and who sent it first: `strangers`, or `provider:ID`.
-- `doomed`: no notice names it any more, and its file is being deleted.
CREATE TABLE raw_messages (
    sha256 bytea PRIMARY KEY,
    size_bytes bigint NOT NULL,
    sent_by text NOT NULL,
    day date NOT NULL,                                    -- under which it is counted
    kept_at timestamptz NOT NULL,
    doomed boolean NOT NULL DEFAULT false
);
CREATE INDEX raw_messages_age ON raw_messages (kept_at);
-- Bytes that came on a day, and how many of them are still kept.
CREATE TABLE raw_message_days (
    sent_by text NOT NULL,
    day date NOT NULL,
    arrived bigint NOT NULL,
    kept bigint NOT NULL,
    PRIMARY KEY (sent_by, day)
);
CREATE INDEX notices_raw ON notices (raw_sha256) WHERE raw_sha256 IS NOT NULL;
CREATE INDEX notice_messages_raw ON notice_messages (raw_sha256) WHERE raw_sha256 IS NOT NULL;
INSERT INTO raw_messages (sha256, size_bytes, sent_by, day, kept_at)
SELECT DISTINCT ON (raw_sha256) raw_sha256, coalesce(raw_bytes, 0),
    coalesce('provider:' || provider_id, 'strangers'), (received_at AT TIME ZONE 'UTC')::date, received_at
FROM notices WHERE raw_sha256 IS NOT NULL ORDER BY raw_sha256, received_at;
INSERT INTO raw_message_days (sent_by, day, arrived, kept)
SELECT sent_by, day, sum(size_bytes), sum(size_bytes) FROM raw_messages GROUP BY 1, 2;

-- What those who run the instance were told by mail, so that they are told once a day.
CREATE TABLE desk_warnings (
    code text PRIMARY KEY,
    told_at timestamptz NOT NULL
);

-- ---- Proposals ------------------------------------------------------------------------------------------------------
-- What two people decided is undone by two: the decision that is to be taken back.
ALTER TABLE decision_proposals ADD COLUMN reverses_id bigint REFERENCES decisions (id);
ALTER TABLE decision_proposals DROP CONSTRAINT decision_proposals_why_check;
ALTER TABLE decision_proposals ADD CONSTRAINT decision_proposals_why_check CHECK (why IN ('termination', 'many', 'undo'));
ALTER TABLE decision_proposals ADD CHECK ((why = 'undo') = (reverses_id IS NOT NULL));
CREATE UNIQUE INDEX decision_proposals_undo ON decision_proposals (reverses_id) WHERE state = 'waiting';

-- ---- Linked accounts ------------------------------------------------------------------------------------------------
-- How many accounts that are shut out now an account has enough in common with (safety/decisions/linking.py).
ALTER TABLE account_standing ADD COLUMN linked_banned integer NOT NULL DEFAULT 0;
