use super::*;
use crate::domain::unit::Unit;
use std::collections::BTreeMap;

fn job(id: &str, template: Option<&str>) -> Job {
    let fields = BTreeMap::from([("id".to_owned(), FieldValue::from(id))]);
    let unit = match template {
        None => Unit::new(None, None, fields),
        Some(_) => Unit::instance(&Unit::new(None, None, BTreeMap::new()), fields, BTreeMap::new(), template),
    };
    Job::read(&unit).unwrap()
}

fn id(id: &str) -> Test {
    Test::Id(id.to_owned())
}

#[test]
fn an_id_chooses_the_instances_of_a_template_too() {
    let jobs = [job("t1", Some("t")), job("x", None), job("t2", Some("t"))];
    assert_eq!(select(&jobs, &[Qualifier::including(id("t"))]), Ok(vec![0, 2]));
    let but = [Qualifier::including(Test::Pattern(Pattern::new("").unwrap())), Qualifier::excluding(id("t"))];
    assert_eq!(select(&jobs, &but), Ok(vec![1]));
    let entry = Qualifier::including(Test::Entry(Pattern::new("t$").unwrap()));
    assert_eq!(select(&jobs, &[entry]), Ok(vec![]), "the pattern of a plan looks at ids of jobs only");
}

#[test]
fn a_vote_against_goes_before_votes_for() {
    let any = |list| Qualifier::including(Test::AnyOf(list));
    let both = any(vec![Qualifier::including(id("a")), any(vec![Qualifier::excluding(id("a"))])]);
    assert_eq!(both.vote(&job("a", None)), Ok(Vote::Exclude));
    assert_eq!(both.vote(&job("b", None)), Ok(Vote::Ignore));
    assert_eq!(any(vec![Qualifier::including(id("a"))]).vote(&job("a", None)), Ok(Vote::Include));
    let field = Test::Field { field: "user".to_owned(), pattern: Pattern::new("").unwrap() };
    assert_eq!(Qualifier::including(field).vote(&job("a", None)), Ok(Vote::Ignore), "a field that is not there");
}

#[test]
fn choosing_is_deep_and_wide_without_harm() {
    let mut nested = Qualifier::including(id("a"));
    for _ in 0..1_000 {
        nested = Qualifier::including(Test::AnyOf(vec![nested]));
    }
    assert_eq!(select(&[job("a", None)], &[nested]), Ok(vec![0]));
    let jobs: Vec<_> = (0..2_000).map(|number| job(&format!("j{number}"), None)).collect();
    let all: Vec<_> = (0..2_000).rev().map(|number| Qualifier::including(id(&format!("j{number}")))).collect();
    assert_eq!(select(&jobs, &all), Ok((0..2_000).rev().collect()));
}
