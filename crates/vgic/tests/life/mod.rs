//! A cell's life step by step, and beside it a slow and obvious model of the architecture: once nothing is on its way, what a
//! CPU acknowledges is what [`Life::expected`] says.
use crate::fake::{Cell, DOORBELL, EDGE, LEVEL, TIMER, UART, Version};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub const LINES: [u32; 12] = [0, 1, 2, 3, TIMER, UART, EDGE, LEVEL, DOORBELL, 71, 72, 73];

#[derive(Clone, Copy, Debug)]
pub enum Op {
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

pub fn op() -> impl Strategy<Value = Op> {
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
pub struct Model {
    pub pending: bool,
    pub enabled: bool,
    pub active: bool,
    /// One that was on its way when another one was taken may come too.
    pub maybe: bool,
    /// As the CPU interface has it: the five bits there are.
    pub priority: u8,
    /// To whom an SPI goes; a number that is none's if nobody.
    pub route: usize,
}

pub struct Life {
    pub c: Cell,
    pub model: BTreeMap<(usize, u32), Model>,
    pub stacks: Vec<Vec<u32>>,
    pub groups: bool,
    /// Show each step (VGIC_TRACE).
    pub trace: bool,
}

pub fn key(cpu: usize, intid: u32) -> (usize, u32) {
    (if intid < 32 { cpu } else { 0 }, intid)
}

pub fn is_level(intid: u32) -> bool {
    matches!(intid, TIMER | LEVEL | UART)
}

pub fn is_physical(intid: u32) -> bool {
    matches!(intid, TIMER | LEVEL | EDGE)
}

impl Life {
    pub fn new(version: Version, vcpus: usize, lrs: usize) -> Self {
        let c = Cell::running_of(version, vcpus, lrs);
        let mut model = BTreeMap::new();
        for cpu in 0..vcpus {
            for intid in LINES {
                model.insert(key(cpu, intid), Model { enabled: true, priority: 0x80, ..Model::default() });
            }
        }
        Self { c, model, stacks: vec![vec![]; vcpus], groups: true, trace: false }
    }
    pub fn m(&mut self, cpu: usize, intid: u32) -> &mut Model {
        self.model.get_mut(&key(cpu, intid)).expect("known")
    }
    pub fn high(&mut self, cpu: usize, intid: u32) -> bool {
        match intid {
            UART => self.m(cpu, UART).pending,
            TIMER | LEVEL => self.c.hw.line(cpu, intid).level,
            _ => false,
        }
    }

    pub fn show(&self, what: std::fmt::Arguments) {
        if self.trace {
            let lrs: Vec<_> = self.c.hw.cpus.iter().map(|c| (&c.lr[..self.c.hw.lrs], c.wanted, c.eoi_count)).collect();
            eprintln!("{what}: kicked {:b} {lrs:x?}", self.c.kicked);
        }
    }

    pub fn apply(&mut self, cpu: usize, intid: u32, op: Op) {
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

    pub fn settle(&mut self, cpu: usize) {
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
    pub fn expected(&mut self, cpu: usize) -> Option<u8> {
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

    pub fn take(&mut self, cpu: usize) {
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
    pub fn stale_levels(&mut self, _cpu: usize) -> bool {
        let keys: Vec<_> = self.model.keys().copied().filter(|(_, i)| matches!(*i, TIMER | LEVEL)).collect();
        keys.into_iter().any(|(cpu, intid)| {
            let line = self.c.hw.line(cpu, intid);
            line.active && !line.level
        })
    }

    pub fn ack(&mut self, cpu: usize) -> Option<u32> {
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

    pub fn eoi(&mut self, cpu: usize) {
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
    pub fn end(&mut self) {
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
