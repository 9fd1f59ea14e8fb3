-- SQLite dialect of migration 0006. The twin is ../postgres/0006_runs.sql; a test holds the two together.

-- A run may be of jobs of a session: then it need not be for a build. Whose it is, how urgent, which labels its agent must
-- have and which slots of which pools it takes decide when it is its turn; what holds it back is said in `held`. `taken_at`
-- is when its session took in what came of it. A run outlives its session.
-- SQLite cannot change a CHECK: the table is made anew, with foreign keys off (see store/db.rs).
CREATE TABLE run_new (
    id            BLOB    NOT NULL PRIMARY KEY,
    kind          TEXT    NOT NULL CHECK (kind IN ('build', 'tests', 'boot', 'jobs')),
    build_id      BLOB    REFERENCES build (id),
    build_ref     TEXT,
    runner        TEXT    NOT NULL,
    attempt       INTEGER NOT NULL CHECK (attempt >= 1),
    previous_id   BLOB    REFERENCES run (id),
    live          INTEGER NOT NULL CHECK (live IN (0, 1)),
    request       TEXT    NOT NULL CHECK (json_valid(request)),
    client_token  BLOB    NOT NULL UNIQUE,
    capability    TEXT    NOT NULL UNIQUE,
    state         TEXT    NOT NULL CHECK (state IN ('planned', 'submitting', 'running', 'collecting', 'finished', 'canceled')),
    status        TEXT    CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    reason        TEXT,
    waiting       TEXT,
    uid           TEXT,
    observation   TEXT    CHECK (json_valid(observation)),
    tries         INTEGER NOT NULL,
    due_at        TEXT    NOT NULL,
    lease_holder  BLOB,
    lease_until   TEXT,
    stop_due_at   TEXT,
    stop_asked_at TEXT,
    created_at    TEXT    NOT NULL,
    asked_at      TEXT,
    accepted_at   TEXT,
    started_at    TEXT,
    deadline_at   TEXT,
    finished_at   TEXT,
    session_id    BLOB,
    project       TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    requires      TEXT    CHECK (json_valid(requires)),
    slots         TEXT    CHECK (json_valid(slots)),
    held          TEXT,
    taken_at      TEXT,
    CHECK ((kind = 'build') = (build_id IS NOT NULL)),
    CHECK (kind <> 'build' OR build_ref IS NULL),
    CHECK (kind NOT IN ('tests', 'boot') OR build_ref IS NOT NULL),
    CHECK (kind <> 'jobs' OR session_id IS NOT NULL),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('finished', 'canceled')) = (finished_at IS NOT NULL)),
    CHECK ((state IN ('finished', 'canceled')) = (status IS NOT NULL)),
    CHECK (state NOT IN ('running', 'collecting') OR uid IS NOT NULL)
) STRICT;
INSERT INTO run_new (id, kind, build_id, build_ref, runner, attempt, previous_id, live, request, client_token, capability, state, status, reason, waiting, uid, observation, tries, due_at, lease_holder, lease_until, stop_due_at, stop_asked_at, created_at, asked_at, accepted_at, started_at, deadline_at, finished_at, project, priority)
SELECT id, kind, build_id, build_ref, runner, attempt, previous_id, live, request, client_token, capability, state, status, reason, waiting, uid, observation, tries, due_at, lease_holder, lease_until, stop_due_at, stop_asked_at, created_at, asked_at, accepted_at, started_at, deadline_at, finished_at, '', 0 FROM run;
DROP TABLE run;
ALTER TABLE run_new RENAME TO run;
CREATE UNIQUE INDEX run_live_build ON run (build_id) WHERE live AND build_id IS NOT NULL;
CREATE UNIQUE INDEX run_uid ON run (runner, uid) WHERE uid IS NOT NULL;
CREATE UNIQUE INDEX run_previous ON run (previous_id) WHERE previous_id IS NOT NULL;
CREATE INDEX run_due ON run (runner, state, due_at, id) WHERE state IN ('planned', 'submitting', 'running', 'collecting');
CREATE INDEX run_stop_due ON run (runner, stop_due_at, id) WHERE stop_due_at IS NOT NULL;
CREATE INDEX run_build_ref ON run (build_ref, id) WHERE build_ref IS NOT NULL;
CREATE INDEX run_session ON run (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX run_session_open ON run (session_id, id) WHERE session_id IS NOT NULL AND taken_at IS NULL;

-- What came of each test that a run planned; none until the run is over.
ALTER TABLE run_test ADD COLUMN outcome TEXT CHECK (json_valid(outcome));
