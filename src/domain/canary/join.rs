//! Specs of a Canary workspace as specs of ours.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::domain::canary::spec::{ImportedArtifact, ImportedAsset, ImportedSpec};
use crate::domain::fault::Fault;
use crate::domain::spec::{
    Artifact, ArtifactWhen, Asset, Baseline, DEFAULT_STDOUT, Dependency, EXECPATH, Modification, Spec, Timeouts, check,
};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

/// A spec that was taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// The spec, filled in and checked.
    pub spec: Spec,
    /// What of Canary's spec is not in it, each with the reason.
    pub left_out: Vec<String>,
}

/// The spec that a spec of Canary's is here. `dependencies` are the ids of what it waits for, in the order of the rows of
/// `spec_deps` (by `rowid`), in which its wanted results stand.
///
/// How a spec is started does not decide which spec it is: a baseline, an artifact, an asset or a change of the environment
/// that has no place here is left out. What says which spec it is must be right.
///
/// # Errors
/// What no spec can have, and where.
pub fn join(imported: ImportedSpec, dependencies: Vec<String>, timeouts: &Timeouts) -> Result<Joined, Vec<Fault>> {
    let fault = |pointer: &str, detail: String| vec![Fault::new(pointer, detail)];
    let dependencies =
        imported.dependencies(dependencies).map_err(|error| fault("/dependencies", error.to_string()))?;
    let xstatus = i32::try_from(imported.xstatus)
        .map_err(|_| fault("/xstatus", format!("want a whole number of 32 bits, not {}", imported.xstatus)))?;
    let mut left_out = imported.left_out;
    let mut attributes: BTreeMap<String, Json> = imported.attributes.into_iter().collect();
    if attributes.get(EXECPATH).is_some_and(Json::is_null) {
        attributes.remove(EXECPATH);
    }
    let mut spec = Spec {
        id: imported.id,
        file_root: imported.file_root,
        file_path: imported.file_path,
        family: imported.family,
        parameters: imported.parameters.into_iter().collect(),
        meta_parameters: imported.meta_parameters.into_iter().collect(),
        keywords: imported.keywords,
        owners: imported.owners,
        dependencies: dependencies.into_iter().map(|it| Dependency { id: it.id, when: it.wanted }).collect(),
        timeout: imported.timeout_s,
        xstatus,
        exclusive: imported.exclusive,
        mask: imported.mask,
        assets: kept("the asset", imported.assets, asset, &mut left_out),
        baseline: kept("the baseline", imported.baseline, baseline, &mut left_out),
        artifacts: kept("the artifact", imported.artifacts, artifact, &mut left_out),
        attributes,
        stdout: Some(imported.stdout).filter(|file| !file.is_empty()).unwrap_or_else(|| DEFAULT_STDOUT.to_owned()),
        stderr: imported.stderr,
        preload: imported.preload,
        modules: imported.modules.unwrap_or_default(),
        rcfiles: imported.rcfiles.unwrap_or_default(),
        environment: environment(imported.environment, &mut left_out),
        environment_modifications: kept(
            "the change of the environment",
            imported.environment_modifications,
            modification,
            &mut left_out,
        ),
        ..Spec::default()
    };
    spec.fill(timeouts);
    check::check(&spec)?;
    Ok(Joined { spec, left_out })
}

/// What of these has a place here; the others are told by their place in the list.
fn kept<F, T>(what: &str, from: Vec<F>, read: impl Fn(F) -> Result<T, String>, left_out: &mut Vec<String>) -> Vec<T> {
    let mut kept = Vec::with_capacity(from.len());
    for (place, one) in from.into_iter().enumerate() {
        match read(one) {
            Ok(read) => kept.push(read),
            Err(why) => left_out.push(format!("{what} {place}: {why}")),
        }
    }
    kept
}

fn asset(asset: ImportedAsset) -> Result<Asset, String> {
    let action = asset.action.parse().map_err(|error| format!("{error}"))?;
    Ok(Asset { src: asset.src, dst: asset.dst, action, sha256: None })
}

fn artifact(artifact: ImportedArtifact) -> Result<Artifact, String> {
    let when = match artifact.when.as_str() {
        // Directives are written with these words, and stored so.
        "failure" => ArtifactWhen::OnFailure,
        "success" => ArtifactWhen::OnSuccess,
        word => word.parse().map_err(|error| format!("{error}"))?,
    };
    Ok(Artifact { pattern: artifact.pattern, when })
}

fn baseline(value: Json) -> Result<Baseline, String> {
    serde_json::from_value(stated(value)).map_err(|error| short(&error))
}

fn modification(value: Json) -> Result<Modification, String> {
    let mut value = stated(value);
    if let Json::Object(members) = &mut value {
        // What is taken away gets no value, whatever stands there.
        if members.get("action").and_then(Json::as_str) == Some("unset") {
            members.remove("value");
        }
        if let Some(given) = members.get_mut("value") {
            *given = Json::String(text(given).ok_or("want a text as its value")?);
        }
    }
    serde_json::from_value(value).map_err(|error| short(&error))
}

/// An object without the members that are null: they are not stated.
fn stated(value: Json) -> Json {
    match value {
        Json::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

fn environment(from: Map<String, Json>, left_out: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (name, value) in from {
        match text(&value) {
            Some(value) => drop(variables.insert(name, value)),
            None => left_out.push(format!("the variable `{}`: want a text as its value", short(&name))),
        }
    }
    variables
}

/// A value of the environment: texts, and numbers as their digits.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Words that may repeat what was written, however long.
fn short(words: &impl ToString) -> String {
    words.to_string().chars().take(200).collect()
}
