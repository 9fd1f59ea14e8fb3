//! How far a spec is and what came of it: Canary's states, categories and statuses, and which go together.

use serde::{Deserialize, Serialize};

use crate::domain::words::{Word, words};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

words!(
    /// How far a spec is.
    State, "state", {
        /// It waits for what it depends on.
        Pending = "PENDING",
        /// It can run.
        Ready = "READY",
        /// It runs.
        Running = "RUNNING",
        /// It did not run and will not.
        NotRun = "NOTRUN",
        /// It ran.
        Complete = "COMPLETE",
    }
);

words!(
    /// What came of a spec, roughly.
    Category, "category", {
        /// What was hoped for.
        Pass = "PASS",
        /// Something else.
        Fail = "FAIL",
        /// It was stopped before its end.
        Cancel = "CANCEL",
        /// It did not run.
        Skip = "SKIP",
        /// Nothing yet.
        None = "NONE",
    }
);

words!(
    /// What came of a spec. The first of a category is the one that is meant where only the category is told.
    Status, "status", {
        /// It passed.
        Success = "SUCCESS",
        /// It found differences, as expected of it.
        XDiff = "XDIFF",
        /// It failed, as expected of it.
        XFail = "XFAIL",
        /// What it made differs from what it should have made.
        Diffed = "DIFFED",
        /// It failed.
        Failed = "FAILED",
        /// It could not do its work.
        Error = "ERROR",
        /// The spec itself is broken.
        Broken = "BROKEN",
        /// It took too long.
        Timeout = "TIMEOUT",
        /// It cannot be run as it is described.
        Invalid = "INVALID",
        /// Somebody called it off.
        Cancelled = "CANCELLED",
        /// It was stopped from outside.
        Interrupted = "INTERRUPTED",
        /// It was left out.
        Skipped = "SKIPPED",
        /// What it depends on did not come to what it wants.
        Blocked = "BLOCKED",
        /// Nothing yet.
        None = "NONE",
    }
);

impl State {
    /// Whether nothing more comes.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::NotRun | Self::Complete)
    }
}

impl Category {
    /// The states that it goes with; the first is meant where none is told.
    #[must_use]
    pub fn states(self) -> &'static [State] {
        match self {
            Self::Pass | Self::Fail | Self::Cancel => &[State::Complete],
            Self::Skip => &[State::NotRun],
            Self::None => &[State::Pending, State::Ready, State::Running],
        }
    }

    fn state(self) -> State {
        match self {
            Self::Pass | Self::Fail | Self::Cancel => State::Complete,
            Self::Skip => State::NotRun,
            Self::None => State::Pending,
        }
    }

    fn status(self) -> Status {
        match self {
            Self::Pass => Status::Success,
            Self::Fail => Status::Diffed,
            Self::Cancel => Status::Cancelled,
            Self::Skip => Status::Skipped,
            Self::None => Status::None,
        }
    }
}

impl Status {
    /// Its category.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            Self::Success | Self::XDiff | Self::XFail => Category::Pass,
            Self::Diffed | Self::Failed | Self::Error | Self::Broken | Self::Timeout | Self::Invalid => Category::Fail,
            Self::Cancelled | Self::Interrupted => Category::Cancel,
            Self::Skipped | Self::Blocked => Category::Skip,
            Self::None => Category::None,
        }
    }

    /// The code that it has where no other is told.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::None => -1,
            Self::Success => 0,
            Self::XDiff => 10,
            Self::XFail => 11,
            Self::Diffed => 64,
            Self::Failed => 65,
            Self::Error => 66,
            Self::Broken => 67,
            Self::Timeout => 68,
            Self::Invalid => 69,
            Self::Cancelled => 70,
            Self::Interrupted => 71,
            Self::Skipped => 80,
            Self::Blocked => 81,
        }
    }
}

/// How a spec stands: a state, category and status that go together, a code (the exit code, say), and why.
///
/// | state | category | status (code where no other is told) |
/// |---|---|---|
/// | PENDING, READY, RUNNING | NONE | NONE (-1) |
/// | NOTRUN | SKIP | SKIPPED (80), BLOCKED (81) |
/// | COMPLETE | PASS | SUCCESS (0), XDIFF (10), XFAIL (11) |
/// | COMPLETE | FAIL | DIFFED (64), FAILED (65), ERROR (66), BROKEN (67), TIMEOUT (68), INVALID (69) |
/// | COMPLETE | CANCEL | CANCELLED (70), INTERRUPTED (71) |
///
/// As JSON an object of the five, read as a [`Change`] from nothing: what breaks the table is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Change")]
pub struct CaseStatus {
    state: State,
    category: Category,
    status: Status,
    reason: Option<String>,
    code: i32,
}

impl CaseStatus {
    /// What came of a spec, with its usual code. Of [`Status::None`] the state is PENDING.
    #[must_use]
    pub fn of(status: Status) -> Self {
        let category = status.category();
        Self { state: category.state(), category, status, reason: None, code: status.code() }
    }

    /// A spec that waits for what it depends on.
    #[must_use]
    pub fn pending() -> Self {
        Self::of(Status::None)
    }

    /// A spec that can run.
    #[must_use]
    pub fn ready() -> Self {
        Self { state: State::Ready, ..Self::pending() }
    }

    /// A spec that runs.
    #[must_use]
    pub fn running() -> Self {
        Self { state: State::Running, ..Self::pending() }
    }

    /// The same, for this reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The same, with this code; with the usual one where it is negative.
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        Self { code: if code < 0 { self.status.code() } else { code }, ..self }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What came of it, roughly.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    /// What came of it.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The code: an exit code, or the one of the status.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.state.is_terminal()
    }
}

impl Default for CaseStatus {
    fn default() -> Self {
        Self::pending()
    }
}

impl TryFrom<Change> for CaseStatus {
    type Error = InvalidStatus;

    fn try_from(change: Change) -> Result<Self, InvalidStatus> {
        change.apply()
    }
}

/// What a status is set to. Nothing of the status before stays: not its reason either.
///
/// A state of PENDING, READY or RUNNING brings the category and the status NONE; any other category brings its state and its
/// first status; a status brings its category and state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// A word of [`State`].
    pub state: Option<String>,
    /// A word of [`Category`].
    pub category: Option<String>,
    /// A word of [`Status`].
    pub status: Option<String>,
    /// Why. It is kept whatever the status is.
    pub reason: Option<String>,
    /// The code; the usual one of the status where it is negative.
    pub code: Option<i32>,
}

/// What does not go together. The checks are made in the order of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStatus {
    /// The state is no word, or nothing says which it is.
    #[error("{0}")]
    State(String),
    /// The category is no word, or does not go with the state.
    #[error("{0}")]
    Category(String),
    /// The status is no word, or does not go with the category.
    #[error("{0}")]
    Status(String),
}

impl InvalidStatus {
    /// The member that it is about: `state`, `category` or `status`.
    #[must_use]
    pub fn member(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::Category(_) => "category",
            Self::Status(_) => "status",
        }
    }
}

impl Change {
    /// The status that it comes to.
    ///
    /// # Errors
    /// If the three do not go together, or do not tell enough: nothing at all, the category NONE alone, the states COMPLETE
    /// or NOTRUN alone.
    pub fn apply(self) -> Result<CaseStatus, InvalidStatus> {
        let words = Words { state: given(self.state), category: given(self.category), status: given(self.status) }
            .completed()?;
        let state = words.state()?;
        let category = words.category(state)?;
        let status = words.status(category)?;
        let stands = CaseStatus { state, category, status, reason: self.reason, code: status.code() };
        Ok(stands.with_code(self.code.unwrap_or(-1)))
    }
}

/// The words of a change.
struct Words {
    state: Given<State>,
    category: Given<Category>,
    status: Given<Status>,
}

impl Words {
    /// The same with what the words bring that are told.
    fn completed(self) -> Result<Self, InvalidStatus> {
        let Self { mut state, mut category, mut status } = self;
        if let Some(Ok(known)) = &state
            && !known.is_terminal()
        {
            category.get_or_insert(Ok(Category::None));
            status.get_or_insert(Ok(Status::None));
        }
        if let Some(Ok(known)) = category
            && known != Category::None
        {
            state.get_or_insert(Ok(known.state()));
            status.get_or_insert(Ok(known.status()));
        }
        if let (Some(told), None) = (&status, &category) {
            category = Some(Ok(told.clone().map_err(InvalidStatus::Status)?.category()));
        }
        if let (Some(_), Some(told), None) = (&status, &category, &state) {
            state = Some(Ok(told.clone().map_err(InvalidStatus::Category)?.state()));
        }
        Ok(Self { state, category, status })
    }

    fn state(&self) -> Result<State, InvalidStatus> {
        let missing = match (&self.state, &self.category) {
            (Some(told), _) => return told.clone().map_err(InvalidStatus::State),
            (None, Some(Err(unknown))) => format!("it is not told, and follows from nothing: {unknown}"),
            (None, Some(Ok(_))) => {
                format!("NONE goes with several; want one of {}", listed(Category::None.states()))
            }
            (None, None) => "nothing is told; want a state, a category or a status".to_owned(),
        };
        Err(InvalidStatus::State(missing))
    }

    fn category(&self, state: State) -> Result<Category, InvalidStatus> {
        let known = Category::ALL.iter().copied();
        let fitting: Vec<Category> = known.filter(|category| category.states().contains(&state)).collect();
        let wrong = match &self.category {
            Some(Ok(told)) if fitting.contains(told) => return Ok(*told),
            Some(Ok(told)) => format!("{told} does not go with {state}; want one of {}", listed(&fitting)),
            Some(Err(unknown)) => unknown.clone(),
            None => format!("{state} alone does not tell it; want one of {}", listed(&fitting)),
        };
        Err(InvalidStatus::Category(wrong))
    }

    fn status(&self, category: Category) -> Result<Status, InvalidStatus> {
        let wrong = match &self.status {
            None => return Ok(category.status()),
            Some(Ok(told)) if told.category() == category => return Ok(*told),
            Some(Ok(told)) => {
                let known = Status::ALL.iter().copied();
                let fitting: Vec<Status> = known.filter(|status| status.category() == category).collect();
                format!("{told} does not go with {category}; want one of {}", listed(&fitting))
            }
            Some(Err(unknown)) => unknown.clone(),
        };
        Err(InvalidStatus::Status(wrong))
    }
}

/// A word that is told or not; what is wrong with it where it is none.
type Given<W> = Option<Result<W, String>>;

fn given<W: Word + std::str::FromStr<Err: std::fmt::Display>>(word: Option<String>) -> Given<W> {
    word.map(|word| word.parse().map_err(|unknown: W::Err| unknown.to_string()))
}

fn listed<W: Word>(words: &[W]) -> String {
    words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ")
}

/// What Canary's command exits with after a session whose specs stand so: bits that are 2 for DIFFED, 4 for TIMEOUT, 8 for
/// any other FAIL, 16 for CANCEL, 32 for specs that never ran, 64 for specs that still run. 0 where all passed or were left
/// out.
#[must_use]
pub fn return_code<'a>(statuses: impl IntoIterator<Item = &'a CaseStatus>) -> u8 {
    statuses.into_iter().fold(0, |code, status| {
        code | match (status.category, status.status, status.state) {
            (Category::Pass | Category::Skip, ..) => 0,
            (_, Status::Diffed, _) => 2,
            (_, Status::Timeout, _) => 4,
            (Category::Fail, ..) => 8,
            (Category::Cancel, ..) => 16,
            (_, _, State::Pending | State::Ready) => 32,
            _ => 64,
        }
    })
}
