-- SQLite dialect of migration 0005. The twin is ../postgres/0005_sessions.sql; a test holds the two together.
-- Names and ids sort by their bytes.

-- Units that sessions are made of, kept under a name. The revision grows with each change.
CREATE TABLE provider (
    name       TEXT    NOT NULL PRIMARY KEY,
    namespace  TEXT,
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    units      INTEGER NOT NULL CHECK (units >= 0),
    created_at TEXT    NOT NULL,
    updated_at TEXT    NOT NULL,
    updated_by TEXT
) STRICT;

-- A unit of a provider, as it was written, at its place in the provider's order, and where it was read from.
CREATE TABLE provider_unit (
    provider_name TEXT    NOT NULL REFERENCES provider (name) ON DELETE CASCADE,
    place         INTEGER NOT NULL CHECK (place >= 0),
    document      TEXT    NOT NULL CHECK (json_valid(document)),
    file          TEXT,
    line          INTEGER CHECK (line >= 1),
    PRIMARY KEY (provider_name, place)
) STRICT;

-- A session. The version grows with each change; rows below that a change wrote carry it, and whoever holds the session
-- in memory takes in those of later versions, unless something was removed since. What an application notes about it,
-- what is next, the device context, the machine's manifest and the lists of jobs are one document each; the last four are
-- read anew only where they were written since. A session that was removed and brought back under its id has another life.
CREATE TABLE session (
    id         BLOB    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL CHECK (version >= 1),
    removed_in INTEGER NOT NULL CHECK (removed_in >= 0),
    steered_in INTEGER NOT NULL CHECK (steered_in >= 1),
    life       BLOB    NOT NULL,
    created_at TEXT    NOT NULL,
    created_by TEXT,
    updated_at TEXT    NOT NULL,
    app_id     TEXT,
    metadata   TEXT    NOT NULL CHECK (json_valid(metadata)),
    counters   TEXT    NOT NULL CHECK (json_valid(counters)),
    context    TEXT    NOT NULL CHECK (json_valid(context)),
    manifest   TEXT    NOT NULL CHECK (json_valid(manifest)),
    desired    TEXT    NOT NULL CHECK (json_valid(desired)),
    mandatory  TEXT    NOT NULL CHECK (json_valid(mandatory))
) STRICT;
CREATE INDEX session_app ON session (app_id, id);

-- A unit of a session. A place is never used twice.
CREATE TABLE session_unit (
    session_id BLOB    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL CHECK (place >= 0),
    version    INTEGER NOT NULL,
    document   TEXT    NOT NULL CHECK (json_valid(document)),
    PRIMARY KEY (session_id, place)
) STRICT;
CREATE INDEX session_unit_version ON session_unit (session_id, version);

-- A job of a session and how it stands.
CREATE TABLE session_job (
    session_id BLOB    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    job_id     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    document   TEXT    NOT NULL CHECK (json_valid(document)),
    PRIMARY KEY (session_id, job_id)
) STRICT;
CREATE INDEX session_job_version ON session_job (session_id, version);

-- A result of a job, as it was reported; never changed. Those of a job that was taken out of the session are kept, and
-- live no more.
CREATE TABLE session_result (
    session_id  BLOB    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    job_id      TEXT    NOT NULL,
    number      INTEGER NOT NULL CHECK (number >= 0),
    version     INTEGER NOT NULL,
    live        INTEGER NOT NULL CHECK (live IN (0, 1)),
    recorded_at TEXT    NOT NULL,
    recorded_by TEXT,
    document    TEXT    NOT NULL CHECK (json_valid(document)),
    PRIMARY KEY (session_id, job_id, version, number)
) STRICT;
CREATE UNIQUE INDEX session_result_live ON session_result (session_id, job_id, number) WHERE live;
CREATE INDEX session_result_version ON session_result (session_id, version);

-- The records of a resource of a session.
CREATE TABLE session_resource (
    session_id  BLOB    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    resource_id TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    document    TEXT    NOT NULL CHECK (json_valid(document)),
    PRIMARY KEY (session_id, resource_id)
) STRICT;
CREATE INDEX session_resource_version ON session_resource (session_id, version);

-- What happened in a session, in its order.
CREATE TABLE session_event (
    session_id  BLOB    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number >= 0),
    version     INTEGER NOT NULL,
    happened_at TEXT    NOT NULL,
    document    TEXT    NOT NULL CHECK (json_valid(document)),
    PRIMARY KEY (session_id, number)
) WITHOUT ROWID, STRICT;

-- A value that clients of a session share under a key; the first to come stays.
CREATE TABLE session_value (
    session_id BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL CHECK (json_valid(value)),
    created_at TEXT NOT NULL,
    created_by TEXT,
    PRIMARY KEY (session_id, key)
) STRICT;
