//! What is reached from the roots, and by which shortest path.
//!
//! An indirect call reaches every function whose address is taken anywhere, unless the rules narrow it. Functions that
//! are ends are not entered.

use crate::audit::graph::Graph;
use crate::audit::image::Image;
use crate::audit::rules::{self, Question, Rules, Targets};
use anyhow::{Result, bail};
use std::collections::{BTreeSet, VecDeque};

/// A call of something that must not be called.
#[derive(Clone, Debug)]
pub struct Find {
    /// The function that holds the call.
    pub function: usize,
    /// Where.
    pub at: u64,
    /// What is called.
    pub end: String,
}

/// How a function was first reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It was not.
    None,
    /// It is a root.
    Root,
    /// By this function, from there.
    From(usize, u64),
}

/// Everything that can be reached.
pub struct Reach<'a> {
    image: &'a Image,
    graph: &'a Graph,
    rules: &'a Rules,
    question: &'a Question,
    /// How each function was first reached.
    parents: Vec<Way>,
    queue: VecDeque<usize>,
    /// What code seen so far hands on, and whether anyone calls what is handed.
    handed: BTreeSet<(usize, usize, u64)>,
    handed_is_called: bool,
    /// Functions whose narrowing names nothing in the image.
    stale: Vec<String>,
    /// Forbidden calls.
    pub finds: Vec<Find>,
}

impl<'a> Reach<'a> {
    /// Walks the graph from the question's roots.
    ///
    /// # Errors
    /// If a root, or all that a narrowing names, is not in the image.
    pub fn of(image: &'a Image, graph: &'a Graph, rules: &'a Rules, question: &'a Question) -> Result<Self> {
        let parents = vec![Way::None; image.functions.len()];
        let (queue, handed, stale, finds) = (VecDeque::new(), BTreeSet::new(), Vec::new(), Vec::new());
        let mut reach =
            Self { image, graph, rules, question, parents, queue, handed, handed_is_called: false, stale, finds };
        for root in &question.roots {
            let found: Vec<usize> = reach.named(root);
            if found.is_empty() {
                bail!("the root {root} is not in the image: correct tests/audit.toml");
            }
            for function in found {
                reach.enter(function, None);
            }
        }
        while let Some(function) = reach.queue.pop_front() {
            reach.visit(function);
        }
        if let Some(function) = reach.stale.first() {
            bail!("no function of the image is what {function} is said to call: correct tests/audit.toml");
        }
        Ok(reach)
    }

    fn named(&self, pattern: &str) -> Vec<usize> {
        let functions = self.image.functions.iter().enumerate();
        functions.filter(|(_, function)| rules::matches(pattern, &function.name)).map(|(index, _)| index).collect()
    }

    fn name(&self, function: usize) -> &'a str {
        self.image.functions.get(function).map_or("", |function| function.name.as_str())
    }

    /// Goes into `function` unless it is known or an end.
    fn enter(&mut self, function: usize, from: Option<(usize, u64)>) {
        let name = self.name(function);
        if rules::any(&self.question.ends, name) {
            if let Some((caller, at)) = from {
                self.finds.push(Find { function: caller, at, end: name.to_owned() });
            }
        } else if let Some(parent) = self.parents.get_mut(function).filter(|way| **way == Way::None) {
            *parent = from.map_or(Way::Root, |(caller, at)| Way::From(caller, at));
            self.queue.push_back(function);
        }
    }

    fn visit(&mut self, function: usize) {
        let graph = self.graph;
        let Some(node) = graph.nodes.get(function) else { return };
        for (at, to) in &node.calls {
            self.enter(*to, Some((function, *at)));
        }
        for (at, to) in &node.hands {
            if !self.rules.is_callee(self.name(*to)) {
                continue;
            }
            if self.handed.insert((*to, function, *at)) && self.handed_is_called {
                self.enter(*to, Some((function, *at)));
            }
        }
        let Some(at) = node.indirect.first().copied() else { return };
        match self.rules.narrowed(self.name(function)) {
            None => {
                let targets = graph.taken.iter().copied().filter(|to| self.rules.is_callee(self.name(*to)));
                targets.collect::<Vec<_>>().into_iter().for_each(|to| self.enter(to, Some((function, at))));
            }
            Some(Targets::Named(names)) => {
                let targets: Vec<usize> = names.iter().flat_map(|name| self.named(name)).collect();
                if targets.is_empty() {
                    self.stale.push(self.name(function).to_owned());
                }
                for to in targets {
                    self.enter(to, Some((function, at)));
                }
            }
            Some(Targets::Handed(_)) if !self.handed_is_called => {
                self.handed_is_called = true;
                let handed = self.handed.clone();
                for (to, by, at) in handed {
                    self.enter(to, Some((by, at)));
                }
            }
            Some(Targets::Handed(_)) => {}
        }
    }

    /// Ends that the compiler inlined have no symbol to call: their instructions say where they came from.
    pub fn find_inlined(&mut self) {
        for index in self.reached() {
            let Some(function) = self.image.functions.get(index) else { continue };
            let mut last = String::new();
            for at in (function.start..function.end).step_by(4) {
                let positions = self.image.positions(at);
                // The outermost position is the function itself.
                let inlined =
                    positions.iter().rev().skip(1).find(|place| rules::any(&self.question.ends, &place.function));
                let Some(end) = inlined.map(|place| place.function.clone()) else { continue };
                if end != last {
                    self.finds.push(Find { function: index, at, end: end.clone() });
                    last = end;
                }
            }
        }
    }

    /// Every call of `function` by functions reached.
    #[must_use]
    pub fn callers(&self, function: usize) -> Vec<(usize, u64)> {
        let calls = self.reached().into_iter().filter_map(|caller| Some((caller, self.graph.nodes.get(caller)?)));
        let calls = calls.flat_map(|(caller, node)| node.calls.iter().map(move |(at, to)| (caller, *at, *to)));
        calls.filter(|(_, _, to)| *to == function).map(|(caller, at, _)| (caller, at)).collect()
    }

    /// Functions reached.
    #[must_use]
    pub fn reached(&self) -> Vec<usize> {
        let parents = self.parents.iter().enumerate();
        parents.filter(|(_, way)| **way != Way::None).map(|(index, _)| index).collect()
    }

    /// From the root to `function`: each caller, and where it called.
    #[must_use]
    pub fn path(&self, function: usize) -> Vec<(usize, u64)> {
        let mut path = Vec::new();
        let mut at = function;
        while let Some(Way::From(caller, place)) = self.parents.get(at).copied() {
            path.push((caller, place));
            at = caller;
        }
        path.reverse();
        path
    }
}
