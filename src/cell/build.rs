//! From the sealed plan to cells: tables, virtual GIC, tree. May fail, and has touched no hardware but the GIC's
//! configuration of owned lines; after [`super::commit`] nothing fails and nothing allocates.

use super::Cell;
use super::load::Images;
use super::vcpu::{Doorbells, Snapshot, Vcpu};
use crate::el2::barrier::Lock;
use crate::el2::timer;
use crate::gic::{self, Again, Gic};
use crate::memory::map::{self, Tables};
use crate::panic::{Said, said};
use crate::trap::Shown;
use address::{Dec, PhysAddr, Text};
use alloc::boxed::Box;
use alloc::vec::Vec;
use board::Board;
use console::Ring;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use lifecycle::{Budget, Life, State, Watchdog, Zap};
use manifest::{Bundle, Image};
use plan::{MAX_VCPUS, SealedCell, SealedPlan, VirtualGic};
use stage2::MapError;
use stage2::attributes::{el2, stage2 as leaf};
use vgic::{Config, Inbox, Vgic};
use vpsci::Power;
use vuart::Uart;

/// Builds every cell of the plan; one that cannot be is refused and the others go on.
#[inline(never)]
pub fn build_all(
    board: &'static Board<'static>,
    bundle: &'static Bundle<'static>,
    plan: &'static SealedPlan<'static>,
    gic: &'static Gic,
) -> Result<&'static Vec<Cell>, Said> {
    let mut cells = Vec::with_capacity(plan.cells.len());
    for sealed in &plan.cells {
        if let Some(cpu) = sealed.cpus.iter().find(|cpu| !gic.knows(**cpu)) {
            let (cpu, help) = (Dec(*cpu as u64), Text("the board may lack it; give the cell another"));
            refuse(sealed, format_args!("CPU {cpu} has no GIC redistributor: {help}"));
        } else if let Some(line) = sealed.interrupts.iter().find(|line| line.intid as usize >= gic.lines()) {
            let (intid, lines) = (Dec(line.intid.into()), Dec(gic.lines() as u64));
            refuse(sealed, format_args!("interrupt {intid} is past the GIC's {lines} lines"));
        } else if let Err(why) = build(board, bundle, plan, sealed, gic, &mut cells) {
            refuse(sealed, format_args!("{}", Text(why)));
        }
    }
    if cells.is_empty() {
        return Err("no cell is left to run".into());
    }
    Ok(Box::leak(Box::new(cells)))
}

/// Says why a cell is left out.
fn refuse(sealed: &SealedCell, why: fmt::Arguments<'_>) {
    said(format_args!("event=cell-refused cell={} reason=\"{why}\"", Text(sealed.name)));
}

/// Why a cell's tables, or those through which EL2 fills its RAM, cannot be built.
const POOL: &str = "EL2's pool may be too small for its tables";

/// Builds one cell at the end of `cells`: some ten kilobytes that are made where they stay.
#[inline(never)]
fn build(
    board: &'static Board<'static>,
    bundle: &'static Bundle<'static>,
    plan: &'static SealedPlan<'static>,
    sealed: &'static SealedCell<'static>,
    gic: &'static Gic,
    cells: &mut Vec<Cell>,
) -> Result<(), &'static str> {
    let spec = bundle.manifest.cells.get(sealed.index).ok_or("is not in the bundle")?;
    // `Bundle::read` found every image that a cell names.
    let image = |wanted: Option<Image>| wanted.and_then(|wanted| bundle.image(wanted.name));
    let packed = [image(Some(spec.kernel.image)), image(spec.initrd), image(spec.dtb)];
    let tree = match spec.dtb {
        Some(_) => Vec::new(),
        None => cell_tree::build(board, sealed, spec),
    };
    if tree.len() as u64 > sealed.tree.size() {
        return Err("its tree outgrew the place planned for it");
    }
    let images = Images { packed, tree };
    let mut roots = [PhysAddr::default(); MAX_VCPUS];
    let roots = roots.get_mut(..sealed.cpus.len()).unwrap_or_default();
    build_stage2(sealed, roots).map_err(|_| POOL)?;
    // The EL2 tables through which its RAM is filled, now or at a restart: filling allocates nothing.
    for run in &sealed.ram {
        map::map(run.pa, el2::GUEST).map_err(|_| POOL)?;
    }
    let mut vcpus = Vec::with_capacity(sealed.cpus.len());
    for ((index, &cpu), &root) in sealed.cpus.iter().enumerate().zip(&*roots) {
        let (inbox, again, zap) = (Inbox::default(), Again::new(gic), Zap::default());
        let (sgis, excepted) = if sealed.passthrough { (gic::KICK, 0) } else { (gic::SERVICE, 1 << (index & 31)) };
        vcpus.push(Vcpu { index, cpu, root, inbox, sgis, excepted, again, zap, last: const { Snapshot::new() } });
    }
    for &interrupt in &sealed.interrupts {
        gic.set_trigger(interrupt);
    }
    let per_ms = timer::frequency() / 1000; // 32 bits, as what it is multiplied with
    let within = per_ms.wrapping_mul(spec.within_ms.into());
    let budget = Budget { restarts: spec.restarts, within };
    cells.push(Cell {
        name: sealed.name,
        index: sealed.index,
        sealed,
        plan,
        gic,
        power: Power::new(vcpus.len()),
        vgic: Lock::new(build_vgic(board, sealed, gic)),
        shown: Shown::new(sealed.gic),
        vcpus,
        doorbells: const { Doorbells([const { AtomicU64::new(0) }; vgic::VCPUS]) },
        uart: Lock::new(Uart::default()),
        output: const { Ring::new() },
        news: const { Ring::new() },
        said: AtomicU32::new(0),
        input: const { Ring::new() },
        wants_room: AtomicBool::new(false),
        attention: AtomicBool::new(false),
        counter_offset: AtomicU64::new(0),
        dropped: AtomicU32::new(0),
        noise: AtomicU32::new(0),
        life: Life::new(if spec.manual { State::READY } else { State::STARTING }, budget),
        ended: AtomicU64::new(0),
        left: AtomicU64::new(0),
        watchdog: Watchdog::new(per_ms.wrapping_mul(spec.watchdog_ms.into())),
        forgiving: spec.forgiving,
        images,
    });
    Ok(())
}

/// Builds the tables from nothing but the sealed plan.
fn build_stage2(sealed: &SealedCell, roots: &mut [PhysAddr]) -> Result<(), MapError> {
    let ram = sealed.ram.iter().map(|run| (run.ipa, run.pa, leaf::RAM));
    // On GICv2 the virtual CPU interface stands where the guest looks for the physical one.
    let interface = match sealed.gic {
        VirtualGic::V2 { cpu, .. } => Some(cpu),
        VirtualGic::V3 { .. } => None,
    };
    let devices = sealed.mmio.iter().map(|pages| (pages.same().base(), *pages));
    let devices = devices.chain(interface.map(|run| (run.ipa, run.pa)));
    stage2::build(&mut Tables, roots, &mut ram.chain(devices.map(|(ipa, pa)| (ipa, pa, leaf::DEVICE))))
}

fn build_vgic(board: &Board, sealed: &SealedCell, gic: &Gic) -> Vgic {
    let (list_registers, priority_bits) = gic.virtual_interface();
    let mut vgic = Vgic::new(&Config {
        v2: matches!(sealed.gic, VirtualGic::V2 { .. }),
        vcpus: sealed.cpus.len(),
        lines: gic.lines(),
        priority_bits,
        list_registers: list_registers.min(16),
        passthrough: sealed.passthrough,
        sgis: 0xffff & !(1 << gic::KICK),
    });
    let timers = &board.timers;
    for intid in &[timers.physical, timers.virtual_, timers.monitors.map_or(timers.virtual_, |(_, intid)| intid)] {
        vgic.add(*intid, false, false);
    }
    for interrupt in &sealed.interrupts {
        vgic.add(interrupt.intid, interrupt.edge, false);
    }
    for device in [sealed.uart, sealed.watchdog].iter().flatten() {
        vgic.add(device.intid, false, true);
    }
    vgic
}
