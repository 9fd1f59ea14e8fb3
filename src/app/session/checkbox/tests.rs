use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::store::Db;
use crate::store::page::Stretch;

async fn sessions(folder: &TempDir) -> Sessions {
    let url = format!("sqlite:{}", folder.path().join("db.sqlite").display());
    Sessions::new(Db::connect(&url, 2).await.unwrap(), Arc::new(SystemClock))
}

fn write(folder: &Path, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What is told, each line without the folder that all lie in.
fn lines(report: &Report, folder: &TempDir) -> Vec<String> {
    let folder = format!("{}/", folder.path().display());
    let problems = report.problems.iter().filter(|problem| problem.severity != Some(Severity::Advice));
    problems.map(|problem| problem.to_string().replace(&folder, "")).collect()
}

async fn ids(sessions: &Sessions, name: &str) -> Vec<(String, Option<String>, Option<i64>)> {
    let page = Stretch { limit: 1_000, after: None };
    let (_, (units, _)) = provider::units(sessions, name, &page).await.unwrap();
    units.into_iter().map(|row| (row.unit.0.id().unwrap_or_default().to_owned(), row.file, row.line)).collect()
}

fn of(folder: &TempDir, paths: &[&str]) -> Import {
    Import { paths: paths.iter().map(|path| folder.path().join(path)).collect(), ..Import::default() }
}

const JOB: &[u8] = b"id: one\nplugin: shell\ncommand: true\n_summary: One\n";
const SCRIPT: &[u8] = b"from plainbox.provider_manager import setup\nsetup(name='lab', namespace='a.b')\n";

#[tokio::test]
async fn a_provider_is_taken_with_its_files_and_lines() {
    let folder = TempDir::new().unwrap();
    write(
        folder.path(),
        &[
            ("p/manage.py", SCRIPT),
            ("p/units/b/more.pxu", b"# a comment\n\nunit: category\nid: c\nname: C\n"),
            ("p/units/a.pxu", JOB),
            ("p/units/.hidden.pxu", b"nonsense"),
            ("p/units/README", b"nonsense"),
            ("p/units/new.yaml", b"units: []"),
            ("p/jobs/old.txt", b"id: old\nplugin: local\ncommand: true\n"),
            ("p/bin/x.pxu", b"nonsense"),
            ("p/units/bad.pxu", b"id: x\nid: y\n\nid: one\nplugin: manual\n\nid: good\nplugin: sell\ncommand: true\n"),
            ("p/units/latin.pxu", b"id: z\nplugin: shell\n_summary: na\xefve\n"),
        ],
    );
    let sessions = sessions(&folder).await;
    let report = import(&sessions, of(&folder, &["p"])).await.unwrap();
    let Taken { name, namespace, fate, revision, files, units, .. } = report.providers.first().unwrap().clone();
    assert_eq!((name.as_str(), namespace.as_deref(), fate, revision), ("lab", Some("a.b"), Fate::Created, 1));
    assert_eq!((files, units), (5, BTreeMap::from([("category".into(), 1), ("job".into(), 3)])));
    let stored = ids(&sessions, "lab").await;
    let want = [
        ("old", "jobs/old.txt", 1),
        ("one", "units/a.pxu", 1),
        ("c", "units/b/more.pxu", 3),
        ("good", "units/bad.pxu", 7),
    ];
    let mut want: Vec<_> =
        want.map(|(id, file, line)| (format!("a.b::{id}"), Some(file.to_owned()), Some(line))).into();
    want.sort_by(|one, other| one.1.cmp(&other.1));
    let mut sorted = stored.clone();
    sorted.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(sorted, want, "{stored:?}");
    let lines = lines(&report, &folder);
    for words in [
        "p/units/new.yaml: units in YAML are not read",
        "p/units/bad.pxu:2: ",
        "p/units/bad.pxu:4: another job `a.b::one` is there already, at units/a.pxu:1",
        "p/units/bad.pxu:8: error: plugin: ",
        "p/units/latin.pxu:3: byte 0xef is not UTF-8",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(words)), "{words}: {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| !line.contains("warning")).count(), 5, "{lines:#?}");
    let again = import(&sessions, of(&folder, &["p"])).await.unwrap();
    assert_eq!((again.providers[0].fate, again.providers[0].revision), (Fate::Replaced, 2));
}

#[tokio::test]
async fn links_that_lead_out_are_not_followed_and_circles_end() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    write(
        folder.path(),
        &[
            ("secret/secret.pxu", b"id: secret\nplugin: shell\ncommand: true\n"),
            ("p/manage.py", SCRIPT),
            ("p/units/a.pxu", JOB),
            ("p/common/shared.pxu", b"id: shared\nplugin: shell\ncommand: true\n"),
        ],
    );
    let at = |path: &str| folder.path().join(path);
    symlink(at("secret/secret.pxu"), at("p/units/out.pxu")).unwrap();
    symlink(at("secret"), at("p/units/outside")).unwrap();
    symlink("../../secret", at("p/units/also")).unwrap();
    symlink(at("nowhere"), at("p/units/gone.pxu")).unwrap();
    symlink("..", at("p/units/circle")).unwrap();
    symlink("a.pxu", at("p/units/twice.pxu")).unwrap();
    symlink("../common", at("p/units/inside")).unwrap();
    let sessions = sessions(&folder).await;
    let report = import(&sessions, of(&folder, &["p"])).await.unwrap();
    let found: BTreeSet<String> = ids(&sessions, "lab").await.into_iter().map(|(id, ..)| id).collect();
    assert_eq!(found, BTreeSet::from(["a.b::one".to_owned(), "a.b::shared".to_owned()]));
    let lines = lines(&report, &folder);
    for (path, words) in
        [("out.pxu", "leads out"), ("outside", "leads out"), ("also", "leads out"), ("gone.pxu", "nowhere")]
    {
        let is_told = |line: &String| line.starts_with(&format!("p/units/{path}: a link")) && line.contains(words);
        assert!(lines.iter().any(is_told), "{path}: {lines:#?}");
    }
    symlink(at("p"), at("named")).unwrap();
    let named = import(&sessions, of(&folder, &["named"])).await.unwrap();
    assert_eq!(named.providers.len(), 1, "a link that somebody names is meant: {named:?}");
    write(folder.path(), &[("away.py", SCRIPT)]);
    std::fs::create_dir(at("q")).unwrap();
    symlink(at("away.py"), at("q/manage.py")).unwrap();
    symlink(at("p/units"), at("q/units")).unwrap();
    let report = import(&sessions, of(&folder, &["q"])).await.unwrap();
    assert!(report.providers.is_empty(), "{report:?}");
    assert_eq!(report.problems.iter().filter(|problem| problem.words.contains("leads out")).count(), 2, "{report:?}");
}

#[tokio::test]
async fn folders_and_files_are_named_after_themselves_and_providers_in_them_apart() {
    let folder = TempDir::new().unwrap();
    write(
        folder.path(),
        &[
            ("all/loose/a.pxu", JOB),
            ("all/lab/manage.py", SCRIPT),
            ("all/lab/units/a.pxu", JOB),
            ("all/iqn/manage.py", b"setup(name='2013.com.example:old')"),
            ("all/iqn/units/a.pxu", JOB),
            ("all/mute/manage.py", b"setup(**about)"),
            ("all/mute/units/a.pxu", JOB),
            ("all/empty/manage.py", b"setup(name='empty')"),
            ("one.pxu", JOB),
            ("two.txt", JOB),
        ],
    );
    let sessions = sessions(&folder).await;
    let report = import(&sessions, of(&folder, &["all", "one.pxu", "two.txt", "none"])).await.unwrap();
    let mut taken: Vec<(&str, Option<&str>)> =
        report.providers.iter().map(|taken| (taken.name.as_str(), taken.namespace.as_deref())).collect();
    taken.sort_unstable();
    let old = ("2013.com.example:old", Some("2013.com.example"));
    assert_eq!(taken, [old, ("all", None), ("lab", Some("a.b")), ("mute", None), ("one", None)]);
    let lines = lines(&report, &folder);
    for words in ["two.txt: want the folder", "none: cannot be read", "all/empty: there are no units in it"] {
        assert!(lines.iter().any(|line| line.starts_with(words)), "{words}: {lines:#?}");
    }

    let twice = import(&sessions, of(&folder, &["all/lab", "all/loose", "all/mute"])).await.unwrap();
    assert_eq!(twice.providers.len(), 3);
    let one = Import { name: Some("mine".into()), ..of(&folder, &["all/loose", "one.pxu"]) };
    let report = import(&sessions, one).await.unwrap();
    assert_eq!((report.providers.len(), report.providers[0].files), (1, 2));
    assert!(report.problems.iter().any(|problem| problem.words.contains("exactly so")), "{report:?}");
    let several = Import { name: Some("mine".into()), ..of(&folder, &["all/loose", "all/lab"]) };
    let refused = import(&sessions, several.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("--namespace"), "{refused}");
    let settled = Import { namespace: Some("c.d".into()), ..several };
    assert_eq!(import(&sessions, settled).await.unwrap().providers[0].namespace.as_deref(), Some("c.d"));
    for (name, namespace, words) in [("a/b", "c", "no slash"), ("a", "c::d", "`::`"), ("", "c", "1 to 200")] {
        let wrong = Import { name: Some(name.into()), namespace: Some(namespace.into()), ..of(&folder, &["one.pxu"]) };
        let report = import(&sessions, wrong).await.unwrap();
        assert!(report.providers.is_empty() && report.problems[0].words.contains(words), "{report:?}");
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[("one.pxu", JOB)]);
    let sessions = sessions(&folder).await;
    let dry = Import { dry_run: true, ..of(&folder, &["one.pxu"]) };
    for _ in 0..2 {
        let report = import(&sessions, dry.clone()).await.unwrap();
        assert_eq!((report.providers[0].fate, report.providers[0].revision), (Fate::Created, 1));
    }
    assert!(provider::get(&sessions, "one").await.is_err());
    import(&sessions, of(&folder, &["one.pxu"])).await.unwrap();
    let report = import(&sessions, dry).await.unwrap();
    assert_eq!((report.providers[0].fate, report.providers[0].revision), (Fate::Replaced, 2));
    assert_eq!(provider::get(&sessions, "one").await.unwrap().revision, 1);
}

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const FIELDS: &[&str] = &[
    "id",
    "unit",
    "plugin",
    "command",
    "_summary",
    "summary",
    "depends",
    "after",
    "before",
    "requires",
    "imports",
    "flags",
    "estimated_duration",
    "category_id",
    "siblings",
    "template-resource",
    "template-filter",
    "template-engine",
    "template-id",
    "include",
    "exclude",
    "bootstrap_include",
    "nested_part",
    "category_overrides",
    "certification-status",
    "user",
    "environ",
    "value-type",
    "name",
    "requires_manifest",
    "auto-retry",
    "group",
    "salvages",
    "",
    " odd ",
    "ÄÖ",
    "x\u{0}y",
    "\u{1F600}",
];

const VALUES: &[&str] = &[
    "job",
    "template",
    "test plan",
    "category",
    "manifest entry",
    "exporter",
    "setup job",
    "shell",
    "manual",
    "resource",
    "local",
    "{name}",
    "{{ name }}",
    "{% for x in range(99999999) %}{{ x }}{% endfor %}",
    "{% set a = a %}{{ a.b.c.d }}",
    "{",
    "}",
    "{0}",
    "{a.b[c]!r:>999999999}",
    "{{{{{{{{",
    "(a+)+$",
    "((((((((((",
    "[z-a]",
    "a.x == 'y' and b.z in ['q']",
    "a.x == __import__('os').system('x')",
    "not not not a.b",
    "((((((((((((((((((((((((a.b))))))))))))))))))))))))",
    "\"never closed",
    "a, b c # comment",
    "= = =",
    "[{\"id\": \"x\"}]",
    "[[[[[[[[",
    "{\"a\": 1}",
    "1h 2m 3s",
    "-5",
    "1e999",
    "inf",
    "apply x to .*",
    "apply",
    ".*",
    "com.example::x",
    "::::",
    "from a import b",
    "from a import b as c as d",
    "'",
    "\"",
    "\\",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "é\u{301}",
    "\u{1F600}",
    "\t\ttabs",
    "a\rb",
    "root",
    "simple noreturn also-after-suspend",
];

/// A file of units that are mostly wrong in some way.
fn hostile(dice: &mut Dice, units: usize) -> String {
    let mut text = String::new();
    for number in 0..units {
        if dice.roll(4) > 0 {
            let _ = writeln!(text, "id: unit{}-{number}", dice.roll(1_000));
        }
        for _ in 0..dice.roll(9) {
            let (field, colon) = (
                dice.pick(FIELDS),
                dice.pick(&[": ", ": ", ": ", ": ", ": ", ": ", ":", " : ", ":\n ", ":\r\n ", "\n"]),
            );
            let _ = writeln!(text, "{field}{colon}{}", dice.pick(VALUES));
            for _ in 0..dice.roll(4) {
                let start = dice.pick(&[" ", " ", " ", " ", " ", "  ", "  ", " .", "# ", "\t"]);
                let _ = writeln!(text, "{start}{}", dice.pick(VALUES));
            }
        }
        if dice.roll(50) == 0 {
            let _ = writeln!(text, "command: {}", dice.pick(VALUES).repeat(2_000));
        }
        text.push_str(dice.pick(&["\n", "\n\n\n", "\n \t \n", "\u{a0}\n", "\n# x\n", "\r\n\r\n"]));
    }
    text
}

#[tokio::test]
async fn thousands_of_hostile_units_are_read_or_told_of() {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for number in 0..60 {
        let mut bytes = hostile(&mut dice, 180).into_bytes();
        if number % 20 == 7 {
            let place = dice.roll(bytes.len());
            bytes[place] = 0xff;
        }
        write(folder.path(), &[(&format!("p/units/{:02}/{number}.pxu", number % 7), &bytes)]);
    }
    write(folder.path(), &[("p/manage.py", SCRIPT)]);
    let sessions = sessions(&folder).await;
    let report = import(&sessions, of(&folder, &["p"])).await.unwrap();
    let taken = report.providers.first().unwrap();
    let units: usize = taken.units.values().sum();
    assert!(units > 2_000 && units < 10_800, "{units}");
    let unread = report.problems.iter().filter(|problem| problem.severity.is_none()).count();
    assert!(unread > 500, "{unread}");
    assert!(report.problems.iter().filter(|problem| problem.words.contains("not UTF-8")).count() == 3);
    assert!(report.problems.iter().all(|problem| !problem.file.is_empty() && !problem.words.is_empty()));
    assert!(taken.errors > 100, "{taken:?}");
    let stored = provider::whole(&sessions, "lab").await.unwrap();
    assert_eq!(stored.units.len(), units);
    let mut session = crate::domain::session::Session::default();
    session.add_provider("lab", "a.b", stored.units).unwrap();
    let again = import(&sessions, of(&folder, &["p"])).await.unwrap();
    assert_eq!((&again.problems, again.untold), (&report.problems, report.untold));
}
