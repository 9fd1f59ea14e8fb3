//! Selections that are made, made anew, called otherwise and removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;

use crate::app::catalogue::{Catalogue, attachment};
use crate::app::spec::selection::ask::{Side, get};
use crate::app::spec::selection::{Made, Wanted, check_metadata, check_rules, check_tag, no_such};
use crate::app::spec::{Specs, find, index, result};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::catalogue::document::Fault;
use crate::domain::selection::facts::{Contents, Facts, History, SourceFile};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Past, Rule, Test};
use crate::domain::selection::selector::{SelectError, Selection, Selector, select};
use crate::domain::selection::snapshot::Difference;
use crate::domain::selection::table::Table;
use crate::store;
use crate::store::selection::{NewMask, NewMember, NewSelection};

/// Selects and stores under a tag what was selected and why not the others, over what was stored there. When it was made is
/// told by the service, so that a `created_on` in the metadata does not count.
///
/// # Errors
/// [`AppError::Faults`] for a tag that is none and for rules that are none, with pointers; [`AppError::Conflict`] if a spec
/// depends on one that is not stored, cannot be compared or read, or a snapshot was taken of other specs.
pub async fn put(
    specs: &Specs,
    tag: &str,
    wanted: Wanted,
    mut metadata: Map<String, Json>,
    by: Option<String>,
) -> Result<Option<Made>> {
    check_tag(tag)?;
    metadata.remove("created_on");
    check_metadata(&metadata)?;
    let now = specs.now();
    let (revision, table) = index::latest(specs).await?;
    let new = |rules: &[Rule]| NewSelection {
        tag: tag.to_owned(),
        now,
        created_by: by.clone(),
        spec_set_revision: revision,
        spec_set_id: table.spec_set_id().to_string(),
        rules: rules.iter().filter_map(|rule| serde_json::to_value(rule).ok()).collect(),
        metadata: metadata.clone(),
    };
    match wanted {
        Wanted::Ids(texts) => {
            let ids = find::resolve_many(specs, &texts).await?;
            if !store_ids(specs, &new(&[]), &ids).await? {
                return Ok(None);
            }
        }
        Wanted::WholeIds(ids) => {
            if !store_ids(specs, &new(&[]), &ids).await? {
                return Ok(None);
            }
        }
        Wanted::Rules(rules) => {
            check_rules(&rules)?;
            let facts = Gathered::for_rules(specs, &table, &rules).await?;
            let chosen = chosen(Arc::clone(&table), rules.clone(), facts).await?;
            chosen.store(specs, &new(&rules), &table).await?;
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
            chosen.store(specs, &new(&rules), &table).await?;
        }
    }
    get(specs, tag).await.map(Some)
}

/// What came of selecting, without the table.
struct Chosen {
    reasons: Vec<Json>,
    /// For each spec the place of its reason and of what has left it out.
    masks: Vec<(u32, Option<usize>, Option<u32>)>,
}

impl Chosen {
    fn of(selection: &Selection<'_>) -> Self {
        let mut reasons = Vec::new();
        let mut places: std::collections::HashMap<&Reason, usize> = std::collections::HashMap::new();
        let mut mask = |spec: u32| {
            let reason = selection.reason(spec).map(|reason| {
                *places.entry(reason).or_insert_with(|| {
                    reasons.push(serde_json::to_value(reason).unwrap_or_default());
                    reasons.len() - 1
                })
            });
            (spec, reason, selection.cause(spec))
        };
        let masks = selection.table().by_id().iter().map(|spec| mask(*spec)).collect();
        Self { reasons, masks }
    }

    async fn store(&self, specs: &Specs, new: &NewSelection, table: &Table) -> Result<()> {
        let member = |(spec, reason, cause): &(u32, Option<usize>, Option<u32>)| NewMember {
            spec_id: table.id(*spec),
            mask: reason
                .and_then(|place| self.reasons.get(place))
                .map(|reason| NewMask { reason, cause_id: cause.map(|cause| table.id(cause)) }),
        };
        let members: Vec<NewMember<'_>> = self.masks.iter().map(member).collect();
        store_members(specs, new, &members).await
    }
}

/// Stores a selection of these specs; of none removes it, and tells so.
async fn store_ids(specs: &Specs, new: &NewSelection, ids: &BTreeSet<String>) -> Result<bool> {
    if ids.is_empty() {
        delete(specs, &new.tag).await?;
        return Ok(false);
    }
    let members: Vec<NewMember<'_>> = ids.iter().map(|id| NewMember { spec_id: id, mask: None }).collect();
    store_members(specs, new, &members).await?;
    Ok(true)
}

async fn store_members(specs: &Specs, new: &NewSelection, members: &[NewMember<'_>]) -> Result<()> {
    let mut tx = specs.db.begin().await?;
    store::selection::put(&mut tx.conn(), new, members).await?;
    tx.commit().await?;
    Ok(())
}

/// What rules ask for beside the specs.
struct Gathered {
    history: Vec<History>,
    contents: StoredContents,
}

impl Gathered {
    async fn for_rules(specs: &Specs, table: &Table, rules: &[Rule]) -> Result<Self> {
        let wants =
            |past: Past| rules.iter().any(|rule| matches!(&rule.test, Test::History { want, .. } if *want == past));
        let asks = |rule: &Rule| matches!(rule.test, Test::History { .. } | Test::Budget { .. });
        let history = if rules.iter().any(asks) {
            result::histories(specs, table, wants(Past::Flaky)).await?
        } else {
            Vec::new()
        };
        Ok(Self { history, contents: StoredContents { catalogue: specs.catalogue.clone(), handle: Handle::current() } })
    }
}

/// The contents of files, as far as somebody has brought them here.
struct StoredContents {
    catalogue: Catalogue,
    handle: Handle,
}

impl Contents for StoredContents {
    fn read(&self, file: &SourceFile) -> Result<Option<Vec<u8>>, String> {
        let Some(sha256) = file.sha256 else { return Ok(None) };
        match self.handle.block_on(attachment::give_out_whole(&self.catalogue, sha256)) {
            Ok(content) => Ok(Some(content)),
            Err(AppError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

async fn chosen(table: Arc<Table>, rules: Vec<Rule>, gathered: Gathered) -> Result<Chosen> {
    blocking(move || {
        let facts = Facts { contents: &gathered.contents, history: &gathered.history };
        select(&table, &rules, &facts).map(|selection| Chosen::of(&selection)).map_err(|error| refused(&error))
    })
    .await
}

fn refused(error: &SelectError) -> AppError {
    let pointer = match error {
        SelectError::Syntax { rule, .. } | SelectError::BadRegex { rule, .. } => format!("/rules/{rule}"),
        SelectError::Type { .. }
        | SelectError::SlowRegex { .. }
        | SelectError::Unreadable { .. }
        | SelectError::MissingDependency { .. } => return AppError::Conflict(error.to_string()),
    };
    AppError::Faults { what: "the rules".to_owned(), faults: vec![Fault { pointer, detail: error.to_string() }] }
}

/// Calls a selection otherwise.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if there is one of the new name; [`AppError::Faults`] if that is no name.
pub async fn rename(specs: &Specs, from: &str, to: &str) -> Result<()> {
    check_tag(to)?;
    let mut tx = specs.db.begin().await?;
    let renamed = store::selection::rename(&mut tx.conn(), from, to).await.map_err(|error| match error {
        store::Error::Conflict(_) => AppError::Conflict(format!("there is a selection `{}` already", cut(to, 80))),
        other => AppError::Store(other),
    })?;
    if !renamed {
        return Err(no_such(from));
    }
    tx.commit().await?;
    Ok(())
}

/// Removes a selection; tells whether there was one.
///
/// # Errors
/// If the database fails.
pub async fn delete(specs: &Specs, tag: &str) -> Result<bool> {
    let mut tx = specs.db.begin().await?;
    let deleted = store::selection::delete(&mut tx.conn(), tag).await?;
    tx.commit().await?;
    Ok(deleted)
}

/// Selects anew by the rules of a selection, and tells what that changed.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it has no rules that could be asked; otherwise as [`put`].
pub async fn refresh(specs: &Specs, tag: &str, by: Option<String>) -> Result<(Made, Difference)> {
    let Made { selection, .. } = get(specs, tag).await?;
    let read = |rule: &Json| serde_json::from_value::<Rule>(rule.clone());
    let rules: Vec<Rule> = selection
        .rules
        .0
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| AppError::Conflict(format!("its rules cannot be read any more: {error}")))?;
    if rules.is_empty() {
        return Err(AppError::Conflict("it was made without rules: there is nothing to ask anew".to_owned()));
    }
    let before = Side::of(specs, tag).await?;
    let made = put(specs, tag, Wanted::Rules(rules), selection.metadata.0, by).await?.ok_or_else(|| no_such(tag))?;
    let difference = before.until(Side::of(specs, tag).await?).await?;
    Ok((made, difference))
}
