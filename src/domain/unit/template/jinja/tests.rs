use proptest::prelude::*;

use super::*;

const MOST: usize = 1 << 16;

fn render(text: &str, stand_in: Option<&str>) -> Result<String, RenderError> {
    let mut jinja = Jinja::new();
    let names = jinja.add("field", text)?;
    let lookup = |name: &str| match name {
        "path" => Some(Argument::Text("sda<1>")),
        "list" => Some(Argument::Text("a,b")),
        "__index__" => Some(Argument::Number(7)),
        _ => None,
    };
    jinja.render("field", &names, &lookup, stand_in, MOST)
}

#[test]
fn texts_are_filled_in() {
    for (text, expected) in [
        ("j-{{ path }}", "j-sda<1>"),
        ("{% if path == 'sda<1>' %}yes{% else %}no{% endif %}", "yes"),
        ("{{ __index__ + 1 }}-{{ '%03d' % 5 if false else __index__ }}", "8-7"),
        ("{# nothing #}{{ path | upper }}", "SDA<1>"),
        ("{% for x in list.split(',') %}[{{ x }}]{% endfor %}", "[a][b]"),
        ("{{ path.startswith('sda') }} {{ path.replace('sda', 'b').upper() }}", "True B<1>"),
        ("{{ nope | default('none') }}{% if nope is defined %}!{% endif %}", "none"),
        ("{% if __on_ubuntucore__ %}core{% endif %}{{ __system_env__.get('HOME', '-') }}", "-"),
        ("{% set x = path %}{{ x }}", "sda<1>"),
    ] {
        assert_eq!(render(text, None), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn names_are_those_of_records() {
    let mut jinja = Jinja::new();
    let names = jinja
        .add("field", "{% for x in range(2) %}{{ x }}{{ path }}{% endfor %}{{ __system_env__.A }}{{ a.b }}")
        .unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "path"]);
}

#[test]
fn what_a_record_has_not_is_missing_unless_something_stands_in() {
    assert_eq!(render("{{ path }}-{{ nope }}", None), Err(RenderError::Missing { name: "nope".into() }));
    assert_eq!(render("{{ path }}-{{ nope }}", Some("?")), Ok("sda<1>-?".into()));
    assert_eq!(render("{{ nope | default('x') }}", Some("?")), Ok("x".into()), "nothing is asked for");
    assert_eq!(render("{{ path }}{{ b.c }}{{ a }}", None), Err(RenderError::Missing { name: "b".into() }));
    assert!(matches!(render("{% if nope %}x{% endif %}", None), Err(RenderError::Missing { .. })));
}

#[test]
fn faults_are_told_with_their_lines() {
    assert!(
        matches!(render("a\n{% if %}", None), Err(RenderError::Syntax { detail }) if detail.starts_with("line 2: "))
    );
    assert!(
        matches!(render("\n\n{{ path | nope }}", None), Err(RenderError::Failed { detail }) if detail.contains("line 3: "))
    );
    assert!(matches!(render("{% include 'x' %}", None), Err(RenderError::Syntax { .. })), "there is no other template");
    assert!(matches!(render("{{ debug() }}", None), Err(RenderError::Failed { .. } | RenderError::Missing { .. })));
}

#[test]
fn time_and_size_are_bounded() {
    for text in [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 99999999 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(9000) %}{{ 'long text to fill' }}{% endfor %}",
    ] {
        assert!(matches!(render(text, None), Err(RenderError::Failed { .. } | RenderError::TooLong { .. })), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let deep = |before: &str, level: &str, after: &str, count: usize| {
        render(&format!("{{{{ {}path{} }}}}", before.repeat(count), (level.to_owned() + after).repeat(count)), None)
    };
    for (before, level, after) in [
        ("", " + path", ""),
        ("", "|lower", ""),
        ("", ".a", ""),
        ("", "()", ""),
        ("", "[0]", ""),
        ("", " if path else path", ""),
        ("not ", "", ""),
        ("- ", "", ""),
        ("[", "]", ""),
        ("(", ")", ""),
        ("{'a': ", "}", ""),
    ] {
        let _ = deep(before, level, after, 70);
        for count in [1_000, 100_000] {
            let refused = deep(before, level, after, count);
            assert!(matches!(refused, Err(RenderError::Syntax { .. })), "{before}{level}: {refused:?}");
        }
    }
    for (open, close) in
        [("{% if true %}", "{% endif %}"), ("{% for a in path %}", "{% endfor %}"), ("{% if x %}{% elif path %}", "")]
    {
        assert!(matches!(render(&(open.repeat(5_000) + &close.repeat(5_000)), None), Err(RenderError::Syntax { .. })));
    }
    let elifs = format!("{{% if not path %}}{}{{% endif %}}", "{% elif not path %}".repeat(200));
    assert!(matches!(render(&elifs, None), Err(RenderError::Syntax { .. })));
}

#[test]
fn values_are_not_so_deep_that_they_cannot_be_compared() {
    let sets = |level: &str, count: usize| {
        render(&format!("{{% set x = [] %}}{}{{{{ x == x }}}} {{{{ x }}}}", level.repeat(count)), None)
    };
    assert!(sets("{% set x = [x] %}", 130).is_ok_and(|text| text.starts_with("True [[[")));
    assert!(matches!(sets("{% set x = [x] %}", 300), Err(RenderError::Syntax { .. })));
    let bulky = format!("{{% set x = {}x{} %}}", "[".repeat(60), "]".repeat(60));
    let many = sets(&bulky, 7);
    assert!(many.as_ref().is_ok_and(|text| text.starts_with("True [[[")), "{many:?}");
    assert!(matches!(sets(&bulky, 9), Err(RenderError::Syntax { .. })));
    let rounds = "{% for i in range(9) %}{% set x = [x] %}{% endfor %}";
    assert_eq!(sets(rounds, 1), Ok("True []".into()), "no round sees what another has set");
    let kept =
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == 1 }}";
    assert!(matches!(render(kept, None), Err(RenderError::Failed { .. } | RenderError::Missing { .. })));
}

#[test]
fn what_is_within_all_bounds_of_depth_is_compiled() {
    let value = format!("{{{{ 1{} }}}}", " + 1".repeat(MAX_TOKENS / 2 - 1));
    let elifs = format!("{{% if not path %}}{}{value}{{% endif %}}", "{% elif path %}".repeat(MAX_ELIFS));
    let blocks = 60;
    let text = "{% if path %}".repeat(blocks) + &elifs + &"{% endif %}".repeat(blocks);
    assert!(render(&text, None).is_ok(), "{:?}", render(&text, None));
}

proptest! {
    #[test]
    fn any_text_is_filled_in_or_refused(text in any::<String>()) {
        let _ = render(&text, Some("?"));
    }

    #[test]
    fn any_text_of_signs_is_filled_in_or_refused(text in r"(\{\{|\}\}|\{%|%\}|if|for|in|set|endif|endfor|path|nope|range|[ |.()\[\]+*'0-9a-c\n-]){0,30}") {
        let _ = render(&text, Some("?"));
    }
}
