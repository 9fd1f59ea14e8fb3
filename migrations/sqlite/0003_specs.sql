-- SQLite dialect of migration 0003. The twin is ../postgres/0003_specs.sql; a test holds the two together.
-- Ids, views, sessions and tags sort by their bytes.

-- The specs as a whole: one row, which every change locks. How often they were changed, and how many they are.
CREATE TABLE spec_set (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    specs    INTEGER NOT NULL
) STRICT;
INSERT INTO spec_set (id, revision, specs) VALUES (1, 0, 0);

-- A spec, as the change wrote it that wrote it last.
CREATE TABLE spec (
    id         TEXT    NOT NULL PRIMARY KEY,
    revision   INTEGER NOT NULL,
    view       TEXT    NOT NULL,
    document   TEXT    NOT NULL CHECK (json_valid(document)),
    created_at TEXT    NOT NULL,
    updated_at TEXT    NOT NULL
) STRICT;
CREATE INDEX spec_revision ON spec (revision, id);
CREATE INDEX spec_view ON spec (view, id);

-- What a spec waits for, and to what that must have come. What it waits for need not be there.
CREATE TABLE spec_edge (
    spec_id       TEXT    NOT NULL REFERENCES spec (id) ON DELETE CASCADE,
    place         INTEGER NOT NULL CHECK (place >= 0),
    dependency_id TEXT    NOT NULL,
    wanted        TEXT    NOT NULL,
    PRIMARY KEY (spec_id, place),
    UNIQUE (dependency_id, spec_id, wanted)
) WITHOUT ROWID, STRICT;

-- The number of the result that was recorded last: one row, which every recording locks. So numbers become visible in
-- their order, without gaps, and nobody makes the same result twice at once.
CREATE TABLE spec_result_last (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO spec_result_last (id, number) VALUES (1, 0);

-- A result of a spec, which need not be there, in a session, as it came. The last to come of a spec in a session is
-- live; those whose place it took are kept. The digest tells a repetition from another result of the same id.
CREATE TABLE spec_result (
    number       INTEGER NOT NULL PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    spec_id      TEXT    NOT NULL,
    session      TEXT    NOT NULL,
    live         INTEGER NOT NULL CHECK (live IN (0, 1)),
    state        TEXT    NOT NULL CHECK (state IN ('PENDING', 'READY', 'RUNNING', 'NOTRUN', 'COMPLETE')),
    category     TEXT    NOT NULL CHECK (category IN ('PASS', 'FAIL', 'CANCEL', 'SKIP', 'NONE')),
    status       TEXT    NOT NULL CHECK (status IN ('SUCCESS', 'XDIFF', 'XFAIL', 'DIFFED', 'FAILED', 'ERROR', 'BROKEN',
                 'TIMEOUT', 'INVALID', 'CANCELLED', 'INTERRUPTED', 'SKIPPED', 'BLOCKED', 'NONE')),
    code         INTEGER NOT NULL,
    reason       TEXT,
    name         TEXT,
    fullname     TEXT,
    file_root    TEXT,
    file_path    TEXT,
    workspace    TEXT,
    submitted_at TEXT,
    started_at   TEXT,
    finished_at  TEXT,
    measurements TEXT    NOT NULL CHECK (json_valid(measurements)),
    recorded_at  TEXT    NOT NULL,
    digest       BLOB    NOT NULL,
    CHECK ((category = 'NONE') = (state IN ('PENDING', 'READY', 'RUNNING'))),
    CHECK ((category = 'SKIP') = (state = 'NOTRUN')),
    CHECK ((category = 'PASS') = (status IN ('SUCCESS', 'XDIFF', 'XFAIL'))),
    CHECK ((category = 'CANCEL') = (status IN ('CANCELLED', 'INTERRUPTED'))),
    CHECK ((category = 'SKIP') = (status IN ('SKIPPED', 'BLOCKED'))),
    CHECK ((category = 'NONE') = (status = 'NONE')),
    CHECK ((name IS NULL) = (fullname IS NULL)),
    CHECK ((name IS NULL) = (file_root IS NULL)),
    CHECK ((name IS NULL) = (file_path IS NULL))
) STRICT;
CREATE UNIQUE INDEX spec_result_live ON spec_result (spec_id, session) WHERE live;
CREATE INDEX spec_result_spec ON spec_result (spec_id, number);
CREATE INDEX spec_result_session ON spec_result (session, number);
CREATE INDEX spec_result_category ON spec_result (category, number);
CREATE INDEX spec_result_status ON spec_result (status, number);

-- What was selected of the specs under a tag, by which rules, when the specs stood at which revision. The number stands
-- for the tag in the rows below, so that a tag can be changed whatever it holds.
CREATE TABLE selection (
    number            INTEGER NOT NULL PRIMARY KEY,
    tag               TEXT    NOT NULL UNIQUE,
    created_at        TEXT    NOT NULL,
    created_by        TEXT,
    spec_set_revision INTEGER NOT NULL,
    spec_set_id       TEXT    NOT NULL,
    rules             TEXT    NOT NULL CHECK (json_valid(rules)),
    metadata          TEXT    NOT NULL CHECK (json_valid(metadata)),
    selected          INTEGER NOT NULL CHECK (selected >= 0),
    masked            INTEGER NOT NULL CHECK (masked >= 0)
) STRICT;

-- A reason why specs of a selection were left out, of which sort it is, and how many they are. Reasons are numbered in
-- the order in which they were met.
CREATE TABLE selection_reason (
    selection_number INTEGER NOT NULL REFERENCES selection (number) ON DELETE CASCADE,
    number           INTEGER NOT NULL,
    type             TEXT    NOT NULL,
    reason           TEXT    NOT NULL CHECK (json_valid(reason)),
    specs            INTEGER NOT NULL CHECK (specs >= 1),
    PRIMARY KEY (selection_number, number)
) WITHOUT ROWID, STRICT;

-- A spec that was looked at for a selection: selected, or left out for a reason of the selection's, perhaps because of
-- another spec.
CREATE TABLE selection_spec (
    selection_number INTEGER NOT NULL REFERENCES selection (number) ON DELETE CASCADE,
    spec_id          TEXT    NOT NULL,
    reason_number    INTEGER,
    cause_id         TEXT,
    PRIMARY KEY (selection_number, spec_id),
    CHECK (cause_id IS NULL OR reason_number IS NOT NULL)
) WITHOUT ROWID, STRICT;
CREATE INDEX selection_spec_selected ON selection_spec (selection_number, spec_id) WHERE reason_number IS NULL;
CREATE INDEX selection_spec_masked ON selection_spec (selection_number, spec_id) WHERE reason_number IS NOT NULL;
