use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Element, XmlError> {
    parse(text.as_bytes(), Limits::DEFINITION)
}

fn text_of(bytes: &[u8]) -> String {
    parse(bytes, Limits::DEFINITION).unwrap().text().unwrap()
}

fn refusal(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn a_document_becomes_a_tree() {
    let root = read(
        "<?xml version='1.0'?><!-- c --><a x='1&#10;2' y=\"&lt;\n\"><b/>t&amp;<![CDATA[<u>]]><!-- c --><?p i?>v</a>\n",
    )
    .unwrap();
    assert_eq!((root.attribute("x"), root.attribute("y"), root.attribute("z")), (Some("1\n2"), Some("< "), None));
    assert_eq!(root.nodes.len(), 2, "{root:?}");
    assert_eq!(root.nodes[1], Node::Text("t&<u>v".to_owned()));
    assert_eq!(root.elements().next().unwrap().position, Position { line: 2, column: 3 });
    assert!(root.text().is_err() && root.has_stray_text());
}

#[test]
fn line_ends_are_line_feeds_unless_written_by_number() {
    assert_eq!(text_of(b"<a>1\r\n2\r3\n4&#13;5&#xD;\n</a>"), "1\n2\n3\n4\r5\r\n");
}

#[test]
fn encodings_are_read() {
    assert_eq!(text_of(b"\xef\xbb\xbf<a>\xc3\xa9</a>"), "é");
    assert_eq!(text_of(b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9\x80</a>"), "é\u{80}");
    assert_eq!(text_of(b"<?xml version='1.0' encoding=\"windows-1252\" ?><a>\xe9\x80</a>"), "é€");
    assert_eq!(text_of(b"<?xml version='1.0' encoding='Shift_JIS'?><a>\x82\xa0</a>"), "あ");
    assert_eq!(text_of(b"<?xml version='1.0' encoding='us-ascii'?><a>e</a>"), "e");
    for text in ["<?xml version='1.0' encoding='UTF-16'?><a>é\u{1f600}</a>", "<?xml version='1.0'?><a>é\u{1f600}</a>"]
    {
        for (bom, to_bytes) in [
            ("\u{feff}", u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ("\u{feff}", u16::to_be_bytes),
            ("", u16::to_le_bytes),
            ("", u16::to_be_bytes),
        ] {
            let bytes: Vec<u8> = format!("{bom}{text}").encode_utf16().flat_map(to_bytes).collect();
            assert_eq!(text_of(&bytes), "é\u{1f600}");
        }
    }
}

#[test]
fn encodings_are_refused() {
    let refusal = |bytes: &[u8]| parse(bytes, Limits::DEFINITION).unwrap_err().to_string();
    assert!(refusal(b"<a>\n\xc3\xa9\xe9</a>").starts_with("line 2, column 2: the bytes are not UTF-8"));
    assert!(refusal(b"<?xml version='1.0' encoding='martian'?><a/>").contains("`martian` is not known"));
    assert!(refusal(b"<?xml version='1.0' encoding='UTF-16'?><a/>").contains("declares the encoding UTF-16"));
    assert!(refusal(b"<?xml version='1.0' encoding='us-ascii'?><a>\xe9</a>").contains("US-ASCII"));
    assert!(refusal(b"<?xml version='1.0' encoding='Shift_JIS'?><a>\x82</a>").contains("Shift_JIS"));
    assert!(refusal(b"\xff\xfe<\0a\0/\0>\0\x3d").contains("UTF-16LE"));
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for (text, expected) in [
        ("", "line 1, column 1: not XML: there is no element"),
        ("  \n", "line 2, column 1: not XML: there is no element"),
        ("not xml", "line 1, column 1: not XML: there is text before the root element"),
        ("<a/>\n trailing", "line 2, column 2: not XML: there is text after the root element"),
        ("<a/>&amp;", "outside of the root element"),
        ("<a/><![CDATA[x]]>", "outside of the root element"),
        ("<a/><b/>", "line 1, column 5: there is a second root element"),
        ("<a>\n<b></a>", "line 2, column 4: not well formed"),
        ("<a><b>", "`b` of line 1, column 4 is not closed"),
        ("</a>", "not well formed"),
        ("<<<", "not XML"),
        ("<a", "not XML"),
        ("<1a/>", "no name of an element"),
        ("<a x='1' x='2'/>", "the attribute `x` is repeated"),
        ("<a x='<'/>", "`<` may not stand in the attribute `x`"),
        ("<a x/>", "not well formed"),
        ("<a>b & c</a>", "not well formed"),
        ("<a>&nbsp;</a>", "the entity `&nbsp;` is not defined"),
        ("<a x='&nbsp;'/>", "the entity `&nbsp;` is not defined"),
        ("<a>&#0;</a>", "no character"),
        ("<a>&#x1;</a>", "U+0001 may not stand"),
        ("<a x='&#x1;'/>", "U+0001 may not stand"),
        ("<a>&#xD800;</a>", "no character"),
        ("<a>&#99999999999;</a>", "no character"),
        ("<a>\n \u{b}</a>", "line 2, column 2: the character U+000B may not stand"),
        ("<a>]]></a>", "`]]>` may not stand"),
        ("<a><!-- -- --></a>", "not well formed"),
        (" <?xml version='1.0'?><a/>", "only at the very beginning"),
        ("<?xml encoding='UTF-8'?><a/>", "no version"),
        ("<?xml version='2.0'?><a/>", "no version"),
        ("<a/><!DOCTYPE a>", "a document type stands once"),
        ("<!DOCTYPE a><!DOCTYPE a><a/>", "a document type stands once"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn a_document_type_is_passed_over_unless_it_declares_entities() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a PUBLIC '-//X/Y//EN' 'http://example.invalid/x.dtd'><a/>",
        "<!DOCTYPE a [<!ELEMENT a (b)><!ATTLIST a x CDATA '1'>]><a/>",
    ] {
        assert_eq!(read(text).unwrap().attributes, []);
    }
    for text in
        ["<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "<!DOCTYPE a [<!ENTITY % x 'y'> %x;]><a/>"]
    {
        assert!(refusal(text).contains("declares entities"), "{text}");
    }
    let mut laughs = "<!DOCTYPE a [<!ENTITY l0 'ha'>".to_owned();
    for n in 1..60 {
        write!(laughs, "<!ENTITY l{n} '&l{};&l{};'>", n - 1, n - 1).unwrap();
    }
    assert!(refusal(&format!("{laughs}]><a>&l59;</a>")).contains("declares entities"));
}

#[test]
fn documents_are_bounded() {
    let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    assert!(read(&deep(MAX_DEPTH)).is_ok());
    assert!(refusal(&deep(MAX_DEPTH + 1)).contains("nested too deeply"));
    assert!(refusal(&"<a>".repeat(100_000)).contains("nested too deeply"));
    let wide = |attributes: usize| (0..attributes).fold("<a".to_owned(), |text, n| text + &format!(" x{n}=''")) + "/>";
    assert!(read(&wide(MAX_ATTRIBUTES)).is_ok());
    assert!(refusal(&wide(MAX_ATTRIBUTES + 1)).contains("too many attributes"));
    assert!(refusal(&wide(300_000)).contains("too many attributes"));
    assert!(refusal(&format!("<a>{}</a>", "<b/>".repeat(Limits::DEFINITION.nodes))).contains("too many parts"));
    assert!(refusal(&format!("<a x='{}'/>", "y".repeat(50 << 20))).contains("bytes: want at most 4194304"));
    // What is small as it comes may be large in UTF-8.
    let latin = [b"<?xml version='1.0' encoding='latin1'?><a>".as_slice(), &vec![0xe9; 3 << 20], b"</a>"].concat();
    assert!(parse(&latin, Limits::DEFINITION).unwrap_err().what.contains("bytes: want at most"));
    // One long line: finding columns takes time with its length, not with its square.
    let line = format!("<a>{}<", "<b/>é".repeat(90_000));
    assert!(refusal(&line).starts_with("line 1, column 450004"), "{}", refusal(&line));
}

#[test]
fn what_cannot_be_written_is_refused() {
    for c in ['\0', '\u{1}', '\u{1b}', '\u{fffe}', '\u{ffff}'] {
        assert_eq!(Writer::new().text(&format!("a{c}")), Err(IllegalCharacter(c)));
        assert_eq!(Writer::new().attribute("x", &format!("a{c}")), Err(IllegalCharacter(c)));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(text in any::<String>(), attribute in any::<String>()) {
        let legal = |text: &str| text.chars().filter(|c| is_char(*c)).collect::<String>();
        let (text, attribute) = (legal(&text), legal(&attribute));
        let mut out = Writer::new();
        out.open_tag("a");
        out.attribute("x", &attribute).unwrap();
        out.close_tag();
        out.text(&text).unwrap();
        out.end("a");
        let root = read(&out.finish()).unwrap();
        prop_assert_eq!(root.text().unwrap(), text);
        prop_assert_eq!(root.attribute("x").unwrap(), attribute);
    }
}
