-- Notifications: what a member is told about.
SET lock_timeout = '5s';

CREATE TABLE notifications (
    id bigint NOT NULL DEFAULT parley_id(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    type text NOT NULL CHECK (type IN ('mention', 'status', 'reblog', 'follow', 'follow_request', 'favourite',
        'poll', 'update', 'quote', 'quoted_update', 'moderation_warning', 'admin.sign_up', 'admin.report')),
    from_account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    status_id bigint REFERENCES statuses (id) ON DELETE CASCADE,
    group_key text NOT NULL,                              -- what is shown as one: favourite-<status>-<12 hours>
    filtered boolean NOT NULL DEFAULT false,              -- set aside by the member's policy
    detail jsonb,                                         -- for moderation_warning and reports
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);
-- The same thing is told once. A status may be edited often: update is told once for each revision, by its detail.
CREATE UNIQUE INDEX notifications_once ON notifications (account_id, type, from_account_id, coalesce(status_id, 0))
    WHERE type IN ('mention', 'reblog', 'follow', 'follow_request', 'favourite', 'poll', 'status', 'quote', 'admin.sign_up');
CREATE UNIQUE INDEX notifications_update_once ON notifications (account_id, type, status_id, (detail ->> 'revision'))
    WHERE type IN ('update', 'quoted_update', 'moderation_warning');
CREATE INDEX notifications_status ON notifications (status_id) WHERE status_id IS NOT NULL;
CREATE INDEX notifications_from ON notifications (from_account_id);
CREATE INDEX notifications_group ON notifications (account_id, group_key, id);
CREATE INDEX notifications_filtered ON notifications (account_id, from_account_id, id) WHERE filtered;

-- Whose notifications a member wants: accept, filter (set aside as a request) or drop.
CREATE TABLE notification_policies (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    for_not_following text NOT NULL DEFAULT 'accept' CHECK (for_not_following IN ('accept', 'filter', 'drop')),
    for_not_followers text NOT NULL DEFAULT 'accept' CHECK (for_not_followers IN ('accept', 'filter', 'drop')),
    for_new_accounts text NOT NULL DEFAULT 'accept' CHECK (for_new_accounts IN ('accept', 'filter', 'drop')),
    for_private_mentions text NOT NULL DEFAULT 'accept' CHECK (for_private_mentions IN ('accept', 'filter', 'drop')),
    for_limited_accounts text NOT NULL DEFAULT 'filter' CHECK (for_limited_accounts IN ('accept', 'filter', 'drop'))
);

-- Senders that a member let through although the policy would set them aside.
CREATE TABLE notification_permissions (
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    from_account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, from_account_id)
);
