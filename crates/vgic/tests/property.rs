//! Random lives of a cell: whatever the guest, the devices and the interleaving of EL2's exits do, no interrupt is lost,
//! none comes while disabled or without cause, and the list registers stay well-formed (checked in `fake`). Beside it lives
//! a slow and obvious model of the architecture (`life`).
//!
//! `VGIC_SECONDS=600` goes on for that long with ever new lives: `cargo test --release -p vgic --test property lives`.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "tests"
)]
mod fake;
mod life;
use fake::{Cell, Version};
use life::{LINES, Life, Op, op};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::BTreeSet;

fn live(version: Version, vcpus: usize, lrs: usize, ops: &[(u8, u8, Op)]) {
    let mut life = Life::new(version, vcpus, lrs);
    life.trace = std::env::var_os("VGIC_TRACE").is_some();
    for (cpu, line, op) in ops {
        life.apply(usize::from(*cpu) % vcpus, LINES[usize::from(*line) % LINES.len()], *op);
    }
    life.end();
}

/// Lives of 400 steps for `VGIC_SECONDS` seconds, one if it is not set; a difference names the seed that shows it again
/// (`VGIC_SEED`).
#[test]
fn lives_for_a_time() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(number("VGIC_SECONDS").unwrap_or(1));
    let first = number("VGIC_SEED");
    let (mut lives, mut steps) = (0_u64, 0_u64);
    for seed in first.unwrap_or(1).. {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let version = if draw() & 1 == 0 { Version::V2 } else { Version::V3 };
        let (vcpus, lrs) = (draw() as usize % 4 + 1, draw() as usize % 4 + 1);
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(
            proptest::test_runner::Config::default(),
            proptest::test_runner::TestRng::from_seed(
                proptest::test_runner::RngAlgorithm::ChaCha,
                &std::array::from_fn::<u8, 32, _>(|_| draw() as u8),
            ),
        );
        let ops: Vec<_> = (0..400)
            .map(|_| {
                let op = op().new_tree(&mut runner).expect("an operation").current();
                (draw() as u8, draw() as u8, op)
            })
            .collect();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(version, vcpus, lrs, &ops)));
        assert!(done.is_ok(), "VGIC_SEED={seed} shows it: {version:?}, {vcpus} vCPUs, {lrs} list registers");
        (lives, steps) = (lives + 1, steps + 400);
        if std::time::Instant::now() > end || first.is_some() {
            break;
        }
    }
    eprintln!("{lives} lives, {steps} steps without a difference");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_interrupt_is_lost_or_invented(
        vcpus in 1..=4_usize,
        lrs in 1..=4_usize,
        ops in prop::collection::vec((any::<u8>(), any::<u8>(), op()), 0..150),
    ) {
        live(Version::V3, vcpus, lrs, &ops);
    }

    #[test]
    fn no_interrupt_is_lost_or_invented_on_gicv2(
        vcpus in 1..=4_usize,
        lrs in 1..=4_usize,
        ops in prop::collection::vec((any::<u8>(), any::<u8>(), op()), 0..150),
    ) {
        live(Version::V2, vcpus, lrs, &ops);
    }

    /// IHI 0048B 3.2.2: one that is pending from several CPUs is taken once from each.
    #[test]
    fn each_sender_of_an_sgi_is_heard_once(
        lrs in 1..=4_usize,
        steps in prop::collection::vec((0..4_usize, 0..4_usize, 0..3_u32, 0..8_u8), 0..200),
    ) {
        let mut c = Cell::running_of(Version::V2, 4, lrs);
        let (mut pending, mut on_the_way) = (BTreeSet::new(), BTreeSet::new());
        let mut active = vec![vec![]; 4];
        let take = |c: &mut Cell, cpu: usize, active: &mut Vec<Vec<u32>>, pending: &mut BTreeSet<_>| {
            let Some(iar) = c.iar(cpu) else { return false };
            assert!(pending.remove(&(cpu, iar & 0x3ff, iar as usize >> 10)), "{iar:#x} came without cause on {cpu}");
            active[cpu].push(iar & 0x3ff);
            true
        };
        for (cpu, from, intid, step) in steps {
            match step {
                0..3 => {
                    c.sgir(from, 1 << (16 + cpu) | intid);
                    pending.insert((cpu, intid, from));
                    on_the_way.insert((cpu, intid, from));
                    on_the_way.retain(|(to, ..)| *to != from); // the sender's own is taken at once
                }
                3 => {
                    c.exits(cpu);
                    on_the_way.retain(|(to, ..)| *to != cpu);
                }
                4 if active[cpu].contains(&intid) => {} // as above
                4 => {
                    c.prioritise(cpu, intid, (from as u8) << 4);
                    c.arrive();
                    on_the_way.clear();
                }
                5 => {
                    c.write_sized(cpu, 0xf10 + u64::from(intid), 1, 1 << from);
                    // One in the inbox still comes.
                    if !on_the_way.contains(&(cpu, intid, from)) {
                        pending.remove(&(cpu, intid, from));
                    }
                }
                6 => {
                    if on_the_way.iter().all(|(to, ..)| *to != cpu) {
                        let seen = c.read_sized(cpu, 0xf20 + u64::from(intid), 1);
                        for from in 0..4 {
                            assert_eq!(seen >> from & 1 != 0, pending.contains(&(cpu, intid, from)), "{intid} from {from} on {cpu}");
                        }
                        if active[cpu].len() < 3 {
                            take(&mut c, cpu, &mut active, &mut pending);
                        }
                    }
                }
                _ => {
                    if let Some(intid) = active[cpu].pop() {
                        c.eoi(cpu, intid);
                        c.exits(cpu);
                        on_the_way.retain(|(to, ..)| *to != cpu);
                    }
                }
            }
        }
        for cpu in 0..4 {
            loop {
                c.exits(cpu);
                take(&mut c, cpu, &mut active, &mut pending);
                let Some(intid) = active[cpu].pop() else { break };
                c.eoi(cpu, intid);
                c.exits(cpu);
            }
        }
        assert!(pending.is_empty(), "lost: {pending:?}");
    }

    #[test]
    fn any_access_ends_and_keeps_the_list_registers_sound(
        version in prop_oneof![Just(Version::V2), Just(Version::V3)],
        accesses in prop::collection::vec((0..4_usize, any::<bool>(), 0..0x2000_u64, 0..4_u32, any::<u64>(), any::<bool>()), 0..200),
    ) {
        let mut c = Cell::running_of(version, 4, 2);
        for (n, (cpu, distributor, offset, size, value, write)) in accesses.into_iter().enumerate() {
            let size = 1 << size;
            match (distributor, write) {
                (true, true) => c.write_sized(cpu, (offset << 2) & 0x7fff, size, value),
                (true, false) => { c.read_sized(cpu, (offset << 2) & 0x7fff, size); }
                (false, true) => c.write_r(cpu, n % 4, 0x10000 + offset, value as u32),
                (false, false) => { c.read_r(cpu, n % 4, 0x10000 + offset); }
            }
            c.exits(cpu);
            if n % 3 == 0 && let Some(intid) = c.ack(cpu) {
                c.eoi(cpu, intid);
            }
        }
    }
}
