-- SQLite dialect of migration 0008. The twin is ../postgres/0008_logs.sql; a test holds the two together.

-- The log of a run: how many lines are kept, how many bytes of text they are, how many lines came after the limits, and
-- whether more may come.
CREATE TABLE log (
    run_id  BLOB    NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    lines   INTEGER NOT NULL CHECK (lines >= 0),
    bytes   INTEGER NOT NULL CHECK (bytes >= 0),
    dropped INTEGER NOT NULL CHECK (dropped >= 0),
    ended   INTEGER NOT NULL CHECK (ended IN (0, 1))
) STRICT;

-- A stretch of a log's lines: the number of its first one, the place of its first byte in the log's text, how many lines.
CREATE TABLE log_chunk (
    run_id     BLOB    NOT NULL REFERENCES log (run_id) ON DELETE CASCADE,
    first_line INTEGER NOT NULL CHECK (first_line >= 0),
    first_byte INTEGER NOT NULL CHECK (first_byte >= 0),
    lines      INTEGER NOT NULL CHECK (lines >= 1),
    document   TEXT    NOT NULL,
    PRIMARY KEY (run_id, first_line)
) STRICT;
CREATE UNIQUE INDEX log_chunk_byte ON log_chunk (run_id, first_byte);

-- A file that a run left behind; never changed. The content that it names does not expire.
CREATE TABLE artifact (
    run_id     BLOB    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    job        TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    digest     BLOB    NOT NULL REFERENCES content (digest),
    size       INTEGER NOT NULL CHECK (size >= 0),
    created_at TEXT    NOT NULL,
    PRIMARY KEY (run_id, job, path)
) STRICT;
CREATE INDEX artifact_digest ON artifact (digest);
