//! Units as they are brought in, with where each was read from.

use std::collections::{BTreeMap, HashMap};

use crate::app::holds_nul;
use crate::domain::unit::check::{Issue, Severity, check_with_local};
use crate::domain::unit::pxu::{self, Located, Problem};
use crate::domain::unit::{FieldValue, Unit};

/// A unit, and where it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The unit.
    pub unit: Unit,
    /// The file, below the provider's folder.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The line of each field, by its name as it is written; empty where that is not known.
    pub field_lines: BTreeMap<String, u32>,
}

impl Source {
    /// A unit that comes from no file.
    #[must_use]
    pub fn bare(unit: Unit) -> Self {
        Self { unit, file: None, line: None, field_lines: BTreeMap::new() }
    }

    fn located(located: Located<Unit>, file: &str) -> Self {
        let line = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
        Self {
            unit: located.value,
            file: (!file.is_empty()).then(|| file.to_owned()),
            line: Some(line(located.first_line)),
            field_lines: located.field_lines.into_iter().map(|(field, at)| (field, line(at))).collect(),
        }
    }

    /// The line of a field in either spelling; that of the unit if the field is not there.
    #[must_use]
    pub fn line_of(&self, field: &str) -> Option<u32> {
        let line = self.field_lines.get(&format!("_{field}")).or_else(|| self.field_lines.get(field));
        line.copied().or(self.line)
    }

    /// Where it stands, for people: `units/net.pxu:12`, `line 12`, or its place among the units, from 0.
    fn place(&self, place: usize) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (None, Some(line)) => format!("line {line}"),
            _ => format!("unit {place}"),
        }
    }
}

/// Reads the units of a `.pxu` file, and what of it cannot be read. Of a text that is no file, the name is empty.
///
/// Beside what [`pxu::read`] tells, units with NUL letters are left out, which no database keeps; a byte order mark at
/// the beginning is no part of the text.
#[must_use]
pub fn read(text: &str, file: &pxu::Source<'_>) -> (Vec<Source>, Vec<Problem>) {
    let (units, mut problems) = pxu::read(text.strip_prefix('\u{feff}').unwrap_or(text), file);
    let mut sources = Vec::with_capacity(units.len());
    for located in units {
        match nul_in(&located.value) {
            Some(field) => problems.push(Problem {
                file: file.file.to_owned(),
                line: located.line_of(&field),
                fault: None,
                detail: "a field holds a NUL character: want text without".to_owned(),
            }),
            None => sources.push(Source::located(located, file.file)),
        }
    }
    problems.sort_by_key(|problem| problem.line);
    (sources, problems)
}

/// The name of the first field that holds a NUL letter, or whose name does.
fn nul_in(unit: &Unit) -> Option<String> {
    let holds = |value: &FieldValue| match value {
        FieldValue::Text(text) => text.contains('\0'),
        FieldValue::List(list) => list.iter().any(holds_nul),
        FieldValue::Map(map) => map.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
    };
    let mut fields = unit.fields().iter();
    fields.find(|(name, value)| name.contains('\0') || holds(value)).map(|(name, _)| name.clone())
}

/// A unit that no session takes beside those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// The unit.
    pub source: Source,
    /// Where it stands, for people.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// Parts units into those that sessions take as units of one provider and the others: what is there already, exactly so,
/// and jobs of one id that differ, of which the first stays.
#[must_use]
pub fn part(sources: Vec<Source>) -> (Vec<Source>, Vec<Rejected>) {
    let (mut taken, mut rejected) = (Vec::with_capacity(sources.len()), Vec::new());
    let mut checksums: HashMap<String, String> = HashMap::with_capacity(sources.len());
    let mut jobs: HashMap<String, String> = HashMap::new();
    for (place, source) in sources.into_iter().enumerate() {
        let (unit, at) = (&source.unit, source.place(place));
        let job_id = unit.id().filter(|_| unit.kind().is_job());
        let same = checksums.get(unit.checksum()).map(|known| {
            let (kind, id) = (unit.kind(), unit.id().unwrap_or_default());
            format!("the {kind} `{id}` is there already, exactly so, at {known}")
        });
        let clash = || {
            let (id, known) = (job_id?, jobs.get(job_id?)?);
            Some(format!("another job `{id}` is there already, at {known}: want one job of an id"))
        };
        if let Some(reason) = same.or_else(clash) {
            rejected.push(Rejected { reason, place: at, source });
            continue;
        }
        checksums.insert(unit.checksum().to_owned(), at.clone());
        if let Some(id) = job_id {
            jobs.insert(id.to_owned(), at);
        }
        taken.push(source);
    }
    (taken, rejected)
}

/// What validation says of a unit. A provider takes units that have such issues: they are told, and what they stand in
/// the way of is refused where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The place of the unit, from 0.
    pub place: usize,
    /// The id of the unit, if it has one.
    pub unit: Option<String>,
    /// The file that it was read from.
    pub file: Option<String>,
    /// The line of the field, or of the unit that lacks it.
    pub line: Option<u32>,
    /// What is the matter.
    pub issue: Issue,
}

/// What validation says of units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// The worst [`MAX_DOUBTS`] of them, in the order of the units.
    pub told: Vec<Doubt>,
    /// How many errors there are.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// How many pieces of advice.
    pub advice: usize,
}

/// The most doubts that are told.
pub const MAX_DOUBTS: usize = 1_000;

impl Doubts {
    /// What validation says of these units, each by itself.
    #[must_use]
    pub fn of(sources: &[Source]) -> Self {
        let mut doubts = Self::default();
        for (place, source) in sources.iter().enumerate() {
            for issue in check_with_local(&source.unit) {
                match issue.severity {
                    Severity::Error => doubts.errors += 1,
                    Severity::Warning => doubts.warnings += 1,
                    Severity::Advice => doubts.advice += 1,
                }
                doubts.take(place, source, issue);
            }
        }
        doubts.shorten();
        doubts.told.sort_by_key(|doubt| doubt.place);
        doubts
    }

    fn take(&mut self, place: usize, source: &Source, issue: Issue) {
        // Never many more than are told, however many there are.
        if self.told.len() >= 2 * MAX_DOUBTS {
            self.shorten();
        }
        self.told.push(Doubt {
            place,
            unit: source.unit.id().map(str::to_owned),
            file: source.file.clone(),
            line: source.line_of(&issue.field),
            issue,
        });
    }

    /// Keeps the worst.
    fn shorten(&mut self) {
        if self.told.len() > MAX_DOUBTS {
            self.told.sort_by_key(|doubt| match doubt.issue.severity {
                Severity::Error => 0,
                Severity::Warning => 1,
                Severity::Advice => 2,
            });
            self.told.truncate(MAX_DOUBTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn read_as(file: &str, text: &str) -> (Vec<Source>, Vec<Problem>) {
        read(text, &pxu::Source { file, namespace: Some("a.b"), provider: Some("p") })
    }

    #[test]
    fn units_know_where_they_stand() {
        let (units, problems) =
            read_as("x.pxu", "\u{feff}id: one\n_summary: s\nplugin: shell\n\nno colon\n\nid: two\n");
        assert_eq!(
            units.iter().map(|source| (source.unit.id(), source.line)).collect::<Vec<_>>(),
            [(Some("a.b::one"), Some(1)), (Some("a.b::two"), Some(7)),]
        );
        assert_eq!(units[0].line_of("summary"), Some(2));
        assert_eq!(units[0].line_of("command"), Some(1), "what is not there is missing from the unit");
        assert_eq!((problems.len(), problems[0].line), (1, 5));
    }

    #[test]
    fn a_nul_is_a_problem_of_its_unit_alone() {
        let (units, problems) = read_as("x.pxu", "id: one\nplugin: sh\0ell\n\nid: two\n");
        assert_eq!(units.len(), 1);
        assert_eq!(problems[0].to_string(), "x.pxu:2: a field holds a NUL character: want text without");
        let deep = serde_json::json!({"id": "x", "siblings": [{"a": ["\0"]}]});
        let fields = deep.as_object().unwrap().clone().into_iter();
        let fields = fields.filter_map(|(name, value)| Some((name, FieldValue::from_json(value)?))).collect();
        assert_eq!(nul_in(&Unit::new(None, None, fields)).as_deref(), Some("siblings"));
    }

    #[test]
    fn the_first_of_a_kind_stays() {
        let text = "id: j\nplugin: shell\n\nid: j\nplugin: manual\n\nid: j\nplugin: shell\n\nunit: category\nid: j\n";
        let (taken, rejected) = part(read_as("x.pxu", text).0);
        assert_eq!(taken.iter().map(|source| source.line).collect::<Vec<_>>(), [Some(1), Some(10)]);
        assert_eq!(
            rejected.iter().map(|it| (it.place.as_str(), it.reason.as_str())).collect::<Vec<_>>(),
            [
                ("x.pxu:4", "another job `a.b::j` is there already, at x.pxu:1: want one job of an id"),
                ("x.pxu:7", "the job `a.b::j` is there already, exactly so, at x.pxu:1"),
            ]
        );
    }

    #[test]
    fn the_worst_doubts_are_told_in_the_order_of_the_units() {
        let mut text = String::new();
        for number in 0..3_000 {
            let _ = writeln!(text, "id: advised{number}\nplugin: manual\n");
        }
        text.push_str("id: wrong\nplugin: nonsense\ncommand: true\n");
        let (units, _) = read_as("x.pxu", &text);
        let doubts = Doubts::of(&units);
        assert_eq!(doubts.told.len(), MAX_DOUBTS);
        assert!(doubts.errors + doubts.warnings + doubts.advice > MAX_DOUBTS);
        assert!(doubts.told.is_sorted_by_key(|doubt| doubt.place));
        let (few, _) = read_as("x.pxu", "id: fine\nplugin: shell\ncommand: true\n\nid: wrong\nplugin: nonsense\n");
        let doubts = Doubts::of(&few);
        let plugin = doubts.told.iter().find(|doubt| doubt.issue.field == "plugin").unwrap();
        assert_eq!((plugin.place, plugin.line, plugin.issue.severity), (1, Some(6), Severity::Error));
    }
}
