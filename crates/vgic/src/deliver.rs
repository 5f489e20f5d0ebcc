//! Delivery: how interrupts get into list registers and home again.
//!
//! Owns the list registers of the calling CPU. Promises: a list register's interrupt is marked resident, and only once;
//! the highest priorities go first; if something waits for room, a maintenance interrupt is on that will call `sync`.
//! An active interrupt may have to leave its list register for a pending one (*parked*): it goes back in when there is
//! room, and if the guest ends it before, `EOIcount` tells. IHI 0069H 6.2 (list registers), 12.4.4 (`ICH_HCR_EL2`).
use crate::masked::{bit, bits};
use crate::state::{Bank, SGIS, Slot, index, intid_at};
use crate::{Hardware, Inbox, Kicks, ListRegister, Maintenance, Vgic};

impl Vgic {
    /// A physical interrupt of an owned line fired on `vcpu`'s CPU: acknowledged and priority-dropped, still active.
    #[inline]
    pub fn physical<H: Hardware>(&mut self, vcpu: usize, intid: u32, hw: &mut H) -> Kicks {
        if self.vcpus[vcpu].repeat.fire(intid, hw) {
            return Kicks(0);
        }
        self.physical_anew(vcpu, intid, hw)
    }

    fn physical_anew<H: Hardware>(&mut self, vcpu: usize, intid: u32, hw: &mut H) -> Kicks {
        let (i, n) = (intid as usize & 0x3ff, bit(intid as usize));
        let w = i >> 5;
        self.fold_empty(vcpu, hw);
        let (groups, room) = (self.groups, !self.vcpus[vcpu].used & self.slots);
        let here = w == 0 || usize::from(self.target[i]) == vcpu;
        let waiting = self.vcpus[vcpu].kicked || self.vcpus[vcpu].maintenance.0 != 0;
        let bank = self.bank_mut(vcpu, w);
        if bank.physical & n == 0 {
            return Kicks(0);
        }
        bank.latch |= n;
        if bank.ready(groups) & n != 0 && here && room != 0 && !waiting {
            self.load(vcpu, room.trailing_zeros() as usize, i, hw);
            return Kicks(0);
        }
        self.touch(w);
        let kicks = self.announce(vcpu, w, n);
        self.finish(vcpu, kicks, hw)
    }

    /// Takes the inbox, folds list registers that became empty, refills. On a kick, on a maintenance interrupt, before a
    /// vCPU's first entry.
    #[inline]
    pub fn sync<H: Hardware>(&mut self, vcpu: usize, inbox: &Inbox, hw: &mut H) -> Kicks {
        let sgis = inbox.take();
        if sgis & SGIS != 0 && self.one_sgi(vcpu, sgis, hw) {
            return Kicks(0);
        }
        self.sync_all(vcpu, sgis, hw)
    }

    /// The usual case of `sync`: one SGI, nothing else to do, and the last SGI's list register is free.
    #[inline]
    fn one_sgi<H: Hardware>(&mut self, vcpu: usize, n: u32, hw: &mut H) -> bool {
        let me = &mut self.vcpus[vcpu];
        let slot = usize::from(me.sgi_slot);
        let Slot { intid: last, tells, .. } = me.slots[slot];
        let stale = if me.used & bit(slot) == 0 { 0 } else { bit(last.into()) };
        let busy = me.bank.latch | me.bank.active | me.bank.resident & !stale;
        let open = me.bank.enabled & me.bank.group & self.groups[1] & SGIS & !busy;
        if me.kicked
            || me.maintenance.0 != 0
            || !n.is_power_of_two()
            || n & open == 0
            || stale != 0 && (last > 15 || tells || me.bank.latch & stale != 0)
            || hw.empty() & bit(slot) == 0
        {
            return false;
        }
        let i = n.trailing_zeros() as usize;
        me.bank.forced &= !stale;
        me.bank.resident = me.bank.resident & !stale | n;
        me.used |= bit(slot);
        me.slots[slot] = Slot { intid: (i as u64 & 0xf) as u16, soft: false, tells: false };
        hw.write_lr(slot, ListRegister::new(i, me.priority[i]).with(ListRegister::GROUP1 | ListRegister::PENDING));
        true
    }

    fn sync_all<H: Hardware>(&mut self, vcpu: usize, sgis: u32, hw: &mut H) -> Kicks {
        self.fold_empty(vcpu, hw);
        if sgis != 0 {
            let bank = &mut self.vcpus[vcpu].bank;
            let new = sgis & bank.group & SGIS | (sgis >> 16) & !bank.group;
            bank.latch |= new;
            let again = new & bank.resident;
            self.coalesce(vcpu, again, hw);
        }
        self.serve(vcpu, hw)
    }

    /// SGIs that arrived while resident: one that is still pending there is the same one, on an active one it comes on top.
    fn coalesce<H: Hardware>(&mut self, vcpu: usize, again: u32, hw: &H) {
        let me = &mut self.vcpus[vcpu];
        for slot in bits(if again == 0 { 0 } else { me.used }) {
            let n = again & SGIS & if me.slots[slot].intid < 32 { bit(me.slots[slot].intid.into()) } else { 0 };
            if n != 0 && hw.read_lr(slot).is_pending() {
                me.bank.latch &= !n;
            }
        }
        me.review |= me.bank.latch & again != 0;
    }

    /// Drives an emulated level line of an SPI. The kicks may name the caller's own vCPU: then `sync`.
    pub fn set_line(&mut self, intid: u32, high: bool) -> Kicks {
        let (w, n) = (intid as usize >> 5, bit(intid as usize));
        if w == 0 || w >= self.words || self.shared[w].level() & n == 0 {
            return Kicks(0);
        }
        let bank = &mut self.shared[w];
        if high {
            bank.line |= n;
            let ready = bank.ready(self.groups) & n;
            self.touch(w);
            self.kick(self.targets(0, w, ready))
        } else {
            bank.line &= !n;
            self.review(self.homes(0, w, n))
        }
    }

    /// Makes an emulated edge line (SPI) pending. As `set_line`.
    pub fn pulse(&mut self, intid: u32) -> Kicks {
        let (w, n) = (intid as usize >> 5, bit(intid as usize));
        if w == 0 || w >= self.words || self.shared[w].emulated & n == 0 {
            return Kicks(0);
        }
        self.shared[w].latch |= n;
        self.announce(0, w, n)
    }

    /// Brings all list-register state of `vcpu` home and clears the list registers (`CPU_OFF`, stop), on its CPU. The vCPU
    /// counts as kicked until it syncs.
    pub fn fold<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        let kicks = self.go_home(vcpu, hw);
        self.vcpus[vcpu].maintenance = Maintenance::default();
        hw.maintenance(Maintenance::default());
        kicks
    }

    /// Something of `set` became pending or enabled: who must know.
    pub(crate) fn announce(&mut self, frame: usize, w: usize, set: u32) -> Kicks {
        let bank = self.bank(frame, w);
        let (ready, again) = (bank.ready(self.groups) & set, bank.pending() & bank.resident & set & !bank.level());
        self.touch(w);
        let Kicks(told) = self.review(self.homes(frame, w, again));
        Kicks(told | self.kick(self.targets(frame, w, ready)).0)
    }

    /// Ends an operation of `vcpu`: serves it here if it was among those to be kicked.
    #[inline]
    pub(crate) fn finish<H: Hardware>(&mut self, vcpu: usize, kicks: Kicks, hw: &mut H) -> Kicks {
        let more = if self.vcpus[vcpu].kicked { self.serve(vcpu, hw).0 } else { 0 };
        Kicks((kicks.0 | more) & !bit(vcpu))
    }

    #[inline]
    fn serve<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        self.count_ended(vcpu, hw);
        let kicks = if self.vcpus[vcpu].review { self.go_home(vcpu, hw) } else { Kicks(0) };
        self.refill(vcpu, hw);
        self.vcpus[vcpu].kicked = false;
        kicks
    }

    /// Forgets list registers whose interrupt the guest has ended, but for that of [`Repeat`].
    fn fold_empty<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        let me = &self.vcpus[vcpu];
        let used = me.used & !me.repeat.mask();
        for slot in bits(if used == 0 { 0 } else { used & hw.empty() }) {
            self.forget(vcpu, slot, hw);
        }
    }

    /// Forgets one list register whose interrupt the guest has ended.
    fn forget<H: Hardware>(&mut self, vcpu: usize, slot: usize, hw: &mut H) {
        self.leave(vcpu, slot);
        let Slot { intid, tells, .. } = self.vcpus[vcpu].slots[slot];
        let i = usize::from(intid);
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
        if me.repeat.mask() == bit(slot) {
            me.repeat = Repeat::NONE;
        }
    }

    /// A list register that holds nothing.
    fn free<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Option<usize> {
        let me = &self.vcpus[vcpu];
        let free = !me.used & self.slots;
        if free != 0 {
            return Some(free.trailing_zeros() as usize);
        }
        let stale = me.repeat.mask() & hw.empty();
        (stale != 0).then(|| {
            let slot = stale.trailing_zeros() as usize;
            self.forget(vcpu, slot, hw);
            slot
        })
    }

    /// Brings the interrupt of one list register home.
    fn fold_one<H: Hardware>(&mut self, vcpu: usize, slot: usize, hw: &mut H) {
        let (lr, Slot { intid, soft, .. }) = (hw.read_lr(slot), self.vcpus[vcpu].slots[slot]);
        let (i, n) = (usize::from(intid), bit(usize::from(intid)));
        hw.write_lr(slot, ListRegister(0));
        self.leave(vcpu, slot);
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
            self.fold_one(vcpu, slot, hw); // the one of `Repeat` may be empty
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
    fn count_ended<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
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
    fn refill<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
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
    fn load<H: Hardware>(&mut self, vcpu: usize, slot: usize, i: usize, hw: &mut H) {
        let (w, n, groups) = (i >> 5, bit(i), self.groups);
        let priority = self.priority_of(vcpu, i);
        let here = w == 0 || usize::from(self.target[i]) == vcpu;
        let bank = self.bank_mut(vcpu, w);
        let (level, active) = (bank.level() & n != 0, bank.active & n != 0);
        // Pending on top of active: for edges only; HW = 1 forbids it and a level is looked at again after the EOI.
        let signalled = bank.signalled(groups) & n != 0 && here;
        let pending = signalled && (!active || bank.emulated & bank.wired_edge & n != 0);
        let soft = pending && bank.latch & n != 0;
        let ListRegister(mut lr) = ListRegister::new(i, priority);
        if bank.group & n != 0 {
            lr |= ListRegister::GROUP1;
        }
        if pending {
            lr |= ListRegister::PENDING;
            bank.latch &= !n;
        }
        // What is pending behind an active one has to be looked at when that one ends.
        let behind = active && bank.latch & n != 0;
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
        let (intid, place) = ((i as u64 & 0x3ff) as u16, (slot as u64 & 0xf) as u8);
        me.slots[slot] = Slot { intid, soft, tells };
        me.used |= bit(slot);
        if i < 16 {
            me.sgi_slot = place;
        } else if i < 32 && lr.is_hw() && !active {
            me.repeat = Repeat { lr, intid, slot: place };
        }
        hw.write_lr(slot, lr);
    }

    /// What `vcpu`'s CPU may do without the lock when a physical PPI fires; to be asked for after each operation of it.
    #[inline]
    #[must_use]
    pub fn repeat(&self, vcpu: usize) -> Repeat {
        self.vcpus[vcpu].repeat
    }
}

/// A physical PPI that the guest has had and may get again in the same list register, with no other state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    lr: ListRegister,
    /// All ones if none.
    intid: u16,
    slot: u8,
}

impl Repeat {
    /// None.
    pub const NONE: Self = Self { intid: u16::MAX, slot: 0, lr: ListRegister(0) };

    /// Delivers the physical interrupt `intid` if it is this one and the guest has ended it; false: ask the [`Vgic`]. What
    /// another vCPU changed meanwhile takes effect when this one syncs, as for any interrupt already listed.
    #[inline]
    pub fn fire<H: Hardware>(&self, intid: u32, hw: &mut H) -> bool {
        let fits = u32::from(self.intid) == intid && hw.empty() & bit(self.slot.into()) != 0;
        if fits {
            hw.write_lr(self.slot.into(), self.lr);
        }
        fits
    }
    #[inline]
    fn mask(&self) -> u32 {
        if self.intid == u16::MAX { 0 } else { bit(self.slot.into()) }
    }
}
