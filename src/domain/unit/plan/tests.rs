use super::*;
use crate::domain::unit::FieldValue;

fn plan(id: &str, fields: &[(&str, &str)]) -> Unit {
    let own = [("id", id), ("unit", "test plan")];
    let fields = own.iter().chain(fields);
    Unit::new(Some("n"), None, fields.map(|(name, value)| ((*name).to_owned(), FieldValue::from(*value))).collect())
}

fn read(units: &[Unit]) -> TestPlan {
    TestPlan::read(&units[0], &|id| units.iter().find(|unit| unit.id() == Some(id)).cloned()).unwrap()
}

#[test]
fn plans_in_circles_are_read_once() {
    let units = [
        plan("p", &[("nested_part", "q r p")]),
        plan("q", &[("nested_part", "r p"), ("bootstrap_include", "a")]),
        plan("r", &[("nested_part", "q ghost"), ("bootstrap_include", "b a")]),
    ];
    let plan = read(&units);
    assert_eq!(plan.parts().collect::<Vec<_>>(), ["n::p", "n::q", "n::r"]);
    assert_eq!(plan.nested(), ["n::q", "n::r", "n::p"]);
    assert_eq!(plan.bootstrap_ids(), ["n::a", "n::b"]);
    assert_eq!(plan.unknown(), [UnknownPart { plan: "n::r".to_owned(), id: "n::ghost".to_owned() }]);
}

#[test]
fn plans_that_all_name_the_next_two_are_read_in_a_moment() {
    let units: Vec<_> =
        (0..300).map(|n| plan(&format!("p{n}"), &[("nested_part", &format!("p{} p{}", n + 1, n + 2))])).collect();
    assert_eq!(read(&units).parts().count(), 300);
}

#[test]
fn errors_name_the_plan_the_field_and_the_line() {
    let error = read(&[plan("p", &[("include", "a\n\nb c"), ("exclude", "[")])]).include().unwrap_err();
    assert_eq!(error.to_string(), "test plan `n::p`, `include`, line 3: want `=` after the field to override");
    let error = read(&[plan("p", &[("exclude", "[")])]).include().unwrap_err();
    assert!(error.to_string().starts_with("test plan `n::p`, `exclude`, line 1: `[` is no pattern: "), "{error}");
    let job = Unit::new(None, None, BTreeMap::new());
    let refused = TestPlan::read(&job, &|_| None).unwrap_err();
    assert_eq!(refused, PlanError::OtherKind(Kind::Job));
}

#[test]
fn overrides_of_one_pattern_are_gathered() {
    let units = [
        plan(
            "p",
            &[
                ("include", "b auto-retry=no\na certification-status=blocker"),
                ("certification_status_overrides", "apply non-blocker to a\nnonsense"),
                ("nested_part", "q"),
            ],
        ),
        plan("q", &[("include", "a x-y=1"), ("category_overrides", "apply c to a")]),
    ];
    let overrides = read(&units).overrides().unwrap();
    let all: Vec<_> = overrides.iter().map(|one| (one.text().to_owned(), one.values().to_vec())).collect();
    let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
    let a =
        vec![pair("certification_status", "blocker"), pair("x_y", "1"), pair("certification_status", "non-blocker")];
    let b = vec![pair("auto_retry", "no")];
    assert_eq!(all, [("^n::a$".to_owned(), a), ("^n::b$".to_owned(), b)]);
    assert_eq!(overrides.unknown_field().map(|unknown| unknown.field), Some("x_y".to_owned()));
}
