//! `GICv2`'s SGIs, which are pending once for each sender.
//!
//! Owns the senders. One vINTID stands in one list register at most here too: an SGI's next sender goes in when the one
//! before is ended, by its maintenance interrupt. Choices: an SPI with several targets goes to the lowest, with none to
//! nobody (1-N model, 3.2.3); in a cell of one vCPU `GICD_ITARGETSR` reads as CPU 0's bit, where 4.3.12 has zero, and
//! ignores writes: both a guest that learns its number there and one that writes back what it read get their interrupts.
//! IHI 0048B 4.3.15 to 4.3.17 (registers), 5.3.1 (`GICH_LR`).
use crate::masked::{bit, bits};
use crate::state::{Vcpu, number};
use crate::{Hardware, Inbox, Retry, Vgic};

impl Vgic {
    /// All vCPUs as a target list.
    pub(crate) fn everyone(&self) -> u8 {
        (u64::from(bit(self.count).wrapping_sub(1)) & 0xff) as u8
    }

    /// `GICD_CPENDSGIR`, `GICD_SPENDSGIR`: the senders of SGI `i`, some of which are cleared or set.
    pub(crate) fn senders<H: Hardware>(
        &mut self,
        vcpu: usize,
        i: usize,
        clear: bool,
        change: u8,
        hw: &mut H,
    ) -> Result<u8, Retry> {
        self.recall(vcpu, vcpu, 0, bit(i), hw)?;
        let change = if self.direct { 0 } else { change & self.everyone() };
        let me = self.vcpu_mut(vcpu);
        me.senders[i] = if clear { me.senders[i] & !change } else { me.senders[i] | change };
        me.settle_senders(bit(i));
        let senders = me.senders[i];
        if change != 0 {
            self.announce(vcpu, 0, bit(i));
        }
        Ok(senders)
    }

    /// Takes SGIs out of the inbox: each sender's once.
    pub(crate) fn receive(&mut self, vcpu: usize, sgis: u32, inbox: &Inbox) -> u32 {
        let me = self.vcpu_mut(vcpu);
        for i in bits(sgis) {
            me.senders[i] |= inbox.take_senders(i);
        }
        me.settle_senders(sgis);
        me.own.latch & sgis
    }
}

impl Vcpu {
    /// SGIs of `set` are pending while they have senders.
    fn settle_senders(&mut self, set: u32) {
        let pending = bits(set).filter(|i| self.senders[*i] != 0).fold(0, |mask, i| mask | bit(i));
        self.own.latch = self.own.latch & !set | pending;
    }

    /// The sender that SGI `i` goes into a list register with: of an active one it is known, of a pending one the lowest is
    /// taken. Returns its place in the list register.
    pub(crate) fn next_sender(&mut self, i: usize, pending: bool) -> u64 {
        if pending {
            let senders = self.senders[i];
            self.sender[i] = number(senders.trailing_zeros() as usize);
            self.senders[i] = senders & senders.wrapping_sub(1);
            self.settle_senders(bit(i));
        }
        u64::from(self.sender[i]) << 32
    }
}
