//! Resource programs: one expression a line, all of which must hold.

use std::collections::HashSet;

use super::error::{Fault, ProgramError, ProgramErrorKind};
use super::parser::{Parsed, parse};
use super::search::exists;
use super::text::{lines, strip};
use super::tree::{Node, Operands};
use super::value::{Meter, Stop};
use super::{Import, Record};

/// The most expressions of a program.
pub const MAX_EXPRESSIONS: usize = 1_000;

/// The most steps that the evaluation of one expression takes: parts of it worked out, and blocks of 64 bytes compared.
pub const MAX_STEPS: u64 = 10_000_000;

/// One expression of a program.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    resources: Vec<String>,
    quantified: Quantified,
}

/// Where the words "there are records such that" stand in an expression.
#[derive(Clone, Debug)]
enum Quantified {
    /// There are records, one of each resource that the node reads, that make it true.
    Records {
        /// The resources, a bit each.
        reads: u64,
        node: Node,
    },
    /// Each of these holds, maybe by other records.
    All(Vec<Quantified>),
    /// One of these holds.
    Any(Vec<Quantified>),
}

impl Quantified {
    fn whole(node: Node) -> Self {
        Self::Records { reads: node.resources(), node }
    }

    /// Of an expression without round brackets, each operand of `and` and `or` is asked for by itself. Where such a word
    /// has no space on both sides, what stands around it stays together.
    fn apart(node: Node) -> Self {
        match node {
            Node::All(operands) => Self::of_operands(operands, Node::All, Self::All),
            Node::Any(operands) => Self::of_operands(operands, Node::Any, Self::Any),
            node => Self::whole(node),
        }
    }

    fn of_operands(operands: Operands, glue: fn(Operands) -> Node, make: fn(Vec<Self>) -> Self) -> Self {
        let mut groups: Vec<Operands> = Vec::new();
        let spaced = std::iter::once(true).chain(operands.spaced);
        for (node, is_spaced) in operands.nodes.into_iter().zip(spaced) {
            match groups.last_mut() {
                Some(group) if !is_spaced => {
                    group.nodes.push(node);
                    group.spaced.push(false);
                }
                _ => groups.push(Operands { nodes: vec![node], spaced: Vec::new() }),
            }
        }
        let mut parts = Vec::with_capacity(groups.len());
        for mut group in groups {
            parts.push(match (group.nodes.len(), group.nodes.pop()) {
                (1, Some(only)) => Self::apart(only),
                (_, last) => {
                    group.nodes.extend(last);
                    Self::whole(glue(group))
                }
            });
        }
        make(parts)
    }

    fn holds(&self, lists: &[&[Record]], meter: &mut Meter) -> Result<bool, Stop> {
        match self {
            Self::Records { reads, node } => exists(node, *reads, lists, meter),
            Self::All(parts) => Self::decided(parts, false, lists, meter),
            Self::Any(parts) => Self::decided(parts, true, lists, meter),
        }
    }

    /// `by` if one part comes to it, else the other. A part that takes too many steps does not keep the others from
    /// deciding.
    fn decided(parts: &[Self], by: bool, lists: &[&[Record]], meter: &mut Meter) -> Result<bool, Stop> {
        let mut come = Ok(!by);
        for part in parts {
            match part.holds(lists, meter) {
                Ok(holds) if holds == by => return Ok(by),
                Ok(_) => {}
                Err(stop) => come = Err(stop),
            }
        }
        come
    }
}

impl Expression {
    fn compile(text: &str, namespace: Option<&str>, imports: &[Import]) -> Result<Self, Fault> {
        let Parsed { root, names } = parse(text)?;
        let id = |name: String| match (imports.iter().find(|import| import.name == name), namespace) {
            (Some(import), _) => import.id.clone(),
            (None, Some(namespace)) => format!("{namespace}::{name}"),
            (None, None) => name,
        };
        let quantified = if text.contains('(') { Quantified::whole(root) } else { Quantified::apart(root) };
        Ok(Self { text: text.to_owned(), resources: names.into_iter().map(id).collect(), quantified })
    }

    /// The text without blanks around it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The full ids of the resources that it names, in the order of first appearance; an id stands twice where two
    /// names stand for it.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Whether it holds; nothing if that takes too many steps. A resource without an entry has no records.
    pub(super) fn holds<'r>(&self, records: &dyn Fn(&str) -> Option<&'r [Record]>, meter: &mut Meter) -> Option<bool> {
        let lists: Vec<&[Record]> = self.resources.iter().map(|id| records(id).unwrap_or_default()).collect();
        self.quantified.holds(&lists, meter).ok()
    }
}

/// What came of a program.
#[derive(Clone, Debug)]
pub enum Verdict<'p> {
    /// Every expression holds.
    True,
    /// This is the first expression that does not hold.
    False {
        /// Its place among the expressions, from 0.
        index: usize,
        /// The expression.
        expression: &'p Expression,
    },
    /// This is the first expression that cannot be evaluated, whatever the others come to: a resource has no entry yet.
    Pending {
        /// Its place among the expressions, from 0.
        index: usize,
        /// The expression.
        expression: &'p Expression,
        /// The ids among its resources that have no entry, in their order.
        missing: Vec<&'p str>,
    },
    /// All expressions before this one hold, and it takes more than [`MAX_STEPS`] to find out whether it does.
    TooLarge {
        /// Its place among the expressions, from 0.
        index: usize,
        /// The expression.
        expression: &'p Expression,
    },
}

impl Verdict<'_> {
    /// Whether every expression holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, Self::True)
    }
}

/// A compiled resource program. It is kept as its text and compiled anew.
#[derive(Clone, Debug)]
pub struct Program {
    expressions: Vec<Expression>,
    resources: Vec<String>,
}

impl Program {
    /// Compiles a program of one text. A name that no import has is an id of the namespace; without a namespace it is
    /// the full id.
    ///
    /// # Errors
    /// The first line that is no expression.
    pub fn compile(text: &str, namespace: Option<&str>, imports: &[Import]) -> Result<Self, ProgramError> {
        Self::compile_lines([text], namespace, imports)
    }

    /// Compiles a program that is a list of texts.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_lines<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        namespace: Option<&str>,
        imports: &[Import],
    ) -> Result<Self, ProgramError> {
        let mut expressions = Vec::new();
        let mut known = HashSet::new();
        let mut resources = Vec::new();
        for (index, line) in texts.into_iter().flat_map(lines).enumerate() {
            let text = strip(line);
            if text.is_empty() {
                continue;
            }
            let error = |fault: Fault| {
                let indent = line.len() - line.trim_start_matches(super::text::is_blank).len();
                let before = line.get(..indent + fault.at).unwrap_or(line);
                ProgramError {
                    kind: fault.kind,
                    line: index + 1,
                    column: before.chars().count() + 1,
                    message: fault.message,
                }
            };
            if expressions.len() == MAX_EXPRESSIONS {
                let message = format!("the program has more than {MAX_EXPRESSIONS} expressions");
                return Err(error(Fault { kind: ProgramErrorKind::TooLong, at: 0, message }));
            }
            let expression = Expression::compile(text, namespace, imports).map_err(error)?;
            for id in &expression.resources {
                if known.insert(id.clone()) {
                    resources.push(id.clone());
                }
            }
            expressions.push(expression);
        }
        Ok(Self { expressions, resources })
    }

    /// The expressions, in their order.
    #[must_use]
    pub fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// The full ids of the resources that it names, each once, in the order of first appearance.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// What comes of the program with these records: `records` gives those of a resource by its full id, and nothing
    /// where there is no entry.
    pub fn evaluate<'r>(&self, records: &dyn Fn(&str) -> Option<&'r [Record]>) -> Verdict<'_> {
        self.evaluate_within(records, MAX_STEPS)
    }

    fn evaluate_within<'r>(&self, records: &dyn Fn(&str) -> Option<&'r [Record]>, steps: u64) -> Verdict<'_> {
        for (index, expression) in self.expressions.iter().enumerate() {
            let ids = expression.resources.iter().map(String::as_str);
            let missing: Vec<&str> = ids.filter(|id| records(id).is_none()).collect();
            if !missing.is_empty() {
                return Verdict::Pending { index, expression, missing };
            }
        }
        for (index, expression) in self.expressions.iter().enumerate() {
            match expression.holds(records, &mut Meter::new(steps)) {
                Some(true) => {}
                Some(false) => return Verdict::False { index, expression },
                None => return Verdict::TooLarge { index, expression },
            }
        }
        Verdict::True
    }

    /// What comes of the program where this one record is all that there is: a template's filter.
    #[must_use]
    pub fn accepts(&self, id: &str, record: &Record) -> Verdict<'_> {
        self.evaluate(&|asked| (asked == id).then_some(std::slice::from_ref(record)))
    }
}

#[cfg(test)]
mod tests;
