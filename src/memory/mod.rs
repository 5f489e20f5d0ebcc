//! EL2's own memory: its map, its pool of frames and heap, and typed device registers.
//!
//! The image lies at its linked address (`layout`), everything else EL2 touches is mapped at its physical address.

pub mod layout;
pub mod map;
pub mod mmio;
pub mod pool;
pub mod published;
