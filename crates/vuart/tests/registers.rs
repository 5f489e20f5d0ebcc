//! The UART as drivers see it: probing, polling, interrupts.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::VecDeque;

use proptest::prelude::*;
use vuart::{FIFO_BYTES, Uart};

/// The register offsets, by their names in DDI 0183 3.2.
mod offset {
    pub const UARTDR: u64 = 0x00;
    pub const UARTRSR: u64 = 0x04;
    pub const UARTFR: u64 = 0x18;
    pub const UARTILPR: u64 = 0x20;
    pub const UARTIBRD: u64 = 0x24;
    pub const UARTFBRD: u64 = 0x28;
    pub const UARTLCR_H: u64 = 0x2c;
    pub const UARTCR: u64 = 0x30;
    pub const UARTIFLS: u64 = 0x34;
    pub const UARTIMSC: u64 = 0x38;
    pub const UARTRIS: u64 = 0x3c;
    pub const UARTMIS: u64 = 0x40;
    pub const UARTICR: u64 = 0x44;
    pub const UARTDMACR: u64 = 0x48;
    pub const UART_PERIPH_ID0: u64 = 0xfe0;
    pub const UART_PCELL_ID0: u64 = 0xff0;
}

const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const RXFE: u32 = 1 << 4;

/// A UART between two queues, as a cell's glue holds it.
struct Glue {
    uart: Uart,
    input: VecDeque<u8>,
    output: Vec<u8>,
    capacity: usize,
}

impl Glue {
    fn new(capacity: usize) -> Self {
        Self { uart: Uart::default(), input: VecDeque::new(), output: Vec::new(), capacity }
    }
    fn read(&mut self, offset: u64) -> u32 {
        self.uart.read(offset, self.output.len() < self.capacity, || self.input.pop_front())
    }
    fn write(&mut self, offset: u64, value: u32) {
        if let Some(byte) = self.uart.write(offset, value) {
            if self.output.len() < self.capacity {
                self.output.push(byte);
            }
            self.uart.transmit_ready(self.output.len() + FIFO_BYTES <= self.capacity);
        }
    }
    fn arrive(&mut self, byte: u8) {
        self.input.push_back(byte);
        self.uart.receive(|| self.input.pop_front());
    }
    fn drain(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.output);
        self.uart.transmit_ready(true);
        bytes
    }
}

#[test]
fn linux_finds_an_arm_pl011_with_short_fifos() {
    let mut glue = Glue::new(64);
    let mut id = |base: u64| (0..4).map(|n| glue.read(base + 4 * n) << (8 * n)).sum::<u32>();
    let periph = id(offset::UART_PERIPH_ID0);
    assert_eq!(periph & 0x000f_ffff, 0x0004_1011);
    assert!((periph >> 20) & 0xf < 3, "from revision 3 on, drivers take FIFOs for 32 bytes long");
    assert_eq!(id(offset::UART_PCELL_ID0), 0xb105_f00d);
}

#[test]
fn a_byte_is_transmitted_by_a_uart_nobody_enabled() {
    let mut uart = Uart::default();
    let _ = uart.write(offset::UARTCR, 0);
    assert_eq!(uart.write(offset::UARTDR, u32::from(b'x') | 0xffff_ff00), Some(b'x'));
    uart.transmit_ready(false);
    assert_eq!(uart.write(offset::UARTDR, u32::from(b'y')), Some(b'y'));
}

#[test]
fn the_flags_after_reset_are_the_manuals() {
    assert_eq!(Glue::new(1).read(offset::UARTFR), 0x90);
}

#[test]
fn the_flags_tell_whether_the_rings_are_full_or_empty() {
    let mut glue = Glue::new(1);
    glue.write(offset::UARTDR, 1);
    assert_eq!(glue.read(offset::UARTFR), 0x38);
    glue.drain();
    glue.input.push_back(7);
    assert_eq!(glue.read(offset::UARTFR), 0x80);
    assert_eq!(glue.read(offset::UARTDR), 7);
    assert_eq!(glue.read(offset::UARTFR), 0x90);
}

#[test]
fn received_data_holds_the_line_up_until_it_is_read() {
    let mut glue = Glue::new(64);
    glue.write(offset::UARTIMSC, RX | RT);
    assert!(!glue.uart.interrupt());
    glue.arrive(b'a');
    glue.arrive(b'b');
    assert!(glue.uart.interrupt());
    assert_eq!(glue.read(offset::UARTMIS), RX | RT);
    glue.write(offset::UARTICR, 0x7ff);
    assert_eq!(glue.read(offset::UARTDR), b'a'.into());
    assert!(glue.uart.interrupt());
    assert_eq!(glue.read(offset::UARTDR), b'b'.into());
    assert!(!glue.uart.interrupt());
    assert_eq!(glue.read(offset::UARTRIS), 0);
}

#[test]
fn the_mask_gates_the_line_and_not_the_raw_status() {
    let mut glue = Glue::new(64);
    glue.arrive(1);
    glue.write(offset::UARTDR, 2);
    assert_eq!(glue.read(offset::UARTRIS), RX | RT | TX);
    assert_eq!(glue.read(offset::UARTMIS), 0);
    assert!(!glue.uart.interrupt());
    glue.write(offset::UARTIMSC, TX);
    assert_eq!(glue.read(offset::UARTMIS), TX);
    assert!(glue.uart.interrupt());
}

#[test]
fn an_idle_uart_raises_no_transmit_interrupt() {
    let mut glue = Glue::new(64);
    glue.write(offset::UARTIMSC, 0x7ff);
    glue.uart.transmit_ready(true);
    assert!(!glue.uart.interrupt());
}

#[test]
fn a_cleared_transmit_interrupt_comes_back_with_the_next_byte() {
    let mut glue = Glue::new(64);
    glue.write(offset::UARTIMSC, TX);
    glue.write(offset::UARTDR, 1);
    glue.write(offset::UARTICR, TX);
    assert!(!glue.uart.interrupt());
    glue.write(offset::UARTDR, 2);
    assert!(glue.uart.interrupt());
}

#[test]
fn a_full_ring_lowers_the_transmit_interrupt_and_room_raises_it() {
    let mut glue = Glue::new(FIFO_BYTES);
    glue.write(offset::UARTIMSC, TX);
    glue.write(offset::UARTDR, 1);
    assert!(glue.uart.is_throttled());
    assert!(!glue.uart.interrupt());
    // Cleared while throttled: the edge to come still raises it.
    glue.write(offset::UARTICR, TX);
    glue.drain();
    assert!(glue.uart.interrupt());
}

#[test]
fn a_byte_stored_while_throttled_raises_nothing() {
    let mut uart = Uart::default();
    let _ = uart.write(offset::UARTIMSC, TX);
    uart.transmit_ready(false);
    let _ = uart.write(offset::UARTDR, 1);
    assert!(!uart.interrupt());
}

#[test]
fn registers_hold_what_is_written_in_their_width() {
    let mut glue = Glue::new(64);
    let widths = [
        (offset::UARTILPR, 0xff),
        (offset::UARTIBRD, 0xffff),
        (offset::UARTFBRD, 0x3f),
        (offset::UARTLCR_H, 0xff),
        (offset::UARTCR, 0xff87),
        (offset::UARTIFLS, 0x3f),
        (offset::UARTIMSC, 0x7ff),
        (offset::UARTDMACR, 7),
    ];
    for (register, mask) in widths {
        glue.write(register, u32::MAX);
        assert_eq!(glue.read(register), mask, "{register:#x}");
        assert_eq!(glue.read(register + 1), mask >> 8, "{register:#x}");
    }
    assert_eq!(glue.read(offset::UARTRSR), 0);
    assert_eq!(glue.read(0x80), 0);
}

#[test]
fn a_load_beside_the_data_register_takes_no_byte() {
    let mut glue = Glue::new(64);
    glue.arrive(b'a');
    assert_eq!(glue.read(offset::UARTDR + 1), 0);
    assert_eq!(glue.read(offset::UARTDR), b'a'.into());
}

/// Linux's amba-pl011, `pl011_start_tx` and `pl011_int`: the first bytes until UARTFR says full, then half a FIFO at
/// each interrupt without a look at UARTFR.
fn linux_transmits(glue: &mut Glue, text: &[u8]) -> Vec<u8> {
    let mut left: VecDeque<u8> = text.iter().copied().collect();
    let mut out = Vec::new();
    while let Some(&byte) = left.front() {
        if glue.read(offset::UARTFR) & (1 << 5) != 0 {
            break;
        }
        glue.write(offset::UARTDR, byte.into());
        left.pop_front();
    }
    glue.write(offset::UARTIMSC, TX);
    for _ in 0..10_000 {
        if left.is_empty() {
            break;
        }
        if glue.uart.interrupt() {
            for byte in left.drain(..left.len().min(FIFO_BYTES / 2)).collect::<Vec<_>>() {
                glue.write(offset::UARTDR, byte.into());
            }
        } else {
            out.extend(glue.drain());
        }
    }
    out.extend(glue.drain());
    out
}

proptest! {
    #[test]
    fn interrupt_driven_output_loses_nothing(text in prop::collection::vec(any::<u8>(), 0..500), capacity in 16usize..100) {
        prop_assert_eq!(linux_transmits(&mut Glue::new(capacity), &text), text);
    }

    #[test]
    fn polled_input_loses_nothing(text in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut glue = Glue::new(64);
        text.iter().for_each(|&byte| glue.arrive(byte));
        let mut seen = Vec::new();
        while glue.read(offset::UARTFR) & RXFE == 0 {
            seen.push(glue.read(offset::UARTDR) as u8);
        }
        prop_assert_eq!(seen, text);
    }

    #[test]
    fn any_access_is_answered(accesses in prop::collection::vec((any::<u64>(), any::<u32>(), any::<bool>()), 0..200)) {
        let mut glue = Glue::new(64);
        for (offset, value, near) in accesses {
            let offset = if near { offset & 0xfff } else { offset };
            glue.write(offset, value);
            glue.read(offset);
        }
    }
}
