//! The device context: providers, units by id, values that are computed once.

use std::collections::HashMap;

use serde_json::Value;

use super::dirty::Once;
use super::event::{Event, Source};
use super::members::Added;
use super::problem::Refused;
use super::state::{Session, clash};
use crate::domain::unit::{Kind, Unit};

/// Values that were computed once. Each process computes them for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(HashMap<String, Value>);

impl Session {
    /// Puts a device context around the session, which knows all units that are there. It tells nothing of them.
    pub fn enter_context(&mut self) {
        if !self.context.present {
            self.context.present = true;
            self.dirty.once.insert(Once::Context);
        }
    }

    /// Adds a unit by way of the device context, which knows every unit once.
    ///
    /// # Errors
    /// [`Refused::UnitThere`] and [`Refused::Clash`].
    pub fn add_context_unit(&mut self, unit: Unit) -> Result<Added, Refused> {
        self.refuse_known(&unit)?;
        self.add_unit(unit)
    }

    /// Adds a provider: its name, and its units unless they are not to be added, in order.
    ///
    /// # Errors
    /// [`Refused::ProviderThere`]; [`Refused::UnitThere`] and [`Refused::Clash`] of any of its units.
    pub fn add_provider(&mut self, name: &str, namespace: &str, units: Vec<Unit>) -> Result<Added, Refused> {
        if self.context.providers.iter().any(|known| known == name) {
            return Err(Refused::ProviderThere(name.to_owned()));
        }
        let mut fresh: HashMap<&str, &Unit> = HashMap::new();
        let mut checksums = std::collections::HashSet::new();
        for unit in &units {
            self.refuse_known(unit)?;
            if let Some(clash) = self.clash_of(unit) {
                return Err(clash.into());
            }
            if !checksums.insert(unit.checksum()) {
                return Err(Refused::UnitThere(unit.id().unwrap_or_default().to_owned()));
            }
            if let Some(id) = unit.id().filter(|_| unit.kind().is_job())
                && let Some(other) = fresh.insert(id, unit)
            {
                return Err(clash(other, unit).into());
            }
        }
        self.context.providers.push(name.to_owned());
        self.dirty.once.insert(Once::Context);
        if self.context.present {
            self.tell(Source::Context, Event::ProviderAdded { namespace: namespace.to_owned() });
        }
        let mut added = Added::default();
        for unit in units {
            self.grow(unit, &mut added);
        }
        self.settle();
        Ok(added)
    }

    fn refuse_known(&self, unit: &Unit) -> Result<(), Refused> {
        let mut positions = self.checksums.get(unit.checksum()).into_iter().flatten();
        if positions.any(|position| self.units.get(position).is_some_and(|held| !held.trimmed)) {
            return Err(Refused::UnitThere(unit.id().unwrap_or_default().to_owned()));
        }
        Ok(())
    }

    /// The unit of this full id and kind that was added last; of any kind if none is named. Trimmed jobs are not found.
    #[must_use]
    pub fn unit(&self, id: &str, kind: Option<&Kind>) -> Option<&Unit> {
        let positions = self.unit_ids.get(id)?.iter().rev();
        let mut units = positions.filter_map(|position| self.units.get(position)).map(|held| &held.unit);
        units.find(|unit| kind.is_none_or(|kind| unit.kind() == kind))
    }

    /// The names of the providers that were added, in order.
    #[must_use]
    pub fn providers(&self) -> &[String] {
        &self.context.providers
    }

    /// The ids of the test plans that were set last.
    #[must_use]
    pub fn plans(&self) -> &[String] {
        &self.context.plans
    }

    /// The value of this key: computed if it is asked for the first time, and then kept, be it nothing.
    ///
    /// # Errors
    /// Those of `compute`; nothing is kept then.
    pub fn compute_shared<E>(&mut self, key: &str, compute: impl FnOnce() -> Result<Value, E>) -> Result<Value, E> {
        if let Some(value) = self.shared.0.get(key) {
            return Ok(value.clone());
        }
        let value = compute()?;
        self.shared.0.insert(key.to_owned(), value.clone());
        Ok(value)
    }

    /// Forgets the value of this key, if there is one.
    pub fn invalidate_shared(&mut self, key: &str) {
        self.shared.0.remove(key);
    }
}
