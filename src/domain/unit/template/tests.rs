use serde_json::json;

use super::*;
use crate::domain::unit::golden_tests::unit;

fn template(extra: &serde_json::Value) -> Template {
    let mut fields = json!({
        "unit": "template", "template-resource": "dev", "id": "disk-{path}", "plugin": "shell", "command": "true",
        "_summary": "Test {path}",
    });
    for (name, value) in extra.as_object().unwrap() {
        fields[name] = value.clone();
    }
    Template::read(&unit(Some("org.t"), &fields)).expect("a template")
}

fn record(fields: serde_json::Value) -> Record {
    serde_json::from_value(fields).expect("a record")
}

fn units(instances: &[Instance]) -> Vec<&Unit> {
    instances.iter().filter_map(Instance::unit).collect()
}

#[test]
fn ids_of_templates_and_resources_are_full_ones() {
    let plain = template(&json!({}));
    assert_eq!((plain.id(), plain.resource_id(), plain.kind()), (Some("org.t::disk-path"), "org.t::dev", &Kind::Job));
    let named =
        template(&json!({"template-id": "disks", "template-resource": "org.o::dev", "template-unit": "category"}));
    assert_eq!((named.id(), named.resource_id(), named.kind()), (Some("org.t::disks"), "org.o::dev", &Kind::Category));
    let imported = template(&json!({"template-imports": "from org.o import dev"}));
    assert_eq!(imported.resource_id(), "org.o::dev");
    let renamed = template(&json!({"template-imports": "from org.o import dev as x", "template-resource": "x"}));
    assert_eq!(renamed.resource_id(), "org.o::dev");
}

#[test]
fn an_instance_has_the_fields_filled_in_and_the_parameters_that_are_mentioned() {
    let instances = template(&json!({})).instances(&[record(json!({"path": "sda", "noise": "1"}))], false);
    let made = units(&instances)[0];
    assert_eq!(made.id(), Some("org.t::disk-sda"));
    assert_eq!((made.text("summary"), made.text("unit")), (Some("Test sda"), Some("job")));
    assert_eq!(made.template_id(), Some("org.t::disk-path"));
    assert_eq!(made.parameters().unwrap(), &BTreeMap::from([("path".to_owned(), "sda".to_owned())]));
    assert!(made.fields().keys().all(|name| !name.contains("template-")));
}

#[test]
fn the_number_of_a_record_matters_only_where_it_is_mentioned() {
    let (one, two) = (record(json!({"path": "sda"})), record(json!({"path": "sdb"})));
    let plain = template(&json!({}));
    let (before, after) =
        (plain.instances(&[one.clone(), two.clone()], false), plain.instances(&[two.clone(), one.clone()], false));
    assert_eq!(units(&before)[0], units(&after)[1]);
    let twice = plain.instances(&[one.clone(), one.clone()], false);
    assert_eq!(units(&twice)[0], units(&twice)[1]);

    let counted = template(&json!({"summary": "{__index__}", "_summary": "{__index__:02} {path}"}));
    let (before, after) =
        (counted.instances(&[one.clone(), two.clone()], false), counted.instances(&[two, one], false));
    assert_ne!(units(&before)[0], units(&after)[1]);
    assert_eq!(units(&before)[1].text("summary"), Some("02 sdb"));
}

#[test]
fn what_comes_to_no_unit_says_why() {
    let records = [record(json!({"other": "1"})), record(json!({"path": "a::b"})), record(json!({"path": "ok"}))];
    let instances = template(&json!({})).instances(&records, false);
    let [
        Instance::Dropped { record: 0, reason: missing },
        Instance::Dropped { record: 1, reason: bad },
        Instance::Made { record: 2, .. },
    ] = instances.as_slice()
    else {
        panic!("{instances:?}");
    };
    let Dropped::Unrendered { fields } = missing else { panic!("{missing}") };
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["_summary", "id"]);
    assert!(matches!(bad, Dropped::Invalid { issues } if issues[0].field == "id"), "{bad}");
    assert!(missing.is_fault() && bad.is_fault());
    let stored = serde_json::to_value(missing).unwrap();
    assert_eq!(&serde_json::from_value::<Dropped>(stored).unwrap(), missing);
}

#[test]
fn strict_expansion_makes_jobs_that_fail_and_say_why() {
    let records = [record(json!({"path": "it's"})), record(json!({"other": "1"}))];
    let bad = template(&json!({"user": "bob", "_certification-status": "blocker"})).instances(&records, true);
    let [Instance::Failing { unit: first, .. }, Instance::Failing { unit: second, .. }] = bad.as_slice() else {
        panic!("{bad:?}");
    };
    assert_eq!((first.id(), second.id()), (Some("org.t::disk-it's"), Some("org.t::disk-MISSING_PARAM_2")));
    assert_eq!(first.text("certification-status"), Some("blocker"), "what blocks a certificate still does");
    let command = first.text("command").unwrap();
    assert!(command.ends_with("exit 1") && command.contains("`bob` will not do"), "{command}");
    for unit in [first, second] {
        assert_eq!(check::check(unit).iter().filter(|issue| issue.severity == check::Severity::Error).count(), 0);
        assert_eq!((unit.text("user"), unit.text("plugin")), (None, Some("shell")));
    }
}

#[test]
fn strict_expansion_finds_an_id_where_the_template_has_none_that_can_be_read() {
    let bad = template(&json!({"id": "disk-{path!x}"})).instances(&[record(json!({"path": "sda"}))], true);
    assert_eq!(units(&bad)[0].id(), Some("org.t::disk-pathx-1"));
    let category = template(&json!({"template-unit": "category"})).instances(&[record(json!({"path": "sda"}))], true);
    assert!(matches!(category.as_slice(), [Instance::Dropped { .. }]), "a category is no job that could fail");
}

#[test]
fn lists_and_maps_are_filled_in_too() {
    let fields = json!({"environ": ["A={path}", 1], "x": {"k": {"l": "{path}"}}});
    let rendering = template(&fields).render(&record(json!({"path": "sda"})), 1, None);
    assert_eq!(serde_json::to_value(rendering.fields["environ"].as_ref().unwrap()).unwrap(), json!(["A=sda", 1]));
    assert_eq!(serde_json::to_value(rendering.fields["x"].as_ref().unwrap()).unwrap(), json!({"k": {"l": "sda"}}));
    let mut deep = json!("{path}");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let rendering = template(&json!({"environ": deep})).render(&record(json!({"path": "sda"})), 1, None);
    assert_eq!(rendering.fields["environ"], Err(RenderError::TooDeep { most: 32 }));
}

#[test]
fn jinja_is_another_engine() {
    let jinja = template(&json!({
        "template-engine": "jinja2", "id": "j-{{ path }}", "_summary": "{% if __index__ == 2 %}second{% endif %}",
    }));
    let instances = jinja.instances(&[record(json!({"path": "a"})), record(json!({"path": "b"}))], false);
    assert_eq!(units(&instances)[1].text("summary"), Some("second"));
    assert_eq!(units(&instances)[1].id(), Some("org.t::j-b"));
    assert_eq!(jinja.id(), Some("org.t::j-path"));
}

#[test]
fn what_is_no_template_says_why() {
    let read = |fields| Template::read(&unit(None, &fields)).expect_err("no template");
    assert_eq!(read(json!({"id": "a"})), TemplateError::OtherKind(Kind::Job));
    assert_eq!(read(json!({"unit": "template"})), TemplateError::NoResource);
    assert_eq!(
        read(json!({"unit": "template", "template-resource": "r", "template-engine": "m4"})),
        TemplateError::Engine("m4".into())
    );
    let imports = "from a import r\nfrom b import r2";
    assert_eq!(
        read(json!({"unit": "template", "template-resource": "r", "template-imports": imports})),
        TemplateError::ManyImports(2)
    );
    let other = read(json!({"unit": "template", "template-resource": "r", "template-filter": "other.x == '1'"}));
    assert_eq!(other.field(), "template-filter");
}
