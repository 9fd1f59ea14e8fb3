-- PostgreSQL dialect of migration 0007. The twin is ../sqlite/0007_agents.sql; a test holds the two together.
-- Names sort by their bytes, whatever the database's locale.

-- A program in a lab that asks for work. One that was removed stays, so that it can be told so and its leases say whose
-- they were; its name is free again. `digest` is the SHA-256 of its token.
CREATE TABLE agent (
    id            uuid        NOT NULL PRIMARY KEY,
    name          text        NOT NULL COLLATE "C",
    digest        bytea       NOT NULL UNIQUE,
    labels        jsonb       NOT NULL,
    version       text        NOT NULL,
    protocol      bigint      NOT NULL CHECK (protocol >= 1),
    standing      text        NOT NULL CHECK (standing IN ('active', 'drained', 'removed')),
    reason        text,
    registered_at timestamptz NOT NULL,
    registered_by text,
    claimed_at    timestamptz,
    last_seen_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX agent_name ON agent (name) WHERE standing <> 'removed';

-- A token that lets one agent register, once; `digest` is its SHA-256. Where it names an agent it is good for no other.
CREATE TABLE agent_token (
    id         uuid        NOT NULL PRIMARY KEY,
    digest     bytea       NOT NULL UNIQUE,
    name       text        COLLATE "C",
    created_at timestamptz NOT NULL,
    created_by text,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    agent_id   uuid        REFERENCES agent (id),
    CHECK ((used_at IS NULL) = (agent_id IS NULL))
);
CREATE INDEX agent_token_expires ON agent_token (expires_at) WHERE used_at IS NULL;

-- A run in an agent's hands. An agent holds one, and a run is held by one. `generation` is the run's attempt, `digest` the
-- SHA-256 of the results that were taken, `late_id` the callback that keeps results which came too late.
CREATE TABLE lease (
    id            uuid        NOT NULL PRIMARY KEY,
    run_id        uuid        NOT NULL REFERENCES run (id),
    agent_id      uuid        NOT NULL REFERENCES agent (id),
    generation    bigint      NOT NULL CHECK (generation >= 1),
    state         text        NOT NULL CHECK (state IN ('held', 'ended', 'lost', 'released')),
    reason        text,
    granted_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    canceled_at   timestamptz,
    cancel_reason text,
    ended_at      timestamptz,
    log_first     bigint      NOT NULL CHECK (log_first >= 0),
    digest        bytea,
    late_id       uuid        REFERENCES callback (id),
    CHECK ((state = 'held') = (ended_at IS NULL)),
    CHECK ((canceled_at IS NULL) = (cancel_reason IS NULL))
);
CREATE UNIQUE INDEX lease_agent_held ON lease (agent_id) WHERE state = 'held';
CREATE UNIQUE INDEX lease_run_held ON lease (run_id) WHERE state = 'held';
CREATE INDEX lease_expires ON lease (expires_at, id) WHERE state = 'held';
CREATE INDEX lease_agent ON lease (agent_id, id);
CREATE INDEX lease_run ON lease (run_id, id);
