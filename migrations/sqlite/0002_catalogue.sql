-- SQLite dialect of migration 0002. The twin is ../postgres/0002_catalogue.sql; a test holds the two together.
-- Names of items sort by their bytes: listings are the same on both.

-- The catalogue as a whole: one row, which every change locks. A reason to be read-only makes it so.
CREATE TABLE catalogue (
    id               INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision         INTEGER NOT NULL,
    items            INTEGER NOT NULL,
    read_only_reason TEXT
) STRICT;
INSERT INTO catalogue (id, revision, items) VALUES (1, 0, 0);

-- Every change, of one item or of many, makes a revision.
CREATE TABLE catalogue_revision (
    revision   INTEGER NOT NULL PRIMARY KEY,
    created_at TEXT    NOT NULL,
    author     TEXT,
    message    TEXT
) STRICT;

-- A version of an item: it holds from since_revision on, before until_revision, and still holds where that is null.
-- Nothing is overwritten, so that the catalogue can be read as of any revision.
CREATE TABLE catalogue_item (
    kind           TEXT    NOT NULL CHECK (kind IN ('test', 'resource', 'suite', 'directory', 'expectation', 'class')),
    name           TEXT    NOT NULL,
    since_revision INTEGER NOT NULL REFERENCES catalogue_revision (revision),
    until_revision INTEGER REFERENCES catalogue_revision (revision),
    directory      TEXT,
    class          TEXT,
    document       TEXT    NOT NULL CHECK (json_valid(document)),
    PRIMARY KEY (kind, name, since_revision),
    CHECK (until_revision > since_revision),
    CHECK ((kind = 'class') = (directory IS NULL))
) STRICT;
CREATE UNIQUE INDEX catalogue_item_now ON catalogue_item (kind, name) WHERE until_revision IS NULL;
CREATE UNIQUE INDEX catalogue_item_suite ON catalogue_item (name) WHERE until_revision IS NULL AND kind IN ('suite', 'directory');
CREATE INDEX catalogue_item_directory ON catalogue_item (kind, directory, name) WHERE until_revision IS NULL;
CREATE INDEX catalogue_item_class ON catalogue_item (class) WHERE until_revision IS NULL AND class IS NOT NULL;
CREATE INDEX catalogue_item_since ON catalogue_item (since_revision, kind, name);
CREATE INDEX catalogue_item_until ON catalogue_item (until_revision, kind, name) WHERE until_revision IS NOT NULL;

-- Bytes by their SHA-256: here when they are few, in the object store when they are many. What no item has named yet is
-- removed when it expires; what one has named stays, for the catalogue can be read as of every revision.
CREATE TABLE content (
    digest     BLOB    NOT NULL PRIMARY KEY,
    size       INTEGER NOT NULL CHECK (size >= 0),
    body       BLOB,
    object_key TEXT    UNIQUE,
    expires_at TEXT,
    CHECK ((body IS NULL) <> (object_key IS NULL))
) STRICT;
CREATE INDEX content_expires ON content (expires_at) WHERE expires_at IS NOT NULL;

-- Objects that are to be removed from the object store when they are due: written before an object is, and taken back by
-- the transaction that makes it a content's.
CREATE TABLE object_garbage (
    object_key TEXT NOT NULL PRIMARY KEY,
    due_at     TEXT NOT NULL
) STRICT;
CREATE INDEX object_garbage_due ON object_garbage (due_at);
