//! How much a document of the catalogue may hold. Lengths of texts are in characters, as JSON Schema counts them.

/// Of a text argument, a word of a command or what a program reads: scripts and expected outputs fit, files are
/// attachments.
pub const MAX_TEXT: usize = 262_144;
/// Of a whole number, in digits: nobody needs more, and turning digits into numbers takes quadratic time.
pub const MAX_DIGITS: usize = 1_000;
/// Of a list, a dictionary or a suite's members.
pub const MAX_ENTRIES: usize = 10_000;
/// Of the keywords of an item.
pub const MAX_KEYWORDS: usize = 100;
/// Of a keyword, an owner, a title, the name of a class or a word of an enumeration: they stand in a line of a table.
pub const MAX_NAME: usize = 200;
/// Of a description or a cause: a page of prose.
pub const MAX_DESCRIPTION: usize = 16_384;
/// Of the pattern of target groups: compiled for each plan.
pub const MAX_PATTERN: usize = 1_000;
/// Of the files beside an item.
pub const MAX_ATTACHMENTS: usize = 100;
/// Of a file name, in bytes: what file systems take.
pub const MAX_FILENAME_BYTES: usize = 255;
/// Of the size of a file: a number that JSON keeps exactly. What may really be stored is a setting.
pub const MAX_FILE_SIZE: u64 = 9_007_199_254_740_991;
/// Of the fields of a class, and of those inside a tuple.
pub const MAX_FIELDS: usize = 100;
/// Of the words of an enumeration or a choice.
pub const MAX_WORDS: usize = 1_000;
/// Of the name of a field: a name in Python and a place in a command.
pub const MAX_FIELD_NAME: usize = 64;
/// Of the words of a command template, and of its environment variables.
pub const MAX_COMMAND_WORDS: usize = 256;
/// Of a command with its arguments filled in, words, environment and input together, in bytes: an operating system
/// takes about 2 MiB, and a place may be named many times.
pub const MAX_COMMAND_BYTES: usize = 1_048_576;
/// Of the time a command may take, in seconds: a week.
pub const MAX_TIMEOUT_S: u32 = 604_800;
/// How deep a document may nest. Typed values of unknown classes nest twice as deep as values.
pub const MAX_DEPTH: usize = 32;
