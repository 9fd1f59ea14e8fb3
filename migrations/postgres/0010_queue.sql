-- PostgreSQL dialect of migration 0010. The twin is ../sqlite/0010_queue.sql; a test holds the two together.

-- Whose turn it is at a runner. Runs that are alike in all that decides that (project, priority, session, labels, slots) are
-- of one lane, whose name is a digest of it; it is empty for those with nothing of it. If the first of a lane cannot start,
-- none of it can: so a decision reads the first of each lane and not all that wait.
ALTER TABLE run ADD COLUMN lane text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX run_lane ON run (runner, lane, created_at, id) WHERE state = 'planned' AND held IS NULL AND lane <> '';

-- A row for each runner that something was decided for: whoever decides locks it. The next decision begins to read lanes
-- behind `after_lane`, if there are more of them than one decision reads.
CREATE TABLE queue (
    runner     text NOT NULL PRIMARY KEY,
    after_lane text NOT NULL
);

-- What a project was served at a runner, in seconds of one place, as it counted at `served_at`.
CREATE TABLE share (
    runner    text             NOT NULL,
    project   text             NOT NULL,
    served    double precision NOT NULL,
    served_at timestamptz      NOT NULL,
    PRIMARY KEY (runner, project)
);

-- A run that was given a place and is not yet counted in `share`.
CREATE TABLE place (
    run_id   uuid        NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    runner   text        NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX place_runner ON place (runner);

-- A slot of a pool that was given to a run. The run holds it while it is at its runner; what stays of the row afterwards is
-- removed by the next decision.
CREATE TABLE slot (
    runner text NOT NULL,
    pool   text NOT NULL,
    slot   text NOT NULL,
    run_id uuid NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    PRIMARY KEY (runner, pool, slot)
);
CREATE INDEX slot_run ON slot (run_id);
