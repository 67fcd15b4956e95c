-- Notifications: what a member is told about.
SET lock_timeout = '5s';

CREATE TABLE notifications (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    type text NOT NULL CHECK (type IN ('mention', 'status', 'reblog', 'follow', 'follow_request', 'favourite',
        'poll', 'update', 'quote', 'quoted_update', 'moderation_warning', 'admin.sign_up', 'admin.report')),
    from_account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint REFERENCES statuses (id) ON DELETE CASCADE,
    detail jsonb,                                         -- for moderation_warning and reports
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX notifications_once ON notifications (account_id, type, from_account_id, coalesce(status_id, 0))
    WHERE type IN ('mention', 'reblog', 'follow', 'follow_request', 'favourite', 'poll', 'status', 'quote');
CREATE INDEX notifications_status ON notifications (status_id) WHERE status_id IS NOT NULL;
CREATE INDEX notifications_from ON notifications (from_account_id);
