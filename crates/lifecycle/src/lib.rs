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
#[repr(u8)]
pub enum State {
    /// Built; waits for a person to start it.
    Ready,
    /// Its first CPU is to load it, or does.
    Starting,
    /// The same, after an end.
    Restarting,
    /// Running.
    Running,
    /// Its vCPUs are on their way out, and it will be [`State::Stopped`].
    Stopping,
    /// The same before [`State::Failed`].
    Failing,
    /// The same before [`State::Restarting`].
    Leaving,
    /// Over, until a person starts it again.
    Stopped,
    /// Over: it failed too often, or cannot be loaded any more.
    Failed,
    /// It never could start.
    Refused,
}

/// Every state with its word, in the order of their numbers.
const STATES: [(State, &str); 10] = [
    (State::Ready, "ready"),
    (State::Starting, "starting"),
    (State::Restarting, "restarting"),
    (State::Running, "running"),
    (State::Stopping, "stopping"),
    (State::Failing, "failing"),
    (State::Leaving, "leaving"),
    (State::Stopped, "stopped"),
    (State::Failed, "failed"),
    (State::Refused, "refused"),
];

impl State {
    /// Returns the word the monitor shows.
    #[must_use]
    pub fn word(self) -> &'static str {
        STATES.get(self as usize).map_or("", |(_, word)| word)
    }

    /// Returns what a cell on its way out will be.
    #[must_use]
    pub const fn after(self) -> Option<Self> {
        match self {
            Self::Stopping => Some(Self::Stopped),
            Self::Failing => Some(Self::Failed),
            Self::Leaving => Some(Self::Restarting),
            _ => None,
        }
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
            state: AtomicU8::new(state as u8),
            gate: Gate::closed(),
            budget,
            starts: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            times: const { [const { AtomicU64::new(0) }; Budget::MOST as usize] },
        }
    }

    /// Returns what the cell is doing.
    #[inline(never)]
    #[must_use]
    pub fn state(&self) -> State {
        STATES.get(usize::from(self.state.load(Ordering::Acquire))).map_or(State::Failed, |(state, _)| *state)
    }

    /// Tells whether it runs.
    #[inline]
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state.load(Ordering::Acquire) == State::Running as u8
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
        self.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends a running cell, by somebody inside its gate at `now`; returns the state it is going to, to the first alone.
    pub fn end(&self, cause: Cause, now: u64) -> Option<State> {
        let Budget { restarts, within } = self.budget;
        let faults = self.faults.load(Ordering::Relaxed);
        let time = self.times.get(faults.checked_rem(restarts).unwrap_or(0) as usize);
        let recent = time.is_some_and(|time| now.wrapping_sub(time.load(Ordering::Relaxed)) <= within);
        let next = match cause {
            Cause::Off => State::Stopping,
            Cause::Fault if restarts == 0 => State::Stopping,
            Cause::Fault if faults >= restarts && recent => State::Failing,
            Cause::Reset | Cause::Fault => State::Leaving,
        };
        if !self.change(State::Running, next) {
            return None;
        }
        if (cause, next) == (Cause::Fault, State::Leaving) {
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
        self.state.store(state as u8, Ordering::Release);
    }

    /// Lets the guest run, vCPU 0's CPU inside; false where a CPU of it is lost.
    #[must_use]
    pub fn begin(&self) -> bool {
        let opened = self.gate.open();
        if opened {
            self.starts.fetch_add(1, Ordering::Relaxed);
            self.settle(State::Running);
        }
        opened
    }

    /// A person starts a cell that is over or never began; false where it is neither, or a CPU of it is lost.
    pub fn start(&self) -> bool {
        let over = [State::Ready, State::Stopped, State::Failed];
        let ok = self.gate.is_closed() && over.into_iter().any(|state| self.change(state, State::Starting));
        if ok {
            self.faults.store(0, Ordering::Relaxed);
        }
        ok
    }

    /// Keeps a cell that has not begun from ever starting.
    pub fn refuse(&self) -> bool {
        self.change(State::Starting, State::Refused) || self.change(State::Ready, State::Refused)
    }

    /// One of its CPUs is lost in EL2: it has failed for good. Tells whether it had begun and was not over.
    pub fn lose(&self) -> bool {
        self.gate.block();
        let was = self.state.swap(State::Failed as u8, Ordering::AcqRel);
        (State::Starting as u8..=State::Leaving as u8).contains(&was)
    }
}
