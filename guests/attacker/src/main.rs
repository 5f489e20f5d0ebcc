//! Attempts what its boot arguments name and says how it went: `attempt=NAME` (a label: foreign-device,
//! foreign-ram, hole, hypervisor), `address=0x…`, `access=read|write|fetch` (default read), `after_ms=N`.
//! A stop by the hypervisor ends it in the middle; whoever survives an access that should have stopped it
//! says so with STILL RUNNING.
#![no_std]
#![no_main]

use kit::{Machine, cpu, println, probe, psci, timer};

kit::guest!(main, kit::no_secondary, kit::no_irq);

fn main(machine: Machine) -> ! {
    let attempt = machine.argument("attempt").unwrap_or("nothing");
    let Some(address) = machine.number("address") else {
        println!("attacker: no address=0x… in the boot arguments");
        psci::system_off()
    };
    timer::spin_ms(machine.number("after_ms").unwrap_or(0));
    let access = machine.argument("access").unwrap_or("read");
    println!("attacker: attempting {access} of {address:#x}");
    let address = cpu::address(address);
    let result = match access {
        "write" => probe::write(address, 0xdead_beef).map(|()| 0),
        "fetch" => probe::fetch(address).map(|()| 0),
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
