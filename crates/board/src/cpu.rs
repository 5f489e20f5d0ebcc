//! The CPUs: who they are and how each is started (Devicetree Specification v0.4, 3.8; binding `arm/cpus`).
//!
//! Promises that no two CPUs have the same affinity: a plan gives each to one cell.

use crate::bus::entries;
use crate::node::Node;
use crate::{BoardError, Cpu, Start, malformed};
use address::PhysAddr;
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

/// More than any GIC routes to by affinity levels 0 and 1 alone.
const MAX_CPUS: usize = 512;

/// Reads the children of `/cpus`.
pub(crate) fn cpus(tree: &Tree<'_>) -> Result<Vec<Cpu>, BoardError> {
    let list = tree.child(NodeId::ROOT, "cpus").ok_or(BoardError::Missing("CPUs"))?;
    let cells = Node::of(tree, list).cells();
    let shared = tree.string(list, "enable-method");
    let mut cpus: Vec<Cpu> = Vec::new();
    for id in tree.children(list) {
        let node = Node::of(tree, id);
        if !node.is_type("cpu") {
            continue;
        }
        let reg = node.get(Known::Reg).and_then(|reg| entries(reg, [cells.address])?.next());
        let [mpidr] = reg.ok_or_else(|| malformed(tree, id, "reg"))?;
        if cpus.len() >= MAX_CPUS || cpus.iter().any(|cpu| cpu.mpidr == mpidr) {
            return Err(malformed(tree, id, "reg"));
        }
        let start = match tree.string(id, "enable-method").or(shared) {
            Some("psci") => Start::Psci,
            Some("spin-table") => {
                let word = tree.u64(id, "cpu-release-addr").ok_or_else(|| malformed(tree, id, "cpu-release-addr"))?;
                Start::SpinTable(PhysAddr::at(word))
            }
            _ => Start::Unknown,
        };
        cpus.push(Cpu { mpidr, start, disabled: node.disabled(), node: id });
    }
    if cpus.is_empty() { Err(BoardError::Missing("CPUs")) } else { Ok(cpus) }
}
