//! Decoding one SMC or HVC of a guest and answering it.
//!
//! Every id a guest can put in w0 has an answer; what is not offered is `NOT_SUPPORTED`, never a stop. 32-bit ids use
//! the low halves of their arguments only. A target is an MPIDR whose Aff0 is the vCPU's index; bits 31:24 (RES1, U, MT)
//! are ignored, since guests pass their `MPIDR_EL1` as they read it. DEN 0022 5; DEN 0028 7.

use address::{Address, Ipa};

use crate::{Entry, Power};

/// The bit that makes a call a 64-bit one.
const SMC64: u32 = 1 << 30;
const SMCCC_VERSION: u32 = 0x8000_0000;
const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
/// `SMCCC_ARCH_WORKAROUND_1` to `_3`: forgets what the branch predictor learned (CVE-2017-5715); speculative store
/// bypass, off or on (CVE-2018-3639); forgets the branch history too (CVE-2022-23960).
pub const WORKAROUNDS: [u32; 3] = [0x8000_8000, 0x8000_7fff, 0x8000_3fff];
/// PSCI's functions, by their numbers behind this id.
const PSCI: u32 = 0x8400_0000;
const PSCI_VERSION: u32 = 0;
const CPU_SUSPEND: u32 = 1;
const CPU_OFF: u32 = 2;
const CPU_ON: u32 = 3;
const AFFINITY_INFO: u32 = 4;
const MIGRATE_INFO_TYPE: u32 = 6;
const SYSTEM_OFF: u32 = 8;
const SYSTEM_RESET: u32 = 9;
const PSCI_FEATURES: u32 = 10;
const SYSTEM_RESET2: u32 = 18;

/// The functions that have one answer for all times, whatever their arguments: `vectors.S` looks here first. PSCI 1.1, SMCCC
/// 1.2, and no trusted OS that would have to migrate. Ends with 0.
pub static CONSTANTS: [[u32; 2]; 4] =
    [[PSCI | PSCI_VERSION, 0x0001_0001], [PSCI | MIGRATE_INFO_TYPE, 2], [SMCCC_VERSION, 0x0001_0002], [0, 0]];
const SUCCESS: u64 = 0;
/// `power_state`: what must be zero in the original format, and the bit that asks for power down.
const POWER_STATE_RES0: u32 = 0xfcfe_0000;
const POWER_STATE_DOWN: u32 = 1 << 16;

/// The errors a call returns, DEN 0022 5.2.2: in x0 sign-extended, so that w0 and x0 both read right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Error {
    /// No such function here.
    NotSupported = -1,
    /// A target or argument that means nothing.
    InvalidParameters = -2,
    /// The vCPU is on.
    AlreadyOn = -4,
    /// Another call is switching the vCPU on.
    OnPending = -5,
    /// An entry point where the cell has no memory to run from.
    InvalidAddress = -9,
}

/// What the exit does with the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put the value in x0 and resume.
    Return(u64),
    /// Put 0 in x0, kick the CPU of this vCPU, which was switched on, so that it calls [`Power::take`], and resume.
    Start(usize),
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
        let answer = self.dispatch(vcpu, registers, entry_ok);
        answer.unwrap_or_else(|error| Action::Return((error as i64).cast_unsigned()))
    }

    fn dispatch(&self, vcpu: usize, registers: [u64; 4], entry_ok: impl Fn(Ipa) -> bool) -> Result<Action, Error> {
        let [function, first, second, third] = registers;
        let function = low(function);
        let used = if function & SMC64 == 0 { 0xffff_ffff } else { u64::MAX };
        let (first, second, third) = (first & used, second & used, third & used);
        let entry = |pc, context| {
            let pc = Ipa::new(pc);
            if pc.is_aligned(4) && entry_ok(pc) { Ok(Entry { pc, context }) } else { Err(Error::InvalidAddress) }
        };
        Ok(match (psci(function), low(first)) {
            (Some(CPU_SUSPEND), state) if state & (POWER_STATE_RES0 | POWER_STATE_DOWN) == 0 => Action::Suspend,
            (Some(CPU_SUSPEND), state) if state & POWER_STATE_RES0 == 0 => {
                Action::SuspendPowerDown(entry(second, third)?)
            }
            (Some(CPU_OFF), _) => {
                self.off(vcpu);
                Action::Off
            }
            (Some(CPU_ON), _) => {
                let target = target(first)?;
                self.on(target, entry(second, third)?)?;
                Action::Start(target)
            }
            (Some(AFFINITY_INFO), _) if low(second) == 0 => Action::Return(self.affinity_info(target(first)?)?),
            (Some(SYSTEM_OFF), _) => Action::SystemOff,
            // Type 0 is SYSTEM_WARM_RESET, the only architectural one.
            (Some(SYSTEM_RESET), _) | (Some(SYSTEM_RESET2), 0) => Action::SystemReset,
            // From PSCI 1.0 on, higher affinity levels need not be answered.
            (Some(CPU_SUSPEND | SYSTEM_RESET2 | AFFINITY_INFO), _) => return Err(Error::InvalidParameters),
            // No flags are set, so `CPU_SUSPEND` takes the original format and is coordinated by the platform.
            (Some(PSCI_FEATURES), id) if id == SMCCC_VERSION || psci(id).is_some() => Action::Return(SUCCESS),
            (Some(PSCI_FEATURES), _) => return Err(Error::NotSupported),
            (None, SMCCC_VERSION | SMCCC_ARCH_FEATURES) if function == SMCCC_ARCH_FEATURES => Action::Return(SUCCESS),
            (None, id) if WORKAROUNDS.contains(if function == SMCCC_ARCH_FEATURES { &id } else { &function }) => {
                Action::Firmware(function, id)
            }
            _ => {
                let known = CONSTANTS.iter().find(|constant| constant[0] == function && function != 0);
                Action::Return(known.ok_or(Error::NotSupported)?[1].into())
            }
        })
    }
}

/// Returns the number of a PSCI function, if it is offered.
const fn psci(function: u32) -> Option<u32> {
    const WIDE: u32 = 1 << CPU_SUSPEND | 1 << CPU_ON | 1 << AFFINITY_INFO | 1 << SYSTEM_RESET2;
    const ENDS: u32 = 1 << CPU_OFF | 1 << SYSTEM_OFF | 1 << SYSTEM_RESET;
    const TELLS: u32 = 1 << PSCI_VERSION | 1 << MIGRATE_INFO_TYPE | 1 << PSCI_FEATURES;
    let offered = if function & SMC64 == 0 { WIDE | ENDS | TELLS } else { WIDE };
    let number = function & 0x1f;
    if function & !SMC64 == PSCI | number && offered >> number & 1 != 0 { Some(number) } else { None }
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
