//! The service CPU's work: rings to the UART, the UART to cells and monitor. Bounded per interrupt.

use super::{monitor, say, settle, uart};
use crate::cell::{self, Cell, NEWS_BYTES, OUTPUT_BYTES};
use crate::el2::barrier::{Lock, hold};
use crate::el2::smc;
use crate::el2::timer;
use crate::gic::{self, Gic};
use crate::memory::published::Published;
use crate::smp::{self, PerCpu};
use crate::uart::Uart;
use address::{Dec, Text};
use alloc::boxed::Box;
use board::{Board, Conduit, Interrupt};
use console::{Event, Input, Mux, PROMPT, Sources};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes sent per interrupt at most.
const SEND: usize = 128;
/// Bytes received per interrupt at most.
const RECEIVE: usize = 32;
/// Lines of the monitor's answers wait here.
pub(super) static MONITOR: console::Ring<8192> = console::Ring::new();
/// What EL2 said last: written and read by the service CPU alone.
static HISTORY: console::Ring<HISTORY_BYTES> = console::Ring::new();
const HISTORY_BYTES: usize = 4096;
/// How many cells have lanes, and how many CPUs.
const EACH: usize = 8;
/// How long an unfinished line is held back.
const HOLD_MS: u64 = 10;

/// What the service CPU needs to know of the board.
#[derive(Clone, Copy)]
pub struct Wiring {
    /// The UART's interrupt.
    interrupt: Option<Interrupt>,
    /// How to power off when no cell is left.
    poweroff: Option<Conduit>,
}

static WIRING: Published<Wiring> = Published::new();
/// How SGIs name the service CPU; 0 until there is one.
static SERVICE: AtomicU64 = AtomicU64::new(0);
/// An unfinished line is on the clock: the service CPU will look by itself.
static HELD: AtomicBool = AtomicBool::new(false);
static FINISHED: AtomicBool = AtomicBool::new(false);
static DESK: Lock<Desk> = Lock::new(Desk { mux: Mux::NEW, input: Input::NEW, focus: 0 });

/// State only the service CPU uses; the lock keeps a panic elsewhere honest.
struct Desk {
    mux: Mux<{ 3 * EACH + 1 }>,
    input: Input,
    focus: usize,
}

/// The rings by lane: of each cell, of its starts and ends, of each CPU's log; at last the monitor's.
struct Lines {
    cells: &'static [Cell],
    cpus: &'static [PerCpu],
}

impl Sources for Lines {
    fn count(&self) -> usize {
        self.cells.len().wrapping_mul(2).wrapping_add(self.cpus.len()).wrapping_add(1)
    }

    fn name(&self, source: usize) -> &str {
        self.cells.get(source).map_or("cellwall", |cell| cell.name)
    }

    fn pop(&self, source: usize) -> Option<u8> {
        if let Some(cell) = self.cells.get(source) {
            return cell.output.pop();
        }
        let source = source.wrapping_sub(self.cells.len());
        let byte = if let Some(cell) = self.cells.get(source) {
            let due = cell.output.has_read(cell.said.load(Ordering::Relaxed));
            if due { cell.news.pop() } else { None }
        } else if let Some(cpu) = self.cpus.get(source.wrapping_sub(self.cells.len())) {
            cpu.log.pop()
        } else {
            return MONITOR.pop();
        };
        byte.inspect(|&byte| remember(byte))
    }
}

/// Notes the board's side of the console; before commit.
pub fn wire(board: &Board, gic: &Gic, own: Option<usize>, poweroff_when_idle: bool) {
    settle(board, own);
    let interrupt = own.and_then(|index| board.devices.get(index)).and_then(|uart| uart.interrupts.first()).copied();
    if let Some(interrupt) = interrupt {
        gic.set_trigger(interrupt);
    }
    WIRING.set(Box::leak(Box::new(Wiring { interrupt, poweroff: board.psci.filter(|_| poweroff_when_idle) })));
}

/// INTID of EL2's UART.
pub fn interrupt() -> Option<u32> {
    WIRING.get()?.interrupt.map(|interrupt| interrupt.intid)
}

/// Makes this CPU the service CPU.
pub fn open(cpu: &PerCpu) {
    SERVICE.store(cpu.gic.target(cpu.index), Ordering::Release);
    cpu.gic.enable(cpu.index, cpu.alarm);
    if let Some(intid) = interrupt() {
        cpu.gic.route(intid, cpu.index);
        cpu.gic.enable(cpu.index, intid);
    }
    // Whoever had something before could not tell anybody.
    serve(false);
}

/// Tells the service CPU that a ring has something: at once for a whole line, else unless it looks soon anyway; then nobody
/// is told, by the same instructions, so that no cell's exits show what others have said.
#[inline]
pub fn output_waits(now: bool) {
    if let Some(gic) = gic::get() {
        let waits = u64::from(now | !HELD.load(Ordering::Relaxed));
        gic.ring(SERVICE.load(Ordering::Acquire) & 0_u64.wrapping_sub(waits), gic::SERVICE);
    }
}

/// Says whether no cell is left: then the board powers off if the plan says so, once all is printed.
pub fn finish(over: bool) {
    FINISHED.store(over, Ordering::Release);
    output_waits(true);
}

/// Serves the console and the cells' watchdogs once; `tick`: by the alarm.
pub fn serve(tick: bool) {
    HELD.store(false, Ordering::SeqCst);
    let held = uart().is_some_and(|uart| talk(uart, tick));
    let tick = timer::now().saturating_add((timer::frequency() / 1000).saturating_mul(HOLD_MS));
    let mut next = if held { tick } else { u64::MAX };
    for cell in cell::all() {
        next = next.min(cell::watch(cell));
    }
    timer::alarm(next);
}

/// Carries bytes between UART and rings; tells whether a line is held back.
fn talk(uart: &Uart, tick: bool) -> bool {
    let mut desk = hold(&DESK);
    if tick {
        desk.mux.tick();
    }
    for _ in 0..RECEIVE {
        let Some(byte) = uart.receive() else { break };
        desk.typed(byte);
    }
    let more = desk.send(uart);
    let held = !more && desk.mux.is_held();
    uart.listen(more);
    HELD.store(held, Ordering::Relaxed);
    drop(desk);
    for cell in cell::all() {
        let (room, dropped) = (cell.output.room() >= OUTPUT_BYTES / 2, cell.output.dropped());
        if room && dropped != cell.dropped.load(Ordering::Relaxed) {
            cell.dropped.store(dropped, Ordering::Relaxed);
            say(format_args!("event=console-full cell={} dropped={}", Text(cell.name), Dec(dropped.into())));
        }
        if room && cell.news.room() >= NEWS_BYTES && cell.wants_room.load(Ordering::Acquire) {
            cell.wants_room.store(false, Ordering::Release);
            cell.ask();
        }
    }
    if !(more || held)
        && FINISHED.load(Ordering::Acquire)
        && let Some(conduit) = WIRING.get().and_then(|wiring| wiring.poweroff)
    {
        smc::call(conduit, smc::SYSTEM_OFF, [0; 3]);
    }
    held
}

impl Desk {
    /// Sends what there is, as far as UART and bound allow; tells whether there may be more.
    fn send(&mut self, uart: &Uart) -> bool {
        let (cells, cpus) = (cell::all(), smp::all());
        let lines = Lines { cells: cells.get(..EACH).unwrap_or(cells), cpus: cpus.get(..EACH).unwrap_or(cpus) };
        let mut bound = SEND;
        self.mux.send(&lines, |byte| {
            bound = bound.saturating_sub(1);
            bound > 0 && uart.send(byte)
        })
    }

    /// Takes one typed byte to where it belongs.
    fn typed(&mut self, byte: u8) {
        match self.input.feed(byte) {
            Event::None => {}
            Event::Forward(byte) => {
                if let Some(cell) = cell::all().get(self.focus) {
                    cell.input.push(byte);
                    cell.ask();
                }
            }
            Event::Echo(bytes) => MONITOR.extend(bytes),
            Event::Command(command) => {
                MONITOR.extend(b"\n");
                if let Some(focus) = monitor::execute(command, self.focus) {
                    self.focus = focus;
                    self.input.close();
                } else {
                    MONITOR.extend(PROMPT);
                }
            }
        }
    }
}

/// Keeps a byte of EL2's own lines, instead of the oldest one.
fn remember(byte: u8) {
    if HISTORY.room() == 0 {
        while HISTORY.pop().is_some_and(|byte| byte != b'\n') {}
    }
    HISTORY.push(byte);
}

/// Shows what EL2 said last.
pub(super) fn history() {
    for _ in HISTORY.room()..HISTORY_BYTES {
        if let Some(byte) = HISTORY.pop() {
            MONITOR.push(byte);
            HISTORY.push(byte);
        }
    }
}
