//! The CPU interface by the names both versions share: GICC_* (IHI 0048B 4.4) or ICC_*_EL1 (IHI 0069H 12.2), group 1 on
//! GICv3, group 0 on GICv2.

use kit::cpu::{low32, read32, write32};
use kit::{gic, read_sysreg, write_sysreg};

macro_rules! register {
    ($get:ident $set:ident $offset:literal $name:literal) => {
        /// Reads it.
        pub fn $get() -> u32 {
            if gic::is_v2() { load($offset) } else { low32(read_sysreg!($name)) }
        }
        /// Writes it.
        pub fn $set(value: u32) {
            if gic::is_v2() { store($offset, value) } else { write_sysreg!($name, u64::from(value)) }
        }
    };
    ($get:ident $offset:literal $name:literal) => {
        /// Reads it.
        pub fn $get() -> u32 {
            if gic::is_v2() { load($offset) } else { low32(read_sysreg!($name)) }
        }
    };
}

fn load(offset: usize) -> u32 {
    // SAFETY: a register of the interface that the tree names.
    unsafe { read32(gic::cpu_interface() + offset) }
}

fn store(offset: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write32(gic::cpu_interface() + offset, value) }
}

register!(mask set_mask 0x04 "icc_pmr_el1");
register!(running 0x14 "icc_rpr_el1");
register!(highest 0x18 "icc_hppir1_el1");
register!(acknowledge 0x0c "icc_iar1_el1");

/// Sets the binary point.
pub fn set_binary_point(value: u32) {
    if gic::is_v2() { store(0x08, value) } else { write_sysreg!("icc_bpr1_el1", u64::from(value)) }
}

/// Drops the priority; with `EOImode` 0 ends it too.
pub fn end(value: u32) {
    if gic::is_v2() { store(0x10, value) } else { write_sysreg!("icc_eoir1_el1", u64::from(value)) }
}

/// Ends it, with `EOImode` 1.
pub fn deactivate(value: u32) {
    if gic::is_v2() { store(0x1000, value) } else { write_sysreg!("icc_dir_el1", u64::from(value)) }
}

/// Enables signalling, with `EOImode` 1 if `split`.
pub fn enable(on: bool, split: bool) {
    if gic::is_v2() {
        store(0, u32::from(on) | u32::from(split) << 9);
    } else {
        write_sysreg!("icc_ctlr_el1", u64::from(split) << 1);
        write_sysreg!("icc_igrpen1_el1", u64::from(on));
    }
}
