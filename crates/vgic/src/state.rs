//! The state of one cell's interrupts, independent of any register layout, and how it is built and reset.
//!
//! Owns [`Word`] (32 interrupts, as the hardware's registers have them), the per-vCPU part, and the rule which interrupts
//! are deliverable. Truth about an interrupt *resident* in a list register is that register; about any other it is here:
//! `active` and `latch` of a resident one say only what came on top. A number out of range, which callers rule out, falls
//! to vCPU 0. IHI 0069H 4.1.2 (states).
use crate::hardware::field;
use crate::masked::{Masked, bit, bits};
use crate::repeat::Repeat;
use crate::{Config, Hardware, Maintenance, VCPUS, Version, Vgic, WORDS};
use alloc::vec::Vec;

pub(crate) const SGIS: u32 = 0xffff;
/// No such vCPU: an IROUTER that names an affinity outside the cell and wider than 8 bits.
pub(crate) const NOBODY: u8 = 0xff;

/// 32 interrupts, a bit or a byte each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word {
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
    /// `GICD_ICFGR` as the guest sees it; how a line behaves is `wired_edge`.
    pub edge: u32,
    /// In a list register, for all that is known: one that the guest ended is folded at the next occasion.
    pub resident: u32,
    pub physical: u32,
    pub emulated: u32,
    pub wired_edge: u32,
    pub priority: Masked<u8, 32>,
    /// As `GICD_IROUTER`'s Aff0; on `GICv2` as `GICD_ITARGETSR`.
    pub route: Masked<u8, 32>,
    /// The vCPU in whose list register it stands, or that has to end it.
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
    /// Puts it into reset state. `sgis`: those of its bits that are; `route`: to whom all of it goes.
    fn reset(&mut self, version: Version, sgis: u32, route: u8) {
        let Self { physical, emulated, wired_edge, ref home, .. } = *self;
        // GICv2's SGIs are always enabled (IHI 0048B 4.3.5).
        let enabled = if version == Version::V2 { sgis } else { 0 };
        let (edge, route, home) = (wired_edge | sgis, Masked([route; 32]), home.clone());
        *self = Self { enabled, edge, physical, emulated, wired_edge, route, home, ..Self::default() };
    }
}

/// One vCPU: its SGIs and PPIs, its list registers.
#[derive(Clone, Debug)]
pub(crate) struct Vcpu {
    pub own: Word,
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
    pub maintenance: Maintenance,
}

impl Vgic {
    /// Builds the virtual GIC in its reset state. Touches no hardware; the only allocation.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let words = config.lines.div_ceil(32).clamp(1, WORDS);
        let count = config.vcpus.clamp(1, VCPUS);
        let word = |w: usize, sgis: u32| {
            let of = |all: &[u32; WORDS]| all.get(w).copied().unwrap_or_default();
            let (owned, emulated) = (of(&config.physical), of(&config.emulated) & !of(&config.physical) | sgis);
            // Passed through, what EL2 emulates is made pending in hardware too.
            let (physical, emulated) =
                if config.passthrough { (owned | emulated, 0) } else { (owned & !sgis, emulated) };
            Word { physical, emulated, wired_edge: of(&config.edge) | sgis, ..Word::default() }
        };
        let own = if config.passthrough { word(0, config.sgis) } else { word(0, SGIS) };
        let vcpu = |v: usize| Vcpu {
            own: Word { home: Masked([number(v); 32]), ..own.clone() },
            senders: Masked([0; 16]),
            sender: Masked([0; 16]),
            slots: Masked([0; 16]),
            used: 0,
            soft: 0,
            tells: 0,
            repeat: Repeat::NONE,
            maintenance: Maintenance::default(),
        };
        let mut vgic = Self {
            version: config.version,
            direct: config.passthrough,
            count,
            first: vcpu(0),
            others: (1..count).map(vcpu).collect::<Vec<_>>().into_boxed_slice(),
            words: (1..words).map(|w| word(w, 0)).collect::<Vec<_>>().into_boxed_slice(),
            groups: [0; 2],
            hot: 0,
            kicked: 0,
            told: 0,
            review: 0,
            parked: 0,
            asleep: 0,
            frozen: 0,
            slots: bit(config.list_registers.clamp(1, 16)).wrapping_sub(1),
            priorities: 0xff_u8.unbounded_shl(8_u32.saturating_sub(config.priority_bits.clamp(4, 8))),
        };
        (0..count).for_each(|v| vgic.forget_vcpu(v));
        vgic.forget_shared();
        vgic
    }

    fn forget_vcpu(&mut self, vcpu: usize) {
        let (version, route) = (self.version, if self.version == Version::V2 { 1 << (vcpu & 7) } else { number(vcpu) });
        let me = self.vcpu_mut(vcpu);
        me.own.reset(version, SGIS, route);
        me.senders = Masked([0; 16]);
        let others = !bit(vcpu);
        (self.parked, self.kicked, self.review) = (self.parked & others, self.kicked & others, self.review & others);
        self.asleep |= bit(vcpu);
    }

    fn forget_shared(&mut self) {
        // IHI 0048B 4.3.12: on GICv2 no targets, unless there is only one CPU.
        let (version, route) = (self.version, u8::from(self.version == Version::V2 && self.count == 1));
        self.words.iter_mut().for_each(|word| word.reset(version, 0, route));
        (self.groups, self.hot, self.frozen) = ([0; 2], 0, 0);
    }

    /// Puts the private interrupts of `vcpu` (folded) into reset state, in hardware too.
    pub fn vcpu_reset<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        self.forget_vcpu(vcpu);
        self.silence(vcpu, 0, hw);
        self.drive(vcpu, 0, 0, hw);
    }

    /// Puts all into reset state, in hardware too: owned lines disabled, not pending, not active, routed to vCPU 0. All
    /// vCPUs are folded and do not run.
    pub fn reset<H: Hardware>(&mut self, hw: &mut H) {
        (0..self.count).for_each(|vcpu| self.vcpu_reset(vcpu, hw));
        self.forget_shared();
        for w in 1..=self.words.len() {
            self.silence(0, w, hw);
            bits(self.word(0, w).physical).for_each(|n| hw.route(intid_at(w, n), 0));
        }
    }

    fn silence<H: Hardware>(&self, vcpu: usize, w: usize, hw: &mut H) {
        let physical = self.word(vcpu, w).physical;
        for register in [field::ICENABLER, field::ICPENDR, field::ICACTIVER] {
            hw.write(register, vcpu, w, physical);
        }
        bits(if self.direct { physical } else { 0 }).for_each(|n| hw.set_priority(vcpu, intid_at(w, n), 0));
    }

    /// Tells whether INTID `intid` is one of the physical lines of `vcpu`.
    #[must_use]
    pub fn owns(&self, vcpu: usize, intid: u64) -> bool {
        let i = usize::try_from(intid).unwrap_or(usize::MAX);
        self.existing(i >> 5) & bit(i) & self.word(vcpu, i >> 5).physical != 0
    }

    #[inline]
    pub(crate) fn vcpu(&self, vcpu: usize) -> &Vcpu {
        self.others.get(vcpu.wrapping_sub(1)).unwrap_or(&self.first)
    }
    #[inline]
    pub(crate) fn vcpu_mut(&mut self, vcpu: usize) -> &mut Vcpu {
        self.others.get_mut(vcpu.wrapping_sub(1)).unwrap_or(&mut self.first)
    }
    /// Word `w`, of `frame` if it is private.
    #[inline(never)]
    pub(crate) fn word(&self, frame: usize, w: usize) -> &Word {
        if w == 0 { &self.vcpu(frame).own } else { self.words.get(w.wrapping_sub(1)).unwrap_or(&self.first.own) }
    }
    #[inline(never)]
    pub(crate) fn word_mut(&mut self, frame: usize, w: usize) -> &mut Word {
        if w == 0 {
            return &mut self.vcpu_mut(frame).own;
        }
        self.words.get_mut(w.wrapping_sub(1)).unwrap_or(&mut self.first.own)
    }
    /// The vCPU that gets interrupt `n` of `word`; a number that is none's if nobody.
    #[inline]
    pub(crate) fn target(&self, word: &Word, n: usize) -> usize {
        let route = word.route[n];
        if self.version == Version::V2 { route.trailing_zeros() as usize } else { route.into() }
    }
    /// The vCPUs whose list registers hold some of `set`.
    pub(crate) fn homes(&self, frame: usize, w: usize, set: u32) -> u32 {
        let word = self.word(frame, w);
        bits(word.resident & set).fold(0, |mask, n| mask | bit(word.home[n].into()))
    }
    /// The vCPUs that are to get `set`.
    pub(crate) fn targets(&self, frame: usize, w: usize, set: u32) -> u32 {
        let word = self.word(frame, w);
        bits(set).map(|n| self.target(word, n)).filter(|v| *v < self.count).fold(0, |mask, v| mask | bit(v))
    }
    /// Notes who has to be kicked.
    #[inline]
    pub(crate) fn kick(&mut self, mask: u32) {
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

/// A vCPU's number as a byte.
#[inline]
pub(crate) const fn number(vcpu: usize) -> u8 {
    (vcpu as u64 & 7) as u8
}

/// INTID of bit `n` in word `w`, as an index.
#[inline]
pub(crate) const fn index(w: usize, n: usize) -> usize {
    (w & 31).wrapping_mul(32) | n & 31
}

/// The same as [`Hardware`] takes it.
#[inline]
pub(crate) const fn intid_at(w: usize, n: usize) -> u32 {
    (index(w, n) as u64 & 0x3ff) as u32
}
