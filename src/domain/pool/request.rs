//! Whether a pool would do for a request.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use crate::domain::pool::Pool;

/// A part of a request: so many slots of one instance of this type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The plural name of the type.
    #[serde(rename = "type")]
    pub resource: String,
    /// How many slots, all of one instance.
    pub slots: u32,
}

/// What is asked of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    asked: Vec<Asked>,
}

/// What is asked of a type, in all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    resource: String,
    slots: u64,
    /// The most slots that are asked of one instance.
    at_once: u32,
}

impl Request {
    /// Asks for so many slots more, each of any instance of this type. None asks for nothing.
    pub fn add(&mut self, resource: &str, slots: u64) {
        if slots > 0 {
            self.ask(resource, slots, 1);
        }
    }

    fn ask(&mut self, resource: &str, slots: u64, at_once: u32) {
        match self.asked.iter_mut().find(|asked| asked.resource == resource) {
            Some(asked) => {
                asked.slots = asked.slots.saturating_add(slots);
                asked.at_once = asked.at_once.max(at_once);
            }
            None => self.asked.push(Asked { resource: resource.to_owned(), slots, at_once }),
        }
    }

    /// The types that are asked for and how many slots of each, in the order in which they were first asked for.
    pub fn types(&self) -> impl Iterator<Item = (&str, u64)> {
        self.asked.iter().map(|asked| (asked.resource.as_str(), asked.slots))
    }
}

impl FromIterator<Part> for Request {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        let mut request = Self::default();
        for Part { resource, slots } in parts {
            request.ask(&resource, slots.into(), slots);
        }
        request
    }
}

/// Why a pool would not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The pool was never filled.
    EmptyPool,
    /// The pool does not know these types, in their order. This is told before anything else is counted.
    Unavailable(Vec<String>),
    /// Of these types too little is there, in the order in which they were asked for.
    Insufficient(Vec<Short>),
}

/// A type of which too little is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The type.
    pub resource: String,
    /// How many slots are asked for, in all; or of one instance, where that is too much and the sum is not.
    pub asked: u64,
    /// How many there are, in all; or of the largest instance.
    pub there: u64,
}

impl Shortage {
    /// The types that it is about.
    #[must_use]
    pub fn types(&self) -> Vec<&str> {
        match self {
            Self::EmptyPool => Vec::new(),
            Self::Unavailable(types) => types.iter().map(String::as_str).collect(),
            Self::Insufficient(short) => short.iter().map(|short| short.resource.as_str()).collect(),
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPool => f.write_str("the resource pool is empty: nothing can run on it"),
            Self::Unavailable(types) => write!(f, "the resource pool has no {}", types.join(", ")),
            Self::Insufficient(short) => {
                f.write_str("the resource pool has too few slots of ")?;
                for (index, Short { resource, asked, there }) in short.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{resource} ({asked} asked for, {there} there)")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Shortage {}

impl Pool {
    /// Whether it would do for this request, were nothing of it taken.
    ///
    /// The sums of slots are compared, and the most that is asked of one instance with the largest instance: that is exact
    /// where slots are asked for one by one, as specs do.
    ///
    /// # Errors
    /// If it would not, says why.
    pub fn accommodates(&self, request: &Request) -> Result<(), Shortage> {
        if self.is_empty() {
            return Err(Shortage::EmptyPool);
        }
        let unknown: BTreeSet<&str> =
            request.types().map(|(resource, _)| resource).filter(|resource| !self.knows(resource)).collect();
        if !unknown.is_empty() {
            return Err(Shortage::Unavailable(unknown.into_iter().map(str::to_owned).collect()));
        }
        let short: Vec<Short> = request.asked.iter().filter_map(|asked| self.short_of(asked)).collect();
        if short.is_empty() { Ok(()) } else { Err(Shortage::Insufficient(short)) }
    }

    fn short_of(&self, Asked { resource, slots, at_once }: &Asked) -> Option<Short> {
        let there = self.slots(resource);
        let largest = self.instances(resource).iter().map(|instance| instance.slots).max().unwrap_or_default();
        let (asked, there) = match () {
            () if *slots > there => (*slots, there),
            () if *at_once > largest => (u64::from(*at_once), u64::from(largest)),
            () => return None,
        };
        Some(Short { resource: resource.clone(), asked, there })
    }
}
