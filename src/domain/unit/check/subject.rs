//! What is checked: a unit, or what a template says of the units that it makes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::unit::template::Mention;
use crate::domain::unit::{FieldValue, Kind, Unit};

/// A unit, or all the units that a template makes.
pub(super) struct Subject<'a> {
    source: Source<'a>,
    kind: &'a Kind,
    namespace: Option<&'a str>,
}

enum Source<'a> {
    Unit(&'a Unit),
    Texts(&'a BTreeMap<String, Mention>),
}

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// It is not there.
    Nothing,
    /// This.
    Text(&'a str),
    /// No text: a list or a map.
    Other,
    /// It is there, and what it says is not known before the template is filled in.
    Varies,
}

impl<'a> Said<'a> {
    /// The text, where it is known.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Said::Text(text) => Some(text),
            Said::Nothing | Said::Other | Said::Varies => None,
        }
    }

    pub(super) fn is_there(self) -> bool {
        self != Said::Nothing
    }
}

impl<'a> Subject<'a> {
    pub(super) fn of(unit: &'a Unit) -> Self {
        Self { source: Source::Unit(unit), kind: unit.kind(), namespace: unit.namespace() }
    }

    /// The units of this kind that a template with these texts makes.
    pub(super) fn of_texts(texts: &'a BTreeMap<String, Mention>, kind: &'a Kind, namespace: Option<&'a str>) -> Self {
        Self { source: Source::Texts(texts), kind, namespace }
    }

    pub(super) fn namespace(&self) -> Option<&'a str> {
        self.namespace
    }

    pub(super) fn said(&self, field: &str) -> Said<'a> {
        match self.source {
            Source::Unit(unit) => match unit.value(field) {
                None => Said::Nothing,
                Some(FieldValue::Text(text)) => Said::Text(text),
                Some(_) => Said::Other,
            },
            Source::Texts(texts) => match texts.get(&format!("_{field}")).or_else(|| texts.get(field)) {
                None => Said::Nothing,
                Some(Mention::Constant(Some(text))) => Said::Text(text),
                Some(Mention::Constant(None) | Mention::Names(_) | Mention::Unreadable(_)) => Said::Varies,
            },
        }
    }

    /// The field as it stands, where that is a list or a map.
    pub(super) fn value(&self, field: &str) -> Option<&'a FieldValue> {
        match self.source {
            Source::Unit(unit) => unit.value(field),
            Source::Texts(_) => None,
        }
    }

    /// The text of a field of lines, which YAML may have as a list.
    pub(super) fn lines(&self, field: &str) -> Option<Cow<'a, str>> {
        match self.source {
            Source::Unit(unit) => unit.lines(field),
            Source::Texts(_) => self.said(field).text().map(Cow::Borrowed),
        }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.said(field).is_there()
    }

    /// The id; jobs may have it under its older name.
    pub(super) fn id(&self) -> Said<'a> {
        match self.said("id") {
            Said::Nothing if self.kind.is_job() => self.said("name"),
            said => said,
        }
    }
}
