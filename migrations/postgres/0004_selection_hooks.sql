-- PostgreSQL dialect of migration 0004. The twin is ../sqlite/0004_selection_hooks.sql; a test holds the two together.

-- The revision of a selection is the number of the change that stored it: each change of any selection has a greater one
-- than all before it, so that a tag that is removed and made again never has one twice. The last of these numbers is one
-- row, which whoever stores a selection locks as the last thing.
CREATE TABLE selection_last (
    id     bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    number bigint NOT NULL
);
INSERT INTO selection_last (id, number) SELECT 1, coalesce(max(number), 0) FROM selection;

ALTER TABLE selection ADD COLUMN revision bigint NOT NULL DEFAULT 0;
UPDATE selection SET revision = number;

-- Who is asked while specs are selected, and the rules that they added when this was stored.
ALTER TABLE selection ADD COLUMN hooks json NOT NULL DEFAULT '[]';
ALTER TABLE selection ADD COLUMN hook_rules json NOT NULL DEFAULT '[]';
