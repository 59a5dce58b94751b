//! Topic exchange: a tree of words in which all patterns that begin alike share their beginning.
//!
//! A pattern is words between dots; `*` stands for one word and `#` for any number, none included.
//! Routing walks the tree with the words of the key and a set of nodes it may be at. A node behind
//! `#` stays in the set once it is reached, every other moves on or drops out; so the set holds each
//! node at most once and a step costs one look-up per node in it, whatever the patterns: there is
//! no backtracking to exhaust. The empty key has no words (not one empty word), as in RabbitMQ.
//!
//! Children by word are in one hash table of the tree, keyed by parent and word.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashSet, HashTable};
use smallvec::SmallVec;

use super::registry::Place;
use super::seen::Seen;
use super::targets::Targets;

const ROOT: usize = 0;

/// Nodes behind `#` that are searched one by one before a hash table takes over.
const FEW: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Topic<D> {
    /// The root is never freed.
    nodes: Vec<Node<D>>,
    free: Vec<usize>,
    words: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Debug)]
struct Node<D> {
    parent: usize,
    edge: Edge,
    /// Children by word.
    words: usize,
    star: Option<usize>,
    hash: Option<usize>,
    targets: Targets<D>,
}

/// What leads to a node from its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edge {
    Root,
    Word(SmallVec<[u8; 20]>),
    Star,
    Hash,
}

impl<D> Node<D> {
    fn new(parent: usize, edge: Edge) -> Self {
        Node { parent, edge, words: 0, star: None, hash: None, targets: Targets::default() }
    }
}

impl<D> Default for Topic<D> {
    fn default() -> Self {
        Topic {
            nodes: vec![Node::new(ROOT, Edge::Root)],
            free: Vec::new(),
            words: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<D: Clone + Eq + Hash> Topic<D> {
    pub(super) fn add(&mut self, id: usize, destination: &D, pattern: &[u8]) -> Place {
        let mut node = ROOT;
        for word in split(pattern) {
            node = self.child(node, word).unwrap_or_else(|| self.grow(node, word));
        }
        let slot = self.nodes.get_mut(node).map_or(0, |node| node.targets.add(id, destination.clone()));
        Place { node, slot }
    }

    /// Returns the binding that moved into the place. Nodes that lead nowhere any more are freed.
    pub(super) fn remove(&mut self, place: Place) -> Option<usize> {
        let moved = self.nodes.get_mut(place.node)?.targets.remove(place.slot);
        let mut leaf = place.node;
        while leaf != ROOT
            && let Some(node) = self.nodes.get(leaf)
            && node.targets.is_empty()
            && node.words == 0
            && node.star.is_none()
            && node.hash.is_none()
        {
            leaf = self.prune(leaf);
        }
        moved
    }

    /// Calls `out` with each destination once. `distinct`: no pattern has a destination twice.
    pub(super) fn route(&self, key: &[u8], distinct: bool, out: &mut impl FnMut(&D)) {
        let walk = self.walk(key);
        let mut ends = walk.ends().filter_map(|node| self.nodes.get(node)).map(|node| &node.targets);
        let mut ends = ends.by_ref().filter(|targets| !targets.is_empty());
        let Some(first) = ends.next() else { return };
        let Some(second) = ends.next() else { return first.route(distinct, out) };
        let mut seen = Seen::default();
        first.route_unseen(&mut seen, out);
        second.route_unseen(&mut seen, out);
        ends.for_each(|targets| targets.route_unseen(&mut seen, out));
    }

    /// Every node that the words of `key` lead to.
    fn walk(&self, key: &[u8]) -> Walk {
        let mut walk = Walk::default();
        let mut next = SmallVec::new();
        self.reach(ROOT, &mut walk.moving, &mut walk.staying);
        for word in split(key) {
            // Nodes that this word adds to `staying` have not read it.
            let staying = walk.staying.nodes.len();
            for index in 0..walk.moving.len() + staying {
                let at = walk.moving.get(index).or_else(|| walk.staying.nodes.get(index - walk.moving.len()));
                let Some(node) = at.and_then(|at| self.nodes.get(*at).map(|node| (*at, node))) else {
                    continue;
                };
                let (at, node) = node;
                if node.words > 0
                    && let Some(child) = self.word_child(at, word)
                {
                    self.reach(child, &mut next, &mut walk.staying);
                }
                if let Some(star) = node.star {
                    self.reach(star, &mut next, &mut walk.staying);
                }
            }
            std::mem::swap(&mut walk.moving, &mut next);
            next.clear();
            if walk.moving.is_empty() && walk.staying.nodes.is_empty() {
                break;
            }
        }
        walk
    }

    /// Puts a node into the set, and what follows it through `#` standing for nothing.
    fn reach(&self, node: usize, moving: &mut Nodes, staying: &mut Staying) {
        moving.push(node);
        let mut hash = self.nodes.get(node).and_then(|node| node.hash);
        while let Some(node) = hash
            && staying.insert(node)
        {
            hash = self.nodes.get(node).and_then(|node| node.hash);
        }
    }

    fn child(&self, parent: usize, word: &[u8]) -> Option<usize> {
        match word {
            b"*" => self.nodes.get(parent)?.star,
            b"#" => self.nodes.get(parent)?.hash,
            _ => self.word_child(parent, word),
        }
    }

    fn word_child(&self, parent: usize, word: &[u8]) -> Option<usize> {
        let same = |child: &usize| is_child(&self.nodes, *child, parent, word);
        self.words.find(self.hasher.hash_one((parent, word)), same).copied()
    }

    fn grow(&mut self, parent: usize, word: &[u8]) -> usize {
        let edge = match word {
            b"*" => Edge::Star,
            b"#" => Edge::Hash,
            _ => Edge::Word(SmallVec::from_slice(word)),
        };
        let new = self.free.pop().unwrap_or(self.nodes.len());
        if let Some(node) = self.nodes.get_mut(parent) {
            match edge {
                Edge::Star => node.star = Some(new),
                Edge::Hash => node.hash = Some(new),
                Edge::Word(_) => node.words += 1,
                Edge::Root => {}
            }
        }
        let is_word = matches!(edge, Edge::Word(_));
        let node = Node::new(parent, edge);
        match self.nodes.get_mut(new) {
            Some(free) => *free = node,
            None => self.nodes.push(node),
        }
        if is_word {
            let (nodes, hasher) = (&self.nodes, &self.hasher);
            let hash = hasher.hash_one((parent, word));
            self.words.insert_unique(hash, new, |child| hash_of(nodes, hasher, *child));
        }
        new
    }

    /// Frees a node without children and targets; returns its parent.
    fn prune(&mut self, leaf: usize) -> usize {
        let Some(node) = self.nodes.get_mut(leaf) else { return ROOT };
        let parent = node.parent;
        match std::mem::replace(&mut node.edge, Edge::Root) {
            Edge::Word(word) => {
                let hash = self.hasher.hash_one((parent, word.as_slice()));
                if let Ok(found) = self.words.find_entry(hash, |child| *child == leaf) {
                    found.remove();
                }
                if let Some(parent) = self.nodes.get_mut(parent) {
                    parent.words -= 1;
                }
            }
            Edge::Star => {
                if let Some(parent) = self.nodes.get_mut(parent) {
                    parent.star = None;
                }
            }
            Edge::Hash => {
                if let Some(parent) = self.nodes.get_mut(parent) {
                    parent.hash = None;
                }
            }
            Edge::Root => {}
        }
        self.free.push(leaf);
        parent
    }

    /// Nodes in use, the root included: for tests of pruning.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}

type Nodes = SmallVec<[usize; 16]>;

/// Where a walk may be.
#[derive(Default)]
struct Walk {
    moving: Nodes,
    staying: Staying,
}

impl Walk {
    fn ends(&self) -> impl Iterator<Item = usize> {
        self.moving.iter().chain(&self.staying.nodes).copied()
    }
}

/// The nodes behind `#` that were reached, each once.
#[derive(Default)]
struct Staying {
    nodes: Nodes,
    index: HashSet<usize>,
}

impl Staying {
    /// `false` when the node was there already.
    fn insert(&mut self, node: usize) -> bool {
        if self.nodes.len() < FEW {
            if self.nodes.contains(&node) {
                return false;
            }
        } else {
            if self.index.is_empty() {
                self.index.extend(self.nodes.iter().copied());
            }
            if !self.index.insert(node) {
                return false;
            }
        }
        self.nodes.push(node);
        true
    }
}

fn split(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Splitting nothing gives one empty word, which RabbitMQ does not see.
    let words = if key.is_empty() { None } else { Some(key.split(|byte| *byte == b'.')) };
    words.into_iter().flatten()
}

fn is_child<D>(nodes: &[Node<D>], child: usize, parent: usize, word: &[u8]) -> bool {
    nodes.get(child).is_some_and(|node| {
        node.parent == parent && matches!(&node.edge, Edge::Word(edge) if edge.as_slice() == word)
    })
}

fn hash_of<D>(nodes: &[Node<D>], hasher: &DefaultHashBuilder, child: usize) -> u64 {
    match nodes.get(child) {
        Some(Node { parent, edge: Edge::Word(word), .. }) => hasher.hash_one((*parent, word.as_slice())),
        _ => 0,
    }
}
