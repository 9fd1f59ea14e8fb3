//! What directives take, found by comparing everything with everything.

use crate::domain::glob::Glob;
use crate::domain::spec::document::Draft;

/// The places that each directive of each test takes. Patterns are words without quotation marks and backslashes.
pub(super) fn taken(drafts: &[Draft]) -> Vec<Vec<Vec<usize>>> {
    let of_directive = |asking: usize, text: &str| {
        let mut taken: Vec<usize> = Vec::new();
        for word in text.split_whitespace() {
            let mut pattern = word.to_owned();
            for (name, value) in &drafts[asking].spec.parameters {
                pattern = pattern.replace(&format!("${{{name}}}"), &crate::domain::spec::name::rendered(value));
            }
            for place in hits(drafts, asking, &pattern) {
                if !taken.contains(&place) {
                    taken.push(place);
                }
            }
        }
        taken
    };
    let of_draft =
        |(place, draft): (usize, &Draft)| draft.depends_on.iter().map(|it| of_directive(place, &it.pattern)).collect();
    drafts.iter().enumerate().map(of_draft).collect()
}

fn hits(drafts: &[Draft], asking: usize, pattern: &str) -> Vec<usize> {
    let places = |takes: &dyn Fn(&Draft) -> bool| -> Vec<usize> {
        (0..drafts.len()).filter(|place| *place != asking && takes(&drafts[*place])).collect()
    };
    let names = |draft: &Draft| {
        let spec = &draft.spec;
        [spec.name(), spec.family.clone(), spec.fullname(), spec.file_path.clone()]
    };
    let by_id = drafts.iter().any(|draft| draft.spec.id == pattern);
    let exact = if by_id {
        places(&|draft| draft.spec.id == pattern)
    } else {
        places(&|draft| names(draft).iter().any(|name| name == pattern))
    };
    if !exact.is_empty() {
        return exact;
    }
    let glob = Glob::new(pattern);
    let takes = |text: &String| glob.matches(text);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for place in places(&|draft| takes(&draft.spec.id) || names(draft).iter().any(takes)) {
        if drafts[place].depends_on.is_empty() { without.push(place) } else { with.push(place) }
    }
    with.extend(without);
    with
}
