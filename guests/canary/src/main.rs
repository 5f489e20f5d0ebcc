//! Goes the same way every time: it never looks at time and waits for nobody but itself. Each round sums up its memory,
//! calls, reads and writes its distributor, sends itself an SGI and takes it, waits with one pending; every fourth says a
//! line, so that all it says finds room in its ring however slow the console is. Whatever differs between two of its
//! runs came from outside. Boot arguments: `rounds=N`.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kit::{Machine, cpu, gic, println, psci};

kit::guest!(main, kit::no_secondary, irq);

const SGI: u32 = 7;
const PSCI_VERSION: u64 = 0x8400_0000;
/// Words summed up each round.
const WORDS: usize = 2048;

static TAKEN: AtomicU64 = AtomicU64::new(0);

fn main(machine: Machine) -> ! {
    gic::init();
    gic::enable(SGI);
    let (base, size) = machine.memory;
    let memory = cpu::address(base + size / 2);
    for round in 0..machine.number("rounds").unwrap_or(50) {
        let mut sum = psci::call(PSCI_VERSION, 0, 0, 0);
        for word in 0..WORDS {
            let at = memory + word * 4;
            // SAFETY: the cell's own memory, clear of the image and the tree.
            sum = sum.rotate_left(5) ^ u64::from(unsafe { cpu::read32(at) });
            // SAFETY: the same.
            unsafe { cpu::write32(at, cpu::low32(sum)) };
        }
        gic::enable(SGI);
        let state = gic::state(SGI);
        sum ^= u64::from(state.priority);
        cpu::unmask_irq();
        gic::send_sgi(SGI, 1);
        while TAKEN.load(Relaxed) <= 2 * round {}
        cpu::mask_irq();
        gic::send_sgi(SGI, 1);
        cpu::wait();
        cpu::unmask_irq();
        while TAKEN.load(Relaxed) <= 2 * round + 1 {}
        cpu::mask_irq();
        if round % 4 == 0 {
            println!("canary: round {round} sum {sum:016x}");
        }
    }
    println!("canary: done");
    psci::system_off()
}

fn irq(_intid: u32) {
    TAKEN.store(TAKEN.load(Relaxed) + 1, Relaxed);
}
