//! The board's UART, as EL2 owns it: one driver, and a row of data for each kind.
//!
//! Line control and baud rate stay as firmware left them. A kind is a data register, a status register, and what to
//! write to begin and to listen. PL011: DDI 0183 3.3. Mini-UART: BCM2711 peripherals, 2.2, with Linux's correction that
//! bits 0 and 1 of its IER are a 16550's. Cadence: UG1085 chapter 21, UG1087 (module UART).

use crate::memory::mmio::Mmio;
use address::{PhysAddr, Region};
use board::UARTS;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::ReadWrite;

type Register = Mmio<ReadWrite<u32>>;

/// A UART in numbers; offsets are bytes.
struct Kind {
    data: u64,
    status: u64,
    /// Under this mask the status has this value: there is room for a byte to send; a byte was received.
    room: (u32, u32),
    received: (u32, u32),
    /// Register and value: interrupts off, both directions on.
    begin: &'static [(u64, u32)],
    /// Interrupt for received bytes: register, value, and what else is set to hear of room to send.
    listen: &'static [(u64, u32, u32)],
}

/// IMSC, ICR, CR; IMSC's RXIM, RTIM and TXIM.
const PL011: Kind = Kind {
    data: 0,
    status: 0x18,
    room: (1 << 5, 0),
    received: (1 << 4, 0),
    begin: &[(0x38, 0), (0x44, 0x7ff), (0x30, 0x301)],
    listen: &[(0x38, 1 << 4 | 1 << 6, 1 << 5)],
};

/// IO, IER, LSR, CNTL of its half of the auxiliary block; a received byte's interrupt needs IER bit 2 too.
const MINI: Kind = Kind {
    data: 0,
    status: 0x14,
    room: (1 << 5, 1 << 5),
    received: (1, 1),
    begin: &[(0x04, 0), (0x20, 3)],
    listen: &[(0x04, 5, 2)],
};

/// IDR, ISR, trigger level, CR; to listen: IDR, ISR (sticky), IER's trigger and time-out, and its "transmitter empty".
const CADENCE: Kind = Kind {
    data: 0x30,
    status: 0x2c,
    room: (1 << 4, 0),
    received: (1 << 1, 0),
    begin: &[(0x0c, 0x1fff), (0x14, 0x1fff), (0x20, 1), (0x00, 1 << 4 | 1 << 2)],
    listen: &[(0x0c, 1 << 3, 0), (0x14, 0x1fff, 0), (0x08, 1 << 8 | 1, 1 << 3)],
};

/// In the order of [`UARTS`].
static KINDS: [&Kind; UARTS.len()] = [&PL011, &MINI, &CADENCE, &CADENCE];

/// Turns to wait for room: at 115200 baud a byte leaves in 87 µs.
const PATIENCE: usize = 1 << 20;

/// A UART EL2 can drive, chosen by `compatible`.
pub struct Uart {
    kind: &'static Kind,
    region: Region<PhysAddr>,
    data: Register,
    status: Register,
}

impl Uart {
    /// Finds the kind of `device`, maps its registers and begins.
    pub fn probe((kind, region): board::Uart) -> Option<Self> {
        let kind = *KINDS.get(kind)?;
        let status = Mmio::<ReadWrite<u32>>::map(region).and(Mmio::at(region, kind.status))?;
        let uart = Self { kind, region, data: Mmio::at(region, kind.data)?, status };
        kind.begin.iter().for_each(|&(offset, value)| uart.set(offset, value));
        Some(uart)
    }

    fn set(&self, offset: u64, value: u32) {
        if let Some(register) = Mmio::<ReadWrite<u32>>::at(self.region, offset) {
            register.set(value);
        }
    }

    fn is(&self, (mask, value): (u32, u32)) -> bool {
        self.status.get() & mask == value
    }

    /// Sends all of `bytes`, and waits for room as long as there may be some soon.
    pub fn write(&self, bytes: &[u8]) {
        for &byte in bytes {
            for _ in 0..PATIENCE {
                if self.send(byte) {
                    break;
                }
            }
        }
    }

    /// Sends `byte` if there is room.
    #[inline(always)]
    pub fn send(&self, byte: u8) -> bool {
        let room = self.is(self.kind.room);
        if room {
            self.data.set(u32::from(byte));
        }
        room
    }

    /// Takes a received byte.
    pub fn receive(&self) -> Option<u8> {
        self.is(self.kind.received).then(|| (self.data.get() & 0xff) as u8)
    }

    /// Turns on the interrupt for received bytes and, where `sending`, for room to send.
    pub fn listen(&self, sending: bool) {
        for &(offset, value, more) in self.kind.listen {
            self.set(offset, if sending { value | more } else { value });
        }
    }
}
