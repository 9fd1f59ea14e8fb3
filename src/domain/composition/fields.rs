//! The names of the fields that units have here beside Plainbox's. Any job may state those that are no origins.

/// The full id of the spec that the job was made of.
pub const SPEC: &str = "testyard-spec";

/// The label of the test of the catalogue that the job was made of.
pub const TEST: &str = "testyard-test";

/// The label of the resource that the job sets up or cleans up.
pub const RESOURCE: &str = "testyard-resource";

/// The revision of the catalogue that [`TEST`] or [`RESOURCE`] is of.
pub const REVISION: &str = "testyard-revision";

/// How the spec is expected to end, where that is not 0: its `xstatus`.
pub const XSTATUS: &str = "testyard-xstatus";

/// What is executed: a map of `command`, `expects` and `artifacts`, as a [`Definition`](crate::domain::definition::Definition)
/// without its job. It goes before the job's `command`.
pub const DEFINITION: &str = "testyard-definition";

/// Why nothing that an agent executes stands for the job: a sentence.
pub const NO_DEFINITION: &str = "testyard-no-definition";

/// What other jobs must have come to, where `depends`, `after` and `salvages` cannot say it: a map of words by full ids. The
/// words are those of the specs' results ([`Status`](crate::domain::spec_result::status::Status) and its categories), in any
/// case; of tests of the catalogue those of QMTest.
pub const WANTS: &str = "testyard-wants";

/// The labels that an agent must have: `arch=riscv64 board=vf2`, or a map.
pub const REQUIRES: &str = "testyard-requires";

/// How many slots of which pools the job takes: `gpu=2`, or a map.
pub const SLOTS: &str = "testyard-slots";

/// After how many seconds the job is stopped.
pub const TIMEOUT: &str = "testyard-timeout";

/// The files that are kept: patterns, relative to the folder that the job is run in.
pub const ARTIFACTS: &str = "testyard-artifacts";
