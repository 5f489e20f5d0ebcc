//! Emulated devices: the cell's GIC frames and its UART, by address.

use super::{Frame, NOT_DONE};
use crate::cell::{Cell, Seat};
use crate::console;
use crate::el2::barrier::hold;
use crate::el2::timer;
use crate::gic::Gic;
use crate::trap::{irq, register};
use aarch64_cpu::registers as arch;
use address::{Address, Ipa, Region};
use core::sync::atomic::{AtomicU64, Ordering};
use plan::VirtualGic;
use syndrome::Access;
use tock_registers::interfaces::Readable;

/// What is emulated at an address.
#[derive(Clone, Copy)]
enum Device {
    /// The virtual GIC: whether its redistributors, and where there.
    Gic(bool, u64),
    Uart(u64),
    Watchdog(u64),
}

fn find(cell: &Cell, ipa: Ipa) -> Option<Device> {
    let offset = |region: Region<Ipa>| {
        let offset = ipa.get().wrapping_sub(region.base().get());
        (offset < region.size()).then_some(offset)
    };
    let (VirtualGic::V2 { distributor, .. } | VirtualGic::V3 { distributor, .. }) = cell.sealed.gic;
    if let Some(offset) = offset(distributor) {
        return Some(Device::Gic(false, offset));
    }
    if let VirtualGic::V3 { redistributors, .. } = cell.sealed.gic
        && let Some(offset) = offset(redistributors)
    {
        return Some(Device::Gic(true, offset));
    }
    let watchdog = || cell.sealed.watchdog.and_then(|dog| offset(dog.page)).map(Device::Watchdog);
    cell.sealed.uart.and_then(|uart| offset(uart.page)).map(Device::Uart).or_else(watchdog)
}

/// Tells whether a device is emulated at `ipa`.
pub fn is_emulated(seat: Seat, ipa: Ipa) -> bool {
    find(seat.cell, ipa).is_some()
}

/// What the distributor's first registers read as, by word: control, type, groups and enables change by writes only. Those
/// not seen yet, and those that differ between vCPUs, are not there. Written under the virtual GIC's lock.
pub struct Shown {
    /// Where the distributor is, and its `GICD_SGIR`.
    distributor: u64,
    sgir: u64,
    words: [AtomicU64; 128],
}

impl Shown {
    /// Nothing.
    pub fn new(gic: VirtualGic) -> Self {
        let (VirtualGic::V2 { distributor, .. } | VirtualGic::V3 { distributor, .. }) = gic;
        let sgir = if matches!(gic, VirtualGic::V2 { .. }) { vgic::SGIR } else { u64::MAX };
        Self { distributor: distributor.base().get(), sgir, words: const { [const { AtomicU64::new(0) }; 128] } }
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// The place of a register: set-enable and clear-enable read the same.
    #[inline(always)]
    fn place(&self, offset: u64) -> Option<&AtomicU64> {
        let word = (offset >> 2) as usize;
        if offset & !0x1fc == 0 { self.words.get(word & !(word >> 1 & 0x20)) } else { None }
    }

    /// Notes what an access read, or left.
    fn note(&self, offset: u64, value: u64) {
        let banked = offset >= 0x80 && offset & 0x7c == 0;
        if let Some(place) = self.place(offset)
            && !banked
        {
            place.store(value | KNOWN, Ordering::Relaxed);
        }
    }
}

const KNOWN: u64 = 1 << 32;

/// What drivers do most: words of the distributor that are [`Shown`] are read, and written with what changes nothing; an
/// SGI to CPUs in a list.
#[inline(always)]
pub fn quick(seat: Seat, gic: &Gic, frame: &mut Frame, esr: u64) -> u64 {
    let (shown, register, write) = (&seat.cell.shown, (esr >> 16 & 0x1f) as u8, esr & 1 << 6 != 0);
    let ipa = syndrome::unmapped_at(arch::FAR_EL2.get(), arch::HPFAR_EL2.get());
    let offset = ipa.get().wrapping_sub(shown.distributor);
    let value = (frame.get(register) & 0xffff_ffff) as u32;
    let Some(place) = shown.place(offset) else {
        return if write && offset == shown.sgir { register::quick_v2(seat, gic, value) } else { NOT_DONE };
    };
    let known = place.load(Ordering::Relaxed);
    if known & KNOWN == 0 {
        return NOT_DONE;
    }
    if !write {
        frame.set(register, known ^ KNOWN);
        return u64::from(register >= 20);
    }
    let known = (known & 0xffff_ffff) as u32;
    let changed = match offset >> 7 {
        1 => value ^ known,
        2 => value & !known,
        3 => value & known,
        _ => 1,
    };
    if changed == 0 { 0 } else { NOT_DONE }
}

/// Carries out an access to an emulated device; false where there is none.
pub fn access(seat: Seat, frame: &mut Frame, ipa: Ipa, access: Access, write: bool) -> bool {
    let Seat { cell, vcpu } = seat;
    let Some(device) = find(cell, ipa) else { return false };
    let size = u32::from(access.size);
    let write = write.then(|| access.store_value(frame.get(access.register)));
    let word = write.map(|value| (value & 0xffff_ffff) as u32);
    let value = match (device, word) {
        (Device::Gic(_, vgic::SGIR), Some(word)) if size == 4 && matches!(cell.sealed.gic, VirtualGic::V2 { .. }) => {
            register::send(seat, vgic::sgir(word, vcpu.index, cell.vcpus.len()));
            0
        }
        (Device::Gic(redistributors, offset), _) => {
            persist(seat, &vgic::Access { redistributors, offset, size, write })
        }
        (Device::Watchdog(offset), word) => watchdog(cell, offset, word).into(),
        (Device::Uart(offset), word) => uart(cell, offset, word).into(),
    };
    if write.is_none() {
        frame.set(access.register, access.load_value(value));
    }
    true
}

fn watchdog(cell: &'static Cell, offset: u64, write: Option<u32>) -> u32 {
    let Some(word) = write else { return cell.watchdog.read(offset, cell.counter_offset.load(Ordering::Relaxed)) };
    if cell.watchdog.write(offset, word, timer::now()) {
        console::output_waits(true);
    }
    cell.line(cell.sealed.watchdog, cell.watchdog.signals());
    0
}

fn uart(cell: &'static Cell, offset: u64, write: Option<u32>) -> u32 {
    let mut uart = hold(&cell.uart);
    let (before, room, mut value, mut sent) = (uart.interrupt(), || cell.output.room() >= vuart::FIFO_BYTES, 0, None);
    if let Some(word) = write {
        sent = uart.write(offset, word);
        if let Some(byte) = sent {
            cell.output.push(byte);
            uart.transmit_ready(room());
        }
    } else {
        let room = room();
        value = uart.read(offset, room, || cell.input.pop());
        if !room {
            uart.transmit_ready(false);
        }
    }
    if uart.is_throttled() {
        cell.wants_room.store(true, Ordering::Release);
    }
    if let Some(byte) = sent {
        console::output_waits(byte == b'\n' || uart.is_throttled());
    }
    let after = uart.interrupt();
    // Passed through, a line that stays high is made pending again.
    if before != after || after && cell.sealed.passthrough {
        cell.line(cell.sealed.uart, after);
    }
    value
}

/// Accesses the virtual GIC, again and again until no other vCPU's list registers stand in its way: kicks them, and serves
/// kicks meanwhile. Each kicked vCPU is in its guest, where EL2 cannot be masked, or here: so the wait ends.
fn persist(seat: Seat, access: &vgic::Access) -> u64 {
    for _ in 0..PATIENCE {
        if let Some(value) = attempt(seat, access) {
            return value;
        }
        irq::service();
        irq::check(seat);
    }
    0
}

/// Accesses the virtual GIC, if nothing stands in its way.
#[inline(never)]
fn attempt(Seat { cell, vcpu }: Seat, access: &vgic::Access) -> Option<u64> {
    let mut done = None;
    cell.with_vgic(vcpu, |vgic, lines| {
        let (value, kicks) = vgic.access(vcpu.index, access, lines);
        if let Some(value) = value
            && !access.redistributors
            && access.size == 4
        {
            cell.shown.note(access.offset, value);
        }
        done = value;
        kicks
    });
    done
}

/// Far more turns than another CPU needs to take an interrupt.
const PATIENCE: usize = 1 << 20;
