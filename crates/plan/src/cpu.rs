//! Which cell owns which CPU, and which CPU serves the console.
//!
//! Promises that every vCPU has one physical CPU of its own that exists, is enabled and can be started. The first CPU
//! of the tree is taken for the one that boots: it alone needs no start method.

use alloc::{format, string::String, vec, vec::Vec};
use board::{Board, Start};
use manifest::Manifest;

use crate::{Finding, Key, MAX_VCPUS};

/// Says why CPU `index` of the board cannot be used: code of [`check`], code of [`service`], message, help.
fn unusable(board: &Board<'_>, index: usize) -> Option<([&'static str; 2], String, String)> {
    let Some(cpu) = board.cpus.get(index) else {
        let count = board.cpus.len();
        let message = format!("CPU {index}, but the board has {count}");
        return Some((["E0101", "E0503"], message, format!("choose one below {count}")));
    };
    if cpu.disabled {
        let message = format!("CPU {index}, which the board's tree disables");
        return Some((["E0102", "E0504"], message, "choose another CPU".into()));
    }
    (index > 0 && cpu.start == Start::Unknown).then(|| {
        let message = format!("CPU {index}, but the board's tree does not say how it is started");
        (["E0107", "E0505"], message, "choose CPU 0, or give the tree an enable-method".into())
    })
}

/// Checks every cell's CPUs and returns who owns each CPU of the board.
pub(crate) fn check(board: &Board<'_>, manifest: &Manifest<'_>, out: &mut Vec<Finding>) -> Vec<Option<usize>> {
    let mut owners = vec![None; board.cpus.len()];
    for (index, cell) in manifest.cells.iter().enumerate() {
        let name = cell.name;
        let say = |code, message: String, help: String| Finding::new(code, Some(index), Key::Cpus, message, help);
        if cell.cpus.is_empty() {
            out.push(say("E0105", format!("cell {name} has no CPU"), "give it at least one in cpus".into()));
        }
        if cell.cpus.len() > MAX_VCPUS {
            let message = format!("cell {name} has {} CPUs, the most is {MAX_VCPUS}", cell.cpus.len());
            out.push(say("E0106", message, format!("take {} away", cell.cpus.len().saturating_sub(MAX_VCPUS))));
        }
        for cpu in cell.cpus.iter().map(|&cpu| index_of(cpu)) {
            if let Some(([code, _], message, help)) = unusable(board, cpu) {
                out.push(say(code, format!("cell {name} names {message}"), help));
            } else if let Some(owner) = owners.get_mut(cpu) {
                match *owner {
                    None => *owner = Some(index),
                    Some(other) if other == index => {
                        out.push(say("E0104", format!("cell {name} names CPU {cpu} twice"), "name it once".into()));
                    }
                    Some(other) => {
                        let owner = manifest.cells.get(other).map_or("", |cell| cell.name);
                        let message = format!("cell {name} names CPU {cpu}, which cell {owner} owns");
                        out.push(say("E0103", message, "give each CPU to one cell".into()).against(other));
                    }
                }
            }
        }
    }
    owners
}

/// Returns the CPU that serves UART and monitor: the plan's, else the first usable one no cell owns, else the first
/// cell's first.
pub(crate) fn service(
    board: &Board<'_>,
    manifest: &Manifest<'_>,
    owners: &[Option<usize>],
    out: &mut Vec<Finding>,
) -> usize {
    if let Some(named) = manifest.service_cpu.map(index_of) {
        if let Some(([_, code], message, help)) = unusable(board, named) {
            out.push(Finding::new(code, None, Key::ServiceCpu, format!("service_cpu is {message}"), help));
        }
        return named;
    }
    let spare = owners.iter().enumerate().find(|&(cpu, owner)| owner.is_none() && unusable(board, cpu).is_none());
    let first = || manifest.cells.first()?.cpus.first().map(|&cpu| index_of(cpu));
    spare.map(|(cpu, _)| cpu).or_else(first).unwrap_or(0)
}

/// Widens a CPU number of the plan.
pub(crate) fn index_of(cpu: u32) -> usize {
    usize::try_from(cpu).unwrap_or(usize::MAX)
}
