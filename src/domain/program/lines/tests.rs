use proptest::prelude::*;

use super::super::evaluate::comes_to;
use super::super::tree::bit;
use super::*;

/// Tries every combination of records of the resources that are read; `chosen` are those that are chosen already.
fn naively<'a>(
    node: &'a Node,
    reads: u64,
    lists: &[&'a [Record]],
    chosen: &mut Vec<Option<&'a Record>>,
    meter: &mut Meter,
) -> bool {
    let Some(list) = lists.get(chosen.len()) else {
        return comes_to(node, true, chosen, meter).expect("enough steps");
    };
    let records: Vec<Option<&Record>> =
        if reads & bit(chosen.len()) == 0 { vec![None] } else { list.iter().map(Some).collect() };
    records.into_iter().any(|record| {
        chosen.push(record);
        let holds = naively(node, reads, lists, chosen, meter);
        chosen.pop();
        holds
    })
}

impl Quantified {
    fn holds_naively(&self, lists: &[&[Record]]) -> bool {
        match self {
            Self::Records { reads, node } => naively(node, *reads, lists, &mut Vec::new(), &mut Meter::new(u64::MAX)),
            Self::All(parts) => parts.iter().all(|part| part.holds_naively(lists)),
            Self::Any(parts) => parts.iter().any(|part| part.holds_naively(lists)),
        }
    }
}

impl Expression {
    /// Whether the expression holds, by trying every combination.
    pub(in crate::domain::program) fn holds_naively(&self, lists: &[&[Record]]) -> bool {
        self.quantified.holds_naively(lists)
    }
}

fn record(fields: &[(&str, &str)]) -> Record {
    fields.iter().copied().collect()
}

/// Records with one field `n`, which counts.
fn counted(count: usize) -> Vec<Record> {
    (0..count).map(|number| [("n", number.to_string())].into_iter().collect()).collect()
}

fn program(text: &str) -> Program {
    Program::compile(text, None, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::True => "true",
        Verdict::False { .. } => "false",
        Verdict::Pending { .. } => "pending",
        Verdict::TooLarge { .. } => "too large",
    }
}

/// Whether the program holds where `p`, `q` and `r` have these records.
fn holds(text: &str, p: &[Record], q: &[Record], r: &[Record]) -> bool {
    let program = program(text);
    let verdict = program.evaluate(&|id| match id {
        "p" => Some(p),
        "q" => Some(q),
        "r" => Some(r),
        _ => None,
    });
    assert!(matches!(verdict, Verdict::True | Verdict::False { .. }), "{text}: {verdict:?}");
    verdict.holds()
}

#[test]
fn names_are_found_by_imports_and_namespace() {
    let imports = [
        Import { id: "far::one".to_owned(), name: "a".to_owned() },
        Import { id: "far::two".to_owned(), name: "a".to_owned() },
    ];
    let program = Program::compile("b.x\na.x and b.x and c.x", Some("near"), &imports).expect("a program");
    assert_eq!(program.resources(), ["near::b", "far::one", "near::c"]);
    assert_eq!(program.expressions()[1].resources(), ["far::one", "near::b", "near::c"]);
}

#[test]
fn errors_know_their_place() {
    let error = |text| Program::compile(text, None, &[]).expect_err(text);
    let wrong = error("a.x\n\n \t é.y ==\n");
    assert_eq!((wrong.line, wrong.column, wrong.kind), (3, 10, ProgramErrorKind::Syntax));
    assert_eq!(wrong.to_string(), "line 3, character 10: want an expression, and there is the end of the line");
    let refused = error("  not a.x");
    assert_eq!((refused.line, refused.column, refused.kind), (1, 3, ProgramErrorKind::NotAllowed));
    let listed = Program::compile_lines(["a.x\nb.x", "c."], None, &[]).expect_err("a list");
    assert_eq!(listed.line, 3);
    let many = "a\n".repeat(MAX_EXPRESSIONS);
    assert_eq!(program(&many).expressions().len(), MAX_EXPRESSIONS);
    assert_eq!(error(&format!("{many}a")).kind, ProgramErrorKind::TooLong);
}

#[test]
fn what_has_no_entry_is_told_before_what_is_false() {
    let program = program("p.x == 'no'\np.x and q.x and r.x\nq.x");
    let p = [record(&[("x", "yes")])];
    let Verdict::Pending { index, expression, missing } = program.evaluate(&|id| (id == "p").then_some(&p[..])) else {
        panic!("not pending");
    };
    assert_eq!((index, expression.text(), missing), (1, "p.x and q.x and r.x", vec!["q", "r"]));
    let Verdict::False { index, expression } = program.evaluate(&|_| Some(&p[..])) else { panic!("not false") };
    assert_eq!((index, expression.resources()), (0, &["p".to_owned()][..]));
    assert!(super::super::Program::compile("", None, &[]).expect("a program").evaluate(&|_| None).holds());
}

#[test]
fn a_filter_sees_one_record() {
    let program = program("p.x == 'a' and p.y == 'b'");
    assert!(program.accepts("p", &record(&[("x", "a"), ("y", "b")])).holds());
    assert!(!program.accepts("p", &record(&[("x", "a")])).holds());
    assert!(matches!(program.accepts("q", &record(&[])), Verdict::Pending { .. }));
}

#[test]
fn without_brackets_each_operand_is_asked_for_by_itself() {
    let p = [record(&[("x", "a"), ("y", "1")]), record(&[("x", "b"), ("y", "2")])];
    for (text, expected) in [
        ("p.x == 'a' and p.y == '2'", true),
        ("(p.x == 'a' and p.y == '2')", false),
        ("p.x == 'a' and p.y == '2' # (", false),
        ("p.x == 'a'and p.y == '2'", false),
        ("p.x == 'a' and\tp.y == '2'", false),
        ("p.x == 'a' and p.y == '2' and p.x == 'b'", true),
        ("p.x == 'a' and p.y == '2'and p.x == 'b'", true),
        ("p.x == 'a'and p.y == '2' and p.x == 'b'", false),
        ("p.x == 'a' and p.y == '2'or p.x == 'c'", false),
        ("[p.x == 'a' and p.y == '2'] == [True]", false),
        ("p.x != 'c and d or e' and p.y != 'x'", true),
        ("q.x == 'a' or p.x == 'a'", true),
        ("(q.x == 'a' or p.x == 'a')", false),
        ("q.x == 'a' or True", true),
        ("p.x == 'a' and 'x' == 'y'", false),
        ("True and p", true),
    ] {
        assert_eq!(holds(text, &p, &[], &[]), expected, "{text}");
    }
}

#[test]
fn values_behave_as_in_python() {
    let p = [record(&[("n", "4"), ("f", " 1_0.5 "), ("t", "żółw"), ("e", ""), ("h", "ff")])];
    for (text, expected) in [
        ("int(p.n) == 4", true),
        ("int(p.h) > 0", false),
        ("int(p.h, 16) == 0xff and int(p.h, base=16) == 255 and int('0x10', 0) == 16", true),
        ("int(p.h, 99) > 0", false),
        ("float(p.f) == 10.5 and float(p.f) > 10 and int(float(p.f)) == 10", true),
        ("float('nan') == float('nan') or p.missing", false),
        ("float('nan') != float('nan') and p", true),
        ("len(p.t) == 4 and len(p.missing) == 0 and len([p, p]) == 2 and len(b'\\xff') == 1", true),
        ("len(p) > 0", false),
        ("len(p.n, p.n) > 0", false),
        ("bool(p.e) == False and bool() == 0 and int() == 0 and float() == 0.0 and bool(p) is True", true),
        ("p.n < 5", false),
        ("p.n < '5' < p.t", true),
        ("'a' < p.n", false),
        ("'0' <= p.n <= '9'", true),
        ("p.n in ['4', 4] and p.n in '345' and 'ó' in p.t and p.n not in ('5',)", true),
        ("4 in p.n", false),
        ("4 not in p.n", false),
        ("52 in b'4' and b'' in b'4' and p", true),
        ("300 in b'4' or p.missing", false),
        ("[p.n, 1] < ['4', 2] and ('a',) < ('a', 1) and [1, 'a'] != [1, 1] and p", true),
        ("[1, 'a'] < [1, 1] or p.missing", false),
        ("p == p and p is p and p != 1 and p in [p]", true),
        ("p < p", false),
        ("None is None and ... is ... and p.n is not None and p.n is not True", true),
        ("1 is True or p.missing", false),
        ("2j == 2j and 0j == 0 and 2j != 2 and p", true),
        ("2j < 3 or p.missing", false),
        ("99999999999999999999999 > 9007199254740993 > 9007199254740992.0 and p", true),
        ("int('9007199254740993') == 9007199254740992.0 or p.missing", false),
        ("1 == 1.0 == True and b'a' != 'a' and b'a' < b'b' and p", true),
        ("(p.missing or p.n) == '4' and (p.n and p.e) == ''", true),
        ("(p.n < 5 or p.n)", false),
        ("(p.n or p.n < 5)", true),
        ("p.missing == ''", true),
        ("p.missing,", true),
    ] {
        // With brackets around it, everything is asked of one record.
        let text = format!("({text})");
        assert_eq!(holds(&text, &p, &[], &[]), expected, "{text}");
    }
}

#[test]
fn great_products_are_searched_and_not_listed() {
    let (p, q, r) = (counted(2_000), counted(2_000), counted(2_000));
    for (text, expected) in [
        ("p.n == q.n == r.n == '1999'", true),
        ("p.n == q.n == r.n == '2000'", false),
        ("(p.n == q.n and q.n == r.n and r.n == '1234')", true),
        ("(int(p.n) == float(q.n) and int(q.n) == int(r.n) and r.n == '2000')", false),
        ("(p.n == q.n and r.n == 'x')", false),
        ("(p.n == q.m or q.n == r.m or r.n == p.m)", false),
        ("(p.n == q.m or q.n == r.m or r.n == p.n)", true),
        ("(p.n == '7' or p.n == '8') and (q.n == p.n or q.m) and r.n == q.n", true),
        ("(p.n != q.n and q.n != r.n)", true),
    ] {
        assert_eq!(holds(text, &p, &q, &r), expected, "{text}");
    }
    // A tuple ties all resources together, and no order of trying helps.
    let tied = program("(p.n, q.n, r.n) == ('1', '2', 'x')");
    let verdict = tied.evaluate(&|_| Some(&p[..]));
    assert!(matches!(verdict, Verdict::TooLarge { index: 0, .. }), "{verdict:?}");
}

#[test]
fn what_is_looked_up_is_equal_as_python_has_it() {
    let p = [record(&[("n", "x")]), record(&[("n", "1")]), record(&[("n", "")])];
    let q = [record(&[("n", "1.5")]), record(&[("n", "1")]), record(&[("n", "nan")])];
    for (equation, expected) in [
        ("bool(p.n) == int(q.n)", true),
        ("int(p.n) == float(q.n)", true),
        ("bool(p.n) == q.n", false),
        ("[p.n] == [q.n]", true),
        ("(p.n,) == [q.n]", false),
        ("p == q", true),
        ("(p.m or 0j) == bool(q.m)", true),
        ("(p.m or None) == (q.m or None)", true),
        ("(p.m or b'a') == (q.m or b'a')", true),
        ("(p.m or b'a') == (q.m or 'a')", false),
        ("(float(q.n) < 2 or float(q.n)) == (p.m or float('nan'))", false),
        ("(p.m or 2j) == (q.m or 2j)", true),
        ("(p.m or 0.5) == (q.m or 0.5)", true),
    ] {
        assert_eq!(holds(&format!("({equation})"), &p, &q, &[]), expected, "{equation}");
    }
}

#[test]
fn one_part_that_is_too_large_does_not_keep_others_from_deciding() {
    let p = counted(5_000);
    let verdict = |text: &str| {
        let program = program(text);
        word(&program.evaluate_within(&|_| Some(&p[..]), 100_000))
    };
    assert_eq!(verdict("p.n < q.m"), "too large");
    assert_eq!(verdict("p.n == '1' or p.n < q.m"), "true");
    assert_eq!(verdict("p.n == 'x' and p.n < q.m"), "false");
    assert_eq!(verdict("p.n < q.m\np.n == 'x'"), "too large");
}

#[test]
fn long_expressions_and_values_end_soon() {
    let long = "1".repeat(1 << 16);
    let p: Vec<Record> = (0..200).map(|number| record(&[("n", &format!("{long}{number}"))])).collect();
    let texts = [
        "int(p.n) == int(q.n) and p.m".to_owned(),
        "(p.n in q.n and p.n < q.n and p.n == 'x')".to_owned(),
        format!("({}) and p.n == 'x'", vec!["(p.n == q.m or p.m == q.n)"; 1_000].join(" and ")),
        format!("({} or p.m) and p.n != q.n", vec!["p.n < q.m and q.n < p.m"; 1_000].join(" or ")),
        format!("p.n in [{}]", vec!["q.n"; 8_000].join(",")),
    ];
    let words: Vec<&str> = texts.iter().map(|text| word(&program(text).evaluate(&|_| Some(&p[..])))).collect();
    assert_eq!(words, ["false", "false", "false", "too large", "true"]);
}

/// Parts of expressions over `p`, `q` and `r` whose fields are `x` and `y`.
fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[pqr]\\.[xy]",
        1 => "[pqr]",
        2 => "int\\([pqr]\\.[xy]\\)",
        1 => "len\\([pqr]\\.[xy]\\)",
        1 => "float\\([pqr]\\.[xy]\\)",
        1 => "bool\\([pqr]\\.[xy]\\)",
        1 => "\\[[pqr]\\.[xy]\\]",
        1 => "\\[[pqr]\\.x, [pqr]\\]",
        3 => prop::sample::select(vec!["'1'", "'a'", "''", "1", "2.0", "None", "True", "['1', 1]", "('a', '2')"])
            .prop_map(str::to_owned),
    ]
}

fn comparison() -> impl Strategy<Value = String> {
    let sign = || prop::sample::select(vec!["==", "==", "==", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "is"]);
    prop_oneof![
        1 => atom(),
        6 => (atom(), sign(), atom()).prop_map(|(one, sign, other)| format!("{one} {sign} {other}")),
        1 => (atom(), sign(), atom(), sign(), atom())
            .prop_map(|(one, sign, other, last_sign, last)| format!("{one} {sign} {other} {last_sign} {last}")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        let operand = prop_oneof![inner.clone(), inner.prop_map(|inner| format!("({inner})"))];
        (prop::collection::vec(operand, 2..4), prop::sample::select(vec![" and ", " or ", " or"]))
            .prop_map(|(operands, word)| operands.join(word).replace(" orp", " or p").replace(" orq", " or q"))
            .prop_map(|text| text.replace(" orr", " or r"))
    })
}

fn records(most: usize) -> impl Strategy<Value = Vec<Record>> {
    let value = || prop::sample::select(vec!["1", "2", "a", "", "1.0", "01", "b"]);
    let fields = (prop::option::weighted(0.9, value()), prop::option::weighted(0.8, value()));
    let record = fields.prop_map(|(x, y)| {
        [("x", x), ("y", y)].into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Record>()
    });
    prop::collection::vec(record, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn searching_says_what_trying_every_combination_says(
        text in expression(),
        p in records(9),
        q in records(9),
        r in records(9),
    ) {
        let Ok(program) = Program::compile(&text, None, &[]) else { return Ok(()) };
        let all = |id: &str| Some(match id {
            "p" => &p[..],
            "q" => &q[..],
            _ => &r[..],
        });
        for expression in program.expressions() {
            let lists: Vec<&[Record]> = expression.resources().iter().filter_map(|id| all(id)).collect();
            let naively = Some(expression.holds_naively(&lists));
            prop_assert_eq!(expression.holds(&all, &mut Meter::new(u64::MAX)), naively, "{}", text);
            prop_assert_eq!(expression.holds(&all, &mut Meter::that_splits(u64::MAX)), naively, "{}", text);
        }
    }

    #[test]
    fn any_program_is_compiled_and_evaluated(text in "([pqr]\\.[xy]|[pqr'(), 1\n]| (and|or|in|not|==|<) |int\\()*", p in records(4)) {
        if let Ok(program) = Program::compile(&text, Some("n"), &[]) {
            let verdict = program.evaluate_within(&|_| Some(&p[..]), 10_000);
            prop_assert!(verdict.holds() || !program.expressions().is_empty());
        }
    }
}
