//! Jobs that stand for instances that would be bad: they fail, and say what is wrong.

use std::collections::BTreeMap;

use super::{Dropped, Template, partial_id};
use crate::domain::program::Record;
use crate::domain::unit::{FieldValue, Unit};

/// The job for the record of this number; none if the template makes no jobs, or no id can be found.
pub(super) fn job(template: &Template, record: &Record, index: usize, reason: &Dropped) -> Option<Unit> {
    if !template.kind().is_job() {
        return None;
    }
    let stand_in = format!("MISSING_PARAM_{index}");
    let rendering = template.render(record, index, Some(&stand_in));
    let text = |name: &str| {
        let rendered = |name: &str| rendering.fields.get(name)?.as_ref().ok()?.as_text();
        rendered(&format!("_{name}")).or_else(|| rendered(name)).filter(|text| !text.is_empty())
    };
    let id = text("id").filter(|id| !id.contains("::")).map(str::to_owned);
    let plain = || partial_id(template.unit()).filter(|id| !id.contains("::"));
    let id = id.or_else(|| plain().map(|id| format!("{id}-{index}")))?;
    let told = format!("{id} could not be made from its template: {reason}");
    let mut fields: BTreeMap<String, FieldValue> = BTreeMap::new();
    if let Some(category) = text("category_id") {
        fields.insert("category_id".to_owned(), category.into());
    }
    // What blocks a certificate still does.
    if text("certification-status") == Some("blocker") {
        fields.insert("certification-status".to_owned(), "blocker".into());
    }
    fields.extend([
        ("id".to_owned(), FieldValue::from(id)),
        ("unit".to_owned(), FieldValue::from("job")),
        ("plugin".to_owned(), FieldValue::from("shell")),
        ("summary".to_owned(), FieldValue::from("Stands for a job that its template could not make")),
        ("command".to_owned(), FieldValue::from(format!("printf '%s\\n' {} >&2\nexit 1", quoted(&told)))),
        ("description".to_owned(), FieldValue::from(told)),
    ]);
    Some(Unit::instance(template.unit(), fields, rendering.parameters, template.id()))
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
