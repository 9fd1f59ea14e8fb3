//! Lists of nodes, one for each node, without a list's own allocation.

/// For each node a list of nodes: all lists in one, and where each begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// One more than there are nodes; the last is where the last list ends.
    starts: Vec<usize>,
    nodes: Vec<u32>,
}

impl Rows {
    /// The second nodes of the pairs, by the first, in the order of the pairs. Both are below the count.
    pub(super) fn new(node_count: u32, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0; place(node_count).saturating_add(1)];
        for (from, _) in pairs {
            if let Some(length) = starts.get_mut(place(*from)) {
                *length += 1;
            }
        }
        let mut end = 0;
        for start in &mut starts {
            let length = *start;
            *start = end;
            end += length;
        }
        let mut nodes = vec![0; pairs.len()];
        let mut free = starts.clone();
        for (from, to) in pairs {
            if let Some(free) = free.get_mut(place(*from)) {
                if let Some(node) = nodes.get_mut(*free) {
                    *node = *to;
                }
                *free += 1;
            }
        }
        Self { starts, nodes }
    }

    /// The list of a node; an empty one of a node that is not there.
    pub(super) fn row(&self, node: u32) -> &[u32] {
        let node = place(node);
        let bounds = self.starts.get(node).zip(self.starts.get(node.saturating_add(1)));
        bounds.and_then(|(start, end)| self.nodes.get(*start..*end)).unwrap_or_default()
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<usize>() + self.nodes.capacity() * size_of::<u32>()
    }

    /// How many nodes stand in all lists together.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// A node's place in a list that has one entry for each node.
pub(super) const fn place(node: u32) -> usize {
    node as usize
}
