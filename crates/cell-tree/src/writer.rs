//! A flattened device tree being written (Devicetree Specification v0.4, chapter 5).
//!
//! Owns the bytes so far; promises that properties stand where they were written and that a name used twice stands once
//! in the strings block; its user closes what it opens. Nothing here can fail: the size is judged by who places it.
//! `vm-fdt` would do, at five times the instructions (two allocations and a map walk a property) and with two hash
//! crates in the image.

use address::{Address, PhysAddr, Region};
use alloc::vec::Vec;
use board::Interrupt;
use tree::{NodeId, Tree};

/// Bytes before the structure block: the header and an empty memory reservation block.
const FRONT: usize = 56;

/// A tree being written; names live as long as the board's tree.
pub(crate) struct Writer<'n> {
    blob: Vec<u8>,
    strings: Vec<u8>,
    /// Names in the strings block and where.
    names: Vec<(&'n str, u32)>,
}

impl<'n> Writer<'n> {
    pub(crate) fn new() -> Self {
        let mut blob = Vec::with_capacity(3072);
        blob.extend_from_slice(&[0; FRONT]);
        Self { blob, strings: Vec::with_capacity(512), names: Vec::with_capacity(64) }
    }

    /// Ends the tree.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.word(9);
        let (end, strings) = (count(self.blob.len()), count(self.strings.len()));
        let structure = end.saturating_sub(count(FRONT));
        let total = end.saturating_add(strings);
        let header = [0xd00d_feed, total, count(FRONT), end, 40, 17, 16, 0, strings, structure];
        for (to, word) in self.blob.as_chunks_mut().0.iter_mut().zip(header) {
            *to = word.to_be_bytes();
        }
        self.blob.append(&mut self.strings);
        self.blob
    }

    /// Opens a node, with an address behind its name where it has one.
    pub(crate) fn begin(&mut self, name: &str, address: Option<u64>) {
        self.word(1);
        name_into(&mut self.blob, name, address);
        self.pad();
    }

    pub(crate) fn end(&mut self) {
        self.word(2);
    }

    pub(crate) fn bytes(&mut self, name: &'n str, value: &[u8]) {
        self.property(name, value.len());
        self.blob.extend_from_slice(value);
        self.pad();
    }

    pub(crate) fn cell(&mut self, name: &'n str, cell: u32) {
        self.property(name, 4);
        self.word(cell);
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
            self.blob.extend_from_slice(&number.to_be_bytes());
        }
    }

    pub(crate) fn regions(&mut self, name: &'n str, regions: &[Region<PhysAddr>]) {
        self.property(name, size_of_val(regions));
        for region in regions {
            self.blob.extend_from_slice(&region.base().get().to_be_bytes());
            self.blob.extend_from_slice(&region.size().to_be_bytes());
        }
    }

    /// Writes a string, or several with a NUL between.
    pub(crate) fn text(&mut self, name: &'n str, text: &str) {
        self.property(name, text.len().saturating_add(1));
        self.blob.extend_from_slice(text.as_bytes());
        self.blob.push(0);
        self.pad();
    }

    /// Copies those properties of `id` that are there.
    pub(crate) fn copy(&mut self, tree: &Tree<'_>, id: NodeId, names: &[&'n str]) {
        for name in names {
            if let Some(value) = tree.property(id, name) {
                self.bytes(name, value);
            }
        }
    }

    /// Writes interrupts in the GIC's format, with a mask of the CPUs a PPI goes to where its binding has one.
    pub(crate) fn interrupts(&mut self, lines: &[Interrupt], mask: u32) {
        self.property("interrupts", lines.len().saturating_mul(12));
        for line in lines {
            let (kind, first) = if line.intid < 32 { (1, 16) } else { (0, 32) };
            self.word(kind);
            self.word(line.intid.saturating_sub(first));
            self.word(mask | if line.edge { 1 } else { 4 });
        }
    }

    /// Opens a property of `length` bytes.
    fn property(&mut self, name: &'n str, length: usize) {
        let known = self.names.iter().find(|(known, _)| *known == name).map(|(_, offset)| *offset);
        let offset = known.unwrap_or_else(|| {
            let offset = count(self.strings.len());
            self.names.push((name, offset));
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            offset
        });
        let words = [3, count(length), offset].map(u32::to_be_bytes);
        self.blob.extend_from_slice(words.as_flattened());
    }

    fn word(&mut self, word: u32) {
        self.blob.extend_from_slice(&word.to_be_bytes());
    }

    fn pad(&mut self) {
        let lacking = self.blob.len().wrapping_neg() & 3;
        self.blob.extend_from_slice([0; 3].get(..lacking).unwrap_or_default());
    }
}

/// Appends a node's name and a NUL.
pub(crate) fn name_into(to: &mut Vec<u8>, name: &str, address: Option<u64>) {
    to.extend_from_slice(name.as_bytes());
    if let Some(address) = address {
        to.push(b'@');
        for digit in (0..(67_u32.saturating_sub(address.leading_zeros()) >> 2).max(1)).rev() {
            let digit = (address >> (digit << 2) & 15).to_le_bytes()[0];
            to.push(if digit < 10 { b'0' | digit } else { b'a'.wrapping_sub(10).wrapping_add(digit) });
        }
    }
    to.push(0);
}

/// Fits: what is written is at most a few times the board's tree.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
