-- PostgreSQL dialect of migration 0012. The twin is ../sqlite/0012_executions.sql; a test holds the two together.

-- How a session is run by this service. It waits for its build, or runs, or is paused; or it is over. `wakes` counts how
-- often something happened that it has to look at: whoever has looked puts it to rest only if nothing happened meanwhile.
-- `run_list` is the SHA-256 of that of whose jobs results are expected.
CREATE TABLE execution (
    session_id   uuid    NOT NULL PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    state        text    NOT NULL CHECK (state IN ('waiting', 'running', 'paused', 'finished', 'canceled', 'missed')),
    reason       text,
    plan         jsonb   NOT NULL,
    project      text    NOT NULL,
    priority     bigint  NOT NULL,
    build_id     uuid    REFERENCES build (id),
    build_ref    text,
    tested       jsonb,
    run_list     text,
    deadline_at  timestamptz,
    due_at       timestamptz,
    wakes        bigint  NOT NULL,
    lease_holder uuid,
    lease_until  timestamptz,
    created_at   timestamptz    NOT NULL,
    created_by   text,
    started_at   timestamptz,
    ended_at     timestamptz,
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('finished', 'canceled', 'missed')) = (ended_at IS NOT NULL)),
    CHECK (state <> 'waiting' OR build_id IS NOT NULL)
);
CREATE INDEX execution_due ON execution (due_at, session_id) WHERE due_at IS NOT NULL;
CREATE INDEX execution_build ON execution (build_id) WHERE build_id IS NOT NULL;

-- A result that is expected of a session: of each job that it was to run. What has come has a status; the rest is missing.
-- `earlier` are the attempts before somebody asked for it again; `reported_at` is when it was put into a report, by the run
-- that brought it or otherwise.
CREATE TABLE expected_result (
    session_id uuid    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    job_id     text    NOT NULL,
    place      bigint  NOT NULL CHECK (place >= 0),
    status     text    CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    reason     text,
    run_id     uuid    REFERENCES run (id),
    attempts   bigint  NOT NULL CHECK (attempts >= 0),
    earlier    bigint  NOT NULL CHECK (earlier >= 0),
    settled_at timestamptz,
    reported_at timestamptz,
    PRIMARY KEY (session_id, job_id),
    CHECK ((status IS NULL) = (settled_at IS NULL)),
    CHECK (status IS NOT NULL OR reported_at IS NULL)
);
CREATE UNIQUE INDEX expected_result_place ON expected_result (session_id, place);
CREATE INDEX expected_result_unreported ON expected_result (session_id, place) WHERE status IS NOT NULL AND reported_at IS NULL;

-- Runs of a session that are over and that it has not looked at.
CREATE INDEX run_session_ended ON run (session_id, finished_at, id)
    WHERE session_id IS NOT NULL AND taken_at IS NULL AND state IN ('finished', 'canceled');
