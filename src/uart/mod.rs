//! The board's UART, as EL2 owns it.

mod pl011;

use address::{PhysAddr, Region};
use board::Device;
use pl011::Pl011;

/// A UART EL2 can drive: a closed set, chosen by `compatible`.
#[derive(Clone, Copy)]
pub enum Uart {
    /// Arm `PrimeCell` UART.
    Pl011(Pl011),
}

impl Uart {
    /// Finds the driver for `device` and maps its registers.
    pub fn probe(device: &Device) -> Option<Self> {
        let region: Region<PhysAddr> = *device.regions.first()?;
        match device.compatible {
            "arm,pl011" => Some(Self::Pl011(Pl011::new(region)?)),
            _ => None,
        }
    }

    /// Sends `byte` if there is room.
    pub fn send(self, byte: u8) -> bool {
        match self {
            Self::Pl011(uart) => uart.send(byte),
        }
    }

    /// Takes a received byte.
    pub fn receive(self) -> Option<u8> {
        match self {
            Self::Pl011(uart) => uart.receive(),
        }
    }

    /// Turns on the interrupt for received bytes and, where `sending`, for room to send.
    pub fn listen(self, sending: bool) {
        match self {
            Self::Pl011(uart) => uart.listen(sending),
        }
    }
}
