//! Who has the board's UART, and where consoles lead.
#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use common::{Key, blames, footprint, gicv3, name, only, two};
use manifest::Console;
use plan::seal;

#[test]
fn a_virtual_console_needs_a_uart_to_stand_in_for() {
    let found = only(|board, plan| {
        board.stdout = None;
        plan.cells[1].console = Console::None;
    });
    blames(&found, "E0501", Key::Console, Some(0), None);
}

#[test]
fn the_boards_uart_goes_to_one_cell() {
    let both = only(|_, plan| plan.cells.iter_mut().for_each(|cell| cell.console = Console::Passthrough));
    blames(&both, "E0506", Key::Console, Some(1), Some(0));
    let other_virtual = only(|_, plan| plan.cells[0].console = Console::Passthrough);
    blames(&other_virtual, "E0507", Key::Console, Some(1), None);
    let named_too = only(|board, plan| {
        plan.cells[0].console = Console::Passthrough;
        plan.cells[1].console = Console::None;
        plan.cells[1].devices = vec![Box::leak(board.devices[board.stdout.unwrap()].path.clone().into_boxed_str())];
    });
    blames(&named_too, "E0305", Key::Devices(0), Some(1), Some(0));
    let no_uart = only(|board, plan| {
        board.stdout = None;
        plan.cells[0].console = Console::Passthrough;
        plan.cells[1].console = Console::None;
    });
    blames(&no_uart, "E0501", Key::Console, Some(0), None);
}

#[test]
fn a_passed_uart_is_the_cells_and_el2_takes_the_next_or_warns() {
    let board = gicv3();
    let mut plan = two();
    plan.cells[0].console = Console::Passthrough;
    plan.cells[1].console = Console::None;
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let stdout = board.stdout.unwrap();
    assert!(sealed.cells()[0].devices.contains(&stdout) && sealed.cells()[0].uart.is_none());
    assert_eq!(sealed.uart(), None);
    assert_eq!(sealed.findings().iter().map(name).collect::<Vec<_>>(), ["E0508"]);
}
