//! Checkbox's providers in: folders of `.pxu` files become providers here.
//!
//! What can be read is taken; what cannot is told of with its file and line. Each provider is written as a whole, over the
//! one of its name.

mod folder;
mod script;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::app::condition::OnlyIf;
use crate::app::session::source::{self, Doubts, Source};
use crate::app::session::{Sessions, provider};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::session::MAX_UNITS;
use crate::domain::unit::check::Severity;
use crate::domain::unit::pxu;
use crate::domain::words::words;

use folder::{Budget, Found, Search, shown};

/// The most problems that are told.
const MAX_PROBLEMS: usize = 10_000;

/// The longest words about a problem, in characters.
const MAX_WORDS: usize = 1_000;

/// What is to be imported, and how.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The folders and files.
    pub paths: Vec<PathBuf>,
    /// What the provider is to be called: all paths make up one then.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Whether to say only what would be taken.
    pub dry_run: bool,
}

/// What was read, or could not be, or could be better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, from where the import was asked for.
    pub file: String,
    /// The line, from 1, where it is one line's.
    pub line: Option<u32>,
    /// How bad it is, where validation says it of a unit that was taken; `None` of what was not taken.
    pub severity: Option<Severity>,
    /// What is the matter, and what was expected.
    pub words: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match self.severity {
            Some(severity) => write!(f, ": {severity}: {}", self.words),
            None => write!(f, ": {}", self.words),
        }
    }
}

words!(
    /// What became of a provider.
    Fate, "fate", {
        /// There was none of its name.
        Created = "created",
        /// It was written over the one of its name.
        Replaced = "replaced",
    }
);

/// A provider that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it is called.
    pub name: String,
    /// What the ids of its units begin with.
    pub namespace: Option<String>,
    /// Where it was read from.
    pub from: String,
    /// What became of it.
    pub fate: Fate,
    /// The revision that it has now, or would have.
    pub revision: i64,
    /// How many files it was read from.
    pub files: usize,
    /// How many units it has, by their kinds.
    pub units: BTreeMap<String, usize>,
    /// How many errors validation tells of.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// How many pieces of advice.
    pub advice: usize,
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The providers that were taken.
    pub providers: Vec<Taken>,
    /// What was not taken, and what validation says of what was: by provider, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// How many more problems there were.
    pub untold: usize,
}

impl Report {
    fn tell(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for mut problem in problems {
            if self.problems.len() < MAX_PROBLEMS {
                problem.words = cut(&problem.words, MAX_WORDS);
                self.problems.push(problem);
            } else {
                self.untold += 1;
            }
        }
    }
}

/// A provider that was read.
struct Read {
    name: String,
    namespace: Option<String>,
    from: String,
    files: usize,
    units: Vec<Source>,
    problems: Vec<Problem>,
    doubts: Doubts,
}

/// Imports providers.
///
/// # Errors
/// [`AppError::Invalid`] if several paths are to be one provider and have several namespaces; otherwise only if the
/// database fails: what cannot be read is told in the report.
pub async fn import(sessions: &Sessions, import: Import) -> Result<Report> {
    let Import { paths, name, namespace, dry_run } = import;
    let (found, problems) = blocking(move || {
        let mut search = Search::default();
        for path in &paths {
            search.look(path);
        }
        Ok((named(search.found, name, namespace.as_deref())?, search.problems))
    })
    .await?;
    let mut report = Report::default();
    report.tell(problems);
    let mut budget = Budget::default();
    let mut names = BTreeSet::new();
    for (name, namespace, found) in found {
        let provider;
        (provider, budget) = blocking(move || {
            let provider = read(name, namespace, found, &mut budget);
            Ok((provider, budget))
        })
        .await?;
        take(sessions, provider, &mut names, dry_run, &mut report).await?;
    }
    Ok(report)
}

async fn take(
    sessions: &Sessions,
    read: Read,
    names: &mut BTreeSet<String>,
    dry_run: bool,
    report: &mut Report,
) -> Result<()> {
    let Read { name, namespace, from, files, units, problems, doubts } = read;
    report.tell(problems);
    let mut refuse = |words: String| {
        report.tell([Problem { file: from.clone(), line: None, severity: None, words }]);
        Ok(())
    };
    let wrong = provider::wrong_name(&name).map(|words| ("name", &name, words));
    let of_namespace = namespace.as_ref().and_then(|it| Some(("namespace", it, provider::wrong_namespace(it)?)));
    if let Some((what, text, words)) = wrong.or(of_namespace) {
        return refuse(format!("`{}` is no {what} of a provider: {words}", cut(text, 80)));
    }
    if units.is_empty() {
        return refuse("there are no units in it: nothing is stored".to_owned());
    }
    if !names.insert(name.clone()) {
        return refuse(format!("another of these is the provider `{name}`: not taken; name them apart with --name"));
    }
    let mut kinds = BTreeMap::new();
    for source in &units {
        *kinds.entry(source.unit.kind().to_string()).or_default() += 1;
    }
    let (is_new, revision) = if dry_run {
        match provider::get(sessions, &name).await {
            Ok(known) => (false, known.revision + 1),
            Err(AppError::NotFound { .. }) => (true, 1),
            Err(error) => return Err(error),
        }
    } else {
        let put = provider::put(sessions, &name, namespace.as_deref(), units, None, OnlyIf::Any).await?;
        (put.is_new, put.provider.revision)
    };
    let Doubts { errors, warnings, advice, .. } = doubts;
    let fate = if is_new { Fate::Created } else { Fate::Replaced };
    report.providers.push(Taken {
        name,
        namespace,
        from,
        fate,
        revision,
        files,
        units: kinds,
        errors,
        warnings,
        advice,
    });
    Ok(())
}

/// What each provider is called, and its namespace.
type Named = (String, Option<String>, Found);

/// Names what was found: as was asked for, as the scripts say, or after the folders and files.
fn named(found: Vec<Found>, name: Option<String>, namespace: Option<&str>) -> Result<Vec<Named>> {
    let one = |found: Found| {
        let said = found.said.clone().unwrap_or_default();
        let name = said.name.unwrap_or_else(|| found.fallback.clone());
        // Older providers have their namespace in their name.
        let in_name = || name.split_once(':').map(|(namespace, _)| namespace.to_owned());
        let namespace =
            namespace.map(str::to_owned).or(said.namespace).or_else(|| in_name().filter(|_| found.said.is_some()));
        (name, namespace, found)
    };
    let all: Vec<Named> = found.into_iter().map(one).collect();
    let Some(name) = name else { return Ok(all) };
    let namespaces: BTreeSet<&Option<String>> = all.iter().map(|(_, namespace, _)| namespace).collect();
    if namespaces.len() > 1 {
        let words = "these have several namespaces, and one provider has one: say which with --namespace";
        return Err(AppError::Invalid(words.to_owned()));
    }
    let mut parts = all.into_iter();
    let Some((_, namespace, mut whole)) = parts.next() else { return Ok(Vec::new()) };
    for (_, _, part) in parts {
        whole.shown = format!("{}, {}", whole.shown, part.shown);
        // Below several folders the same names may stand.
        whole.files = whole.files.into_iter().chain(part.files).map(folder::Place::by_whole_name).collect();
    }
    Ok(vec![(name, namespace, whole)])
}

/// Reads the units of a provider. Those of no use are left out and told.
fn read(name: String, namespace: Option<String>, found: Found, budget: &mut Budget) -> Read {
    let mut problems = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    let files = found.files.len();
    // Units keep the file's name below their folder; people are told the one that they can open.
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    for place in found.files {
        let (below, path) = (shown(&place.below), shown(&place.path));
        let of_line = |line, words| Problem { file: path.clone(), line, severity: None, words };
        if sources.len() > MAX_UNITS {
            problems.push(of_line(
                None,
                format!("there are more than {MAX_UNITS} units: this and the other files are not read"),
            ));
            sources.truncate(MAX_UNITS);
            break;
        }
        match budget.read(&place.path) {
            Ok(text) => {
                let file = pxu::Source { file: &below, namespace: namespace.as_deref(), provider: Some(&name) };
                let (units, unreadable) = source::read(&text, &file);
                sources.extend(units);
                let line = |line: usize| Some(u32::try_from(line).unwrap_or(u32::MAX));
                problems.extend(unreadable.into_iter().map(|it| of_line(line(it.line), it.detail)));
            }
            Err((line, words)) => problems.push(of_line(line, words)),
        }
        open.insert(below, path.clone());
    }
    sources.truncate(MAX_UNITS);
    let (units, rejected) = source::part(sources);
    let path = |file: &Option<String>| {
        let file = file.as_deref().unwrap_or_default();
        open.get(file).cloned().unwrap_or_else(|| file.to_owned())
    };
    problems.extend(rejected.into_iter().map(|it| Problem {
        file: path(&it.source.file),
        line: it.source.line,
        severity: None,
        words: format!("{}: not taken", it.reason),
    }));
    let doubts = Doubts::of(&units);
    problems.extend(doubts.told.iter().map(|doubt| Problem {
        file: path(&doubt.file),
        line: doubt.line,
        severity: Some(doubt.issue.severity),
        words: format!("{}: {}", doubt.issue.field, doubt.issue.message),
    }));
    problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    Read { name, namespace, from: found.shown, files, units, problems, doubts }
}
