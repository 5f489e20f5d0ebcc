//! The one stream made of several sources.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::VecDeque;

use console::{LINE_BYTES, Mux, Sources};
use proptest::prelude::*;

struct Cell {
    name: &'static str,
    bytes: RefCell<VecDeque<u8>>,
}

impl Cell {
    fn say(&self, text: impl AsRef<[u8]>) {
        self.bytes.borrow_mut().extend(text.as_ref());
    }
}

struct Cells<'a>(&'a [Cell]);

impl Sources for Cells<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn name(&self, source: usize) -> &str {
        self.0.get(source).unwrap().name
    }
    fn pop(&self, source: usize) -> Option<u8> {
        self.0.get(source)?.bytes.borrow_mut().pop_front()
    }
}

/// How far a call of [`Terminal::poll`] came: all is printed, or all but unfinished lines, or the budget is spent.
#[derive(Debug, PartialEq)]
enum Progress {
    Idle,
    Held,
    More,
}

fn cell(name: &'static str) -> Cell {
    Cell { name, bytes: RefCell::default() }
}

struct Terminal {
    mux: Mux<4>,
    cells: [Cell; 3],
    shown: Vec<u8>,
}

impl Terminal {
    fn new() -> Self {
        Self { mux: Mux::NEW, cells: [cell("a"), cell("bb"), cell("cellwall")], shown: Vec::new() }
    }
    fn poll(&mut self, budget: usize) -> Progress {
        let mut left = budget;
        let more = self.mux.send(&Cells(&self.cells), |byte| {
            let room = left > 0;
            if room {
                left -= 1;
                self.shown.push(byte);
            }
            room
        });
        match (more, self.mux.is_held()) {
            (true, _) => Progress::More,
            (false, true) => Progress::Held,
            (false, false) => Progress::Idle,
        }
    }
    /// Polls to the end and returns what is new on the terminal.
    fn shows(&mut self) -> String {
        assert_ne!(self.poll(100_000), Progress::More);
        String::from_utf8_lossy(&std::mem::take(&mut self.shown)).into_owned()
    }
    fn silence(&mut self) {
        self.mux.tick();
        self.mux.tick();
    }
}

#[test]
fn a_whole_line_gets_its_prefix_and_a_carriage_return() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("tick 1000\n");
    assert_eq!(terminal.shows(), "[a] tick 1000\r\n");
    assert_eq!(terminal.poll(10), Progress::Idle);
}

#[test]
fn lines_of_several_sources_take_turns() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("1\n2\n3\n");
    terminal.cells[1].say("x\ny\n");
    assert_eq!(terminal.shows(), "[a] 1\r\n[bb] x\r\n[a] 2\r\n[bb] y\r\n[a] 3\r\n");
}

#[test]
fn an_unfinished_line_waits_for_its_end_while_others_print() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("tick ");
    terminal.cells[1].say("x\n");
    assert_eq!(terminal.shows(), "[bb] x\r\n");
    assert_eq!(terminal.poll(10), Progress::Held);
    terminal.mux.tick();
    assert_eq!(terminal.shows(), "");
    terminal.cells[0].say("1000\n");
    assert_eq!(terminal.shows(), "[a] tick 1000\r\n");
}

#[test]
fn a_prompt_shows_when_its_source_falls_silent_and_echo_follows_it() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("# ");
    terminal.shows();
    terminal.silence();
    assert_eq!(terminal.shows(), "[a] # ");
    for echo in ["l", "s", "\x08 \x08"] {
        terminal.cells[0].say(echo);
        terminal.shows();
        terminal.silence();
        assert_eq!(terminal.shows(), echo);
    }
    terminal.cells[0].say("\r\nbin\r\n");
    assert_eq!(terminal.shows(), "\r\n[a] bin\r\n");
}

#[test]
fn a_source_that_still_sends_is_not_silent() {
    let mut terminal = Terminal::new();
    for _ in 0..50 {
        terminal.cells[0].say("x");
        assert_eq!(terminal.shows(), "");
        terminal.mux.tick();
    }
    terminal.cells[0].say("\n");
    assert_eq!(terminal.shows(), format!("[a] {}\r\n", "x".repeat(50)));
}

#[test]
fn an_interrupted_line_is_ended_and_taken_up_again() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("login: ");
    terminal.shows();
    terminal.silence();
    terminal.shows();
    terminal.cells[1].say("x\n");
    assert_eq!(terminal.shows(), "\r\n[bb] x\r\n");
    terminal.cells[0].say("root\n");
    assert_eq!(terminal.shows(), "[a] root\r\n");
}

#[test]
fn an_interrupted_line_with_nothing_left_but_its_end_leaves_no_empty_line() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("login: ");
    terminal.shows();
    terminal.silence();
    assert_eq!(terminal.shows(), "[a] login: ");
    terminal.cells[1].say("y\n");
    assert_eq!(terminal.shows(), "\r\n[bb] y\r\n");
    terminal.cells[0].say("\r\nnext\n");
    assert_eq!(terminal.shows(), "[a] next\r\n");
}

#[test]
fn a_return_into_an_interrupted_line_leaves_no_empty_prefix() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("10%");
    terminal.shows();
    terminal.silence();
    assert_eq!(terminal.shows(), "[a] 10%");
    terminal.cells[1].say("x\n");
    terminal.shows();
    terminal.cells[0].say("\r20%\n");
    assert_eq!(terminal.shows(), "[a] 20%\r\n");
}

#[test]
fn an_empty_line_is_a_line() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("\n\r\n");
    assert_eq!(terminal.shows(), "[a] \r\n[a] \r\n");
}

#[test]
fn a_long_line_comes_out_in_one_piece_if_it_is_there() {
    let mut terminal = Terminal::new();
    let long = "x".repeat(3 * LINE_BYTES);
    terminal.cells[0].say(format!("{long}\n"));
    terminal.cells[1].say("y\n");
    assert_eq!(terminal.shows(), format!("[a] {long}\r\n[bb] y\r\n"));
}

#[test]
fn a_line_without_end_does_not_keep_others_silent() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("x".repeat(100 * LINE_BYTES));
    terminal.cells[1].say("y\n");
    let shown = terminal.shows();
    let before = shown.find("[bb] y\r\n").unwrap();
    assert!(before < 10 * LINE_BYTES, "{before}");
    assert_eq!(shown.matches('x').count(), 100 * LINE_BYTES);
}

#[test]
fn a_source_with_endless_lines_does_not_keep_others_silent() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("x\n".repeat(1000));
    terminal.cells[2].say("event=up\n");
    assert!(terminal.shows().starts_with("[a] x\r\n[cellwall] event=up\r\n"));
}

#[test]
fn a_lone_return_keeps_the_prefix() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("10%\r20%\r\r\nok\n\rnext\n");
    assert_eq!(terminal.shows(), "[a] 10%\r[a] 20%\r\n[a] ok\r\n[a] next\r\n");
}

#[test]
fn controls_that_disturb_the_terminal_are_dropped() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say(b"\0a\x05\x0e\x7f\tb\x1b[1mc\xc3\xa9\n");
    assert_eq!(terminal.shows(), "[a] a\tb\x1b[1mcé\r\n");
}

#[test]
fn the_budget_bounds_a_call_and_loses_nothing() {
    let mut terminal = Terminal::new();
    terminal.cells[0].say("hello\n");
    let mut calls = 0;
    while terminal.poll(1) == Progress::More {
        calls += 1;
        assert_eq!(terminal.shown.len(), calls);
    }
    assert_eq!(terminal.shown, b"[a] hello\r\n");
}

#[test]
fn sources_past_the_last_lane_are_not_heard() {
    let cells = [cell("a"), cell("b")];
    for cell in &cells {
        cell.say("x\n");
    }
    let mut mux = Mux::<1>::NEW;
    let mut shown = Vec::new();
    mux.send(&Cells(&cells), |byte| {
        shown.push(byte);
        true
    });
    assert_eq!(shown, b"[a] x\r\n");
}

/// One step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Say(usize, String),
    Poll(usize),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, "[0-9]{0,40}(\n[0-9]{0,150}){0,3}\n?").prop_map(|(cell, text)| Step::Say(cell, text)),
        3 => (0..300usize).prop_map(Step::Poll),
        1 => Just(Step::Tick),
    ]
}

proptest! {
    #[test]
    fn no_line_is_shared_and_every_byte_comes_out(steps in prop::collection::vec(step(), 0..60)) {
        let mut terminal = Terminal::new();
        let mut said = [const { String::new() }; 3];
        for step in steps {
            match step {
                // Each source's text is in letters of its own.
                Step::Say(cell, text) => {
                    let text: String = text
                        .chars()
                        .map(|c| c.to_digit(10).map_or(c, |d| char::from(b'a' + 9 * cell as u8 + d.min(8) as u8)))
                        .collect();
                    terminal.cells[cell].say(&text);
                    said[cell].push_str(&text);
                }
                Step::Poll(budget) => {
                    terminal.poll(budget);
                }
                Step::Tick => terminal.mux.tick(),
            }
        }
        terminal.poll(usize::MAX >> 1);
        terminal.silence();
        terminal.poll(usize::MAX >> 1);
        let shown = String::from_utf8(std::mem::take(&mut terminal.shown)).unwrap();
        let mut heard = [const { String::new() }; 3];
        for line in shown.split("\r\n").filter(|line| !line.is_empty()) {
            let (prefix, text) = line.split_once("] ").unwrap();
            let cell = ["[a", "[bb", "[cellwall"].iter().position(|name| *name == prefix).unwrap();
            heard[cell].push_str(text);
        }
        for (heard, said) in heard.iter().zip(&said) {
            prop_assert_eq!(heard, &said.replace('\n', ""));
        }
    }

    #[test]
    fn whole_lines_come_out_whole(lines in prop::collection::vec((0..3usize, "[a-z]{0,119}"), 0..60), budget in 1usize..200) {
        let mut terminal = Terminal::new();
        let mut expected: Vec<String> = Vec::new();
        for (cell, line) in lines {
            terminal.cells[cell].say(format!("{line}\n"));
            terminal.poll(budget);
            terminal.mux.tick();
            expected.push(format!("[{}] {line}", terminal.cells[cell].name));
        }
        let mut shown: Vec<String> = terminal.shows_all();
        shown.sort();
        expected.sort();
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec((0..3usize, any::<u8>(), 0..8usize), 0..600)) {
        let mut terminal = Terminal::new();
        for (cell, byte, work) in bytes {
            terminal.cells[cell].say([byte]);
            terminal.poll(work);
            if work == 0 {
                terminal.mux.tick();
            }
        }
        terminal.poll(usize::MAX >> 1);
        prop_assert!(terminal.cells.iter().all(|cell| cell.bytes.borrow().is_empty()));
    }
}

impl Terminal {
    /// Polls to the end and returns the lines shown since the beginning.
    fn shows_all(&mut self) -> Vec<String> {
        let shown = self.shows();
        shown.split_terminator("\r\n").map(String::from).collect()
    }
}
