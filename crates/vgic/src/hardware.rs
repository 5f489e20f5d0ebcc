//! What the virtual GIC asks of the physical one: the list registers of the calling CPU and the cell's own lines.
//!
//! Implemented by EL2's GIC drivers and, in tests, by a simulated virtual CPU interface. IHI 0069H 12.4 (ICH_*).

/// A list register as `ICH_LR<n>_EL2` has it (IHI 0069H 12.4.8); a GICv2 driver converts to `GICH_LR<n>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListRegister(pub u64);

impl ListRegister {
    /// State\[0\]: pending.
    pub const PENDING: u64 = 1 << 62;
    /// State\[1\]: active.
    pub const ACTIVE: u64 = 1 << 63;
    /// HW: ending the virtual interrupt deactivates the physical one.
    pub const HW: u64 = 1 << 61;
    /// Group 1: signalled as a virtual IRQ (group 0 as a virtual FIQ).
    pub const GROUP1: u64 = 1 << 60;
    /// EOI: ending it asserts a maintenance interrupt (HW = 0 only).
    pub const EOI: u64 = 1 << 41;

    /// A software interrupt, inactive, in group 0.
    #[inline]
    pub(crate) const fn new(intid: usize, priority: u8) -> Self {
        Self((intid as u64) | (priority as u64) << 48)
    }
    /// Some of these bits are set.
    #[inline]
    #[must_use]
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }
    /// The virtual priority.
    #[inline]
    #[must_use]
    pub const fn priority(self) -> u8 {
        self.0.to_be_bytes()[1]
    }
    /// `GICv2`: the sender of an SGI (`GICH_LR.CPUID`; meaningful with HW = 0).
    #[inline]
    #[must_use]
    pub const fn sender(self) -> usize {
        (self.0 >> 32 & 7) as usize
    }
}

/// The maintenance interrupts wanted besides EOI ones, and what goes with one, at their places in `ICH_HCR_EL2` (`GICH_HCR`
/// has the same).
pub mod maintenance {
    /// UIE: at most one list register holds an interrupt.
    pub const UNDERFLOW: u32 = 1 << 1;
    /// LRENPIE: the guest ended an interrupt that stands in no list register (`EOIcount` > 0).
    pub const NOT_PRESENT: u32 = 1 << 2;
    /// NPIE: no list register holds a pending interrupt.
    pub const NO_PENDING: u32 = 1 << 3;
    /// `EOIcount`: how many the guest ended so.
    pub const EOI_COUNT: u32 = 0x1f << 27;
    /// All of them.
    pub(crate) const ALL: u32 = UNDERFLOW | NOT_PRESENT | NO_PENDING | EOI_COUNT;
}

/// Registers with a bit for each interrupt, by their offset in the distributor's frame and in that of a redistributor's SGIs
/// (IHI 0069H 12.9, 12.11; IHI 0048B 4.3).
pub mod field {
    /// Enables.
    pub const ISENABLER: usize = 0x100;
    /// Disables.
    pub const ICENABLER: usize = 0x180;
    /// Makes pending.
    pub const ISPENDR: usize = 0x200;
    /// Takes pending back.
    pub const ICPENDR: usize = 0x280;
    /// Makes active.
    pub const ISACTIVER: usize = 0x300;
    /// Deactivates.
    pub const ICACTIVER: usize = 0x380;
}

/// The physical GIC as one cell may use it. `vcpu` picks the CPU whose SGI/PPI bank is meant (word 0), otherwise it is
/// ignored; every call can come from any of the cell's CPUs. Only lines that the cell owns are ever named.
pub trait Hardware {
    /// Reads list register `n` of this CPU.
    fn read_lr(&self, n: usize) -> ListRegister;
    /// Writes list register `n` of this CPU.
    fn write_lr(&mut self, n: usize, value: ListRegister);
    /// The list registers of this CPU whose state is invalid: `ICH_ELRSR_EL2` | `ICH_EISR_EL2`.
    fn empty(&self) -> u32;
    /// Clears, then sets bits of this CPU's `ICH_HCR_EL2`: those of [`maintenance`]; returns what it held.
    fn control(&mut self, clear: u32, set: u32) -> u32;
    /// Reads one of [`field`]'s registers for the 32 interrupts of word `w`.
    fn read(&self, register: usize, vcpu: usize, w: usize) -> u32;
    /// Writes it; each takes effect where a bit is set.
    fn write(&mut self, register: usize, vcpu: usize, w: usize, bits: u32);
    /// Sets the priority of a line: only where interrupts are passed through.
    fn set_priority(&mut self, vcpu: usize, intid: u32, priority: u8);
    /// Routes the SPI to the CPU of `vcpu`.
    fn route(&mut self, intid: u32, vcpu: usize);
}
