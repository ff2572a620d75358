//! A tree of topic levels with ordered children: what a filter or a topic leads to.
//!
//! The keys are filters where messages are routed and dispatched, and names where retained messages are kept. One tree
//! serves all three.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | the tree, and how it grows and shrinks |
//! | `matching` | a name's search for the filters that match it |
//! | `names` | a filter's search for the names that it matches |
//! | `small_map` | children, and other small ordered sets |

mod matching;
#[cfg(feature = "server")]
mod names;
pub(crate) mod small_map;

pub(crate) use matching::{Matching, Reached};
#[cfg(feature = "server")]
pub(crate) use names::Search;

use alloc::{boxed::Box, vec::Vec};

use mqtt_proto::topic::level_count;
use slab::Slab;
use small_map::SmallMap;

/// What stands at the end of a path. A node without value and without children is removed.
pub(crate) trait Vacant: Default {
    /// There is nothing in it that must be kept.
    fn is_vacant(&self) -> bool;
}

#[derive(Clone, Debug)]
pub(crate) struct LevelTree<V> {
    nodes: Slab<Node<V>>,
}

#[derive(Clone, Debug)]
struct Node<V> {
    children: SmallMap<Box<str>, u32>,
    parent: u32,
    /// This is the child `+`.
    is_plus: bool,
    /// There is a child `+`.
    plus: bool,
    /// There is a child `#`.
    hash: bool,
    value: V,
}

const ROOT: u32 = 0;

impl<V: Vacant> LevelTree<V> {
    /// What a node takes of memory, about.
    pub(crate) const NODE_BYTES: usize = size_of::<Node<V>>() + size_of::<(Box<str>, u32)>();

    /// What an entry under this path takes of memory beside its value, about, were its levels in no other path: a peer says a level
    /// with two bytes, and a node has a hundred.
    pub(crate) fn path_bytes(path: &str) -> usize {
        path.len()
            .saturating_add(level_count(path).saturating_mul(Self::NODE_BYTES))
    }

    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::new(ROOT, false));
        Self { nodes }
    }

    /// How many nodes there are, the root not counted.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// How many nodes [`entry`](Self::entry) would make for this path.
    pub(crate) fn missing<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> usize {
        let mut at = Some(ROOT);
        path.into_iter()
            .filter(|level| {
                at = at.and_then(|at| self.child(at, level));
                at.is_none()
            })
            .count()
    }

    fn node(&self, key: u32) -> Option<&Node<V>> {
        self.nodes.get(key as usize)
    }

    fn child(&self, key: u32, level: &str) -> Option<u32> {
        self.node(key)?.children.get(level).copied()
    }

    /// All values, in no order.
    #[cfg(feature = "server")]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.nodes.iter().map(|(_, node)| &node.value)
    }

    pub(crate) fn value_at(&self, node: u32) -> Option<&V> {
        self.node(node).map(|node| &node.value)
    }

    pub(crate) fn value_of(&mut self, node: u32) -> Option<&mut V> {
        self.nodes.get_mut(node as usize).map(|node| &mut node.value)
    }

    pub(crate) fn get<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> Option<&V> {
        let mut at = ROOT;
        for level in path {
            at = self.child(at, level)?;
        }
        self.value_at(at)
    }

    /// The value at this path, made if it is not there.
    pub(crate) fn entry<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) -> Option<&mut V> {
        let mut at = ROOT;
        for level in path {
            at = match self.child(at, level) {
                Some(child) => child,
                None => {
                    let child = u32::try_from(self.nodes.insert(Node::new(at, level == "+"))).ok()?;
                    let parent = self.nodes.get_mut(at as usize)?;
                    parent.children.insert(level.into(), child);
                    parent.plus |= level == "+";
                    parent.hash |= level == "#";
                    child
                }
            };
        }
        self.value_of(at)
    }

    /// Changes the value at this path, if it is there, and removes the nodes that are not needed any more.
    pub(crate) fn change<'p, R>(
        &mut self,
        path: impl IntoIterator<Item = &'p str>,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let mut way = Vec::new();
        let mut at = ROOT;
        for level in path {
            way.push((at, level));
            at = self.child(at, level)?;
        }
        let result = change(self.value_of(at)?);
        while let Some((parent, level)) = way.pop() {
            if self
                .node(at)
                .is_some_and(|node| !node.value.is_vacant() || !node.children.is_empty())
            {
                break;
            }
            self.nodes.try_remove(at as usize);
            if let Some(node) = self.nodes.get_mut(parent as usize) {
                node.children.remove(level);
                node.plus &= level != "+";
                node.hash &= level != "#";
            }
            at = parent;
        }
        Some(result)
    }
}

impl<V: Vacant> Node<V> {
    fn new(parent: u32, is_plus: bool) -> Self {
        Self {
            children: SmallMap::Empty,
            parent,
            is_plus,
            plus: false,
            hash: false,
            value: V::default(),
        }
    }
}
