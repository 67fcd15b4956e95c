-- Sweeps, policies and banks in the moderation log; see docs/decisions/0015-moderation-log.md and 0023.
SET lock_timeout = '5s';

-- ---- Sweeps ---------------------------------------------------------------------------------------------------------
-- How far a sweep is, is worked out again at any time; what it counted holds samples of what people wrote.
ALTER TABLE sweep_approvals ADD COLUMN id bigint NOT NULL DEFAULT parley_id() UNIQUE;
ALTER TABLE sweep_changes ADD COLUMN decision_id bigint REFERENCES decisions (id);   -- where it restricted a post
CREATE INDEX sweep_changes_decision ON sweep_changes (decision_id) WHERE decision_id IS NOT NULL;
SELECT log_moderation_table('sweeps', '{reason,counts,note}', '{cursor,judged,acted,unclear}');
SELECT log_moderation_table('sweep_approvals', '{note}', '{}');
SELECT log_moderation_table('sweep_changes', '{before}', '{}');

-- ---- Policies and banks -----------------------------------------------------------------------------------------------
-- They belong to rooms below the desk, which do not know its log: the database writes the entry for them, in the same
-- transaction. Afterwards the entry that was the cause before is so again.
CREATE FUNCTION append_moderation_event(kind text, actor jsonb, about jsonb) RETURNS bigint LANGUAGE plpgsql
SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    event bigint := parley_id();
BEGIN
    INSERT INTO moderation_events (id, type, actor_type, actor_id, body)
    VALUES (event, kind, actor ->> 'type', (actor ->> 'id')::bigint, jsonb_build_object('type', kind,
        'at', to_jsonb(clock_timestamp()), 'actor', actor, 'case_id', NULL, 'subject', NULL, 'payload', about)::text);
    RETURN event;
END $$;

CREATE FUNCTION moderation_actor(account bigint, called text, otherwise text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN coalesce(account, 0) = 0 THEN jsonb_build_object('type', 'system', 'id', NULL, 'name', otherwise)
        ELSE jsonb_build_object('type', 'human', 'id', account, 'name', called) END
$$;

CREATE FUNCTION announce_policy_activation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parley.outer_event', coalesce(current_setting('parley.moderation_event', true), ''), true);
    PERFORM set_config('parley.moderation_event', append_moderation_event('policy_activated',
        moderation_actor(NEW.activated_by, NEW.activated_name, 'policies'),
        jsonb_build_object('policy', NEW.sha256, 'ruleset', NEW.ruleset, 'pinned', NEW.pinned,
            'needs_second', NEW.needs_second, 'backtest', NEW.backtest_id::text))::text, true);
    RETURN NEW;
END $$;
CREATE FUNCTION announce_bank_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parley.outer_event', coalesce(current_setting('parley.moderation_event', true), ''), true);
    PERFORM set_config('parley.moderation_event', append_moderation_event('bank_changed',
        moderation_actor(NEW.account_id, NEW.username, 'banks'),
        jsonb_build_object('revision', NEW.id::text, 'added', NEW.added, 'removed', NEW.removed))::text, true);
    RETURN NEW;
END $$;
CREATE FUNCTION end_announcement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('parley.moderation_event', coalesce(current_setting('parley.outer_event', true), ''), true);
    RETURN NULL;
END $$;

SELECT log_moderation_table('policy_activations', '{note}', '{}');
SELECT log_moderation_table('bank_changes', '{what}', '{}');
-- Of triggers of one moment PostgreSQL runs the one first whose name comes first: announced, logged, unannounced.
CREATE TRIGGER announced BEFORE INSERT ON policy_activations FOR EACH ROW EXECUTE FUNCTION announce_policy_activation();
CREATE TRIGGER unannounced AFTER INSERT ON policy_activations FOR EACH ROW EXECUTE FUNCTION end_announcement();
CREATE TRIGGER announced BEFORE INSERT ON bank_changes FOR EACH ROW EXECUTE FUNCTION announce_bank_change();
CREATE TRIGGER unannounced AFTER INSERT ON bank_changes FOR EACH ROW EXECUTE FUNCTION end_announcement();

-- The hash of a ruleset covers every rule, every entry of the banks of words and the model.
CREATE FUNCTION announce_ruleset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM append_moderation_event('ruleset_kept', moderation_actor(NULL, '', 'policies'),
        jsonb_build_object('ruleset', NEW.sha256, 'policy', NEW.policy_sha256, 'bank_revision', NEW.bank_revision::text));
    RETURN NULL;
END $$;
CREATE TRIGGER announced AFTER INSERT ON rulesets FOR EACH ROW EXECUTE FUNCTION announce_ruleset();

-- Banks of hashes, one entry for each statement: a list has millions of rows.
CREATE FUNCTION announce_hash_bank() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bank hash_banks := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    PERFORM append_moderation_event('hash_bank_changed', moderation_actor(NULL, '', 'banks'), jsonb_build_object(
        'bank', bank.name, 'op', lower(TG_OP), 'tier', bank.tier, 'clause', bank.clause, 'state', bank.state));
    RETURN NULL;
END $$;
CREATE TRIGGER announced AFTER INSERT OR DELETE ON hash_banks FOR EACH ROW EXECUTE FUNCTION announce_hash_bank();
CREATE TRIGGER announced_change AFTER UPDATE ON hash_banks FOR EACH ROW
    WHEN ((OLD.name, OLD.tier, OLD.clause, OLD.state) IS DISTINCT FROM (NEW.name, NEW.tier, NEW.clause, NEW.state))
    EXECUTE FUNCTION announce_hash_bank();

CREATE FUNCTION announce_hashes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        FOR found IN
            SELECT n.bank_id, count(*) AS rows, min(n.id) AS first, max(n.id) AS last, array_agg(DISTINCT n.state) AS states
            FROM after_rows n JOIN before_rows o USING (id)
            WHERE (o.state, o.hash, o.kind) IS DISTINCT FROM (n.state, n.hash, n.kind) GROUP BY n.bank_id
        LOOP
            PERFORM append_moderation_event('hashes_changed', moderation_actor(NULL, '', 'banks'), jsonb_build_object(
                'bank_id', found.bank_id::text, 'op', 'update', 'rows', found.rows, 'first', found.first::text,
                'last', found.last::text, 'states', to_jsonb(found.states)));
        END LOOP;
        RETURN NULL;
    END IF;
    FOR found IN
        SELECT bank_id, count(*) AS rows, min(id) AS first, max(id) AS last FROM changed_rows GROUP BY bank_id
    LOOP
        PERFORM append_moderation_event('hashes_changed', moderation_actor(NULL, '', 'banks'), jsonb_build_object(
            'bank_id', found.bank_id::text, 'op', lower(TG_OP), 'rows', found.rows, 'first', found.first::text,
            'last', found.last::text));
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER announced_more AFTER INSERT ON bank_hashes REFERENCING NEW TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION announce_hashes();
CREATE TRIGGER announced_less AFTER DELETE ON bank_hashes REFERENCING OLD TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION announce_hashes();
CREATE TRIGGER announced_other AFTER UPDATE ON bank_hashes REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION announce_hashes();
