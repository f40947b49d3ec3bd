-- The least a table of webhooks can be. Plain bytes: no parsing as jsonb; lz4 costs less than what it saves in the write-ahead log.
CREATE TABLE webhooks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    body        bytea COMPRESSION lz4 NOT NULL
);
