//! The CPUs: who they are and how each is started (Devicetree Specification v0.4, 3.8; binding `arm/cpus`).
//!
//! Promises that no two CPUs have the same affinity: a plan gives each to one cell.

use crate::bus::Numbers;
use crate::error::{Read, malformed, missing};
use crate::node::{count, disabled, is_type};
use crate::{Cpu, Start};
use address::PhysAddr;
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree, which};

/// More than any GIC routes to by affinity levels 0 and 1 alone.
const MAX_CPUS: usize = 512;

/// Reads the children of `/cpus`.
pub(crate) fn cpus(tree: &Tree<'_>) -> Read<Vec<Cpu>> {
    let list = tree.child(NodeId::ROOT, "cpus").ok_or_else(|| missing("CPUs"))?;
    let width = count(tree, list, Known::AddressCells, 2);
    let shared = tree.first(list, "enable-method");
    let mut cpus: Vec<Cpu> = Vec::new();
    for node in tree.children(list).filter(|id| is_type(tree, *id, b"cpu\0")) {
        let bad = |property| malformed(tree, node, property);
        let reg = tree.get(node, Known::Reg).filter(|reg| reg.len().checked_rem(width << 2) == Some(0));
        let mpidr = reg.and_then(|reg| Numbers(reg).next(width)).ok_or_else(|| bad("reg"))?;
        if cpus.len() >= MAX_CPUS || cpus.iter().any(|cpu| cpu.mpidr == mpidr) {
            return Err(bad("reg"));
        }
        let own = tree.first(node, "enable-method");
        let start = match which("psci spin-table", if own.is_empty() { shared } else { own }) {
            Some(0) => Start::Psci,
            Some(_) => {
                let word = tree.u64(node, "cpu-release-addr").ok_or_else(|| bad("cpu-release-addr"))?;
                Start::SpinTable(PhysAddr::at(word))
            }
            _ => Start::Unknown,
        };
        cpus.push(Cpu { mpidr, start, disabled: disabled(tree, node), node });
    }
    if cpus.is_empty() { Err(missing("CPUs")) } else { Ok(cpus) }
}
