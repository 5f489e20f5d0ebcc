//! Attempts what its boot arguments name and says how each went. `attempt=NAME,NAME…` names attempts a cell should
//! survive (see [`attempts`]): `attacker: attempt=NAME verdict=no-effect|refused|aborted|undefined|tally …`, or `BREACH` with
//! what went through. Any other name labels one access: `address=0x… access=read|write|fetch|walk` (default read; walk
//! puts a page table there); a stop by the hypervisor ends the attacker in the middle, and whoever survives an access
//! that should have stopped it says so with STILL RUNNING. `after_ms=N` waits first.
//! The last word is the victim's, not the attacker's.
#![no_std]
#![no_main]

mod attempts;
mod calls;
mod distributor;
mod instructions;
mod memory;
mod offsets;
mod race;
mod random;
mod registers;
mod sgi;
mod storm;
mod sweep;
mod tally;
mod walk;

use kit::{Machine, cpu, println, probe, psci, timer};

kit::guest!(main, race::secondary, kit::no_irq);

fn main(machine: Machine) -> ! {
    let names = machine.argument("attempt").unwrap_or("nothing");
    timer::spin_ms(machine.number("after_ms").unwrap_or(0));
    if names.split(',').all(|name| attempts::find(name).is_some()) {
        for name in names.split(',') {
            match attempts::find(name).map(|attempt| attempt(&machine)) {
                Some(Ok(verdict)) => println!("attacker: attempt={name} verdict={verdict}"),
                Some(Err(breach)) => println!("attacker: attempt={name} verdict=BREACH {breach}"),
                None => {}
            }
        }
        println!("attacker: done");
        // By SMC: were it forwarded, the whole board would be off.
        psci::smc_call(psci::SYSTEM_OFF, 0, 0, 0);
        cpu::park()
    }
    let Some(address) = machine.number("address") else {
        println!("attacker: no address=0x… in the boot arguments");
        psci::system_off()
    };
    touch(names, cpu::address(address), machine.argument("access").unwrap_or("read"))
}

/// One access, to whatever is there.
fn touch(attempt: &str, address: usize, access: &str) -> ! {
    println!("attacker: attempting {access} of {address:#x}");
    let result = match access {
        "write" => probe::write(address, 0xdead_beef).map(|()| 0),
        "fetch" => probe::fetch(address).map(|()| 0),
        // A page-table walk that reads its table there.
        "walk" => walk::through(address).map(|()| 0),
        _ => probe::read(address),
    };
    match result {
        Err(abort) if abort.is_external() => {
            println!("attacker: {attempt} gave external abort, esr={:#x} far={:#x}", abort.esr, abort.far);
        }
        Err(abort) => println!("attacker: {attempt} gave another abort, esr={:#x} far={:#x}", abort.esr, abort.far),
        Ok(value) => {
            println!("attacker: STILL RUNNING after {access} of {address:#x}, value {value:#x}");
            cpu::park()
        }
    }
    println!("attacker: done");
    psci::system_off()
}
