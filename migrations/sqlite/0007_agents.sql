-- SQLite dialect of migration 0007. The twin is ../postgres/0007_agents.sql; a test holds the two together.

-- A program in a lab that asks for work. One that was removed stays, so that it can be told so and its leases say whose
-- they were; its name is free again. `digest` is the SHA-256 of its token.
CREATE TABLE agent (
    id            BLOB    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    digest        BLOB    NOT NULL UNIQUE,
    labels        TEXT    NOT NULL CHECK (json_valid(labels)),
    version       TEXT    NOT NULL,
    protocol      INTEGER NOT NULL CHECK (protocol >= 1),
    standing      TEXT    NOT NULL CHECK (standing IN ('active', 'drained', 'removed')),
    reason        TEXT,
    registered_at TEXT    NOT NULL,
    registered_by TEXT,
    claimed_at    TEXT,
    last_seen_at  TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX agent_name ON agent (name) WHERE standing <> 'removed';

-- A token that lets one agent register, once; `digest` is its SHA-256. Where it names an agent it is good for no other.
CREATE TABLE agent_token (
    id         BLOB NOT NULL PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    name       TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT,
    expires_at TEXT NOT NULL,
    used_at    TEXT,
    agent_id   BLOB REFERENCES agent (id),
    CHECK ((used_at IS NULL) = (agent_id IS NULL))
) STRICT;
CREATE INDEX agent_token_expires ON agent_token (expires_at) WHERE used_at IS NULL;

-- A run in an agent's hands. An agent holds one, and a run is held by one. `generation` is the run's attempt, `digest` the
-- SHA-256 of the results that were taken, `late_id` the callback that keeps results which came too late.
CREATE TABLE lease (
    id            BLOB    NOT NULL PRIMARY KEY,
    run_id        BLOB    NOT NULL REFERENCES run (id),
    agent_id      BLOB    NOT NULL REFERENCES agent (id),
    generation    INTEGER NOT NULL CHECK (generation >= 1),
    state         TEXT    NOT NULL CHECK (state IN ('held', 'ended', 'lost', 'released')),
    reason        TEXT,
    granted_at    TEXT    NOT NULL,
    expires_at    TEXT    NOT NULL,
    seen_at       TEXT    NOT NULL,
    canceled_at   TEXT,
    cancel_reason TEXT,
    ended_at      TEXT,
    log_first     INTEGER NOT NULL CHECK (log_first >= 0),
    digest        BLOB,
    late_id       BLOB    REFERENCES callback (id),
    CHECK ((state = 'held') = (ended_at IS NULL)),
    CHECK ((canceled_at IS NULL) = (cancel_reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX lease_agent_held ON lease (agent_id) WHERE state = 'held';
CREATE UNIQUE INDEX lease_run_held ON lease (run_id) WHERE state = 'held';
CREATE INDEX lease_expires ON lease (expires_at, id) WHERE state = 'held';
CREATE INDEX lease_agent ON lease (agent_id, id);
CREATE INDEX lease_run ON lease (run_id, id);
