//! What holds a run up, and what would have to change.

use chrono::{DateTime, SecondsFormat, Utc};

use super::possible::Impossible;
use crate::domain::agent::Labels;
use crate::ids::RunId;

/// How many runs that hold slots are named.
pub const MAX_HOLDERS: usize = 20;

/// What holds a run up. As text it is a sentence for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Blocker {
    /// Somebody or something holds it back.
    Held {
        /// Why.
        why: String,
    },
    /// Its runner cannot be asked now.
    Away {
        /// Why.
        why: String,
        /// When it is asked again, as far as is known.
        until: Option<DateTime<Utc>>,
    },
    /// It can never run with the settings that there are.
    Impossible(Impossible),
    /// Nobody who is there has the labels.
    Labels {
        /// Those that are required.
        requires: Labels,
        /// How many there are who offer places.
        known: usize,
        /// Who lacks the fewest of them, and these.
        nearest: Option<(String, Labels)>,
    },
    /// Who would do takes no more now.
    Places {
        /// Who would do.
        by: Vec<String>,
    },
    /// The runner has as many runs as it may have.
    Runner {
        /// How many.
        running: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The session has as many runs as it may have.
    Session {
        /// How many.
        running: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Slots of a pool are taken.
    Slots {
        /// The pool.
        pool: String,
        /// How many are needed.
        needs: u32,
        /// How many are free and kept for nobody else.
        free: usize,
        /// How many are free and kept for runs that are to have them first.
        kept: usize,
        /// How many there are.
        size: usize,
        /// Who holds the others, the first [`MAX_HOLDERS`] of them.
        holders: Vec<RunId>,
    },
    /// Others go first.
    Others {
        /// Its place among those that wait, from 1.
        place: usize,
        /// How many wait.
        of: usize,
        /// How many go first because they are more urgent.
        priority: usize,
        /// How many because their project was served less.
        share: usize,
        /// How many of the same project because they wait for longer.
        age: usize,
    },
}

impl Blocker {
    /// Its kind in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Away { .. } => "away",
            Self::Impossible(_) => "impossible",
            Self::Labels { .. } => "labels",
            Self::Places { .. } => "places",
            Self::Runner { .. } => "runner_limit",
            Self::Session { .. } => "session_limit",
            Self::Slots { .. } => "slots",
            Self::Others { .. } => "others",
        }
    }

    /// What would have to change, in words.
    #[must_use]
    pub fn change(&self) -> String {
        match self {
            Self::Held { .. } => "what holds it back has to end".to_owned(),
            Self::Away { until: Some(until), .. } => {
                format!(
                    "the runner has to do what it is asked; next at {}",
                    until.to_rfc3339_opts(SecondsFormat::Secs, true)
                )
            }
            Self::Away { until: None, .. } => "the runner has to become ready".to_owned(),
            Self::Impossible(_) => {
                "the settings have to change (`queue.pools`), or it has to be asked for otherwise".to_owned()
            }
            Self::Labels { nearest: Some((name, lacking)), .. } => {
                format!("an agent with the labels has to come; `{name}` lacks only {}", labels(lacking))
            }
            Self::Labels { nearest: None, .. } => "an agent with the labels has to come".to_owned(),
            Self::Places { by } if by.len() == 1 => format!("`{}` has to become free", by.join("")),
            Self::Places { .. } => "one of them has to become free".to_owned(),
            Self::Runner { .. } => {
                "a run has to end there, or `queue.max_running` of the runner has to be raised".to_owned()
            }
            Self::Session { .. } => {
                "a run of the session has to end, or `queue.max_per_session` has to be raised".to_owned()
            }
            Self::Slots { pool, needs, free, .. } => {
                let more = usize::try_from(*needs).unwrap_or(usize::MAX).saturating_sub(*free);
                format!("{more} more slots of `{pool}` have to become free")
            }
            Self::Others { place, .. } => {
                format!("the {} before it have to start, or its priority has to be raised", place.saturating_sub(1))
            }
        }
    }
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held { why } => write!(f, "held back: {why}"),
            Self::Away { why, .. } => f.write_str(why),
            Self::Impossible(why) => write!(f, "it can never run: {why}"),
            Self::Labels { requires, known: 0, .. } => {
                write!(f, "no agent is there, and one with {} is needed", labels(requires))
            }
            Self::Labels { requires, known, .. } => write!(f, "none of {known} has the labels {}", labels(requires)),
            Self::Places { by } if by.is_empty() => f.write_str("nobody is there who offers a place"),
            Self::Places { by } => write!(f, "all who would do take no more now: {}", by.join(", ")),
            Self::Runner { running, limit } => write!(f, "the runner has {running} of {limit} runs that it may have"),
            Self::Session { running, limit } => write!(f, "the session has {running} of {limit} runs that it may have"),
            Self::Slots { pool, needs, free, kept, size, holders } => {
                write!(f, "the pool `{pool}`: {needs} needed, {free} free of {size}")?;
                if *kept > 0 {
                    write!(f, ", {kept} more kept for runs that go first")?;
                }
                if !holders.is_empty() {
                    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
                    write!(f, ", held by {}", names.join(", "))?;
                }
                Ok(())
            }
            Self::Others { place, of, priority, share, age } => {
                write!(f, "others go first: place {place} of {of}")?;
                let because = [
                    (priority, "more urgent"),
                    (share, "of projects that were served less"),
                    (age, "of its project that wait for longer"),
                ];
                let because: Vec<String> = because
                    .iter()
                    .filter(|(count, _)| **count > 0)
                    .map(|(count, words)| format!("{count} {words}"))
                    .collect();
                if because.is_empty() { Ok(()) } else { write!(f, " ({})", because.join(", ")) }
            }
        }
    }
}

/// Labels as people write them.
fn labels(labels: &Labels) -> String {
    let each: Vec<String> = labels.0.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
    each.join(", ")
}
