//! `GICv2`'s SGIs, which are pending once for each sender.
//!
//! Owns the senders. One vINTID stands in one list register at most here too: an SGI's next sender goes in when the one
//! before is ended, by its maintenance interrupt. Choices: an SPI with several targets goes to the lowest, with none to
//! nobody (1-N model, 3.2.3); in a cell of one vCPU `GICD_ITARGETSR` reads as CPU 0's bit, where 4.3.12 has zero, and
//! ignores writes: both a guest that learns its number there and one that writes back what it read get their interrupts.
//! IHI 0048B 4.3.15 to 4.3.17 (registers), 5.3.1 (`GICH_LR`).
use crate::masked::{bit, bits};
use crate::{Hardware, Inbox, Vgic};

impl Vgic {
    /// `GICD_CPENDSGIR`, `GICD_SPENDSGIR`: the senders of SGI `i`, some of which are cleared or set.
    pub(crate) fn senders<H: Hardware>(&mut self, i: usize, clear: bool, change: u8, hw: &mut H) -> Option<u8> {
        let (by, n) = (self.by, bit(i));
        self.recall(by, n, hw)?;
        let change = if self.direct { 0 } else { change & (self.everyone() & 0xff) as u8 };
        let senders = &mut self.vcpus[by].senders[i];
        *senders = if clear { *senders & !change } else { *senders | change };
        let senders = *senders;
        let own = self.word_mut(by);
        own.latch = own.latch & !n | if senders == 0 { 0 } else { n };
        if change != 0 {
            self.announce(by, n);
        }
        Some(senders)
    }

    /// Takes SGIs out of the inbox: each sender's once. Returns those that have one.
    pub(crate) fn receive(&mut self, sgis: u32, inbox: &Inbox) -> u32 {
        let me = self.me();
        bits(sgis).fold(0, |came, i| {
            me.senders[i] |= inbox.take_senders(i);
            came | if me.senders[i] == 0 { 0 } else { bit(i) }
        })
    }

    /// The sender that SGI `i` goes into a list register with: of an active one it is known, of a pending one the lowest is
    /// taken. Returns its place in the list register, and whether there are others.
    pub(crate) fn next_sender(&mut self, i: usize, pending: bool) -> (u64, bool) {
        let me = self.me();
        if pending {
            let senders = me.senders[i];
            me.sender[i] = (senders.trailing_zeros() & 7) as u8;
            me.senders[i] = senders & senders.wrapping_sub(1);
        }
        (u64::from(me.sender[i]) << 32, me.senders[i] != 0)
    }
}
