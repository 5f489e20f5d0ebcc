//! Dies as often as it is asked to, and tells each time what it found. `mortal: vcpu N registers=… gic=… memory=…` is
//! the fingerprint of all it can read; then it spoils all of that, on both of its CPUs, and ends: `end=reset|wall|stay|off`.
//! With `die` it dies at once, each time in another way.
//! With `ask` it reads the name of a state that is hard to interrupt and only hangs there (see [`hang`]). `list` shows each register.
#![no_std]
#![no_main]

mod hang;
mod spoil;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use kit::probe::{self, mrs};
use kit::{Machine, console, cpu, gic, println, psci, timer};

kit::guest!(main, secondary, kit::no_irq);

/// CPUs that are done.
static DONE: AtomicUsize = AtomicUsize::new(0);
/// It is to die, not to tell what it finds.
static DYING: AtomicBool = AtomicBool::new(false);

fn main(machine: Machine) -> ! {
    if machine.has("die") {
        die(&machine);
    }
    if machine.has("ask") {
        let mut line = [0; 16];
        let state = ask(&mut line);
        println!("mortal: state={state}");
        hang::enter(state);
    }
    fingerprint(0, Some(&machine));
    if machine.has("list") {
        registers(|fields, value| {
            let [op0, op1, crn, crm, op2] = fields;
            println!("mortal: S{op0}_{op1}_C{crn}_C{crm}_{op2}={value:#x}");
        });
    }
    if machine.cpus().len() > 1 {
        let _ = psci::cpu_on(machine.cpus()[1], 1);
        while DONE.load(Relaxed) == 0 {
            // SAFETY: a hint: QEMU lets the other CPU on.
            unsafe { core::arch::asm!("yield", options(nomem, nostack)) };
        }
    }
    // The tree goes with the memory.
    let end = machine.argument("end").and_then(|end| end.bytes().next());
    spoil::memory(&machine);
    spoil::uart(&machine);
    spoil::cpu();
    spoil::distributor();
    match end {
        Some(b'r') => psci::call(psci::SYSTEM_RESET, 0, 0, 0),
        Some(b'w') => u64::from(probe::read(0x0901_0000).is_ok()),
        Some(b's') => cpu::park(),
        _ => psci::system_off(),
    };
    timer::spin_ms(1000);
    println!("mortal: STILL RUNNING");
    cpu::park()
}

/// Dies by what the time says: each time by another. Its other CPU is then where it is hard to find.
fn die(machine: &Machine) -> ! {
    DYING.store(true, Relaxed);
    const KINDS: [&str; 8] = ["read", "write", "fetch", "walk", "reset", "watchdog", "unknown", "serror"];
    if machine.cpus().len() > 1 {
        let _ = psci::cpu_on(machine.cpus()[1], 1);
        while DONE.load(Relaxed) == 0 {
            // SAFETY: a hint: QEMU lets the other CPU on.
            unsafe { core::arch::asm!("yield", options(nomem, nostack)) };
        }
    }
    let time = usize::try_from(kit::read_sysreg!("cntpct_el0") >> 4).unwrap_or(0);
    let kind = KINDS[time % KINDS.len()];
    println!("mortal: dies by {kind}");
    hang::enter(kind)
}

/// Reads a line.
fn ask(line: &mut [u8]) -> &str {
    println!("mortal: which state?");
    let mut length = 0;
    loop {
        match console::take() {
            Some(b'\r') => return core::str::from_utf8(&line[..length]).unwrap_or(""),
            Some(byte) => {
                line[length] = byte;
                length += 1;
            }
            None => timer::spin_ms(1),
        }
    }
}

fn secondary(index: usize) -> ! {
    if DYING.load(Relaxed) {
        DONE.store(index, Relaxed);
        hang::enter("masked");
    }
    fingerprint(index, None);
    spoil::cpu();
    DONE.store(index, Relaxed);
    cpu::park()
}

/// FNV-1a, by words.
struct Hash(u64);

impl Hash {
    fn add(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

fn fingerprint(vcpu: usize, machine: Option<&Machine>) {
    let traps = kit::read_sysreg!("cpacr_el1");
    let (mut all, mut bank, mut memory) = (Hash(0xcbf2_9ce4_8422_2325), Hash(1), Hash(2));
    // What floats is read first: whatever else runs may use it.
    spoil::floating(|value| all.add(value));
    all.add(traps);
    // What this guest itself has set by now.
    kit::write_sysreg!("cpacr_el1", 0b11 << 16 | 0b11 << 20 | 0b11 << 24);
    registers(|_, value| all.add(value));
    interrupts(|value| bank.add(value.into()));
    if let Some((base, size)) = machine.map(|machine| machine.memory) {
        for at in (base..base + size).step_by(8) {
            // Below the image's end lie counts and stacks of this very run.
            if !(cpu::image_start()..cpu::image_end()).contains(&cpu::address(at)) {
                memory.add(cpu::peek(cpu::address(at)));
            }
        }
        for offset in (0..0x1000).step_by(4).filter(|offset| *offset != 0) {
            let uart = machine.and_then(|machine| machine.uart).unwrap_or(0);
            bank.add(probe::read(uart + offset).unwrap_or(0).into());
        }
    }
    println!("mortal: vcpu {vcpu} registers={:x} gic={:x} memory={:x}", all.0, bank.0, memory.0);
}

/// Counters, what reading changes, random numbers: no part of a machine's state.
const EXCEPTED: &[[u32; 5]] = &[
    [3, 3, 14, 0, 1],  // CNTPCT_EL0
    [3, 3, 14, 0, 2],  // CNTVCT_EL0
    [3, 3, 14, 0, 5],  // CNTPCTSS_EL0
    [3, 3, 14, 0, 6],  // CNTVCTSS_EL0
    [3, 3, 14, 2, 0],  // CNTP_TVAL_EL0
    [3, 3, 14, 3, 0],  // CNTV_TVAL_EL0
    [3, 3, 2, 4, 0],   // RNDR
    [3, 3, 2, 4, 1],   // RNDRRS
    [3, 0, 12, 8, 0],  // ICC_IAR0_EL1
    [3, 0, 12, 12, 0], // ICC_IAR1_EL1
    [3, 0, 4, 2, 0],   // SPSel and its like are read as PSTATE
    // What the probe of the register before has left.
    [3, 0, 4, 0, 0], // SPSR_EL1
    [3, 0, 4, 0, 1], // ELR_EL1
    [3, 0, 5, 2, 0], // ESR_EL1
    [3, 0, 6, 0, 0], // FAR_EL1
];

/// Every system register that can be read.
fn registers(mut each: impl FnMut([u32; 5], u64)) {
    for fields in encodings().filter(|fields| !EXCEPTED.contains(fields)) {
        if let Ok(value) = probe::execute(mrs(fields), 0, 0) {
            each(fields, value);
        }
    }
}

/// Every encoding of a register that EL1 may have: op0 2 and 3, op1 0 and 3; the others have cache sizes only.
pub fn encodings() -> impl Iterator<Item = [u32; 5]> {
    (0..1_u32 << 15)
        .map(|number| [2 | number >> 14, number >> 11 & 7, number >> 7 & 15, number >> 3 & 15, number & 7])
        .filter(|[_, op1, crn, ..]| matches!(op1, 0 | 3) || matches!(op1, 1 | 2) && *crn == 0)
}

/// The distributor, and this CPU's part of the controller.
fn interrupts(mut each: impl FnMut(u32)) {
    let mut frame = |base: usize, size: usize, except: &[usize]| {
        for offset in (0..size).step_by(4).filter(|offset| !except.contains(offset)) {
            each(probe::read(base + offset).unwrap_or(0xdead));
        }
    };
    frame(gic::distributor(), 0x1000, &[]);
    if gic::is_v2() {
        // Reading GICC_IAR and GICC_AIAR acknowledges.
        frame(gic::cpu_interface(), 0x100, &[0xc, 0x20]);
    } else {
        frame(gic::redistributors(), 0x4_0000, &[]);
        frame(gic::distributor() + 0x6000, 0x2000, &[]);
    }
}
