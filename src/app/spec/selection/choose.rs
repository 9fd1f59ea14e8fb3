//! Selecting by rules, and with those who are asked on the way.
//!
//! A [`Round`] goes in the order of Canary's phases: hooks at the start, rules, hooks before the end, what depends on what
//! is left out; and, after all is stored, hooks that are told. A wish of a hook is done whole or not at all: if a rule of
//! its cannot be asked, its masks are not made either.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::app::catalogue::{Catalogue, attachment};
use crate::app::spec::hook::{self, Failed, Granted, Hook, Moment};
use crate::app::spec::selection::{MAX_RULES, path};
use crate::app::spec::{Specs, result};
use crate::app::{AppError, Result, blocking};
use crate::domain::fault::Fault;
use crate::domain::selection::facts::{Contents, Facts, History, SourceFile};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Past, Rule, Test};
use crate::domain::selection::selector::{SelectError, Selection, Selector};
use crate::domain::selection::table::Table;
use crate::store::selection::{NewMask, NewMember, NewSelection};

/// How many specs of each kind a hook is told.
const TOLD: usize = 1_000;

/// A hook failed, and the selection was made without what it wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its place among the selection's hooks, from 0.
    pub hook: usize,
    /// Its host, for people.
    pub host: String,
    /// When it was asked.
    pub moment: Moment,
    /// Why it failed, for people.
    pub why: String,
}

/// Selecting once: the specs as they are now, and who is asked.
#[derive(Clone, Debug)]
pub(super) struct Round {
    specs: Specs,
    table: Arc<Table>,
    tag: String,
    spec_set_revision: i64,
    spec_set_id: String,
    rules: Vec<Rule>,
    hooks: Vec<Hook>,
    /// The rules that hooks have added.
    pub(super) added_rules: Vec<Rule>,
    /// The hooks that failed without hindering it.
    pub(super) warnings: Vec<Warning>,
}

/// What a hook wanted at the start.
struct Begun {
    hook: usize,
    granted: Granted,
}

/// A question to a hook before the end.
struct Question {
    hook: usize,
    data: Json,
    /// Where the answer goes.
    answer: oneshot::Sender<Result<Granted, Failed>>,
}

impl Round {
    /// A round for what is to be stored, of which it needs the names.
    pub(super) fn new(specs: &Specs, table: Arc<Table>, new: &NewSelection, hooks: Vec<Hook>) -> Self {
        Self {
            specs: specs.clone(),
            table,
            tag: new.tag.clone(),
            spec_set_revision: new.spec_set_revision,
            spec_set_id: new.spec_set_id.clone(),
            rules: Vec::new(),
            hooks,
            added_rules: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Selects.
    ///
    /// # Errors
    /// [`AppError::Faults`] and [`AppError::Conflict`] for rules that cannot be asked; [`AppError::Hook`].
    pub(super) async fn select(&mut self, rules: Vec<Rule>) -> Result<Chosen> {
        self.rules = rules;
        let begun = self.start().await?;
        let facts = Gathered::for_rules(&self.specs, &self.table, &self.all_rules(&begun)).await?;
        // What is selected from is borrowed, so that all until the end is in one piece, apart from the async threads. Hooks
        // are asked from here meanwhile: if whoever wants the selection goes away, that ends, and the work with it.
        let (questions, mut incoming) = mpsc::channel(1);
        let (mut round, asker) = (self.clone(), self.clone());
        let deciding = blocking(move || {
            let chosen = round.decide(begun, &facts, &questions)?;
            Ok((round, chosen))
        });
        let asking = async {
            while let Some(Question { hook, data, answer }) = incoming.recv().await {
                let _ = answer.send(asker.ask(hook, Moment::Modify, &data).await);
            }
        };
        let (decided, ()) = tokio::join!(deciding, asking);
        let (round, chosen) = decided?;
        *self = round;
        Ok(chosen)
    }

    fn all_rules(&self, begun: &[Begun]) -> Vec<Rule> {
        self.rules.iter().chain(begun.iter().flat_map(|begun| &begun.granted.rules)).cloned().collect()
    }

    /// Asks those who are asked at the start.
    async fn start(&mut self) -> Result<Vec<Begun>> {
        let mut begun: Vec<Begun> = Vec::new();
        for hook in self.on(Moment::Start) {
            let rules = self.all_rules(&begun);
            let masks: Vec<(u32, Reason)> = begun.iter().flat_map(|begun| begun.granted.mask.iter().cloned()).collect();
            let (round, told_rules) = (self.clone(), rules.clone());
            let data = blocking(move || {
                let mut selector = Selector::new(&round.table);
                for (spec, reason) in masks {
                    selector.mask(spec, reason);
                }
                Ok(round.data(&told_rules, |spec| selector.reason(spec)))
            })
            .await?;
            let granted = self.ask(hook, Moment::Start, &data).await.and_then(|granted| {
                let most = MAX_RULES.saturating_sub(rules.len());
                let many = || Failed(format!("it adds more rules than there may be: {MAX_RULES}"));
                if granted.rules.len() > most { Err(many()) } else { Ok(granted) }
            });
            match granted {
                Ok(granted) => begun.push(Begun { hook, granted }),
                Err(failed) => self.failed(hook, Moment::Start, failed)?,
            }
        }
        Ok(begun)
    }

    /// Applies the rules, and asks those who are asked before the end.
    fn decide(
        &mut self,
        mut begun: Vec<Begun>,
        facts: &Gathered,
        questions: &mpsc::Sender<Question>,
    ) -> Result<Chosen> {
        let table = Arc::clone(&self.table);
        let facts = Facts { contents: &facts.contents, history: &facts.history };
        let mut selector = loop {
            let mut selector = Selector::new(&table);
            for (spec, reason) in begun.iter().flat_map(|begun| begun.granted.mask.iter().cloned()) {
                selector.mask(spec, reason);
            }
            let Err(error) = selector.apply(&self.all_rules(&begun), &facts) else { break selector };
            // If it is a hook's rule, all is as if the hook had failed; an optional one is passed over.
            let Some(place) = self.whose(&error, &begun) else { return Err(refused(&error)) };
            let Begun { hook, .. } = begun.remove(place);
            self.failed(hook, Moment::Start, Failed(format!("one of its rules cannot be asked: {error}")))?;
        };
        self.added_rules = begun.into_iter().flat_map(|begun| begun.granted.rules).collect();
        let rules: Vec<Rule> = self.rules.iter().chain(&self.added_rules).cloned().collect();
        for hook in self.on(Moment::Modify) {
            let data = self.data(&rules, |spec| selector.reason(spec));
            let (answer, answered) = oneshot::channel();
            let question = Question { hook, data, answer };
            let granted = questions.blocking_send(question).ok().and_then(|()| answered.blocking_recv().ok());
            let gone = || AppError::Unavailable("nobody waits for the selection any more".to_owned());
            match granted.ok_or_else(gone)? {
                Ok(granted) => {
                    for (spec, reason) in granted.mask {
                        selector.mask(spec, reason);
                    }
                    for spec in granted.unmask {
                        selector.unmask(spec);
                    }
                }
                Err(failed) => self.failed(hook, Moment::Modify, failed)?,
            }
        }
        selector.propagate().map_err(|error| refused(&error))?;
        let selection = selector.finish();
        let mut chosen = Chosen::of(&selection);
        if !self.on(Moment::Report).is_empty() {
            chosen.told = Some(self.data(&rules, |spec| selection.reason(spec)));
        }
        Ok(chosen)
    }

    /// Tells those who are told at the end. That one of them fails changes nothing any more.
    pub(super) async fn report(&mut self, chosen: &Chosen, revision: i64) {
        let Some(mut data) = chosen.told.clone() else { return };
        let below = |part: &str| json!(self.link(&format!("{}/{part}", path(&self.tag))));
        let links = [("selected", below("specs")), ("masked", below("masked"))];
        for (group, link) in links {
            if let Some(more) = data.get_mut(group).and_then(|group| group.get_mut("more")).filter(|it| !it.is_null()) {
                *more = link;
            }
        }
        if let Json::Object(data) = &mut data {
            data.insert("revision".to_owned(), Json::from(revision));
        }
        for hook in self.on(Moment::Report) {
            if let Err(failed) = self.ask(hook, Moment::Report, &data).await {
                self.warn(hook, Moment::Report, failed);
            }
        }
    }

    /// The places of the hooks that are asked then.
    fn on(&self, moment: Moment) -> Vec<usize> {
        self.hooks.iter().enumerate().filter(|(_, hook)| hook.is_on(moment)).map(|(place, _)| place).collect()
    }

    async fn ask(&self, place: usize, moment: Moment, data: &Json) -> Result<Granted, Failed> {
        let Some(hook) = self.hooks.get(place) else { return Ok(Granted::default()) };
        let (specs, timeout): (&Specs, Duration) = (&self.specs, self.specs.hook_timeout);
        hook::ask(&specs.client, hook, moment, specs.now(), data, timeout).await?.of(hook, &self.table)
    }

    /// That of these whose rule the error is about; none if it is one of the selection's own.
    fn whose(&self, error: &SelectError, begun: &[Begun]) -> Option<usize> {
        let mut rule = error.rule()?.checked_sub(self.rules.len())?;
        begun.iter().position(|begun| {
            let is_here = rule < begun.granted.rules.len();
            rule = rule.saturating_sub(begun.granted.rules.len());
            is_here
        })
    }

    /// Passes over a hook that failed, if it is optional.
    fn failed(&mut self, place: usize, moment: Moment, failed: Failed) -> Result<()> {
        match self.hooks.get(place) {
            Some(hook) if !hook.optional => {
                let moment = crate::domain::words::Word::as_str(moment);
                Err(AppError::Hook { host: hook.host(), moment, why: failed.0 })
            }
            _ => {
                self.warn(place, moment, failed);
                Ok(())
            }
        }
    }

    fn warn(&mut self, place: usize, moment: Moment, Failed(why): Failed) {
        let host = self.hooks.get(place).map(Hook::host).unwrap_or_default();
        tracing::warn!(tag = %self.tag, %host, %moment, %why, "a hook of a selection failed");
        self.warnings.push(Warning { hook: place, host, moment, why });
    }

    fn link(&self, path: &str) -> String {
        let base = self.specs.base_url.as_ref().map(|url| url.as_str().trim_end_matches('/'));
        format!("{}{path}", base.unwrap_or_default())
    }

    /// What a hook is told: of which specs, by which rules, and how they stand.
    fn data<'r>(&self, rules: &[Rule], reason: impl Fn(u32) -> Option<&'r Reason>) -> Json {
        let table = &self.table;
        let mut groups = [(0_usize, Vec::new()), (0, Vec::new())];
        for spec in table.by_id() {
            let reason = reason(*spec);
            let [selected, masked] = &mut groups;
            let (total, told) = if reason.is_some() { masked } else { selected };
            *total += 1;
            if told.len() >= TOLD {
                continue;
            }
            let mut spec = json!({"id": table.id(*spec), "view": table.view(*spec)});
            if let (Json::Object(spec), Some(reason)) = (&mut spec, reason) {
                spec.insert("reason".to_owned(), serde_json::to_value(reason).unwrap_or_default());
                spec.insert("sentence".to_owned(), Json::from(reason.to_string()));
            }
            told.push(spec);
        }
        let [selected, masked] = groups.map(|(total, told)| {
            let more = (told.len() < total).then(|| self.link("/api/v1/specs"));
            json!({"total": total, "sent": told.len(), "specs": told, "more": more})
        });
        json!({
            "tag": self.tag, "spec_set_revision": self.spec_set_revision, "spec_set_id": self.spec_set_id,
            "rules": rules, "selected": selected, "masked": masked,
        })
    }
}

/// What came of selecting, without the table.
#[derive(Debug)]
pub(super) struct Chosen {
    reasons: Vec<Json>,
    /// For each spec the place of its reason and of what has left it out.
    masks: Vec<(u32, Option<usize>, Option<u32>)>,
    /// What hooks are told of it, where there are such.
    told: Option<Json>,
}

impl Chosen {
    pub(super) fn of(selection: &Selection<'_>) -> Self {
        let mut reasons = Vec::new();
        let mut places: HashMap<&Reason, usize> = HashMap::new();
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
        Self { reasons, masks, told: None }
    }

    /// As it is stored.
    pub(super) fn members<'m>(&'m self, table: &'m Table) -> Vec<NewMember<'m>> {
        let member = |(spec, reason, cause): &(u32, Option<usize>, Option<u32>)| NewMember {
            spec_id: table.id(*spec),
            mask: reason
                .and_then(|place| self.reasons.get(place))
                .map(|reason| NewMask { reason, cause_id: cause.map(|cause| table.id(cause)) }),
        };
        self.masks.iter().map(member).collect()
    }
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
