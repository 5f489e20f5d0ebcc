//! The device tree a cell sees: its CPUs, RAM, interrupt controller, timer, console and devices, nobody else's.
//!
//! Owns the text of that tree; takes what the cell has from the sealed plan and how the board describes it from the
//! board's tree. Promises that every address and interrupt in it is one the cell owns or one that is emulated for it.
//! Built before commit, kept for restarts; goes to the guest in x0.
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
mod writer;

use address::Address;
use alloc::vec::Vec;
use board::{Board, Gic, Interrupt, UARTS};
use plan::{SealedCell, VirtualGic};
use tree::{Known, NodeId};

use clock::Clocks;
use writer::{Writer, name_into};

/// A node's name, and the address behind it where it has one.
type Name<'n> = (&'n str, Option<u64>);

/// Builds the tree of `cell`, which is written as `spec` and lives on `board`.
#[must_use]
pub fn build(board: &Board<'_>, cell: &SealedCell<'_>, spec: &manifest::Cell<'_>) -> Vec<u8> {
    let mut to = Writer::new();
    let mut clocks = Clocks::new(board, cell);
    let tree = &board.tree;
    to.begin("", None);
    to.copy(tree, NodeId::ROOT, &["compatible", "model", "dma-coherent"]);
    to.cell("#address-cells", 2);
    to.cell("#size-cells", 2);
    to.cell("interrupt-parent", clocks.gic);
    let stdout = |index: &usize| board.devices.get(*index);
    // The virtual UART has the board's name where that is a PL011 too.
    let uart = cell.uart.map(|uart| {
        let own = board.stdout.as_ref().and_then(stdout).filter(|own| own.kind() == UARTS[0]);
        (own.map_or("pl011", |own| tree.base_name(own.node)), Some(uart.page.base().get()))
    });
    let passed = board.stdout.as_ref().filter(|index| cell.devices.iter().any(|own| own == *index)).and_then(stdout);
    chosen(&mut to, cell, spec, uart.or(passed.map(|passed| device::name(board, passed))));
    cpus(&mut to, board, cell);
    to.begin("psci", None);
    to.text("compatible", "arm,psci-1.0\0arm,psci-0.2");
    to.text("method", "hvc");
    to.end();
    for run in &cell.ram {
        to.begin("memory", Some(run.ipa.get()));
        to.text("device_type", "memory");
        to.numbers("reg", &[run.ipa.get(), run.pa.size()]);
        to.end();
    }
    gic(&mut to, board, cell, clocks.gic);
    timer(&mut to, board, cell);
    if let Some((uart, (base, address))) = cell.uart.zip(uart) {
        let clock = clocks.phandle(clock::DEFAULT_HZ);
        to.begin(base, address);
        to.text("compatible", "arm,pl011\0arm,primecell");
        to.numbers("reg", &[uart.page.base().get(), uart.page.size()]);
        to.interrupts(&[level(uart.intid)], 0);
        to.cells("clocks", &[clock, clock]);
        to.text("clock-names", "uartclk\0apb_pclk");
        to.end();
    }
    if let Some(dog) = cell.watchdog {
        let (control, size) = (dog.page.base().get(), dog.page.size() / 2);
        to.begin("watchdog", Some(control));
        to.text("compatible", "arm,sbsa-gwdt");
        to.numbers("reg", &[control, size, control.saturating_add(size), size]);
        to.interrupts(&[level(dog.intid)], 0);
        to.end();
    }
    for device in cell.devices.iter().filter_map(|index| board.devices.get(*index)) {
        device::write(&mut to, board, device, &mut clocks);
    }
    clocks.write(&mut to);
    to.end();
    to.finish()
}

fn chosen(to: &mut Writer<'_>, cell: &SealedCell<'_>, spec: &manifest::Cell<'_>, console: Option<Name<'_>>) {
    let mut path = Vec::from(*b"/");
    to.begin("chosen", None);
    if !spec.bootargs.is_empty() {
        to.text("bootargs", spec.bootargs);
    }
    if let Some(initrd) = cell.initrd {
        to.numbers("linux,initrd-start", &[initrd.base().get()]);
        to.numbers("linux,initrd-end", &[initrd.end().get()]);
    }
    if let Some((base, address)) = console {
        name_into(&mut path, base, address);
        to.bytes("stdout-path", &path);
        to.end();
        to.begin("aliases", None);
        to.bytes("serial0", &path);
    }
    to.end();
}

fn cpus(to: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>) {
    to.begin("cpus", None);
    to.cell("#address-cells", 1);
    to.cell("#size-cells", 0);
    for (vcpu, cpu) in (0_u32..).zip(&cell.cpus) {
        to.begin("cpu", Some(vcpu.into()));
        to.text("device_type", "cpu");
        if let Some(cpu) = board.cpus.get(*cpu) {
            to.copy(&board.tree, cpu.node, &["compatible"]);
        }
        to.text("enable-method", "psci");
        to.cell("reg", vcpu);
        to.end();
    }
    to.end();
}

fn gic(to: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>, phandle: u32) {
    let (Gic::V2 { node: id, .. } | Gic::V3 { node: id, .. }) = board.gic;
    let (distributor, base, size) = match cell.gic {
        VirtualGic::V2 { distributor, cpu } => (distributor, cpu.ipa.get(), cpu.pa.size()),
        VirtualGic::V3 { distributor, redistributors } => {
            (distributor, redistributors.base().get(), redistributors.size())
        }
    };
    to.begin("interrupt-controller", Some(distributor.base().get()));
    match cell.gic {
        VirtualGic::V3 { .. } => {
            to.text("compatible", "arm,gic-v3");
            to.cell("#redistributor-regions", 1);
        }
        VirtualGic::V2 { .. } => {
            let mut names = Vec::from(board.tree.get(id, Known::Compatible).unwrap_or_default());
            if !board.tree.is_compatible(id, "arm,cortex-a15-gic") {
                names.extend_from_slice(b"arm,cortex-a15-gic\0");
            }
            to.bytes("compatible", &names);
        }
    }
    to.numbers("reg", &[distributor.base().get(), distributor.size(), base, size]);
    to.bytes("interrupt-controller", &[]);
    to.cell("#interrupt-cells", 3);
    // Entries of an `interrupt-map` hold this many cells before the interrupt: a bridge's map is copied as it is.
    to.cell("#address-cells", board.tree.u32(id, "#address-cells").unwrap_or(0));
    to.cell("#size-cells", 0);
    to.cell("phandle", phandle);
    to.end();
}

fn level(intid: u32) -> Interrupt {
    Interrupt { intid, edge: false }
}

fn timer(to: &mut Writer<'_>, board: &Board<'_>, cell: &SealedCell<'_>) {
    let timers = board.timers;
    let mask = match cell.gic {
        VirtualGic::V2 { .. } => cell.cpus.iter().fold(0_u32, |mask, _| mask << 1 | 0x100),
        VirtualGic::V3 { .. } => 0,
    };
    to.begin("timer", None);
    to.copy(&board.tree, timers.node, &["compatible", "always-on", "clock-frequency"]);
    let [physical, virtual_] = [level(timers.physical), level(timers.virtual_)];
    to.interrupts(&[level(timers.secure), physical, virtual_, level(timers.hypervisor)], mask);
    to.end();
    if let Some((node, intid)) = timers.monitors {
        to.begin("pmu", None);
        to.copy(&board.tree, node, &["compatible"]);
        to.interrupts(&[level(intid)], mask);
        to.end();
    }
}
