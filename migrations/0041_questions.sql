-- What moderators ask of whoever sent a notice. Clocks stand still until the answer comes, or until `until_at`.
SET lock_timeout = '5s';

CREATE TABLE notice_questions (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    notice_id bigint NOT NULL REFERENCES notices (id),
    asked_by bigint NOT NULL REFERENCES accounts (id),
    question text NOT NULL,
    answer text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'expired', 'ended')),
    paused_clocks bigint[] NOT NULL,                      -- sla_clocks that stand still; empty: none may
    asked_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,                        -- when the clocks go on without an answer
    ended_at timestamptz,
    CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX notice_questions_open ON notice_questions (notice_id) WHERE state = 'open';
CREATE INDEX notice_questions_notice ON notice_questions (notice_id, id);
CREATE INDEX notice_questions_until ON notice_questions (until_at) WHERE state = 'open';
SELECT log_moderation_table('notice_questions', '{question,answer}', '{}');

ALTER TABLE notice_messages DROP CONSTRAINT notice_messages_kind_check;
ALTER TABLE notice_messages ADD CONSTRAINT notice_messages_kind_check
    CHECK (kind IN ('notice', 'reply', 'receipt', 'question', 'answer', 'webhook'));
ALTER TABLE notice_messages ADD COLUMN question_id bigint REFERENCES notice_questions (id);
