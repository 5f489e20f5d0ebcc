//! Typing: to a cell, and into the monitor.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, reason = "tests")]

use console::{Command, Event, Input, PROMPT, Verb};
use proptest::prelude::*;

const MONITOR: u8 = 0x1d;
/// A parsed `cells`.
const CELLS: &str = r#"Do(Cells, "")"#;

fn open() -> Input {
    let mut input = Input::NEW;
    assert_eq!(input.feed(MONITOR), Event::Echo(PROMPT));
    input
}

/// Types `text` and Return; returns the command's answer, or its debug form where it has none.
fn enter(input: &mut Input, text: &str) -> String {
    text.bytes().for_each(|byte| {
        input.feed(byte);
    });
    match input.feed(b'\r') {
        Event::Command(command) => format!("{command:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn bytes_go_to_the_focused_cell_as_they_are() {
    let mut input = Input::NEW;
    for byte in (0..=255).filter(|&byte| byte != MONITOR) {
        assert_eq!(input.feed(byte), Event::Forward(byte));
    }
}

#[test]
fn the_monitor_key_opens_and_closes() {
    let mut input = open();
    assert_eq!(input.feed(b'x'), Event::Echo(b"x"));
    assert_eq!(input.feed(MONITOR), Event::Echo(b"\n"));
    assert_eq!(input.feed(b'x'), Event::Forward(b'x'));
    // What was typed before is forgotten.
    input.feed(MONITOR);
    assert_eq!(enter(&mut input, "cells"), CELLS);
    input.close();
    assert_eq!(input.feed(b'x'), Event::Forward(b'x'));
}

#[test]
fn a_line_can_be_corrected() {
    let mut input = open();
    assert_eq!(input.feed(0x7f), Event::None);
    assert_eq!(enter(&mut input, "cellx\x7f\x08ls"), CELLS);
    "nonsense".bytes().for_each(|byte| {
        input.feed(byte);
    });
    assert_eq!(input.feed(0x15), Event::Echo(b"\r\x1b[K> "));
    assert_eq!(enter(&mut input, "help"), r#"Do(Help, "")"#);
}

#[test]
fn cursor_keys_and_controls_are_ignored() {
    let mut input = open();
    assert_eq!(enter(&mut input, "ce\x1b[A\x1b[3~l\0l\x07s"), CELLS);
}

#[test]
fn return_and_line_feed_are_one_key() {
    let mut input = open();
    assert_eq!(enter(&mut input, "cells"), CELLS);
    assert_eq!(input.feed(b'\n'), Event::None);
    assert_eq!(input.feed(b'\n'), Event::Echo(b"\n> "));
    assert_eq!(enter(&mut input, "  "), format!("{:?}", Event::Echo(b"\n> ")));
}

#[test]
fn a_line_is_bounded() {
    let mut input = open();
    let answer = enter(&mut input, &"x".repeat(500));
    assert!(answer.contains(&"x".repeat(80)) && !answer.contains(&"x".repeat(81)));
}

#[test]
fn commands_are_parsed() {
    assert_eq!(Command::parse("cells"), Some(Command::Do(Verb::Cells, "")));
    assert_eq!(Command::parse("  focus   linux "), Some(Command::Do(Verb::Focus, "linux")));
    assert_eq!(Command::parse("help"), Some(Command::Do(Verb::Help, "")));
    assert_eq!(Command::parse(" \t "), None);
    assert_eq!(Command::parse("xyzzy now"), Some(Command::Unknown("xyzzy")));
}

#[test]
fn every_command_for_a_cell_wants_one_and_says_so() {
    for word in ["focus", "start", "stop", "restart", "stats", "regs"] {
        assert!(matches!(Command::parse(&format!("{word} linux")), Some(Command::Do(_, "linux"))));
        for line in [word.to_owned(), format!("{word} a b")] {
            let answer = Command::parse(&line).unwrap().to_string();
            assert!(answer.starts_with(&format!("{word} CELL ")) && answer.lines().count() == 1, "{answer}");
        }
    }
    for word in ["cells", "log", "help"] {
        assert!(Command::parse(&format!("{word} linux")).unwrap().to_string().starts_with(&format!("{word}  ")));
    }
}

#[test]
fn an_unknown_command_gets_told_where_the_commands_are() {
    assert_eq!(Command::parse("x").unwrap().to_string(), "x: unknown; `help` lists the commands\n");
}

#[test]
fn help_names_every_command() {
    let help = Command::parse("help").unwrap().to_string();
    let words: Vec<_> = help.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["cells", "focus", "start", "stop", "restart", "stats", "regs", "log", "help", "Ctrl-]"]);
    assert!(help.lines().all(|line| line.len() < 80));
}

proptest! {
    #[test]
    fn any_typing_is_taken(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut input = open();
        for byte in bytes {
            if let Event::Command(command) = input.feed(byte) {
                prop_assert!(!command.to_string().is_empty());
            }
        }
    }
}
