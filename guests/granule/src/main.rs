//! Turns its MMU on with pages of 4, 16 and 64 KiB in turn, where `ID_AA64MMFR0_EL1` says that the CPU has them, and
//! runs code and data through each. With `features` in the boot arguments it then uses, with its MMU and caches on,
//! every feature that its ID registers show and that EL2 could keep from it (DDI 0487 D8.2, D24.2).
#![no_std]
#![no_main]

mod features;
mod paging;

use kit::{Machine, print, println, psci, read_sysreg};
use paging::GRANULES;

kit::guest!(main, kit::no_secondary, kit::no_irq);

fn main(machine: Machine) -> ! {
    let range = read_sysreg!("id_aa64mmfr0_el1") & 0xf;
    println!("granule: midr {:#x}, PARange {range}, memory {:#x}", read_sysreg!("midr_el1"), machine.memory.1);
    print!("granule:");
    for granule in &GRANULES {
        match granule.is_shown().then(|| paging::walk(granule, &machine)) {
            None => print!(" {} absent", granule.name),
            Some(Ok(())) => print!(" {} ok", granule.name),
            Some(Err(what)) => print!(" {} FAILED ({what})", granule.name),
        }
    }
    println!("");
    if machine.has("features") {
        paging::cached(&machine);
        features::all();
    }
    psci::system_off()
}
