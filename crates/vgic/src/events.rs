//! Events: what happens to a cell's interrupts other than by register accesses, and who has to be told.
//!
//! Owns the operations `physical`, `sync`, `set_line`, `fold`, the rule that ends each operation (a vCPU whose
//! list registers have to change is kicked, unless it is the one that executes: that one is served at once), and
//! `recall`, by which an access gets what stands in other vCPUs' list registers: refilling is *frozen* for the whole cell
//! until those have brought theirs home and the access is done. IHI 0069H 4.1 (life cycle), 6.2 (list registers).
use crate::hardware::field;
use crate::masked::bit;
use crate::state::{SGIS, index};
use crate::{Hardware, Inbox, Kicks, Vgic};

impl Vgic {
    /// A physical interrupt of an owned line fired on `vcpu`'s CPU: acknowledged and priority-dropped, still active.
    pub fn physical<H: Hardware>(&mut self, vcpu: usize, intid: u32, hw: &mut H) -> Kicks {
        let i = intid as usize & 0x3ff;
        let (at, n) = (index(vcpu, i), bit(i));
        self.by = vcpu;
        self.fold_empty(hw);
        let word = self.word_mut(at);
        word.latch |= n & word.physical;
        self.announce(at, n);
        self.finish(hw)
    }

    /// Takes the inbox, folds list registers that became empty, refills. On a kick, on a maintenance interrupt, before a
    /// vCPU's first entry.
    pub fn sync<H: Hardware>(&mut self, vcpu: usize, inbox: &Inbox, hw: &mut H) -> Kicks {
        self.by = vcpu;
        self.fold_empty(hw);
        self.kicked |= bit(vcpu);
        let sgis = inbox.take();
        if sgis != 0 {
            let came = if self.v2 {
                self.receive(sgis >> 16 & SGIS, inbox)
            } else {
                let group = self.word(vcpu).group;
                sgis & group & SGIS | sgis >> 16 & !group
            };
            let own = self.word_mut(vcpu);
            own.latch |= came;
            // One that is still pending in its list register merges as it is folded, on an active one it comes on top.
            let again = own.resident & came;
            self.hot |= u64::from(bit(vcpu));
            self.review |= if again == 0 { 0 } else { bit(vcpu) };
        }
        self.finish(hw)
    }

    /// Drives an emulated line of an SPI: a level, or with `high` an edge. The kicks may name the caller's own vCPU: then
    /// `sync`.
    pub fn set_line<H: Hardware>(&mut self, intid: u32, high: bool, hw: &mut H) -> Kicks {
        let (at, n) = (index(usize::MAX, intid as usize), bit(intid as usize));
        let (direct, word) = (self.direct, self.word_mut(at));
        if direct {
            hw.write(if high { field::ISPENDR } else { field::ICPENDR }, word.frame, word.w, n & word.physical);
        } else if high {
            word.line |= n & word.level();
            word.latch |= n & word.emulated & word.wired_edge;
            self.announce(at, n);
        } else {
            word.line &= !n;
            let homes = word.homes(n & word.level());
            self.look_again(homes);
        }
        self.kicks()
    }

    /// Brings all list-register state of `vcpu` home and clears the list registers (`CPU_OFF`, stop), on its CPU. The vCPU
    /// counts as kicked until it syncs.
    pub fn fold<H: Hardware>(&mut self, vcpu: usize, hw: &mut H) -> Kicks {
        self.by = vcpu;
        self.go_home(hw);
        self.thaw();
        self.set_maintenance(0, hw);
        self.others()
    }

    /// Something of `set` became pending or enabled: who must know.
    pub(crate) fn announce(&mut self, at: usize, set: u32) {
        let word = self.word(at);
        let homes = word.homes(word.latch & !word.level() & set);
        let targets = word.targets(word.ready(self.groups) & set);
        self.hot |= 1 << (at & 63);
        self.look_again(homes);
        self.kick(targets);
    }

    /// Makes sure that nothing of `set` stands in a list register; nothing: it waits for others.
    pub(crate) fn recall<H: Hardware>(&mut self, at: usize, set: u32, hw: &mut H) -> Option<()> {
        let holders = self.word(at).homes(set);
        self.gather(holders, hw)
    }

    /// Makes sure that the list registers of `holders` are empty; the caller's at once.
    pub(crate) fn gather<H: Hardware>(&mut self, holders: u32, hw: &mut H) -> Option<()> {
        let me = bit(self.by);
        if holders & !me != 0 {
            // Where another vCPU froze the cell, it is done first.
            if self.frozen & !me == 0 {
                self.frozen = me;
                self.look_again(holders & !me);
            }
            return None;
        }
        if holders != 0 {
            self.go_home(hw);
        }
        Some(())
    }

    /// Ends what this vCPU froze.
    pub(crate) fn thaw(&mut self) {
        if self.frozen & bit(self.by) != 0 {
            self.frozen = 0;
            self.wake_all();
        }
    }

    /// Kicks whoever may have something to load.
    pub(crate) fn wake_all(&mut self) {
        self.hot = u64::MAX;
        let waiting = self.words.iter().fold(self.parked, |mask, word| mask | word.targets(word.ready(self.groups)));
        self.kick(waiting);
    }

    /// Ends an operation: serves its vCPU here if it was among those to be kicked.
    #[inline]
    pub(crate) fn finish<H: Hardware>(&mut self, hw: &mut H) -> Kicks {
        if self.kicked & bit(self.by) != 0 {
            self.serve(hw);
        }
        self.others()
    }

    fn serve<H: Hardware>(&mut self, hw: &mut H) {
        self.count_ended(hw);
        if self.review & bit(self.by) != 0 {
            self.go_home(hw);
        }
        self.refill(hw);
        self.kicked &= !bit(self.by);
    }

    fn others(&mut self) -> Kicks {
        Kicks(self.kicks().0 & !bit(self.by))
    }

    pub(crate) fn kicks(&mut self) -> Kicks {
        Kicks(core::mem::take(&mut self.told))
    }
}
