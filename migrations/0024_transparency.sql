-- Proof for outsiders: addresses of compliance pages, and transparency reports as they were published.
SET lock_timeout = '5s';

-- The address of a provider's compliance page is made from `id` with the instance's key (safety/transparency/links.py):
-- whoever reads this table learns no address. At most one is live; a new one takes the place of the old.
CREATE TABLE compliance_tokens (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    provider_id bigint NOT NULL REFERENCES providers (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE UNIQUE INDEX compliance_tokens_live ON compliance_tokens (provider_id) WHERE revoked_at IS NULL;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON compliance_tokens
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{}', '{}');

-- Whose authority it is, for the table of orders by member state: two letters (ISO 3166-1), empty where it is not known.
ALTER TABLE providers ADD COLUMN country text NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$');

-- Frozen: a report that turns out to be wrong is corrected by another, and both stay.
CREATE TABLE transparency_reports (
    id bigint PRIMARY KEY DEFAULT parley_id(),
    from_day date NOT NULL,
    until_day date NOT NULL CHECK (until_day >= from_day),  -- the last day of the period
    contents text NOT NULL,                               -- JSON, byte for byte what was hashed and signed
    sha256 bytea NOT NULL,
    signature bytea NOT NULL,                             -- Ed25519, of the contents
    key_fingerprint text NOT NULL,
    corrects_id bigint REFERENCES transparency_reports (id),
    published_by bigint REFERENCES accounts (id),         -- NULL: an operator's command
    published_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX transparency_reports_period ON transparency_reports (until_day DESC, id DESC);
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON transparency_reports
    FOR EACH ROW EXECUTE FUNCTION log_moderation_row('{contents}', '{}');

CREATE FUNCTION keep_transparency_reports() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published transparency report is frozen: publish a correction';
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON transparency_reports
    FOR EACH ROW EXECUTE FUNCTION keep_transparency_reports();
