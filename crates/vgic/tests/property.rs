//! Random lives of a cell: whatever the guest, the devices and the interleaving of EL2's exits do, no interrupt is lost,
//! none comes while disabled or without cause, and the list registers stay well-formed (checked in `fake`). Beside it lives
//! a slow and obvious model of the architecture ([`Model`], [`Life::expected`]): once nothing is on its way, what a CPU
//! acknowledges is what the model says, every time.
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
use fake::{Cell, DOORBELL, EDGE, LEVEL, TIMER, UART};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::{BTreeMap, BTreeSet};
use vgic::Version;

const LINES: [u32; 12] = [0, 1, 2, 3, TIMER, UART, EDGE, LEVEL, DOORBELL, 71, 72, 73];

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Makes the line pending as its device, a sender or a doorbell would; for level lines raises it.
    Fire,
    /// Lowers a level line.
    Lower,
    Enable,
    Disable,
    SetPending,
    ClearPending,
    SetActive,
    ClearActive,
    Priority(u8),
    Route(u8),
    Groups(u8),
    Read,
    /// A CPU takes what is due to EL2.
    Exits,
    Ack,
    /// All that is on its way arrives, then the CPU takes what the model says.
    Take,
    Eoi,
    /// CPU_OFF and on again.
    Fold,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Fire),
        3 => Just(Op::Lower),
        2 => Just(Op::Enable),
        1 => Just(Op::Disable),
        1 => Just(Op::SetPending),
        1 => Just(Op::ClearPending),
        1 => Just(Op::SetActive),
        1 => Just(Op::ClearActive),
        1 => any::<u8>().prop_map(Op::Priority),
        2 => (0..6_u8).prop_map(Op::Route),
        1 => (0..8_u8).prop_map(Op::Groups),
        1 => Just(Op::Read),
        8 => Just(Op::Exits),
        8 => Just(Op::Ack),
        4 => Just(Op::Take),
        8 => Just(Op::Eoi),
        1 => Just(Op::Fold),
    ]
}

/// What the architecture says about one interrupt.
#[derive(Clone, Copy, Default, Debug)]
struct Model {
    pending: bool,
    enabled: bool,
    active: bool,
    /// One that was on its way when another one was taken may come too.
    maybe: bool,
    /// As the CPU interface has it: the five bits there are.
    priority: u8,
    /// To whom an SPI goes; a number that is none's if nobody.
    route: usize,
}

struct Life {
    c: Cell,
    model: BTreeMap<(usize, u32), Model>,
    stacks: Vec<Vec<u32>>,
    groups: bool,
    /// Show each step (VGIC_TRACE).
    trace: bool,
}

fn key(cpu: usize, intid: u32) -> (usize, u32) {
    (if intid < 32 { cpu } else { 0 }, intid)
}

fn is_level(intid: u32) -> bool {
    matches!(intid, TIMER | LEVEL | UART)
}

fn is_physical(intid: u32) -> bool {
    matches!(intid, TIMER | LEVEL | EDGE)
}

impl Life {
    fn new(version: Version, vcpus: usize, lrs: usize) -> Self {
        let c = Cell::running_of(version, vcpus, lrs);
        let mut model = BTreeMap::new();
        for cpu in 0..vcpus {
            for intid in LINES {
                model.insert(key(cpu, intid), Model { enabled: true, priority: 0x80, ..Model::default() });
            }
        }
        Self { c, model, stacks: vec![vec![]; vcpus], groups: true, trace: false }
    }
    fn m(&mut self, cpu: usize, intid: u32) -> &mut Model {
        self.model.get_mut(&key(cpu, intid)).expect("known")
    }
    fn high(&mut self, cpu: usize, intid: u32) -> bool {
        match intid {
            UART => self.m(cpu, UART).pending,
            TIMER | LEVEL => self.c.hw.line(cpu, intid).level,
            _ => false,
        }
    }

    fn show(&self, what: std::fmt::Arguments) {
        if self.trace {
            let lrs: Vec<_> = self.c.hw.cpus.iter().map(|c| (&c.lr[..self.c.hw.lrs], c.wanted, c.eoi_count)).collect();
            eprintln!("{what}: kicked {:b} {lrs:x?}", self.c.kicked);
        }
    }

    fn apply(&mut self, cpu: usize, intid: u32, op: Op) {
        self.show(format_args!("{op:?} {intid} on {cpu}"));
        let active = self.model[&key(cpu, intid)].active;
        let c = &mut self.c;
        match op {
            Op::Fire => match intid {
                0..16 => {
                    c.sgi(c.partner(cpu), u64::from(intid) << 24 | 1 << cpu);
                    self.m(cpu, intid).pending = true;
                }
                UART => {
                    c.set_line(UART, true);
                    self.m(cpu, UART).pending = true;
                }
                TIMER | LEVEL => c.hw.line(cpu, intid).level = true,
                EDGE => {
                    c.hw.line(0, EDGE).latch = true;
                    self.m(0, EDGE).pending = true;
                }
                _ => {
                    c.pulse(intid);
                    self.m(cpu, intid).pending = true;
                }
            },
            Op::Lower => match intid {
                UART => {
                    c.set_line(UART, false);
                    self.m(cpu, UART).pending = false;
                }
                TIMER | LEVEL => c.hw.line(cpu, intid).level = false,
                _ => {}
            },
            Op::Enable => {
                c.poke(cpu, 0x100, intid);
                self.m(cpu, intid).enabled = true;
            }
            Op::Disable => {
                c.poke(cpu, 0x180, intid);
                // The guest waits for RWP.
                self.settle(cpu);
                // GICv2's SGIs cannot be disabled.
                self.m(cpu, intid).enabled = self.c.version == Version::V2 && intid < 16;
            }
            Op::SetPending if is_level(intid) => {}
            Op::SetPending => {
                c.poke(cpu, 0x200, intid);
                self.m(cpu, intid).pending = true;
            }
            Op::ClearPending => {
                // An SGI still on its way would come after the write.
                c.arrive();
                c.poke(cpu, 0x280, intid);
                if !is_level(intid) {
                    self.m(cpu, intid).pending = false;
                }
                self.m(cpu, intid).maybe = false;
            }
            Op::SetActive if self.stacks.iter().any(|s| s.contains(&intid)) => {}
            Op::SetActive => {
                c.poke(cpu, 0x300, intid);
                self.m(cpu, intid).active = true;
            }
            Op::ClearActive if self.stacks.iter().any(|s| s.contains(&intid)) => {} // a guest would break itself
            Op::ClearActive => {
                c.poke(cpu, 0x380, intid);
                self.m(cpu, intid).active = false;
            }
            // The running priority stays what it was: which parked one an EOI means would be anyone's guess.
            Op::Priority(_) if active => {}
            Op::Priority(p) => {
                c.prioritise(cpu, intid, p & 0x7f);
                self.m(cpu, intid).priority = p & 0x78;
                let c = &mut self.c;
                c.arrive();
            }
            Op::Route(to) if intid >= 32 => {
                c.route(cpu, intid, to.into());
                // On GICv2 one that names only absent vCPUs names nobody; a single vCPU gets everything.
                let alone = self.c.version == Version::V2 && self.c.vcpus == 1;
                self.m(cpu, intid).route = if alone { 0 } else { to.into() };
            }
            Op::Route(_) => {}
            Op::Groups(g) => {
                self.groups = g != 0;
                c.write(cpu, 0, if self.groups { 3 } else { 0 });
                self.settle(cpu);
            }
            Op::Read => {
                c.arrive();
                let (pending, active) = (c.peek(cpu, 0x200, intid), c.peek(cpu, 0x300, intid));
                let m = *self.m(cpu, intid);
                assert_eq!(active, m.active, "{intid} active on {cpu}");
                if is_physical(intid) || m.maybe {
                    assert!(pending || !m.pending, "{intid} pending");
                } else {
                    assert_eq!(pending, m.pending, "{intid} pending on {cpu}");
                }
            }
            Op::Exits => c.exits(cpu),
            Op::Ack => {
                if self.stacks[cpu].len() < 7 {
                    self.ack(cpu);
                }
            }
            Op::Take => self.take(cpu),
            Op::Eoi => self.eoi(cpu),
            Op::Fold => {
                c.hw.cpu = cpu;
                let kicks = c.vgic.fold(cpu, &mut c.hw);
                c.send(kicks);
                assert!(c.listed(cpu).is_empty());
                c.sync(cpu);
            }
        }
    }

    fn settle(&mut self, cpu: usize) {
        if self.c.version == Version::V2 {
            return self.c.arrive(); // it cannot ask
        }
        if self.c.read(cpu, 0) >> 31 != 0 {
            self.c.arrive();
            assert_eq!(self.c.read(cpu, 0) >> 31, 0, "RWP for ever");
        }
    }

    /// IHI 0069H 4.1.2, 4.8: of what is pending, enabled, not active and routed here, the highest priority, where it is higher
    /// than what runs.
    fn expected(&mut self, cpu: usize) -> Option<u8> {
        let running = self.c.hw.cpus[cpu].running.last().copied().unwrap_or(0xff);
        let ready: Vec<_> = self
            .model
            .iter()
            .filter(|((at, intid), m)| m.enabled && !m.active && if *intid < 32 { *at == cpu } else { m.route == cpu })
            .map(|(key, m)| (*key, *m))
            .collect();
        let high = |life: &mut Self, (at, intid): (usize, u32), m: Model| {
            if is_level(intid) { life.high(at, intid) } else { m.pending }
        };
        let best = ready.into_iter().filter(|(key, m)| high(self, *key, *m)).map(|(_, m)| m.priority).min();
        best.filter(|best| self.groups && *best < running)
    }

    fn take(&mut self, cpu: usize) {
        for _ in 0..100 {
            self.c.arrive();
            (0..self.c.vcpus).for_each(|cpu| self.c.exits(cpu));
            if self.c.kicked | self.c.posted == 0 {
                break;
            }
        }
        // What was on its way when another was taken has come, or merged: the model cannot know which.
        let sure = self.model.values().all(|m| !m.maybe);
        let stale = self.stale_levels(cpu);
        let expected = self.expected(cpu);
        if self.stacks[cpu].len() < 7 && sure && !stale {
            let came = self.ack(cpu);
            let priority = came.map(|intid| self.m(cpu, intid).priority);
            match came {
                // An edge that came again after EL2 acknowledged the first is pending twice: once more than on bare metal.
                Some(EDGE) => assert!(expected.is_none_or(|expected| priority <= Some(expected)), "{expected:?}"),
                _ => assert_eq!(priority, expected, "cpu {cpu} took {came:?}: {:x?}", self.model),
            }
        }
    }

    /// A physical level line that was taken to EL2 and dropped since is still pending for the guest: EL2 acknowledged it.
    fn stale_levels(&mut self, _cpu: usize) -> bool {
        let keys: Vec<_> = self.model.keys().copied().filter(|(_, i)| matches!(*i, TIMER | LEVEL)).collect();
        keys.into_iter().any(|(cpu, intid)| {
            let line = self.c.hw.line(cpu, intid);
            line.active && !line.level
        })
    }

    fn ack(&mut self, cpu: usize) -> Option<u32> {
        let in_flight = (self.c.kicked | self.c.posted) & 1 << cpu != 0;
        let quiet = self.c.kicked | self.c.posted == 0;
        let intid = self.c.ack(cpu)?;
        self.show(format_args!("cpu {cpu} took {intid}"));
        let (groups, m) = (self.groups, self.m(cpu, intid));
        assert!(m.enabled && groups, "{intid} came while disabled");
        assert!(!m.active, "{intid} came while active");
        assert!(is_physical(intid) || m.pending || m.maybe || intid == UART && !quiet, "{intid} came without cause");
        m.active = true;
        m.maybe = in_flight;
        if !is_level(intid) {
            m.pending = false;
        }
        self.stacks[cpu].push(intid);
        Some(intid)
    }

    fn eoi(&mut self, cpu: usize) {
        if let Some(intid) = self.stacks[cpu].pop() {
            self.show(format_args!("cpu {cpu} ends {intid}"));
            self.c.eoi(cpu, intid);
            self.m(cpu, intid).active = false;
            // A maintenance interrupt comes before the guest's next instruction.
            if self.c.hw.maintenance_asserted(cpu) {
                self.c.exits(cpu);
            }
        }
    }

    /// All that is pending comes in the end.
    fn end(&mut self) {
        let vcpus = self.c.vcpus;
        for cpu in 0..vcpus {
            while !self.stacks[cpu].is_empty() {
                self.c.exits(cpu);
                self.eoi(cpu);
            }
        }
        self.apply(0, 0, Op::Groups(1));
        for (cpu, intid) in self.model.keys().copied().collect::<Vec<_>>() {
            self.apply(cpu, intid, Op::ClearActive);
            if intid >= 32 && self.c.target(intid) >= vcpus {
                self.apply(cpu, intid, Op::Route(0));
            }
            self.apply(cpu, intid, Op::Enable);
        }
        let mut taken = vec![];
        for _ in 0..60 {
            for cpu in 0..vcpus {
                self.c.exits(cpu);
                while let Some(intid) = self.ack(cpu) {
                    taken.push(key(cpu, intid));
                    self.c.exits(cpu);
                    if taken.len() > 40 && is_level(intid) {
                        self.apply(cpu, intid, Op::Lower);
                    }
                    self.eoi(cpu);
                    self.c.exits(cpu);
                    assert!(taken.len() < 1000, "a storm: {:?}", &taken[900..]);
                }
            }
        }
        for (k, m) in self.model.clone() {
            let high = self.high(k.0, k.1);
            if is_level(k.1) {
                assert!(!high || taken.len() > 40 || taken.contains(&k), "{k:?} is high and never came");
            } else {
                assert!(!m.pending, "{k:?} was lost");
            }
            assert!(!m.active && !self.c.peek(k.0, 0x300, k.1), "{k:?} stuck active");
        }
        for cpu in 0..vcpus {
            self.c.sync(cpu);
            assert_eq!(self.c.hw.cpus[cpu].wanted, 0, "nothing waits, but maintenance is on");
        }
    }
}

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
