//! Expressions as trees.

use super::integer::Integer;

/// A part of an expression. Resources are numbered by the order in which the expression names them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Bytes(Vec<u8>),
    Int(Integer),
    Float(f64),
    Imaginary(f64),
    Bool(bool),
    None,
    Ellipsis,
    /// The record of a resource.
    Record(usize),
    /// A field of that record.
    Field(usize, String),
    List(Vec<Node>),
    Tuple(Vec<Node>),
    /// `first op other op other …`: each neighbours compared, all must hold.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    /// `and`.
    All(Operands),
    /// `or`.
    Any(Operands),
    Call(Function, Vec<Node>),
    /// What is Python, and not allowed; `true` if a value could be assigned to it.
    Refused(bool),
}

/// What `and` or `or` stands between.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operands {
    pub(super) nodes: Vec<Node>,
    /// Of each word between two of them, whether it has a space on both sides.
    pub(super) spaced: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Is,
    IsNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Len,
    Bool,
    Int,
    Float,
}

impl Function {
    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name {
            "len" => Some(Self::Len),
            "bool" => Some(Self::Bool),
            "int" => Some(Self::Int),
            "float" => Some(Self::Float),
            _ => None,
        }
    }
}

impl Node {
    /// The parts of which it consists.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Node> {
        let (first, list, compared): (_, &[Node], &[(Comparison, Node)]) = match self {
            Self::List(nodes) | Self::Tuple(nodes) | Self::Call(_, nodes) => (None, nodes, &[]),
            Self::All(operands) | Self::Any(operands) => (None, &operands.nodes, &[]),
            Self::Compare(first, rest) => (Some(&**first), &[], rest),
            _ => (None, &[], &[]),
        };
        first.into_iter().chain(list).chain(compared.iter().map(|(_, node)| node))
    }

    /// The resources that it reads, a bit each.
    pub(super) fn resources(&self) -> u64 {
        self.measure().0
    }

    /// The resources that it reads, a bit each, and of how many nodes it consists.
    pub(super) fn measure(&self) -> (u64, usize) {
        let own = match self {
            Self::Record(resource) | Self::Field(resource, _) => bit(*resource),
            _ => 0,
        };
        self.parts().map(Self::measure).fold((own, 1), |(reads, size), part| (reads | part.0, size + part.1))
    }
}

/// The bit of a resource.
pub(super) fn bit(resource: usize) -> u64 {
    u32::try_from(resource).ok().and_then(|resource| 1_u64.checked_shl(resource)).unwrap_or_default()
}
