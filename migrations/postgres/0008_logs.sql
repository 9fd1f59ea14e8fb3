-- PostgreSQL dialect of migration 0008. The twin is ../sqlite/0008_logs.sql; a test holds the two together.

-- The log of a run: how many lines are kept, how many bytes of text they are, how many lines came after the limits, and
-- whether more may come.
CREATE TABLE log (
    run_id  uuid    NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    lines   bigint  NOT NULL CHECK (lines >= 0),
    bytes   bigint  NOT NULL CHECK (bytes >= 0),
    dropped bigint  NOT NULL CHECK (dropped >= 0),
    ended   boolean NOT NULL
);

-- A stretch of a log's lines: the number of its first one, the place of its first byte in the log's text, how many lines.
CREATE TABLE log_chunk (
    run_id     uuid   NOT NULL REFERENCES log (run_id) ON DELETE CASCADE,
    first_line bigint NOT NULL CHECK (first_line >= 0),
    first_byte bigint NOT NULL CHECK (first_byte >= 0),
    lines      bigint NOT NULL CHECK (lines >= 1),
    document   text   NOT NULL,
    PRIMARY KEY (run_id, first_line)
);
CREATE UNIQUE INDEX log_chunk_byte ON log_chunk (run_id, first_byte);

-- A file that a run left behind; never changed. The content that it names does not expire.
CREATE TABLE artifact (
    run_id     uuid        NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    job        text        NOT NULL COLLATE "C",
    path       text        NOT NULL COLLATE "C",
    digest     bytea       NOT NULL REFERENCES content (digest),
    size       bigint      NOT NULL CHECK (size >= 0),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, job, path)
);
CREATE INDEX artifact_digest ON artifact (digest);
