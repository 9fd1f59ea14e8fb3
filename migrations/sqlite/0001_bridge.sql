-- SQLite dialect of migration 0001. The twin is ../postgres/0001_bridge.sql; a test holds the two together.
-- STRICT: SQLite refuses a value of the wrong storage class, as PostgreSQL would. Times are RFC 3339 in UTC, written by
-- us and never by the database; ids are UUIDs of 16 bytes.

-- What was asked to be built. How far it is stands in its live run. A request that is repeated under one key is one
-- build.
CREATE TABLE build (
    id              BLOB NOT NULL PRIMARY KEY,
    runner          TEXT NOT NULL,
    tree            TEXT NOT NULL,
    branch          TEXT NOT NULL,
    toolchain       TEXT NOT NULL,
    architecture    TEXT NOT NULL,
    kconfig         TEXT,
    fragments       TEXT NOT NULL CHECK (json_valid(fragments)),
    created_at      TEXT NOT NULL,
    idempotency_key TEXT UNIQUE
) STRICT;

-- One attempt at a runner: of a build (build_id), or of tests for a build (build_ref, KCIDB's id of it).
CREATE TABLE run (
    id            BLOB    NOT NULL PRIMARY KEY,
    kind          TEXT    NOT NULL CHECK (kind IN ('build', 'tests', 'boot')),
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
    CHECK ((kind = 'build') = (build_id IS NOT NULL)),
    CHECK ((kind = 'build') = (build_ref IS NULL)),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('finished', 'canceled')) = (finished_at IS NOT NULL)),
    CHECK ((state IN ('finished', 'canceled')) = (status IS NOT NULL)),
    CHECK (state NOT IN ('running', 'collecting') OR uid IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX run_live_build ON run (build_id) WHERE live AND build_id IS NOT NULL;
CREATE UNIQUE INDEX run_uid ON run (runner, uid) WHERE uid IS NOT NULL;
CREATE UNIQUE INDEX run_previous ON run (previous_id) WHERE previous_id IS NOT NULL;
CREATE INDEX run_due ON run (runner, state, due_at, id) WHERE state IN ('planned', 'submitting', 'running', 'collecting');
CREATE INDEX run_stop_due ON run (runner, stop_due_at, id) WHERE stop_due_at IS NOT NULL;
CREATE INDEX run_build_ref ON run (build_ref, id) WHERE build_ref IS NOT NULL;

-- The tests that a run planned. `run_test_live` is the law "one live run per (build, test)"; `identity` is the SHA-256
-- of all that makes two tests the same: build, collection, name, device and modules.
CREATE TABLE run_test (
    run_id   BLOB    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    name     TEXT    NOT NULL,
    position INTEGER NOT NULL,
    identity BLOB    NOT NULL,
    live     INTEGER NOT NULL CHECK (live IN (0, 1)),
    PRIMARY KEY (run_id, name)
) STRICT;
CREATE UNIQUE INDEX run_test_live ON run_test (identity) WHERE live;

-- What came of a test, or of one case inside it. The first result of an id stays.
CREATE TABLE result (
    id          BLOB NOT NULL PRIMARY KEY,
    kcidb_id    TEXT NOT NULL UNIQUE,
    source      TEXT NOT NULL CHECK (source IN ('run', 'submit', 'intake')),
    run_id      BLOB REFERENCES run (id),
    build_ref   TEXT NOT NULL,
    origin      TEXT NOT NULL,
    path        TEXT NOT NULL,
    collection  TEXT,
    test        TEXT,
    case_name   TEXT,
    status      TEXT NOT NULL CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    reason      TEXT,
    device      TEXT,
    runtime     TEXT,
    started_at  TEXT,
    duration_s  REAL,
    log_url     TEXT,
    log_excerpt TEXT,
    number      TEXT CHECK (json_valid(number)),
    created_at  TEXT NOT NULL,
    CHECK ((source = 'run') = (run_id IS NOT NULL))
) STRICT;
CREATE INDEX result_run ON result (run_id, id) WHERE run_id IS NOT NULL;
CREATE INDEX result_build_ref ON result (build_ref, id);
CREATE INDEX result_path ON result (path, id);

-- Objects on their way to a sink. Nothing leaves this table undelivered: it waits, or it is dead with its reason.
CREATE TABLE delivery (
    id           BLOB    NOT NULL PRIMARY KEY,
    sink         TEXT    NOT NULL,
    object_kind  TEXT    NOT NULL CHECK (object_kind IN ('checkout', 'build', 'test', 'issue', 'incident')),
    object_id    TEXT    NOT NULL,
    object       TEXT    NOT NULL CHECK (json_valid(object)),
    run_id       BLOB    REFERENCES run (id),
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'sent', 'delivered', 'dead')),
    dead_cause   TEXT    CHECK (dead_cause IN ('invalid', 'refused', 'failed')),
    reason       TEXT,
    answer       TEXT,
    receipt      TEXT,
    batch_limit  INTEGER CHECK (batch_limit >= 1),
    tries        INTEGER NOT NULL,
    lost         INTEGER NOT NULL CHECK (lost >= 0),
    due_at       TEXT    NOT NULL,
    lease_holder BLOB,
    lease_until  TEXT,
    created_at   TEXT    NOT NULL,
    sent_at      TEXT,
    settled_at   TEXT,
    UNIQUE (sink, object_kind, object_id),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state = 'dead') = (dead_cause IS NOT NULL)),
    CHECK ((state IN ('delivered', 'dead')) = (settled_at IS NOT NULL)),
    CHECK (state <> 'sent' OR (receipt IS NOT NULL AND sent_at IS NOT NULL))
) STRICT;
CREATE INDEX delivery_due ON delivery (state, due_at, id) WHERE state IN ('pending', 'sent');
CREATE INDEX delivery_receipt ON delivery (receipt) WHERE state = 'sent';
CREATE INDEX delivery_run ON delivery (run_id, id) WHERE run_id IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';

-- Callbacks as they came in: taken first, understood later.
CREATE TABLE callback (
    id           BLOB    NOT NULL PRIMARY KEY,
    runner       TEXT    NOT NULL,
    digest       BLOB    NOT NULL UNIQUE,
    trust        TEXT    NOT NULL CHECK (trust IN ('capability', 'signature', 'none')),
    run_id       BLOB    REFERENCES run (id),
    uid          TEXT,
    body         BLOB    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'applied', 'hint', 'late', 'refused')),
    reason       TEXT,
    repeats      INTEGER NOT NULL,
    due_at       TEXT    NOT NULL,
    lease_holder BLOB,
    lease_until  TEXT,
    received_at  TEXT    NOT NULL,
    settled_at   TEXT,
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state = 'pending') = (settled_at IS NULL))
) STRICT;
CREATE INDEX callback_due ON callback (due_at, id) WHERE state = 'pending';
CREATE INDEX callback_uid ON callback (runner, uid) WHERE state = 'pending';
CREATE INDEX callback_received ON callback (received_at) WHERE trust = 'none' OR run_id IS NULL;
CREATE INDEX callback_run ON callback (run_id, id) WHERE run_id IS NOT NULL;

-- KCIDB submissions that others made here, as kcidb-restd's spool keeps them.
CREATE TABLE submission (
    id           TEXT    NOT NULL PRIMARY KEY,
    origin       TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('ready', 'processed', 'failed')),
    reason       TEXT,
    objects      INTEGER,
    due_at       TEXT    NOT NULL,
    lease_holder BLOB,
    lease_until  TEXT,
    received_at  TEXT    NOT NULL,
    settled_at   TEXT,
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state = 'ready') = (settled_at IS NULL))
) STRICT;
CREATE INDEX submission_due ON submission (due_at, id) WHERE state = 'ready';
CREATE INDEX submission_received ON submission (received_at, id);

-- The objects of those submissions, merged as KCIDB merges them: the first value that is not null stays.
CREATE TABLE received_object (
    object_kind   TEXT NOT NULL CHECK (object_kind IN ('checkout', 'build', 'test', 'issue', 'incident')),
    object_id     TEXT NOT NULL,
    origin        TEXT NOT NULL,
    object        TEXT NOT NULL CHECK (json_valid(object)),
    submission_id TEXT NOT NULL REFERENCES submission (id),
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    PRIMARY KEY (object_kind, object_id)
) STRICT;
CREATE INDEX received_object_submission ON received_object (submission_id);
