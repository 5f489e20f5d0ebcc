//! The running machine judged from outside: what each CPU's tables allow and what the distributor lets through, against
//! the plan. Nothing of EL2 is believed: QEMU's gdb stub reads registers and memory, and [`walk`] follows the tables.
//!
//! Holds invariants 1 (one owner), 2 (EL2's memory in no cell's stage 2, cells' in no mapping of EL2's) and 3 (W^X).

pub mod gdb;
pub mod walk;

use crate::script::Failure;
use address::Address as _;
use board::{Board, Gic};
use gdb::Stub;
use plan::{Mapping, SealedCell, SealedPlan, VirtualGic};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use walk::Run;

/// Bits of a stage-2 descriptor: `MemAttr`, S2AP, SH, XN.
const STAGE2: u64 = 0x0060_0000_0000_03fc;
/// Normal write-back memory, read and write, executable; inner shareable.
const RAM: u64 = 0b1111 << 2 | 0b11 << 6 | 0b11 << 8;
/// Device-nGnRE, read and write, never executed.
const DEVICE: u64 = 0b0001 << 2 | 0b11 << 6 | 0b10 << 53;
/// `HCR_EL2`: VM, SWIO, FMO, IMO, AMO, TSC; with interrupts passed through TWI for IMO and, on `GICv2`, for FMO.
const HCR: u64 = 1 | 1 << 1 | 0b111 << 3 | 1 << 19;
const HCR_PASSED: u64 = HCR & !(1 << 4) | 1 << 13;
const FMO: u64 = 1 << 3;

/// What a plan allows, and where to look whether it is so.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The gdb stub's socket, for QEMU's `-gdb unix:…,server=on,wait=off`.
    pub socket: PathBuf,
    cells: Vec<Cell>,
    cpus: usize,
    /// The distributor, where it can be read from outside: GICv3's.
    distributor: Option<u64>,
    /// EL2's UART.
    uart: Vec<u32>,
    /// GICv2's CPU interfaces, virtual and not: one address, at which each CPU finds its own (IHI 0048 4.4, 5.1).
    banked: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Cell {
    name: String,
    cpus: Vec<usize>,
    runs: Vec<Run>,
    interrupts: Vec<u32>,
    hcr: u64,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Cells found running.
    pub cells: usize,
    /// Mappings followed, EL2's among them.
    pub runs: usize,
    /// SPIs let through.
    pub interrupts: usize,
}

impl Outside {
    /// What a proved plan allows.
    #[must_use]
    pub fn of(board: &Board<'_>, plan: &SealedPlan<'_>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cellwall-{}-{}.gdb", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let uart = plan.uart.and_then(|index| board.devices.get(index));
        Self {
            // A socket's path may not be long.
            socket: std::env::temp_dir().join(name),
            cells: plan.cells.iter().map(cell).collect(),
            cpus: board.cpus.len(),
            distributor: match &board.gic {
                // QEMU's GICv2 can be read by a CPU only.
                Gic::V2 { .. } => None,
                Gic::V3 { distributor, .. } => Some(distributor.base().get()),
            },
            banked: match &board.gic {
                Gic::V2 { cpu, virtual_cpu, .. } => vec![cpu.base().get(), virtual_cpu.base().get()],
                Gic::V3 { .. } => Vec::new(),
            },
            uart: uart.into_iter().flat_map(|uart| uart.interrupts.iter().map(|line| line.intid)).collect(),
        }
    }

    /// Stops the machine, judges it, and lets it run on.
    ///
    /// # Errors
    /// What is not as the plan says, or cannot be looked at.
    pub fn judge(&self) -> Result<Seen, Failure> {
        let mut stub = Stub::connect(&self.socket)?;
        let mut seen = Seen::default();
        let mut running: Vec<(&Cell, Vec<Run>)> = Vec::new();
        for cpu in 0..self.cpus {
            stub.turn_to(cpu)?;
            let table = stub.register("VTTBR_EL2")?;
            let Some(cell) = self.cells.iter().find(|cell| cell.cpus.contains(&cpu)).filter(|_| table != 0) else {
                ensure(table == 0, format_args!("CPU {cpu} is no cell's and has stage-2 tables at {table:#x}"))?;
                continue;
            };
            let hcr = stub.register("HCR_EL2")?;
            ensure(hcr & cell.hcr == cell.hcr, format_args!("CPU {cpu} runs {} with HCR_EL2 {hcr:#x}", cell.name))?;
            let runs = stage2(&mut stub, table)?;
            // Called back at its end: all was taken from it.
            if runs.is_empty() {
                continue;
            }
            cell.judge(cpu, &runs)?;
            seen.runs = seen.runs.saturating_add(runs.len());
            if running.iter().all(|(other, _)| other.name != cell.name) {
                running.push((cell, runs));
            }
        }
        for (index, (cell, runs)) in running.iter().enumerate() {
            for (other, others) in running.iter().take(index) {
                self.apart(&cell.name, runs, &other.name, others)?;
            }
        }
        stub.turn_to(0)?;
        let own = stage1(&mut stub)?;
        seen.runs = seen.runs.saturating_add(own.len());
        for (cell, runs) in &running {
            self.apart(&cell.name, runs, "EL2", &own)?;
        }
        for run in &own {
            // AP[2] clear: writable. XN clear: executable. DDI 0487 D8.4.
            let (writable, executable) = (run.attributes & 1 << 7 == 0, run.attributes & 1 << 54 == 0);
            ensure(!(writable && executable), format_args!("EL2 may write and execute {run:x?}"))?;
        }
        if let Some(base) = self.distributor {
            seen.interrupts = self.distributor(&mut stub, base, &running)?;
        }
        seen.cells = running.len();
        Ok(seen)
    }

    fn apart(&self, name: &str, runs: &[Run], other: &str, others: &[Run]) -> Result<(), Failure> {
        for run in runs.iter().filter(|run| !self.banked.contains(&run.output)) {
            let both = others.iter().find(|other| run.shares(other));
            ensure(both.is_none(), format_args!("cell {name} at {run:x?} and {other} at {both:x?} share pages"))?;
        }
        Ok(())
    }

    /// An SPI that is let through is EL2's or goes to a CPU of the running cell that owns it. IHI 0069 12.9.
    fn distributor(&self, stub: &mut Stub, base: u64, running: &[(&Cell, Vec<Run>)]) -> Result<usize, Failure> {
        let register = |offset: u64| base.saturating_add(offset);
        let lines = stub.device(register(4))?.wrapping_add(1) & 0x1f;
        let mut count = 0_usize;
        for word in 1..u64::from(lines) {
            let enabled = stub.device(register(0x100_u64.saturating_add(word.saturating_mul(4))))?;
            for bit in (0..32_u32).filter(|bit| enabled >> bit & 1 == 1) {
                let intid = u32::try_from(word).unwrap_or(0).saturating_mul(32).saturating_add(bit);
                let route = stub.device(register(0x6000_u64.saturating_add(u64::from(intid).saturating_mul(8))))?;
                let owner = running.iter().find(|(cell, _)| cell.interrupts.contains(&intid));
                let lawful = match owner {
                    Some((cell, _)) => cell.cpus.contains(&(route as usize)),
                    None => self.uart.contains(&intid),
                };
                ensure(lawful, format_args!("SPI {intid} is enabled, to CPU {route:#x}, and nobody's there"))?;
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Cell {
    /// The plan's pages, no more and no fewer, each with the plan's rights; devices at their own addresses.
    fn judge(&self, cpu: usize, runs: &[Run]) -> Result<(), Failure> {
        let mut left = runs.iter();
        for wanted in &self.runs {
            let found = left.next();
            ensure(
                found.is_some_and(|found| {
                    (found.input, found.size, found.attributes & STAGE2)
                        == (wanted.input, wanted.size, wanted.attributes)
                        && (found.output == wanted.output || wanted.attributes == RAM)
                }),
                format_args!("cell {} on CPU {cpu}: the plan says {wanted:x?}, its stage 2 {found:x?}", self.name),
            )?;
        }
        let more = left.next();
        ensure(more.is_none(), format_args!("cell {} on CPU {cpu}: not the plan's: {more:x?}", self.name))
    }
}

fn cell(cell: &SealedCell<'_>) -> Cell {
    let of = |mapping: &Mapping, attributes| Run {
        input: mapping.ipa.get(),
        output: mapping.pa.base().get(),
        size: mapping.pa.size(),
        attributes,
    };
    let mut pieces: Vec<Run> = cell.ram.iter().map(|mapping| of(mapping, RAM)).collect();
    pieces.extend(cell.mmio.iter().map(|pages| of(&Mapping { ipa: pages.same().base(), pa: *pages }, DEVICE)));
    if let VirtualGic::V2 { cpu, .. } = &cell.gic {
        pieces.push(of(cpu, DEVICE));
    }
    pieces.sort_by_key(|run| run.input);
    let mut runs = Vec::new();
    for run in pieces {
        walk::join(&mut runs, run);
    }
    Cell {
        name: cell.name.to_owned(),
        cpus: cell.cpus.clone(),
        runs,
        interrupts: cell.interrupts.iter().map(|line| line.intid).collect(),
        hcr: match cell.gic {
            _ if !cell.passthrough => HCR,
            VirtualGic::V2 { .. } => HCR_PASSED & !FMO,
            VirtualGic::V3 { .. } => HCR_PASSED,
        },
    }
}

/// Follows the tables of stage 2. DDI 0487 D24.2.207 (`VTCR_EL2`).
fn stage2(stub: &mut Stub, table: u64) -> Result<Vec<Run>, Failure> {
    let control = stub.register("VTCR_EL2")?;
    let first = match control >> 6 & 3 {
        0 => 2,
        1 => 1,
        _ => 0,
    };
    walk::all(stub, table, bits(control), first)
}

/// Follows EL2's own tables. DDI 0487 D24.2.175 (`TCR_EL2`), D8.2.
fn stage1(stub: &mut Stub) -> Result<Vec<Run>, Failure> {
    let bits = bits(stub.register("TCR_EL2")?);
    let table = stub.register("TTBR0_EL2")?;
    let first = match bits {
        40.. => 0,
        31.. => 1,
        _ => 2,
    };
    walk::all(stub, table, bits, first)
}

fn bits(control: u64) -> u32 {
    64_u32.saturating_sub(u32::try_from(control & 0x3f).unwrap_or(0))
}

fn ensure(holds: bool, broken: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::early(format!("seen from outside: {broken}"))) }
}

/// Adds the stub to QEMU's command.
pub fn listen(command: &mut std::process::Command, socket: &Path) {
    command.args(["-gdb", &format!("unix:{},server=on,wait=off", socket.display())]);
}
