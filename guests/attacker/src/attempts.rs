//! The attempts a cell survives, by name, and what they come to.

use crate::tally::Tally;
use crate::{calls, distributor, instructions, memory, offsets, race, random, registers, sgi, storm, sweep, walk};
use core::fmt::{self, Display, Formatter};
use kit::{Machine, timer};

/// How long an attempt against another's state is kept up: longer than a round of the victim.
const SIEGE_MS: u64 = 150;

/// How an attempt ended that broke nothing the attacker can see.
pub enum Verdict {
    /// Carried out, so many times; nothing came of it.
    NoEffect(u64),
    /// Answered with an error, so many times.
    Refused(u64),
    /// An external abort, with this syndrome.
    Aborted(u64, u64),
    /// Undefined at this exception level, so many instructions.
    Undefined(u64),
    /// Many of one class, by what became of them.
    Tally(Tally),
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::NoEffect(count) => write!(f, "no-effect count={count}"),
            Self::Refused(count) => write!(f, "refused count={count}"),
            Self::Aborted(count, esr) => write!(f, "aborted count={count} esr={esr:#x}"),
            Self::Undefined(count) => write!(f, "undefined count={count}"),
            Self::Tally(tally) => tally.fmt(f),
        }
    }
}

/// What went through: what it was, with which number, and what came back.
pub struct Breach(pub &'static str, pub u64, pub u64);

impl Display for Breach {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{} {:#x} gave {:#x}", self.0, self.1, self.2)
    }
}

/// One attempt.
pub type Attempt = fn(&Machine) -> Result<Verdict, Breach>;

/// The attempt of that name.
pub fn find(name: &str) -> Option<Attempt> {
    Some(match name {
        "spi" => distributor::shared,
        "ppi" => distributor::private,
        "sgi" => sgi::everywhere,
        "cpu-on" => calls::cpu_on,
        "smc" => calls::smc,
        "hvc" => calls::hvc,
        "immediates" => calls::immediates,
        "set-way" => instructions::set_way,
        "el2-registers" => instructions::el2_registers,
        "el1-registers" => instructions::shared_el1_registers,
        "wait" => instructions::wait,
        "holes" => memory::holes,
        "no-syndrome" => memory::no_syndrome,
        "walks" => walk::into_holes,
        "walk-pages" => walk::from_pages,
        "registers" => registers::every,
        "random" => random::words,
        "sweep" => sweep::pages,
        "offsets" => offsets::every,
        "sgi-targets" => sgi::targets,
        "cpu-ids" => calls::cpu_ids,
        "spin" => spin,
        "flood" => flood,
        "race" => race::rounds,
        "storm" => storm::all,
        "function-ids" => calls::function_ids,
        _ => return None,
    })
}

/// Does nothing, for ever.
fn spin(_: &Machine) -> Result<Verdict, Breach> {
    loop {
        core::hint::spin_loop();
    }
}

/// Writes lines to its console without a look whether there is room.
fn flood(machine: &Machine) -> Result<Verdict, Breach> {
    const BYTES: u64 = 1 << 16;
    let uart = machine.uart.ok_or(Breach("no console", 0, 0))?;
    for count in 1..=BYTES {
        // SAFETY: the data register of the cell's own UART.
        unsafe { kit::cpu::write32(uart, if count % 64 == 0 { 10 } else { 46 }) };
    }
    Ok(Verdict::NoEffect(BYTES))
}

/// Repeats something until longer than a round of the victim has passed; returns how often.
pub fn besiege(mut once: impl FnMut() -> Result<(), Breach>) -> Result<u64, Breach> {
    let end = timer::now() + timer::frequency() * SIEGE_MS / 1000;
    let mut count = 0;
    while count == 0 || timer::now() < end {
        once()?;
        count += 1;
    }
    Ok(count)
}
