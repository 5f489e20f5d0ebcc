//! `GICv2`'s distributor as one cell sees it, and SGIs that are pending once for each sender.
//!
//! Owns the decode and the senders. No security extensions: all interrupts are in group 0 (`GICD_IGROUPR` RAZ/WI), which a
//! virtual CPU interface with `FIQEn` = 0 signals as IRQ. SGIs are always enabled, as in GIC-400. One vINTID stands in one
//! list register at most here too: an SGI's next sender goes in when the one before is ended, by its maintenance interrupt.
//! Choices: an SPI with several targets goes to the lowest, with none to nobody (1-N model, 3.2.3); in a cell of one vCPU
//! `GICD_ITARGETSR` reads as CPU 0's bit, where 4.3.12 has zero, and ignores writes: both a guest that learns its number
//! there and one that writes back what it read get their interrupts. IHI 0048B 4.3 (registers), 5.3.1 (`GICH_LR`).
use crate::masked::{bit, bits};
use crate::registers::{IIDR, from_bytes};
use crate::state::{NOBODY, SGIS};
use crate::{Hardware, Inbox, Kicks, Retry, Version, Vgic};

/// `ICPIDR2`: `ArchRev` 2.
const ICPIDR2: u32 = 0x2b;
/// `GICD_SGIR`: for [`crate::sgir`], without the lock.
pub const SGIR: u64 = 0xf00;

impl Vgic {
    #[inline]
    pub(crate) fn distributor_read_v2<H: Hardware>(
        &mut self,
        vcpu: usize,
        offset: usize,
        size: u32,
        hw: &mut H,
    ) -> Result<u32, Retry> {
        Ok(match (offset, size) {
            (0x000, 4) => self.groups[0] & 1,
            (0x004, 4) => {
                let last = |n: usize| (n.wrapping_sub(1) as u64 & 0x1f) as u32;
                last(self.count) << 5 | last(self.words)
            }
            (0x008, 4) => IIDR,
            (0x100..0x400 | 0xc00..0xd00, 4) => self.word_read(vcpu, vcpu, offset, hw)?,
            (0x400..0x800, 1 | 4) => self.priorities_read(vcpu, offset, size),
            (0x800..0xc00, 1 | 4) => from_bytes(offset, size, |at| self.targets_of(vcpu, at & 0x3ff)),
            (0xf10..0xf30, 1 | 4) => from_bytes(offset, size, |at| self.senders_of(vcpu, at & 0xf, hw)),
            (0xfe8, 4) => ICPIDR2,
            _ => 0,
        })
    }

    #[inline]
    pub(crate) fn distributor_write_v2<H: Hardware>(
        &mut self,
        vcpu: usize,
        offset: usize,
        size: u32,
        value: u32,
        hw: &mut H,
    ) -> Result<Kicks, Retry> {
        // GICD_ICENABLER0, GICD_ISPENDR0 and GICD_ICPENDR0 are read-only for SGIs.
        let value = if matches!(offset, 0x180 | 0x200 | 0x280) { value & !SGIS } else { value };
        let aligned = size == 1 || offset.is_multiple_of(4);
        let bytes = value.to_le_bytes();
        let each = (offset..offset.wrapping_add(8)).zip(bytes.into_iter().take(size as usize));
        Ok(match (offset, size) {
            (0x000, 4) => self.set_groups(value & 1),
            (0x100..0x400 | 0xc00..0xd00, 4) => self.word_write(vcpu, vcpu, offset, value, hw)?,
            (0x400..0x800, 1 | 4) => self.priorities_write(vcpu, offset, size, value),
            (0x800..0xc00, 1 | 4) if aligned => {
                Kicks(each.fold(0, |kicks, (at, mask)| kicks | self.set_targets(at & 0x3ff, mask, hw).0))
            }
            (0xf10..0xf30, 1 | 4) if aligned && value != 0 => {
                let kicks = self.go_home(vcpu, hw);
                for (at, senders) in each {
                    self.set_senders(vcpu, at & 0xf, senders, offset >= 0xf20);
                }
                kicks
            }
            _ => Kicks(0),
        })
    }

    /// All vCPUs as a target list.
    #[inline]
    fn everyone(&self) -> u8 {
        (u64::from(bit(self.count).wrapping_sub(1)) & 0xff) as u8
    }

    /// Who gets SPIs that no target was written for.
    pub(crate) fn first_target(&self) -> u8 {
        if self.version == Version::V2 && self.count > 1 { NOBODY } else { 0 }
    }

    fn targets_of(&self, vcpu: usize, intid: usize) -> u8 {
        match intid {
            0..32 => self.everyone() & (u64::from(bit(vcpu)) & 0xff) as u8,
            _ if self.existing(intid >> 5) & bit(intid) == 0 => 0,
            _ if self.count == 1 => 1,
            _ => self.masks[intid],
        }
    }

    fn set_targets<H: Hardware>(&mut self, intid: usize, mask: u8, hw: &mut H) -> Kicks {
        if self.count == 1 || intid < 32 || self.existing(intid >> 5) & bit(intid) == 0 {
            return Kicks(0);
        }
        let mask = mask & self.everyone();
        self.masks[intid] = mask;
        let target = if mask == 0 { NOBODY } else { (u64::from(mask.trailing_zeros()) & 7) as u8 };
        self.route(intid, target, hw)
    }

    /// The vCPUs from which SGI `i` is pending, the one in a list register included.
    fn senders_of<H: Hardware>(&self, vcpu: usize, i: usize, hw: &H) -> u8 {
        let me = &self.vcpus[vcpu];
        let listed = bits(me.used).filter(|slot| usize::from(me.slots[*slot]) == i).map(|slot| hw.read_lr(slot));
        listed.filter(|lr| lr.is_pending()).fold(me.senders[i], |senders, lr| senders | lr.sender_bit())
    }

    /// Sets or clears senders; the list registers are folded.
    fn set_senders(&mut self, vcpu: usize, i: usize, senders: u8, on: bool) {
        let (senders, me) = (senders & self.everyone(), &mut self.vcpus[vcpu]);
        me.senders[i] = if on { me.senders[i] | senders } else { me.senders[i] & !senders };
        me.settle_senders(bit(i));
    }

    /// Takes SGIs out of the inbox: each sender's once.
    pub(crate) fn receive(&mut self, vcpu: usize, sgis: u32, inbox: &Inbox) {
        let me = &mut self.vcpus[vcpu];
        for i in bits(sgis & SGIS) {
            me.senders[i] |= inbox.take_senders(i);
        }
        me.settle_senders(sgis & SGIS);
        // One from the same sender merges as it is folded; another one makes the list register tell its end.
        me.review |= me.bank.latch & me.bank.resident & sgis & SGIS != 0;
    }
}

impl crate::state::Vcpu {
    /// SGIs of `set` are pending while they have senders.
    fn settle_senders(&mut self, set: u32) {
        let pending = bits(set).filter(|i| self.senders[*i] != 0).fold(0, |mask, i| mask | bit(i));
        self.bank.latch = self.bank.latch & !set | pending;
    }

    /// The sender that SGI `i` goes into a list register with: of an active one it is known, of a pending one the lowest is
    /// taken. Returns its place in the list register.
    pub(crate) fn next_sender(&mut self, i: usize, pending: bool) -> u64 {
        if pending {
            let senders = self.senders[i];
            self.sender[i] = (u64::from(senders.trailing_zeros()) & 7) as u8;
            self.senders[i] = senders & senders.wrapping_sub(1);
            self.settle_senders(bit(i));
        }
        u64::from(self.sender[i]) << 32
    }
}
