//! How much a spec may hold. Lengths of texts are in characters, as JSON Schema counts them, unless they say bytes.

/// The fewest digits of an id: shorter ones are taken for prefixes by people.
pub const MIN_ID_DIGITS: usize = 8;
/// The most digits of an id: those of a BLAKE2b-512, which older Canary computes.
pub const MAX_ID_DIGITS: usize = 128;
/// Of a path, in bytes.
pub const MAX_PATH_BYTES: usize = 1_024;
/// Of a view, in bytes: rules and questions match it, spec by spec.
pub const MAX_VIEW_BYTES: usize = 2_048;
/// Of a family, a parameter's name, a keyword, an owner: they stand in a line of a table.
pub const MAX_NAME: usize = 200;
/// Of the word that says which result of a dependency is wanted.
pub const MAX_WHEN: usize = 64;
/// Of any other text: a parameter's value, a variable of the environment, a word of a command.
pub const MAX_TEXT: usize = 65_536;
/// Of the reason of a mask.
pub const MAX_REASON: usize = 4_096;
/// Of the parameters, and of the meta parameters.
pub const MAX_PARAMETERS: usize = 100;
/// Of the keywords, and of the owners.
pub const MAX_KEYWORDS: usize = 1_000;
/// Of the dependencies of one test.
pub const MAX_DEPENDENCIES: usize = 10_000;
/// Of every other list or map.
pub const MAX_ENTRIES: usize = 1_000;
/// How deep parameters, attributes and a command may nest.
pub const MAX_DEPTH: usize = 32;
/// How many values parameters, attributes and a command may hold, each of them with all that is nested in it.
pub const MAX_VALUES: usize = 10_000;
/// Of a timeout, in seconds: 31 days.
pub const MAX_TIMEOUT_S: f64 = 2_678_400.0;
/// Of the directives of one test.
pub const MAX_DIRECTIVES: usize = 1_000;
/// Of a directive's text, and of a pattern in it once parameters have been put in, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4_096;
/// Of the dependencies that are resolved at once, for all tests together.
pub const MAX_EDGES: usize = 2_000_000;
/// How much comparing globs with names is done when dependencies are resolved, in comparisons of two characters: some
/// seconds of a processor.
pub const MAX_GLOB_STEPS: u64 = 1_000_000_000;
