//! What the answers should be: the same database, kept as plain maps and asked in the slowest way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use testyard::domain::spec::Spec;

use super::given::{spec, texts};

/// Stands for all specs.
pub(super) const ALL: &str = ":all:";

/// The recorder's word for the time when a selection was made.
pub(super) const CREATED: &str = "<iso8601 local time>";

/// A database.
#[derive(Default)]
pub(super) struct Oracle {
    specs: BTreeMap<String, (Spec, f64)>,
    /// By spec and session.
    results: BTreeMap<(String, String), Value>,
    selections: BTreeMap<String, (BTreeSet<String>, Map<String, Value>)>,
}

impl Oracle {
    pub(super) fn put(&mut self, given: &[&Value]) {
        for given in given {
            let spec = spec(given);
            self.specs.insert(spec.id.clone(), (spec, given["mtime"].as_f64().unwrap_or_default()));
        }
    }

    pub(super) fn record(&mut self, id: &str, session: &str, result: Value) {
        self.results.insert((id.to_owned(), session.to_owned()), result);
    }

    /// Whether the spec is stored.
    pub(super) fn has(&self, id: &str) -> bool {
        self.specs.contains_key(id)
    }

    /// Whether a spec depends on one that is not stored.
    pub(super) fn is_dangling(&self) -> bool {
        self.pairs().iter().any(|(_, on)| !self.has(on))
    }

    /// Whether all that these depend on is among them.
    pub(super) fn is_closed(&self, ids: &BTreeSet<String>) -> bool {
        self.upstream(ids).is_subset(ids)
    }

    /// Whether a result that still waits was recorded, which Canary judges anew before it stores it.
    pub(super) fn has_waiting(&self) -> bool {
        self.results.values().any(|result| result["status"]["state"] == "PENDING")
    }

    fn is_selection(&self, tag: &str) -> bool {
        self.selections.contains_key(tag)
    }

    /// The members of a selection, stored or not.
    pub(super) fn members(&self, tag: &str) -> BTreeSet<String> {
        self.selections.get(tag).map(|(ids, _)| ids.clone()).unwrap_or_default()
    }

    /// A time of the newest result of a spec; null where there is no result.
    pub(super) fn newest_time(&self, id: &str, name: &str) -> Value {
        self.newest(id).map_or(Value::Null, |result| result["timekeeper"][name].clone())
    }

    /// The answer to a step that asks, or that changes selections.
    pub(super) fn answer(&mut self, step: &Value) -> Value {
        let text = |member: &str| step[member].as_str().unwrap_or_default();
        match step["op"].as_str().unwrap() {
            "graph" => {
                let lists = self.specs.iter().map(|(id, (spec, _))| {
                    let on: Vec<&str> = spec.dependencies.iter().map(|on| on.id.as_str()).collect();
                    (id.clone(), json!(on))
                });
                json!({"graph": lists.collect::<Map<_, _>>()})
            }
            "edges" => {
                let asked = texts(&step["ids"]);
                let pairs: BTreeSet<(String, String)> =
                    self.pairs().into_iter().filter(|(spec, _)| asked.is_empty() || asked.contains(spec)).collect();
                json!({"edges": pairs})
            }
            "upstream" => json!({"ids": self.upstream(&seeds(&step["seeds"]))}),
            "downstream" => json!({"ids": self.downstream(&seeds(&step["seeds"]))}),
            "updownstream" => {
                let (up, down) = self.up_down(&seeds(&step["seeds"]));
                json!({"upstream": up, "downstream": down})
            }
            "resolve_one" => match self.resolve(text("id")) {
                Ok(id) => json!({"id": id}),
                Err("ambiguous") => error("ambiguous"),
                Err(_) => json!({"id": null}),
            },
            "resolve_many" => match self.resolve_many(&texts(&step["ids"])) {
                Ok(ids) => json!({"ids": ids}),
                Err(kind) => error(kind),
            },
            "load_specs" => {
                let asked = texts(&step["ids"]);
                if asked.is_empty() {
                    return self.loaded(&self.specs.keys().cloned().collect());
                }
                match self.resolve_many(&asked) {
                    Ok(mut ids) => {
                        if step["include_upstreams"] == true {
                            ids.extend(self.upstream(&ids));
                        }
                        self.loaded(&ids)
                    }
                    Err(kind) => error(kind),
                }
            }
            "load_by_tag" if self.is_selection(text("tag")) => self.loaded(&self.members(text("tag"))),
            "get_results" => {
                let asked = texts(&step["ids"]);
                let ids = if asked.is_empty() {
                    Ok(self.results.keys().map(|(id, _)| id.clone()).collect())
                } else {
                    self.resolve_many(&asked)
                };
                match ids {
                    Ok(mut ids) => {
                        if step["include_upstreams"] == true {
                            ids.extend(self.upstream(&ids));
                        }
                        let newest = ids.into_iter().filter_map(|id| Some((id.clone(), self.newest(&id)?.clone())));
                        json!({"results": newest.collect::<Map<_, _>>()})
                    }
                    Err(kind) => error(kind),
                }
            }
            "history" => self.history(text("id")),
            "partial_specs" => self.partials(step["tag"].as_str()),
            "put_selection" => self.put_selection(text("tag"), &step["ids"], &step["meta"]),
            "rename_selection" => self.rename(text("old"), text("new")),
            "delete_selection" => json!({"deleted": self.selections.remove(text("tag")).is_some()}),
            "is_selection" => json!({"is_selection": self.is_selection(text("tag"))}),
            "tags" => json!({"tags": self.selections.keys().collect::<Vec<_>>()}),
            "selection_metadata" if self.is_selection(text("tag")) => {
                let mut metadata = self.selections[text("tag")].1.clone();
                metadata.insert("created_on".into(), json!(CREATED));
                metadata.insert("tag".into(), json!(text("tag")));
                json!({"metadata": metadata})
            }
            "load_by_tag" | "selection_metadata" => error("not_a_selection"),
            "select_from_view" => json!({"ids": self.by_view(&texts(&step["patterns"]))}),
            "rerun_ids" => match self.picked(text("strategy"), step["tag"].as_str()) {
                Some(ids) => json!({"ids": ids}),
                None => error("unknown_strategy"),
            },
            "rerun_specs" => match self.picked(text("strategy"), step["tag"].as_str()) {
                Some(roots) => self.rerun(&roots),
                None => error("unknown_strategy"),
            },
            "rerun_closure" => self.rerun(&seeds(&step["roots"])),
            "rerun_from_view" => self.rerun(&self.by_view(&texts(&step["patterns"]))),
            other => panic!("{other}"),
        }
    }

    fn pairs(&self) -> BTreeSet<(String, String)> {
        let of = |(id, (spec, _)): (&String, &(Spec, f64))| {
            spec.dependencies.iter().map(|on| (id.clone(), on.id.clone())).collect::<Vec<_>>()
        };
        self.specs.iter().flat_map(of).collect()
    }

    fn upstream(&self, seeds: &BTreeSet<String>) -> BTreeSet<String> {
        reached(seeds, &self.pairs())
    }

    fn downstream(&self, seeds: &BTreeSet<String>) -> BTreeSet<String> {
        reached(seeds, &self.pairs().into_iter().map(|(spec, on)| (on, spec)).collect())
    }

    fn up_down(&self, seeds: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
        let down = self.downstream(seeds);
        (self.upstream(&seeds.union(&down).cloned().collect()), down)
    }

    fn resolve(&self, text: &str) -> Result<String, &'static str> {
        let text = digits(text)?;
        let found: Vec<&String> = self.specs.keys().filter(|id| id.starts_with(&text)).collect();
        match found.as_slice() {
            [] => Err("not_found"),
            [id] => Ok((*id).clone()),
            several if several.contains(&&text) => Ok(text),
            _ => Err("ambiguous"),
        }
    }

    fn resolve_many(&self, asked: &[String]) -> Result<BTreeSet<String>, &'static str> {
        let resolve = |text: &String| match digits(text)? {
            whole if whole.len() >= 64 => Ok(whole),
            _ => self.resolve(text),
        };
        asked.iter().map(resolve).collect()
    }

    fn loaded(&self, ids: &BTreeSet<String>) -> Value {
        let stored = ids.iter().filter_map(|id| self.specs.get(id));
        json!({"specs": stored.map(|(spec, _)| shown(spec)).collect::<Vec<_>>()})
    }

    fn newest(&self, id: &str) -> Option<&Value> {
        let of_spec = self.results.iter().filter(|((spec, _), _)| spec == id);
        of_spec.max_by_key(|((_, session), _)| session).map(|(_, result)| result)
    }

    fn history(&self, prefix: &str) -> Value {
        let mut found: Vec<_> = self.results.iter().filter(|((id, _), _)| id.starts_with(prefix)).collect();
        found.sort_by_key(|((id, session), _)| (session, id));
        let told = found.into_iter().map(|((id, session), result)| {
            let status = &result["status"];
            json!({"id": id, "session": session, "category": status["category"], "status": status["status"]})
        });
        json!({"history": told.collect::<Vec<_>>()})
    }

    fn tagged(&self, tag: Option<&str>) -> Vec<&(Spec, f64)> {
        let is_in = |id: &String| tag.is_none_or(|tag| tag == ALL || self.members(tag).contains(id));
        self.specs.iter().filter(|(id, _)| is_in(id)).map(|(_, spec)| spec).collect()
    }

    fn partials(&self, tag: Option<&str>) -> Value {
        let told = self.tagged(tag).into_iter().map(|(spec, _)| {
            let status = self.newest(&spec.id).map(|result| &result["status"]);
            json!({
                "id": spec.id, "file": spec.file(), "view": spec.view(),
                "result_category": status.map(|status| &status["category"]),
                "result_status": status.map(|status| &status["status"]),
                "started_at": self.newest_time(&spec.id, "started"),
            })
        });
        json!({"partial": told.collect::<Vec<_>>()})
    }

    fn put_selection(&mut self, tag: &str, ids: &Value, metadata: &Value) -> Value {
        if tag == ALL || tag.is_empty() {
            return error("reserved");
        }
        let members = match self.resolve_many(&texts(ids)) {
            Ok(members) => members,
            Err(kind) => return error(kind),
        };
        if members.is_empty() {
            self.selections.remove(tag);
        } else {
            let mut metadata = metadata.as_object().cloned().unwrap_or_default();
            metadata.remove("created_on");
            self.selections.insert(tag.to_owned(), (members, metadata));
        }
        Value::Null
    }

    fn rename(&mut self, old: &str, new: &str) -> Value {
        if new == ALL || new.is_empty() {
            return error("reserved");
        }
        if !self.is_selection(old) {
            return error("not_a_selection");
        }
        if old != new && self.is_selection(new) {
            return error("duplicate");
        }
        if let Some(selection) = self.selections.remove(old) {
            self.selections.insert(new.to_owned(), selection);
        }
        Value::Null
    }

    fn by_view(&self, patterns: &[String]) -> BTreeSet<String> {
        let matches = |spec: &Spec| {
            patterns.iter().any(|pattern| {
                let is_pattern = pattern.ends_with('%');
                if is_pattern { is_like(&folded(pattern), &folded(&spec.view())) } else { *pattern == spec.view() }
            })
        };
        self.specs.iter().filter(|(_, (spec, _))| matches(spec)).map(|(id, _)| id.clone()).collect()
    }

    /// What a strategy picks; none for a word that is no strategy.
    fn picked(&self, strategy: &str, tag: Option<&str>) -> Option<BTreeSet<String>> {
        if !["all", "failed", "not_pass", "not_run", "changed"].contains(&strategy) {
            return None;
        }
        let is_picked = |spec: &Spec, changed: f64| {
            let newest = self.newest(&spec.id);
            let category = newest.map_or("NONE", |result| result["status"]["category"].as_str().unwrap());
            match strategy {
                "failed" => category == "FAIL",
                "not_pass" => category != "PASS",
                "not_run" => category == "NONE",
                "changed" => {
                    let time = |name: &str| newest.map_or(-1.0, |result| result["timekeeper"][name].as_f64().unwrap());
                    let ran = if time("started") < 0.0 { time("finished") } else { time("started") };
                    changed > ran
                }
                _ => true,
            }
        };
        let specs = self.tagged(tag).into_iter();
        Some(specs.filter(|(spec, changed)| is_picked(spec, *changed)).map(|(spec, _)| spec.id.clone()).collect())
    }

    fn rerun(&self, roots: &BTreeSet<String>) -> Value {
        if roots.iter().any(|id| !self.has(id)) {
            return error("not_found");
        }
        let (up, down) = self.up_down(roots);
        let run: BTreeSet<String> = roots.union(&down).cloned().collect();
        let masked = up.difference(&run).map(|id| (id.clone(), json!({"class": "upstream_only"})));
        json!({"masked": masked.collect::<Map<_, _>>(), "run": run})
    }
}

/// An answer that refuses.
pub(super) fn error(kind: &str) -> Value {
    json!({ "error": kind })
}

/// A spec as the recorder shows one.
pub(super) fn shown(spec: &Spec) -> Value {
    let mut dependencies: Vec<_> = spec.dependencies.iter().collect();
    dependencies.sort_by_key(|on| &on.id);
    let dependencies: Vec<Value> = dependencies.iter().map(|on| json!({"id": on.id, "when": on.when})).collect();
    json!({
        "id": spec.id, "name": spec.name(), "dependencies": dependencies,
        "mask": spec.mask.as_ref().map(|text| json!({"class": "custom", "text": text})),
        "keywords": spec.keywords, "parameters": spec.parameters,
    })
}

fn seeds(ids: &Value) -> BTreeSet<String> {
    texts(ids).into_iter().collect()
}

/// All that is reached from the seeds by one step or more.
fn reached(seeds: &BTreeSet<String>, steps: &BTreeSet<(String, String)>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    loop {
        let next = steps.iter().filter(|(from, _)| seeds.contains(from) || reached.contains(from));
        let next: BTreeSet<String> = next.map(|(_, to)| to.clone()).collect();
        if next.is_subset(&reached) {
            return reached;
        }
        reached.extend(next);
    }
}

/// The digits of a beginning of an id.
fn digits(text: &str) -> Result<String, &'static str> {
    let text = text.strip_prefix('/').unwrap_or(text).to_ascii_lowercase();
    let is_hex = !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex { Ok(text) } else { Err("invalid_prefix") }
}

fn folded(text: &str) -> Vec<char> {
    text.chars().map(|c| c.to_ascii_lowercase()).collect()
}

fn is_like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        (['%', rest @ ..], _) => (0..=text.len()).any(|skipped| is_like(rest, &text[skipped..])),
        (['_', rest @ ..], [_, after @ ..]) => is_like(rest, after),
        ([own, rest @ ..], [c, after @ ..]) => own == c && is_like(rest, after),
        (_, []) => false,
    }
}
