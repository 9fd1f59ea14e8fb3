//! No input makes a reader panic: arbitrary bytes, and documents that were good before something happened to them.

use proptest::prelude::*;

use super::import::{self, Bare};
use super::tree::{File, Tree};
use super::xml::{Limits, parse};
use super::{classes, configuration, expectations, layout, results, targets};
use crate::domain::catalogue::golden_classes;

const DOCUMENTS: [&str; 7] = [
    "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!DOCTYPE extension PUBLIC '-//QM/2.4/Extension//EN' 'x' [<!ELEMENT a (b)>]>\n\
     <extension class='scripted.FieldsTest' kind='test'><argument name='pairs'><set><tuple><text>a</text><integer>-5</integer></tuple></set>\
     </argument><argument name='table'><dictionary><item><text>k</text><integer>1</integer></item></dictionary></argument>\
     <argument name='when'><integer>2026-01-02 03:04 UTC</integer></argument><argument name='flag'><enumeral>yes</enumeral></argument>\
     <prerequisite outcome='PASS'>a.b</prerequisite><resource>r</resource><testyard><keyword>k</keyword></testyard></extension>",
    "<extension class='scripted.AttachTest' kind='test'><argument name='data'><attachment><description>q</description><mime-type/>\
     <filename>h.bin</filename><location>store/../h.bin</location></attachment></argument></extension>",
    "<suite>\n <test_id>a.b</test_id>&#13;<!-- c --><![CDATA[ ]]>\n <suite_id>s2</suite_id></suite>",
    "<extension class='xml_database.XMLDatabase' kind='database'><argument name='modifiable'><enumeral>false</enumeral></argument>\
     <attribute name='suite_extension'>.dir</attribute></extension>",
    "<class-directory><class kind='test' name='m.T'/><class kind='resource'> m.R </class></class-directory>",
    "<?xml version=\"1.0\"?><results><annotation key='k'>v</annotation><result id='a' kind='test' outcome='FAIL'>\
     <annotation name='qmtest.cause'>\"&lt;b&gt;\"</annotation></result></results>",
    "<expectations><expectation test_id='a\\.' outcome='fail'><annotation name='os' value='l.*'/><description>d</description>\
     </expectation></expectations>",
];

/// Gives the bytes to every reader. What comes of it does not matter.
fn read_all(bytes: &[u8]) {
    let known = golden_classes::classes();
    let _ = parse(bytes, Limits::DEFINITION);
    let _ = configuration::read(bytes);
    let _ = classes::read(bytes);
    let _ = targets::read(bytes, &known);
    let _ = results::read(bytes);
    let _ = expectations::read(bytes);
    for with in
        [layout::CONFIGURATION, layout::CLASSES, layout::TARGETS, layout::REGISTERED_CLASSES, layout::EXPECTATIONS]
    {
        let mut tree = Tree::default();
        for path in ["t.qmt", "d.qms/r.qma", "s.qms", with] {
            tree.add_file(path, File::Content(bytes.to_vec())).unwrap();
        }
        if let Ok(imported) = import::read(&tree, &known, Bare::Taken) {
            assert!(imported.entries.len() >= 4, "{:?}", imported.entries);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn arbitrary_markup_never_panics(parts in prop::collection::vec(prop::sample::select(vec![
        "<", ">", "/", "a", "<a>", "</a>", "<a x='", "'", "\"", "=", "&", ";", "#", "x", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE a",
        "[", "]", "<!ENTITY", "<?xml version='1.0'", " encoding='", "utf-16", "?>", "\0", "é", "\u{feff}", " ", "\r", "\n",
    ]), 0..40)) {
        read_all(parts.concat().as_bytes());
    }

    #[test]
    fn damaged_documents_never_panic(
        document in prop::sample::select(DOCUMENTS.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 0..6),
        wide in any::<bool>(),
    ) {
        let mut bytes: Vec<u8> =
            if wide { document.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { document.into() };
        for (at, what, byte) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        read_all(&bytes);
    }
}
