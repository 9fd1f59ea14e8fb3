use super::*;
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::value::Value;

const TEST: &str = "<extension class='python.ExecTest' kind='test'/>";
const ATTACHING: &str = "<extension class='m.T' kind='test'><argument name='f'><attachment><filename>F</filename><location>LOCATION</location></attachment></argument></extension>";
const LIST: (&str, &str) = (layout::CLASSES, "<class-directory><class kind='test' name='m.T'/></class-directory>");

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.add_file(path, File::Content(text.as_bytes().to_vec())).unwrap();
    }
    tree
}

fn imported(files: &[(&str, &str)]) -> Imported {
    read(&tree(files), &builtin::classes(), Bare::Taken).unwrap()
}

fn fate<'a>(imported: &'a Imported, path: &str) -> &'a Fate {
    let found: Vec<_> = imported.entries.iter().filter(|entry| entry.path == path).collect();
    assert_eq!(found.len(), 1, "{path}: {:?}", imported.entries);
    &found[0].fate
}

fn reason<'a>(imported: &'a Imported, path: &str) -> &'a str {
    match fate(imported, path) {
        Fate::Refused(reason) | Fate::Ignored(reason) => reason,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn a_database_has_a_configuration() {
    let refused =
        |files: &[(&str, &str)]| read(&tree(files), &builtin::classes(), Bare::Refused).unwrap_err().to_string();
    assert!(refused(&[("a.qmt", TEST)]).starts_with("QMTest/configuration: there is no such file"));
    for (text, expected) in [
        ("<extension", "not XML"),
        ("<extension class='mount_database.MountDatabase'/>", "the class `mount_database.MountDatabase`"),
        (
            "<extension class='xml_database.XMLDatabase'><argument name='x'><text/></argument></extension>",
            "no argument `x`",
        ),
        (
            "<extension class='xml_database.XMLDatabase'><argument name='suite_extension'><text>/</text></argument></extension>",
            "holds a `/`",
        ),
        (
            "<extension class='xml_database.XMLDatabase'><argument name='label_class'><text>x.Y</text></argument></extension>",
            "the label class `x.Y`",
        ),
    ] {
        let error = refused(&[(layout::CONFIGURATION, text)]);
        assert!(error.starts_with("QMTest/configuration: line 1") && error.contains(expected), "{error}");
    }
    let mut large = Tree::default();
    large.add_file(layout::CONFIGURATION, File::Size(1 << 40)).unwrap();
    assert!(read(&large, &builtin::classes(), Bare::Refused).unwrap_err().0.contains("1099511627776 bytes"));
}

#[test]
fn what_cannot_be_read_says_why_and_stops_nothing() {
    let wrong = [
        ("class='nowhere.X'/>", "unknown class `nowhere.X`: list it in QMTest/classes.qmc"),
        ("/>", "no class is named"),
        ("class='temporary.TempDirectoryResource'/>", "is a class of resources, not of tests"),
        ("class='python.ExecTest'><argument><text/></argument></x>", "an argument has no name"),
        ("class='python.ExecTest'><argument name='expression'/></x>", "`expression` has no value"),
        ("class='python.ExecTest'><argument name='y'><text/></argument></x>", "no argument `y`"),
        (
            "class='python.ExecTest'>\n<argument name='source'><integer>1</integer></argument></x>",
            "line 2, column 25: the argument `source`: the field takes `text`, not `integer`",
        ),
        ("class='command.ExecTest'><argument name='exit_code'><integer>x</integer></argument></x>", "whole number"),
        (
            "class='python.ExecTest'><argument name='source'><text><b/></text></argument></x>",
            "`b` stands where only text may",
        ),
        ("class='python.ExecTest'><testyard/><testyard/></x>", "two elements `testyard`"),
        ("class='python.ExecTest'><testyard><x/></testyard></x>", "`x` is not known in `testyard`"),
        ("class='python.ExecTest'><testyard><file name='a'/></testyard></x>", "takes the attribute `location`"),
        (
            "class='python.ExecTest'><argument name='prerequisites'><set><tuple><text>a</text></tuple></set></argument></x>",
            "takes 2 values, not 1",
        ),
        (
            "class='python.ExecTest'><argument name='prerequisites'><set><tuple>x<text>a</text><enumeral>PASS</enumeral></tuple></set></argument></x>",
            "text beside the values",
        ),
    ];
    for (text, expected) in wrong {
        let imported = imported(&[("bad.qmt", &format!("<x {text}")), ("good.qmt", TEST)]);
        assert!(reason(&imported, "bad.qmt").contains(expected), "{text}: {}", reason(&imported, "bad.qmt"));
        assert_eq!(imported.items.len(), 1);
        assert_eq!(*fate(&imported, "good.qmt"), Fate::Taken);
    }
    for (text, expected) in [
        (
            "<extension class='explicit_suite.ExplicitSuite'><argument name='x'><set/></argument></extension>",
            "a suite has no argument `x`",
        ),
        ("<extension class='explicit_suite.ExplicitSuite'><argument name='test_ids'/></extension>", "has no value"),
        ("<extension class='my.Suite'/>", "unknown class `my.Suite`"),
        ("<suite><test_id>a b</test_id></suite>", "`a b` is no id"),
    ] {
        assert!(reason(&imported(&[("s.qms", text)]), "s.qms").contains(expected), "{text}");
    }
}

#[test]
fn what_qmtest_does_not_list_is_ignored_with_its_reason() {
    let files = [
        "Upper.qmt",
        "v1.2.qmt",
        ".x.qmt",
        "b.qmt~",
        "README",
        "plain/a.qmt",
        "plain/b/c.qmt",
        "Caps.qms/t.qmt",
        "QMTest/sneaky.qmt",
    ];
    let imported = imported(&files.map(|path| (path, TEST)));
    assert!(imported.items.is_empty());
    assert!(reason(&imported, "Upper.qmt").contains("QMTest does not list it"));
    assert!(reason(&imported, "README").contains("defines nothing"));
    assert!(reason(&imported, "plain/").ends_with("(2 files)"));
    assert!(reason(&imported, "Caps.qms/").ends_with("(1 file)"));
    assert_eq!(imported.entries.len(), 8, "{:?}", imported.entries);
}

#[test]
fn attachments_are_files_of_the_tree() {
    let with = |location: &str| {
        imported(&[LIST, ("t.qmt", &ATTACHING.replace("LOCATION", location)), ("store/f", "x"), ("store/g", "y")])
    };
    for location in ["store/f", "./store//f"] {
        let imported = with(location);
        let item = &imported.items[&(ItemKind::Test, "t".parse().unwrap())];
        assert_eq!(item.attachments()[0].source, Source::Location { location: "store/f".to_owned() });
        assert_eq!(*fate(&imported, "store/f"), Fate::Attached);
        assert!(reason(&imported, "store/").ends_with("(1 file)"));
    }
    for (location, expected) in [
        ("/etc/passwd", "outside"),
        ("../x", "`..`"),
        ("store/../store/f", "`..`"),
        ("nope", "is not there"),
        ("store", "is not there"),
        ("", "is not there"),
    ] {
        assert!(reason(&with(location), "t.qmt").contains(expected), "{location}");
    }
    let named = |name: &str| {
        let text = ATTACHING.replace("LOCATION", "store/f").replace(">F<", &format!(">{name}<"));
        let imported = imported(&[LIST, ("t.qmt", &text), ("store/f", "x")]);
        imported.items[&(ItemKind::Test, "t".parse().unwrap())].attachments()[0].filename.clone()
    };
    assert_eq!(["a.txt", "../../x/y.txt", "C:\\z.txt", "", ".."].map(named), ["a.txt", "y.txt", "z.txt", "f", "f"]);
}

#[test]
fn classes_come_along() {
    let imported = imported(&[
        (
            layout::CLASSES,
            "<class-directory><class kind='test' name='m.T'/><class kind='test' name='m.T'/><class kind='test' name='python.ExecTest'/><class kind='suite' name='m.S'/></class-directory>",
        ),
        (
            "t.qmt",
            "<extension class='m.T'><argument name='x'><tuple><text> a</text><integer>2026-01-02 03:04 UTC</integer></tuple></argument></extension>",
        ),
        ("u.qmt", "<extension class='m.T'><argument name='x'><blob/></argument></extension>"),
        ("r.qma", "<extension class='m.T'/>"),
    ]);
    let names: Vec<_> =
        imported.classes.iter().map(|class| (class.name.as_str(), &class.fields, &class.execution)).collect();
    assert_eq!(names, [("m.T", &None, &Execution::Runner("qmtest".to_owned()))]);
    let Item::Test(test) = &imported.items[&(ItemKind::Test, "t".parse().unwrap())] else { panic!() };
    assert_eq!(test.arguments["x"], Value::Tuple(vec![Value::Text(" a".to_owned()), Value::Time(1_767_323_040)]));
    assert!(reason(&imported, "u.qmt").contains("`blob` is no value"));
    assert!(reason(&imported, "r.qma").contains("is a class of tests"));
    let broken = super::tests::imported(&[
        (layout::CLASSES, "<x"),
        (layout::REGISTERED_CLASSES, "{}"),
        (layout::TARGETS, "<target/>"),
        ("t.qmt", TEST),
    ]);
    assert!(reason(&broken, layout::REGISTERED_CLASSES).contains("not a list of classes"));
    assert!(reason(&broken, layout::CLASSES).contains("not XML"));
    assert!(reason(&broken, layout::TARGETS).contains("want `targets`"));
    assert_eq!(broken.items.len(), 1);
}

#[test]
fn databases_that_name_files_get_dotted_labels() {
    let configuration = "<extension class='xml_database.XMLDatabase'><argument name='label_class'><text>file_label.FileLabel</text></argument></extension>";
    let test = "<extension class='python.ExecTest'><argument name='prerequisites'><set><tuple><text>d.qms/u.qmt</text><enumeral>FAIL</enumeral></tuple></set></argument><argument name='resources'><set><text>d.qms/r.qma</text></set></argument></extension>";
    let suite = "<suite><test_id>d.qms/u.qmt</test_id><suite_id>d.qms</suite_id></suite>";
    let imported = imported(&[
        (layout::CONFIGURATION, configuration),
        ("t.qmt", test),
        ("d.qms/u.qmt", TEST),
        ("d.qms/s.qms", suite),
        ("Loud.qmt", TEST),
        ("v1.2.qmt", TEST),
        ("Sp ace.qms/a.qmt", TEST),
    ]);
    let Item::Test(test) = &imported.items[&(ItemKind::Test, "t".parse().unwrap())] else { panic!() };
    assert_eq!((test.prerequisites(), test.resources()), (vec![("d.u", "FAIL")], vec!["d.r"]));
    let Item::Suite(suite) = &imported.items[&(ItemKind::Suite, "d.s".parse().unwrap())] else { panic!() };
    assert_eq!(
        (suite.test_ids.as_slice(), suite.suite_ids.as_slice()),
        (["d.u".to_owned()].as_slice(), ["d".to_owned()].as_slice())
    );
    for path in ["Loud.qmt", "v1.2.qmt", "Sp ace.qms/"] {
        assert!(reason(&imported, path).contains("cannot be a part of a label"), "{path}");
    }
}

#[test]
fn large_files_define_nothing() {
    let mut tree = tree(&[]);
    tree.add_file("t.qmt", File::Size(5 << 20)).unwrap();
    let imported = read(&tree, &builtin::classes(), Bare::Taken).unwrap();
    assert!(reason(&imported, "t.qmt").contains("it has 5242880 bytes"));
}
