//! Kicks, exits and ends in every order that the memory model allows: run with `--cfg loom` (`./x test --full`).
#![cfg(loom)]

use lifecycle::{Gate, Zap};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use loom::thread;

/// A vCPU as the protocol sees it.
struct Vcpu {
    zap: Zap,
    /// Its root table is valid.
    root: AtomicBool,
    /// Who is changing the root.
    writers: AtomicU32,
    /// What kickers want of it.
    asked: [AtomicBool; 2],
    seen: [AtomicBool; 2],
}

impl Vcpu {
    fn new() -> Arc<Self> {
        let no = || [AtomicBool::new(false), AtomicBool::new(false)];
        Arc::new(Self {
            zap: Zap::default(),
            root: AtomicBool::new(true),
            writers: AtomicU32::new(0),
            asked: no(),
            seen: no(),
        })
    }

    fn write_root(&self, valid: bool) {
        assert_eq!(self.writers.fetch_add(1, Ordering::Relaxed), 0, "two write the table");
        self.root.store(valid, Ordering::Relaxed);
        self.writers.fetch_sub(1, Ordering::Relaxed);
    }

    fn kick(&self, by: usize) {
        self.asked[by].store(true, Ordering::Relaxed);
        self.zap.take(|| self.write_root(false));
    }

    /// The guest touches its memory once; tells whether that went well.
    fn touch(&self) -> bool {
        if self.root.load(Ordering::Relaxed) {
            return true;
        }
        fence(Ordering::Acquire); // the exception
        assert!(self.zap.give(|| self.write_root(true)), "a zap is taken for the guest's fault");
        for (asked, seen) in self.asked.iter().zip(&self.seen) {
            if asked.load(Ordering::Relaxed) {
                seen.store(true, Ordering::Relaxed);
            }
        }
        false
    }
}

#[test]
fn a_kick_is_seen_before_the_guest_has_its_memory_again() {
    loom::model(|| {
        let vcpu = Vcpu::new();
        let kickers: Vec<_> = [0, 1]
            .map(|by| {
                let vcpu = Arc::clone(&vcpu);
                thread::spawn(move || vcpu.kick(by))
            })
            .into();
        let guest = Arc::clone(&vcpu);
        let guest = thread::spawn(move || {
            let _ = guest.touch();
        });
        kickers.into_iter().for_each(|kicker| kicker.join().unwrap());
        guest.join().unwrap();
        // From here on nobody kicks: a touch that goes well must have been preceded by a look at both requests.
        while !vcpu.touch() {}
        assert!(vcpu.seen.iter().all(|seen| seen.load(Ordering::Relaxed)), "a kick was lost");
    });
}

#[test]
fn a_kick_that_meets_the_exit_of_its_vcpu_leaves_the_next_start_its_memory() {
    loom::model(|| {
        let vcpu = Vcpu::new();
        let kicker = Arc::clone(&vcpu);
        let kicker = thread::spawn(move || kicker.kick(0));
        // It leaves the guest at this moment, and is started again.
        let _ = vcpu.touch();
        kicker.join().unwrap();
        while !vcpu.touch() {}
        assert!(vcpu.touch(), "the memory is gone for good");
        assert!(!vcpu.zap.give(|| ()), "a later fault of the guest is taken for a zap");
    });
}

#[test]
fn of_those_who_leave_a_cell_one_is_last_and_nobody_is_inside_behind_a_close() {
    loom::model(|| {
        let gate = Arc::new(Gate::closed());
        assert!(gate.open());
        assert!(gate.enter());
        let last = Arc::new(AtomicU32::new(0));
        let inside = Arc::new(AtomicU32::new(2));
        let leavers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, last, inside) = (Arc::clone(&gate), Arc::clone(&last), Arc::clone(&inside));
                thread::spawn(move || {
                    inside.fetch_sub(1, Ordering::Relaxed);
                    if gate.leave() {
                        last.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        if gate.close() {
            assert_eq!(inside.load(Ordering::Relaxed), 0, "closed with somebody inside");
            assert!(!gate.enter(), "somebody enters by a closed gate");
        }
        leavers.into_iter().for_each(|leaver| leaver.join().unwrap());
        assert_eq!(last.load(Ordering::Relaxed), 1);
        assert!(gate.is_closed() || gate.close());
    });
}
