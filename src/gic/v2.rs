//! `GICv2`: distributor, CPU interface and virtual interface control as EL2 uses them (IHI 0048 4 and 5).
//!
//! One security state is driven as group 0 with `GICD_CTLR` = `GICC_CTLR` = 1: what QEMU's boards without security
//! extensions and firmware that left everything in group 1 both deliver (`IGROUPR` is written 0 where it can be).
//! Priority drop and deactivation are separate (`EOImodeNS`), as on `GICv3`.
#![expect(non_snake_case, reason = "register names are the manual's")]

use crate::memory::mmio::Mmio;
use address::{PhysAddr, Region};
use tock_registers::interfaces::Writeable;
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};

register_structs! {
    /// The CPU interface.
    pub Interface {
        (0x0000 => pub CTLR: ReadWrite<u32>),
        (0x0004 => pub PMR: ReadWrite<u32>),
        (0x0008 => pub BPR: ReadWrite<u32>),
        (0x000c => pub IAR: ReadOnly<u32>),
        (0x0010 => pub EOIR: WriteOnly<u32>),
        (0x0014 => _more),
        (0x00d0 => pub APR: ReadWrite<u32>),
        (0x00d4 => _even_more),
        (0x1000 => pub DIR: WriteOnly<u32>),
        (0x1004 => @END),
    },
    /// The virtual interface control registers of the reading CPU.
    pub Hypervisor {
        (0x000 => pub HCR: ReadWrite<u32>),
        (0x004 => pub VTR: ReadOnly<u32>),
        (0x008 => pub VMCR: ReadWrite<u32>),
        (0x00c => _reserved0),
        (0x010 => pub MISR: ReadOnly<u32>),
        (0x014 => _reserved1),
        (0x020 => pub EISR: [ReadOnly<u32>; 2]),
        (0x028 => _reserved2),
        (0x030 => pub ELRSR: [ReadOnly<u32>; 2]),
        (0x038 => _reserved3),
        (0x0f0 => pub APR: ReadWrite<u32>),
        (0x0f4 => _reserved4),
        (0x100 => pub LR: [ReadWrite<u32>; 64]),
        (0x200 => @END),
    }
}

/// The frames EL2 drives besides the distributor, which holds each CPU's private lines for that CPU.
#[derive(Clone, Copy)]
pub struct V2 {
    /// CPU interface.
    pub interface: Mmio<Interface>,
    /// Virtual interface control.
    pub hypervisor: Mmio<Hypervisor>,
}

impl V2 {
    /// Maps the frames.
    pub fn new(cpu: Region<PhysAddr>, hypervisor: Region<PhysAddr>) -> Option<Self> {
        // In 128 KiB each of its two pages fills 64: the end of the first and the start of the second are neighbours.
        let offset = if cpu.size() == 128 << 10 { 0xf000 } else { 0 };
        let interface = Mmio::<Interface>::map(cpu).and(Mmio::at(cpu, offset))?;
        Some(Self { interface, hypervisor: Mmio::map(hypervisor)? })
    }

    /// Sets up this CPU's interface.
    pub fn init_cpu(self) {
        self.interface.CTLR.set(0);
        self.interface.PMR.set(0xff);
        self.interface.BPR.set(0);
        self.interface.CTLR.set(1 | 1 << 9); // EnableGrp0; EOImode
    }
}

/// A list register from the form of `ICH_LR<n>_EL2` to that of `GICH_LR<n>` (IHI 0048 5.3.1).
#[inline]
pub fn pack(lr: u64) -> u32 {
    let field = |shift: u32, mask: u64| (lr >> shift & mask & 0xffff_ffff) as u32;
    let (state, hw, group, priority) = (field(62, 3), field(61, 1), field(60, 1), field(51, 0x1f));
    // HW: the physical id; else the EOI bit above the sender of an SGI.
    let physical = if hw == 1 { field(32, 0x3ff) } else { field(41, 1) << 9 | field(32, 7) };
    hw << 31 | group << 30 | state << 28 | priority << 23 | physical << 10 | field(0, 0x3ff)
}

/// The other way.
#[inline]
pub fn unpack(lr: u32) -> u64 {
    let field = |shift: u32, mask: u32| u64::from(lr >> shift & mask);
    let (hw, physical) = (field(31, 1), field(10, 0x3ff));
    let physical = if hw == 1 { physical << 32 } else { (physical >> 9) << 41 | (physical & 7) << 32 };
    field(28, 3) << 62 | hw << 61 | field(30, 1) << 60 | field(23, 0x1f) << 51 | physical | field(0, 0x3ff)
}
