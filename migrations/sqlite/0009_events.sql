-- SQLite dialect of migration 0009. The twin is ../postgres/0009_events.sql; a test holds the two together.

-- What happened, written by the transaction that did it, in one order: the mark, then the number. SQLite has one writer, so
-- that numbers alone are in the order of commits and every mark is 0. A number is never used twice. Words sort by their
-- bytes. The columns that say what it is about refer to nothing: what happened stays when that is gone. What a session tells
-- of itself has its own number there, and goes with it.
CREATE TABLE event (
    number          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mark            INTEGER NOT NULL,
    happened_at     TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    run_id          BLOB,
    session_id      BLOB,
    build_ref       TEXT,
    session_number  INTEGER CHECK (session_number >= 0),
    session_version INTEGER,
    document        TEXT    NOT NULL CHECK (json_valid(document))
) STRICT;
INSERT INTO event (mark, happened_at, kind, session_id, session_number, session_version, document)
    SELECT 0, happened_at, 'session.' || json_extract(document, '$.event'), session_id, number, version, document
    FROM session_event ORDER BY session_id, number;
CREATE INDEX event_order ON event (mark, number);
CREATE INDEX event_run ON event (run_id, mark, number) WHERE run_id IS NOT NULL;
CREATE INDEX event_about_session ON event (session_id, mark, number) WHERE session_id IS NOT NULL;
CREATE INDEX event_build ON event (build_ref, mark, number) WHERE build_ref IS NOT NULL;
CREATE UNIQUE INDEX event_session ON event (session_id, session_number) WHERE session_number IS NOT NULL;
DROP TABLE session_event;

-- What is added to the ids of transactions to make marks, where transactions have ids.
CREATE TABLE event_base (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    base INTEGER NOT NULL
) STRICT;
INSERT INTO event_base (id, base) VALUES (1, 0);
