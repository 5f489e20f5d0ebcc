//! The registers of both versions: which word, byte or constant a guest's access means.
//!
//! Owns the decode. What is reserved, absent, or of a wrong size or alignment reads as zero and ignores writes: of what
//! IHI 0069H 12.1.3 allows, that which stops no guest. `GICv3` has affinity routing and one security state (4.8, DS = 1):
//! the distributor holds the SPIs, a redistributor's second frame the private interrupts. `GICv2` has no security
//! extensions, all interrupts are in group 0 (`GICD_IGROUPR` RAZ/WI), and word 0 is the accessing vCPU's.
//! IHI 0048B 4.3, IHI 0069H 12.8 to 12.11.
use crate::masked::bit;
use crate::state::index;
use crate::{Hardware, Kicks, VCPUS, Vgic};

/// `GICD_SGIR` of `GICv2`: for [`crate::sgir`], without the lock.
pub const SGIR: u64 = 0xf00;
/// `GICD_IIDR`, `GICR_IIDR`: JEP106 code of Arm, a product of our own.
const IIDR: u64 = 0x4300_043b;
/// The identification block that ends a frame, from `PIDR4` on: Arm's, `ArchRev` 3 (`GICv2`: 2), component class 0xf.
const ID: [u8; 12] = [0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1];
const ID_V2: [u8; 12] = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1];
/// `GICD_CTLR`: DS and ARE.
const ONE_SECURITY_STATE: u32 = 1 << 6 | 1 << 4;
/// `GICD_TYPER`: `No1N`, `IDbits` = 10 bits.
const TYPER: u64 = 1 << 25 | 9 << 19;
const SGI_FRAME: usize = 0x1_0000;
/// What `GICD_IROUTER` holds of an affinity that no vCPU can have.
const NOWHERE: u32 = 0xff;

/// A guest's access.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// To the redistributors (`GICv3`), which stand one behind the other as their vCPUs do; else to the distributor.
    pub redistributors: bool,
    /// Where in these frames.
    pub offset: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u32,
    /// What is stored; nothing is a load.
    pub write: Option<u64>,
}

impl Vgic {
    /// A guest's access by `vcpu`. Returns what a load gets; nothing: send the kicks without the lock and call again.
    pub fn access<H: Hardware>(&mut self, vcpu: usize, access: &Access, hw: &mut H) -> (Option<u64>, Kicks) {
        self.by = vcpu;
        let offset = (access.offset & 0xffff_ffff) as usize;
        let (frame, inside) = (offset >> 17, offset & 0x1_ffff);
        let value = match inside {
            _ if !access.redistributors => self.distributor(offset, access, hw),
            _ if frame >= self.count => Some(0),
            SGI_FRAME.. => self.fields(frame, inside & 0xffff, access, hw),
            _ => Some(self.redistributor(frame, inside, access)),
        };
        if value.is_none() {
            return (None, self.kicks());
        }
        self.thaw();
        (value, self.finish(hw))
    }

    fn distributor<H: Hardware>(&mut self, offset: usize, access: &Access, hw: &mut H) -> Option<u64> {
        let (v3, Access { size, write, .. }) = (!self.v2, *access);
        Some(match offset {
            0x6100..0x7fe0 if v3 && size >= 4 && offset.is_multiple_of(8) => {
                self.router(offset.wrapping_sub(0x6000) >> 3, write, hw)?.into()
            }
            _ if size != 4 => self.fields(self.by, offset, access, hw)?,
            0x0 => {
                if let Some(value) = write {
                    self.set_groups(word(value) & if v3 { 3 } else { 1 }, hw)?;
                }
                let fixed = if v3 { ONE_SECURITY_STATE } else { 0 };
                (fixed | self.groups[0] & 1 | self.groups[1] & 2).into()
            }
            0x4 => {
                let (cpus, words) = (self.count as u64, self.words.len() as u64);
                words.wrapping_sub(VCPUS as u64) | if v3 { TYPER } else { cpus.wrapping_sub(1) << 5 }
            }
            0x8 => IIDR,
            0xffd0..0x1_0000 if v3 => id(&ID, offset),
            0xfd0..0x1000 if !v3 => id(&ID_V2, offset),
            _ => self.fields(self.by, offset, access, hw)?,
        })
    }

    fn redistributor(&mut self, frame: usize, offset: usize, access: &Access) -> u64 {
        let typer = (frame as u64) << 32 | (frame as u64) << 8 | u64::from(frame.wrapping_add(1) == self.count) << 4;
        match offset {
            0x8 if access.size == 8 => typer,
            _ if access.size != 4 => 0,
            0x4 => IIDR,
            0x8 => typer & 0xffff_ffff,
            0xc => typer >> 32,
            0x14 => {
                // Nothing sleeps: interrupts are forwarded whatever it says, as QEMU's model does.
                if let Some(value) = access.write {
                    self.asleep = self.asleep & !bit(frame) | if value & 0b10 == 0 { 0 } else { bit(frame) };
                }
                u64::from(self.asleep & bit(frame) != 0).wrapping_mul(0b110)
            }
            0xffd0..0x1_0000 => id(&ID, offset),
            _ => 0,
        }
    }

    /// The registers with one or two bits or a byte for each interrupt, in the layout that all frames share. With `GICv3` a
    /// redistributor's has the private ones only, the distributor's the others.
    fn fields<H: Hardware>(&mut self, frame: usize, offset: usize, access: &Access, hw: &mut H) -> Option<u64> {
        let (v2, Access { size, write, .. }) = (self.v2, *access);
        let i = match offset {
            0x80..0x100 if v2 => return Some(0),
            0x80..0x400 if size == 4 => offset << 3,
            0xc00..0xd00 if size == 4 => offset << 2,
            0x400..0x800 => offset,
            0x800..0xc00 if v2 => offset,
            0xf10..0xf30 if v2 => 0,
            _ => return Some(0),
        };
        let private = i & 0x3e0 == 0;
        if !v2 && private != access.redistributors || size != 1 && (size != 4 || !offset.is_multiple_of(4)) {
            return Some(0);
        }
        if (0x400..0xc00).contains(&offset) || offset >= 0xf00 {
            let mut value = 0;
            for n in 0..size {
                let new = write.map(|value| (value.wrapping_shr(n.wrapping_mul(8)) & 0xff) as u8);
                let byte = self.byte(frame, offset.wrapping_add(n as usize), new, hw)?;
                value |= u64::from(byte).wrapping_shl(n.wrapping_mul(8));
            }
            return Some(value);
        }
        let at = index(frame, i & 0x3e0);
        if let Some(value) = write {
            self.write_word(at, offset, word(value), hw)?;
        }
        // What a write of a group or an enable leaves is told too.
        if write.is_some() && offset >= 0x200 { Some(0) } else { self.read_word(at, offset, hw).map(u64::from) }
    }

    fn router<H: Hardware>(&mut self, i: usize, write: Option<u64>, hw: &mut H) -> Option<u32> {
        let at = index(0, i);
        if self.word(at).exists & bit(i) == 0 {
            return Some(0);
        }
        if let Some(value) = write {
            // Aff2 to Aff0; there is no Aff3, and no IRM (`No1N`).
            self.set_route(i, if value & 0xff_fff8 == 0 { 1 << (value & 7) } else { 0 }, hw)?;
        }
        let to = self.word(at).route[i].trailing_zeros();
        Some(if to < 8 { to } else { NOWHERE })
    }
}

const fn word(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

fn id(block: &[u8; 12], offset: usize) -> u64 {
    let byte = (offset & 0x3f).checked_sub(0x10).and_then(|at| block.get(at >> 2));
    if offset.is_multiple_of(4) { byte.copied().unwrap_or(0).into() } else { 0 }
}
