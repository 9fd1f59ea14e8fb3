//! From what a test says that it waits for to which tests these are.
//!
//! A [`Directive`] has one or more patterns, split as a shell splits words. In each, `${name}` stands for a parameter of the
//! test that waits. A pattern takes the test with that id; or else all with that name, family, full name or file path; or
//! else, as a glob, all whose id or any of these it matches. It never takes the test itself. All that a directive's patterns
//! take, each test once, must be as many as the directive expects.

mod index;
mod problem;
mod words;
mod work;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
pub(super) mod oracle;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Dependency;
use super::document::Draft;
use super::limits::{MAX_DEPENDENCIES, MAX_GLOB_STEPS, MAX_PATTERN_BYTES};
use super::name::rendered;
use super::parts::success;
use crate::domain::fault::MAX_FAULTS;
use crate::domain::graph::Graph;
use index::Index;
pub use problem::Problem;
use work::{TooMuch, Work};

/// What a test waits for, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// Patterns with blanks between them; quotation marks and backslashes as in a shell.
    pub pattern: String,
    /// How many tests they must take together.
    #[serde(default)]
    pub expect: Expect,
    /// The result that is wanted of each of them.
    #[serde(default = "success")]
    pub when: String,
}

/// How many tests a directive takes. As JSON `"+"`, `"?"`, `"*"` or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// One or more.
    #[default]
    AtLeastOne,
    /// One or none.
    AtMostOne,
    /// Any number.
    Any,
    /// Just so many.
    Exactly(u32),
}

impl Expect {
    /// Whether so many are as expected.
    #[must_use]
    pub fn takes(self, count: usize) -> bool {
        match self {
            Self::AtLeastOne => count >= 1,
            Self::AtMostOne => count <= 1,
            Self::Any => true,
            Self::Exactly(wanted) => u32::try_from(count) == Ok(wanted),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeastOne => f.write_str("at least 1"),
            Self::AtMostOne => f.write_str("at most 1"),
            Self::Any => f.write_str("any number"),
            Self::Exactly(wanted) => write!(f, "{wanted}"),
        }
    }
}

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtLeastOne => serializer.serialize_str("+"),
            Self::AtMostOne => serializer.serialize_str("?"),
            Self::Any => serializer.serialize_str("*"),
            Self::Exactly(wanted) => serializer.serialize_u32(*wanted),
        }
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Nothing(()),
            Number(u32),
            Sign(String),
        }
        let wrong = || serde::de::Error::custom("want `+`, `?`, `*` or a whole number as what is expected");
        match Written::deserialize(deserializer).map_err(|_: D::Error| wrong())? {
            Written::Nothing(()) => Ok(Self::AtLeastOne),
            Written::Number(wanted) => Ok(Self::Exactly(wanted)),
            Written::Sign(sign) => match sign.as_str() {
                "+" => Ok(Self::AtLeastOne),
                "?" => Ok(Self::AtMostOne),
                "*" => Ok(Self::Any),
                _ => Err(wrong()),
            },
        }
    }
}

/// The dependencies of each test, in their order: first those that were stated by id, then for each directive what its
/// patterns take, by exact hits in the order of the tests; by globs first tests with directives of their own and then those
/// without, as Canary does. The same dependency with the same want counts once.
///
/// # Errors
/// Everything that is wrong, the first [`MAX_FAULTS`] problems; there is at least one. Cycles are looked for among whatever
/// could be resolved, and dependencies on tests that are not among these are left to the caller.
pub fn resolve(drafts: &[Draft]) -> Result<Vec<Vec<Dependency>>, Vec<Problem>> {
    resolve_within(drafts, MAX_GLOB_STEPS)
}

fn resolve_within(drafts: &[Draft], most_steps: u64) -> Result<Vec<Vec<Dependency>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let index = Index::new(drafts, &mut problems);
    let mut work = Work::new(&index, most_steps);
    let mut resolved = Vec::with_capacity(drafts.len());
    for (place, draft) in drafts.iter().enumerate() {
        match resolve_one(place, draft, &mut work, &mut problems) {
            Ok(dependencies) => resolved.push(dependencies),
            Err(too_much) => {
                problems.truncate(MAX_FAULTS.saturating_sub(1));
                problems.push(Problem::TooMuch { place, what: too_much.0 });
                return Err(problems);
            }
        }
    }
    problems.extend(cycles(drafts, &index, &resolved));
    problems.truncate(MAX_FAULTS);
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn resolve_one(
    place: usize,
    draft: &Draft,
    work: &mut Work<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Dependency>, TooMuch> {
    let mut dependencies = Dependencies::default();
    for Dependency { id, when } in &draft.spec.dependencies {
        dependencies.add(id, when)?;
    }
    if draft.depends_on.is_empty() {
        return Ok(dependencies.list);
    }
    let parameters: BTreeMap<&str, String> =
        draft.spec.parameters.iter().map(|(name, value)| (name.as_str(), rendered(value))).collect();
    for (number, directive) in draft.depends_on.iter().enumerate() {
        let patterns = match patterns(&directive.pattern, &parameters) {
            Ok(patterns) => patterns,
            Err(wrong) => {
                problems.push(Problem::Pattern { place, directive: number, wrong });
                continue;
            }
        };
        let taken = work.taken(&patterns, place)?;
        if !directive.expect.takes(taken.len()) {
            let name = draft.spec.fullname();
            let (pattern, expect) = (patterns.join(" "), directive.expect);
            problems.push(Problem::Count { place, directive: number, name, pattern, expect, found: taken.len() });
        }
        for taken in taken {
            dependencies.add(work.id(taken), &directive.when)?;
        }
    }
    Ok(dependencies.list)
}

/// The dependencies of a test, each with each want once.
#[derive(Default)]
struct Dependencies {
    list: Vec<Dependency>,
    known: HashSet<Dependency>,
}

impl Dependencies {
    fn add(&mut self, id: &str, when: &str) -> Result<(), TooMuch> {
        let dependency = Dependency { id: id.to_owned(), when: when.to_owned() };
        if self.known.insert(dependency.clone()) {
            self.list.push(dependency);
        }
        if self.list.len() > MAX_DEPENDENCIES { Err(TooMuch("it waits for too many tests")) } else { Ok(()) }
    }
}

/// The patterns of a directive's text, with the parameters put in. What is put in is not split.
fn patterns(text: &str, parameters: &BTreeMap<&str, String>) -> Result<Vec<String>, String> {
    if text.len() > MAX_PATTERN_BYTES {
        return Err(format!("want at most {MAX_PATTERN_BYTES} bytes"));
    }
    let words = words::split(text).map_err(|unclosed| unclosed.to_string())?;
    let put_in = |word: String| words::substitute(&word, parameters, MAX_PATTERN_BYTES);
    words
        .into_iter()
        .map(|word| {
            put_in(word).ok_or_else(|| format!("with its parameters a pattern is over {MAX_PATTERN_BYTES} bytes"))
        })
        .collect()
}

/// The cycles among the tests.
fn cycles(drafts: &[Draft], index: &Index<'_>, resolved: &[Vec<Dependency>]) -> Vec<Problem> {
    let Ok(count) = u32::try_from(drafts.len()) else { return Vec::new() };
    let mut places: HashMap<&str, u32> = HashMap::with_capacity(drafts.len());
    for (place, draft) in (0..count).zip(drafts) {
        places.entry(&draft.spec.id).or_insert(place);
    }
    let places = &places;
    let edges = (0..count).zip(resolved).flat_map(|(place, dependencies)| {
        dependencies.iter().filter_map(move |it| Some((place, *places.get(it.id.as_str())?)))
    });
    let problem = |path: Vec<u32>| {
        let places: Vec<usize> = path.into_iter().map(|place| place as usize).collect();
        Problem::Cycle { names: places.iter().map(|place| index.fullname(*place).to_owned()).collect(), places }
    };
    let components = Graph::new(count, edges).components();
    components.into_iter().take(MAX_FAULTS).map(|component| problem(component.cycle.path)).collect()
}
