-- PostgreSQL dialect of migration 0011. The twin is ../sqlite/0011_sessions.sql; a test holds the two together.

-- What an application keeps about a session (in base64), and the jobs that somebody took away, stand beside what is noted
-- otherwise: they may be large, change rarely, and no list shows them. What older rows note of them no longer counts.
ALTER TABLE session ADD COLUMN app_blob text;
ALTER TABLE session ADD COLUMN rejected_jobs json NOT NULL DEFAULT '[]';
-- A member cannot be taken out of a document in which an escaped NUL stands.
UPDATE session SET metadata = replace(metadata::text, '\u0000', '\ufffd')::json WHERE metadata::text LIKE '%\\u0000%';
UPDATE session SET app_blob = metadata ->> 'app_blob',
    rejected_jobs = coalesce(metadata -> 'rejected_jobs', '[]'::json);

-- What is wrong with what was desired last: what was left out of the run list, and why.
ALTER TABLE session ADD COLUMN problems json NOT NULL DEFAULT '[]';

-- The view of a spec is worked out from the spec; nothing asks for it here.
DROP INDEX spec_view;
ALTER TABLE spec DROP COLUMN view;
