//! The state of one cell's interrupts, independent of any register layout, and how it is built and reset.
//!
//! Owns [`Bank`] (32 interrupts as words, like the hardware's registers), the per-vCPU and the shared part, and the rule
//! which interrupts are deliverable. Truth about an interrupt *resident* in a list register is that register; about any
//! other it is here: `active` and `latch` of a resident one say only what came on top. IHI 0069H 4.1.2 (states).
use crate::masked::{Masked, bit, bits};
use crate::{Config, Hardware, Kicks, Maintenance, Repeat, VCPUS, Version, Vgic, WORDS};

/// 32 interrupts, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bank {
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
}

impl Bank {
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
    #[inline]
    pub(crate) const fn pending(&self) -> u32 {
        self.latch | self.line
    }
    /// Pending, enabled and in an enabled group.
    #[inline]
    pub(crate) const fn signalled(&self, groups: [u32; 2]) -> u32 {
        self.pending() & self.enabled & (!self.group & groups[0] | self.group & groups[1])
    }
    /// Wants a list register.
    #[inline]
    pub(crate) const fn ready(&self, groups: [u32; 2]) -> u32 {
        self.signalled(groups) & !self.active & !self.resident
    }
    fn reset(&mut self, sgis: u32, enabled: u32) {
        let Self { physical, emulated, wired_edge, .. } = *self;
        *self = Self { physical, emulated, wired_edge, enabled, edge: wired_edge | sgis, ..Self::default() };
    }
}

/// What one vCPU asks of others in whose list registers interrupts stand; each carries it out when it syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ask {
    #[default]
    Nothing,
    Look,
    SetPending,
    ClearPending,
    SetActive,
    ClearActive,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    pub ask: Ask,
    /// Which bank, for word 0.
    pub frame: u8,
    pub word: u8,
    pub bits: u32,
    /// vCPUs that have not answered yet.
    pub open: u32,
    /// The answer to [`Ask::Look`].
    pub pending: u32,
    pub active: u32,
}

/// One vCPU: its SGIs and PPIs, its list registers.
#[derive(Clone, Debug)]
pub(crate) struct Vcpu {
    pub bank: Bank,
    pub priority: Masked<u8, 32>,
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
    /// The list register that the last SGI was put into.
    pub sgi_slot: u8,
    pub order: Order,
    /// A kick is on its way, or list registers have to be refilled.
    pub kicked: bool,
    /// Something resident changed: fold all, then refill.
    pub review: bool,
    /// There may be active interrupts of this vCPU without a list register.
    pub parked: bool,
    pub maintenance: Maintenance,
}

pub(crate) const SGIS: u32 = 0xffff;
/// No such vCPU: an IROUTER that names an affinity outside the cell and wider than 8 bits.
pub(crate) const NOBODY: u8 = 0xff;

impl Version {
    /// What of these SGIs is enabled at reset.
    const fn enabled(self, sgis: u32) -> u32 {
        if matches!(self, Self::V2) { sgis } else { 0 }
    }
}

impl Vgic {
    /// Builds the virtual GIC in its reset state. Touches no hardware.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let words = config.lines.div_ceil(32).clamp(1, WORDS);
        let bank = |w: usize, sgis: u32| {
            let word = |all: &[u32; WORDS]| if w < words { all.get(w).copied().unwrap_or_default() } else { 0 };
            let mut bank = Bank {
                physical: word(&config.physical) & !sgis,
                emulated: word(&config.emulated) & !word(&config.physical) | sgis,
                wired_edge: word(&config.edge) | sgis,
                ..Bank::default()
            };
            bank.reset(sgis, config.version.enabled(sgis));
            bank
        };
        let vcpu = Vcpu {
            bank: bank(0, SGIS),
            priority: Masked([0; 32]),
            senders: Masked([0; 16]),
            sender: Masked([0; 16]),
            slots: Masked([0; 16]),
            used: 0,
            soft: 0,
            tells: 0,
            repeat: Repeat::NONE,
            sgi_slot: 0,
            order: Order::default(),
            kicked: false,
            review: false,
            parked: false,
            maintenance: Maintenance::default(),
        };
        let mut vgic = Self {
            version: config.version,
            vcpus: Masked(core::array::from_fn(|_| vcpu.clone())),
            shared: Masked(core::array::from_fn(|w| if w == 0 { Bank::default() } else { bank(w, 0) })),
            priority: Masked([0; 1024]),
            target: Masked([0; 1024]),
            home: Masked([0; 1024]),
            masks: Masked([0; 1024]),
            groups: [0; 2],
            hot: 0,
            settling: 0,
            asleep: u32::MAX,
            count: config.vcpus.clamp(1, VCPUS),
            words,
            slots: bit(config.list_registers.clamp(1, 16)).wrapping_sub(1),
            priorities: 0xff_u8.unbounded_shl(8_u32.saturating_sub(config.priority_bits.clamp(4, 8))),
        };
        vgic.target = Masked([vgic.first_target(); 1024]);
        vgic
    }

    /// Puts the private interrupts of `vcpu` (folded) into reset state, in hardware too.
    pub fn vcpu_reset<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        let (version, me) = (self.version, &mut self.vcpus[vcpu]);
        me.bank.reset(SGIS, version.enabled(SGIS));
        (me.priority, me.senders) = (Masked([0; 32]), Masked([0; 16]));
        me.order = Order::default();
        (me.parked, me.kicked, me.review) = (false, false, false);
        silence(hw, vcpu, 0, me.bank.physical);
        self.asleep |= bit(vcpu);
    }

    /// Puts all into reset state, in hardware too: owned lines disabled, not pending, not active, routed to vCPU 0. All
    /// vCPUs are folded and do not run.
    pub fn reset<H: Hardware>(&mut self, hw: &mut H) {
        for vcpu in 0..self.count {
            self.vcpu_reset(vcpu, hw);
        }
        for w in 1..self.words {
            let bank = &mut self.shared[w];
            bank.reset(0, 0);
            silence(hw, 0, w, bank.physical);
            bits(bank.physical).for_each(|n| hw.route(intid_at(w, n), 0));
        }
        (self.priority, self.masks) = (Masked([0; 1024]), Masked([0; 1024]));
        self.target = Masked([self.first_target(); 1024]);
        (self.groups, self.hot, self.settling) = ([0; 2], 0, 0);
    }

    #[inline]
    pub(crate) fn bank(&self, frame: usize, w: usize) -> &Bank {
        if w == 0 { &self.vcpus[frame].bank } else { &self.shared[w] }
    }
    #[inline]
    pub(crate) fn bank_mut(&mut self, frame: usize, w: usize) -> &mut Bank {
        if w == 0 { &mut self.vcpus[frame].bank } else { &mut self.shared[w] }
    }
    #[inline]
    pub(crate) fn priority_of(&self, frame: usize, intid: usize) -> u8 {
        if intid < 32 { self.vcpus[frame].priority[intid] } else { self.priority[intid] }
    }
    /// Notes that word `w` may hold something ready.
    #[inline]
    pub(crate) fn touch(&mut self, w: usize) {
        self.hot |= bit(w);
    }
    /// The vCPUs whose list registers hold some of `set`.
    pub(crate) fn homes(&self, frame: usize, w: usize, set: u32) -> u32 {
        let resident = self.bank(frame, w).resident & set;
        match (resident, w) {
            (0, _) => 0,
            (_, 0) => bit(frame),
            _ => bits(resident).fold(0, |mask, n| mask | bit(usize::from(self.home[index(w, n)]))),
        }
    }
    /// The vCPUs that are to get `set`, a subset of word `w`.
    pub(crate) fn targets(&self, frame: usize, w: usize, set: u32) -> u32 {
        if w == 0 && set != 0 {
            return bit(frame);
        }
        bits(set).map(|n| usize::from(self.target[index(w, n)])).filter(|v| *v < self.count).fold(0, |m, v| m | bit(v))
    }
    /// Marks the vCPUs of `mask` as kicked; returns those that were not yet.
    pub(crate) fn kick(&mut self, mask: u32) -> Kicks {
        Kicks(bits(mask).fold(0, |new, v| {
            let known = core::mem::replace(&mut self.vcpus[v].kicked, true);
            if known { new } else { new | bit(v) }
        }))
    }
    /// As [`Self::kick`], and what stands in their list registers has to be looked at again.
    pub(crate) fn review(&mut self, mask: u32) -> Kicks {
        bits(mask).for_each(|v| self.vcpus[v].review = true);
        self.kick(mask)
    }
}

fn silence<H: Hardware>(hw: &mut H, vcpu: usize, w: usize, physical: u32) {
    for intid in bits(physical).map(|n| intid_at(w, n)) {
        hw.set_enable(vcpu, intid, false);
        hw.set_pending(vcpu, intid, false);
        hw.set_active(vcpu, intid, false);
    }
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
