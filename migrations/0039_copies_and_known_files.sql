-- Decisions about copies know which decision they repeat, and so go with it when that is undone.
SET lock_timeout = '5s';

CREATE TABLE decision_copies (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    decision_id bigint NOT NULL UNIQUE REFERENCES decisions (id),
    copy_of_id bigint NOT NULL REFERENCES decisions (id),
    CHECK (decision_id <> copy_of_id)
);
CREATE INDEX decision_copies_first ON decision_copies (copy_of_id, decision_id);
SELECT log_moderation_table('decision_copies', '{}', '{}');

-- The decision that what is proposed repeats for copies.
ALTER TABLE decision_proposals ADD COLUMN copies_of_id bigint REFERENCES decisions (id);
CREATE INDEX decision_proposals_copies ON decision_proposals (copies_of_id) WHERE copies_of_id IS NOT NULL;

-- ---- Files that a bank of hashes took out of sight ------------------------------------------------------------------
-- Every look at one is an entry of the chained log too; why somebody had to look is hidden there, as what people wrote is.
ALTER TABLE media_evidence_openings DROP CONSTRAINT media_evidence_openings_account_id_fkey;
ALTER TABLE media_evidence_openings ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
SELECT log_moderation_table('media_evidence_openings', '{reason}', '{}');

-- They have an end: the file goes, and its hash stays.
ALTER TABLE media_evidence ADD COLUMN purged_at timestamptz;
CREATE INDEX media_evidence_kept ON media_evidence (created_at, id) WHERE purged_at IS NULL;
CREATE INDEX media_evidence_file ON media_evidence (evidence_file) WHERE purged_at IS NULL;

-- Which of them nobody needs any more, the oldest first: taken away before `taken_before`, their account's cases were all
-- closed before `closed_before`, and nothing of it is under a hold or appealed.
CREATE FUNCTION due_known_files(taken_before timestamptz, closed_before timestamptz, most integer)
RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS $$
    SELECT e.id FROM media_evidence e
    WHERE e.purged_at IS NULL AND e.created_at < $1
      AND NOT is_preserved(e.account_id) AND NOT is_held(e.account_id) AND NOT has_hold('media', e.media_id)
      AND NOT EXISTS (SELECT FROM media m WHERE m.id = e.media_id AND has_hold('status', m.status_id))
      AND NOT EXISTS (SELECT FROM media_remains m WHERE m.media_id = e.media_id AND has_hold('status', m.status_id))
      AND NOT EXISTS (SELECT FROM cases k WHERE k.account_id = e.account_id AND k.closed_at >= $2)
      AND NOT EXISTS (
        SELECT FROM appeals a JOIN decisions d ON d.id = a.decision_id
        WHERE d.account_id = e.account_id AND a.ended_at IS NULL)
    ORDER BY e.created_at, e.id LIMIT $3
$$;
