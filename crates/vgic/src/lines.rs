//! What register accesses do to words of interrupts, whichever layout (GICv2, GICv3) named them.
//!
//! Owns the effect of each field on state, hardware and other vCPUs. `frame` is the vCPU whose bank word 0 is, `by` the
//! vCPU that accesses. Disables, groups, priorities and routes take effect here at once and in other vCPUs' list registers
//! when they sync (RWP tells while it lasts); what must be known or changed inside them is an [`Order`]. IHI 0069H 12.8.
use crate::masked::{bit, bits};
use crate::state::{Ask, Bank, NOBODY, Order, index, intid_at};
use crate::{Hardware, Kicks, Retry, Vgic};

impl Vgic {
    /// The interrupts that exist in word `w`.
    #[inline]
    pub(crate) fn existing(&self, w: usize) -> u32 {
        match w {
            _ if w >= self.words => 0,
            31 => 0x0fff_ffff, // 1020 to 1023 are special
            _ => u32::MAX,
        }
    }

    /// Sets enable bits.
    #[inline]
    pub(crate) fn enable<H: Hardware>(&mut self, frame: usize, w: usize, set: u32, hw: &mut H) -> Kicks {
        let bank = self.bank_mut(frame, w);
        let new = set & !bank.enabled;
        bank.enabled |= new;
        if new & bank.live() == 0 {
            return Kicks(0);
        }
        bits(new & bank.physical).for_each(|n| hw.set_enable(frame, intid_at(w, n), true));
        self.announce(frame, w, new)
    }

    /// Clears enable bits.
    pub(crate) fn disable<H: Hardware>(&mut self, frame: usize, w: usize, set: u32, hw: &mut H) -> Kicks {
        let bank = self.bank_mut(frame, w);
        let old = set & bank.enabled;
        bank.enabled &= !old;
        bits(old & bank.physical).for_each(|n| hw.set_enable(frame, intid_at(w, n), false));
        self.settle(self.homes(frame, w, old))
    }

    /// Assigns the group bits.
    pub(crate) fn regroup(&mut self, frame: usize, w: usize, value: u32) -> Kicks {
        let value = value & self.existing(w);
        let bank = self.bank_mut(frame, w);
        let changed = core::mem::replace(&mut bank.group, value) ^ value;
        let Kicks(told) = self.review(self.homes(frame, w, changed));
        Kicks(told | self.announce(frame, w, changed & self.bank(frame, w).live()).0)
    }

    /// Assigns the group enables of `GICD_CTLR`: bit 0 group 0, bit 1 group 1.
    pub(crate) fn set_groups(&mut self, value: u32) -> Kicks {
        let groups = [0_u32.wrapping_sub(value & 1), 0_u32.wrapping_sub(value >> 1 & 1)];
        let old = core::mem::replace(&mut self.groups, groups);
        if old == groups {
            return Kicks(0);
        }
        self.hot = u32::MAX;
        let all = bit(self.count).wrapping_sub(1);
        let cleared = old[0] & !groups[0] | old[1] & !groups[1];
        let holding = bits(all).filter(|v| self.vcpus[*v].used != 0).fold(0, |m, v| m | bit(v));
        let Kicks(told) = if cleared == 0 { self.review(holding) } else { self.settle(holding) };
        let waiting = (1..self.words).fold(0, |m, w| m | self.targets(0, w, self.shared[w].ready(groups)));
        let waiting = bits(all).filter(|v| self.vcpus[*v].bank.ready(groups) != 0).fold(waiting, |m, v| m | bit(v));
        Kicks(told | self.kick(waiting).0)
    }

    /// Assigns one priority.
    pub(crate) fn set_priority(&mut self, frame: usize, intid: usize, value: u8) -> Kicks {
        let (w, n) = (intid >> 5, bit(intid));
        if self.existing(w) & n == 0 {
            return Kicks(0);
        }
        let value = value & self.priorities;
        let place = if w == 0 { &mut self.vcpus[frame].priority[intid] } else { &mut self.priority[intid] };
        if core::mem::replace(place, value) == value {
            return Kicks(0);
        }
        // One that waits outside may overtake now.
        let ready = self.bank(frame, w).ready(self.groups) & n;
        let Kicks(told) = self.review(self.homes(frame, w, n));
        Kicks(told | self.kick(self.targets(frame, w, ready)).0)
    }

    /// Routes an SPI to vCPU `target` ([`NOBODY`] or any number that is no vCPU: to none).
    pub(crate) fn route<H: Hardware>(&mut self, intid: usize, target: u8, hw: &mut H) -> Kicks {
        let (w, n) = (intid >> 5, bit(intid));
        if w == 0 || self.existing(w) & n == 0 || core::mem::replace(&mut self.target[intid], target) == target {
            return Kicks(0);
        }
        if self.shared[w].physical & n != 0 && usize::from(target) < self.count {
            hw.route(intid_at(w, intid), target.into());
        }
        let Kicks(told) = self.review(self.homes(0, w, n));
        Kicks(told | self.announce(0, w, n).0)
    }

    /// Sets pending bits.
    pub(crate) fn set_pending<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        w: usize,
        set: u32,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        let bank = self.bank(frame, w);
        if set & bank.physical & bank.resident != 0 || self.vcpus[by].order.ask == Ask::SetPending {
            return self.change(by, Ask::SetPending, frame, w, set, hw);
        }
        Ok(self.apply(Ask::SetPending, frame, w, set, by, hw))
    }

    /// Clears pending bits, sets or clears active bits.
    pub(crate) fn change<H: Hardware>(
        &mut self,
        by: usize,
        ask: Ask,
        frame: usize,
        w: usize,
        set: u32,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        let set = set & self.bank(frame, w).live();
        if set == 0 {
            return Ok(Kicks(0));
        }
        self.order(by, ask, frame, w, set, hw).map(|(kicks, _)| kicks)
    }

    /// Reads pending and active bits.
    pub(crate) fn look<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        w: usize,
        hw: &mut H,
    ) -> Result<(u32, u32), Retry> {
        let bank = *self.bank(frame, w);
        let (pending, active) = if bank.resident == 0 {
            self.vcpus[by].order.ask = Ask::Nothing; // answered or not: the answer is here
            (bank.pending(), bank.active)
        } else {
            self.order(by, Ask::Look, frame, w, bank.live(), hw)?.1
        };
        let physical = bits(bank.physical).filter(|n| hw.is_pending(frame, intid_at(w, *n))).fold(0, |m, n| m | bit(n));
        Ok((pending | physical, active))
    }

    /// Carries out `ask` on what stands in no other vCPU's list register, and has those vCPUs do the rest: [`Retry`] until
    /// all have answered. Returns what was pending and active.
    fn order<H: Hardware>(
        &mut self,
        by: usize,
        ask: Ask,
        frame: usize,
        word: usize,
        set: u32,
        hw: &mut H,
    ) -> Result<(Kicks, (u32, u32)), Retry> {
        let mine = self.vcpus[by].order;
        let (place, at) = ((frame as u64 & 7) as u8, (word as u64 & 31) as u8);
        if (mine.ask, mine.frame, mine.word, mine.bits) == (ask, place, at, set) {
            if mine.open != 0 {
                return Err(Retry(Kicks(0)));
            }
            self.vcpus[by].order = Order::default();
            return Ok((Kicks(0), (mine.pending, mine.active)));
        }
        self.vcpus[by].order.ask = Ask::Nothing;
        let mut kicks = Kicks(0);
        if ask != Ask::Look && self.homes(frame, word, set) & bit(by) != 0 {
            kicks = self.go_home(by, hw);
        }
        kicks.0 |= self.apply(ask, frame, word, set & !self.bank(frame, word).resident, by, hw).0;
        let open = self.homes(frame, word, set) & !bit(by);
        let (pending, active) = self.seen(by, frame, word, hw);
        if open == 0 {
            return Ok((kicks, (pending, active)));
        }
        self.vcpus[by].order = Order { ask, frame: place, word: at, bits: set, open, pending, active };
        kicks.0 |= self.review(open).0;
        Err(Retry(self.finish(by, kicks, hw)))
    }

    /// What is pending and active as far as `by` can see: not in other vCPUs' list registers.
    fn seen<H: Hardware>(&self, by: usize, frame: usize, w: usize, hw: &H) -> (u32, u32) {
        let (me, bank) = (&self.vcpus[by], self.bank(frame, w));
        let slots = bits(if w == 0 && frame != by { 0 } else { me.used });
        slots.filter(|slot| usize::from(me.slots[*slot]) >> 5 == w).fold(
            (bank.pending(), bank.active),
            |(pending, active), slot| {
                let (lr, n) = (hw.read_lr(slot), bit(me.slots[slot].into()));
                let told = lr.is_pending() && (me.soft & bit(slot) != 0 || bank.level() & n == 0);
                (pending | if told { n } else { 0 }, active | if lr.is_active() { n } else { 0 })
            },
        )
    }

    /// Carries out `ask` on interrupts that stand in no list register (`SetPending`: no physical one). `by`: whom one that becomes active belongs to, if
    /// it has no target.
    pub(crate) fn apply<H: Hardware>(
        &mut self,
        ask: Ask,
        frame: usize,
        w: usize,
        set: u32,
        by: usize,
        hw: &mut H,
    ) -> Kicks {
        let Bank { physical, latch, active, .. } = *self.bank(frame, w);
        let bank = self.bank_mut(frame, w);
        match ask {
            Ask::Nothing | Ask::Look => Kicks(0),
            Ask::SetPending => {
                // A line that was acknowledged for the guest is pending already.
                bits(set & physical & !latch).for_each(|n| hw.set_pending(frame, intid_at(w, n), true));
                let (set, level) = (set & bank.emulated, set & bank.level());
                bank.latch |= set;
                // A level in a list register has to know there that it is pending by a write too.
                let Kicks(told) = self.review(self.homes(frame, w, level));
                Kicks(told | self.announce(frame, w, set).0)
            }
            Ask::ClearPending => {
                bank.latch &= !set;
                // One that was acknowledged for the guest and that it will not see: let the line fire again.
                activity(hw, frame, w, physical & set & latch & !active, false);
                bits(set & physical).for_each(|n| hw.set_pending(frame, intid_at(w, n), false));
                Kicks(0)
            }
            Ask::ClearActive => {
                bank.active &= !set;
                bank.forced &= !set;
                activity(hw, frame, w, physical & set & active & !latch, false);
                self.announce(frame, w, set)
            }
            Ask::SetActive => {
                let new = set & !active;
                bank.active |= new;
                bank.forced |= new;
                activity(hw, frame, w, physical & new & !latch, true);
                for i in bits(new).map(|n| index(w, n)) {
                    let target = if w == 0 { frame } else { usize::from(self.target[i]) };
                    let home = if target < self.count { target } else { by };
                    self.home[i] = u8::try_from(home).unwrap_or(NOBODY);
                    self.vcpus[home].parked = true;
                }
                let homes = bits(new).map(|n| if w == 0 { frame } else { self.home[index(w, n)].into() });
                let mask = homes.fold(0, |m, v: usize| m | bit(v));
                self.kick(mask)
            }
        }
    }

    /// Interrupts in the list registers of `mask` were disabled: RWP until these vCPUs have looked.
    fn settle(&mut self, mask: u32) -> Kicks {
        self.settling |= mask;
        self.review(mask)
    }
}

fn activity<H: Hardware>(hw: &mut H, vcpu: usize, w: usize, lines: u32, on: bool) {
    bits(lines).for_each(|n| hw.set_active(vcpu, intid_at(w, n), on));
}
