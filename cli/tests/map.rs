//! The map of a plan: what it tells, in the drawing and in the tables.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use common::{Folder, GOOD, cells};
use std::process::Command;

fn map(folder: &Folder, output: &str) -> String {
    let arguments = ["map", "cells.toml", "-o", output, "--smp", "16"];
    let done =
        Command::new(env!("CARGO_BIN_EXE_cellwall")).args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read_to_string(folder.file(output)).unwrap()
}

#[test]
fn hovering_tells_owner_rights_writers_and_the_plans_line() {
    let drawn = map(&Folder::new(GOOD), "map.svg");
    let device = "<title>0x0901_0000 to 0x0901_1000: /pl031@9010000\nowner: linux\nrights: read, write\nwriters: linux\nline 16 \
                  of the plan\n  /pl031@9010000</title>";
    assert!(drawn.contains(device), "{drawn}");
    assert!(drawn.contains("kernel\nowner: hello") && drawn.contains("board address"), "{drawn}");
    assert!(drawn.contains("<title>CPU 1: linux, vCPU 0, line 12</title>"), "{drawn}");
    assert!(drawn.contains("<title>interrupt 34: /pl031@9010000, line 16</title>"), "{drawn}");
}

#[test]
fn every_piece_of_the_drawing_is_a_row_of_the_tables() {
    let page = map(&Folder::new(&cells(12)), "map.html");
    let (drawing, tables) = page.split_once("<h2 id=\"tables\">").unwrap();
    let pieces = drawing.matches("\nowner: ").count();
    let rows = tables.matches("<td>").count();
    assert!(pieces > 80 && rows > pieces, "{pieces} pieces, {rows} cells of tables");
    for cell in 0..12 {
        assert!(tables.contains(&format!("<caption>Cell cell{cell}: guest-physical addresses</caption>")));
        assert!(drawing.contains(&format!("url(#cell{cell})")) && drawing.contains(&format!("id=\"cell{cell}\"")));
    }
    // Nothing but itself: no script, no style, no picture from elsewhere.
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains("src="));
    assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
}

#[test]
fn names_are_text_and_never_markup() {
    let folder = Folder::new(GOOD);
    std::fs::rename(folder.file("cells.toml"), folder.file("a<b>&.toml")).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_cellwall"))
        .args(["map", "a<b>&.toml", "-o", "map.html"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success());
    let page = std::fs::read_to_string(folder.file("map.html")).unwrap();
    assert!(page.contains("a&lt;b&gt;&amp;.toml") && !page.contains("<b>&"));
}

#[test]
fn a_plan_that_does_not_hold_is_not_drawn() {
    let folder = Folder::new(common::CLASH);
    let run = |output: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellwall"));
        command.args(["map", "cells.toml", "-o", output]).current_dir(folder.path()).output().unwrap()
    };
    let output = run("map.svg");
    assert!(output.status.code() == Some(1) && !folder.file("map.svg").exists());
    assert!(String::from_utf8_lossy(&output.stderr).contains("error[E0103]"));
    assert_eq!(run("map.png").stderr, b"error: map.png: a map is a .svg or a .html\n");
}
