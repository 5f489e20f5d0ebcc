//! The shared console: every cell's output, EL2's own lines, and the monitor, on the one UART EL2 owns.
//!
//! While the board is divided, one CPU writes straight to the UART. From then on every CPU leaves its lines in a ring of
//! its own, every cell its output in another, and the service CPU alone touches the UART (`service`): no lock is shared
//! between cells.

mod monitor;
mod service;

pub use service::{finish, interrupt, open, output_waits, serve, wire};

use crate::cell::Cell;
use crate::memory::map;
use crate::memory::published::Published;
use crate::smp;
use crate::uart::Uart;
use address::{PAGE_BYTES, Text};
use alloc::boxed::Box;
use board::Board;
use console::{Bytes, Ring};
use core::fmt::{self, Write};
use core::sync::atomic::Ordering;
use log::{Level, Log, Metadata, Record};

/// Lines of one CPU that wait for the service CPU.
pub type LogRing = Ring<1024>;

/// The UART EL2 may use: the board's console, from the sealed plan on the one that leaves to EL2.
static UART: Published<Option<Uart>> = Published::new();

fn uart() -> Option<&'static Uart> {
    UART.get()?.as_ref()
}

/// Takes the UART EL2 owns.
fn take(uart: Option<board::Uart>) {
    UART.set(Box::leak(Box::new(uart.and_then(Uart::probe))));
}

/// Finds the UART EL2 owns until a plan says more.
pub fn init(stdout: Option<board::Uart>) {
    take(stdout);
    let _ = log::set_logger(&Logger);
}

/// Leaves the board's console UART to its cell where the plan says so, and takes EL2's.
fn settle(board: &Board, own: Option<usize>) {
    if own == board.stdout {
        return;
    }
    let device = own.and_then(|index| board.devices.get(index));
    let place = device.map_or("in rings nobody reads: no other UART is free", |device| board.path(device));
    say_now(format_args!("this UART is a cell's from here on; EL2's lines go on {}", Text(place)));
    take(board.uart(own));
    if let Some(region) = board.uart(board.stdout).and_then(|(_, region)| region.widen(PAGE_BYTES)) {
        let _ = map::switch(region, false);
    }
}

/// Leaves a line about `cell`, behind everything the cell itself has written: one CPU at a time does so, `Cell::life` sees to it.
pub fn say_of(cell: &'static Cell, line: fmt::Arguments<'_>) {
    cell.said.store(cell.output.written(), Ordering::Relaxed);
    say_into(&cell.news, line);
}

/// Tells whether anybody reads what EL2 says.
pub fn is_heard() -> bool {
    uart().is_some()
}

/// Leaves a line for the service CPU in a ring of which the caller is the only producer.
pub fn say_into(ring: &'static LogRing, line: fmt::Arguments<'_>) {
    say_to(ring, format_args!("{line}\n"));
    output_waits(true);
}

/// Writes a line of EL2's own.
pub fn say(line: fmt::Arguments<'_>) {
    match smp::try_this() {
        Some(cpu) => say_into(&cpu.log, line),
        None => say_now(line),
    }
}

/// Writes a line straight to the UART: before there is a service CPU, or when this CPU is lost.
pub fn say_now(line: fmt::Arguments<'_>) {
    let _ = Sink(None).write_fmt(format_args!("[cellwall] {line}\r\n"));
}

/// Writes text into a ring.
fn say_to(ring: &'static Bytes, text: fmt::Arguments<'_>) {
    let _ = Sink(Some(ring)).write_fmt(text);
}

/// Where text goes: into a ring, or straight to the UART. Never fails.
struct Sink(Option<&'static Bytes>);

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match (self.0, uart()) {
            (Some(ring), _) => ring.extend(text.as_bytes()),
            (None, Some(uart)) => uart.write(text.as_bytes()),
            (None, None) => {}
        }
        Ok(())
    }

    /// What a number or an unknown name is written by: ASCII.
    fn write_char(&mut self, character: char) -> fmt::Result {
        let mut byte = [0; 4];
        self.write_str(if character.is_ascii() { character.encode_utf8(&mut byte) } else { "?" })
    }
}

/// Says a line while the board is being divided. (The macros of `log` would leave every caller's file and line in the image.)
#[inline(never)]
pub fn note(level: Level, line: fmt::Arguments<'_>) {
    log::logger().log(&Record::builder().level(level).args(line).build());
}

/// What [`note`] goes to.
struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let level = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            _ => "",
        };
        say(format_args!("{}{}", Text(level), record.args()));
    }

    fn flush(&self) {}
}
