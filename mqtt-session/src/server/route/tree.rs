//! A tree of topic levels with ordered children: what a filter or a topic leads to.
//!
//! The keys are filters where messages are routed, and names where retained messages are kept. One tree serves both;
//! it is searched by name for the filters that match it ([`LevelTree::matching_filters`]), and by filter for the names
//! that it matches ([`LevelTree::next_matching_name`]).

use alloc::{boxed::Box, string::String, vec::Vec};

use slab::Slab;

use crate::server::small_map::SmallMap;

/// What stands at the end of a path. A node without value and without children is removed.
pub(crate) trait Vacant: Default {
    /// There is nothing in it that must be kept.
    fn is_vacant(&self) -> bool;
}

#[derive(Clone, Debug)]
pub(crate) struct LevelTree<V> {
    nodes: Slab<Node<V>>,
    /// Nodes that a search has reached, kept between searches for their memory.
    here: Vec<Reached>,
    next: Vec<Reached>,
}

#[derive(Clone, Debug)]
struct Node<V> {
    children: SmallMap<Box<str>, u32>,
    /// There is a child `+`.
    plus: bool,
    /// There is a child `#`.
    hash: bool,
    value: V,
}

/// A node whose filter matches the name that was searched for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) node: u32,
    /// The first level of the filter is a wildcard, and the first character of the name is `$`.
    pub(crate) dollar: bool,
}

/// What a search has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Search<T> {
    /// Something, at this path.
    Found(String, T),
    /// It has taken as many steps as it may: go on after this path.
    Paused(String),
    /// Nothing more.
    Done,
}

const ROOT: u32 = 0;

impl<V: Vacant> LevelTree<V> {
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::new());
        Self {
            nodes,
            here: Vec::new(),
            next: Vec::new(),
        }
    }

    /// How many nodes there are, the root not counted.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    fn node(&self, key: u32) -> Option<&Node<V>> {
        self.nodes.get(key as usize)
    }

    fn child(&self, key: u32, level: &str) -> Option<u32> {
        self.node(key)?.children.get(level).copied()
    }

    pub(crate) fn value_of(&mut self, node: u32) -> Option<&mut V> {
        self.nodes.get_mut(node as usize).map(|node| &mut node.value)
    }

    pub(crate) fn get(&self, path: &str) -> Option<&V> {
        let mut at = ROOT;
        for level in path.split('/') {
            at = self.child(at, level)?;
        }
        self.node(at).map(|node| &node.value)
    }

    /// The value at this path, made if it is not there.
    pub(crate) fn entry(&mut self, path: &str) -> Option<&mut V> {
        let mut at = ROOT;
        for level in path.split('/') {
            at = match self.child(at, level) {
                Some(child) => child,
                None => {
                    let child = u32::try_from(self.nodes.insert(Node::new())).ok()?;
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
    pub(crate) fn change<R>(&mut self, path: &str, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let mut way = Vec::new();
        let mut at = ROOT;
        for level in path.split('/') {
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

    /// Appends the nodes of all filters that match this name. The cost does not depend on the filters that do not.
    pub(crate) fn matching_filters(&mut self, name: &str, found: &mut Vec<Reached>) {
        let Self { nodes, here, next } = self;
        let starts_with_dollar = name.starts_with('$');
        here.clear();
        here.push(Reached {
            node: ROOT,
            dollar: false,
        });
        for (depth, level) in name.split('/').enumerate() {
            next.clear();
            for &Reached { node, dollar } in here.iter() {
                let Some(node) = nodes.get(node as usize) else {
                    continue;
                };
                let wild = dollar || (depth == 0 && starts_with_dollar);
                if node.hash {
                    found.extend(node.children.get("#").map(|&node| Reached { node, dollar: wild }));
                }
                if node.plus {
                    next.extend(node.children.get("+").map(|&node| Reached { node, dollar: wild }));
                }
                next.extend(node.children.get(level).map(|&node| Reached { node, dollar }));
            }
            core::mem::swap(here, next);
            if here.is_empty() {
                return;
            }
        }
        for &reached in here.iter() {
            found.push(reached);
            // "a/#" matches "a" too (4.7.1.2).
            if let Some(node) = nodes.get(reached.node as usize).filter(|node| node.hash) {
                found.extend(node.children.get("#").map(|&node| Reached {
                    node,
                    dollar: reached.dollar,
                }));
            }
        }
    }

    /// The first name after `after`, in the order of levels, that the filter matches and whose value is not vacant.
    ///
    /// `dollar`: wildcards on the first level match what begins with `$`, as in 3.1. `steps`: how many nodes it may still
    /// look at; those on the way to `after` do not count, so it always gets on.
    pub(crate) fn next_matching_name(
        &self,
        filter: &str,
        after: Option<&str>,
        dollar: bool,
        steps: &mut usize,
    ) -> Search<&V> {
        let mut walk = Walk {
            tree: self,
            dollar,
            path: String::new(),
            steps,
            paused: false,
        };
        let filter: Vec<&str> = filter.split('/').collect();
        let after: Option<Vec<&str>> = after.map(|after| after.split('/').collect());
        let node = walk
            .below(ROOT, &filter, after.as_deref(), 0)
            .and_then(|node| self.node(node));
        match node {
            Some(_) if walk.paused => Search::Paused(walk.path),
            Some(node) => Search::Found(walk.path, &node.value),
            None => Search::Done,
        }
    }
}

impl<V: Vacant> Node<V> {
    fn new() -> Self {
        Self {
            children: SmallMap::Empty,
            plus: false,
            hash: false,
            value: V::default(),
        }
    }
}

struct Walk<'t, V> {
    tree: &'t LevelTree<V>,
    dollar: bool,
    path: String,
    steps: &'t mut usize,
    paused: bool,
}

impl<V: Vacant> Walk<'_, V> {
    /// The first node at or below `at` that the rest of the filter matches, or where the walk is paused; with `after`, the
    /// first one past that path, which begins here.
    fn below(&mut self, at: u32, filter: &[&str], after: Option<&[&str]>, depth: usize) -> Option<u32> {
        let node = self.tree.node(at)?;
        // A node comes before its children, so any `after` is past the node itself.
        let fresh = after.is_none() && depth > 0 && !node.value.is_vacant();
        let Some((&wanted, rest)) = filter.split_first() else {
            return fresh.then_some(at);
        };
        if wanted == "#" && fresh {
            return Some(at);
        }
        if after.is_none() && depth > 0 {
            // This node is done with, its children are not.
            if *self.steps == 0 {
                self.paused = true;
                return Some(at);
            }
            *self.steps -= 1;
        }
        let (first_level, after_rest) = match after.and_then(<[&str]>::split_first) {
            Some((&level, rest)) => (Some(level), Some(rest)),
            None => (None, None),
        };
        match wanted {
            "#" | "+" => {
                let rest = if wanted == "#" { filter } else { rest };
                for (level, &child) in node.children.iter_from(first_level.unwrap_or("")) {
                    if depth == 0 && !self.dollar && level.starts_with('$') {
                        continue;
                    }
                    let after = after_rest.filter(|_| first_level == Some(&**level));
                    if let Some(found) = self.enter(level, child, rest, after, depth) {
                        return Some(found);
                    }
                }
                None
            }
            level => {
                let after = match first_level {
                    Some(past) if level < past => return None,
                    Some(past) if level == past => after_rest,
                    Some(_) | None => None,
                };
                let &child = node.children.get(level)?;
                self.enter(level, child, rest, after, depth)
            }
        }
    }

    fn enter(
        &mut self,
        level: &str,
        child: u32,
        rest: &[&str],
        after: Option<&[&str]>,
        depth: usize,
    ) -> Option<u32> {
        let len = self.path.len();
        if depth > 0 {
            self.path.push('/');
        }
        self.path.push_str(level);
        let found = self.below(child, rest, after, depth + 1);
        if found.is_none() {
            self.path.truncate(len);
        }
        found
    }
}
