//! The PL011 that the tree's `stdout-path` names, written by polling (PrimeCell UART TRM, DDI 0183).

use crate::cpu::{read32, write32};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static UART: AtomicUsize = AtomicUsize::new(0);

const DR: usize = 0x000;
const FR: usize = 0x018;
const FR_TXFF: u32 = 1 << 5;
const FR_RXFE: u32 = 1 << 4;
const CR: usize = 0x030;
const IMSC: usize = 0x038;
const ICR: usize = 0x044;
const RX_AND_TIMEOUT: u32 = 1 << 4 | 1 << 6;

/// Prints to the guest's console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(format_args!($($arg)*)) };
}

/// Prints a line to the guest's console.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => { $crate::console::print(format_args!("{}\n", format_args!($($arg)*))) };
}

pub(crate) fn init(uart: usize) {
    UART.store(uart, Relaxed);
    if uart != 0 {
        // SAFETY: `uart` is a PL011 of this machine by its tree. UARTEN, TXE and RXE.
        unsafe { write32(uart + CR, 0x301) };
    }
}

struct Pl011(usize);

impl Pl011 {
    fn put(&self, byte: u8) {
        // SAFETY: the base was found in the tree; reading the flags changes nothing.
        while unsafe { read32(self.0 + FR) } & FR_TXFF != 0 {
            core::hint::spin_loop();
        }
        // SAFETY: as above; a byte is sent.
        unsafe { write32(self.0 + DR, u32::from(byte)) };
    }
}

impl Write for Pl011 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.put(b'\r');
            }
            self.put(byte);
        }
        Ok(())
    }
}

/// Prints formatted text; use [`print!`](crate::print) or [`println!`](crate::println).
pub fn print(arguments: fmt::Arguments) {
    let uart = UART.load(Relaxed);
    if uart != 0 {
        // Writing to a PL011 does not fail.
        let _ = Pl011(uart).write_fmt(arguments);
    }
}

/// Takes a received byte, if there is one.
#[must_use]
pub fn take() -> Option<u8> {
    let uart = UART.load(Relaxed);
    // SAFETY: the base was found in the tree.
    if uart == 0 || unsafe { read32(uart + FR) } & FR_RXFE != 0 {
        return None;
    }
    // SAFETY: as above; a byte is received.
    let data = unsafe { read32(uart + DR) };
    u8::try_from(data & 0xff).ok()
}

/// Lets the UART raise its interrupt when a byte arrives.
pub fn enable_receive_interrupt() {
    let uart = UART.load(Relaxed);
    if uart != 0 {
        // SAFETY: the base was found in the tree.
        unsafe { write32(uart + ICR, 0x7ff) };
        // SAFETY: as above.
        unsafe { write32(uart + IMSC, RX_AND_TIMEOUT) };
    }
}
