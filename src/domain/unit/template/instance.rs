//! What comes of a template and the records of its resource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::failing;
use super::{RenderError, Rendering, Template};
use crate::domain::program::{Record, Verdict};
use crate::domain::unit::check::{self, Issue, Severity};
use crate::domain::unit::{FieldValue, Unit};

/// What came of one record. `record` is its place among the records, from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Instance {
    /// A unit.
    Made {
        /// The record.
        record: usize,
        /// The unit.
        unit: Unit,
    },
    /// In strict expansion: the unit would be bad, and this job, which fails when it is run, stands for it.
    Failing {
        /// The record.
        record: usize,
        /// The job that fails.
        unit: Unit,
        /// What is wrong with the unit that it stands for.
        reason: Dropped,
    },
    /// No unit.
    Dropped {
        /// The record.
        record: usize,
        /// Why there is none.
        reason: Dropped,
    },
}

/// Why a record came to no unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Dropped {
    /// The template's filter does not accept it. This is what filters are for, and no fault.
    #[error("`{expression}` of the filter does not hold")]
    Filtered {
        /// The expression of the filter that does not hold.
        expression: String,
    },
    /// Fields of the template cannot be filled in.
    #[error("{}", unrendered(fields))]
    Unrendered {
        /// Each of the fields, and why.
        fields: BTreeMap<String, RenderError>,
    },
    /// The unit would not be a good one.
    #[error("{}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What is wrong with it.
        issues: Vec<Issue>,
    },
}

fn unrendered(fields: &BTreeMap<String, RenderError>) -> String {
    fields.iter().map(|(name, error)| format!("{name}: {error}")).collect::<Vec<_>>().join("; ")
}

impl Dropped {
    /// Whether it is a fault, of the template or of the record, and not the template's wish.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Filtered { .. })
    }
}

impl Instance {
    /// The unit, if there is one.
    #[must_use]
    pub fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Made { unit, .. } | Self::Failing { unit, .. } => Some(unit),
            Self::Dropped { .. } => None,
        }
    }
}

impl Template {
    /// What comes of these records of its resource, one entry for each record in their order. In `strict` expansion a
    /// bad unit is made a job that fails, with `MISSING_PARAM_<number>` for what the record has not, so that the fault
    /// is seen in the results.
    #[must_use]
    pub fn instances(&self, records: &[Record], strict: bool) -> Vec<Instance> {
        let mut index = 0;
        let mut instance = |(record, fields)| {
            if let Some(reason) = self.filtered(fields) {
                return Instance::Dropped { record, reason };
            }
            index += 1;
            self.instance(record, fields, index, strict)
        };
        records.iter().enumerate().map(&mut instance).collect()
    }

    fn filtered(&self, record: &Record) -> Option<Dropped> {
        match self.filter.as_ref()?.accepts(&self.resource, record) {
            Verdict::True => None,
            Verdict::False { expression, .. }
            | Verdict::Pending { expression, .. }
            | Verdict::TooLarge { expression, .. } => {
                Some(Dropped::Filtered { expression: expression.text().to_owned() })
            }
        }
    }

    fn instance(&self, record: usize, fields: &Record, index: usize, strict: bool) -> Instance {
        let reason = match self.made(self.render(fields, index, None)) {
            Ok(unit) => return Instance::Made { record, unit },
            Err(reason) => reason,
        };
        let failing = strict.then(|| failing::job(self, fields, index, &reason)).flatten();
        match failing {
            Some(unit) => Instance::Failing { record, unit, reason },
            None => Instance::Dropped { record, reason },
        }
    }

    fn made(&self, rendering: Rendering) -> Result<Unit, Dropped> {
        if !self.issues.is_empty() {
            return Err(Dropped::Invalid { issues: self.issues.clone() });
        }
        let mut fields: BTreeMap<String, FieldValue> = BTreeMap::new();
        let mut errors = BTreeMap::new();
        for (name, value) in rendering.fields {
            match value {
                Ok(value) => drop(fields.insert(name, value)),
                Err(error) => drop(errors.insert(name, error)),
            }
        }
        if !errors.is_empty() {
            return Err(Dropped::Unrendered { fields: errors });
        }
        let unit = Unit::instance(&self.unit, fields, rendering.parameters, self.id());
        let issues: Vec<Issue> =
            check::check(&unit).into_iter().filter(|issue| issue.severity == Severity::Error).collect();
        if issues.is_empty() { Ok(unit) } else { Err(Dropped::Invalid { issues }) }
    }
}
