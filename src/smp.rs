//! CPUs: what each of them has of its own, how the others are started, what they do between guests.

use crate::cell::{self, Cell, Doorbells, Seat};
use crate::console::{self, LogRing};
use crate::el2::smc;
use crate::el2::{self, barrier, timer};
use crate::gic::{self, Again, Gic};
use crate::memory::mmio::Mmio;
use crate::memory::published::Published;
use crate::memory::{layout, map, pool};
use crate::{boot, panic, trap};
use aarch64_cpu::registers as arch;
use address::{Address, Dec, PAGE_BYTES, PhysAddr, Region, Text, VirtAddr};
use alloc::boxed::Box;
use alloc::vec::Vec;
use board::{Board, Start};
use controls::Features;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use lifecycle::State;
use plan::VirtualGic;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::ReadWrite;

/// Pages of a CPU's stack; below each lies one that is not mapped.
const STACK_PAGES: usize = 2;
/// Bytes of a stack.
pub const STACK_BYTES: u64 = STACK_PAGES as u64 * PAGE_BYTES;
/// Affinity fields of `MPIDR_EL1`.
const AFFINITY: u64 = 0xff_00ff_ffff;

/// What an exit is: HVC or SMC; a stage-2 abort (emulated devices, holes, walls, kicks by zap); another instruction that
/// traps; an interrupt; `SError`.
pub const CLASSES: [&str; 5] = ["calls", "aborts", "traps", "interrupts", "errors"];

/// What a CPU has of its own. `TPIDR_EL2` points to it.
#[repr(C)]
pub struct PerCpu {
    /// Top of its stack. First: `entry.S` loads it.
    pub stack_top: u64,
    /// Where `vectors.S` may deliver to its vCPU.
    pub again: Option<&'static Again>,
    /// What its vCPU writes to `ICC_SGI1R_EL1` below this `vectors.S` sends without more ado, but to those vCPUs; on `GICv2` 0.
    pub sgis: [u32; 2],
    /// How SGIs name the CPUs of its cell.
    pub doorbells: Option<&'static Doorbells>,
    /// Its guest's exits since the board was switched on, by [`CLASSES`]. `vectors.S` counts.
    pub exits: [AtomicU64; CLASSES.len()],
    /// Number in the board's tree.
    pub index: usize,
    /// Affinity.
    pub mpidr: u64,
    /// The vCPU this CPU runs.
    pub seat: Option<Seat>,
    /// The board's GIC.
    pub gic: &'static Gic,
    /// Interrupt of EL2's own timer.
    pub alarm: u32,
    /// EL2's lines from this CPU.
    pub log: LogRing,
    /// Serves UART and monitor.
    pub service: bool,
    online: AtomicBool,
}

/// The CPU being started: read by `entry.S`.
pub static STARTING: AtomicPtr<PerCpu> = AtomicPtr::new(core::ptr::null_mut());
static CPUS: Published<Vec<PerCpu>> = Published::new();
/// Every CPU was started or given up: cells may run.
static RELEASED: AtomicBool = AtomicBool::new(false);
/// Cells that have not ended.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Every CPU that runs a cell or serves the console.
pub fn all() -> &'static [PerCpu] {
    CPUS.get().map_or(&[], |cpus| cpus)
}

/// This CPU's own; nothing while the board is being divided.
#[inline]
pub fn try_this() -> Option<&'static PerCpu> {
    let pointer: *const PerCpu = layout::pointer(arch::TPIDR_EL2.get());
    // SAFETY: `TPIDR_EL2` is 0 or was set by `adopt` to a value that lives for good.
    unsafe { pointer.as_ref() }
}

/// This CPU's own, on paths that only exist once `adopt` ran.
#[inline]
pub fn this() -> &'static PerCpu {
    let pointer: *const PerCpu = layout::pointer(arch::TPIDR_EL2.get());
    // SAFETY: exits and interrupts come after `adopt`, which set `TPIDR_EL2` to a value that lives for good.
    unsafe { &*pointer }
}

/// The general registers of this CPU's guest, while an exit is handled.
pub fn frame() -> &'static trap::Frame {
    let pointer: *const trap::Frame = layout::pointer(this().stack_top.wrapping_sub(size_of::<trap::Frame>() as u64));
    // SAFETY: `vectors.S` pushed it there: a guest runs with SP_EL2 at the stack's top. Callers leave the guest for good.
    unsafe { &*pointer }
}

/// Gives each CPU of the plan its stack and its vCPU. May fail; runs before commit.
pub fn prepare(board: &Board, cells: &'static [Cell], service: usize, gic: &'static Gic) -> Option<()> {
    let boot = arch::MPIDR_EL1.get() & AFFINITY;
    let mut cpus = Vec::with_capacity(board.cpus.len());
    for (index, cpu) in board.cpus.iter().enumerate() {
        if let Some(word) = release_word(cpu) {
            Mmio::<ReadWrite<u64>>::map(word)?;
        }
        let seat = cells
            .iter()
            .find_map(|cell| cell.vcpus.iter().find(|vcpu| vcpu.cpu == index).map(|vcpu| Seat { cell, vcpu }));
        let is_boot = cpu.mpidr == boot;
        if seat.is_none() && index != service && !is_boot {
            continue;
        }
        let stack_top = if is_boot { layout::stack_top() } else { stack(index)? };
        cpus.push(PerCpu {
            stack_top: stack_top.get(),
            again: seat.filter(|seat| !seat.cell.sealed.passthrough).map(|seat| &seat.vcpu.again),
            sgis: seat.map_or([0; 2], |seat| [if gic.is_v3() { seat.vcpu.sgis << 24 } else { 0 }, seat.vcpu.excepted]),
            doorbells: seat.map(|seat| &seat.cell.doorbells),
            exits: const { [const { AtomicU64::new(0) }; CLASSES.len()] },
            index,
            mpidr: cpu.mpidr,
            seat,
            gic,
            alarm: board.timers.hypervisor,
            service: index == service,
            log: const { LogRing::new() },
            online: AtomicBool::new(is_boot),
        });
    }
    ALIVE.store(cells.iter().filter(|cell| cell.life.state() == State::STARTING).count(), Ordering::Relaxed);
    CPUS.set(Box::leak(Box::new(cpus)));
    Some(())
}

/// Maps a stack for CPU `index` behind the image, its guard page unmapped.
fn stack(index: usize) -> Option<VirtAddr> {
    let frames = Region::new(pool::frames(STACK_PAGES)?, STACK_BYTES)?;
    let bottom = layout::stacks().checked_add((index as u64).wrapping_mul(2 * STACK_BYTES) | STACK_BYTES)?;
    map::place(bottom, frames, stage2::attributes::el2::DATA).ok()?;
    bottom.checked_add(STACK_BYTES)
}

/// Starts every other CPU and then works as one of them.
pub fn run(board: &'static Board<'static>) -> ! {
    let entry = layout::physical(layout::secondary());
    let own = |mpidr: u64| all().iter().find(|cpu| cpu.mpidr == mpidr);
    let Some(mine) = own(arch::MPIDR_EL1.get() & AFFINITY) else {
        panic::said(format_args!("the boot CPU is not in the device tree's /cpus: correct its reg property"));
        boot::halt(boot::Reason::Said)
    };
    let mut serve = mine.service;
    board.psci.iter().for_each(smc::discover);
    for known in &board.cpus {
        expect(mine);
        // Those nobody wants leave firmware's busy loop too, and are parked.
        let Some(cpu) = own(known.mpidr) else {
            release(known);
            continue;
        };
        if cpu.mpidr == mine.mpidr {
            continue;
        }
        expect(cpu);
        let result = match (known.start, board.psci) {
            (Start::Psci, Some(conduit)) => smc::call(conduit, smc::CPU_ON, [cpu.mpidr, entry.get(), 0]),
            _ => release(known),
        };
        if result != 0 || !comes_up(cpu) {
            serve |= cpu.service;
            let (sign, code) = (Text(if result < 0 { "-" } else { "" }), Dec(result.unsigned_abs()));
            let index = Dec(cpu.index as u64);
            let why = format_args!("CPU {index} did not come up, the firmware's answer was {sign}{code}");
            match cpu.seat {
                Some(Seat { cell, .. }) => cell::refuse(cell, format_args!("{why}: give the cell another")),
                None => console::note(log::Level::Warn, why),
            }
        }
    }
    expect(mine);
    RELEASED.store(true, Ordering::Release);
    for cpu in all() {
        cpu.gic.send(cpu.index, gic::KICK);
    }
    adopt(mine, serve)
}

/// Tells `entry.S` whom to let in; others are parked.
fn expect(cpu: &'static PerCpu) {
    STARTING.store(core::ptr::from_ref(cpu).cast_mut(), Ordering::Release);
    barrier::complete();
}

/// The word that a CPU waiting in a spin table polls.
fn release_word(cpu: &board::Cpu) -> Option<Region<PhysAddr>> {
    match cpu.start {
        Start::SpinTable(word) if !cpu.disabled => Region::new(word, 8),
        _ => None,
    }
}

/// Releases a CPU from its spin table to our entry; -1 where it is in none. Its caches are off: so is ours for the word.
fn release(cpu: &board::Cpu) -> i64 {
    let Some(word) = release_word(cpu).and_then(|word| Mmio::<ReadWrite<u64>>::at(word, 0)) else { return -1 };
    word.set(layout::physical(layout::secondary()).get());
    barrier::send_event();
    0
}

/// Waits until `cpu` reports, a second at most; tells whether it did.
fn comes_up(cpu: &PerCpu) -> bool {
    let end = timer::now().saturating_add(timer::frequency());
    while timer::now() < end && !cpu.online.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
    cpu.online.load(Ordering::Acquire)
}

/// Takes over from `entry.S` on a secondary CPU, on its own stack, MMU on.
pub extern "C" fn rust_entry_secondary(cpu: &'static PerCpu) -> ! {
    adopt(cpu, cpu.service)
}

/// Makes this CPU `cpu` for good; `serve`: it is the service CPU.
fn adopt(cpu: &'static PerCpu, serve: bool) -> ! {
    el2::init_vectors();
    let direct = cpu.seat.filter(|seat| seat.cell.sealed.passthrough);
    el2::init_cpu(match direct.map(|seat| seat.cell.sealed.gic) {
        None => Features::NONE,
        Some(VirtualGic::V2 { .. }) => Features::PASSTHROUGH.and(Features::PASSTHROUGH_V2),
        Some(VirtualGic::V3 { .. }) => Features::PASSTHROUGH,
    });
    arch::TPIDR_EL2.set(core::ptr::from_ref(cpu).addr() as u64);
    let gic = cpu.gic;
    gic.init_cpu(cpu.index, direct.is_some());
    if let Some(seat) = cpu.seat {
        cell::prepare(seat);
        if direct.is_none() {
            gic.reset_virtual_interface();
        }
        seat.cell.doorbells.of(seat.vcpu.index).store(gic.target(cpu.index), Ordering::Relaxed);
    }
    if serve {
        console::open(cpu);
    }
    cpu.online.store(true, Ordering::Release);
    idle()
}

/// This CPU, the first time it is lost in EL2; nothing while the board is being divided.
pub fn lose_this() -> Option<&'static PerCpu> {
    try_this().filter(|cpu| cpu.online.swap(false, Ordering::AcqRel))
}

/// Abandons the guest and this stack's contents, and idles.
pub fn idle_again() -> ! {
    unsafe extern "C" {
        fn restart_on(argument: u64, function: extern "C" fn() -> !, stack_top: u64) -> !;
    }
    // SAFETY: nothing on this stack is used again: callers hold no lock and own no value that must be dropped.
    unsafe { restart_on(0, idle, this().stack_top) }
}

/// What a CPU does between guests: serves interrupts, starts its vCPU when that is wanted, sleeps.
extern "C" fn idle() -> ! {
    loop {
        trap::service_interrupts();
        if let Some(seat) = this().seat {
            cell::work(seat);
        }
        barrier::wait_for_interrupt();
    }
}

/// Tells whether every CPU was started or given up, so that cells may run.
pub fn released() -> bool {
    RELEASED.load(Ordering::Acquire)
}

/// Notes that a cell was started again.
pub fn note_start() {
    ALIVE.fetch_add(1, Ordering::AcqRel);
    console::finish(false);
}

/// Notes that a cell has ended; with the last one the board is idle.
pub fn note_end(cell: &'static Cell) {
    if ALIVE.fetch_sub(1, Ordering::AcqRel) == 1 {
        console::say_of(cell, format_args!("event=idle reason=\"no cell is running any more\""));
        console::finish(true);
    }
}
