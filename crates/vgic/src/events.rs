//! Events: what happens to a cell's interrupts other than by register accesses, and who has to be told.
//!
//! Owns the operations `physical`, `sync`, `set_line`, `pulse`, `fold`, the rule that ends each operation (a vCPU whose
//! list registers have to change is kicked, unless it is the one that executes: that one is served at once), and
//! `recall`, by which an access gets what stands in other vCPUs' list registers: refilling is *frozen* for the whole cell
//! until those have brought theirs home and the access is done. IHI 0069H 4.1 (life cycle), 6.2 (list registers).
use crate::hardware::field;
use crate::masked::bit;
use crate::state::SGIS;
use crate::{Hardware, Inbox, Kicks, Maintenance, Retry, Version, Vgic};

impl Vgic {
    /// A physical interrupt of an owned line fired on `vcpu`'s CPU: acknowledged and priority-dropped, still active.
    pub fn physical<H: Hardware>(&mut self, vcpu: usize, intid: u32, hw: &mut H) -> Kicks {
        let i = intid as usize & 0x3ff;
        let (w, n) = (i >> 5, bit(i));
        self.fold_empty(vcpu, hw);
        let word = self.word_mut(vcpu, w);
        word.latch |= n & word.physical;
        let room = !self.vcpu(vcpu).used & self.slots;
        let waiting = self.kicked & bit(vcpu) | self.frozen | self.vcpu(vcpu).maintenance.0;
        let word = self.word(vcpu, w);
        if word.ready(self.groups) & n != 0 && self.target(word, i) == vcpu && room != 0 && waiting == 0 {
            self.load(vcpu, room.trailing_zeros() as usize, i, hw);
            return Kicks(0);
        }
        self.announce(vcpu, w, n);
        self.finish(vcpu, hw)
    }

    /// Takes the inbox, folds list registers that became empty, refills. On a kick, on a maintenance interrupt, before a
    /// vCPU's first entry.
    pub fn sync<H: Hardware>(&mut self, vcpu: usize, inbox: &Inbox, hw: &mut H) -> Kicks {
        self.fold_empty(vcpu, hw);
        let sgis = inbox.take();
        let came = if self.version == Version::V2 {
            self.receive(vcpu, sgis >> 16 & SGIS, inbox)
        } else {
            let group = self.vcpu(vcpu).own.group;
            sgis & group & SGIS | sgis >> 16 & !group
        };
        let own = &mut self.vcpu_mut(vcpu).own;
        own.latch |= came;
        // One that is still pending in its list register merges as it is folded, on an active one it comes on top.
        let again = own.resident & came;
        self.kicked |= bit(vcpu);
        self.review |= if again == 0 { 0 } else { bit(vcpu) };
        self.finish(vcpu, hw)
    }

    /// Drives an emulated level line of an SPI. The kicks may name the caller's own vCPU: then `sync`.
    pub fn set_line<H: Hardware>(&mut self, intid: u32, high: bool, hw: &mut H) -> Kicks {
        let (w, n) = (intid as usize >> 5, bit(intid as usize));
        if w == 0 || self.existing(w) & n == 0 {
            return Kicks(0);
        }
        let (direct, word) = (self.direct, self.word_mut(0, w));
        if direct {
            hw.write(if high { field::ISPENDR } else { field::ICPENDR }, 0, w, n & word.physical);
        } else if word.level() & n == 0 {
        } else if high {
            word.line |= n;
            self.announce(0, w, n);
        } else {
            word.line &= !n;
            self.look_again(self.homes(0, w, n));
        }
        self.kicks()
    }

    /// Makes an emulated edge line (SPI) pending. As `set_line`.
    pub fn pulse<H: Hardware>(&mut self, intid: u32, hw: &mut H) -> Kicks {
        let (w, n) = (intid as usize >> 5, bit(intid as usize));
        if w == 0 || self.existing(w) & n == 0 {
            return Kicks(0);
        }
        if self.direct {
            return self.set_line(intid, true, hw);
        }
        let word = self.word_mut(0, w);
        word.latch |= n & word.emulated;
        self.announce(0, w, n);
        self.kicks()
    }

    /// Brings all list-register state of `vcpu` home and clears the list registers (`CPU_OFF`, stop), on its CPU. The vCPU
    /// counts as kicked until it syncs.
    pub fn fold<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        self.go_home(vcpu, hw);
        self.thaw(vcpu);
        self.vcpu_mut(vcpu).maintenance = Maintenance::default();
        hw.maintenance(Maintenance::default());
        Kicks(self.kicks().0 & !bit(vcpu))
    }

    /// Something of `set` became pending or enabled: who must know.
    pub(crate) fn announce(&mut self, frame: usize, w: usize, set: u32) {
        let word = self.word(frame, w);
        let (ready, again) = (word.ready(self.groups) & set, word.latch & !word.level() & set);
        self.hot |= bit(w);
        self.look_again(self.homes(frame, w, again));
        self.kick(self.targets(frame, w, ready));
    }

    /// Makes sure that nothing of `set` stands in a list register.
    pub(crate) fn recall<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        w: usize,
        set: u32,
        hw: &mut H,
    ) -> Result<(), Retry> {
        match self.homes(frame, w, set) {
            0 => Ok(()),
            holders => self.gather(by, holders, hw),
        }
    }

    /// Makes sure that the list registers of `holders` are empty; the caller's at once.
    pub(crate) fn gather<H: Hardware>(&mut self, by: usize, holders: u32, hw: &mut H) -> Result<(), Retry> {
        let others = holders & !bit(by);
        if others != 0 {
            // Where another vCPU froze the cell, it is done first.
            if self.frozen & !bit(by) == 0 {
                self.frozen = bit(by);
                self.look_again(others);
            }
            return Err(Retry(self.kicks()));
        }
        if holders != 0 {
            self.go_home(by, hw);
        }
        Ok(())
    }

    /// Ends what `by` froze.
    pub(crate) fn thaw(&mut self, by: usize) {
        if self.frozen & bit(by) != 0 {
            self.frozen = 0;
            self.wake_all();
        }
    }

    /// Kicks whoever may have something to load.
    pub(crate) fn wake_all(&mut self) {
        self.hot = u32::MAX;
        let waiting = (1..=self.words.len())
            .fold(self.parked, |mask, w| mask | self.targets(0, w, self.word(0, w).ready(self.groups)));
        let waiting =
            (0..self.count).filter(|v| self.vcpu(*v).own.ready(self.groups) != 0).fold(waiting, |m, v| m | bit(v));
        self.kick(waiting);
    }

    /// Ends an operation of `vcpu`: serves it here if it was among those to be kicked.
    #[inline]
    pub(crate) fn finish<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        if self.kicked & bit(vcpu) != 0 {
            self.serve(vcpu, hw);
        }
        Kicks(self.kicks().0 & !bit(vcpu))
    }

    fn serve<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) {
        self.count_ended(vcpu, hw);
        if self.review & bit(vcpu) != 0 {
            self.go_home(vcpu, hw);
        }
        self.refill(vcpu, hw);
        self.kicked &= !bit(vcpu);
    }

    fn kicks(&mut self) -> Kicks {
        Kicks(core::mem::take(&mut self.told))
    }
}
