//! Hooks: who is asked, over HTTP, while specs are selected.
//!
//! What is sent has the shape of a Standard Webhook: `{"type": "selection.start", "timestamp", "data"}`. What comes back is
//! a [`Wish`], or nothing. A hook is asked once, by the guarded way out, within bounds of time and size; no transaction is
//! open meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};
use url::Url;

use crate::app::cut;
use crate::domain::fault::Fault;
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::Rule;
use crate::domain::selection::table::Table;
use crate::domain::words::words;
use crate::net::client::{Client, NetError, Request};

#[cfg(test)]
mod tests;

/// The most hooks of a selection.
pub const MAX_HOOKS: usize = 10;

/// How long a hook may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of an answer.
pub const MAX_ANSWER: usize = 4 << 20;

/// The most characters of a hook's address.
const MAX_URL: usize = 2_000;

/// The most characters of a reason; what is longer is cut.
const MAX_REASON: usize = 500;

words! {
    /// When a hook is asked.
    Moment, "moment of a selection", {
        /// Before any rule is asked. It may add rules, and leave specs out.
        Start = "start",
        /// After the rules, and before what depends on something that is left out is left out too. It may leave specs out and
        /// take specs in.
        Modify = "modify",
        /// After the selection is stored. It is only told.
        Report = "report",
    }
}

/// Somebody who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Where.
    #[serde(serialize_with = "write_url", deserialize_with = "read_url")]
    pub url: Url,
    /// When.
    pub on: Vec<Moment>,
    /// Whether specs are selected without it if it fails.
    #[serde(default)]
    pub optional: bool,
}

fn write_url<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

fn read_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    Url::parse(&text).map_err(|error| serde::de::Error::custom(format!("`url`: {error}: want http:// or https://")))
}

impl Hook {
    /// Who it is, for people: the host, and the port where it is not the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        cut(&self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")), 260)
    }

    /// Whether it is asked then.
    #[must_use]
    pub fn is_on(&self, moment: Moment) -> bool {
        self.on.contains(&moment)
    }

    /// What is wrong with it: pointers into it, and what.
    #[must_use]
    pub fn faults(&self, client: &Client) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.url.as_str().len() > MAX_URL {
            faults.push(("/url", format!("want at most {MAX_URL} characters")));
        } else if !self.url.username().is_empty() || self.url.password().is_some() {
            faults.push(("/url", "want no user and no password in it".to_owned()));
        } else if let Err(error) = client.check_named(&self.url) {
            faults.push(("/url", error.to_string()));
        }
        let moments: BTreeSet<Moment> = self.on.iter().copied().collect();
        if moments.is_empty() {
            faults.push(("/on", "want one of start, modify, report".to_owned()));
        } else if moments.len() < self.on.len() {
            faults.push(("/on", "want each of them once".to_owned()));
        }
        faults
    }
}

/// What a hook wants. All of it is done, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Rules to ask after those that there are; at the start only.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Specs to leave out.
    #[serde(default)]
    pub mask: Vec<Masked>,
    /// Specs to take in again, by their ids; not at the start.
    #[serde(default)]
    pub unmask: Vec<String>,
}

/// A spec that a hook leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// Its whole id.
    pub id: String,
    /// Why, for people; not empty.
    pub reason: String,
}

/// A hook failed; why, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// Asks a hook. Whatever a report is answered is no wish.
///
/// # Errors
/// [`Failed`] if it may not be asked, does not answer in time, refuses, or answers what is no wish of this moment.
pub async fn ask(
    client: &Client,
    hook: &Hook,
    moment: Moment,
    now: DateTime<Utc>,
    data: &Json,
    timeout: Duration,
) -> Result<Wish, Failed> {
    let body = json!({
        "type": format!("selection.{moment}"),
        "timestamp": now.to_rfc3339_opts(SecondsFormat::Micros, true),
        "data": data,
    });
    let post = Request::post(hook.url.clone(), body.to_string());
    let response =
        client.send(Request { timeout, max_bytes: MAX_ANSWER, ..post }).await.map_err(|error| match error {
            NetError::Timeout(_) | NetError::TooLarge(_) => Failed(error.to_string()),
            NetError::Refused(words) | NetError::Connect(words) | NetError::Broken(words) => Failed(cut(&words, 600)),
        })?;
    if !response.status.is_success() {
        let said = String::from_utf8_lossy(&response.body);
        let said = if said.trim().is_empty() { String::new() } else { format!(": {}", cut(said.trim(), 200)) };
        return Err(Failed(format!("it answered {}{said}", response.status.as_u16())));
    }
    if moment == Moment::Report {
        return Ok(Wish::default());
    }
    Wish::read(&response.body, moment)
}

impl Wish {
    /// Reads an answer. Nothing is no wish at all.
    ///
    /// # Errors
    /// [`Failed`] for what is no wish, or none that can be had at this moment.
    fn read(answer: &[u8], moment: Moment) -> Result<Self, Failed> {
        if answer.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // A list of the right length would do for serde.
        if answer.trim_ascii_start().first() != Some(&b'{') {
            return Err(Failed("its answer is no wish: want an object, or nothing".to_owned()));
        }
        let wish: Self = serde_json::from_slice(answer)
            .map_err(|error| Failed(format!("its answer is no wish: {}", cut(&error.to_string(), 400))))?;
        if moment == Moment::Start && !wish.unmask.is_empty() {
            return Err(Failed("`unmask` can be answered to `modify` only".to_owned()));
        }
        if moment == Moment::Modify && !wish.rules.is_empty() {
            return Err(Failed("`rules` can be answered to `start` only".to_owned()));
        }
        for (place, rule) in wish.rules.iter().enumerate() {
            if let Some(Fault { pointer, detail }) = rule.faults().into_iter().next() {
                return Err(Failed(format!("/rules/{place}{pointer} of its answer: {}", cut(&detail, 400))));
            }
        }
        Ok(wish)
    }

    /// The wish in the terms of a table.
    ///
    /// # Errors
    /// [`Failed`] for a spec that is not there, a reason without words, and a spec that is left out and taken in at once.
    pub fn of(self, hook: &Hook, table: &Table) -> Result<Granted, Failed> {
        let place = |member: &str, at: usize, id: &str| {
            let unknown = || Failed(format!("/{member}/{at} of its answer: there is no spec `{}`", cut(id, 140)));
            table.place(id).ok_or_else(unknown)
        };
        let host = hook.host();
        let mut mask = Vec::with_capacity(self.mask.len());
        for (at, Masked { id, reason }) in self.mask.into_iter().enumerate() {
            let spec = place("mask", at, &id)?;
            let text = cut(reason.trim(), MAX_REASON);
            if text.is_empty() {
                return Err(Failed(format!("/mask/{at}/reason of its answer: want words")));
            }
            mask.push((spec, Reason::Hook { host: host.clone(), text }));
        }
        let masked: BTreeSet<u32> = mask.iter().map(|(spec, _)| *spec).collect();
        let mut unmask = Vec::with_capacity(self.unmask.len());
        for (at, id) in self.unmask.iter().enumerate() {
            let spec = place("unmask", at, id)?;
            if masked.contains(&spec) {
                return Err(Failed(format!("/unmask/{at} of its answer: `{id}` is in `mask` too")));
            }
            unmask.push(spec);
        }
        Ok(Granted { rules: self.rules, mask, unmask })
    }
}

/// A wish in the terms of a table, which can be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Granted {
    /// The rules to ask.
    pub rules: Vec<Rule>,
    /// The specs to leave out, each with its reason.
    pub mask: Vec<(u32, Reason)>,
    /// The specs to take in.
    pub unmask: Vec<u32>,
}
