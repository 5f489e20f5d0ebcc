//! The audit on images made by hand: it must go red for every way to reach an end, and stay green without one.

use crate::audit::graph::Graph;
use crate::audit::image::{Function, Image, Section};
use crate::audit::reach::Reach;
use crate::audit::rules::{Question, Rules};

const BASE: u64 = 0x8000_0000;
const DATA: u64 = 0x8000_1000;
const RET: u32 = 0xd65f_03c0;
const NOP: u32 = 0xd503_201f;
const BLR_X8: u32 = 0xd63f_0100;
const BR_X8: u32 = 0xd61f_0100;
const ADD_X8_X9_X10: u32 = 0x8b0a_0928;
const LDR_X8_X0_24: u32 = 0xf940_0c08;

/// Functions of four words each, and words of data.
struct Made {
    functions: Vec<(&'static str, [u32; 4])>,
    data: Vec<u64>,
}

fn address(index: u64) -> u64 {
    BASE + index * 16
}

/// `BL`, `B`, `CBZ X0` or `ADR X0` at word `word` of function `from` to the first of `to`.
fn transfer(opcode: u32, low: u32, from: u64, word: u64, to: u64) -> u32 {
    let words = address(to).wrapping_sub(address(from) + word * 4).cast_signed() / 4;
    let mask = if low == 0 { 0x3ff_ffff } else { 0x7_ffff };
    opcode | (u32::try_from(words & mask).unwrap() << low)
}

fn bl(from: u64, word: u64, to: u64) -> u32 {
    transfer(0x9400_0000, 0, from, word, to)
}

fn b(from: u64, word: u64, to: u64) -> u32 {
    transfer(0x1400_0000, 0, from, word, to)
}

fn cbz(from: u64, word: u64, to: u64) -> u32 {
    transfer(0xb400_0000, 5, from, word, to)
}

fn adr(from: u64, word: u64, to: u64) -> u32 {
    transfer(0x1000_0000, 5, from, word, to)
}

/// `ADRP X1, DATA` from anywhere in the page of `BASE`, then `ADD X1, X1, #offset`.
fn data_at(offset: u32) -> [u32; 2] {
    [0xb000_0001, 0x9100_0021 | offset << 10]
}

const RULES: &str = r#"
    [panics]
    roots = ["root"]
    ends = ["panic*"]
    control = "root"
    [alloc]
    roots = []
    ends = []
    control = ""
"#;

/// Functions that call an end, as reached from `root` under extra `rules`.
fn callers(made: &Made, rules: &str) -> Vec<String> {
    let section = |name: &str, start, data: Vec<u8>, code| Section {
        name: name.to_owned(),
        start,
        bytes: data.len() as u64,
        data,
        code,
        writable: false,
    };
    let text = made.functions.iter().flat_map(|(_, words)| words.iter().flat_map(|word| word.to_le_bytes())).collect();
    let data = made.data.iter().flat_map(|word| word.to_le_bytes()).collect();
    let functions = made.functions.iter().zip(0..).map(|((name, _), index)| Function {
        name: (*name).to_owned(),
        start: address(index),
        end: address(index + 1),
    });
    let sections = vec![section(".text", BASE, text, true), section(".rodata", DATA, data, false)];
    let image = Image::of_parts(functions.collect(), sections);
    let rules: Rules = toml::from_str(&format!("{RULES}{rules}")).unwrap();
    let question: Question = rules.panics.clone();
    let graph = Graph::of(&image);
    let reach = Reach::of(&image, &graph, &rules, &question).unwrap();
    reach.finds.iter().map(|find| image.functions[find.function].name.clone()).collect()
}

const QUIET: [u32; 4] = [NOP, NOP, NOP, RET];

fn made<const N: usize>(functions: [(&'static str, [u32; 4]); N]) -> Made {
    Made { functions: functions.to_vec(), data: Vec::new() }
}

#[test]
fn a_call_a_tail_call_a_branch_and_a_fall_through_are_ways() {
    let last = ("panic_fmt", QUIET);
    assert_eq!(callers(&made([("root", [bl(0, 0, 1), NOP, NOP, RET]), last]), ""), ["root"]);
    assert_eq!(callers(&made([("root", [NOP, NOP, NOP, b(0, 3, 1)]), last]), ""), ["root"]);
    assert_eq!(callers(&made([("root", [NOP, cbz(0, 1, 1), NOP, RET]), last]), ""), ["root"]);
    assert_eq!(callers(&made([("root", [NOP, NOP, NOP, NOP]), last]), ""), ["root"]);
    let through = [("root", [bl(0, 0, 2), RET, NOP, RET]), last, ("middle", [NOP, bl(2, 1, 1), NOP, RET])];
    assert_eq!(callers(&made(through), ""), ["middle"]);
}

#[test]
fn what_only_others_call_is_not_reached() {
    let apart = [("root", QUIET), ("panic_fmt", QUIET), ("boot", [bl(2, 0, 1), NOP, NOP, RET])];
    assert!(callers(&made(apart), "").is_empty());
}

#[test]
fn a_call_through_a_register_reaches_every_taken_address() {
    let functions = [
        ("root", [LDR_X8_X0_24, BLR_X8, NOP, RET]),
        ("panic_fmt", QUIET),
        ("method", [bl(2, 0, 1), NOP, NOP, RET]),
        ("boot", [adr(3, 0, 2), NOP, NOP, RET]),
    ];
    assert_eq!(callers(&made(functions), ""), ["method"], "taken by code");
    let mut by_data = made([functions[0], functions[1], functions[2], ("boot", QUIET)]);
    assert!(callers(&made([functions[0], functions[1], functions[2]]), "").is_empty(), "not taken at all");
    by_data.data = vec![0, 8, 8, address(2)];
    assert_eq!(callers(&by_data, ""), ["method"], "taken by a vtable");
}

#[test]
fn a_tail_call_through_a_register_is_one_and_a_switch_is_none() {
    let rest =
        [("panic_fmt", QUIET), ("method", [bl(2, 0, 1), NOP, NOP, RET]), ("boot", [adr(3, 0, 2), NOP, NOP, RET])];
    let with = |root| callers(&made([("root", root), rest[0], rest[1], rest[2]]), "");
    assert_eq!(with([NOP, LDR_X8_X0_24, NOP, BR_X8]), ["method"]);
    assert!(with([NOP, ADD_X8_X9_X10, NOP, BR_X8]).is_empty());
    assert_eq!(with([ADD_X8_X9_X10, NOP, LDR_X8_X0_24, BR_X8]), ["method"], "loaded behind the sum");
}

#[test]
fn handed_callees_count_only_where_paths_hand_them() {
    let rule = "[[indirect]]\nfunction = \"write\"\ntargets = \"handed\"\nwhy = \"borrowed from a caller's frame\"\n";
    let functions = |root| {
        [
            ("root", root),
            ("panic_fmt", QUIET),
            ("method", [bl(2, 0, 1), NOP, NOP, RET]),
            ("write", [LDR_X8_X0_24, BLR_X8, NOP, RET]),
            ("boot", [adr(4, 0, 2), NOP, NOP, RET]),
        ]
    };
    let [page, add] = data_at(0);
    let vtable = vec![0, 8, 8, address(2)];
    let apart = Made { data: vtable.clone(), ..made(functions([bl(0, 0, 3), NOP, NOP, RET])) };
    assert!(callers(&apart, rule).is_empty(), "only boot hands it");
    assert_eq!(callers(&made(functions([adr(0, 0, 2), bl(0, 1, 3), NOP, RET])), rule), ["method"]);
    let by_vtable = Made { data: vtable, ..made(functions([page, add, bl(0, 2, 3), RET])) };
    assert_eq!(callers(&by_vtable, rule), ["method"], "by a vtable");
    let [page, add] = data_at(0);
    let chain = vec![DATA + 16, 0, 0, 8, 8, address(2)];
    let by_pointer = Made { data: chain, ..made(functions([page, add, bl(0, 2, 3), RET])) };
    assert_eq!(callers(&by_pointer, rule), ["method"], "by data that points to a vtable");
}

#[test]
fn named_callees_narrow_a_call() {
    let functions = [
        ("root", [LDR_X8_X0_24, BLR_X8, NOP, RET]),
        ("panic_fmt", QUIET),
        ("method", [bl(2, 0, 1), NOP, NOP, RET]),
        ("harmless", QUIET),
        ("boot", [adr(4, 0, 2), adr(4, 1, 3), NOP, RET]),
    ];
    let rule =
        |target| format!("[[indirect]]\nfunction = \"root\"\ntargets = [\"{target}\"]\nwhy = \"the only one set\"\n");
    assert!(callers(&made(functions), &rule("harmless")).is_empty());
    assert_eq!(callers(&made(functions), &rule("meth*")), ["method"]);
}
