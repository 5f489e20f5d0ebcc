//! GICv3's registers: the distributor's 64 KiB frame and the redistributors' RD and SGI frames, one security state.
//!
//! Owns the decode only. What is reserved, absent, or of a wrong size or alignment reads as zero and ignores writes: of what
//! IHI 0069H 12.1.3 allows, that which stops no guest. IHI 0069H 12.8, 12.9 to 12.11 (registers), 4.8 (DS = 1).
use crate::masked::bit;
use crate::registers::{IIDR, word_of};
use crate::state::NOBODY;
use crate::{Hardware, Kicks, Retry, Vgic};

/// `GICD_PIDR2`, `GICR_PIDR2`: `ArchRev` 3.
const PIDR2: u32 = 0x3b;
/// `GICD_CTLR`: DS and ARE.
const ONE_SECURITY_STATE: u32 = 1 << 6 | 1 << 4;
/// `GICD_TYPER`: `No1N`, `IDbits` = 10 bits.
const TYPER: u32 = 1 << 25 | 9 << 19;
const SGI_FRAME: usize = 0x1_0000;

impl Vgic {
    #[inline]
    pub(crate) fn distributor_read_v3<H: Hardware>(
        &mut self,
        vcpu: usize,
        offset: usize,
        size: u32,
        hw: &mut H,
    ) -> Result<u64, Retry> {
        let value = match (offset, size) {
            (0x0000, 4) => {
                u32::from(self.settling != 0) << 31 | ONE_SECURITY_STATE | self.groups[0] & 1 | self.groups[1] & 2
            }
            (0x0004, 4) => TYPER | u32::try_from(self.words.wrapping_sub(1)).unwrap_or_default(),
            (0x0008, 4) => IIDR,
            (0x0080..0x0400 | 0x0c00..0x0d00, 4) if word_of(offset) != 0 => self.word_read(vcpu, vcpu, offset, hw)?,
            (0x0420..0x0800, 1 | 4) => self.priorities_read(vcpu, offset, size),
            (0x6100..0x7fe0, _) => return Ok(self.router_read(offset, size)),
            (0xffe8, 4) => PIDR2,
            _ => 0,
        };
        Ok(value.into())
    }

    #[inline]
    pub(crate) fn distributor_write_v3<H: Hardware>(
        &mut self,
        vcpu: usize,
        offset: usize,
        size: u32,
        value: u64,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        let word = (value & 0xffff_ffff) as u32;
        Ok(match (offset, size) {
            (0x0000, 4) => self.set_groups(word),
            (0x0080..0x0400 | 0x0c00..0x0d00, 4) if word_of(offset) != 0 => {
                self.word_write(vcpu, vcpu, offset, word, hw)?
            }
            (0x0420..0x0800, 1 | 4) => self.priorities_write(vcpu, offset, size, word),
            (0x6100..0x7fe0, 4 | 8) if offset.is_multiple_of(8) => {
                let outside = value & 0x00ff_ff00 != 0;
                let target = if outside { NOBODY } else { (value & 0xff) as u8 };
                self.route(offset.wrapping_sub(0x6000) >> 3, target, hw)
            }
            _ => Kicks(0),
        })
    }

    /// A guest's read by `vcpu` in the redistributor (RD and SGI frame, offset 0 to 0x1ffff) of vCPU `frame`.
    ///
    /// # Errors
    /// [`Retry`]: send the kicks without the lock and call again.
    #[inline]
    pub fn redistributor_read<H: Hardware>(
        &mut self,
        vcpu: usize,
        frame: usize,
        offset: u64,
        size: u32,
        hw: &mut H,
    ) -> Result<u64, Retry> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if frame >= self.count {
            return Ok(0);
        }
        if let Some(offset @ 0x80..) = offset.checked_sub(SGI_FRAME) {
            return Ok(u64::from(match (offset, size) {
                (0x0080..0x0400 | 0x0c00..0x0c08, 4) if word_of(offset) == 0 => {
                    self.word_read(vcpu, frame, offset, hw)?
                }
                (0x0400..0x0420, 1 | 4) => self.priorities_read(frame, offset, size),
                _ => 0,
            }));
        }
        let typer = (frame as u64) << 32 | (frame as u64) << 8 | u64::from(frame.wrapping_add(1) == self.count) << 4;
        Ok(match (offset, size) {
            (0x0000, 4) => u64::from(self.settling & bit(frame) != 0) << 3,
            (0x0004, 4) => IIDR.into(),
            (0x0008, 8) => typer,
            (0x0008, 4) => typer & 0xffff_ffff,
            (0x000c, 4) => typer >> 32,
            (0x0014, 4) => u64::from(self.asleep & bit(frame) != 0).wrapping_mul(0b110),
            (0xffe8, 4) => PIDR2.into(),
            _ => 0,
        })
    }

    /// A guest's write by `vcpu` in the redistributor of vCPU `frame`.
    ///
    /// # Errors
    /// [`Retry`]: send the kicks without the lock and call again.
    #[inline]
    pub fn redistributor_write<H: Hardware>(
        &mut self,
        vcpu: usize,
        frame: usize,
        offset: u64,
        size: u32,
        value: u64,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let word = (value & 0xffff_ffff) as u32;
        if frame >= self.count {
            return Ok(Kicks(0));
        }
        let kicks = match (offset.wrapping_sub(SGI_FRAME), size) {
            _ if offset == 0x14 && size == 4 => {
                // Nothing sleeps: interrupts are forwarded whatever it says, as QEMU's model does.
                self.asleep = self.asleep & !bit(frame) | if word & 0b10 != 0 { bit(frame) } else { 0 };
                return Ok(Kicks(0));
            }
            (reg @ (0x0080..0x0400 | 0x0c00..0x0c08), 4) if word_of(reg) == 0 => {
                self.word_write(vcpu, frame, reg, word, hw)?
            }
            (reg @ 0x0400..0x0420, 1 | 4) => self.priorities_write(frame, reg, size, word),
            _ => return Ok(Kicks(0)),
        };
        Ok(self.finish(vcpu, kicks, hw))
    }

    fn router_read(&self, offset: usize, size: u32) -> u64 {
        let intid = offset.wrapping_sub(0x6000) >> 3;
        let exists = self.existing(intid >> 5) & bit(intid) != 0;
        if exists && offset.is_multiple_of(8) && (size == 4 || size == 8) { self.target[intid].into() } else { 0 }
    }
}
