//! `and`, `or` and `not` over conditions: how they are read, and how they are worked out.
//!
//! What was read is a list of steps with jumps that only lead forward, so that neither reading nor asking recurses, and a
//! condition is asked for only where it can still decide: from left to right, as in most languages.

use crate::domain::selection::syntax::{SyntaxError, SyntaxErrorKind};

/// The most brackets of an expression that may be open at once. Canary gives up somewhere between 200 and 500.
pub const MAX_DEPTH: usize = 1_000;

/// Conditions joined by `and`, `or` and `not`. By default there is none, which does not hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Logic<T> {
    steps: Vec<Step<T>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step<T> {
    /// What holds from now on is what this condition comes to.
    Ask(T),
    /// What held does not hold, and the other way round.
    Not,
    /// Goes on at another step, if what holds is this.
    SkipIf { held: bool, to: usize },
}

impl<T> Default for Logic<T> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

impl<T> Logic<T> {
    /// Whether it holds, if each condition comes to what `ask` says.
    ///
    /// # Errors
    /// The first that `ask` gives.
    pub(super) fn evaluate<E>(&self, mut ask: impl FnMut(&T) -> Result<bool, E>) -> Result<bool, E> {
        let (mut at, mut holds) = (0, false);
        while let Some(step) = self.steps.get(at) {
            at += 1;
            match step {
                Step::Ask(condition) => holds = ask(condition)?,
                Step::Not => holds = !holds,
                Step::SkipIf { held, to } if holds == *held => at = *to,
                Step::SkipIf { .. } => {}
            }
        }
        Ok(holds)
    }
}

/// What may stand where a condition is wanted.
pub(super) enum Operand<T> {
    Not,
    Open,
    Condition(T),
}

/// What may stand after a condition.
pub(super) enum Connective {
    And,
    Or,
    Close,
    End,
}

/// A text that conditions are read from.
pub(super) trait Source {
    /// What is joined.
    type Condition;
    /// Reads what stands where a condition is wanted.
    fn operand(&mut self) -> Result<Operand<Self::Condition>, SyntaxError>;
    /// Reads what stands after a condition.
    fn connective(&mut self) -> Result<Connective, SyntaxError>;
    /// The column of what was read last.
    fn column(&self) -> usize;
}

/// Reads a whole text: `not` binds tighter than `and`, and that tighter than `or`; brackets group.
///
/// # Errors
/// Those of the source, [`SyntaxErrorKind::TooDeep`], and brackets that do not pair.
pub(super) fn read<S: Source>(source: &mut S) -> Result<Logic<S::Condition>, SyntaxError> {
    let mut builder = Builder { steps: Vec::new(), level: Level::default(), outer: Vec::new() };
    loop {
        loop {
            match source.operand()? {
                Operand::Not => builder.level.negated ^= true,
                Operand::Open if builder.outer.len() < MAX_DEPTH => builder.open(),
                Operand::Open => {
                    let (kind, column) = (SyntaxErrorKind::TooDeep, source.column());
                    let message = format!("more than {MAX_DEPTH} brackets are open at once");
                    return Err(SyntaxError { kind, column, message });
                }
                Operand::Condition(condition) => {
                    builder.operand(Step::Ask(condition));
                    break;
                }
            }
        }
        loop {
            let connective = source.connective()?;
            match (connective, builder.outer.pop()) {
                (Connective::Close, Some(outer)) => builder.close(outer),
                (Connective::End, None) => return Ok(builder.finish()),
                (Connective::Close, None) => {
                    return Err(SyntaxError::at(
                        source.column(),
                        "no bracket is open that this `)` could close".to_owned(),
                    ));
                }
                (Connective::End, Some(_)) => {
                    let message = "want `)`; the expression ends while a bracket is open";
                    return Err(SyntaxError::at(source.column(), message.to_owned()));
                }
                (connective, outer) => {
                    builder.outer.extend(outer);
                    builder.join(matches!(connective, Connective::And));
                    break;
                }
            }
        }
    }
}

struct Builder<T> {
    steps: Vec<Step<T>>,
    /// What is being read.
    level: Level,
    /// What goes on around it, the outermost first.
    outer: Vec<Level>,
}

/// What stands between two brackets, as far as it has been read.
#[derive(Default)]
struct Level {
    /// Whether the next operand is negated.
    negated: bool,
    /// Where it is skipped to the end of conditions that are joined by `and`.
    ands: Vec<usize>,
    /// Where it is skipped to the end of the level.
    ors: Vec<usize>,
}

impl<T> Builder<T> {
    fn operand(&mut self, step: Step<T>) {
        self.steps.push(step);
        self.negate();
    }

    fn negate(&mut self) {
        if std::mem::take(&mut self.level.negated) {
            self.steps.push(Step::Not);
        }
    }

    fn join(&mut self, by_and: bool) {
        if !by_and {
            let ands = std::mem::take(&mut self.level.ands);
            self.land(ands);
        }
        let joint = self.steps.len();
        self.steps.push(Step::SkipIf { held: !by_and, to: joint });
        if by_and { self.level.ands.push(joint) } else { self.level.ors.push(joint) }
    }

    fn open(&mut self) {
        self.outer.push(std::mem::take(&mut self.level));
    }

    fn close(&mut self, outer: Level) {
        let Level { ands, ors, .. } = std::mem::replace(&mut self.level, outer);
        self.land(ands);
        self.land(ors);
        self.negate();
    }

    fn finish(mut self) -> Logic<T> {
        self.close(Level::default());
        Logic { steps: self.steps }
    }

    /// Lets these skips lead to what comes next.
    fn land(&mut self, skips: Vec<usize>) {
        let next = self.steps.len();
        for skip in skips {
            if let Some(Step::SkipIf { to, .. }) = self.steps.get_mut(skip) {
                *to = next;
            }
        }
    }
}
