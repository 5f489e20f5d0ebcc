//! One thing wrong with a plan, said so that a person can mend it.
//!
//! Owns the shape of a finding: its code, whose cell, which key of `cells.toml` to point at, who else owns the thing,
//! a sentence and what to change. The desk prints it beside the source line, EL2 prints it on the UART. Codes are for
//! good: E01xx processors, E02xx memory, E03xx devices, E04xx interrupts, E05xx console and service CPU, E06xx names,
//! E07xx images.

use alloc::string::String;
use core::fmt;

/// What a finding refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The whole plan: it is about CPUs, interrupts, EL2 or more than one cell.
    Plan,
    /// One cell, no other.
    Cell,
    /// Nothing, but a person should know.
    Warning,
}

/// The key of the plan a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `name`, or the cell as such.
    Name,
    /// `cpus`.
    Cpus,
    /// The run of `memory` with this index.
    Memory(usize),
    /// `kernel`.
    Kernel,
    /// `initrd`.
    Initrd,
    /// The entry of `devices` with this index.
    Devices(usize),
    /// `dma`.
    Dma,
    /// `console`.
    Console,
    /// `service_cpu`.
    ServiceCpu,
}

/// One thing wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `E0103`: stable, documented in the crate's root.
    pub code: &'static str,
    /// What it refuses.
    pub class: Class,
    /// Index into the manifest's cells of the cell at fault, where one is.
    pub cell: Option<usize>,
    /// The other cell that owns the thing, where one does.
    pub other: Option<usize>,
    /// The key to point at.
    pub key: Key,
    /// A sentence that names the cell, the resource and its other owner.
    pub message: String,
    /// What to change.
    pub help: String,
}

impl Finding {
    /// Makes a finding that refuses the plan.
    #[cold]
    pub(crate) fn new(code: &'static str, cell: Option<usize>, key: Key, message: String, help: String) -> Self {
        Self { code, class: Class::Plan, cell, other: None, key, message, help }
    }

    /// Lets it refuse its cell only.
    pub(crate) fn of_cell(self) -> Self {
        Self { class: Class::Cell, ..self }
    }

    /// Lets it refuse nothing.
    pub(crate) fn warning(self) -> Self {
        Self { class: Class::Warning, ..self }
    }

    /// Names the other cell.
    pub(crate) fn against(self, other: usize) -> Self {
        Self { other: Some(other), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.code, self.message, self.help)
    }
}
