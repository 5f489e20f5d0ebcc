//! The list registers: how interrupts get into them and home again.
//!
//! Owns the list registers of the calling CPU. Promises: a list register's interrupt is marked resident, and only once;
//! the highest priorities go first; if something waits for room, a maintenance interrupt is on that will call `sync`.
//! An active interrupt may have to leave its list register for a pending one (*parked*): it goes back in when there is
//! room, and if the guest ends it before, `EOIcount` tells.
//! Limit: which parked one was meant is known by priority alone; exact for nested handlers (`EOImode` 0), a guess where a
//! guest with `EOImode` 1 has more active interrupts than list registers and deactivates them out of order.
//! IHI 0069H 6.2 (list registers), 12.4.4 (`ICH_HCR_EL2`).
use crate::hardware::field;
use crate::masked::{bit, bits};
use crate::repeat::{Place, Repeat};
use crate::state::{index, intid_at, leads};
use crate::{Hardware, ListRegister, Vgic, maintenance};

/// What [`Vgic::best`] looks for: the interrupts that want a list register; those that are active without one; of these
/// those that the guest acknowledged, and so can end.
const READY: Option<u32> = None;
const PARKED: Option<u32> = Some(0);
const ENDED: Option<u32> = Some(u32::MAX);

impl Vgic {
    /// Forgets list registers whose interrupt the guest has ended, but for that of the PPI in [`Repeat`].
    pub(crate) fn fold_empty<H: Hardware>(&mut self, hw: &mut H) {
        let me = self.me();
        let used = me.used & !me.repeat.ppi.slot;
        for slot in bits(if used == 0 { 0 } else { used & hw.empty() }) {
            self.forget_slot(slot, hw);
        }
    }

    /// Forgets one list register whose interrupt the guest has ended.
    fn forget_slot<H: Hardware>(&mut self, slot: usize, hw: &mut H) {
        if self.me().tells & bit(slot) != 0 {
            hw.write_lr(slot, ListRegister(0)); // takes its maintenance interrupt back
        }
        self.leave(slot, ListRegister(0));
    }

    /// Brings the interrupt of one list register home.
    fn fold_one<H: Hardware>(&mut self, slot: usize, hw: &mut H) {
        let lr = hw.read_lr(slot);
        hw.write_lr(slot, ListRegister(0));
        self.leave(slot, lr);
    }

    /// Takes over what list register `slot` held, which is `lr`.
    fn leave(&mut self, slot: usize, lr: ListRegister) {
        let (by, v2, n) = (self.by, self.v2, bit(slot));
        let me = self.me();
        me.used &= !n;
        me.repeat.ppi.slot &= !n;
        me.repeat.sgi.slot &= !n;
        let (i, soft) = (usize::from(me.slots[slot]), me.soft & n != 0);
        if i < 16 && v2 && lr.has(ListRegister::PENDING) {
            me.senders[i] |= 1 << lr.sender();
        }
        let (at, n) = (index(by, i), bit(i));
        let word = self.word_mut(at);
        word.resident &= !n;
        if lr.has(ListRegister::PENDING) && (soft || word.level() & n == 0) {
            word.latch |= n;
        }
        if lr.has(ListRegister::ACTIVE) {
            word.active |= n;
            self.parked |= bit(by);
            return;
        }
        word.forced &= !n;
        if (word.latch | word.line) & n != 0 {
            let elsewhere = !leads(by, word.route[i]);
            self.hot |= 1 << (at & 63);
            self.kicked |= bit(by);
            self.review |= if elsewhere { bit(by) } else { 0 };
        }
    }

    /// Brings all list registers home (they have to be refilled) and tells who takes over what is not for this vCPU any
    /// more.
    pub(crate) fn go_home<H: Hardware>(&mut self, hw: &mut H) {
        self.count_ended(hw);
        self.fold_empty(hw);
        for slot in bits(self.me().used) {
            self.fold_one(slot, hw); // that of the PPI may be empty
        }
        self.kicked |= bit(self.by);
        self.review &= !bit(self.by);
        let mask = bits(self.hot).map(|at| self.word(at)).fold(0, |m, word| m | word.targets(word.ready(self.groups)));
        self.kick(mask);
    }

    /// Ends the parked interrupts that the guest has ended: highest priority first, as priorities drop.
    pub(crate) fn count_ended<H: Hardware>(&mut self, hw: &mut H) {
        if self.me().maintenance & maintenance::NOT_PRESENT == 0 {
            return;
        }
        for _ in 0..hw.control(maintenance::EOI_COUNT, 0) >> 27 {
            let Some(best) = self.best(ENDED) else { break };
            let i = best as usize & 0x3ff;
            let at = index(self.by, i);
            let word = self.word_mut(at);
            word.active &= !bit(i);
            let physical = word.physical;
            self.write(field::ICACTIVER, at, physical & bit(i), hw);
            self.announce(at, bit(i));
        }
    }

    /// The interrupt of this vCPU with the highest priority, of equals the lowest INTID: its priority, above ten bits of INTID.
    /// `parked`: among the active ones without a list register, but for those `forced` as far as it says.
    fn best(&mut self, parked: Option<u32>) -> Option<u32> {
        let (mut best, by) = (u32::MAX, self.by);
        let others = !bit(by) & 0xff;
        let words = if parked.is_none() { self.hot } else { u64::MAX };
        for at in bits(words & !u64::from(others)).take_while(|at| *at < self.words.len()) {
            let word = self.word(at);
            let (set, whose) = match parked {
                None => (word.ready(self.groups), &word.route),
                Some(but) => (word.active & !word.resident & !(word.forced & but), &word.home),
            };
            let ours = bits(set).filter(|n| leads(by, whose[*n]));
            let first = ours.fold(u32::MAX, |first, n| first.min(u32::from(word.priority[n]) << 10 | intid_at(0, n)));
            best = best.min(first | intid_at(word.w, 0));
            if parked.is_none() && set == 0 {
                self.hot &= !(1 << (at & 63));
            }
        }
        (best != u32::MAX).then_some(best)
    }

    /// Fills the list registers by priority, then, while there is room, with what is parked, and sets the maintenance
    /// interrupts by what had to stay outside.
    pub(crate) fn refill<H: Hardware>(&mut self, hw: &mut H) {
        let mut wanted = 0;
        while self.frozen == 0
            && let Some(best) = self.best(READY)
        {
            let Some(slot) = self.room(best >> 10, hw) else {
                wanted = maintenance::NO_PENDING;
                break;
            };
            self.load(slot, best as usize & 0x3ff, hw);
        }
        if self.parked & bit(self.by) != 0 {
            wanted |= self.unpark(hw);
        }
        self.set_maintenance(wanted, hw);
    }

    /// Switches this vCPU's maintenance interrupts. What it ended before has been counted, or is none of ours.
    pub(crate) fn set_maintenance<H: Hardware>(&mut self, wanted: u32, hw: &mut H) {
        if core::mem::replace(&mut self.me().maintenance, wanted) != wanted {
            hw.control(maintenance::ALL, wanted);
        }
    }

    /// Loads parked interrupts while there is room.
    fn unpark<H: Hardware>(&mut self, hw: &mut H) -> u32 {
        if self.frozen != 0 {
            return maintenance::NOT_PRESENT;
        }
        while let Some(best) = self.best(PARKED) {
            let Some(slot) = self.free(hw) else {
                // With one list register "at most one holds an interrupt" is always true.
                let underflow = if self.slots == 1 { 0 } else { maintenance::UNDERFLOW };
                return maintenance::NOT_PRESENT | underflow;
            };
            self.load(slot, best as usize & 0x3ff, hw);
        }
        self.parked &= !bit(self.by);
        0
    }

    /// A list register that holds nothing.
    fn free<H: Hardware>(&mut self, hw: &mut H) -> Option<usize> {
        let me = self.vcpus[self.by];
        let (mut free, stale) = (!me.used & self.slots, me.repeat.ppi.slot);
        if free == 0 && stale & hw.empty() != 0 {
            self.forget_slot(stale.trailing_zeros() as usize, hw);
            free = stale;
        }
        (free != 0).then_some(free.trailing_zeros() as usize)
    }

    /// A list register for a pending interrupt of `priority`: a free one, or that of the lowest pending one if lower, or,
    /// where none is pending, that of the lowest active one. So something pending is always in, and NPIE means progress.
    fn room<H: Hardware>(&mut self, priority: u32, hw: &mut H) -> Option<usize> {
        const PENDING: u32 = 1 << 12;
        if let Some(slot) = self.free(hw) {
            return Some(slot);
        }
        let rank = |slot: usize| {
            let lr = hw.read_lr(slot);
            let pending = if lr.has(ListRegister::PENDING) && !lr.has(ListRegister::ACTIVE) { PENDING } else { 0 };
            pending | u32::from(lr.priority()) << 4 | (slot as u64 & 0xf) as u32
        };
        let lowest = bits(self.slots).map(rank).max()?;
        if lowest & PENDING != 0 && lowest >> 4 & 0xff <= priority {
            return None;
        }
        let victim = lowest as usize & 0xf;
        self.fold_one(victim, hw);
        Some(victim)
    }

    /// Writes list register `slot` from the state of interrupt `i` and marks it resident.
    pub(crate) fn load<H: Hardware>(&mut self, slot: usize, i: usize, hw: &mut H) {
        let (by, n, groups) = (self.by, bit(i), self.groups);
        let (at, sgi) = (index(by, i), if i < 16 && self.v2 { n } else { 0 });
        let word = self.word_mut(at);
        let mut lr = ListRegister::new(i, word.priority[i]);
        let (level, active) = (word.level() & n, word.active & n);
        // Pending on top of active: for edges only; HW = 1 forbids it, a level is looked at again after the EOI, and an SGI's
        // next sender is another one.
        let signalled = if leads(by, word.route[i]) { word.signalled(groups) & n } else { 0 };
        let pending = signalled & (!active | word.emulated & word.wired_edge & !sgi);
        let soft = pending & word.latch;
        lr.0 |= if word.group & n == 0 { 0 } else { ListRegister::GROUP1 };
        lr.0 |= if pending == 0 { 0 } else { ListRegister::PENDING };
        lr.0 |= if active == 0 { 0 } else { ListRegister::ACTIVE };
        word.latch &= !pending;
        word.active &= !n;
        word.resident |= n;
        word.home[i] = (bit(by) & 0xff) as u8;
        let (sender, more) = if sgi == 0 { (0, false) } else { self.next_sender(i, pending != 0) };
        lr.0 |= sender;
        let word = self.word_mut(at);
        word.latch |= if more { n } else { 0 };
        // What is pending behind an active one, or from another sender, has to be looked at when that one ends.
        let tells = level | (active | sgi) & word.latch != 0;
        if tells {
            lr.0 |= ListRegister::EOI;
        } else if word.physical & n != 0 {
            lr.0 |= ListRegister::HW | ((i as u64) << 32);
        }
        let (me, intid, this) = (self.me(), (i as u64 & 0x3ff) as u16, bit(slot));
        let place = Place { lr, intid: intid.into(), slot: this };
        me.slots[slot] = intid;
        me.used |= this;
        me.soft = me.soft & !this | if soft == 0 { 0 } else { this };
        me.tells = me.tells & !this | if tells { this } else { 0 };
        if i < 32 && active == 0 && lr.has(ListRegister::HW) {
            me.repeat.ppi = place;
        } else if i < 16 && active == 0 && !tells && (sgi != 0 || lr.has(ListRegister::GROUP1)) {
            me.repeat.sgi = place;
        }
        hw.write_lr(slot, lr);
    }

    /// What `vcpu`'s CPU may do without the lock, if anything; to be asked for after each operation of it.
    #[inline]
    #[must_use]
    pub fn repeat(&self, vcpu: usize) -> Option<&Repeat> {
        // Where others wait for a list register, who is next must be thought over.
        let me = &self.vcpus[vcpu];
        (me.maintenance == 0).then_some(&me.repeat)
    }
}
