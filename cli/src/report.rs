//! What is wrong with a plan, shown at the place in `cells.toml` where it can be put right.
//!
//! Owns the source text for as long as problems point into it. A [`Report`] prints like a compiler's (text), or as one
//! JSON object for programs; it is an error that `anyhow` carries to `main`, which then ends with code 1.

use crate::explain;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use core::fmt;
use core::ops::Range;
use std::path::Path;

/// A piece of the plan's text, in bytes.
pub type Span = Range<usize>;

/// One thing wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// `E0107`, where the plan's judge says so.
    pub code: Option<&'static str>,
    /// What is wrong and with what, one sentence.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// What it collides with.
    pub other: Option<Span>,
    /// What to change.
    pub help: Option<String>,
    /// The cells it is about: at fault, and owner of the thing.
    pub cells: Vec<String>,
    /// What else the sentence names: devices, reservations.
    pub names: Vec<String>,
    /// What the sentence counts, as the judge has it: numbers, addresses, ends of regions two by two.
    pub numbers: Vec<u64>,
    /// The plan stands all the same.
    pub warning: bool,
}

impl Problem {
    /// Makes a problem that is at no place in the plan.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>) -> Self {
        self.span = span.into();
        self
    }

    /// Says under which code it is explained.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// Says what to change.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Problems and the text they point into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    path: String,
    text: String,
    /// In the order found.
    pub problems: Vec<Problem>,
    /// What a person is told behind them.
    pub closing: Option<String>,
}

impl Report {
    /// Makes a report on the plan `text` read from `path`.
    #[must_use]
    pub fn new(path: &Path, text: &str, problems: Vec<Problem>) -> Self {
        Self { path: path.display().to_string(), text: text.to_owned(), problems, closing: None }
    }

    /// Writes the report for people, in colour or plain.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let problems = self.problems.iter().map(|problem| renderer.render(&self.groups(problem)));
        let problems: Vec<String> = problems.chain(self.closing.clone()).collect();
        problems.join("\n\n")
    }

    /// Tells whether there are warnings at most.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.problems.iter().all(|problem| problem.warning)
    }

    /// Returns the report for programs.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let finding = |problem: &Problem| {
            let place = |span: &Span| {
                let (line, column) = self.line_and_column(span.start);
                serde_json::json!({ "line": line, "column": column, "start": span.start, "end": span.end })
            };
            serde_json::json!({
                "severity": if problem.warning { "warning" } else { "error" },
                "code": problem.code,
                "message": problem.message,
                "help": problem.help,
                "place": problem.span.as_ref().map(place),
                "other": problem.other.as_ref().map(place),
                "class": problem.code.and_then(explain::class).map(String::from),
                "cells": problem.cells,
                "names": problem.names,
                "numbers": problem.numbers,
            })
        };
        serde_json::json!({
            "plan": self.path,
            "ok": self.holds(),
            "findings": self.problems.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    fn groups<'s>(&'s self, problem: &'s Problem) -> Vec<Group<'s>> {
        let level = if problem.warning { Level::WARNING } else { Level::ERROR };
        let mut title = level.primary_title(problem.message.as_str());
        if let Some(code) = problem.code {
            title = title.id(code);
        }
        let mut group = Group::with_title(title);
        if let Some(span) = &problem.span {
            let mark = AnnotationKind::Primary.span(span.clone());
            let whose = match problem.cells.as_slice() {
                [_, other] => format!("cell {other} has it here"),
                _ => "and here".to_owned(),
            };
            let other = problem.other.clone().map(|other| AnnotationKind::Context.span(other).label(whose));
            let marks = std::iter::once(mark).chain(other);
            group = group.element(Snippet::source(&self.text).path(&self.path).annotations(marks));
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        vec![group]
    }

    /// Both from 1.
    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count().saturating_add(1);
        let start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let column = before.get(start..).unwrap_or_default().chars().count().saturating_add(1);
        (line, column)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
