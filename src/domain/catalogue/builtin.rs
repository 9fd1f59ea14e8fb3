//! The classes that are built in: QMTest's own, with its names, arguments and defaults.
//!
//! What an agent can do without Python, its own procedures do ([`PROCEDURES`]). Everything else needs QMTest itself on
//! the runner's machine.

use crate::domain::catalogue::class::{Class, ClassKind, Classes, Execution};
use crate::domain::catalogue::field::{DictionaryOptions, FALSE, Field, FieldKind, SetOptions, TextOptions};
use crate::domain::catalogue::item::EXPLICIT_SUITE;
use crate::domain::catalogue::value::Value;

/// The procedures that every agent has, each named after the class that it executes.
pub const PROCEDURES: [&str; 5] = [
    "command.ExecTest",
    "command.ShellCommandTest",
    "command.ShellScriptTest",
    "file.FileContentsTest",
    "temporary.TempDirectoryResource",
];

/// The runner of classes that are written in Python.
pub const QMTEST_RUNNER: &str = "qmtest";

/// QMTest's classes.
#[must_use]
pub fn classes() -> Classes {
    let mut classes = Classes::default();
    let all = [tests(), resources(), suites(), targets(), databases()];
    all.into_iter().flatten().for_each(|class| classes.insert(class));
    classes
}

/// Whether a class of this name is built in.
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    classes().get(name).is_some()
}

fn tests() -> Vec<Class> {
    vec![
        test("command.ExecTest", "Runs a program and compares its exit code and its output.", || {
            let own = vec![text("program", "The program."), texts("arguments", "The arguments of the program.")];
            own.into_iter().chain(command()).collect()
        }),
        test("command.ShellCommandTest", "Runs a shell command and compares its exit code and its output.", || {
            let own = vec![text("command", "The command line, which the shell reads.")];
            own.into_iter().chain(command()).collect()
        }),
        test("command.ShellScriptTest", "Runs a shell script and compares its exit code and its output.", || {
            let own = vec![script("script", "The script."), texts("arguments", "The arguments of the script.")];
            own.into_iter().chain(command()).collect()
        }),
        test("compilation_test.CompilationTest", "Compiles sources and runs what they come to.", || {
            vec![
                text("executable", "The file that is made."),
                Field::new("execute", FieldKind::Boolean),
                texts("ldflags", "Options of the linker."),
                texts("options", "Options of the compiler."),
                texts("source_files", "The sources."),
            ]
        }),
        test("compilation_test.ExecutableTest", "Runs a program that a resource has compiled.", || {
            vec![texts("args", "The arguments of the program.")]
        }),
        test("file.FileContentsTest", "Compares a file with what it should hold.", || {
            vec![
                script("expected_contents", "What the file should hold."),
                text_with("path_property", "path", "The property of the context that holds the file's path."),
                substitutions(),
            ]
        }),
        test("python.ExceptionTest", "Passes if Python statements raise an exception of a class.", || {
            vec![
                text("exception_argument", "The arguments of the exception, a tuple in Python."),
                text_with("exception_class", "Exception", "The class of the exception."),
                source(),
            ]
        }),
        test("python.ExecTest", "Runs Python statements, then passes if an expression is true.", || {
            let expression = script("expression", "The expression.").with_default(Value::Text("1".to_owned()));
            vec![expression, source()]
        }),
        test("python.StringExceptionTest", "Passes if Python statements raise a text.", || {
            vec![
                text("exception_argument", "The argument of the exception."),
                text_with("exception_text", "exception", "The text."),
                source(),
            ]
        }),
    ]
}

fn resources() -> Vec<Class> {
    vec![
        class(ClassKind::Resource, "compilation_test.CompiledResource", "Compiles sources for tests to use.", || {
            vec![
                text("executable", "The file that is made."),
                texts("options", "Options of the compiler."),
                texts("source_files", "The sources."),
            ]
        }),
        class(ClassKind::Resource, "compiler_table.CompilerTable", "Tells tests which compilers there are.", Vec::new),
        class(
            ClassKind::Resource,
            "temporary.TempDirectoryResource",
            "Makes a directory, and deletes it again.",
            || {
                vec![
                    integer("delete_recursively", 1, "Whether it is deleted with what is in it; 0 is no."),
                    text_with(
                        "dir_path_property",
                        "temp_dir_path",
                        "The property of the context for the directory's path.",
                    ),
                ]
            },
        ),
    ]
}

fn suites() -> Vec<Class> {
    vec![class(ClassKind::Suite, EXPLICIT_SUITE, "Names its tests and suites.", || {
        let implicit = Field::new("is_implicit", FieldKind::Boolean).with_default(Value::Enumeral(FALSE.to_owned()));
        vec![
            Field { description: Some("Whether it counts as a directory.".to_owned()), ..implicit },
            texts("suite_ids", "The suites and directories."),
            texts("test_ids", "The tests."),
        ]
    })]
}

fn targets() -> Vec<Class> {
    let processes = || {
        vec![
            text("database_path", "Where the database is on the other side."),
            integer("processes", 1, "How many processes execute tests at once."),
            text("qmtest", "Where QMTest is on the other side."),
        ]
    };
    vec![
        class(ClassKind::Target, "process_target.ProcessTarget", "Executes tests in processes beside.", processes),
        class(
            ClassKind::Target,
            "rsh_target.RSHTarget",
            "Executes tests on another machine, by a remote shell.",
            || {
                let own = vec![
                    text("arguments", "The arguments of the remote shell."),
                    text("host", "The machine."),
                    text_with("remote_shell", "ssh", "The remote shell."),
                ];
                own.into_iter().chain(processes()).collect()
            },
        ),
        class(ClassKind::Target, "serial_target.SerialTarget", "Executes one test after the other.", Vec::new),
        class(ClassKind::Target, "thread_target.ThreadTarget", "Executes tests in threads.", || {
            vec![integer("threads", 1, "How many threads execute tests at once.")]
        }),
    ]
}

fn databases() -> Vec<Class> {
    let extension = |name, extension| text_with(name, extension, "The extension of the files.");
    vec![
        class(ClassKind::Database, "compilation_test_database.CompilationTestDatabase", "Sources as tests.", || {
            let excluded = ["QMTest", "CVS", ".svn", "build"].map(|name| Value::Text(name.to_owned()));
            vec![
                texts("excluded_subdirs", "Directories that hold no tests.").with_default(Value::Set(excluded.into())),
                text("srcdir", "The directory of the sources."),
                languages(),
            ]
        }),
        class(ClassKind::Database, "mount_database.MountDatabase", "Other databases below prefixes.", || {
            vec![dictionary("mounts", plain_text(""), "The paths of the databases by prefix.")]
        }),
        class(ClassKind::Database, "xml_database.XMLDatabase", "A file for each test, resource and suite.", || {
            vec![
                extension("resource_extension", ".qma"),
                extension("suite_extension", ".qms"),
                extension("test_extension", ".qmt"),
            ]
        }),
    ]
}

fn test(name: &str, description: &str, fields: impl FnOnce() -> Vec<Field>) -> Class {
    class(ClassKind::Test, name, description, fields)
}

fn class(kind: ClassKind, name: &str, description: &str, fields: impl FnOnce() -> Vec<Field>) -> Class {
    Class {
        name: name.to_owned(),
        kind,
        description: description.to_owned(),
        fields: Some(fields()),
        execution: if PROCEDURES.contains(&name) {
            Execution::Builtin(name.to_owned())
        } else {
            Execution::Runner(QMTEST_RUNNER.to_owned())
        },
    }
}

/// What the classes have that run a program.
fn command() -> [Field; 6] {
    [
        texts("environment", "Variables of the environment, `NAME=value`."),
        integer("exit_code", 0, "The exit code that is expected."),
        script("stderr", "What is expected on the error output."),
        script("stdin", "What the program reads."),
        script("stdout", "What is expected on the output."),
        integer("timeout", -1, "After how many seconds it is stopped; -1 is never."),
    ]
}

fn plain_text(name: &str) -> Field {
    Field::new(name, FieldKind::Text(TextOptions::default()))
}

fn text(name: &str, description: &str) -> Field {
    Field { description: Some(description.to_owned()), ..plain_text(name) }
}

fn text_with(name: &str, default: &str, description: &str) -> Field {
    text(name, description).with_default(Value::Text(default.to_owned()))
}

/// A text whose line breaks and blanks count.
fn script(name: &str, description: &str) -> Field {
    let options = TextOptions { multiline: true, verbatim: true, ..TextOptions::default() };
    Field { kind: FieldKind::Text(options), ..text(name, description) }
}

fn source() -> Field {
    script("source", "The statements.").with_default(Value::Text("pass".to_owned()))
}

fn integer(name: &str, default: i64, description: &str) -> Field {
    Field { kind: FieldKind::Integer, ..text_with(name, "", description) }.with_default(Value::Integer(default.into()))
}

fn set(of: Field, name: &str, description: &str) -> Field {
    let kind = FieldKind::Set(Box::new(SetOptions { of, not_empty: false }));
    Field { kind, ..text(name, description) }
}

fn texts(name: &str, description: &str) -> Field {
    set(plain_text(""), name, description)
}

fn substitutions() -> Field {
    let pair = vec![plain_text("pattern"), plain_text("replacement")];
    let of = Field::new("", FieldKind::Tuple(pair));
    set(of, "substitutions", "Patterns, and what stands for their matches before the comparison.")
}

fn dictionary(name: &str, value: Field, description: &str) -> Field {
    let kind = FieldKind::Dictionary(Box::new(DictionaryOptions { key: plain_text(""), value }));
    Field { kind, ..text(name, description) }
}

fn languages() -> Field {
    let words = ["c", "cplusplus"].map(str::to_owned).into();
    let languages = [
        (".C", "cplusplus"),
        (".c", "c"),
        (".cc", "cplusplus"),
        (".cpp", "cplusplus"),
        (".cxx", "cplusplus"),
        (".f", "fortran"),
    ];
    let pairs = languages
        .map(|(extension, language)| (Value::Text(extension.to_owned()), Value::Enumeral(language.to_owned())));
    dictionary("test_extensions", Field::new("", FieldKind::Enumeration(words)), "The languages by extension.")
        .with_default(Value::Dictionary(pairs.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::golden_classes::listed;

    /// The field without what the cases do not tell, or tell only by accident: descriptions, and the names of what
    /// lists and dictionaries hold.
    fn bare(field: &Field) -> Field {
        let mut field = Field { description: None, default: None, ..field.clone() };
        match &mut field.kind {
            FieldKind::Set(options) => options.of = Field { name: String::new(), ..bare(&options.of) },
            FieldKind::Dictionary(options) => (options.key, options.value) = (bare(&options.key), bare(&options.value)),
            FieldKind::Tuple(fields) => fields.iter_mut().for_each(|field| *field = bare(field)),
            _ => {}
        }
        field
    }

    #[test]
    fn golden_classes_are_built_in() {
        let classes = classes();
        let listed: Vec<_> = listed().filter(|(_, name, _)| !name.starts_with("scripted.")).collect();
        let names: std::collections::BTreeSet<_> = listed.iter().map(|(_, name, _)| name.as_str()).collect();
        assert_eq!(names, classes.iter().map(|class| class.name.as_str()).collect());
        for (kind, name, mut fields) in listed {
            let class = classes.get(&name).unwrap();
            assert_eq!(class.kind, kind, "{name}");
            let mut own: Vec<&Field> = class.all_fields().collect();
            own.sort_by(|a, b| a.name.cmp(&b.name));
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            for (field, listed) in own.iter().zip(&fields) {
                assert_eq!(bare(field), bare(listed), "{name}");
                assert_eq!(field.default_value(), listed.default_value(), "{name}: {}", field.name);
            }
            assert_eq!(own.len(), fields.len(), "{name}");
        }
    }

    #[test]
    fn every_class_says_what_it_does_and_who_executes_it() {
        for class in classes().iter() {
            assert!(class.description.ends_with('.'), "{}", class.name);
            let builtin = Execution::Builtin(class.name.clone());
            assert_eq!(class.execution == builtin, PROCEDURES.contains(&class.name.as_str()), "{}", class.name);
        }
    }
}
