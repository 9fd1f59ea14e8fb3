//! The values of a pickle while it is read: each once, by its place, for the machine changes them after they were named.

use super::{Global, MAX_DEPTH, MAX_SIZE, MAX_VALUES, Object, PickleError, Value};

/// A value's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// A value whose parts stand at places of their own.
pub(super) enum Node {
    /// A value without parts.
    Plain(Value),
    List(Vec<Place>),
    Tuple(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Set(Vec<Place>),
    Object(Made),
}

/// An object.
pub(super) struct Made {
    pub(super) class: Global,
    /// Places of the arguments.
    pub(super) args: Vec<Place>,
    pub(super) state: Option<Place>,
    pub(super) entries: Vec<Place>,
    pub(super) pairs: Vec<(Place, Place)>,
}

/// What a value takes at least, in bytes, about.
const VALUE: usize = 64;

#[derive(Default)]
pub(super) struct Heap {
    /// Each with where the instruction stands that made it.
    nodes: Vec<(usize, Node)>,
    size: usize,
}

impl Heap {
    /// Adds a value.
    pub(super) fn add(&mut self, offset: usize, node: Node) -> Result<Place, PickleError> {
        let parts = match &node {
            Node::List(places) | Node::Tuple(places) | Node::Set(places) => places.len(),
            Node::Object(made) => made.args.len(),
            Node::Plain(_) | Node::Dict(_) => 0,
        };
        self.size = self.size.saturating_add(own_size(&node)).saturating_add(parts.saturating_mul(size_of::<Place>()));
        if self.nodes.len() >= MAX_VALUES || self.size > MAX_SIZE {
            let what = format!("it holds more than {MAX_VALUES} values or {MAX_SIZE} bytes");
            return Err(PickleError { offset, what });
        }
        self.nodes.push((offset, node));
        Ok(Place(self.nodes.len() - 1))
    }

    pub(super) fn get(&self, place: Place) -> Option<&Node> {
        self.nodes.get(place.0).map(|(_, node)| node)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Node> {
        self.nodes.get_mut(place.0).map(|(_, node)| node)
    }

    /// The tree that hangs at a place. What is named twice is there twice.
    pub(super) fn value(&self, place: Place) -> Result<Value, PickleError> {
        let mut left = MAX_SIZE;
        self.grow(place, 0, &mut left)
    }

    fn grow(&self, place: Place, depth: usize, left: &mut usize) -> Result<Value, PickleError> {
        let Some((offset, node)) = self.nodes.get(place.0) else {
            return Err(PickleError { offset: 0, what: "a value is not there".into() });
        };
        let error = |what| Err(PickleError { offset: *offset, what });
        if depth > MAX_DEPTH {
            return error(format!("values nest deeper than {MAX_DEPTH} levels here, or one holds itself"));
        }
        match left.checked_sub(own_size(node)) {
            Some(rest) => *left = rest,
            None => {
                return error(format!("with all that it names again the value comes to more than {MAX_SIZE} bytes"));
            }
        }
        let depth = depth + 1;
        Ok(match node {
            Node::Plain(value) => value.clone(),
            Node::List(places) => Value::List(self.grow_all(places, depth, left)?),
            Node::Tuple(places) => Value::Tuple(self.grow_all(places, depth, left)?),
            Node::Set(places) => Value::Set(self.grow_all(places, depth, left)?),
            Node::Dict(pairs) => Value::Dict(self.grow_pairs(pairs, depth, left)?),
            Node::Object(made) => Value::Object(Box::new(Object {
                class: made.class.clone(),
                args: self.grow_all(&made.args, depth, left)?,
                state: made.state.map(|state| self.grow(state, depth, left)).transpose()?,
                entries: self.grow_all(&made.entries, depth, left)?,
                pairs: self.grow_pairs(&made.pairs, depth, left)?,
            })),
        })
    }

    fn grow_all(&self, places: &[Place], depth: usize, left: &mut usize) -> Result<Vec<Value>, PickleError> {
        places.iter().map(|place| self.grow(*place, depth, left)).collect()
    }

    fn grow_pairs(
        &self,
        pairs: &[(Place, Place)],
        depth: usize,
        left: &mut usize,
    ) -> Result<Vec<(Value, Value)>, PickleError> {
        let grow = |(key, value): &(Place, Place), left: &mut usize| {
            Ok((self.grow(*key, depth, left)?, self.grow(*value, depth, left)?))
        };
        pairs.iter().map(|pair| grow(pair, left)).collect()
    }
}

/// What a value takes without its parts, in bytes, about.
fn own_size(node: &Node) -> usize {
    let text = match node {
        Node::Plain(Value::Text(text)) => text.len(),
        Node::Plain(Value::Bytes(bytes)) => bytes.len(),
        Node::Plain(Value::Global(global)) | Node::Object(Made { class: global, .. }) => {
            global.module.len().saturating_add(global.name.len())
        }
        _ => 0,
    };
    VALUE.saturating_add(text)
}
