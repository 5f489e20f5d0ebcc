//! The device tree a cell sees: its CPUs, RAM, interrupt controller, timer, console and devices, nobody else's.
//!
//! Owns the text of that tree; takes what the cell has from the sealed plan and how the board describes it from the
//! board's tree. Promises that every address and interrupt in it is one the cell owns or one that is emulated for it,
//! and that it fits the room the plan left. Built before commit, kept for restarts; goes to the guest in x0.
//!
//! What is not the board's own:
//! * CPUs are numbered by vCPU and started by PSCI over HVC.
//! * The GIC has no ITS, no message frames, no virtual interface; it keeps the board's `phandle`, so that references to
//!   it stay right.
//! * Every clock a device names becomes a fixed clock: of the board's frequency where the board's clock is a fixed one,
//!   else of 24 MHz, since nothing tells what firmware set it to.
//! * Devices stand directly below the root, translated, without references to what the cell has not (`device.rs`).
//! * No seeds: a cell that is restarted sees the same tree, and consoles can be compared byte for byte.
//!
//! Sources: Devicetree Specification v0.4; the Linux bindings `arm/psci`, `arm,gic`, `arm,gic-v3`, `arm,armv8-timer`,
//! `arm,pl011`, `fixed-clock`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod device;
mod error;
mod writer;

use address::Address;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use board::{Board, Gic};
use plan::{SealedCell, VirtualGic, VirtualUart};

use clock::Clocks;
pub use error::Error;
use writer::Writer;

/// Builds the tree of `cell`, which is written as `spec` and lives on `board`.
///
/// # Errors
/// The tree does not fit its room.
pub fn build(board: &Board<'_>, cell: &SealedCell<'_>, spec: &manifest::Cell<'_>) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new();
    let mut clocks = Clocks::new(board, cell);
    writer.node("", |root| {
        let tree = &board.tree;
        for name in ["compatible", "model", "dma-coherent"] {
            root.copy(tree, tree.root(), name);
        }
        root.cells("#address-cells", &[2]);
        root.cells("#size-cells", &[2]);
        root.cells("interrupt-parent", &[clocks.gic]);
        chosen(root, board, cell, spec);
        cpus(root, board, cell);
        root.node("psci", |node| {
            node.strings("compatible", &["arm,psci-1.0", "arm,psci-0.2"]);
            node.strings("method", &["hvc"]);
        });
        for run in &cell.ram {
            root.node(&format!("memory@{:x}", run.ipa.get()), |node| {
                node.strings("device_type", &["memory"]);
                node.numbers("reg", &[run.ipa.get(), run.pa.size()]);
            });
        }
        gic(root, board, cell, clocks.gic);
        timer(root, board, cell);
        if let Some(uart) = cell.uart {
            pl011(root, board, uart, clocks.phandle(clock::DEFAULT_HZ));
        }
        for device in cell.devices.iter().filter_map(|index| board.devices.get(*index)) {
            device::write(root, board, device, &mut clocks);
        }
        clocks.write(root);
    });
    let (blob, room) = (writer.finish(), cell.tree.size());
    if blob.len() as u64 > room { Err(Error { size: blob.len(), room }) } else { Ok(blob) }
}

fn chosen(root: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>, spec: &manifest::Cell<'_>) {
    let passed = board.stdout.filter(|index| cell.devices.contains(index)).and_then(|index| board.devices.get(index));
    let name = cell.uart.map(|uart| uart_name(board, uart)).or(passed.map(|uart| device::name(board, uart)));
    let path = name.map(|name| format!("/{name}"));
    root.node("chosen", |node| {
        if !spec.bootargs.is_empty() {
            node.strings("bootargs", &[spec.bootargs]);
        }
        if let Some(initrd) = cell.initrd {
            node.numbers("linux,initrd-start", &[initrd.base().get()]);
            node.numbers("linux,initrd-end", &[initrd.end().get()]);
        }
        if let Some(path) = &path {
            node.strings("stdout-path", &[path]);
        }
    });
    if let Some(path) = &path {
        root.node("aliases", |node| node.strings("serial0", &[path]));
    }
}

fn cpus(root: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>) {
    root.node("cpus", |list| {
        list.cells("#address-cells", &[1]);
        list.cells("#size-cells", &[0]);
        for (vcpu, cpu) in (0_u32..).zip(&cell.cpus) {
            list.node(&format!("cpu@{vcpu:x}"), |node| {
                node.strings("device_type", &["cpu"]);
                if let Some(cpu) = board.cpus.get(*cpu) {
                    node.copy(&board.tree, cpu.node, "compatible");
                }
                node.strings("enable-method", &["psci"]);
                node.cells("reg", &[vcpu]);
            });
        }
    });
}

fn gic(root: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>, phandle: u32) {
    let (Gic::V2 { node: id, .. } | Gic::V3 { node: id, .. }) = board.gic;
    let (distributor, second) = match cell.gic {
        VirtualGic::V2 { distributor, cpu } => (distributor, [cpu.ipa.get(), cpu.pa.size()]),
        VirtualGic::V3 { distributor, redistributors } => {
            (distributor, [redistributors.base().get(), redistributors.size()])
        }
    };
    root.node(&format!("interrupt-controller@{:x}", distributor.base().get()), |node| {
        match cell.gic {
            VirtualGic::V3 { .. } => {
                node.strings("compatible", &["arm,gic-v3"]);
                node.cells("#redistributor-regions", &[1]);
            }
            VirtualGic::V2 { .. } => {
                let (wanted, own) = ("arm,cortex-a15-gic", board.tree.strings(id, "compatible"));
                let names: Vec<&str> = own.filter(|name| *name != wanted).chain([wanted]).collect();
                node.strings("compatible", &names);
            }
        }
        let [base, size] = second;
        node.numbers("reg", &[distributor.base().get(), distributor.size(), base, size]);
        node.flag("interrupt-controller");
        node.cells("#interrupt-cells", &[3]);
        // Entries of an `interrupt-map` hold this many cells before the interrupt: a bridge's map is copied as it is.
        node.cells("#address-cells", &[board.tree.u32(id, "#address-cells").unwrap_or(0)]);
        node.cells("#size-cells", &[0]);
        node.cells("phandle", &[phandle]);
    });
}

fn timer(root: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>) {
    let timers = board.timers;
    // Level, high; GICv2's binding adds a mask of the CPUs a PPI goes to.
    let mask = match cell.gic {
        VirtualGic::V2 { .. } => cell.cpus.iter().fold(0_u32, |mask, _| mask << 1 | 0x100),
        VirtualGic::V3 { .. } => 0,
    };
    let ppis = [timers.secure, timers.physical, timers.virtual_, timers.hypervisor];
    let lines: Vec<u32> = ppis.iter().flat_map(|intid| [1, intid.saturating_sub(16), mask | 4]).collect();
    root.node("timer", |node| {
        for name in ["compatible", "always-on", "clock-frequency"] {
            node.copy(&board.tree, timers.node, name);
        }
        node.cells("interrupts", &lines);
    });
}

fn pl011(root: &mut Writer<'_>, board: &Board<'_>, uart: VirtualUart, clock: u32) {
    root.node(&uart_name(board, uart), |node| {
        node.strings("compatible", &["arm,pl011", "arm,primecell"]);
        node.numbers("reg", &[uart.page.base().get(), uart.page.size()]);
        node.cells("interrupts", &[0, uart.intid.saturating_sub(32), 4]);
        node.cells("clocks", &[clock, clock]);
        node.strings("clock-names", &["uartclk", "apb_pclk"]);
    });
}

/// Returns the virtual UART's name: the board's own where that is a PL011 too.
fn uart_name(board: &Board<'_>, uart: VirtualUart) -> String {
    let own = board.stdout.and_then(|index| board.devices.get(index)).filter(|own| own.compatible == "arm,pl011");
    let base = own.map_or("pl011", |own| board.tree.base_name(own.node));
    format!("{base}@{:x}", uart.page.base().get())
}
