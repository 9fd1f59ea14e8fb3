use proptest::prelude::*;

use super::*;

const MOST: usize = 1 << 16;

fn render(text: &str) -> Result<String, String> {
    let lookup = |name: &str| match name {
        "a" => Some(Argument::Text("x")),
        "long" => Some(Argument::Text("abcdef")),
        "w" => Some(Argument::Text("4")),
        "q" => Some(Argument::Text("it's \"\u{e9}\"\n\u{0}\u{1f600}")),
        "" => Some(Argument::Text("empty")),
        " a " => Some(Argument::Text("blanks")),
        "__index__" => Some(Argument::Number(7)),
        _ => None,
    };
    let format = Format::parse(text).map_err(|error| error.to_string())?;
    format.render(&lookup, None, MOST).map_err(|error| error.to_string())
}

#[test]
fn names_are_filled_in() {
    for (text, expected) in [
        ("", ""),
        ("{a}", "x"),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{x}"),
        ("}}{{", "}{"),
        ("n-{a:>5}-{long}", "n-    x-abcdef"),
        ("{a:*^4}|{a:<3}|{a:3}|{a:05}", "*x**|x  |x  |x0000"),
        ("{long:.2}|{long:>4.2s}|{long:s}", "ab|  ab|abcdef"),
        ("{a:{w}}|{a:{w}.{w}}|{a:\u{e9}>{w}}", "x   |x   |\u{e9}\u{e9}\u{e9}x"),
        ("{a!s}|{a!r}|{a!a:>5}", "x|'x'|  'x'"),
        ("{q!r}", "'it\\'s \"\u{e9}\"\\n\\x00\u{1f600}'"),
        ("{q!a}", "'it\\'s \"\\xe9\"\\n\\x00\\U0001f600'"),
        ("{ a }", "blanks"),
        (
            "{__index__}|{__index__:03}|{__index__:>3}|{__index__:<3}|{__index__:+d}|{__index__:=+4}|{__index__:x}",
            "7|007|  7|7  |+7|+  7|7",
        ),
    ] {
        assert_eq!(render(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, expected) in [
        ("ab{", "at character 3: `{` with nothing after it: want a name, or `{{` for a brace"),
        ("a}b", "at character 2: `}` that closes nothing: want `}}` for a brace"),
        ("{a", "at character 2: the text ends in a name: want `}`"),
        ("{a{b}}", "at character 3: `{` in a name: want `}`, `:` or `!` before it"),
        ("{a!x}", "at character 4: want `r`, `s` or `a` after `!`"),
        ("{a!", "at character 3: want `r`, `s` or `a` after `!`"),
        ("{a!rx}", "at character 5: want `:` or `}` after the conversion"),
        ("{a:>5", "at character 5: the text ends in a specification: want `}`"),
        ("{a:{b!x}}", "at character 7: want `r`, `s` or `a` after `!`"),
        ("{a:{b:{c:{d}}}}", "at character 13: fields within fields: want them at most 2 deep"),
    ] {
        assert_eq!(Format::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn what_names_nothing_fails() {
    let format = |text: &str| Format::parse(text).unwrap().render(&|_| Some(Argument::Text("x")), None, MOST);
    let missing =
        Format::parse("{a} {nope}").unwrap().render(&|name| (name == "a").then_some(Argument::Text("")), None, MOST);
    assert_eq!(missing, Err(RenderError::Missing { name: "nope".into() }));
    assert_eq!(format("{a.b}"), Err(RenderError::NoParts { name: "a".into(), part: ".b".into() }));
    assert_eq!(format("{a[}]}"), Err(RenderError::NoParts { name: "a".into(), part: "[}]".into() }));
    assert_eq!(format("{0}"), Err(RenderError::Position { name: "0".into() }));
    assert_eq!(format("{}"), Err(RenderError::Position { name: String::new() }));
    assert_eq!(format("{12.x:>3}"), Err(RenderError::Position { name: "12.x".into() }));
}

#[test]
fn a_stand_in_takes_every_place_that_names_nothing() {
    let format = Format::parse("{a}-{b:>4}-{c.d}-{0}").unwrap();
    let lookup = |name: &str| (name == "a").then_some(Argument::Text("x"));
    assert_eq!(format.render(&lookup, Some("?"), MOST), Ok("x-   ?-?-?".into()));
}

#[test]
fn specifications_that_do_not_fit_fail() {
    for text in [
        "{a:d}",
        "{a:+}",
        "{a:=4}",
        "{a:,}",
        "{a:#}",
        "{a:z}",
        "{a:.}",
        "{a:5q9}",
        "{a:sx}",
        "{__index__:.2}",
        "{__index__:f}",
        "{a:99999999999999999999999}",
        "{a:9999999}",
        "{a:.99999999999999999999999}",
    ] {
        assert!(render(text).is_err(), "{text}: {:?}", render(text));
    }
}

#[test]
fn names_are_listed() {
    let format = Format::parse("{a}{b.c}{0}{}{d:{e}>{f}}{{g}}{a!r}").unwrap();
    assert_eq!(format.names(), ["a", "b", "d", "e", "f", "a"]);
}

#[test]
fn results_are_bounded() {
    let long = "x".repeat(1000);
    let format = Format::parse(&"{a}".repeat(100)).unwrap();
    let rendered = format.render(&|_| Some(Argument::Text(&long)), None, MOST);
    assert_eq!(rendered, Err(RenderError::TooLong { most: MOST }));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = render(&text);
    }

    #[test]
    fn any_text_of_signs_is_read_or_refused(text in r"[{}\[\]!:.<>=^0-9arsdx#+, _\-é]{0,40}") {
        let _ = render(&text);
    }

    #[test]
    fn doubled_braces_stand_for_themselves(text in any::<String>()) {
        let doubled = text.replace('{', "{{").replace('}', "}}");
        prop_assert_eq!(render(&doubled), Ok(text));
    }

    #[test]
    fn a_value_is_put_as_it_is(value in any::<String>()) {
        let format = Format::parse("<{v}>").unwrap();
        prop_assert_eq!(format.render(&|_| Some(Argument::Text(&value)), None, MOST), Ok(format!("<{value}>")));
    }
}
