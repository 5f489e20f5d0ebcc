//! Emulated devices: the cell's GIC frames and its UART, by address.

use super::Frame;
use crate::cell::{Cell, Seat};
use crate::console;
use crate::el2::timer;
use crate::trap::{irq, register};
use address::{Address, Ipa, Region};
use core::sync::atomic::Ordering;
use plan::VirtualGic;
use syndrome::Access;
use vgic::Retry;
use vuart::Effect;

/// Bytes of one vCPU's redistributor frames.
const REDISTRIBUTOR: u64 = 0x2_0000;

/// What is emulated at an address.
enum Device {
    Gic(vgic::Frame, u64),
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
        return Some(Device::Gic(vgic::Frame::Distributor, offset));
    }
    if let VirtualGic::V3 { redistributors, .. } = cell.sealed.gic
        && let Some(offset) = offset(redistributors)
    {
        let frame = vgic::Frame::Redistributor((offset / REDISTRIBUTOR) as usize);
        return Some(Device::Gic(frame, offset % REDISTRIBUTOR));
    }
    let watchdog = || cell.sealed.watchdog.and_then(offset).map(Device::Watchdog);
    cell.sealed.uart.and_then(|uart| offset(uart.page)).map(Device::Uart).or_else(watchdog)
}

/// Tells whether a device is emulated at `ipa`.
pub fn is_emulated(seat: Seat, ipa: Ipa) -> bool {
    find(seat.cell, ipa).is_some()
}

/// Carries out an access to an emulated device; false where there is none.
pub fn access(seat: Seat, frame: &mut Frame, ipa: Ipa, access: Access, write: bool) -> bool {
    let Some(device) = find(seat.cell, ipa) else { return false };
    if write {
        let value = access.store_value(frame.get(access.register));
        store(seat, &device, u32::from(access.size), value);
    } else {
        let value = load(seat, &device, u32::from(access.size));
        frame.set(access.register, access.load_value(value));
    }
    true
}

fn load(seat: Seat, device: &Device, size: u32) -> u64 {
    let cell = seat.cell;
    match *device {
        Device::Gic(frame, offset) => persist(seat, frame, offset, size, None),
        Device::Watchdog(offset) => cell.watchdog.read(offset, cell.counter_offset.load(Ordering::Relaxed)).into(),
        Device::Uart(offset) => {
            let mut uart = cell.uart.lock();
            let room = cell.output.room() >= vuart::FIFO_BYTES;
            let before = uart.interrupt();
            let value = uart.read(offset, room, || cell.input.pop());
            if !room {
                uart.transmit_ready(false);
                cell.wants_room.store(true, Ordering::Release);
            }
            let after = uart.interrupt();
            // Passed through, a line that stays high is made pending again.
            if before != after || after && cell.sealed.passthrough {
                cell.uart_line(after);
            }
            u64::from(value)
        }
    }
}

fn store(seat: Seat, device: &Device, size: u32, value: u64) {
    let Seat { cell, vcpu } = seat;
    match *device {
        Device::Gic(_, vgic::SGIR) if size == 4 && matches!(cell.sealed.gic, VirtualGic::V2 { .. }) => {
            let value = (value & 0xffff_ffff) as u32;
            register::send(seat, vgic::sgir(value, vcpu.index, cell.vcpus.len()));
        }
        Device::Gic(frame, offset) => {
            persist(seat, frame, offset, size, Some(value));
        }
        Device::Watchdog(offset) => {
            if cell.watchdog.write(offset, (value & 0xffff_ffff) as u32, timer::now()) {
                console::output_waits(true);
            }
        }
        Device::Uart(offset) => {
            let mut uart = cell.uart.lock();
            let before = uart.interrupt();
            if let Effect::Transmit(byte) = uart.write(offset, (value & 0xffff_ffff) as u32) {
                cell.output.push(byte);
                uart.transmit_ready(cell.output.room() >= vuart::FIFO_BYTES);
                let throttled = uart.is_throttled();
                if throttled {
                    cell.wants_room.store(true, Ordering::Release);
                }
                console::output_waits(byte == b'\n' || throttled);
            }
            let after = uart.interrupt();
            if before != after || after && cell.sealed.passthrough {
                cell.uart_line(after);
            }
        }
    }
}

/// Accesses the virtual GIC, again and again until no other vCPU's list registers stand in its way: kicks them, and serves
/// kicks meanwhile. Each kicked vCPU is in its guest, where EL2 cannot be masked, or here: so the wait ends.
fn persist(seat: Seat, frame: vgic::Frame, offset: u64, size: u32, write: Option<u64>) -> u64 {
    let Seat { cell, vcpu } = seat;
    let Some(mut lines) = cell.lines() else { return 0 };
    for _ in 0..PATIENCE {
        let done = cell.vgic.lock().access(vcpu.index, frame, offset, size, write, &mut lines);
        match done {
            Ok((value, kicks)) => {
                cell.kick(kicks);
                return value;
            }
            Err(Retry(kicks)) => {
                cell.kick(kicks);
                irq::service();
                irq::check(seat);
            }
        }
    }
    0
}

/// Far more turns than another CPU needs to take an interrupt.
const PATIENCE: usize = 1 << 20;
