//! Nodes and properties as this crate writes them, on top of `vm-fdt`.
//!
//! Owns the writer; promises that a node opened is closed.

use crate::Error;
use alloc::vec::Vec;
use tree::{NodeId, Tree};
use vm_fdt::FdtWriter;

/// A tree being written.
pub(crate) struct Writer(FdtWriter);

impl Writer {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self(FdtWriter::new()?))
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        Ok(self.0.finish()?)
    }

    /// Writes a node whose inside `fill` writes.
    pub(crate) fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let node = self.0.begin_node(name)?;
        fill(self)?;
        Ok(self.0.end_node(node)?)
    }

    pub(crate) fn bytes(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        Ok(self.0.property(name, value)?)
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<(), Error> {
        self.bytes(name, &[])
    }

    pub(crate) fn cells(&mut self, name: &str, cells: &[u32]) -> Result<(), Error> {
        Ok(self.0.property_array_u32(name, cells)?)
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) -> Result<(), Error> {
        Ok(self.0.property_u64(name, number)?)
    }

    pub(crate) fn strings(&mut self, name: &str, strings: &[&str]) -> Result<(), Error> {
        let ended = strings.iter().flat_map(|string| string.bytes().chain([0]));
        self.bytes(name, &ended.collect::<Vec<u8>>())
    }

    /// Writes `reg` in two cells of address and two of size.
    pub(crate) fn reg(&mut self, regions: &[(u64, u64)]) -> Result<(), Error> {
        let numbers: Vec<u64> = regions.iter().flat_map(|(base, size)| [*base, *size]).collect();
        Ok(self.0.property_array_u64("reg", &numbers)?)
    }

    /// Copies property `name` of `id`, if it is there.
    pub(crate) fn copy(&mut self, tree: &Tree<'_>, id: NodeId, name: &str) -> Result<(), Error> {
        tree.property(id, name).map_or(Ok(()), |value| self.bytes(name, value))
    }
}
