//! Units as they are sent: as JSON, and as the texts of `.pxu` files.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::session::source::{self, Source};
use crate::app::{AppError, MAX_FAULTS, cut};
use crate::domain::fault::Fault;
use crate::domain::unit::{Unit, pxu};
use crate::http::unit_fields::{below, fields_of};

/// The longest name of a file, in characters.
const MAX_FILE_NAME: usize = 500;

/// A provider as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProvider, example = json!({
    "namespace": "com.example.lab",
    "units": [{"id": "net/up", "plugin": "shell", "command": "ip link show up", "flags": "simple"}],
    "pxu": {"units/disk.pxu": "id: disk/free\nplugin: shell\ncommand: df /\n_summary: There is room on the disk\n"},
}))]
pub struct AskedProvider {
    /// What the ids of its units begin with, before `::`. Without one their full ids are those that they are written with.
    #[schema(example = "com.example.lab")]
    pub(super) namespace: Option<String>,
    /// Units, each a map of fields: texts, or lists and maps as YAML has them. Numbers and truths are taken as texts.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    units: Vec<Value>,
    /// Units behind those, as the text of a `.pxu` file, or as a map from names of files to their texts. Files are read in
    /// the order of their names.
    #[schema(value_type = Option<Object>)]
    pxu: Option<Value>,
}

impl AskedProvider {
    /// The units, in order.
    ///
    /// # Errors
    /// [`AppError::Faults`] for all that cannot be read, up to [`MAX_FAULTS`].
    pub(super) fn read(self, name: &str) -> Result<Vec<Source>, AppError> {
        let mut reading = Reading { namespace: self.namespace.as_deref(), name, units: Vec::new(), faults: Vec::new() };
        for (place, unit) in self.units.into_iter().enumerate() {
            reading.unit(&format!("/units/{place}"), unit);
        }
        match self.pxu {
            None => {}
            Some(Value::String(text)) => reading.text("/pxu", "", &text),
            Some(Value::Object(files)) => {
                for (file, text) in files.into_iter().collect::<BTreeMap<_, _>>() {
                    reading.file(&file, text);
                }
            }
            Some(_) => reading.fault("/pxu", "want a text, or a map from names of files to texts"),
        }
        let Reading { units, mut faults, .. } = reading;
        faults.truncate(MAX_FAULTS);
        if faults.is_empty() {
            return Ok(units);
        }
        Err(AppError::Faults { what: format!("the provider `{}`", cut(name, 80)), faults })
    }
}

struct Reading<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
    units: Vec<Source>,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn fault(&mut self, pointer: &str, detail: impl Into<String>) {
        // More are never told; one more shows that there are.
        if self.faults.len() <= MAX_FAULTS {
            self.faults.push(Fault { pointer: pointer.to_owned(), detail: detail.into() });
        }
    }

    fn unit(&mut self, pointer: &str, unit: Value) {
        let Value::Object(members) = unit else {
            self.fault(pointer, "want a map of fields");
            return;
        };
        if members.is_empty() {
            self.fault(pointer, "want at least one field");
            return;
        }
        let mut wrong = Vec::new();
        let fields = fields_of(members, pointer, &mut wrong);
        if wrong.is_empty() {
            self.units.push(Source::bare(Unit::new(self.namespace, Some(self.name), fields)));
        }
        for fault in wrong {
            self.fault(&fault.pointer, fault.detail);
        }
    }

    fn file(&mut self, file: &str, text: Value) {
        let pointer = below("/pxu", file);
        if file.is_empty() || file.chars().count() > MAX_FILE_NAME || file.chars().any(char::is_control) {
            let detail = format!("want a name of 1 to {MAX_FILE_NAME} characters, none of them a control character");
            self.fault(&pointer, detail);
        } else if let Value::String(text) = text {
            self.text(&pointer, file, &text);
        } else {
            self.fault(&pointer, "want the text of the file");
        }
    }

    fn text(&mut self, pointer: &str, file: &str, text: &str) {
        let place = pxu::Source { file, namespace: self.namespace, provider: Some(self.name) };
        let (units, problems) = source::read(text, &place);
        self.units.extend(units);
        for pxu::Problem { line, detail, .. } in problems {
            let words =
                if file.is_empty() { format!("line {line}: {detail}") } else { format!("{file}:{line}: {detail}") };
            self.fault(pointer, cut(&words, 1_000));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(asked: Value) -> Result<Vec<Source>, Vec<(String, String)>> {
        let asked: AskedProvider = serde_json::from_value(asked).unwrap();
        asked.read("lab").map_err(|error| match error {
            AppError::Faults { faults, .. } => faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn units_come_in_the_order_of_what_was_sent() {
        let units = read(json!({
            "namespace": "a.b",
            "units": [{"id": "one", "n": 3, "is": true, "list": ["x"]}],
            "pxu": {"z.pxu": "id: four\n", "a.pxu": "\n\nid: two\n\nid: three\n"},
        }))
        .unwrap();
        let ids: Vec<_> = units.iter().map(|it| (it.unit.id().unwrap(), it.file.as_deref(), it.line)).collect();
        assert_eq!(
            ids,
            [
                ("a.b::one", None, None),
                ("a.b::two", Some("a.pxu"), Some(3)),
                ("a.b::three", Some("a.pxu"), Some(5)),
                ("a.b::four", Some("z.pxu"), Some(1)),
            ]
        );
        assert_eq!((units[0].unit.text("n"), units[0].unit.text("is")), (Some("3"), Some("True")));
        assert!(units.iter().all(|it| it.unit.provider() == Some("lab")));
        let alone = read(json!({"pxu": "id: x\n"})).unwrap();
        assert_eq!((alone[0].unit.id(), &alone[0].file, alone[0].line), (Some("x"), &None, Some(1)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (asked, pointer, words) in [
            (json!({"units": [{"id": "a"}, 3]}), "/units/1", "map of fields"),
            (json!({"units": [{}]}), "/units/0", "at least one"),
            (json!({"units": [{"": "x"}]}), "/units/0/", "the name"),
            (json!({"units": [{"a/b": null}]}), "/units/0/a~1b", "not `null`"),
            (json!({"units": [{"id": "a\u{0}"}]}), "/units/0/id", "NUL"),
            (json!({"pxu": 3}), "/pxu", "want a text"),
            (json!({"pxu": {"a~b/c": 3}}), "/pxu/a~0b~1c", "text of the file"),
            (json!({"pxu": {"": ""}}), "/pxu/", "1 to 500"),
            (json!({"pxu": "id: x\n\nno colon\n"}), "/pxu", "line 3: "),
            (json!({"pxu": {"u/x.pxu": "id: x\nid: y\n"}}), "/pxu/u~1x.pxu", "u/x.pxu:2: "),
        ] {
            let faults = read(asked.clone()).unwrap_err();
            let (at, detail) = &faults[0];
            assert!(faults.len() == 1 && at == pointer && detail.contains(words), "{asked}: {faults:?}");
        }
        assert_eq!(read(json!({"units": vec![json!(1); 500]})).unwrap_err().len(), MAX_FAULTS);
    }
}
