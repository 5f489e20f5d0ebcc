//! An emulated PL011: the UART a cell with a virtual console finds at the board's own address.
//!
//! Owns the registers of one UART and the one received byte that waits in front of the cell's input ring; the rings
//! themselves are the caller's. Promises that a byte stored to the data register is always transmitted, whether or not
//! the guest enabled the UART or looked at the flags, that the interrupt level follows from [`Uart`]'s state alone, and
//! that no access has an effect outside it. Accesses come from the data aborts of the cell, bytes go to its output ring.
//!
//! The transmit FIFO drains into the output ring at once, so its interrupt condition is "the ring has room again": see
//! [`Uart::transmit_ready`]. DMA, modem lines, loopback and line errors are not modelled.
//!
//! DDI 0183 (PL011 r1p5) 3.
#![no_std]
#![forbid(unsafe_code)]

/// The bytes of a FIFO, as the peripheral id below (revision 1) tells drivers. An interrupt-driven driver stores up to
/// half of them without a look at the flags.
pub const FIFO_BYTES: usize = 16;

/// The offsets of the registers that are not just held, by their names in DDI 0183 3.2; of those that are, the first.
const UARTDR: u64 = 0x00;
const UARTFR: u64 = 0x18;
const UARTILPR: u64 = 0x20;
const UARTRIS: u64 = 0x3c;
const UARTMIS: u64 = 0x40;
const UARTICR: u64 = 0x44;
const UART_PERIPH_ID0: u64 = 0xfe0;

/// `UARTPeriphID0` to 3 and `UARTPCellID0` to 3: part 0x011, designer 0x41, revision 1 (16-byte FIFOs).
const IDS: [u8; 8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// UARTFR bits.
const BUSY: u32 = 1 << 3;
const RXFE: u32 = 1 << 4;
const TXFF: u32 = 1 << 5;
const TXFE: u32 = 1 << 7;

/// UARTRIS, UARTMIS, UARTIMSC and UARTICR bits: receive, transmit, receive timeout.
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;

/// One emulated UART. Its cell's vCPUs share it, each access on its own.
#[derive(Clone, Debug)]
pub struct Uart {
    /// The byte that UARTDR returns next.
    waiting: Option<u8>,
    /// UARTRIS.TXRIS.
    transmit: bool,
    /// Whether the output ring had room when last told.
    ready: bool,
    /// From UARTILPR on: what the guest wrote.
    held: [u32; HELD.len()],
}

/// The bits that the registers from UARTILPR to UARTDMACR hold; none where something else is read.
const HELD: [u32; 11] = [0xff, 0xffff, 0x3f, 0xff, 0xff87, 0x3f, 0x7ff, 0, 0, 0, 7];
/// What they hold after reset: UARTCR and UARTIFLS.
const RESET: [u32; HELD.len()] = [0, 0, 0, 0, 0x300, 0x12, 0, 0, 0, 0, 0];

/// The place of a register in [`HELD`].
const fn place(offset: u64) -> usize {
    (offset.wrapping_sub(UARTILPR) >> 2) as usize
}

impl Default for Uart {
    /// A UART as it is after reset.
    fn default() -> Self {
        Self { waiting: None, transmit: false, ready: true, held: RESET }
    }
}

impl Uart {
    /// Answers a load of 8, 16 or 32 bits at `offset`; the caller cuts the value to the access's size.
    ///
    /// `room` tells whether the output ring takes another byte, `next` takes the next byte of the input ring.
    pub fn read(&mut self, offset: u64, room: bool, mut next: impl FnMut() -> Option<u8>) -> u32 {
        self.receive(&mut next);
        let value = match offset & !3 {
            UARTDR if offset == UARTDR => {
                let byte = self.waiting.take();
                self.receive(next);
                byte.unwrap_or(0).into()
            }
            UARTFR => {
                let receive = if self.waiting.is_none() { RXFE } else { 0 };
                receive | if room { TXFE } else { TXFF | BUSY }
            }
            UARTRIS => self.raw(),
            UARTMIS => self.raised(),
            id @ UART_PERIPH_ID0..0x1000 => IDS.get((id >> 2 & 7) as usize).map_or(0, |&byte| byte.into()),
            other => self.held.get(place(other)).copied().unwrap_or(0),
        };
        value >> ((offset & 3) << 3)
    }

    /// Takes a store of `value` at `offset`; stores that do not start at a register are ignored. A byte that it returns goes
    /// into the cell's output ring, and then [`Uart::transmit_ready`] is called.
    #[must_use]
    pub fn write(&mut self, offset: u64, value: u32) -> Option<u8> {
        match offset {
            UARTDR => {
                self.transmit = self.ready;
                return value.to_le_bytes().first().copied();
            }
            UARTICR => self.transmit &= value & TX == 0,
            _ if !offset.is_multiple_of(4) => {}
            _ => {
                if let (Some(held), Some(mask)) = (self.held.get_mut(place(offset)), HELD.get(place(offset))) {
                    *held = value & mask;
                }
            }
        }
        None
    }

    /// Looks into the input ring; the caller does so when a byte has come, then asks for [`Uart::interrupt`].
    pub fn receive(&mut self, next: impl FnOnce() -> Option<u8>) {
        if self.waiting.is_none() {
            self.waiting = next();
        }
    }

    /// Tells the UART whether the output ring takes at least [`FIFO_BYTES`] more.
    ///
    /// Called after each byte of [`Uart::write`] and when the ring has been drained; the change to `true` is the FIFO
    /// falling through its trigger level, which raises the transmit interrupt.
    pub fn transmit_ready(&mut self, ready: bool) {
        self.transmit = ready && (self.transmit || !self.ready);
        self.ready = ready;
    }

    /// Tells whether the output ring had no room when last told, so that draining it must be followed by
    /// [`Uart::transmit_ready`].
    #[must_use]
    pub const fn is_throttled(&self) -> bool {
        !self.ready
    }

    /// Returns the level of the UART's interrupt line: UARTMIS is not zero.
    #[must_use]
    pub const fn interrupt(&self) -> bool {
        self.raised() != 0
    }

    /// UARTMIS.
    const fn raised(&self) -> u32 {
        let [.., mask, _, _, _, _] = self.held;
        self.raw() & mask
    }

    /// UARTRIS. Received data holds both receive interrupts up, whatever was cleared, until it is read.
    const fn raw(&self) -> u32 {
        let receive = if self.waiting.is_some() { RX | RT } else { 0 };
        receive | if self.transmit { TX } else { 0 }
    }
}
