//! Selections that are made, made anew, called otherwise and removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::app::condition::OnlyIf;
use crate::app::spec::hook::Hook;
use crate::app::spec::selection::ask::{Side, get, read};
use crate::app::spec::selection::choose::{Chosen, Round, Warning};
use crate::app::spec::selection::{Made, Wanted, check_hooks, check_metadata, check_rules, check_tag, no_such, what};
use crate::app::spec::{Specs, find, index};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::selection::rule::Rule;
use crate::domain::selection::selector::Selector;
use crate::domain::selection::snapshot::Difference;
use crate::store;
use crate::store::Conn;
use crate::store::selection::{NewMember, NewSelection};

/// What came of storing a selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The selection.
    pub made: Made,
    /// Whether there was none of its tag.
    pub is_new: bool,
    /// The hooks that failed without hindering it.
    pub warnings: Vec<Warning>,
}

/// Selects and stores under a tag what was selected and why not the others, over what was stored there. When it was made is
/// told by the service, so that a `created_on` in the metadata does not count. `None` if it was removed, being of no ids.
///
/// Hooks are asked while no transaction is open. Those that are told of the result are so after it is stored, so that
/// nobody hears of a selection that there is not; that such a one fails is a warning, even if it is not optional.
///
/// # Errors
/// [`AppError::PreconditionFailed`]; [`AppError::Faults`] for a tag that is none and for rules and hooks that are none, with
/// pointers; [`AppError::Conflict`] if a spec depends on one that is not stored, cannot be compared or read, or a snapshot
/// was taken of other specs; [`AppError::Hook`].
pub async fn put(
    specs: &Specs,
    tag: &str,
    wanted: Wanted,
    mut metadata: Map<String, Json>,
    by: Option<String>,
    only_if: OnlyIf,
) -> Result<Option<Put>> {
    check_tag(tag)?;
    metadata.remove("created_on");
    check_metadata(&metadata)?;
    if only_if != OnlyIf::Any {
        // Before anything is worked out and anybody asked; it is found out again where it counts.
        let mut db = specs.db.read().await?;
        let there = store::selection::get(&mut db.conn(), tag).await?;
        only_if.check(&what(tag), there.map(|selection| selection.revision))?;
    }
    let now = specs.now();
    let (revision, table) = index::latest(specs).await?;
    let spec_set_id = table.spec_set_id().to_string();
    let new = |rules: &[Rule]| NewSelection {
        tag: tag.to_owned(),
        now,
        created_by: by.clone(),
        spec_set_revision: revision,
        spec_set_id: spec_set_id.clone(),
        rules: documents(rules),
        metadata: metadata.clone(),
        hooks: Vec::new(),
        hook_rules: Vec::new(),
    };
    match wanted {
        Wanted::Ids(texts) => {
            let ids = find::resolve_many(specs, &texts).await?;
            store_ids(specs, &new(&[]), &ids, only_if).await
        }
        Wanted::WholeIds(ids) => store_ids(specs, &new(&[]), &ids, only_if).await,
        Wanted::Rules { rules, hooks } => {
            check_rules(&rules)?;
            check_hooks(specs, &hooks)?;
            let mut new = new(&rules);
            new.hooks = documents(&hooks);
            let mut round = Round::new(specs, Arc::clone(&table), &new, hooks);
            let chosen = round.select(rules).await?;
            new.hook_rules = documents(&round.added_rules);
            let (made, is_new) = store_members(specs, &new, &chosen.members(&table), only_if).await?;
            round.report(&chosen, made.selection.revision).await;
            Ok(Some(Put { made, is_new, warnings: round.warnings }))
        }
        Wanted::Snapshot { snapshot, anyway } => {
            if !anyway && !snapshot.is_compatible_with(&table) {
                return Err(AppError::Conflict(
                    "the snapshot was taken of other specs than there are now: apply it anyway, or select anew"
                        .to_owned(),
                ));
            }
            let rules = snapshot.rules().map_err(|error| AppError::Invalid(error.to_string()))?;
            let of = Arc::clone(&table);
            let chosen = blocking(move || {
                let mut selector = Selector::new(&of);
                snapshot.apply(&of, &mut selector);
                Ok(Chosen::of(&selector.finish()))
            })
            .await?;
            let (made, is_new) = store_members(specs, &new(&rules), &chosen.members(&table), only_if).await?;
            Ok(Some(Put { made, is_new, warnings: Vec::new() }))
        }
    }
}

/// As they are stored.
fn documents<T: serde::Serialize>(of: &[T]) -> Vec<Json> {
    of.iter().filter_map(|one| serde_json::to_value(one).ok()).collect()
}

/// Stores a selection of these specs; of none removes it.
async fn store_ids(specs: &Specs, new: &NewSelection, ids: &BTreeSet<String>, only_if: OnlyIf) -> Result<Option<Put>> {
    if ids.is_empty() {
        delete(specs, &new.tag, only_if).await?;
        return Ok(None);
    }
    let members: Vec<NewMember<'_>> = ids.iter().map(|id| NewMember { spec_id: id, mask: None }).collect();
    let (made, is_new) = store_members(specs, new, &members, only_if).await?;
    Ok(Some(Put { made, is_new, warnings: Vec::new() }))
}

/// Stores a selection; tells what stands there then, and whether there was none.
async fn store_members(
    specs: &Specs,
    new: &NewSelection,
    members: &[NewMember<'_>],
    only_if: OnlyIf,
) -> Result<(Made, bool)> {
    let mut tx = specs.db.begin().await?;
    let conn = &mut tx.conn();
    let begun = store::selection::begin(conn, new, members).await?;
    only_if.check(&what(&new.tag), begun.replaced)?;
    let is_new = begun.replaced.is_none();
    store::selection::finish(conn, begun).await?;
    // Before the commit: afterwards it may be another's.
    let made = read(conn, &new.tag).await?;
    tx.commit().await?;
    Ok((made, is_new))
}

/// Holds the selection of a tag until the transaction ends, if it is as the condition says; tells whether there is one.
async fn hold(conn: &mut Conn<'_>, tag: &str, only_if: OnlyIf) -> Result<bool> {
    let only_if = match only_if {
        // That there is one is what whoever asks here wants anyway.
        OnlyIf::There => OnlyIf::Any,
        other => other,
    };
    // No tag has a NUL, and PostgreSQL takes none in a question either.
    let there = if tag.contains('\0') { None } else { store::selection::lock(conn, tag).await? };
    only_if.check(&what(tag), there)?;
    Ok(there.is_some())
}

/// Calls a selection otherwise. It stays the same version.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::PreconditionFailed`]; [`AppError::Conflict`] if there is one of the new name;
/// [`AppError::Faults`] if that is no name.
pub async fn rename(specs: &Specs, from: &str, to: &str, only_if: OnlyIf) -> Result<Made> {
    let mut tx = specs.db.begin().await?;
    let conn = &mut tx.conn();
    if !hold(conn, from, only_if).await? {
        return Err(no_such(from));
    }
    check_tag(to)?;
    store::selection::rename(conn, from, to).await.map_err(|error| match error {
        store::Error::Conflict(_) => AppError::Conflict(format!("there is a selection `{}` already", cut(to, 80))),
        other => AppError::Store(other),
    })?;
    let made = read(conn, to).await?;
    tx.commit().await?;
    Ok(made)
}

/// Removes a selection; tells whether there was one.
///
/// # Errors
/// [`AppError::PreconditionFailed`].
pub async fn delete(specs: &Specs, tag: &str, only_if: OnlyIf) -> Result<bool> {
    let mut tx = specs.db.begin().await?;
    let conn = &mut tx.conn();
    if !hold(conn, tag, only_if).await? {
        return Ok(false);
    }
    let deleted = store::selection::delete(conn, tag).await?;
    tx.commit().await?;
    Ok(deleted)
}

/// Selects anew by the rules of a selection, asking its hooks again, and tells what that changed.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it has no rules that could be asked, or was stored anew meanwhile;
/// otherwise as [`put()`].
pub async fn refresh(specs: &Specs, tag: &str, by: Option<String>, only_if: OnlyIf) -> Result<(Put, Difference)> {
    let Made { selection, .. } = get(specs, tag).await?;
    only_if.check(&what(tag), Some(selection.revision))?;
    let unreadable = |what: &str| {
        let what = what.to_owned();
        move |error: serde_json::Error| AppError::Conflict(format!("its {what} cannot be read any more: {error}"))
    };
    let rules = selection.rules.0.into_iter().map(serde_json::from_value::<Rule>).collect::<Result<Vec<_>, _>>();
    let hooks = selection.hooks.0.into_iter().map(serde_json::from_value::<Hook>).collect::<Result<Vec<_>, _>>();
    let (rules, hooks) = (rules.map_err(unreadable("rules"))?, hooks.map_err(unreadable("hooks"))?);
    if rules.is_empty() && hooks.is_empty() {
        return Err(AppError::Conflict("it was made without rules: there is nothing to ask anew".to_owned()));
    }
    let before = Side::of(specs, tag).await?;
    // What was read above is what is made anew: if another has taken its place, that stays.
    let same = OnlyIf::Version(selection.revision);
    let put = put(specs, tag, Wanted::Rules { rules, hooks }, selection.metadata.0, by, same).await;
    let put = put.map_err(|error| match error {
        AppError::PreconditionFailed(_) if only_if == OnlyIf::Any => AppError::kept_changing("the selection"),
        other => other,
    })?;
    let put = put.ok_or_else(|| no_such(tag))?;
    let difference = before.until(Side::of(specs, tag).await?).await?;
    Ok((put, difference))
}
