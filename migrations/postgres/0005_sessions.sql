-- PostgreSQL dialect of migration 0005. The twin is ../sqlite/0005_sessions.sql; a test holds the two together.
-- Names and ids sort by their bytes, whatever the database's locale. Documents are json, which comes back as it was
-- written.

-- Units that sessions are made of, kept under a name. The revision grows with each change.
CREATE TABLE provider (
    name       text        NOT NULL COLLATE "C" PRIMARY KEY,
    namespace  text        COLLATE "C",
    revision   bigint      NOT NULL CHECK (revision >= 1),
    units      bigint      NOT NULL CHECK (units >= 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text
);

-- A unit of a provider, as it was written, at its place in the provider's order, and where it was read from.
CREATE TABLE provider_unit (
    provider_name text   NOT NULL COLLATE "C" REFERENCES provider (name) ON DELETE CASCADE,
    place         bigint NOT NULL CHECK (place >= 0),
    document      json   NOT NULL,
    file          text,
    line          bigint CHECK (line >= 1),
    PRIMARY KEY (provider_name, place)
);

-- A session. The version grows with each change; rows below that a change wrote carry it, and whoever holds the session
-- in memory takes in those of later versions, unless something was removed since. What an application notes about it,
-- what is next, the device context, the machine's manifest and the lists of jobs are one document each; the last four are
-- read anew only where they were written since. A session that was removed and brought back under its id has another life.
CREATE TABLE session (
    id         uuid        NOT NULL PRIMARY KEY,
    version    bigint      NOT NULL CHECK (version >= 1),
    removed_in bigint      NOT NULL CHECK (removed_in >= 0),
    steered_in bigint      NOT NULL CHECK (steered_in >= 1),
    life       uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text,
    updated_at timestamptz NOT NULL,
    app_id     text        COLLATE "C",
    metadata   json        NOT NULL,
    counters   json        NOT NULL,
    context    json        NOT NULL,
    manifest   json        NOT NULL,
    desired    json        NOT NULL,
    mandatory  json        NOT NULL
);
CREATE INDEX session_app ON session (app_id, id);

-- A unit of a session. A place is never used twice.
CREATE TABLE session_unit (
    session_id uuid    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    place      bigint  NOT NULL CHECK (place >= 0),
    version    bigint  NOT NULL,
    document   json    NOT NULL,
    PRIMARY KEY (session_id, place)
);
CREATE INDEX session_unit_version ON session_unit (session_id, version);

-- A job of a session and how it stands.
CREATE TABLE session_job (
    session_id uuid    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    job_id     text    NOT NULL COLLATE "C",
    version    bigint  NOT NULL,
    document   json    NOT NULL,
    PRIMARY KEY (session_id, job_id)
);
CREATE INDEX session_job_version ON session_job (session_id, version);

-- A result of a job, as it was reported; never changed. Those of a job that was taken out of the session are kept, and
-- live no more.
CREATE TABLE session_result (
    session_id  uuid        NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    job_id      text        NOT NULL COLLATE "C",
    number      bigint      NOT NULL CHECK (number >= 0),
    version     bigint      NOT NULL,
    live        boolean     NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by text,
    document    json        NOT NULL,
    PRIMARY KEY (session_id, job_id, version, number)
);
CREATE UNIQUE INDEX session_result_live ON session_result (session_id, job_id, number) WHERE live;
CREATE INDEX session_result_version ON session_result (session_id, version);

-- The records of a resource of a session.
CREATE TABLE session_resource (
    session_id  uuid    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    resource_id text    NOT NULL COLLATE "C",
    version     bigint  NOT NULL,
    document    json    NOT NULL,
    PRIMARY KEY (session_id, resource_id)
);
CREATE INDEX session_resource_version ON session_resource (session_id, version);

-- What happened in a session, in its order.
CREATE TABLE session_event (
    session_id  uuid        NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    number      bigint      NOT NULL CHECK (number >= 0),
    version     bigint      NOT NULL,
    happened_at timestamptz NOT NULL,
    document    json        NOT NULL,
    PRIMARY KEY (session_id, number)
);

-- A value that clients of a session share under a key; the first to come stays.
CREATE TABLE session_value (
    session_id uuid        NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    key        text        NOT NULL COLLATE "C",
    value      json        NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text,
    PRIMARY KEY (session_id, key)
);
