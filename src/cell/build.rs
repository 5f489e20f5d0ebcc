//! From the sealed plan to cells: tables, virtual GIC, tree. May fail, and has touched no hardware but the GIC's
//! configuration of owned lines; after [`super::commit`] nothing fails and nothing allocates.

use super::Cell;
use super::load::Images;
use super::vcpu::{Snapshot, Vcpu};
use crate::console::event;
use crate::el2::timer;
use crate::gic::{self, Gic};
use crate::memory::map::{self, Tables};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use board::Board;
use console::Ring;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use lifecycle::{Budget, Life, State, Watchdog, Zap};
use manifest::Bundle;
use plan::{SealedCell, SealedPlan, VirtualGic};
use spin::mutex::TicketMutex;
use stage2::{Kind, Rights, Stage2};
use vgic::{Config, Inbox, Version, Vgic, WORDS};
use vpsci::Power;
use vuart::Uart;

/// Builds every cell of the plan; one that cannot be is refused and the others go on.
#[inline(never)]
pub fn build_all(
    board: &'static Board<'static>,
    bundle: &'static Bundle<'static>,
    plan: &'static SealedPlan<'static>,
    gic: &'static Gic,
) -> Result<&'static [Cell], String> {
    let mut cells = Vec::with_capacity(plan.cells().len());
    for sealed in plan.cells() {
        if let Err(why) = build(board, bundle, plan, sealed, gic, &mut cells) {
            event!("event=cell-refused cell={} reason=\"{why}\"", sealed.name);
        }
    }
    if cells.is_empty() {
        return Err("no cell is left to run".into());
    }
    Ok(Box::leak(cells.into_boxed_slice()))
}

/// Builds one cell at the end of `cells`: some ten kilobytes that are made where they stay.
#[inline(never)]
fn build(
    board: &'static Board<'static>,
    bundle: &'static Bundle<'static>,
    plan: &'static SealedPlan<'static>,
    sealed: &'static SealedCell<'static>,
    gic: &'static Gic,
    cells: &mut Vec<Cell>,
) -> Result<(), String> {
    let spec = bundle.manifest.cells.get(sealed.index).ok_or("is not in the bundle")?;
    let image = |name| bundle.image(name).ok_or_else(|| format!("image {name} is not in the bundle"));
    let initrd = spec.initrd.map(|initrd| image(initrd.name)).transpose()?;
    let tree = cell_tree::build(board, sealed, spec);
    if tree.len() as u64 > sealed.tree.size() {
        return Err(format!("its tree of {} bytes outgrew the {} planned", tree.len(), sealed.tree.size()));
    }
    let images = Images { kernel: image(spec.kernel.image.name)?, initrd, tree };
    let stage2 = build_stage2(sealed)?;
    reserve_loading(sealed)?;
    let mut vcpus = Vec::with_capacity(sealed.cpus.len());
    for (index, &cpu) in sealed.cpus.iter().enumerate() {
        if !gic.knows(cpu) {
            return Err(format!("CPU {cpu} has no GIC redistributor: the board may lack it; give the cell another"));
        }
        let root = stage2.root(index).ok_or("has more vCPUs than tables")?;
        vcpus.push(Vcpu { index, cpu, root, inbox: Inbox::new(), zap: Zap::new(), last: Snapshot::new() });
    }
    for &interrupt in &sealed.interrupts {
        gic.set_trigger(interrupt);
    }
    let per_ms = timer::frequency() / 1000;
    let within = per_ms.saturating_mul(spec.within_ms.into());
    let budget = Budget { restarts: spec.restarts, within };
    cells.push(Cell {
        name: sealed.name,
        index: sealed.index,
        sealed,
        plan,
        power: Power::new(vcpus.len()),
        vgic: TicketMutex::new(Vgic::new(&vgic_config(board, sealed, gic))),
        vcpus,
        vmid: u16::try_from(sealed.index).unwrap_or(u16::MAX).wrapping_add(1),
        uart: TicketMutex::new(Uart::new()),
        output: const { Ring::new() },
        news: const { Ring::new() },
        said: AtomicU32::new(0),
        input: const { Ring::new() },
        wants_room: AtomicBool::new(false),
        attention: AtomicU32::new(0),
        counter_offset: AtomicU64::new(0),
        noise: AtomicU32::new(0),
        life: Life::new(if spec.manual { State::Ready } else { State::Starting }, budget),
        ended: AtomicU64::new(0),
        left: AtomicU64::new(0),
        watchdog: Watchdog::new(per_ms.saturating_mul(spec.watchdog_ms.into())),
        forgiving: spec.forgiving,
        images,
    });
    Ok(())
}

/// Builds the tables from nothing but the sealed plan.
fn build_stage2(sealed: &SealedCell) -> Result<Stage2, String> {
    let ram = sealed.ram.iter().map(|run| (run.ipa, run.pa, Kind::Ram(Rights::RWX)));
    // On GICv2 the virtual CPU interface stands where the guest looks for the physical one.
    let interface = match sealed.gic {
        VirtualGic::V2 { cpu, .. } => Some(cpu),
        VirtualGic::V3 { .. } => None,
    };
    let devices = sealed.mmio.iter().copied().chain(interface).map(|run| (run.ipa, run.pa, Kind::Device));
    Stage2::build(&mut Tables, sealed.cpus.len(), ram.chain(devices))
        .map_err(|error| format!("its stage-2 tables cannot be built ({error:?}); EL2's pool may be too small"))
}

/// Makes the EL2 tables through which its RAM is filled, now or at a restart, so that filling allocates nothing.
fn reserve_loading(sealed: &SealedCell) -> Result<(), String> {
    for run in &sealed.ram {
        map::reserve(run.pa).map_err(|error| format!("EL2 cannot map its RAM {} to fill it ({error:?})", run.pa))?;
    }
    Ok(())
}

fn vgic_config(board: &Board, sealed: &SealedCell, gic: &Gic) -> Config {
    let (list_registers, priority_bits) = gic.virtual_interface();
    let mut config = Config {
        version: match sealed.gic {
            VirtualGic::V2 { .. } => Version::V2,
            VirtualGic::V3 { .. } => Version::V3,
        },
        vcpus: sealed.cpus.len(),
        lines: gic.lines(),
        priority_bits,
        list_registers,
        physical: [0; WORDS],
        emulated: [0; WORDS],
        edge: [0; WORDS],
        passthrough: sealed.passthrough,
        sgis: 0xffff & !(1 << gic::KICK),
    };
    let timers = [board.timers.physical, board.timers.virtual_];
    for intid in timers.into_iter().chain(sealed.interrupts.iter().map(|interrupt| interrupt.intid)) {
        set(&mut config.physical, intid);
    }
    for interrupt in sealed.interrupts.iter().filter(|interrupt| interrupt.edge) {
        set(&mut config.edge, interrupt.intid);
    }
    if let Some(uart) = sealed.uart {
        set(&mut config.emulated, uart.intid);
    }
    config
}

fn set(words: &mut [u32; WORDS], intid: u32) {
    if let Some(word) = words.get_mut(intid as usize / 32) {
        *word |= 1_u32.wrapping_shl(intid);
    }
}
