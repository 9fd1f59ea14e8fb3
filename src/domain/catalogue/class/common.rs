//! The fields that every class of a kind has.

use std::sync::LazyLock;

use super::ClassKind;
use crate::domain::catalogue::field::{Field, FieldKind, SetOptions, TextOptions};
use crate::domain::catalogue::item::{ANY_TARGET, PREREQUISITES, RESOURCES, TARGET_GROUP};
use crate::domain::catalogue::value::Value;

impl ClassKind {
    /// The fields that every class of this kind has.
    #[must_use]
    pub fn common_fields(self) -> &'static [Field] {
        match self {
            Self::Test => &TEST,
            Self::Resource => &RESOURCE,
            Self::Suite => &[],
            Self::Target => &TARGET,
            Self::Database => &DATABASE,
        }
    }
}

static TEST: LazyLock<Vec<Field>> = LazyLock::new(|| vec![target_group(), prerequisites(), resources()]);
static RESOURCE: LazyLock<Vec<Field>> = LazyLock::new(|| vec![resources()]);
static TARGET: LazyLock<Vec<Field>> = LazyLock::new(|| {
    vec![
        described(text("name"), "What the target is called."),
        described(text("group"), "The group that tests' patterns are held against."),
    ]
});
static DATABASE: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let label_class = text("label_class").with_default(Value::Text("python_label.PythonLabel".to_owned()));
    vec![
        described(label_class, "The class of the labels."),
        described(Field::new("modifiable", FieldKind::Boolean), "Whether anything may be written."),
    ]
});

fn target_group() -> Field {
    let field = text(TARGET_GROUP).with_default(Value::Text(ANY_TARGET.to_owned()));
    described(field, "A pattern: the test runs where it matches from the start of the target's group.")
}

fn prerequisites() -> Field {
    let pair = vec![Field::new("test_id", FieldKind::Test), Field::new("outcome", FieldKind::Outcome)];
    let field = set_of(PREREQUISITES, FieldKind::Tuple(pair));
    described(field, "Tests of the same run that must come to an outcome before this one runs.")
}

fn resources() -> Field {
    described(set_of(RESOURCES, FieldKind::Resource), "Resources that must be set up before.")
}

fn text(name: &str) -> Field {
    Field::new(name, FieldKind::Text(TextOptions::default()))
}

fn set_of(name: &str, kind: FieldKind) -> Field {
    Field::new(name, FieldKind::Set(Box::new(SetOptions { of: Field::new(name, kind), not_empty: false })))
}

fn described(field: Field, description: &str) -> Field {
    Field { description: Some(description.to_owned()), ..field }
}
