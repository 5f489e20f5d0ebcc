//! Decoding one SMC or HVC of a guest and answering it.
//!
//! Every id a guest can put in w0 has an answer; what is not offered is `NOT_SUPPORTED`, never a stop. 32-bit ids use
//! the low halves of their arguments only. A target is an MPIDR whose Aff0 is the vCPU's index; bits 31:24 (RES1, U, MT)
//! are ignored, since guests pass their `MPIDR_EL1` as they read it. DEN 0022 5; DEN 0028 7.

use address::{Address, Ipa};

use crate::{Entry, Power};

/// The function ids, by their names in DEN 0022 and DEN 0028.
pub mod id {
    /// The bit that makes a call a 64-bit one.
    pub const SMC64: u32 = 1 << 30;
    /// `SMCCC_VERSION`.
    pub const SMCCC_VERSION: u32 = 0x8000_0000;
    /// `SMCCC_ARCH_FEATURES`.
    pub const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
    /// `SMCCC_ARCH_WORKAROUND_1` to `_3`: forgets what the branch predictor learned (CVE-2017-5715); speculative store
    /// bypass, off or on (CVE-2018-3639); forgets the branch history too (CVE-2022-23960).
    pub const WORKAROUNDS: [u32; 3] = [0x8000_8000, 0x8000_7fff, 0x8000_3fff];
    /// `PSCI_VERSION`.
    pub const PSCI_VERSION: u32 = 0x8400_0000;
    /// `CPU_SUSPEND`, 32 bits.
    pub const CPU_SUSPEND: u32 = 0x8400_0001;
    /// `CPU_SUSPEND`, 64 bits.
    pub const CPU_SUSPEND_64: u32 = CPU_SUSPEND | SMC64;
    /// `CPU_OFF`.
    pub const CPU_OFF: u32 = 0x8400_0002;
    /// `CPU_ON`, 32 bits.
    pub const CPU_ON: u32 = 0x8400_0003;
    /// `CPU_ON`, 64 bits.
    pub const CPU_ON_64: u32 = CPU_ON | SMC64;
    /// `AFFINITY_INFO`, 32 bits.
    pub const AFFINITY_INFO: u32 = 0x8400_0004;
    /// `AFFINITY_INFO`, 64 bits.
    pub const AFFINITY_INFO_64: u32 = AFFINITY_INFO | SMC64;
    /// `MIGRATE_INFO_TYPE`.
    pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
    /// `SYSTEM_OFF`.
    pub const SYSTEM_OFF: u32 = 0x8400_0008;
    /// `SYSTEM_RESET`.
    pub const SYSTEM_RESET: u32 = 0x8400_0009;
    /// `PSCI_FEATURES`.
    pub const PSCI_FEATURES: u32 = 0x8400_000a;
    /// `SYSTEM_RESET2`, 32 bits.
    pub const SYSTEM_RESET2: u32 = 0x8400_0012;
    /// `SYSTEM_RESET2`, 64 bits.
    pub const SYSTEM_RESET2_64: u32 = SYSTEM_RESET2 | SMC64;
}

/// PSCI 1.1.
const PSCI_1_1: u32 = 0x0001_0001;
/// SMCCC 1.2.
const SMCCC_1_2: u32 = 0x0001_0002;
const SUCCESS: u64 = 0;
/// `MIGRATE_INFO_TYPE`: no trusted OS that would have to migrate.
const MIGRATION_NOT_REQUIRED: u32 = 2;
/// The functions that have one answer for all times, whatever their arguments: `vectors.S` looks here first. Ends with 0.
pub static CONSTANTS: [[u32; 2]; 4] = [
    [id::PSCI_VERSION, PSCI_1_1],
    [id::MIGRATE_INFO_TYPE, MIGRATION_NOT_REQUIRED],
    [id::SMCCC_VERSION, SMCCC_1_2],
    [0, 0],
];
/// `power_state`: what must be zero in the original format, and the bit that asks for power down.
const POWER_STATE_RES0: u64 = 0xfcfe_0000;
const POWER_STATE_DOWN: u64 = 1 << 16;

/// The errors a call returns, DEN 0022 5.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Error {
    /// No such function here.
    NotSupported = -1,
    /// A target or argument that means nothing.
    InvalidParameters = -2,
    /// Refused by policy.
    Denied = -3,
    /// The vCPU is on.
    AlreadyOn = -4,
    /// Another call is switching the vCPU on.
    OnPending = -5,
    /// An entry point where the cell has no memory to run from.
    InvalidAddress = -9,
}

impl Error {
    /// Returns the value for x0, sign-extended, so that w0 and x0 both read right.
    #[must_use]
    pub const fn code(self) -> u64 {
        (self as i64).cast_unsigned()
    }
}

/// What the exit does with the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put the value in x0 and resume.
    Return(u64),
    /// Put 0 in x0, kick the CPU of `vcpu` so that it calls [`Power::take`], and resume.
    Start {
        /// The vCPU that was switched on.
        vcpu: usize,
    },
    /// Park this CPU: its vCPU is off already, and may be wanted again.
    Off,
    /// Stop the cell.
    SystemOff,
    /// Restart the cell.
    SystemReset,
    /// Put 0 in x0, wait for an interrupt and resume.
    Suspend,
    /// Ask firmware with this function and argument, and put its answer in x0: what a CPU's predictors need concerns
    /// that CPU alone, which is the cell's.
    Firmware(u32, u32),
    /// Wait for an interrupt, then start this vCPU at `Entry` as if it were switched on.
    SuspendPowerDown(Entry),
}

impl Power {
    /// Answers the call in `registers` (x0 to x3) of `vcpu`; `entry_ok` tells where the cell may start a vCPU.
    #[inline]
    pub fn call(&self, vcpu: usize, registers: [u64; 4], entry_ok: impl Fn(Ipa) -> bool) -> Action {
        let [function, ..] = registers.map(low);
        self.dispatch(vcpu, function, registers, entry_ok).unwrap_or_else(|error| Action::Return(error.code()))
    }

    fn dispatch(
        &self,
        vcpu: usize,
        function: u32,
        registers: [u64; 4],
        entry_ok: impl Fn(Ipa) -> bool,
    ) -> Result<Action, Error> {
        let wide = function & id::SMC64 != 0;
        let [_, first, second, third] = registers.map(|register| if wide { register } else { low(register).into() });
        let entry = |pc, context| {
            let pc = Ipa::new(pc);
            if pc.is_aligned(4) && entry_ok(pc) { Ok(Entry { pc, context }) } else { Err(Error::InvalidAddress) }
        };
        Ok(match function {
            id::CPU_SUSPEND | id::CPU_SUSPEND_64 => match u64::from(low(first)) {
                state if state & POWER_STATE_RES0 != 0 => return Err(Error::InvalidParameters),
                state if state & POWER_STATE_DOWN != 0 => Action::SuspendPowerDown(entry(second, third)?),
                _ => Action::Suspend,
            },
            id::CPU_OFF => {
                self.off(vcpu);
                Action::Off
            }
            id::CPU_ON | id::CPU_ON_64 => {
                let target = target(first)?;
                self.on(target, entry(second, third)?)?;
                Action::Start { vcpu: target }
            }
            id::AFFINITY_INFO | id::AFFINITY_INFO_64 if low(second) == 0 => {
                Action::Return(self.affinity_info(target(first)?)?)
            }
            id::SYSTEM_OFF => Action::SystemOff,
            id::SYSTEM_RESET => Action::SystemReset,
            // Type 0 is SYSTEM_WARM_RESET, the only architectural one.
            id::SYSTEM_RESET2 | id::SYSTEM_RESET2_64 if low(first) == 0 => Action::SystemReset,
            // From PSCI 1.0 on, higher affinity levels need not be answered.
            id::SYSTEM_RESET2 | id::SYSTEM_RESET2_64 | id::AFFINITY_INFO | id::AFFINITY_INFO_64 => {
                return Err(Error::InvalidParameters);
            }
            id::PSCI_FEATURES => features(low(first))?,
            id::SMCCC_ARCH_FEATURES => match low(first) {
                id::SMCCC_VERSION | id::SMCCC_ARCH_FEATURES => Action::Return(SUCCESS),
                id if id::WORKAROUNDS.contains(&id) => Action::Firmware(function, id),
                _ => return Err(Error::NotSupported),
            },
            id if id::WORKAROUNDS.contains(&id) => Action::Firmware(id, low(first)),
            _ => {
                let known = CONSTANTS.iter().find(|constant| constant[0] == function && function != 0);
                Action::Return(known.ok_or(Error::NotSupported)?[1].into())
            }
        })
    }
}

/// The numbers of the PSCI functions that are offered, as a set; those of the 64-bit ones.
const OFFERED: u32 = WIDE | 1 << 0 | 1 << 2 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 10;
const WIDE: u32 = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 18;

/// Answers `PSCI_FEATURES`: no flags are set, so `CPU_SUSPEND` takes the original `power_state` format and is
/// coordinated by the platform.
const fn features(function: u32) -> Result<Action, Error> {
    let (number, wide) = (function & 0x1f, function & id::SMC64 != 0);
    let psci = function & !(id::SMC64 | 0x1f) == id::PSCI_VERSION;
    let offered = if wide { WIDE } else { OFFERED };
    if psci && offered >> number & 1 != 0 || function == id::SMCCC_VERSION {
        return Ok(Action::Return(SUCCESS));
    }
    Err(Error::NotSupported)
}

/// Returns the vCPU index an MPIDR names, whether or not the cell has that vCPU.
fn target(mpidr: u64) -> Result<usize, Error> {
    const IGNORED: u64 = 0xff00_0000;
    usize::try_from(mpidr & !IGNORED).map_err(|_| Error::InvalidParameters)
}

/// Returns the low half of a register: Wn.
#[allow(clippy::cast_possible_truncation, reason = "the low half is what a W register is")]
const fn low(register: u64) -> u32 {
    register as u32
}
