//! A cell's life: its states, who may change them, and how often a fault may restart it.
//!
//! Owns [`Life`], which the cell's CPUs and the service CPU share without a lock. Promises that of several who end a
//! cell one wins, and that a cell is silenced, loaded and started again only while nobody is inside its [`Gate`].
//!
//! | from | to | by |
//! |---|---|---|
//! | ready, stopped, failed | starting | a person at the monitor |
//! | starting, restarting | running, refused, failed | vCPU 0's CPU, which loads the cell |
//! | running | stopping, failing, leaving | whoever ends it first |
//! | stopping, failing, leaving | stopped, failed, restarting | vCPU 0's CPU, once all are out |
//! | any | failed | EL2 itself, when it lost one of the cell's CPUs: for good |
#![no_std]
#![forbid(unsafe_code)]

mod gate;
mod watchdog;
mod zap;

pub use gate::Gate;
pub use watchdog::{FRAME_BYTES, Watchdog};
pub use zap::Zap;

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What a cell is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u8);

/// What the monitor calls the states, by their numbers.
const WORDS: &str = "ready refused stopped failed restarting starting running stopping failing leaving";

impl State {
    /// Built; waits for a person to start it.
    pub const READY: Self = Self(0);
    /// It never could start.
    pub const REFUSED: Self = Self(1);
    /// Over, until a person starts it again.
    pub const STOPPED: Self = Self(2);
    /// Over: it failed too often, or cannot be loaded any more.
    pub const FAILED: Self = Self(3);
    /// As [`State::STARTING`], after an end.
    pub const RESTARTING: Self = Self(4);
    /// Its first CPU is to load it, or does. From the one before on it has begun and is not over.
    pub const STARTING: Self = Self(5);
    /// Running.
    pub const RUNNING: Self = Self(6);
    /// Its vCPUs are on their way out, and it will be [`State::STOPPED`].
    pub const STOPPING: Self = Self(7);
    /// The same before [`State::FAILED`].
    pub const FAILING: Self = Self(8);
    /// The same before [`State::RESTARTING`].
    pub const LEAVING: Self = Self(9);

    /// Returns the word the monitor shows.
    #[must_use]
    pub fn word(self) -> &'static str {
        WORDS.split_ascii_whitespace().nth(self.0.into()).unwrap_or_default()
    }

    /// Returns what a cell on its way out will be.
    #[must_use]
    pub const fn after(self) -> Option<Self> {
        // Five above.
        if self.0 > Self::RUNNING.0 { Some(Self(self.0.wrapping_sub(5))) } else { None }
    }
}

/// Why a cell ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its guest or a person turned it off.
    Off,
    /// Its guest or a person wants it started anew.
    Reset,
    /// It did what it may not, or did not do what it must: its [`Budget`] decides.
    Fault,
}

/// How often faults may restart a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// 0: a fault stops it; [`Budget::ALWAYS`]: whenever it faults; else at most [`Budget::MOST`].
    pub restarts: u32,
    /// In so many ticks of the counter.
    pub within: u64,
}

impl Budget {
    /// No limit.
    pub const ALWAYS: u32 = u32::MAX;
    /// The most restarts that can be counted in a window.
    pub const MOST: u32 = 16;
}

/// One cell's life.
#[derive(Debug)]
pub struct Life {
    state: AtomicU8,
    /// Who is inside the cell: its CPUs in the guest, and whoever must not see it start or end meanwhile.
    pub gate: Gate,
    budget: Budget,
    starts: AtomicU32,
    /// Restarts after faults since a person started it, and when the last ones were.
    faults: AtomicU32,
    times: [AtomicU64; Budget::MOST as usize],
}

impl Life {
    /// Makes a life in its first state.
    #[must_use]
    pub fn new(state: State, budget: Budget) -> Self {
        Self {
            state: AtomicU8::new(state.0),
            gate: Gate::closed(),
            budget,
            starts: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            times: const { [const { AtomicU64::new(0) }; Budget::MOST as usize] },
        }
    }

    /// Returns what the cell is doing.
    #[must_use]
    pub fn state(&self) -> State {
        State(self.state.load(Ordering::Acquire))
    }

    /// Tells whether it runs.
    #[inline]
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state() == State::RUNNING
    }

    /// Returns how often it was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts.load(Ordering::Relaxed)
    }

    /// Returns how often a fault has restarted it since a person did.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.faults.load(Ordering::Relaxed)
    }

    #[inline(never)]
    fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends a running cell, by somebody inside its gate at `now`; returns the state it is going to, to the first alone.
    pub fn end(&self, cause: Cause, now: u64) -> Option<State> {
        let Budget { restarts, within } = self.budget;
        let faults = self.faults.load(Ordering::Relaxed);
        let oldest = faults.checked_rem(restarts.clamp(1, Budget::MOST)).unwrap_or(0);
        let time = self.times.get(oldest as usize);
        let recent = time.is_some_and(|time| now.wrapping_sub(time.load(Ordering::Relaxed)) <= within);
        let next = match cause {
            Cause::Off => State::STOPPING,
            Cause::Fault if restarts == 0 => State::STOPPING,
            Cause::Fault if faults >= restarts && recent => State::FAILING,
            Cause::Reset | Cause::Fault => State::LEAVING,
        };
        if !self.change(State::RUNNING, next) {
            return None;
        }
        if (cause, next) == (Cause::Fault, State::LEAVING) {
            if let Some(time) = time {
                time.store(now, Ordering::Relaxed);
            }
            self.faults.store(faults.saturating_add(1), Ordering::Relaxed);
        }
        next.after()
    }

    /// Closes the gate behind the last of a cell that ends; vCPU 0's CPU asks. The caller silences the cell, then
    /// [`Life::settle`]s it.
    pub fn close(&self) -> Option<State> {
        let next = self.state().after()?;
        self.gate.close().then_some(next)
    }

    /// Makes it what it shall be, its gate closed; vCPU 0's CPU alone does so.
    pub fn settle(&self, state: State) {
        self.state.store(state.0, Ordering::Release);
    }

    /// Lets the guest run, vCPU 0's CPU inside; false where a CPU of it is lost.
    #[must_use]
    pub fn begin(&self) -> bool {
        let opened = self.gate.open();
        if opened {
            self.starts.fetch_add(1, Ordering::Relaxed);
            self.settle(State::RUNNING);
        }
        opened
    }

    /// A person starts a cell that is over or never began; false where it is neither, or a CPU of it is lost.
    pub fn start(&self) -> bool {
        let over = [State::READY, State::STOPPED, State::FAILED];
        let ok = self.gate.is_closed() && over.into_iter().any(|state| self.change(state, State::STARTING));
        if ok {
            self.faults.store(0, Ordering::Relaxed);
        }
        ok
    }

    /// Keeps a cell that has not begun from ever starting.
    pub fn refuse(&self) -> bool {
        self.change(State::STARTING, State::REFUSED) || self.change(State::READY, State::REFUSED)
    }

    /// One of its CPUs is lost in EL2: it has failed for good. Tells whether it had begun and was not over.
    pub fn lose(&self) -> bool {
        self.gate.block();
        let was = self.state.swap(State::FAILED.0, Ordering::AcqRel);
        was >= State::RESTARTING.0
    }
}
