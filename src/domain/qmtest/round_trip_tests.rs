//! What is exported is read back as it was, and QMTest's own strict readers could read it too.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::export::{self, ExportError, OutFile};
use super::import::{self, Bare, Imported};
use super::layout;
use super::tree::{File, Tree};
use super::walk::each_attachment;
use super::xml::{Element, Limits, Node, is_char, parse};
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::{Class, ClassKind, Execution};
use crate::domain::catalogue::field::{Field, FieldKind};
use crate::domain::catalogue::golden_classes;
use crate::domain::catalogue::item::{About, EXPLICIT_SUITE, Expectation, Extension, Item, ItemKind, Suite};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::catalogue::value::{Attachment, Source, Value};
use crate::domain::digest::Digest;

type Items = BTreeMap<(ItemKind, Label), Item>;

fn opaque() -> Class {
    Class {
        name: "local.Opaque".to_owned(),
        kind: ClassKind::Test,
        description: "Of which only the name is known.".to_owned(),
        fields: None,
        execution: Execution::Runner("qmtest".to_owned()),
    }
}

/// The classes that came along, as if they had been registered: all that are not built in.
fn registered() -> Vec<Class> {
    let others = golden_classes::classes().iter().filter(|class| !builtin::is_builtin(&class.name)).cloned().collect();
    [others, vec![opaque()]].concat()
}

fn read_back(files: &[OutFile]) -> Imported {
    let mut tree = Tree::default();
    for file in files {
        match file {
            OutFile::Folder { path } => tree.add_folder(path).unwrap(),
            OutFile::File { path, content } => tree.add_file(path, File::Content(content.clone())).unwrap(),
            OutFile::Attachment { path, size, .. } => tree.add_file(path, File::Size(*size)).unwrap(),
        }
    }
    let mut imported = import::read(&tree, &builtin::classes(), Bare::Refused).unwrap();
    for entry in &imported.entries {
        let fine = matches!(entry.fate, import::Fate::Taken | import::Fate::Attached);
        assert!(fine, "{entry:?} in {files:#?}");
    }
    // What lies in a file is named by its content again.
    for item in imported.items.values_mut() {
        each_attachment(item, &mut |attachment| {
            let Source::Location { location } = &attachment.source else { panic!("{attachment:?}") };
            let stored = files.iter().find_map(|file| match file {
                OutFile::Attachment { path, sha256, size } if path == location => Some((*sha256, *size)),
                _ => None,
            });
            let (sha256, size) = stored.unwrap();
            attachment.source = Source::Content { sha256, size };
            Ok(())
        })
        .unwrap();
    }
    imported
}

/// What QMTest's readers ask for beyond well-formed XML: nothing but elements in a tuple, one plain text in a text, and
/// nothing in our own element that they would look for.
fn check_strict(element: &Element) {
    let texts = element.nodes.iter().filter(|node| matches!(node, Node::Text(_))).count();
    match element.name.as_str() {
        "tuple" | "item" | "set" | "dictionary" => assert_eq!(texts, 0, "{element:?}"),
        "text" | "integer" | "enumeral" => assert!(element.nodes.len() <= 1 && element.elements().count() == 0),
        "testyard" => {
            for name in
                ["argument", "class", "class-name", "prerequisite", "resource", "test_id", "suite_id", "attribute"]
            {
                assert!(element.descendants(name).is_empty());
            }
        }
        _ => {}
    }
    element.elements().for_each(check_strict);
}

fn check(items: &Items) -> Result<(), TestCaseError> {
    let classes = registered();
    let files = export::write(items, &classes).unwrap();
    for file in &files {
        if let OutFile::File { path, content } = file
            && path != layout::REGISTERED_CLASSES
        {
            check_strict(&parse(content, Limits::RESULTS).unwrap());
        }
    }
    let mut paths: Vec<_> = files.iter().map(|file| file.path().trim_end_matches('/').to_lowercase()).collect();
    let all = paths.len();
    paths.sort();
    paths.dedup();
    prop_assert_eq!(paths.len(), all);
    let imported = read_back(&files);
    prop_assert_eq!(&imported.items, items);
    prop_assert_eq!(imported.classes, classes);
    Ok(())
}

fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "\r\n", "\r", "]]>", "<b>", "&amp;", "&", " ", "\t", "\n", "\"", "\u{85}", "\u{2028}", "é",
    ]);
    let any = prop_oneof![special.prop_map(str::to_owned), any::<char>().prop_map(|c| c.to_string())];
    prop::collection::vec(any, 0..8).prop_map(|parts| parts.concat().chars().filter(|c| is_char(*c)).collect())
}

fn attachment() -> impl Strategy<Value = Attachment> {
    let filename = prop::sample::select(vec!["a.txt", "A.txt", "x.qmt", "qmtest", "été (1).tar.gz", "***", "a.TXT"]);
    (filename, prop::sample::select(vec!["text/plain", "x/y"]), text(), any::<u32>()).prop_map(
        |(filename, mime_type, description, seed)| Attachment {
            filename: filename.to_owned(),
            mime_type: mime_type.to_owned(),
            description,
            source: Source::Content { sha256: Digest::of(&seed.to_le_bytes()), size: seed.into() },
        },
    )
}

/// A value of the field, in its canonical form.
fn value_of(field: &Field) -> BoxedStrategy<Value> {
    let checked = field.clone();
    let any: BoxedStrategy<Value> = match &field.kind {
        FieldKind::Integer => any::<i64>().prop_map(|number| Value::Integer(number.into())).boxed(),
        FieldKind::Time => prop_oneof![
            (-2_208_988_800..253_402_300_799_i64).prop_map(Value::Time),
            (-1_000_000..100_000_000_i64).prop_map(|minutes| Value::Time(minutes * 60)),
        ]
        .boxed(),
        FieldKind::Boolean => prop::bool::ANY.prop_map(|yes| Value::Enumeral(yes.to_string())).boxed(),
        FieldKind::Enumeration(_) | FieldKind::Outcome => text().prop_map(Value::Enumeral).boxed(),
        FieldKind::Set(options) => prop::collection::vec(value_of(&options.of), 0..4).prop_map(Value::Set).boxed(),
        FieldKind::Tuple(fields) => fields.iter().map(value_of).collect::<Vec<_>>().prop_map(Value::Tuple).boxed(),
        FieldKind::Dictionary(options) => {
            let pair = (value_of(&options.key), value_of(&options.value));
            prop::collection::vec(pair, 0..4).prop_map(Value::Dictionary).boxed()
        }
        FieldKind::Attachment => prop::option::of(attachment()).prop_map(Value::Attachment).boxed(),
        _ => text().prop_map(Value::Text).boxed(),
    };
    any.prop_filter_map("none of the field's", move |value| checked.validate(value).ok()).boxed()
}

/// A value of an argument whose field nobody knows.
fn untyped() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::Text),
        text().prop_map(Value::Enumeral),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        (0..100_000_000_i64).prop_map(|minutes| Value::Time(minutes * 60)),
        prop::option::of(attachment()).prop_map(Value::Attachment),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..3);
        let pairs = prop::collection::hash_map(inner.clone(), inner.clone(), 0..3);
        prop_oneof![
            many().prop_map(Value::Set),
            many().prop_map(Value::Tuple),
            pairs.prop_map(|pairs| Value::Dictionary(pairs.into_iter().collect())),
        ]
    })
}

fn about() -> impl Strategy<Value = About> {
    let files = prop::collection::btree_map(text(), attachment(), 0..3);
    (prop::collection::btree_set(text(), 0..3), prop::option::of(text()), prop::option::of(text()), files)
        .prop_map(|(keywords, owner, description, attachments)| About { keywords, owner, description, attachments })
}

fn extension(kind: ClassKind) -> BoxedStrategy<Extension> {
    let known: Vec<Class> = golden_classes::classes().iter().filter(|class| class.kind == kind).cloned().collect();
    let typed = prop::sample::select(known).prop_flat_map(|class| {
        let fields = class.all_fields().filter(|field| !field.computed);
        let values: Vec<_> =
            fields.map(|field| (Just(field.name.clone()), prop::option::of(value_of(field)))).collect();
        values.prop_map(move |values| {
            let stated = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
            (class.name.clone(), stated.collect::<BTreeMap<_, _>>())
        })
    });
    let unknown =
        prop::collection::btree_map("[a-z]{1,8}", untyped(), 0..4).prop_map(|arguments| (opaque().name, arguments));
    let class = if kind == ClassKind::Test { prop_oneof![typed, unknown].boxed() } else { typed.boxed() };
    (class, about()).prop_map(|((class, arguments), about)| Extension { class, arguments, about }).boxed()
}

fn item() -> impl Strategy<Value = Item> {
    // What a suite's fields make of a text is in its canonical form without blanks.
    let ids = || prop::collection::vec("[a-z.]{0,6}", 0..4);
    let suite = (ids(), ids(), any::<bool>(), about()).prop_map(|(test_ids, suite_ids, implicit, about)| {
        Item::Suite(Suite { class: EXPLICIT_SUITE.to_owned(), test_ids, suite_ids, implicit, about })
    });
    let outcome = prop::sample::select(vec![Outcome::Pass, Outcome::Fail, Outcome::Error, Outcome::Untested]);
    prop_oneof![
        3 => extension(ClassKind::Test).prop_map(Item::Test),
        1 => extension(ClassKind::Resource).prop_map(Item::Resource),
        1 => suite,
        1 => Just(Item::Directory),
        1 => (outcome, prop::option::of(text()))
            .prop_map(|(outcome, cause)| Item::Expectation(Expectation { outcome, cause })),
    ]
}

/// Items with the directories that they lie in, and no suite in the way of one.
fn catalogue(named: Vec<(String, Item)>) -> Items {
    let mut items = Items::new();
    for (label, item) in named {
        if !matches!(item, Item::Expectation(_)) {
            for (at, _) in label.match_indices('.') {
                items.insert((ItemKind::Directory, label[..at].parse().unwrap()), Item::Directory);
            }
        }
        items.insert((item.kind(), label.parse().unwrap()), item);
    }
    let copy = items.clone();
    items.retain(|(kind, label), _| {
        *kind != ItemKind::Suite || !copy.contains_key(&(ItemKind::Directory, label.clone()))
    });
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_exported_is_read_back(named in prop::collection::vec(("[a-c](\\.[a-c_-]){0,2}", item()), 0..12)) {
        check(&catalogue(named))?;
    }
}

fn test_with(arguments: &[(&str, Value)]) -> Item {
    let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Item::Test(Extension { class: "python.ExecTest".to_owned(), arguments, about: About::default() })
}

fn items(all: &[(&str, Item)]) -> Items {
    all.iter().map(|(label, item)| ((item.kind(), label.parse().unwrap()), item.clone())).collect()
}

#[test]
fn an_export_has_qmtests_layout() {
    let given = items(&[("a.b.t", test_with(&[("source", Value::Text("1\n".to_owned()))])), ("e", Item::Directory)]);
    let files = export::write(&given, &[]).unwrap();
    let paths: Vec<_> = files.iter().map(OutFile::path).collect();
    assert_eq!(paths, ["QMTest/", layout::CONFIGURATION, "a.qms/", "a.qms/b.qms/", "e.qms/", "a.qms/b.qms/t.qmt"]);
    let OutFile::File { content, .. } = files.last().unwrap() else { panic!() };
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <!DOCTYPE extension PUBLIC \"-//QM/2.4.1/Extension//EN\" \"extension.dtd\">\n\
        <extension class=\"python.ExecTest\" kind=\"test\">\n \
        <argument name=\"source\"><text>1\n</text></argument>\n</extension>";
    assert_eq!(std::str::from_utf8(content).unwrap(), expected);
}

#[test]
fn what_cannot_be_exported_is_named() {
    let suite = Item::Suite(Suite {
        class: EXPLICIT_SUITE.to_owned(),
        test_ids: Vec::new(),
        suite_ids: Vec::new(),
        implicit: false,
        about: About::default(),
    });
    let elsewhere = Attachment {
        filename: "f".to_owned(),
        mime_type: "x/y".to_owned(),
        description: String::new(),
        source: Source::Location { location: "l".to_owned() },
    };
    let long = "a".repeat(252);
    let cause = Item::Expectation(Expectation { outcome: Outcome::Fail, cause: Some("\u{1b}".to_owned()) });
    for (given, expected) in [
        (
            vec![("d.t", test_with(&[("source", Value::Text("\u{1}".to_owned()))]))],
            "the test `d.t`: the argument `source`: the character U+0001 cannot be written in XML",
        ),
        (vec![("s", suite.clone()), ("s.t", test_with(&[]))], "the suite `s`: a directory has the same label"),
        (vec![("s", suite), ("s", Item::Directory)], "the suite `s`: a directory has the same label"),
        (
            vec![("t", test_with(&[("x", Value::Attachment(Some(elsewhere)))]))],
            "the test `t`: the argument `x`: the content of the attachment at `l` was never stored",
        ),
        (vec![(&long, test_with(&[]))], "its last part is too long for a file's name: want at most 251 bytes"),
        (vec![("", test_with(&[]))], "the empty label is the root directory's alone"),
        (vec![("t", cause)], "the expectation `t`: the character U+001B"),
    ] {
        let error: ExportError = export::write(&items(&given), &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
