-- What a host that was overtaken had written and nobody else has: how it is found, on both sides. The functions only
-- read; a server that is only read cannot be given functions of the moment. See parley/hosting/failover/lost_writes.py.
SET lock_timeout = '5s';

-- The rows of a table (a partition, not its root) that these transactions left behind in blocks first..last.
CREATE FUNCTION parley_rows_written(of regclass, transactions text[], first bigint, last bigint) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT to_jsonb(t) FROM ONLY %s t WHERE ctid >= $1 AND ctid < $2 AND xmin::text = ANY ($3)', of)
        USING format('(%s,0)', first)::tid, format('(%s,0)', last + 1)::tid, transactions;
END
$$;

-- The rows with the same primary key as one of `keys`, an array of objects.
CREATE FUNCTION parley_rows_like(of regclass, keys jsonb) RETURNS SETOF jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    columns text := (
        SELECT string_agg(quote_ident(a.attname), ', ')
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = of AND i.indisprimary);
BEGIN
    IF columns IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT to_jsonb(t) FROM %1$s t WHERE (%2$s) IN (SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$s, $1))',
        of, columns) USING keys;
END
$$;

-- The rows that lie at these places of a table and are older than a transaction.
CREATE FUNCTION parley_rows_at(of regclass, places text[], before text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT to_jsonb(t) FROM ONLY %s t WHERE ctid = ANY ($1) AND age(xmin) > age($2)', of)
        USING places::tid[], before::xid;
END
$$;

-- The rows of a table that this transaction or a later one left behind, in the order in which they lie.
CREATE FUNCTION parley_rows_since(of regclass, first text, skipped bigint, most bigint) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT to_jsonb(t) FROM ONLY %s t WHERE age(xmin) <= age($1) + 64 ORDER BY ctid OFFSET $2 LIMIT $3', of)
        USING first::xid, skipped, most;
END
$$;
