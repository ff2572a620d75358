//! The filters that match a name, the most particular first.

use super::{LevelTree, Node, ROOT, Vacant};

/// A node whose filter matches the name that was searched for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) node: u32,
    /// The first level of the filter is a wildcard, and the first character of the name is `$`.
    pub(crate) dollar: bool,
}

/// A search, and how far it has come: a walk down the tree and up again, which looks at no node that does not match so
/// far. It needs the same memory however many levels there are: where it has to go back to, is remembered for the first
/// few places, and found by the way back from child to parent for the others.
///
/// Where two filters differ first, the one with a text there comes before the one with `+`, and that before `#`; a filter
/// comes before itself with `/#` behind it.
#[derive(Clone, Debug)]
pub(crate) struct Matching<'t, 'n, V> {
    tree: &'t LevelTree<V>,
    name: &'n str,
    at: u32,
    /// The level of the name that is wanted of a child; `start` is past the name's end when all levels are taken.
    start: usize,
    end: usize,
    next: Step,
    /// As in [`Reached`]; once set it stays, because the root has only its `#` left after its `+`.
    dollar: bool,
    /// How many nodes between the root and here have something left.
    left: usize,
    places: [Place; 8],
    /// How often it looked at a node.
    #[cfg(test)]
    pub(crate) looks: usize,
}

/// A node that has something left: after its child of the level that begins here, or after its child `+`.
#[derive(Copy, Clone, Debug, Default)]
struct Place {
    node: u32,
    start: u32,
    after_plus: bool,
}

/// What is looked at next in a node.
#[derive(Copy, Clone, Debug)]
enum Step {
    Text,
    Plus,
    Hash,
    Back,
}

impl<V: Vacant> LevelTree<V> {
    /// The nodes of all filters that match this name; none matches the empty one. The cost does not depend on the filters
    /// that do not.
    pub(crate) fn matching_filters<'t, 'n>(&'t self, name: &'n str) -> Matching<'t, 'n, V> {
        Matching {
            tree: self,
            name,
            at: ROOT,
            start: 0,
            end: level_end(name, 0),
            next: if name.is_empty() { Step::Back } else { Step::Text },
            dollar: false,
            left: 0,
            places: [Place::default(); 8],
            #[cfg(test)]
            looks: 0,
        }
    }
}

fn level_end(name: &str, start: usize) -> usize {
    let rest = name.as_bytes().get(start..).unwrap_or_default();
    start + rest.iter().position(|&b| b == b'/').unwrap_or(rest.len())
}

impl<V> Node<V> {
    /// After its child of a level, or after its child `+`, it has other children that may match.
    const fn has_more(&self, after_plus: bool) -> bool {
        self.hash || (self.plus && !after_plus)
    }
}

impl<V: Vacant> Matching<'_, '_, V> {
    fn descend(&mut self, child: u32, has_more: bool, after_plus: bool) {
        if has_more {
            if let Some(place) = self.places.get_mut(self.left) {
                *place = Place {
                    node: self.at,
                    start: self.start as u32,
                    after_plus,
                };
            }
            self.left += 1;
        }
        self.at = child;
        self.start = self.end + 1;
        self.end = level_end(self.name, self.start);
        self.next = Step::Text;
    }

    /// Goes back to the last node that has something left; false if there is none.
    fn back(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        let place = self.places.get(left).copied();
        let Some(place) = place.or_else(|| self.place_above()) else {
            return false;
        };
        self.at = place.node;
        self.start = place.start as usize;
        self.end = level_end(self.name, self.start);
        self.next = if place.after_plus { Step::Hash } else { Step::Plus };
        true
    }

    /// The next node upwards that has something left.
    fn place_above(&self) -> Option<Place> {
        let (mut at, mut start) = (self.at, self.start);
        loop {
            let node = self.tree.node(at)?;
            // Over the slash, and over the level before it.
            let before = self.name.get(..start.checked_sub(1)?)?;
            start = before.rfind('/').map_or(0, |slash| slash + 1);
            at = node.parent;
            if self.tree.node(at)?.has_more(node.is_plus) {
                return Some(Place {
                    node: at,
                    start: start as u32,
                    after_plus: node.is_plus,
                });
            }
        }
    }

    /// A wildcard in this node stands for a first level that begins with `$`.
    fn is_dollar(&self) -> bool {
        self.dollar || (self.at == ROOT && self.name.starts_with('$'))
    }
}

impl<V: Vacant> Iterator for Matching<'_, '_, V> {
    type Item = Reached;

    fn next(&mut self) -> Option<Reached> {
        loop {
            if matches!(self.next, Step::Back) && !self.back() {
                return None;
            }
            #[cfg(test)]
            {
                self.looks += 1;
            }
            let node = self.tree.node(self.at)?;
            if matches!(self.next, Step::Text) {
                let Some(level) = self.name.get(self.start..self.end) else {
                    self.next = Step::Hash;
                    return Some(Reached {
                        node: self.at,
                        dollar: self.dollar,
                    });
                };
                if let Some(&child) = node.children.get(level) {
                    self.descend(child, node.has_more(false), false);
                    continue;
                }
                self.next = Step::Plus;
            }
            if matches!(self.next, Step::Plus) && node.plus {
                if let Some(&child) = node.children.get("+") {
                    self.dollar = self.is_dollar();
                    self.descend(child, node.has_more(true), true);
                    continue;
                }
            }
            self.next = Step::Back;
            if node.hash {
                // "a/#" matches "a" too (4.7.1.2).
                if let Some(&node) = node.children.get("#") {
                    let dollar = self.is_dollar();
                    return Some(Reached { node, dollar });
                }
            }
        }
    }
}
