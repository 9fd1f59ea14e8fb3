//! Descriptors: an item in one line, `module.Class(name="value", ...)`.

use std::collections::BTreeMap;

use crate::domain::catalogue::class::{ArgumentError, ClassKind, Classes};
use crate::domain::catalogue::literal::{Scanner, SyntaxError};
use crate::domain::catalogue::value::Value;

/// A class and the arguments that are stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The class, `module.Class`.
    pub class: String,
    /// The arguments, typed as the class has them.
    pub arguments: BTreeMap<String, Value>,
}

/// Why a text is no descriptor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// It is not of that form.
    #[error("want a descriptor as module.Class(name=\"value\"): {0}")]
    Syntax(#[from] SyntaxError),
    /// No class of this kind has that name.
    #[error("there is no class of kind {kind} named `{name}`; a class of one's own must be registered first")]
    UnknownClass {
        /// The kind that was wanted.
        kind: ClassKind,
        /// The name, cut to 80 characters.
        name: String,
    },
    /// An argument is none of the class.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
}

/// Reads a descriptor of a class of this kind. The arguments are Python's string literals, each holding its argument's
/// text form ([`Field::parse_text`](crate::domain::catalogue::field::Field::parse_text)); of an argument that comes
/// twice the last counts; without arguments the brackets may be left out. As in QMTest no comma stands before the last
/// bracket.
///
/// # Errors
/// If the text is not of that form, the class is unknown or of another kind, or an argument is none of the class.
pub fn parse(kind: ClassKind, text: &str, classes: &Classes) -> Result<Descriptor, DescriptorError> {
    let (name, bracket) = text.find('(').map_or((text, None), |at| (text.get(..at).unwrap_or_default(), Some(at)));
    let Some(class) = classes.get(name).filter(|class| class.kind == kind) else {
        return Err(DescriptorError::UnknownClass { kind, name: name.chars().take(80).collect() });
    };
    let texts = bracket.map_or(Ok(BTreeMap::new()), |at| arguments(text, at))?;
    Ok(Descriptor { class: class.name.clone(), arguments: class.validate_arguments(&texts)? })
}

/// Reads the arguments, from their bracket to the end.
fn arguments(text: &str, bracket: usize) -> Result<BTreeMap<String, String>, SyntaxError> {
    let mut scanner = Scanner::new(text, bracket);
    let mut texts = BTreeMap::new();
    scanner.expect('(')?;
    scanner.skip_blanks();
    while !scanner.take(')') {
        if !texts.is_empty() {
            scanner.expect(',')?;
            scanner.skip_blanks();
        }
        let name = scanner.name()?;
        scanner.skip_blanks();
        scanner.expect('=')?;
        scanner.skip_blanks();
        texts.insert(name.to_owned(), scanner.string()?);
        scanner.skip_blanks();
    }
    scanner.end()?;
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::catalogue::golden_classes::{classes, matches};
    use crate::domain::golden;

    #[test]
    fn golden_descriptors() {
        let classes = classes();
        let cases = golden::cases("qmtest/class_arguments.json", "cases");
        let cases: Vec<_> = cases.iter().filter(|case| case["area"] == "descriptor").collect();
        assert!(!cases.is_empty());
        for case in cases {
            let (name, args, result) = (&case["name"], &case["call"]["args"], &case["expect"]["result"]);
            let kind = args["kind"].as_str().unwrap().parse().unwrap();
            match parse(kind, args["descriptor"].as_str().unwrap(), &classes) {
                Ok(descriptor) => {
                    assert_eq!(result["class"], descriptor.class, "{name}");
                    let expected = result["arguments"].as_object().unwrap();
                    assert_eq!(expected.len(), descriptor.arguments.len(), "{name}");
                    for (argument, value) in &descriptor.arguments {
                        assert!(matches(Some(value), &expected[argument]), "{name}: {value:?}");
                    }
                }
                Err(error) => assert!(case["expect"].get("error").is_some(), "{name}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_no_descriptor_is_refused_where_it_fails() {
        let classes = classes();
        let position = |text: &str| match parse(ClassKind::Test, text, &classes) {
            Err(DescriptorError::Syntax(error)) => Some(error.position),
            other => panic!("{text}: {other:?}"),
        };
        for (text, at) in [
            ("python.ExecTest(", 16),
            ("python.ExecTest(expression", 26),
            ("python.ExecTest(expression=", 27),
            ("python.ExecTest(expression='1'", 30),
            ("python.ExecTest(expression='1' source='2')", 31),
            ("python.ExecTest(expression='1',)", 31),
            ("python.ExecTest(1='1')", 16),
            ("python.ExecTest()x", 17),
            ("python.ExecTest(\nexpression='1')", 16),
        ] {
            assert_eq!(position(text), Some(at), "{text}");
        }
        for text in ["", "nope.Nope", " python.ExecTest()", "serial_target.SerialTarget()"] {
            assert!(
                matches!(parse(ClassKind::Test, text, &classes), Err(DescriptorError::UnknownClass { .. })),
                "{text}"
            );
        }
        for text in ["scripted.ComputedTest(derived='x')", "python.ExecTest(source='a\\0')"] {
            assert!(matches!(parse(ClassKind::Test, text, &classes), Err(DescriptorError::Argument(_))), "{text}");
        }
    }

    #[test]
    fn the_last_of_an_argument_counts_and_brackets_may_be_left_out() {
        let classes = classes();
        let read = |text| parse(ClassKind::Test, text, &classes).unwrap().arguments;
        assert_eq!(
            read("python.ExecTest(source='a', source='b')"),
            BTreeMap::from([("source".to_owned(), Value::Text("b".to_owned()))])
        );
        assert_eq!(read("python.ExecTest"), BTreeMap::new());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "python.ExecTest\\([a-z=',\" ()\\\\]{0,30}|.{0,30}") {
            let _ = parse(ClassKind::Test, &text, &classes());
        }
    }
}
