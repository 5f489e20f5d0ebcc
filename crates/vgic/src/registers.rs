//! What the registers of both versions have in common: the distributor's entry points, words and bytes of interrupts.
//!
//! Owns the decode of the fields that `GICv2`'s distributor, `GICv3`'s distributor and its SGI frames share. What is reserved,
//! absent, or of a wrong size or alignment reads as zero and ignores writes. IHI 0048B 4.3, IHI 0069H 12.8, 12.9 and 12.11.
use crate::masked::{bit, bits};
use crate::state::Ask;
use crate::{Hardware, Kicks, Retry, Version, Vgic};

/// `GICD_IIDR`, `GICR_IIDR`: JEP106 code of Arm, a product of our own.
pub(crate) const IIDR: u32 = 0x4300_043b;

impl Vgic {
    /// A guest's read of the distributor: `size` in bytes (1, 2, 4, 8). What is reserved, absent or of a wrong size reads 0.
    ///
    /// # Errors
    /// [`Retry`]: send the kicks without the lock and call again.
    #[inline]
    pub fn distributor_read<H: Hardware>(
        &mut self,
        vcpu: usize,
        offset: u64,
        size: u32,
        hw: &mut H,
    ) -> Result<u64, Retry> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.version {
            Version::V3 => self.distributor_read_v3(vcpu, offset, size, hw),
            Version::V2 => self.distributor_read_v2(vcpu, offset, size, hw).map(u64::from),
        }
    }

    /// A guest's write of the distributor. What is reserved, absent or of a wrong size is ignored.
    ///
    /// # Errors
    /// [`Retry`]: send the kicks without the lock and call again.
    #[inline]
    pub fn distributor_write<H: Hardware>(
        &mut self,
        vcpu: usize,
        offset: u64,
        size: u32,
        value: u64,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let kicks = match self.version {
            Version::V3 => self.distributor_write_v3(vcpu, offset, size, value, hw)?,
            Version::V2 => self.distributor_write_v2(vcpu, offset, size, (value & 0xffff_ffff) as u32, hw)?,
        };
        Ok(self.finish(vcpu, kicks, hw))
    }

    /// Reads one of the registers with a bit or two an interrupt, at its GICD offset.
    #[inline]
    pub(crate) fn word_read<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        offset: usize,
        hw: &mut H,
    ) -> Result<u32, Retry> {
        let w = word_of(offset);
        let exists = self.existing(w);
        if offset & 3 != 0 || exists == 0 {
            return Ok(0);
        }
        let bank = self.bank(frame, w);
        Ok(exists
            & match offset >> 7 {
                1 => bank.group,
                2 | 3 => bank.enabled,
                4 | 5 => {
                    let (pending, _) = self.look(by, frame, w, hw)?;
                    pending
                }
                6 | 7 => {
                    let (_, active) = self.look(by, frame, w, hw)?;
                    active
                }
                _ => return Ok(spread(bank.edge >> half(offset))),
            })
    }

    #[inline]
    pub(crate) fn word_write<H: Hardware>(
        &mut self,
        by: usize,
        frame: usize,
        offset: usize,
        value: u32,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        let w = word_of(offset);
        let set = value & self.existing(w);
        if offset & 3 != 0 {
            return Ok(Kicks(0));
        }
        Ok(match offset >> 7 {
            1 => self.regroup(frame, w, set),
            2 => self.enable(frame, w, set, hw),
            3 => self.disable(frame, w, set, hw),
            4 => self.set_pending(by, frame, w, set, hw)?,
            5 => self.change(by, Ask::ClearPending, frame, w, set, hw)?,
            6 => self.change(by, Ask::SetActive, frame, w, set, hw)?,
            7 => self.change(by, Ask::ClearActive, frame, w, set, hw)?,
            _ => {
                // Shadow only; the SGIs' half is read-only.
                let mask = if (w, half(offset)) == (0, 0) { 0 } else { 0xffff << half(offset) } & self.existing(w);
                let bank = self.bank_mut(frame, w);
                bank.edge = bank.edge & !mask | gather(value) << half(offset) & mask;
                Kicks(0)
            }
        })
    }

    #[inline]
    pub(crate) fn priorities_read(&self, frame: usize, offset: usize, size: u32) -> u32 {
        from_bytes(offset, size, |at| self.priority_of(frame, at & 0x3ff))
    }

    pub(crate) fn priorities_write(&mut self, frame: usize, offset: usize, size: u32, value: u32) -> Kicks {
        if size == 4 && offset & 3 != 0 {
            return Kicks(0);
        }
        let bytes = value.to_le_bytes();
        let intids = (offset & 0x3ff..).zip(bytes.iter().take(size as usize));
        Kicks(intids.fold(0, |kicks, (intid, byte)| kicks | self.set_priority(frame, intid, *byte).0))
    }
}

/// The word of 32 interrupts that a register is about: one bit each below 0x400, two bits each in `GICD_ICFGR`.
#[inline]
pub(crate) const fn word_of(offset: usize) -> usize {
    if offset < 0xc00 { offset >> 2 & 31 } else { offset >> 3 & 31 }
}

/// The first interrupt of a `GICD_ICFGR` in its word.
#[inline]
const fn half(offset: usize) -> u32 {
    if offset & 4 == 0 { 0 } else { 16 }
}

/// Reads the register bytes from `offset`; a word must be aligned.
#[inline]
pub(crate) fn from_bytes(offset: usize, size: u32, byte: impl Fn(usize) -> u8) -> u32 {
    if size == 4 && offset & 3 != 0 {
        return 0;
    }
    (0..size).rev().fold(0, |value, n| value << 8 | u32::from(byte(offset.wrapping_add(n as usize))))
}

/// Bit n of the low half to bit 2n + 1.
fn spread(word: u32) -> u32 {
    bits(word & 0xffff).fold(0, |m, n| m | bit(n.wrapping_mul(2).wrapping_add(1)))
}

/// Bit 2n + 1 to bit n.
fn gather(word: u32) -> u32 {
    bits(word & 0xaaaa_aaaa).fold(0, |m, n| m | bit(n >> 1))
}
