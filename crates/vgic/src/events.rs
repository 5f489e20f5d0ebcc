//! Events: what happens to a cell's interrupts other than by register accesses, and who has to be told.
//!
//! Owns the operations `physical`, `sync`, `set_line`, `pulse`, `fold` and the rule that ends each operation: a vCPU whose
//! list registers have to change is kicked, unless it is the one that executes: that one is served at once.
//! IHI 0069H 4.1 (life cycle), 6.2 (list registers).
use crate::masked::{bit, bits};
use crate::repeat::Place;
use crate::state::SGIS;
use crate::{Hardware, Inbox, Kicks, ListRegister, Maintenance, Version, Vgic};

impl Vgic {
    /// A physical interrupt of an owned line fired on `vcpu`'s CPU: acknowledged and priority-dropped, still active.
    #[inline]
    pub fn physical<H: Hardware>(&mut self, vcpu: usize, intid: u32, hw: &mut H) -> Kicks {
        if self.repeat(vcpu).ppi(intid, hw) {
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
        self.sync_all(vcpu, sgis, inbox, hw)
    }

    /// The usual case of `sync`: one SGI, nothing else to do, and the last SGI's list register is free.
    #[inline]
    fn one_sgi<H: Hardware>(&mut self, vcpu: usize, n: u32, hw: &mut H) -> bool {
        let me = &mut self.vcpus[vcpu];
        let slot = usize::from(me.sgi_slot);
        let (last, tells) = (me.slots[slot], me.tells & bit(slot) != 0);
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
        me.soft &= !bit(slot);
        let lr = ListRegister::new(i, me.priority[i]).with(ListRegister::GROUP1 | ListRegister::PENDING);
        let intid = (i as u64 & 0xf) as u16;
        me.slots[slot] = intid;
        me.repeat.sgi = Place { lr, intid, slot: me.sgi_slot };
        hw.write_lr(slot, lr);
        true
    }

    fn sync_all<H: Hardware>(&mut self, vcpu: usize, sgis: u32, inbox: &Inbox, hw: &mut H) -> Kicks {
        self.fold_empty(vcpu, hw);
        if sgis != 0 && self.version == Version::V2 {
            self.receive(vcpu, sgis >> 16, inbox);
        } else if sgis != 0 {
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
            let n = again & SGIS & if me.slots[slot] < 32 { bit(me.slots[slot].into()) } else { 0 };
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
}
