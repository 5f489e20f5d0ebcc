//! The list registers: how interrupts get into them and home again.
//!
//! Owns the list registers of the calling CPU. Promises: a list register's interrupt is marked resident, and only once;
//! the highest priorities go first; if something waits for room, a maintenance interrupt is on that will call `sync`.
//! An active interrupt may have to leave its list register for a pending one (*parked*): it goes back in when there is
//! room, and if the guest ends it before, `EOIcount` tells.
//! Limit: which parked one was meant is known by priority alone; exact for nested handlers (`EOImode` 0), a guess where a
//! guest with `EOImode` 1 has more active interrupts than list registers and deactivates them out of order.
//! IHI 0069H 6.2 (list registers), 12.4.4 (`ICH_HCR_EL2`).
use crate::masked::{bit, bits};
use crate::repeat::{Place, Repeat};
use crate::state::{Bank, index, intid_at};
use crate::{Hardware, Kicks, ListRegister, Maintenance, Version, Vgic};

impl Vgic {
    /// Forgets list registers whose interrupt the guest has ended, but for that of the PPI in [`Repeat`].
    pub(crate) fn fold_empty<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        let me = &self.vcpus[vcpu];
        let used = me.used & !me.repeat.ppi.mask();
        for slot in bits(if used == 0 { 0 } else { used & hw.empty() }) {
            self.forget(vcpu, slot, hw);
        }
    }

    /// Forgets one list register whose interrupt the guest has ended.
    fn forget<H: Hardware>(&mut self, vcpu: usize, slot: usize, hw: &mut H) {
        self.leave(vcpu, slot);
        let (i, tells) = (usize::from(self.vcpus[vcpu].slots[slot]), self.vcpus[vcpu].tells & bit(slot) != 0);
        let bank = self.bank_mut(vcpu, i >> 5);
        bank.resident &= !bit(i);
        bank.forced &= !bit(i);
        let again = bank.pending() & bit(i) != 0;
        if tells {
            hw.write_lr(slot, ListRegister(0)); // takes its maintenance interrupt back
        }
        if again {
            self.touch(i >> 5);
            let moved = i >= 32 && usize::from(self.target[i]) != vcpu;
            let me = &mut self.vcpus[vcpu];
            (me.kicked, me.review) = (true, me.review | moved);
        }
    }

    fn leave(&mut self, vcpu: usize, slot: usize) {
        let me = &mut self.vcpus[vcpu];
        me.used &= !bit(slot);
        for place in [&mut me.repeat.ppi, &mut me.repeat.sgi] {
            if place.mask() == bit(slot) {
                *place = Place::NONE;
            }
        }
    }

    /// A list register that holds nothing.
    pub(crate) fn free<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Option<usize> {
        let me = &self.vcpus[vcpu];
        let free = !me.used & self.slots;
        if free != 0 {
            return Some(free.trailing_zeros() as usize);
        }
        let stale = me.repeat.ppi.mask() & hw.empty();
        (stale != 0).then(|| {
            let slot = stale.trailing_zeros() as usize;
            self.forget(vcpu, slot, hw);
            slot
        })
    }

    /// Brings the interrupt of one list register home.
    fn fold_one<H: Hardware>(&mut self, vcpu: usize, slot: usize, hw: &mut H) {
        let (lr, i) = (hw.read_lr(slot), usize::from(self.vcpus[vcpu].slots[slot]));
        let (n, soft) = (bit(i), self.vcpus[vcpu].soft & bit(slot) != 0);
        hw.write_lr(slot, ListRegister(0));
        self.leave(vcpu, slot);
        if i < 16 && self.version == Version::V2 && lr.is_pending() {
            self.vcpus[vcpu].senders[i] |= lr.sender_bit();
        }
        let bank = self.bank_mut(vcpu, i >> 5);
        bank.resident &= !n;
        if lr.is_pending() && (soft || bank.level() & n == 0) {
            bank.latch |= n;
        }
        if lr.is_active() {
            bank.active |= n;
            self.vcpus[vcpu].parked = true;
        }
        self.touch(i >> 5);
    }

    /// Brings all of `vcpu`'s list registers home (they have to be refilled), carries out what others asked of it, and
    /// tells who takes over what is not for `vcpu` any more.
    pub(crate) fn go_home<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        self.count_ended(vcpu, hw);
        self.fold_empty(vcpu, hw);
        for slot in bits(self.vcpus[vcpu].used) {
            self.fold_one(vcpu, slot, hw); // that of the PPI may be empty
        }
        let me = &mut self.vcpus[vcpu];
        (me.kicked, me.review) = (true, false);
        self.settling &= !bit(vcpu);
        let Kicks(told) = self.answer(vcpu, hw);
        let words = bits(self.hot & !1);
        let mask = words.fold(0, |m, w| m | self.targets(0, w, self.shared[w].ready(self.groups)));
        Kicks(told | self.kick(mask & !bit(vcpu)).0)
    }

    /// Carries out what others asked of `vcpu`, whose list registers are folded.
    fn answer<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        let mut kicks = Kicks(0);
        for r in 0..self.count {
            let order = self.vcpus[r].order;
            if order.open & bit(vcpu) != 0 {
                let (frame, w) = (order.frame.into(), order.word.into());
                let away = self.bank(frame, w).resident;
                kicks.0 |= self.apply(order.ask, frame, w, order.bits & !away, vcpu, hw).0;
                let bank = *self.bank(frame, w);
                let order = &mut self.vcpus[r].order;
                order.open &= !bit(vcpu);
                order.pending |= bank.pending() & !away;
                order.active |= bank.active & !away;
            }
        }
        kicks
    }

    /// Ends the parked interrupts that the guest has ended: highest priority first, as priorities drop.
    pub(crate) fn count_ended<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        if self.vcpus[vcpu].maintenance.0 & Maintenance::NOT_PRESENT == 0 {
            return;
        }
        for _ in 0..hw.take_eoi_count().min(32) {
            let Some(i) = self.best_parked(vcpu, |bank| bank.active & !bank.forced) else { break };
            let bank = self.bank_mut(vcpu, i >> 5);
            bank.active &= !bit(i);
            if bank.physical & bit(i) != 0 {
                hw.set_active(vcpu, intid_at(i >> 5, i), false);
            }
            self.touch(i >> 5);
        }
    }

    /// The parked interrupt of `vcpu` with the highest priority among those that `of` picks.
    fn best_parked(&self, vcpu: usize, of: impl Fn(&Bank) -> u32) -> Option<usize> {
        let words = (0..self.words).flat_map(|w| {
            let bank = self.bank(vcpu, w);
            bits(of(bank) & !bank.resident).map(move |n| index(w, n))
        });
        words.filter(|i| *i < 32 || usize::from(self.home[*i]) == vcpu).min_by_key(|i| self.priority_of(vcpu, *i))
    }

    /// The interrupt that is next to get a list register of `vcpu`.
    #[inline]
    fn best(&mut self, vcpu: usize) -> Option<(u8, usize)> {
        let mut best = None;
        let mut consider = |priority: u8, i: usize| {
            if best.is_none_or(|b| (priority, i) < b) {
                best = Some((priority, i));
            }
        };
        let me = &self.vcpus[vcpu];
        for i in bits(me.bank.ready(self.groups)) {
            consider(me.priority[i], i);
        }
        for w in bits(self.hot & !1) {
            let ready = self.shared[w].ready(self.groups);
            if ready == 0 {
                self.hot &= !bit(w);
            }
            for i in bits(ready).map(|n| index(w, n)) {
                if usize::from(self.target[i]) == vcpu {
                    consider(self.priority[i], i);
                }
            }
        }
        best
    }

    /// Fills the list registers by priority, then sets the maintenance interrupts by what had to stay outside.
    #[inline]
    pub(crate) fn refill<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        let mut wanted = 0;
        while let Some((priority, i)) = self.best(vcpu) {
            let Some(slot) = self.room(vcpu, priority, hw) else {
                wanted = Maintenance::NO_PENDING;
                break;
            };
            self.load(vcpu, slot, i, hw);
        }
        if self.vcpus[vcpu].parked {
            wanted |= self.unpark(vcpu, hw);
        }
        let Maintenance(old) = core::mem::replace(&mut self.vcpus[vcpu].maintenance, Maintenance(wanted));
        if old != wanted {
            hw.maintenance(Maintenance(wanted));
            if wanted & !old & Maintenance::NOT_PRESENT != 0 {
                hw.take_eoi_count(); // what was ended before is none of ours
            }
        }
    }

    /// Loads parked interrupts while there is room.
    fn unpark<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> u32 {
        while let Some(i) = self.best_parked(vcpu, |bank| bank.active) {
            let Some(slot) = self.free(vcpu, hw) else {
                // With one list register "at most one holds an interrupt" is always true.
                let underflow = if self.slots == 1 { 0 } else { Maintenance::UNDERFLOW };
                return Maintenance::NOT_PRESENT | underflow;
            };
            self.load(vcpu, slot, i, hw);
        }
        self.vcpus[vcpu].parked = false;
        0
    }

    /// A list register for a pending interrupt of `priority`: a free one, or that of the lowest pending one if lower, or,
    /// where none is pending, that of the lowest active one. So something pending is always in, and NPIE means progress.
    #[inline]
    fn room<H: Hardware>(&mut self, vcpu: usize, priority: u8, hw: &mut H) -> Option<usize> {
        if let Some(slot) = self.free(vcpu, hw) {
            return Some(slot);
        }
        let rank = |slot: &usize| {
            let lr = hw.read_lr(*slot);
            (lr.is_pending() && !lr.is_active(), lr.priority())
        };
        let victim = bits(self.vcpus[vcpu].used).max_by_key(rank)?;
        let (pending, lowest) = rank(&victim);
        if pending && lowest <= priority {
            return None;
        }
        self.fold_one(vcpu, victim, hw);
        Some(victim)
    }

    /// Writes list register `slot` from the state of interrupt `i` and marks it resident.
    #[inline]
    pub(crate) fn load<H: Hardware>(&mut self, vcpu: usize, slot: usize, i: usize, hw: &mut H) {
        let (w, n, groups) = (i >> 5, bit(i), self.groups);
        let sent = i < 16 && self.version == Version::V2;
        let priority = self.priority_of(vcpu, i);
        let here = w == 0 || usize::from(self.target[i]) == vcpu;
        let bank = self.bank_mut(vcpu, w);
        let (level, active) = (bank.level() & n != 0, bank.active & n != 0);
        // Pending on top of active: for edges only; HW = 1 forbids it, a level is looked at again after the EOI, and an SGI's
        // next sender is another one.
        let signalled = bank.signalled(groups) & n != 0 && here;
        let pending = signalled && (!active || bank.emulated & bank.wired_edge & n != 0 && !sent);
        let soft = pending && bank.latch & n != 0;
        let ListRegister(mut lr) = ListRegister::new(i, priority);
        if bank.group & n != 0 {
            lr |= ListRegister::GROUP1;
        }
        if pending {
            lr |= ListRegister::PENDING;
            bank.latch &= !n;
        }
        if sent {
            lr |= self.vcpus[vcpu].next_sender(i, pending);
        }
        let bank = self.bank_mut(vcpu, w);
        // What is pending behind an active one, or from another sender, has to be looked at when that one ends.
        let behind = (active || sent) && bank.latch & n != 0;
        let tells = level || behind;
        if tells {
            lr |= ListRegister::EOI;
        } else if bank.physical & n != 0 {
            lr |= ListRegister::HW | ((i as u64) << 32);
        }
        if active {
            lr |= ListRegister::ACTIVE;
            bank.active &= !n;
        }
        bank.resident |= n;
        if w != 0 {
            self.home[i] = (vcpu as u64 & 7) as u8;
        }
        let me = &mut self.vcpus[vcpu];
        let lr = ListRegister(lr);
        let intid = (i as u64 & 0x3ff) as u16;
        let place = Place { lr, intid, slot: (slot as u64 & 0xf) as u8 };
        me.slots[slot] = intid;
        me.used |= bit(slot);
        me.soft = me.soft & !bit(slot) | if soft { bit(slot) } else { 0 };
        me.tells = me.tells & !bit(slot) | if tells { bit(slot) } else { 0 };
        if i < 16 {
            me.sgi_slot = place.slot;
        }
        if i < 32 && !active {
            match (lr.is_hw(), lr.is_group1()) {
                (true, _) => me.repeat.ppi = place,
                (false, true) if i < 16 => me.repeat.sgi = place,
                _ => {}
            }
        }
        hw.write_lr(slot, lr);
    }

    /// What `vcpu`'s CPU may do without the lock; to be asked for after each operation of it.
    #[inline]
    #[must_use]
    pub fn repeat(&self, vcpu: usize) -> Repeat {
        // Where others wait for a list register, who is next must be thought over.
        let me = &self.vcpus[vcpu];
        if me.maintenance.0 == 0 { me.repeat } else { Repeat::NONE }
    }
}
