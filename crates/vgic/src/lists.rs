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
use crate::state::{index, number};
use crate::{Hardware, ListRegister, Maintenance, Version, Vgic};

/// What [`Vgic::best`] looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pick {
    /// Wants a list register.
    Ready,
    /// Active without a list register.
    Parked,
    /// The same, and the guest acknowledged it: it can end it.
    Ended,
}

impl Vgic {
    /// Forgets list registers whose interrupt the guest has ended, but for that of the PPI in [`Repeat`].
    pub(crate) fn fold_empty<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        let me = self.vcpu(vcpu);
        let used = me.used & !me.repeat.ppi.slot;
        for slot in bits(if used == 0 { 0 } else { used & hw.empty() }) {
            self.forget(vcpu, slot, hw);
        }
    }

    /// Forgets one list register whose interrupt the guest has ended.
    fn forget<H: Hardware>(&mut self, vcpu: usize, slot: usize, hw: &mut H) {
        let (i, tells) = self.leave(vcpu, slot);
        if tells {
            hw.write_lr(slot, ListRegister(0)); // takes its maintenance interrupt back
        }
        let word = self.word_mut(vcpu, i >> 5);
        word.forced &= !bit(i);
        if (word.latch | word.line) & bit(i) != 0 {
            self.hot |= bit(i >> 5);
            self.kicked |= bit(vcpu);
            if self.target(self.word(vcpu, i >> 5), i) != vcpu {
                self.review |= bit(vcpu);
            }
        }
    }

    /// Empties a list register's place; returns its interrupt and whether it told its end.
    fn leave(&mut self, vcpu: usize, slot: usize) -> (usize, bool) {
        let me = self.vcpu_mut(vcpu);
        me.used &= !bit(slot);
        for place in [&mut me.repeat.ppi, &mut me.repeat.sgi] {
            if place.slot == bit(slot) {
                *place = Place::NONE;
            }
        }
        let (i, tells) = (usize::from(me.slots[slot]), me.tells & bit(slot) != 0);
        self.word_mut(vcpu, i >> 5).resident &= !bit(i);
        (i, tells)
    }

    /// Brings the interrupt of one list register home.
    fn fold_one<H: Hardware>(&mut self, vcpu: usize, slot: usize, hw: &mut H) {
        let lr = hw.read_lr(slot);
        hw.write_lr(slot, ListRegister(0));
        let (i, _) = self.leave(vcpu, slot);
        let (n, soft) = (bit(i), self.vcpu(vcpu).soft & bit(slot) != 0);
        if i < 16 && self.version == Version::V2 && lr.is_pending() {
            self.vcpu_mut(vcpu).senders[i] |= 1 << lr.sender();
        }
        let word = self.word_mut(vcpu, i >> 5);
        if lr.is_pending() && (soft || word.level() & n == 0) {
            word.latch |= n;
        }
        if lr.is_active() {
            word.active |= n;
            self.parked |= bit(vcpu);
        }
        self.hot |= bit(i >> 5);
    }

    /// Brings all of `vcpu`'s list registers home (they have to be refilled) and tells who takes over what is not for
    /// `vcpu` any more.
    pub(crate) fn go_home<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        self.count_ended(vcpu, hw);
        self.fold_empty(vcpu, hw);
        for slot in bits(self.vcpu(vcpu).used) {
            self.fold_one(vcpu, slot, hw); // that of the PPI may be empty
        }
        self.kicked |= bit(vcpu);
        self.review &= !bit(vcpu);
        let words = bits(self.hot & !1);
        let mask = words.fold(0, |m, w| m | self.targets(0, w, self.word(0, w).ready(self.groups)));
        self.kick(mask);
    }

    /// Ends the parked interrupts that the guest has ended: highest priority first, as priorities drop.
    pub(crate) fn count_ended<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        if self.vcpu(vcpu).maintenance.0 & Maintenance::NOT_PRESENT == 0 {
            return;
        }
        for _ in 0..hw.take_eoi_count().min(32) {
            let Some((_, i)) = self.best(vcpu, Pick::Ended) else { break };
            let word = self.word_mut(vcpu, i >> 5);
            word.active &= !bit(i);
            hw.write(field::ICACTIVER, vcpu, i >> 5, word.physical & bit(i));
            self.announce(vcpu, i >> 5, bit(i));
        }
    }

    /// The interrupt of `vcpu` with the highest priority among those that `pick` names; of equals the lowest INTID.
    fn best(&mut self, vcpu: usize, pick: Pick) -> Option<(u8, usize)> {
        let mut best = None;
        for w in bits(if pick == Pick::Ready { self.hot | 1 } else { u32::MAX }).take_while(|w| *w <= self.words.len())
        {
            let word = self.word(vcpu, w);
            let set = match pick {
                Pick::Ready => word.ready(self.groups),
                Pick::Parked => word.active & !word.resident,
                Pick::Ended => word.active & !word.forced & !word.resident,
            };
            if pick == Pick::Ready && set == 0 {
                self.hot &= !bit(w);
                continue;
            }
            for n in bits(set) {
                let whose = if pick == Pick::Ready { self.target(word, n) } else { word.home[n].into() };
                let this = (word.priority[n], index(w, n));
                if whose == vcpu && best.is_none_or(|best| this < best) {
                    best = Some(this);
                }
            }
        }
        best
    }

    /// Fills the list registers by priority, then sets the maintenance interrupts by what had to stay outside.
    pub(crate) fn refill<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        let mut wanted = 0;
        if self.frozen == 0 {
            while let Some((priority, i)) = self.best(vcpu, Pick::Ready) {
                let Some(slot) = self.room(vcpu, priority, hw) else {
                    wanted = Maintenance::NO_PENDING;
                    break;
                };
                self.load(vcpu, slot, i, hw);
            }
        }
        if self.parked & bit(vcpu) != 0 {
            wanted |= self.unpark(vcpu, hw);
        }
        let Maintenance(old) = core::mem::replace(&mut self.vcpu_mut(vcpu).maintenance, Maintenance(wanted));
        if old != wanted {
            hw.maintenance(Maintenance(wanted));
            if wanted & !old & Maintenance::NOT_PRESENT != 0 {
                hw.take_eoi_count(); // what was ended before is none of ours
            }
        }
    }

    /// Loads parked interrupts while there is room.
    fn unpark<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> u32 {
        if self.frozen != 0 {
            return Maintenance::NOT_PRESENT;
        }
        while let Some((_, i)) = self.best(vcpu, Pick::Parked) {
            let Some(slot) = self.free(vcpu, hw) else {
                // With one list register "at most one holds an interrupt" is always true.
                let underflow = if self.slots == 1 { 0 } else { Maintenance::UNDERFLOW };
                return Maintenance::NOT_PRESENT | underflow;
            };
            self.load(vcpu, slot, i, hw);
        }
        self.parked &= !bit(vcpu);
        0
    }

    /// A list register that holds nothing.
    fn free<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Option<usize> {
        let me = self.vcpu(vcpu);
        let (free, stale) = (!me.used & self.slots, me.repeat.ppi.slot);
        if free == 0 && stale & hw.empty() != 0 {
            self.forget(vcpu, stale.trailing_zeros() as usize, hw);
            return Some(stale.trailing_zeros() as usize);
        }
        (free != 0).then_some(free.trailing_zeros() as usize)
    }

    /// A list register for a pending interrupt of `priority`: a free one, or that of the lowest pending one if lower, or,
    /// where none is pending, that of the lowest active one. So something pending is always in, and NPIE means progress.
    fn room<H: Hardware>(&mut self, vcpu: usize, priority: u8, hw: &mut H) -> Option<usize> {
        if let Some(slot) = self.free(vcpu, hw) {
            return Some(slot);
        }
        let rank = |slot: usize| {
            let lr = hw.read_lr(slot);
            (lr.is_pending() && !lr.is_active(), lr.priority(), slot)
        };
        let (pending, lowest, victim) = bits(self.vcpu(vcpu).used).map(rank).max()?;
        if pending && lowest <= priority {
            return None;
        }
        self.fold_one(vcpu, victim, hw);
        Some(victim)
    }

    /// Writes list register `slot` from the state of interrupt `i` and marks it resident.
    pub(crate) fn load<H: Hardware>(&mut self, vcpu: usize, slot: usize, i: usize, hw: &mut H) {
        let (w, n, groups) = (i >> 5, bit(i), self.groups);
        let sent = i < 16 && self.version == Version::V2;
        let here = self.target(self.word(vcpu, w), i) == vcpu;
        let word = self.word_mut(vcpu, w);
        let mut lr = ListRegister::new(i, word.priority[i]);
        let (level, active) = (word.level() & n != 0, word.active & n != 0);
        // Pending on top of active: for edges only; HW = 1 forbids it, a level is looked at again after the EOI, and an SGI's
        // next sender is another one.
        let signalled = word.signalled(groups) & n != 0 && here;
        let pending = signalled && (!active || word.emulated & word.wired_edge & n != 0 && !sent);
        let soft = pending && word.latch & n != 0;
        if word.group & n != 0 {
            lr.0 |= ListRegister::GROUP1;
        }
        if pending {
            lr.0 |= ListRegister::PENDING;
            word.latch &= !n;
        }
        if sent {
            lr.0 |= self.vcpu_mut(vcpu).next_sender(i, pending);
        }
        let word = self.word_mut(vcpu, w);
        // What is pending behind an active one, or from another sender, has to be looked at when that one ends.
        let behind = (active || sent) && word.latch & n != 0;
        let tells = level || behind;
        if tells {
            lr.0 |= ListRegister::EOI;
        } else if word.physical & n != 0 {
            lr.0 |= ListRegister::HW | ((i as u64) << 32);
        }
        if active {
            lr.0 |= ListRegister::ACTIVE;
            word.active &= !n;
        }
        word.resident |= n;
        word.home[i] = number(vcpu);
        let me = self.vcpu_mut(vcpu);
        let intid = (i as u64 & 0x3ff) as u16;
        let place = Place { lr, intid: intid.into(), slot: bit(slot) };
        me.slots[slot] = intid;
        me.used |= bit(slot);
        me.soft = me.soft & !bit(slot) | if soft { bit(slot) } else { 0 };
        me.tells = me.tells & !bit(slot) | if tells { bit(slot) } else { 0 };
        if i < 32 && !active && lr.is_hw() {
            me.repeat.ppi = place;
        } else if i < 16 && !active && !tells && (sent || lr.is_group1()) {
            me.repeat.sgi = place;
        }
        hw.write_lr(slot, lr);
    }

    /// What `vcpu`'s CPU may do without the lock; to be asked for after each operation of it.
    #[inline]
    #[must_use]
    pub fn repeat(&self, vcpu: usize) -> Repeat {
        // Where others wait for a list register, who is next must be thought over.
        let me = self.vcpu(vcpu);
        if me.maintenance.0 == 0 { me.repeat } else { Repeat::NONE }
    }
}
