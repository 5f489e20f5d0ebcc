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

use crate::common::{blames, footprint, gicv3, name, only, place, seal, two};
use manifest::Console;

#[test]
fn a_virtual_console_needs_a_uart_to_stand_in_for() {
    let found = only(|board, plan| {
        board.stdout = None;
        plan.cells[1].console = Console::None;
    });
    blames(&found, "E0501", 0, Some(0), None);
}

#[test]
fn the_boards_uart_goes_to_one_cell() {
    let both = only(|_, plan| plan.cells.iter_mut().for_each(|cell| cell.console = Console::Passthrough));
    blames(&both, "E0506", 0, Some(1), Some(0));
    let other_virtual = only(|_, plan| plan.cells[0].console = Console::Passthrough);
    blames(&other_virtual, "E0507", 0, Some(1), None);
    let named_too = only(|board, plan| {
        plan.cells[0].console = Console::Passthrough;
        plan.cells[1].console = Console::None;
        plan.cells[1].devices = vec![board.path(&board.devices[board.stdout.unwrap()]).to_owned().leak()];
    });
    blames(&named_too, "E0305", 0, Some(1), Some(0));
    let no_uart = only(|board, plan| {
        board.stdout = None;
        plan.cells[0].console = Console::Passthrough;
        plan.cells[1].console = Console::None;
    });
    blames(&no_uart, "E0501", 0, Some(0), None);
}

#[test]
fn a_passed_uart_is_the_cells_and_el2_takes_the_next_or_warns() {
    let board = gicv3();
    let mut plan = two();
    plan.cells[0].console = Console::Passthrough;
    plan.cells[1].console = Console::None;
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let stdout = board.stdout.unwrap();
    assert!(sealed.cells[0].devices.contains(&stdout) && sealed.cells[0].uart.is_none());
    assert_eq!(sealed.uart, None);
    assert_eq!(sealed.findings.iter().map(name).collect::<Vec<_>>(), ["E0508"]);
}

#[test]
fn el2_takes_the_next_uart_that_is_enabled_and_no_cells() {
    // The clock takes a second UART's name, and the one behind it a third's.
    let uarts = |change: &dyn Fn(&mut board::Board<'static>, &mut manifest::Manifest<'static>)| {
        let (mut board, mut plan) = (gicv3(), two());
        let (second, third) = (place(&board, "/pl031@9010000"), place(&board, "/pl061@9030000"));
        board.devices[second].compatible = b"arm,pl011";
        board.devices[third].compatible = b"arm,pl011";
        plan.cells[0].console = Console::Passthrough;
        change(&mut board, &mut plan);
        let uart = seal(&board, &plan, &footprint()).unwrap().uart;
        uart.map(|uart| board.path(&board.devices[uart]).to_owned())
    };
    let (second, third) = ("/pl031@9010000", "/pl061@9030000");
    let first = uarts(&|_, _| ()).unwrap();
    let [first, other] = if first == second { [second, third] } else { [third, second] };
    let disabled = uarts(&|board, _| {
        let first = place(board, first);
        board.devices[first].disabled = true;
    });
    assert_eq!(disabled.as_deref(), Some(other));
    assert_eq!(uarts(&|_, plan| plan.cells[1].devices = vec![first]).as_deref(), Some(other));
    let strange = uarts(&|board, _| {
        let first = place(board, first);
        board.devices[first].compatible = b"strange,uart";
    });
    assert_eq!(strange.as_deref(), Some(other));
    let neither = uarts(&|_, plan| {
        plan.cells[1].devices = vec![second, third];
        plan.cells[1].console = Console::None;
    });
    assert_eq!(neither, None);
}

#[test]
fn no_cpu_of_a_cell_with_interrupts_passed_through_serves() {
    let board = gicv3();
    let mut plan = two();
    plan.cells[0].passthrough = true;
    assert_eq!(seal(&board, &plan, &footprint()).unwrap().service_cpu, 2, "a spare one");
    plan.cells[1].cpus = vec![1, 2, 3];
    assert_eq!(seal(&board, &plan, &footprint()).unwrap().service_cpu, 1, "the first of the other cell");
    let refused = only(|_, plan| {
        plan.cells[1].passthrough = true;
        plan.service_cpu = Some(1);
    });
    blames(&refused, "E0108", None, Some(1), None);
    let none_left = only(|_, plan| {
        plan.cells.iter_mut().for_each(|cell| cell.passthrough = true);
        plan.cells[1].cpus = vec![1, 2, 3];
    });
    blames(&none_left, "E0108", None, Some(0), None);
}

#[test]
fn a_passed_through_cells_uart_and_watchdog_have_lines_of_hardware_that_no_device_has() {
    let board = gicv3();
    let mut plan = two();
    plan.cells.iter_mut().for_each(|cell| (cell.passthrough, cell.watchdog_ms) = (true, 1));
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let mut seen = Vec::new();
    for cell in sealed.cells {
        for line in [cell.uart.unwrap().intid, cell.watchdog.unwrap().intid] {
            assert!(cell.interrupts.iter().any(|owned| owned.intid == line), "it is the cell's");
            let wired = board.devices.iter().flat_map(|device| &device.interrupts).any(|wired| wired.intid == line);
            assert!(line >= 32 && !wired && !seen.contains(&line), "{line}");
            seen.push(line);
        }
    }
    plan.cells[1].passthrough = false;
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert!(sealed.cells[1].interrupts.is_empty(), "a virtual one needs none");
}
