//! A flattened device tree being written (Devicetree Specification v0.4, chapter 5).
//!
//! Owns the bytes so far; promises that a node opened is closed, that properties stand before children when they are
//! written so, and that a name used twice stands once in the strings block. Nothing here can fail: the size is judged
//! at the end. `vm-fdt` would do, at five times the instructions (two allocations and a map walk a property) and with
//! two hash crates in the image.

use alloc::vec::Vec;
use tree::{NodeId, Tree};

/// Bytes before the structure block: the header and an empty memory reservation block.
const FRONT: u32 = 56;

/// A tree being written; names live as long as the board's tree.
pub(crate) struct Writer<'n> {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Names in the strings block and where.
    names: Vec<(&'n str, u32)>,
}

impl<'n> Writer<'n> {
    pub(crate) fn new() -> Self {
        Self { structure: Vec::with_capacity(2048), strings: Vec::with_capacity(512), names: Vec::with_capacity(64) }
    }

    /// Ends the tree.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.word(9);
        let (structure, strings) = (count(self.structure.len()), count(self.strings.len()));
        let end = FRONT.saturating_add(structure);
        let header = [0xd00d_feed, end.saturating_add(strings), FRONT, end, 40, 17, 16, 0, strings, structure];
        let mut blob = Vec::with_capacity(end.saturating_add(strings) as usize);
        blob.extend(header.into_iter().chain([0; 4]).flat_map(u32::to_be_bytes));
        blob.append(&mut self.structure);
        blob.append(&mut self.strings);
        blob
    }

    /// Writes a node whose inside `fill` writes.
    pub(crate) fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.word(1);
        self.structure.extend_from_slice(name.as_bytes());
        self.structure.push(0);
        self.pad();
        fill(self);
        self.word(2);
    }

    pub(crate) fn bytes(&mut self, name: &'n str, value: &[u8]) {
        self.property(name, value.len());
        self.structure.extend_from_slice(value);
        self.pad();
    }

    pub(crate) fn flag(&mut self, name: &'n str) {
        self.property(name, 0);
    }

    pub(crate) fn cells(&mut self, name: &'n str, cells: &[u32]) {
        self.property(name, size_of_val(cells));
        for cell in cells {
            self.word(*cell);
        }
    }

    pub(crate) fn numbers(&mut self, name: &'n str, numbers: &[u64]) {
        self.property(name, size_of_val(numbers));
        for number in numbers {
            self.structure.extend_from_slice(&number.to_be_bytes());
        }
    }

    pub(crate) fn strings(&mut self, name: &'n str, strings: &[&str]) {
        self.property(name, strings.iter().fold(0, |sum, string| string.len().saturating_add(1).saturating_add(sum)));
        for string in strings {
            self.structure.extend_from_slice(string.as_bytes());
            self.structure.push(0);
        }
        self.pad();
    }

    /// Copies property `name` of `id`, if it is there.
    pub(crate) fn copy(&mut self, tree: &Tree<'_>, id: NodeId, name: &'n str) {
        if let Some(value) = tree.property(id, name) {
            self.bytes(name, value);
        }
    }

    /// Opens a property of `length` bytes.
    fn property(&mut self, name: &'n str, length: usize) {
        let known =
            self.names.iter().find(|(known, _)| known.len() == name.len() && *known == name).map(|(_, offset)| *offset);
        let offset = known.unwrap_or_else(|| {
            let offset = count(self.strings.len());
            self.names.push((name, offset));
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            offset
        });
        let words = [3, count(length), offset].map(u32::to_be_bytes);
        self.structure.extend_from_slice(words.as_flattened());
    }

    fn word(&mut self, word: u32) {
        self.structure.extend_from_slice(&word.to_be_bytes());
    }

    fn pad(&mut self) {
        let lacking = self.structure.len().wrapping_neg() & 3;
        self.structure.extend_from_slice([0; 3].get(..lacking).unwrap_or_default());
    }
}

/// Fits: what is written is at most a few times the board's tree.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
