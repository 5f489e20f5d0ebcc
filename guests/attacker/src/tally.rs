//! What came of many attempts of one class: one line that a report can add up.

use core::fmt::{self, Display, Formatter};
use kit::sandbox::Exit;

/// Attempts by what became of them.
#[derive(Default)]
pub struct Tally {
    /// Carried out, within the cell's own.
    pub through: u64,
    /// Undefined at this exception level.
    pub undefined: u64,
    /// An abort, a stage-1 fault or another exception at EL1.
    pub aborted: u64,
    /// Answered with an error.
    pub refused: u64,
    /// Ended by the timer.
    pub interrupted: u64,
}

impl Tally {
    /// Counts one.
    pub fn count(&mut self, exit: Exit) {
        match exit {
            Exit::Through(_) => self.through += 1,
            Exit::Undefined => self.undefined += 1,
            Exit::Exception(_) => self.aborted += 1,
            Exit::Interrupted => self.interrupted += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.through + self.undefined + self.aborted + self.refused + self.interrupted
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Self { through, undefined, aborted, refused, interrupted } = self;
        write!(
            f,
            "tally count={} through={through} undefined={undefined} aborted={aborted} refused={refused} interrupted={interrupted}",
            self.total()
        )
    }
}
