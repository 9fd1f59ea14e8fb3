-- PostgreSQL dialect of migration 0001. The twin is ../sqlite/0001_bridge.sql; a test holds the two together.
-- Enums are text with a CHECK rather than types of their own: the same on both, and easy to extend.

-- What was asked to be built. How far it is stands in its live run. A request that is repeated under one key is one
-- build.
CREATE TABLE build (
    id              uuid        NOT NULL PRIMARY KEY,
    runner          text        NOT NULL,
    tree            text        NOT NULL,
    branch          text        NOT NULL,
    toolchain       text        NOT NULL,
    architecture    text        NOT NULL,
    kconfig         text,
    fragments       jsonb       NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text UNIQUE
);

-- One attempt at a runner: of a build (build_id), or of tests for a build (build_ref, KCIDB's id of it).
CREATE TABLE run (
    id            uuid        NOT NULL PRIMARY KEY,
    kind          text        NOT NULL CHECK (kind IN ('build', 'tests', 'boot')),
    build_id      uuid        REFERENCES build (id),
    build_ref     text,
    runner        text        NOT NULL,
    attempt       bigint      NOT NULL CHECK (attempt >= 1),
    previous_id   uuid        REFERENCES run (id),
    live          boolean     NOT NULL,
    request       jsonb       NOT NULL,
    client_token  uuid        NOT NULL UNIQUE,
    capability    text        NOT NULL UNIQUE,
    state         text        NOT NULL CHECK (state IN ('planned', 'submitting', 'running', 'collecting', 'finished', 'canceled')),
    status        text        CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    reason        text,
    waiting       text,
    uid           text,
    observation   jsonb,
    tries         bigint      NOT NULL,
    due_at        timestamptz NOT NULL,
    lease_holder  uuid,
    lease_until   timestamptz,
    stop_due_at   timestamptz,
    stop_asked_at timestamptz,
    created_at    timestamptz NOT NULL,
    asked_at      timestamptz,
    accepted_at   timestamptz,
    started_at    timestamptz,
    deadline_at   timestamptz,
    finished_at   timestamptz,
    CHECK ((kind = 'build') = (build_id IS NOT NULL)),
    CHECK ((kind = 'build') = (build_ref IS NULL)),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('finished', 'canceled')) = (finished_at IS NOT NULL)),
    CHECK ((state IN ('finished', 'canceled')) = (status IS NOT NULL)),
    CHECK (state NOT IN ('running', 'collecting') OR uid IS NOT NULL)
);
CREATE UNIQUE INDEX run_live_build ON run (build_id) WHERE live AND build_id IS NOT NULL;
CREATE UNIQUE INDEX run_uid ON run (runner, uid) WHERE uid IS NOT NULL;
CREATE UNIQUE INDEX run_previous ON run (previous_id) WHERE previous_id IS NOT NULL;
CREATE INDEX run_due ON run (runner, state, due_at, id) WHERE state IN ('planned', 'submitting', 'running', 'collecting');
CREATE INDEX run_stop_due ON run (runner, stop_due_at, id) WHERE stop_due_at IS NOT NULL;
CREATE INDEX run_build_ref ON run (build_ref, id) WHERE build_ref IS NOT NULL;

-- The tests that a run planned. `run_test_live` is the law "one live run per (build, test)"; `identity` is the SHA-256
-- of all that makes two tests the same: build, collection, name, device and modules.
CREATE TABLE run_test (
    run_id   uuid        NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    name     text        NOT NULL,
    position bigint      NOT NULL,
    identity bytea       NOT NULL,
    live     boolean     NOT NULL,
    PRIMARY KEY (run_id, name)
);
CREATE UNIQUE INDEX run_test_live ON run_test (identity) WHERE live;

-- What came of a test, or of one case inside it. The first result of an id stays.
CREATE TABLE result (
    id          uuid        NOT NULL PRIMARY KEY,
    kcidb_id    text        NOT NULL UNIQUE,
    source      text        NOT NULL CHECK (source IN ('run', 'submit', 'intake')),
    run_id      uuid        REFERENCES run (id),
    build_ref   text        NOT NULL,
    origin      text        NOT NULL,
    path        text        NOT NULL,
    collection  text,
    test        text,
    case_name   text,
    status      text        NOT NULL CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    reason      text,
    device      text,
    runtime     text,
    started_at  timestamptz,
    duration_s  double precision,
    log_url     text,
    log_excerpt text,
    number      jsonb,
    created_at  timestamptz NOT NULL,
    CHECK ((source = 'run') = (run_id IS NOT NULL))
);
CREATE INDEX result_run ON result (run_id, id) WHERE run_id IS NOT NULL;
CREATE INDEX result_build_ref ON result (build_ref, id);
CREATE INDEX result_path ON result (path, id);

-- Objects on their way to a sink. Nothing leaves this table undelivered: it waits, or it is dead with its reason.
CREATE TABLE delivery (
    id           uuid        NOT NULL PRIMARY KEY,
    sink         text        NOT NULL,
    object_kind  text        NOT NULL CHECK (object_kind IN ('checkout', 'build', 'test', 'issue', 'incident')),
    object_id    text        NOT NULL,
    object       jsonb       NOT NULL,
    run_id       uuid        REFERENCES run (id),
    state        text        NOT NULL CHECK (state IN ('pending', 'sent', 'delivered', 'dead')),
    dead_cause   text        CHECK (dead_cause IN ('invalid', 'refused', 'failed')),
    reason       text,
    answer       text,
    receipt      text,
    batch_limit  bigint      CHECK (batch_limit >= 1),
    tries        bigint      NOT NULL,
    lost         bigint      NOT NULL CHECK (lost >= 0),
    due_at       timestamptz NOT NULL,
    lease_holder uuid,
    lease_until  timestamptz,
    created_at   timestamptz NOT NULL,
    sent_at      timestamptz,
    settled_at   timestamptz,
    UNIQUE (sink, object_kind, object_id),
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state = 'dead') = (dead_cause IS NOT NULL)),
    CHECK ((state IN ('delivered', 'dead')) = (settled_at IS NOT NULL)),
    CHECK (state <> 'sent' OR (receipt IS NOT NULL AND sent_at IS NOT NULL))
);
CREATE INDEX delivery_due ON delivery (state, due_at, id) WHERE state IN ('pending', 'sent');
CREATE INDEX delivery_receipt ON delivery (receipt) WHERE state = 'sent';
CREATE INDEX delivery_run ON delivery (run_id, id) WHERE run_id IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';

-- Callbacks as they came in: taken first, understood later.
CREATE TABLE callback (
    id           uuid        NOT NULL PRIMARY KEY,
    runner       text        NOT NULL,
    digest       bytea       NOT NULL UNIQUE,
    trust        text        NOT NULL CHECK (trust IN ('capability', 'signature', 'none')),
    run_id       uuid        REFERENCES run (id),
    uid          text,
    body         bytea       NOT NULL,
    state        text        NOT NULL CHECK (state IN ('pending', 'applied', 'hint', 'late', 'refused')),
    reason       text,
    repeats      bigint      NOT NULL,
    due_at       timestamptz NOT NULL,
    lease_holder uuid,
    lease_until  timestamptz,
    received_at  timestamptz NOT NULL,
    settled_at   timestamptz,
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state = 'pending') = (settled_at IS NULL))
);
CREATE INDEX callback_due ON callback (due_at, id) WHERE state = 'pending';
CREATE INDEX callback_uid ON callback (runner, uid) WHERE state = 'pending';
CREATE INDEX callback_received ON callback (received_at) WHERE trust = 'none' OR run_id IS NULL;
CREATE INDEX callback_run ON callback (run_id, id) WHERE run_id IS NOT NULL;

-- KCIDB submissions that others made here, as kcidb-restd's spool keeps them.
CREATE TABLE submission (
    id           text        NOT NULL PRIMARY KEY,
    origin       text        NOT NULL,
    body         bytea       NOT NULL,
    size_bytes   bigint      NOT NULL,
    state        text        NOT NULL CHECK (state IN ('ready', 'processed', 'failed')),
    reason       text,
    objects      bigint,
    due_at       timestamptz NOT NULL,
    lease_holder uuid,
    lease_until  timestamptz,
    received_at  timestamptz NOT NULL,
    settled_at   timestamptz,
    CHECK ((lease_holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state = 'ready') = (settled_at IS NULL))
);
CREATE INDEX submission_due ON submission (due_at, id) WHERE state = 'ready';
CREATE INDEX submission_received ON submission (received_at, id);

-- The objects of those submissions, merged as KCIDB merges them: the first value that is not null stays.
CREATE TABLE received_object (
    object_kind   text        NOT NULL CHECK (object_kind IN ('checkout', 'build', 'test', 'issue', 'incident')),
    object_id     text        NOT NULL,
    origin        text        NOT NULL,
    object        jsonb       NOT NULL,
    submission_id text        NOT NULL REFERENCES submission (id),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (object_kind, object_id)
);
CREATE INDEX received_object_submission ON received_object (submission_id);
