//! Scenes: QEMU boots a plan (or one guest alone), and what its console says is matched.
//!
//! A [`Scene`] is a [`Start`] (what to boot and how) and a script: steps that each wait for lines, in any order
//! within a step, or send input. It ends on events, never on elapsed time; the limit only says when to give up.
//! Every scene's console is kept in the target folder under `scenes/NAME.log`.
//!
//! [`prepare`] brings guests, the EL2 image and the Linux guest up to date by `./x build`; [`stage`] launches;
//! [`script`] matches. The harness `scenes.rs` runs all scenes, the binary `demo` is the watcher of `./x demo`.

pub mod attack;
pub mod audit;
pub mod bench;
pub mod breaks;
pub mod interference;
#[cfg(test)]
mod known_failures;
pub mod outside;
pub mod script;
pub mod stage;

pub use script::{Failure, Script, Step};
pub use stage::{Start, prepare};

use std::time::Duration;

/// One story: what boots, what must be said, what must not.
pub struct Scene {
    /// Names the scene, its log and its generated files; a behaviour.
    pub name: String,
    /// What boots.
    pub start: Start,
    /// What is expected of it.
    pub script: Script,
}

impl Scene {
    /// A scene that boots `start` and, until told more, expects nothing.
    #[must_use]
    pub fn new(name: impl Into<String>, start: Start) -> Self {
        Self { name: name.into(), start, script: Script::default() }
    }

    /// Then waits for a line for each of these patterns, in any order.
    ///
    /// # Panics
    /// If a pattern is no regular expression.
    #[must_use]
    pub fn expect<const N: usize>(mut self, patterns: [&str; N]) -> Self {
        self.script.steps.push(Step::expect(&patterns));
        self
    }

    /// Then sends this to the console.
    #[must_use]
    pub fn send(mut self, text: &str) -> Self {
        self.script.steps.push(Step::Send(text.as_bytes().to_vec()));
        self
    }

    /// Fails at once on a line that matches one of these, at any time.
    ///
    /// # Panics
    /// If a pattern is no regular expression.
    #[must_use]
    pub fn forbid<const N: usize>(mut self, patterns: [&str; N]) -> Self {
        self.script.forbidden.extend(script::patterns(&patterns));
        self
    }

    /// Goes on until QEMU ends by itself, and fails if it does not within the limit.
    #[must_use]
    pub fn ends(mut self) -> Self {
        self.script.steps.push(Step::End);
        self
    }

    /// Gives up after that many seconds.
    #[must_use]
    pub fn limit(mut self, seconds: u64) -> Self {
        self.script.limit = Duration::from_secs(seconds);
        self
    }

    /// Plays the scene.
    ///
    /// # Errors
    /// What was missing or forbidden, with the end of the console's output.
    pub fn play(&self) -> Result<(), Failure> {
        let command = self.start.command(&self.name)?;
        self.script.play(command, &stage::log_file(&self.name)?, |_| ())
    }
}
