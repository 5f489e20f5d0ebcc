//! Arm `PrimeCell` UART (DDI 0183), as firmware set it up: line control and baud rate are left alone.
#![expect(non_snake_case, reason = "register names are the manual's")]

use crate::memory::mmio::Mmio;
use address::{PhysAddr, Region};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! [u32,
    FR [ RXFE 4, TXFF 5 ],
    IMSC [ RXIM 4, TXIM 5, RTIM 6 ],
    CR [ UARTEN 0, TXE 8, RXE 9 ],
];

register_structs! {
    Registers {
        (0x000 => DR: ReadWrite<u32>),
        (0x004 => _status),
        (0x018 => FR: ReadOnly<u32, FR::Register>),
        (0x01c => _baud),
        (0x030 => CR: ReadWrite<u32, CR::Register>),
        (0x034 => _levels),
        (0x038 => IMSC: ReadWrite<u32, IMSC::Register>),
        (0x03c => _raw),
        (0x044 => ICR: WriteOnly<u32>),
        (0x048 => @END),
    }
}

/// The driver.
#[derive(Clone, Copy)]
pub struct Pl011(Mmio<Registers>);

impl Pl011 {
    /// Maps the registers and enables both directions.
    pub fn new(region: Region<PhysAddr>) -> Option<Self> {
        let registers: Mmio<Registers> = Mmio::map(region)?;
        registers.IMSC.set(0);
        registers.ICR.set(0x7ff);
        registers.CR.write(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
        Some(Self(registers))
    }

    pub(super) fn send(self, byte: u8) -> bool {
        let room = !self.0.FR.is_set(FR::TXFF);
        if room {
            self.0.DR.set(u32::from(byte));
        }
        room
    }

    pub(super) fn receive(self) -> Option<u8> {
        (!self.0.FR.is_set(FR::RXFE)).then(|| (self.0.DR.get() & 0xff) as u8)
    }

    pub(super) fn listen(self, sending: bool) {
        let sending = if sending { IMSC::TXIM::SET } else { IMSC::TXIM::CLEAR };
        self.0.IMSC.write(IMSC::RXIM::SET + IMSC::RTIM::SET + sending);
    }
}
