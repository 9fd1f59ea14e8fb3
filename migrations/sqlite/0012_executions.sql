-- SQLite dialect of migration 0012. The twin is ../postgres/0012_executions.sql; a test holds the two together.

-- How a session is run by this service. It waits for its build, or runs, or is paused; or it is over. `wakes` counts how
-- often something happened that it has to look at: whoever has looked puts it to rest only if nothing happened meanwhile.
-- `run_list` is the SHA-256 of that of whose jobs results are expected.
CREATE TABLE execution (
    session_id   BLOB    NOT NULL PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'paused', 'finished', 'canceled', 'missed')),
    reason       TEXT,
    plan         TEXT    NOT NULL CHECK (json_valid(plan)),
    project      TEXT    NOT NULL,
    priority     INTEGER NOT NULL,
    build_id     BLOB    REFERENCES build (id),
    build_ref    TEXT,
    tested       TEXT    CHECK (json_valid(tested)),
    run_list     TEXT,
    deadline_at  TEXT,
    due_at       TEXT,
    wakes        INTEGER NOT NULL,
    lease_holder BLOB,
    lease_until  TEXT,
    created_at   TEXT    NOT NULL,
    created_by   TEXT,
    started_at   TEXT,
    ended_at     TEXT,
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('finished', 'canceled', 'missed')) = (ended_at IS NOT NULL)),
    CHECK (state <> 'waiting' OR build_id IS NOT NULL)
) STRICT;
CREATE INDEX execution_due ON execution (due_at, session_id) WHERE due_at IS NOT NULL;
CREATE INDEX execution_build ON execution (build_id) WHERE build_id IS NOT NULL;

-- A result that is expected of a session: of each job that it was to run. What has come has a status; the rest is missing.
-- `earlier` are the attempts before somebody asked for it again; `reported_at` is when it was put into a report, by the run
-- that brought it or otherwise.
CREATE TABLE expected_result (
    session_id BLOB    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    job_id     TEXT    NOT NULL,
    place      INTEGER NOT NULL CHECK (place >= 0),
    status     TEXT    CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    reason     TEXT,
    run_id     BLOB    REFERENCES run (id),
    attempts   INTEGER NOT NULL CHECK (attempts >= 0),
    earlier    INTEGER NOT NULL CHECK (earlier >= 0),
    settled_at TEXT,
    reported_at TEXT,
    PRIMARY KEY (session_id, job_id),
    CHECK ((status IS NULL) = (settled_at IS NULL)),
    CHECK (status IS NOT NULL OR reported_at IS NULL)
) STRICT;
CREATE UNIQUE INDEX expected_result_place ON expected_result (session_id, place);
CREATE INDEX expected_result_unreported ON expected_result (session_id, place) WHERE status IS NOT NULL AND reported_at IS NULL;

-- Runs of a session that are over and that it has not looked at.
CREATE INDEX run_session_ended ON run (session_id, finished_at, id)
    WHERE session_id IS NOT NULL AND taken_at IS NULL AND state IN ('finished', 'canceled');
