//! SGIs and accesses between vCPUs in every order that the memory model allows: run with `--cfg loom` (`./x test --full`).
#![cfg(loom)]
#![allow(missing_docs, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::pedantic, reason = "tests")]
mod fake;
use fake::{Cell, EDGE, Version};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use vgic::{Access, Inbox, Sgi};

/// A target's inbox and the physical SGI that kicks its CPU.
struct Target {
    inbox: Inbox,
    kicked: AtomicBool,
}

impl Target {
    fn new() -> Arc<Self> {
        Arc::new(Self { inbox: Inbox::default(), kicked: AtomicBool::new(false) })
    }
    fn send(&self, sgi: Sgi) {
        if self.inbox.post(sgi) {
            // A physical SGI comes behind the barrier that its sender puts before it.
            self.kicked.swap(true, Ordering::AcqRel);
        }
    }
    /// Its CPU takes the kick, if there is one.
    fn look(&self, cell: &mut Cell) -> bool {
        let kicked = self.kicked.swap(false, Ordering::AcqRel);
        if kicked {
            cell.hw.cpu = 0;
            let _ = cell.vgic.sync(0, &self.inbox, &mut cell.hw);
        }
        kicked
    }
}

/// Two vCPUs send to a third, which looks twice meanwhile and once more when a kick is left. Returns what it was told, in pairs
/// of INTID and sender.
fn two_senders(version: Version, sgis: [Sgi; 2]) -> Vec<(u32, u32)> {
    let target = Target::new();
    let senders = sgis.map(|sgi| {
        let target = target.clone();
        thread::spawn(move || target.send(sgi))
    });
    let mut cell = Cell::running_of(version, 3, 4);
    let mut told = Vec::new();
    target.look(&mut cell);
    told.extend(cell.drain_senders(0));
    senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
    while target.look(&mut cell) {}
    told.extend(cell.drain_senders(0));
    told.sort_unstable();
    told
}

#[test]
fn no_sgi_of_two_senders_is_lost() {
    loom::model(|| {
        let sgis = [1, 2].map(|from| vgic::sgi1r(u64::from(from as u32) << 24 | 1, from, 3, false));
        assert_eq!(two_senders(Version::V3, sgis), [(1, 0), (2, 0)]);
    });
}

#[test]
fn the_same_sgi_of_two_senders_comes_once_for_each_on_gicv2() {
    loom::model(|| {
        let sgis = [1, 2].map(|from| vgic::sgir(1 << 16 | 5, from, 3));
        assert_eq!(two_senders(Version::V2, sgis), [(5, 1), (5, 2)]);
    });
}

/// While vCPU 0 disables what stands in vCPU 1's list register, vCPU 1 takes kicks only: the write ends, and then nothing comes.
#[test]
fn an_access_that_needs_another_vcpus_list_register_ends() {
    loom::model(|| {
        let mut cell = Cell::running(2, 2);
        cell.route(0, EDGE, 1);
        cell.hw.line(1, EDGE).latch = true;
        cell.take_physical(1);
        assert_eq!(cell.listed(1), [EDGE]);
        let shared = Arc::new((Mutex::new((cell, false, false)), Condvar::new()));
        let other = shared.clone();
        let other = thread::spawn(move || {
            let mut held = other.0.lock().expect("the lock");
            while !held.2 {
                if std::mem::take(&mut held.1) {
                    held.0.sync(1);
                    other.1.notify_one();
                } else {
                    held = other.1.wait(held).expect("the lock");
                }
            }
        });
        let mut held = shared.0.lock().expect("the lock");
        loop {
            let Cell { vgic, hw, .. } = &mut held.0;
            hw.cpu = 0;
            let access = Access { redistributors: false, offset: 0x184, size: 4, write: Some(1 << (EDGE - 32)) };
            let (None, kicks) = vgic.access(0, &access, hw) else { break };
            held.1 |= kicks.0 & 0b10 != 0;
            shared.1.notify_one();
            held = shared.1.wait(held).expect("the lock");
        }
        held.2 = true;
        drop(held);
        shared.1.notify_one();
        other.join().expect("the other vCPU");
        let mut held = shared.0.lock().expect("the lock");
        let held = &mut held.0;
        held.arrive();
        assert_eq!(held.ack(1), None, "taken though disabled");
    });
}
