//! The state of one cell's interrupts, independent of any register layout, and how it is built and reset.
//!
//! Owns [`Word`] (32 interrupts, as the hardware's registers have them; of each vCPU its private ones, behind these the
//! SPIs, in one row), the per-vCPU part, and the rule which interrupts are deliverable. Truth about an interrupt *resident* in a list register is that register; about any other it is here:
//! `active` and `latch` of a resident one say only what came on top. A word out of range is the spare one, which has no lines. IHI 0069H 4.1.2 (states).
use crate::hardware::field;
use crate::masked::{Masked, bit, bits};
use crate::repeat::Repeat;
use crate::{Config, Hardware, VCPUS, Vgic};

pub(crate) const SGIS: u32 = 0xffff;
/// Words of private interrupts, less one.
const BEFORE_SPIS: usize = VCPUS - 1;

/// 32 interrupts, a bit or a byte each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word {
    /// Where [`Hardware`] knows it: the vCPU whose it is, if private, and its number.
    pub frame: usize,
    pub w: usize,
    /// The interrupts that exist.
    pub exists: u32,
    pub enabled: u32,
    /// Pending by an edge, an SGI, a register write, or a physical interrupt that was acknowledged.
    pub latch: u32,
    /// The input of emulated level lines.
    pub line: u32,
    /// Active and in no list register.
    pub active: u32,
    /// Active by a register write, never acknowledged: an EOI does not mean it.
    pub forced: u32,
    /// Group 1.
    pub group: u32,
    /// In a list register, for all that is known: one that the guest ended is folded at the next occasion.
    pub resident: u32,
    pub physical: u32,
    pub emulated: u32,
    pub wired_edge: u32,
    /// What both `GICD_ICFGR` say to the guest; how a line behaves is `wired_edge`.
    pub edge: u32,
    pub priority: Masked<u8, 32>,
    /// The vCPU that `GICD_IROUTER` means, as a set; on `GICv2` `GICD_ITARGETSR`. The first of them that exists gets it.
    pub route: Masked<u8, 32>,
    /// The vCPU in whose list register it stands, or that has to end it, as a set.
    pub home: Masked<u8, 32>,
}

impl Word {
    /// Lines that can fire at all.
    #[inline]
    pub(crate) const fn live(&self) -> u32 {
        self.physical | self.emulated
    }
    /// Emulated level-sensitive lines.
    #[inline]
    pub(crate) const fn level(&self) -> u32 {
        self.emulated & !self.wired_edge
    }
    /// Pending, enabled and in an enabled group.
    #[inline]
    pub(crate) const fn signalled(&self, groups: [u32; 2]) -> u32 {
        (self.latch | self.line) & self.enabled & (!self.group & groups[0] | self.group & groups[1])
    }
    /// Wants a list register.
    #[inline]
    pub(crate) const fn ready(&self, groups: [u32; 2]) -> u32 {
        self.signalled(groups) & !self.active & !self.resident
    }
    /// The vCPUs in whose list registers some of `set` stand.
    #[inline]
    pub(crate) fn homes(&self, set: u32) -> u32 {
        first(&self.home, self.resident & set)
    }
    /// The vCPUs that are to get `set`.
    #[inline]
    pub(crate) fn targets(&self, set: u32) -> u32 {
        first(&self.route, set)
    }
}

/// One vCPU: its list registers, and what else its word does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vcpu {
    /// `GICv2`: from whom each SGI is pending outside list registers; its latch says whether from anyone.
    pub senders: Masked<u8, 16>,
    /// `GICv2`: the number of the sender that each SGI went into a list register with last.
    pub sender: Masked<u8, 16>,
    /// The INTID in each list register.
    pub slots: Masked<u16, 16>,
    /// List registers that hold an interrupt, as `resident`.
    pub used: u32,
    /// List registers whose level interrupt is pending by a register write too.
    pub soft: u32,
    /// List registers that ask for a maintenance interrupt at EOI.
    pub tells: u32,
    /// The physical PPI and the SGI that came last, and their list registers.
    pub repeat: Repeat,
    /// The [`crate::maintenance`] interrupts that are on.
    pub maintenance: u32,
}

impl Vgic {
    /// Builds the virtual GIC in its reset state, without lines. Touches no hardware; the only allocation.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let last = (config.lines.wrapping_sub(1) >> 5 & 31).wrapping_add(VCPUS);
        let mut vgic = Self {
            v2: config.v2,
            direct: config.passthrough,
            count: (config.vcpus.wrapping_sub(1) & 7).wrapping_add(1),
            words: (0..last).map(|_| Word::default()).collect(),
            asleep: u32::MAX,
            slots: bit(config.list_registers).wrapping_sub(1),
            priorities: (0xff00_u32 >> (config.priority_bits & 15) & 0xff) as u8,
            ..Self::default()
        };
        for at in 0..last {
            let (sgis, frame, w) = if at < VCPUS { (SGIS, at, 0) } else { (0, 0, at.wrapping_sub(BEFORE_SPIS)) };
            let (physical, emulated) = if config.passthrough { (sgis & config.sgis, 0) } else { (0, sgis) };
            let exists = if w == 31 { 0x0fff_ffff } else { u32::MAX }; // 1020 to 1023 are special
            let word = vgic.word_mut(at);
            (word.frame, word.w, word.exists) = (frame, w, exists);
            (word.physical, word.emulated, word.wired_edge) = (physical, emulated, sgis);
            vgic.forget(at);
        }
        vgic
    }

    /// Gives the cell a line, a private one to each vCPU, as it is wired; `emulated`: one that EL2 drives (`set_line`), not
    /// one whose physical counterpart the cell owns, delivered with HW = 1. Before anything else.
    #[inline(never)]
    pub fn add(&mut self, intid: u32, edge: bool, emulated: bool) {
        let i = intid as usize;
        for frame in 0..if i < 32 { self.count } else { 1 } {
            let at = index(frame, i);
            if let Some(word) = self.words.get_mut(at) {
                // Passed through, what EL2 emulates is made pending in hardware too.
                let kind = if emulated && !self.direct { &mut word.emulated } else { &mut word.physical };
                *kind |= bit(i);
                word.wired_edge |= if edge { bit(i) } else { 0 };
                self.forget(at);
            }
        }
    }

    /// Puts a word into reset state.
    fn forget(&mut self, at: usize) {
        let (v2, private) = (self.v2, at < VCPUS);
        // IHI 0048B 4.3.12: on GICv2 no targets, unless there is only one CPU.
        let route = if private { 1 << (at & 7) } else { u8::from(!v2 || self.count == 1) };
        let word = self.word_mut(at);
        let Word { frame, w, exists, physical, emulated, wired_edge, .. } = *word;
        let route = Masked([route; 32]);
        *word = Word { frame, w, exists, physical, emulated, wired_edge, edge: wired_edge, route, ..Word::default() };
        // GICv2's SGIs are always enabled (IHI 0048B 4.3.5).
        word.enabled = if v2 && private { SGIS } else { 0 };
    }

    /// The same, in hardware too.
    fn restore<H: Hardware>(&mut self, at: usize, hw: &mut H) {
        self.forget(at);
        let Word { frame, w, physical, .. } = *self.word(at);
        for register in &[field::ICENABLER, field::ICPENDR, field::ICACTIVER] {
            self.write(*register, at, physical, hw);
        }
        for n in bits(physical) {
            if self.direct {
                hw.set_priority(frame, intid_at(w, n), 0);
            }
            if w != 0 {
                hw.route(intid_at(w, n), 0);
            }
        }
        self.drive(at, 0, hw);
    }

    /// Puts the private interrupts of `vcpu` (folded) into reset state, in hardware too.
    pub fn vcpu_reset<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        self.vcpus[vcpu].senders = Masked([0; 16]);
        let others = !bit(vcpu);
        (self.parked, self.kicked, self.review) = (self.parked & others, self.kicked & others, self.review & others);
        self.asleep |= bit(vcpu);
        self.restore(vcpu, hw);
    }

    /// Puts all into reset state, in hardware too: owned lines disabled, not pending, not active, routed to vCPU 0. All
    /// vCPUs are folded and do not run.
    pub fn reset<H: Hardware>(&mut self, hw: &mut H) {
        (self.groups, self.hot, self.frozen) = ([0; 2], 0, 0);
        (0..self.count).for_each(|vcpu| self.vcpu_reset(vcpu, hw));
        (VCPUS..self.words.len()).for_each(|at| self.restore(at, hw));
    }

    /// Tells whether INTID `intid` is one of the physical lines of `vcpu`.
    #[must_use]
    pub fn owns(&self, vcpu: usize, intid: u64) -> bool {
        let i = usize::try_from(intid).unwrap_or(usize::MAX);
        i < 1020 && bit(i) & self.word(index(vcpu, i)).physical != 0
    }

    /// All vCPUs.
    #[inline]
    pub(crate) const fn everyone(&self) -> u32 {
        bit(self.count).wrapping_sub(1)
    }
    /// The vCPU that this operation is for.
    #[inline(never)]
    pub(crate) fn me(&mut self) -> &mut Vcpu {
        &mut self.vcpus[self.by]
    }
    /// A word.
    #[inline(never)]
    pub(crate) fn word(&self, at: usize) -> &Word {
        self.words.get(at).unwrap_or(&self.spare)
    }
    #[inline(never)]
    pub(crate) fn word_mut(&mut self, at: usize) -> &mut Word {
        self.words.get_mut(at).unwrap_or(&mut self.spare)
    }
    /// Writes one of [`field`]'s registers.
    #[inline(never)]
    pub(crate) fn write<H: Hardware>(&self, register: usize, at: usize, bits: u32, hw: &mut H) {
        if bits != 0 {
            let Word { frame, w, .. } = *self.word(at);
            hw.write(register, frame, w, bits);
        }
    }
    /// Notes who has to be kicked.
    #[inline]
    pub(crate) fn kick(&mut self, mask: u32) {
        let mask = mask & self.everyone();
        self.told |= mask & !self.kicked;
        self.kicked |= mask;
    }
    /// As [`Self::kick`], and what stands in their list registers has to be looked at again.
    #[inline]
    pub(crate) fn look_again(&mut self, mask: u32) {
        self.review |= mask;
        self.kick(mask);
    }
}

/// Of each set in `of` that `set` means, the first vCPU.
#[inline(never)]
fn first(of: &Masked<u8, 32>, set: u32) -> u32 {
    bits(set).fold(0, |mask, n| mask | u32::from(of[n] & of[n].wrapping_neg()))
}

/// Tells whether `vcpu` is the first of `set`.
#[inline]
pub(crate) fn leads(vcpu: usize, set: u8) -> bool {
    let set = u32::from(set);
    set & set.wrapping_neg() == bit(vcpu)
}

/// Where the word of INTID `i` stands, of `frame` if it is private.
#[inline]
pub(crate) const fn index(frame: usize, i: usize) -> usize {
    match i >> 5 {
        0 => frame,
        w => w.wrapping_add(BEFORE_SPIS),
    }
}

/// INTID of bit `n` in word `w`.
#[inline]
pub(crate) const fn intid_at(w: usize, n: usize) -> u32 {
    ((w << 5 | n & 31) as u64 & 0x3ff) as u32
}
