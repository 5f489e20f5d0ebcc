//! What register accesses do to interrupts, whichever layout (GICv2, GICv3) named them.
//!
//! Owns the effect of each field on state and hardware. What has to change is brought home first (`recall`), so that every
//! write has taken effect when it returns: RWP reads 0. Nothing returned: the access waits for other vCPUs. IHI 0069H 12.9, IHI 0048B 4.3.
use crate::hardware::field;
use crate::masked::{bit, bits};
use crate::state::{SGIS, index, intid_at};
use crate::{Hardware, VCPUS, Vgic};

impl Vgic {
    /// Reads the register of a word at `offset`.
    pub(crate) fn read_word<H: Hardware>(&mut self, at: usize, offset: usize, hw: &mut H) -> Option<u32> {
        let kind = offset >> 7;
        if matches!(kind, 4..8) {
            self.recall(at, u32::MAX, hw)?;
        }
        let word = self.word(at);
        Some(match kind {
            1 => word.group,
            2 | 3 => word.enabled,
            4 | 5 => word.latch | word.line | hw.read(field::ISPENDR, word.frame, word.w) & word.physical,
            6 | 7 if self.direct => hw.read(field::ISACTIVER, word.frame, word.w) & word.physical,
            6 | 7 => word.active,
            // Two bits each, of which one is reserved.
            _ => bits(word.edge >> half(offset) & 0xffff).fold(0, |value, n| value | bit(n << 1 | 1)),
        })
    }

    /// Writes it.
    pub(crate) fn write_word<H: Hardware>(&mut self, at: usize, offset: usize, value: u32, hw: &mut H) -> Option<()> {
        let (kind, word) = (offset >> 7, self.word(at));
        let w = word.w;
        // GICv2: GICD_ICENABLER0, GICD_ISPENDR0 and GICD_ICPENDR0 are read-only for SGIs.
        let fixed = if w == 0 && self.v2 && matches!(kind, 3..6) { SGIS } else { 0 };
        let wanted = match kind {
            1 => word.group ^ value,
            2 => value & !word.enabled,
            3 => value & word.enabled,
            4..8 => value & word.live(),
            _ => u32::MAX,
        };
        let set = wanted & word.exists & !fixed;
        if set == 0 {
            return Some(());
        }
        let (direct, physical) = (self.direct, set & word.physical);
        if direct && matches!(kind, 4..8) {
            self.write(kind << 7, at, physical, hw);
            return Some(());
        }
        if matches!(kind, 1 | 3..8) {
            self.recall(at, set, hw)?;
        }
        let before = self.driven(at, self.groups);
        let word = self.word_mut(at);
        let (was, latch) = (word.active, word.latch);
        let (more, less) = if kind & 1 == 0 { (set, 0) } else { (0, set) };
        match kind {
            1 => word.group ^= set,
            2 | 3 => word.enabled ^= set,
            4 | 5 => {
                word.latch = latch & !less | more & word.emulated;
                // A line that was acknowledged for the guest is pending already; one that it will not see is to fire again.
                self.write(field::ICACTIVER, at, physical & less & latch & !was, hw);
                self.write(kind << 7, at, physical & (less | !latch), hw);
            }
            6 | 7 => {
                let active = was & !less | more;
                word.active = active;
                word.forced = word.forced & !less | more & !was;
                self.write(kind << 7, at, physical & !latch & (active ^ was), hw);
                self.adopt(at, more & !was);
            }
            // Shadow only, and the SGIs' half is read-only.
            _ if (w, half(offset)) == (0, 0) => {}
            _ => {
                let edge = bits(value & 0xaaaa_aaaa).fold(0, |edge, n| edge | bit(n >> 1));
                word.edge = word.edge & !(0xffff << half(offset)) | edge << half(offset);
            }
        }
        self.drive(at, before, hw);
        self.announce(at, set);
        Some(())
    }

    /// Finds a vCPU for each interrupt that became active by a write: its target, else this one.
    fn adopt(&mut self, at: usize, set: u32) {
        let (own, everyone) = (bit(self.by), self.everyone());
        let (mut homes, word) = (0, self.word_mut(at));
        for n in bits(set) {
            let targets = u32::from(word.route[n]) & everyone;
            let home = if targets == 0 { own } else { targets & targets.wrapping_neg() };
            word.home[n] = (home & 0xff) as u8;
            homes |= home;
        }
        self.parked |= homes;
        self.kick(homes);
    }

    /// The lines of a word that are enabled in hardware: passed through, their groups count too, and with `GICv3` there is
    /// group 1 only.
    fn driven(&self, at: usize, groups: [u32; 2]) -> u32 {
        let word = self.word(at);
        match (self.direct, self.v2) {
            (false, _) => word.enabled,
            (true, true) => word.enabled & groups[0],
            (true, false) => word.enabled & word.group & groups[1],
        }
    }

    /// Carries a change of [`Self::driven`] to hardware.
    pub(crate) fn drive<H: Hardware>(&mut self, at: usize, before: u32, hw: &mut H) {
        let changed = (self.driven(at, self.groups) ^ before) & self.word(at).physical;
        self.write(field::ICENABLER, at, changed & before, hw);
        self.write(field::ISENABLER, at, changed & !before, hw);
    }

    /// Assigns the group enables of `GICD_CTLR`: bit 0 group 0, bit 1 group 1.
    pub(crate) fn set_groups<H: Hardware>(&mut self, value: u32, hw: &mut H) -> Option<()> {
        let groups = [0_u32.wrapping_sub(value & 1), 0_u32.wrapping_sub(value >> 1 & 1)];
        if self.groups == groups {
            return Some(());
        }
        let holders = (0..self.count).filter(|v| self.vcpus[*v].used != 0).fold(0, |mask, v| mask | bit(v));
        self.gather(holders, hw)?;
        let old = core::mem::replace(&mut self.groups, groups);
        for at in 0..self.words.len() {
            // GICv2's private lines are within reach of their own CPU only.
            if at == self.by || at >= VCPUS || !self.v2 {
                self.drive(at, self.driven(at, old), hw);
            }
        }
        self.wake_all();
        Some(())
    }

    /// Reads or assigns a byte: a priority, `GICv2` targets or senders.
    #[inline(never)]
    pub(crate) fn byte<H: Hardware>(
        &mut self,
        frame: usize,
        offset: usize,
        write: Option<u8>,
        hw: &mut H,
    ) -> Option<u8> {
        if offset >= 0xf00 {
            return self.senders(offset & 0xf, offset < 0xf20, write.unwrap_or(0), hw);
        }
        let (i, n, at) = (offset & 0x3ff, bit(offset), index(frame, offset & 0x3ff));
        if self.word(at).exists & n == 0 {
            return Some(0);
        }
        if offset >= 0x800 {
            if let (Some(mask), 32.., 2..) = (write, i, self.count) {
                self.set_route(i, mask & (self.everyone() & 0xff) as u8, hw)?;
            }
            return Some(self.word(at).route[i]);
        }
        let old = self.word(at).priority[i];
        let Some(value) = write.map(|value| value & self.priorities).filter(|value| *value != old) else {
            return Some(old);
        };
        self.recall(at, n, hw)?;
        let (direct, word) = (self.direct, self.word_mut(at));
        word.priority[i] = value;
        if direct && word.physical & n != 0 {
            hw.set_priority(word.frame, intid_at(word.w, i), value);
        }
        // One that waits outside may overtake now.
        self.announce(at, n);
        Some(value)
    }

    /// Routes an SPI to the first of some vCPUs that exists, if any.
    pub(crate) fn set_route<H: Hardware>(&mut self, i: usize, route: u8, hw: &mut H) -> Option<()> {
        let (at, n) = (index(0, i), bit(i));
        if self.word(at).route[i] == route {
            return Some(());
        }
        self.recall(at, n, hw)?;
        self.word_mut(at).route[i] = route;
        let (to, physical) = (route.trailing_zeros() as usize, self.word(at).physical);
        if to < self.count && physical & n != 0 {
            hw.route(intid_at(i >> 5, i), to);
        }
        self.announce(at, n);
        Some(())
    }
}

/// The first bit of a `GICD_ICFGR` in [`crate::state::Word::edge`].
const fn half(offset: usize) -> u32 {
    if offset & 4 == 0 { 0 } else { 16 }
}
