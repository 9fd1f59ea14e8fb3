//! How much room a session takes in memory: an estimate, by which whoever keeps sessions bounds them.

use serde_json::Value;

use super::changes::Changes;
use super::report::Report;
use super::state::Session;
use crate::domain::program::Record;
use crate::domain::unit::{FieldValue, Unit};

/// What an empty session takes, in bytes.
const EMPTY: usize = 4 << 10;

/// What a job takes beside its unit and its results: how it stands, what it waits for and who waits for it.
const JOB: usize = 1_500;

/// What a piece of data takes beside its text: pointers, lengths, places in maps.
const PIECE: usize = 64;

impl Session {
    /// How many bytes it takes, about. It is counted piece by piece: ask rarely.
    #[must_use]
    pub fn weight(&self) -> usize {
        let units = self.units.values().map(|held| of_unit(&held.unit));
        let jobs = self.order.values().filter_map(|number| self.entry(*number));
        let jobs = jobs.map(|entry| JOB + entry.history.iter().map(|report| of_report(report)).sum::<usize>());
        let records = self.slots.iter().filter_map(|slot| slot.records.as_ref()).flat_map(|records| records.iter());
        let blob = self.metadata.app_blob.as_ref().map_or(0, |blob| blob.0.len());
        EMPTY + blob + units.sum::<usize>() + jobs.sum::<usize>() + records.map(of_record).sum::<usize>()
    }
}

impl Changes {
    /// How many bytes a session takes more at most, about, once these are in it: what they take the place of is not known.
    #[must_use]
    pub fn weight(&self) -> usize {
        let units: usize = self.units.iter().map(|row| of_unit(&row.unit)).sum();
        let results: usize = self.history.iter().map(|row| of_report(&row.report)).sum();
        let records: usize = self.resources.iter().flat_map(|row| &row.records).map(of_record).sum();
        let blob = self.app_blob.iter().flatten().map(|blob| blob.0.len()).sum::<usize>();
        // Most jobs among changes were there before; those that are new come with their units.
        units + results + records + blob + self.units.len() * JOB
    }
}

fn of_unit(unit: &Unit) -> usize {
    let of_value = |value: &FieldValue| match value {
        FieldValue::Text(text) => PIECE + text.len(),
        FieldValue::List(list) => PIECE + list.iter().map(of_json).sum::<usize>(),
        FieldValue::Map(map) => PIECE + map.iter().map(|(name, value)| name.len() + of_json(value)).sum::<usize>(),
    };
    let fields = unit.fields().iter().map(|(name, value)| PIECE + name.len() + of_value(value));
    4 * PIECE + fields.sum::<usize>()
}

/// The values of fields are bounded in depth by whoever read them.
fn of_json(value: &Value) -> usize {
    PIECE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(of_json).sum(),
            Value::Object(map) => map.iter().map(|(name, value)| PIECE + name.len() + of_json(value)).sum(),
        }
}

fn of_report(report: &Report) -> usize {
    let log = report.io_log.iter().map(|entry| PIECE + entry.data.len());
    let comments = report.comments.as_ref().map_or(0, String::len);
    4 * PIECE + comments + log.sum::<usize>()
}

fn of_record(record: &Record) -> usize {
    PIECE + record.iter().map(|(name, value)| PIECE + name.len() + value.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{LogEntry, Outcome, Stream};
    use super::*;

    fn job(id: &str, command: &str) -> Unit {
        let fields = [("id", id), ("plugin", "shell"), ("command", command)];
        let fields: BTreeMap<String, FieldValue> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), FieldValue::from(*value))).collect();
        Unit::new(None, None, fields)
    }

    fn wrote(bytes: usize) -> Report {
        let entry = LogEntry { delay: 0.0, stream: Stream::Stdout, data: vec![b'x'; bytes] };
        Report { io_log: vec![entry], ..Report::of(Outcome::Fail) }
    }

    #[test]
    fn what_is_large_weighs() {
        let mut session = Session::new(vec![job("a", "true")]).unwrap();
        let light = session.weight();
        assert!((EMPTY + JOB..EMPTY + JOB + 4_096).contains(&light), "{light}");
        let more = Session::new(vec![job("a", &"x".repeat(100_000))]).unwrap().weight();
        assert!((light + 99_000..light + 101_000).contains(&more), "{more}");
        session.take_changes();
        session.record("a", wrote(50_000)).unwrap();
        let added = session.take_changes().weight();
        assert!((50_000..52_000).contains(&added), "{added}");
        assert!((light + 50_000..light + 52_000).contains(&session.weight()));
    }

    #[test]
    fn what_is_kept_elsewhere_weighs_nothing() {
        let mut session = Session::new(vec![job("a", "true")]).unwrap();
        session.keep_past_elsewhere();
        for bytes in [70_000, 80_000, 90_000] {
            session.record("a", wrote(bytes)).unwrap();
            session.take_changes();
        }
        let weight = session.weight();
        assert!((90_000..100_000).contains(&weight), "{weight}");
        let view = session.job("a").unwrap();
        assert_eq!((view.results(), view.history().count()), (3, 1));
        assert_eq!(view.result(), Some(&wrote(90_000)));
        // The next is the fourth, and the same once more is none.
        assert!(!session.record("a", wrote(90_000)).unwrap().is_new);
        assert!(session.record("a", wrote(1)).unwrap().is_new);
        assert_eq!(session.take_changes().history.iter().map(|row| row.number).collect::<Vec<_>>(), [3]);
        let restored = Session::restore_without_past(session.rows()).unwrap();
        assert_eq!(restored.rows(), session.rows());
        assert!(Session::restore(session.rows()).is_err(), "results are missing");
    }
}
