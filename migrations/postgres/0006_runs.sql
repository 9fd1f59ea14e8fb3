-- PostgreSQL dialect of migration 0006. The twin is ../sqlite/0006_runs.sql; a test holds the two together.

-- A run may be of jobs of a session: then it need not be for a build. Whose it is, how urgent, which labels its agent must
-- have and which slots of which pools it takes decide when it is its turn; what holds it back is said in `held`. `taken_at`
-- is when its session took in what came of it. A run outlives its session.
DO $$
DECLARE
    name text;
BEGIN
    -- The checks that change were given their names by PostgreSQL.
    FOR name IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'run'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%kind%'
    LOOP
        EXECUTE format('ALTER TABLE run DROP CONSTRAINT %I', name);
    END LOOP;
END $$;
ALTER TABLE run
    ADD COLUMN session_id uuid,
    ADD COLUMN project    text   NOT NULL DEFAULT '',
    ADD COLUMN priority   bigint NOT NULL DEFAULT 0,
    ADD COLUMN requires   jsonb,
    ADD COLUMN slots      jsonb,
    ADD COLUMN held       text,
    ADD COLUMN taken_at   timestamptz,
    ADD CHECK (kind IN ('build', 'tests', 'boot', 'jobs')),
    ADD CHECK ((kind = 'build') = (build_id IS NOT NULL)),
    ADD CHECK (kind <> 'build' OR build_ref IS NULL),
    ADD CHECK (kind NOT IN ('tests', 'boot') OR build_ref IS NOT NULL),
    ADD CHECK (kind <> 'jobs' OR session_id IS NOT NULL);
ALTER TABLE run ALTER COLUMN project DROP DEFAULT, ALTER COLUMN priority DROP DEFAULT;
CREATE INDEX run_session ON run (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX run_session_open ON run (session_id, id) WHERE session_id IS NOT NULL AND taken_at IS NULL;

-- What came of each test that a run planned; none until the run is over.
ALTER TABLE run_test ADD COLUMN outcome jsonb;
