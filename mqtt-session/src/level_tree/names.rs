//! The names that a filter matches, one after the other.

use alloc::{string::String, vec::Vec};

use super::{LevelTree, ROOT, Vacant};

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

impl<V: Vacant> LevelTree<V> {
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
