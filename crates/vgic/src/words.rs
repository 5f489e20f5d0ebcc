//! What register accesses do to interrupts, whichever layout (GICv2, GICv3) named them.
//!
//! Owns the effect of each field on state and hardware. `frame` is the vCPU whose word 0 is meant, `by` the vCPU that
//! accesses. What has to change is brought home first (`recall`), so that every write has taken effect when it returns:
//! RWP reads 0. IHI 0069H 12.9, IHI 0048B 4.3.
use crate::hardware::field;
use crate::masked::{bit, bits};
use crate::state::{SGIS, intid_at, number};
use crate::{Hardware, Retry, Version, Vgic};

impl Vgic {
    /// The interrupts that exist in word `w`.
    #[inline]
    pub(crate) fn existing(&self, w: usize) -> u32 {
        match w {
            _ if w > self.words.len() => 0,
            31 => 0x0fff_ffff, // 1020 to 1023 are special
            _ => u32::MAX,
        }
    }

    /// What the distributor's register at `offset` reads as, of those groups and enables that all vCPUs share.
    #[must_use]
    pub fn lasting(&self, offset: u64) -> Option<u32> {
        let word = self.words.get(usize::try_from(offset >> 2 & 31).ok()?.checked_sub(1)?)?;
        match offset >> 7 {
            1 if self.version == Version::V3 => Some(word.group),
            2 | 3 => Some(word.enabled),
            _ => None,
        }
    }

    /// Reads the register of word `w` at `offset`.
    pub(crate) fn read_word<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        (offset, w): (usize, usize),
        hw: &mut H,
    ) -> Result<u32, Retry> {
        if self.existing(w) == 0 {
            return Ok(0);
        }
        let kind = offset >> 7;
        if matches!(kind, 4..8) {
            self.recall(by, frame, w, u32::MAX, hw)?;
        }
        let word = self.word(frame, w);
        Ok(match kind {
            1 => word.group,
            2 | 3 => word.enabled,
            4 | 5 => word.latch | word.line | hw.read(field::ISPENDR, frame, w) & word.physical,
            6 | 7 if self.direct => hw.read(field::ISACTIVER, frame, w) & word.physical,
            6 | 7 => word.active,
            _ => spread(word.edge >> half(offset)),
        })
    }

    /// Writes it.
    pub(crate) fn write_word<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        (offset, w): (usize, usize),
        value: u32,
        hw: &mut H,
    ) -> Result<u32, Retry> {
        let (kind, word) = (offset >> 7, self.word(frame, w));
        // GICv2: GICD_ICENABLER0, GICD_ISPENDR0 and GICD_ICPENDR0 are read-only for SGIs.
        let fixed = if w == 0 && self.version == Version::V2 && matches!(kind, 3..6) { SGIS } else { 0 };
        let set = self.existing(w)
            & !fixed
            & match kind {
                1 => word.group ^ value,
                2 => value & !word.enabled,
                3 => value & word.enabled,
                4..8 => value & word.live(),
                _ => u32::MAX,
            };
        if set == 0 {
            return Ok(0);
        }
        let (direct, physical) = (self.direct, set & word.physical);
        if direct && matches!(kind, 4..8) {
            hw.write(kind << 7, frame, w, physical);
            return Ok(0);
        }
        if matches!(kind, 1 | 3..8) {
            self.recall(by, frame, w, set, hw)?;
        }
        let before = self.driven(frame, w);
        let word = self.word_mut(frame, w);
        let (was, latch) = (word.active, word.latch);
        match kind {
            1 => word.group ^= set,
            2 | 3 => word.enabled ^= set,
            4 => {
                word.latch |= set & word.emulated;
                // A line that was acknowledged for the guest is pending already.
                hw.write(field::ISPENDR, frame, w, physical & !latch);
            }
            5 => {
                word.latch &= !set;
                // One that was acknowledged for the guest and that it will not see: let the line fire again.
                hw.write(field::ICACTIVER, frame, w, physical & latch & !was);
                hw.write(field::ICPENDR, frame, w, physical);
            }
            6 => {
                word.active |= set;
                word.forced |= set & !was;
                hw.write(field::ISACTIVER, frame, w, physical & !was & !latch);
                self.adopt(by, frame, w, set & !was);
            }
            7 => {
                word.active &= !set;
                word.forced &= !set;
                hw.write(field::ICACTIVER, frame, w, physical & was & !latch);
            }
            _ => {
                // Shadow only; the SGIs' half is read-only.
                let mask = if (w, half(offset)) == (0, 0) { 0 } else { 0xffff << half(offset) };
                word.edge = word.edge & !mask | gather(value) << half(offset) & mask;
                return Ok(0);
            }
        }
        self.drive(frame, w, before, hw);
        self.announce(frame, w, set);
        Ok(0)
    }

    /// Finds a vCPU for each interrupt that became active by a write: its target, else `by`.
    fn adopt(&mut self, by: usize, frame: usize, w: usize, set: u32) {
        for n in bits(set) {
            let target = self.target(self.word(frame, w), n);
            let home = if target < self.count { target } else { by };
            self.word_mut(frame, w).home[n] = number(home);
            self.parked |= bit(home);
            self.kick(bit(home));
        }
    }

    /// The lines of a word that are enabled in hardware: passed through, their groups count too, and with `GICv3` there is
    /// group 1 only.
    fn driven(&self, frame: usize, w: usize) -> u32 {
        let word = self.word(frame, w);
        match (self.direct, self.version) {
            (false, _) => word.enabled,
            (true, Version::V2) => word.enabled & self.groups[0],
            (true, Version::V3) => word.enabled & word.group & self.groups[1],
        }
    }

    /// Carries a change of [`Self::driven`] to hardware.
    pub(crate) fn drive<H: Hardware>(&mut self, frame: usize, w: usize, before: u32, hw: &mut H) {
        let changed = (self.driven(frame, w) ^ before) & self.word(frame, w).physical;
        hw.write(field::ICENABLER, frame, w, changed & before);
        hw.write(field::ISENABLER, frame, w, changed & !before);
    }

    /// Assigns the group enables of `GICD_CTLR`: bit 0 group 0, bit 1 group 1.
    pub(crate) fn set_groups<H: Hardware>(&mut self, by: usize, value: u32, hw: &mut H) -> Result<(), Retry> {
        let groups = [0_u32.wrapping_sub(value & 1), 0_u32.wrapping_sub(value >> 1 & 1)];
        if self.groups == groups {
            return Ok(());
        }
        let holders = (0..self.count).filter(|v| self.vcpu(*v).used != 0).fold(0, |mask, v| mask | bit(v));
        self.gather(by, holders, hw)?;
        let old = core::mem::replace(&mut self.groups, groups);
        // GICv2's private lines are within reach of their own CPU only.
        let frames = if self.version == Version::V2 { by..by.wrapping_add(1) } else { 0..self.count };
        for (frame, w) in frames.map(|frame| (frame, 0)).chain((1..=self.words.len()).map(|w| (0, w))) {
            self.groups = old;
            let before = self.driven(frame, w);
            self.groups = groups;
            self.drive(frame, w, before, hw);
        }
        self.wake_all();
        Ok(())
    }

    /// Reads or assigns a byte: a priority, `GICv2` targets or senders.
    pub(crate) fn byte<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        at: usize,
        write: Option<u8>,
        hw: &mut H,
    ) -> Result<u8, Retry> {
        let (i, w, n) = (at & 0x3ff, (at & 0x3ff) >> 5, bit(at));
        if at >= 0xf00 {
            return self.senders(by, at & 0xf, at < 0xf20, write.unwrap_or(0), hw);
        }
        if self.existing(w) & n == 0 {
            return Ok(0);
        }
        if at >= 0x800 {
            if let (Some(mask), 1.., 2..) = (write, w, self.count) {
                self.set_route(by, i, mask & self.everyone(), hw)?;
            }
            return Ok(self.word(frame, w).route[i]);
        }
        let old = self.word(frame, w).priority[i];
        let Some(value) = write.map(|value| value & self.priorities).filter(|value| *value != old) else {
            return Ok(old);
        };
        self.recall(by, frame, w, n, hw)?;
        let direct = self.direct;
        let word = self.word_mut(frame, w);
        word.priority[i] = value;
        if direct && word.physical & n != 0 {
            hw.set_priority(frame, intid_at(w, i), value);
        }
        // One that waits outside may overtake now.
        self.announce(frame, w, n);
        Ok(value)
    }

    /// Routes an SPI: `GICD_IROUTER`'s Aff0 or `GICD_ITARGETSR`.
    pub(crate) fn set_route<H: Hardware>(&mut self, by: usize, i: usize, route: u8, hw: &mut H) -> Result<(), Retry> {
        let (w, n) = (i >> 5, bit(i));
        if self.word(0, w).route[i] == route {
            return Ok(());
        }
        self.recall(by, 0, w, n, hw)?;
        let word = self.word_mut(0, w);
        word.route[i] = route;
        let physical = word.physical & n != 0;
        let target = self.target(self.word(0, w), i);
        if physical && target < self.count {
            hw.route(intid_at(w, i), target);
        }
        self.announce(0, w, n);
        Ok(())
    }
}

/// The first interrupt of a `GICD_ICFGR` in its word.
const fn half(offset: usize) -> u32 {
    if offset & 4 == 0 { 0 } else { 16 }
}

/// Bit n of the low half to bit 2n + 1.
fn spread(word: u32) -> u32 {
    bits(word & 0xffff).fold(0, |m, n| m | bit(n.wrapping_mul(2).wrapping_add(1)))
}

/// Bit 2n + 1 to bit n.
fn gather(word: u32) -> u32 {
    bits(word & 0xaaaa_aaaa).fold(0, |m, n| m | bit(n >> 1))
}
