-- SQLite dialect of migration 0011. The twin is ../postgres/0011_sessions.sql; a test holds the two together.

-- What an application keeps about a session (in base64), and the jobs that somebody took away, stand beside what is noted
-- otherwise: they may be large, change rarely, and no list shows them. What older rows note of them no longer counts.
ALTER TABLE session ADD COLUMN app_blob TEXT;
ALTER TABLE session ADD COLUMN rejected_jobs TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(rejected_jobs));
UPDATE session SET app_blob = json_extract(metadata, '$.app_blob'),
    rejected_jobs = coalesce(json_extract(metadata, '$.rejected_jobs'), '[]');

-- What is wrong with what was desired last: what was left out of the run list, and why.
ALTER TABLE session ADD COLUMN problems TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(problems));

-- The view of a spec is worked out from the spec; nothing asks for it here.
DROP INDEX spec_view;
ALTER TABLE spec DROP COLUMN view;
