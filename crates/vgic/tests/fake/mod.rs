//! A simulated machine round the virtual GIC: CPUs with list registers and a virtual CPU interface, physical lines, and
//! EL2's glue as `lib.rs` prescribes it. Behaves as IHI 0069H 4.1.2, 6.2 and 12.4 say; panics where they forbid something.
#![allow(dead_code, reason = "each test binary uses a part")]
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
mod machine;
pub use machine::{Cpu, Line, Machine};

use machine::vintid;
use std::collections::BTreeMap;
use vgic::{Access, Config, Hardware, Inbox, Kicks, ListRegister, Place, Sgi, Vgic};

pub const TIMER: u32 = 27;
/// Physical lines: edge, level.
pub const EDGE: u32 = 40;
pub const LEVEL: u32 = 41;
/// Emulated lines: level (the virtual UART), edge.
pub const UART: u32 = 33;
pub const DOORBELL: u32 = 70;
pub const UNOWNED: u32 = 50;

/// What a cell sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V2,
    V3,
}

/// One cell on its machine, with the glue.
pub struct Cell {
    pub vgic: Vgic,
    pub hw: Machine,
    pub inboxes: Vec<Inbox>,
    /// Physical SGIs on their way: for kicks, for guests' SGIs.
    pub kicked: u32,
    pub posted: u32,
    /// Those for guests' SGIs: each stands for what it tells.
    pub flying: Vec<Vec<Sgi>>,
    /// Interrupts delivered without the lock.
    pub repeated: u32,
    pub vcpus: usize,
    /// Accesses that had to wait for another vCPU.
    pub retries: u32,
    pub version: Version,
}

impl Cell {
    /// A `GICv3` cell in reset state.
    pub fn new(vcpus: usize, lrs: usize) -> Self {
        Self::of(Version::V3, vcpus, lrs)
    }

    /// A cell in reset state.
    pub fn of(version: Version, vcpus: usize, lrs: usize) -> Self {
        let config = Config {
            v2: version == Version::V2,
            vcpus,
            lines: 96,
            priority_bits: 5,
            list_registers: lrs,
            passthrough: false,
            sgis: 0,
        };
        let mut lines = BTreeMap::new();
        for v in 0..vcpus {
            lines.insert((v, TIMER), Line::default());
            lines.insert((v, 30), Line::default());
        }
        lines.insert((0, EDGE), Line { edge: true, ..Line::default() });
        lines.insert((0, LEVEL), Line::default());
        let cpus = (0..vcpus).map(|_| Cpu::default()).collect();
        let mut hw = Machine { cpu: 0, cpus, lrs, lines };
        let mut vgic = Vgic::new(&config);
        [TIMER, 30, LEVEL].iter().for_each(|intid| vgic.add(*intid, false, false));
        vgic.add(EDGE, true, false);
        vgic.add(UART, false, true);
        [DOORBELL, 71, 72, 73, 74].iter().for_each(|intid| vgic.add(*intid, true, true));
        vgic.reset(&mut hw);
        Self {
            vgic,
            hw,
            inboxes: (0..vcpus).map(|_| Inbox::default()).collect(),
            kicked: 0,
            posted: 0,
            flying: vec![Vec::new(); vcpus],
            repeated: 0,
            vcpus,
            retries: 0,
            version,
        }
    }

    /// As [`Self::new`], with groups on and every line enabled in group 1, priority 0x80, routed to vCPU 0.
    pub fn running(vcpus: usize, lrs: usize) -> Self {
        let mut cell = Self::new(vcpus, lrs);
        cell.write(0, 0x0, 3);
        for w in 1..3 {
            cell.write(0, 0x80 + w * 4, u32::MAX);
            cell.write(0, 0x100 + w * 4, u32::MAX);
        }
        for n in (0x420..0x460).step_by(4) {
            cell.write(0, n, 0x8080_8080);
        }
        for v in 0..vcpus {
            cell.write_r(v, v, 0x10080, u32::MAX);
            cell.write_r(v, v, 0x10100, u32::MAX);
            for n in (0..32).step_by(4) {
                cell.write_r(v, v, 0x10400 + n, 0x8080_8080);
            }
        }
        cell
    }

    /// As [`Self::running`] of either version; on `GICv2` all in group 0.
    pub fn running_of(version: Version, vcpus: usize, lrs: usize) -> Self {
        if version == Version::V3 {
            return Self::running(vcpus, lrs);
        }
        let mut cell = Self::of(version, vcpus, lrs);
        cell.write(0, 0x0, 1);
        for w in 1..3 {
            cell.write(0, 0x100 + w * 4, u32::MAX);
        }
        for n in (0x20..0x60).step_by(4) {
            cell.write(0, 0x400 + n, 0x8080_8080);
            cell.write(0, 0x800 + n, 0x0101_0101);
        }
        for v in 0..vcpus {
            cell.write(v, 0x100, u32::MAX);
            for n in (0..32).step_by(4) {
                cell.write(v, 0x400 + n, 0x8080_8080);
            }
        }
        cell
    }

    pub fn send(&mut self, kicks: Kicks) {
        assert_eq!(kicks.0 >> self.vcpus, 0, "a kick to a vCPU that does not exist");
        self.kicked |= kicks.0;
    }
    pub fn on(&mut self, cpu: usize) -> &mut Machine {
        self.hw.cpu = cpu;
        &mut self.hw
    }
    pub fn sync(&mut self, cpu: usize) {
        self.hw.cpu = cpu;
        self.kicked &= !(1 << cpu);
        let kicks = self.vgic.sync(cpu, &self.inboxes[cpu], &mut self.hw);
        assert_eq!(kicks.0 & 1 << cpu, 0);
        self.send(kicks);
        self.check();
    }
    /// All kicks arrive.
    pub fn arrive(&mut self) {
        for _ in 0..100 {
            if self.posted != 0 {
                self.take_posted(self.posted.trailing_zeros() as usize);
            } else if self.kicked != 0 {
                self.sync(self.kicked.trailing_zeros() as usize);
            } else {
                return;
            }
        }
        panic!("kicks without end");
    }
    /// The physical SGIs that stand for guests' SGIs arrive one by one, as EL2's vectors take them.
    pub fn take_posted(&mut self, cpu: usize) {
        self.posted &= !(1 << cpu);
        for sgi in std::mem::take(&mut self.flying[cpu]) {
            self.hw.cpu = cpu;
            let last = self.vgic.repeat(cpu).copied().unwrap_or_default().sgi;
            let same = match self.version {
                Version::V3 => sgi.bit == 1_u32.checked_shl(last.intid).unwrap_or(0),
                Version::V2 => sgi.bit == 1_u32.checked_shl(last.intid.wrapping_add(16)).unwrap_or(0),
            };
            let same = same && (self.version == Version::V3 || sgi.sender == 1 << last.lr.sender());
            if !self.repeat(same, last) {
                let kicked = self.kicked;
                let _ = self.inboxes[cpu].post(sgi);
                self.sync(cpu);
                self.kicked |= kicked; // that one is still on its way
            }
        }
    }
    /// Writes a list register again, if it is the same interrupt and it is free.
    fn repeat(&mut self, same: bool, last: Place) -> bool {
        let fits = same && self.hw.empty() & last.slot != 0;
        if fits {
            self.hw.write_lr(last.slot.trailing_zeros() as usize, last.lr);
            self.repeated += 1;
            self.check();
        }
        fits
    }
    fn access(&mut self, cpu: usize, frame: Option<usize>, offset: u64, size: u32, write: Option<u64>) -> u64 {
        let offset = offset.wrapping_add(frame.map_or(0, |frame| frame as u64 * 0x2_0000));
        for _ in 0..10 {
            self.hw.cpu = cpu;
            let access = Access { redistributors: frame.is_some(), offset, size, write };
            let (value, kicks) = self.vgic.access(cpu, &access, &mut self.hw);
            if let Some(value) = value {
                self.check();
                assert_eq!(kicks.0 & 1 << cpu, 0, "the own vCPU is served at once");
                self.send(kicks);
                return value;
            }
            self.retries += 1;
            self.send(kicks);
            self.arrive();
        }
        panic!("an access that never ends")
    }
    pub fn read_sized(&mut self, cpu: usize, offset: u64, size: u32) -> u64 {
        self.access(cpu, None, offset, size, None)
    }
    pub fn write_sized(&mut self, cpu: usize, offset: u64, size: u32, value: u64) {
        self.access(cpu, None, offset, size, Some(value));
    }
    pub fn read_r_sized(&mut self, cpu: usize, frame: usize, offset: u64, size: u32) -> u64 {
        self.access(cpu, Some(frame), offset, size, None)
    }
    pub fn write_r_sized(&mut self, cpu: usize, frame: usize, offset: u64, size: u32, value: u64) {
        self.access(cpu, Some(frame), offset, size, Some(value));
    }
    pub fn read(&mut self, cpu: usize, offset: u64) -> u32 {
        self.read_sized(cpu, offset, 4) as u32
    }
    pub fn write(&mut self, cpu: usize, offset: u64, value: u32) {
        self.write_sized(cpu, offset, 4, value.into());
    }
    pub fn read_r(&mut self, cpu: usize, frame: usize, offset: u64) -> u32 {
        self.read_r_sized(cpu, frame, offset, 4) as u32
    }
    pub fn write_r(&mut self, cpu: usize, frame: usize, offset: u64, value: u32) {
        self.write_r_sized(cpu, frame, offset, 4, value.into());
    }
    /// Writes one bit of a bit register (`base` as in the distributor) for `intid`, in the frame of `cpu` if private.
    pub fn poke(&mut self, cpu: usize, base: u64, intid: u32) {
        let (offset, value) = (base + u64::from(intid / 32 * 4), 1 << (intid % 32));
        match (self.version, intid, base) {
            (Version::V2, 0..16, 0x200) => self.write_sized(cpu, 0xf20 + u64::from(intid), 1, 1 << self.partner(cpu)),
            (Version::V2, 0..16, 0x280) => self.write_sized(cpu, 0xf10 + u64::from(intid), 1, 0xff),
            (Version::V3, 0..32, _) => self.write_r(cpu, cpu, 0x10000 + offset, value),
            _ => self.write(cpu, offset, value),
        }
    }
    pub fn peek(&mut self, cpu: usize, base: u64, intid: u32) -> bool {
        let offset = base + u64::from(intid / 32 * 4);
        let private = intid < 32 && self.version == Version::V3;
        let word = if private { self.read_r(cpu, cpu, 0x10000 + offset) } else { self.read(cpu, offset) };
        word >> (intid % 32) & 1 != 0
    }
    pub fn route(&mut self, cpu: usize, intid: u32, to: u64) {
        match self.version {
            Version::V3 => self.write_sized(cpu, 0x6000 + 8 * u64::from(intid), 8, to),
            Version::V2 => self.write_sized(cpu, 0x800 + u64::from(intid), 1, 1 << to),
        }
    }
    /// The vCPU that an SPI goes to; any other number if none.
    pub fn target(&mut self, intid: u32) -> usize {
        match self.version {
            Version::V3 => self.read_sized(0, 0x6000 + 8 * u64::from(intid), 8) as usize,
            Version::V2 => self.read_sized(0, 0x800 + u64::from(intid), 1).trailing_zeros() as usize,
        }
    }
    /// Another vCPU, if there is one.
    pub fn partner(&self, cpu: usize) -> usize {
        if cpu ^ 1 < self.vcpus { cpu ^ 1 } else { cpu }
    }
    pub fn prioritise(&mut self, cpu: usize, intid: u32, priority: u8) {
        let at = 0x400 + u64::from(intid);
        if intid < 32 && self.version == Version::V3 {
            self.write_r_sized(cpu, cpu, 0x10000 + at, 1, priority.into());
        } else {
            self.write_sized(cpu, at, 1, priority.into());
        }
    }

    pub fn sgi(&mut self, from: usize, value: u64) {
        let sgi = match self.version {
            Version::V3 => vgic::sgi1r(value, from, self.vcpus, false),
            Version::V2 => vgic::sgir(((value & 0xff) << 16 | value >> 24 & 0xf) as u32, from, self.vcpus),
        };
        self.post(from, sgi);
    }
    /// `GICv2`: `from` writes `GICD_SGIR`.
    pub fn sgir(&mut self, from: usize, value: u32) {
        self.post(from, vgic::sgir(value, from, self.vcpus));
    }
    fn post(&mut self, from: usize, sgi: Sgi) {
        for v in 0..self.vcpus {
            if sgi.targets & 1 << v != 0 {
                // Ids that EL2 has for itself, and what only group 0 may get, go by the inbox.
                if sgi.bit.trailing_zeros() & 0xf >= 14 || self.version == Version::V3 && sgi.bit > 0xffff {
                    if self.inboxes[v].post(sgi) {
                        self.kicked |= 1 << v;
                    }
                } else if !self.flying[v].contains(&sgi) {
                    self.flying[v].push(sgi);
                    self.posted |= 1 << v;
                }
            }
        }
        if self.kicked & 1 << from != 0 {
            self.sync(from);
        }
        if self.posted & 1 << from != 0 {
            self.take_posted(from);
        }
    }
    /// `cpu` (which may be none of the cell's) drives an emulated line.
    pub fn set_line(&mut self, intid: u32, high: bool) {
        let kicks = self.vgic.set_line(intid, high, &mut self.hw);
        self.send(kicks);
    }
    pub fn pulse(&mut self, intid: u32) {
        let kicks = self.vgic.set_line(intid, true, &mut self.hw);
        self.send(kicks);
    }

    /// The physical interrupts that are signalled to `cpu` now are taken to EL2.
    pub fn take_physical(&mut self, cpu: usize) {
        let due = self.hw.lines.iter().filter(|((v, intid), l)| {
            let to = if *intid < 32 { *v } else { l.route };
            to == cpu && l.enabled && !l.active && (l.latch || l.level && !l.edge)
        });
        let due: Vec<_> = due.map(|(k, _)| *k).collect();
        for k in due {
            let line = self.hw.lines.get_mut(&k).expect("due");
            (line.active, line.latch) = (true, false);
            self.hw.cpu = cpu;
            let last = self.vgic.repeat(cpu).copied().unwrap_or_default().ppi;
            if !self.repeat(last.intid == k.1, last) {
                let kicks = self.vgic.physical(cpu, k.1, &mut self.hw);
                assert_eq!(kicks.0 & 1 << cpu, 0);
                self.send(kicks);
            }
            self.check();
        }
    }
    /// EL2 gets what is due on `cpu`: kicks, physical interrupts, maintenance.
    pub fn exits(&mut self, cpu: usize) {
        if self.posted & 1 << cpu != 0 {
            self.take_posted(cpu);
        }
        if self.kicked & 1 << cpu != 0 {
            self.sync(cpu);
        }
        self.take_physical(cpu);
        if self.hw.maintenance_asserted(cpu) {
            self.sync(cpu);
            assert!(!self.hw.maintenance_asserted(cpu), "a maintenance interrupt that sync does not end");
        }
    }
    /// The guest on `cpu` reads ICC_IAR: None if nothing is signalled above the running priority.
    pub fn ack(&mut self, cpu: usize) -> Option<u32> {
        self.iar(cpu).map(|iar| iar & 0x3ff)
    }
    /// As [`Self::ack`], with the sender of an SGI as `GICV_IAR` has it.
    pub fn iar(&mut self, cpu: usize) -> Option<u32> {
        let c = &mut self.hw.cpus[cpu];
        let running = c.running.last().copied().unwrap_or(0xff);
        let best = c.lr[..self.hw.lrs]
            .iter_mut()
            .filter(|v| **v >> 62 == 1)
            .min_by_key(|v| (ListRegister(**v).priority(), vintid(ListRegister(**v))))?;
        let lr = ListRegister(*best);
        if lr.priority() >= running {
            return None;
        }
        *best = *best & !ListRegister::PENDING | ListRegister::ACTIVE;
        c.running.push(lr.priority());
        let sender = if vintid(lr) < 16 { (lr.0 >> 32 & 7) as u32 } else { 0 };
        Some(vintid(lr) | sender << 10)
    }
    /// The guest ends `intid` (EOImode 0).
    pub fn eoi(&mut self, cpu: usize, intid: u32) {
        let c = &mut self.hw.cpus[cpu];
        c.running.pop();
        let lr = c.lr[..self.hw.lrs]
            .iter_mut()
            .find(|v| ListRegister(**v).has(ListRegister::ACTIVE) && vintid(ListRegister(**v)) == intid);
        let Some(lr) = lr else {
            c.eoi_count += 1;
            return;
        };
        *lr &= !ListRegister::ACTIVE;
        let lr = ListRegister(*lr);
        if lr.has(ListRegister::HW) {
            self.hw.line(cpu, (lr.0 >> 32 & 0x1fff) as u32).active = false;
        }
    }
    /// Acknowledges and ends all that comes on `cpu`, with EL2's exits between.
    pub fn drain(&mut self, cpu: usize) -> Vec<u32> {
        let mut seen = vec![];
        self.exits(cpu);
        while let Some(intid) = self.ack(cpu) {
            seen.push(intid);
            self.exits(cpu);
            self.eoi(cpu, intid);
            self.exits(cpu);
            assert!(seen.len() < 1000, "a storm: {:?}", &seen[..20]);
        }
        seen
    }
    /// As [`Self::drain`], in pairs of INTID and sender.
    pub fn drain_senders(&mut self, cpu: usize) -> Vec<(u32, u32)> {
        let mut seen = vec![];
        self.exits(cpu);
        while let Some(iar) = self.iar(cpu) {
            seen.push((iar & 0x3ff, iar >> 10));
            self.eoi(cpu, iar & 0x3ff);
            self.exits(cpu);
        }
        seen
    }
    /// vINTIDs with a valid state in `cpu`'s list registers.
    pub fn listed(&self, cpu: usize) -> Vec<u32> {
        let lrs = self.hw.cpus[cpu].lr[..self.hw.lrs].iter().filter(|v| **v >> 62 != 0);
        lrs.map(|v| vintid(ListRegister(*v))).collect()
    }
    /// IHI 0069H 6.2.2: no vINTID twice; an SPI in one CPU's list registers only.
    pub fn check(&self) {
        let mut spis = vec![];
        for cpu in 0..self.vcpus {
            let mut listed = self.listed(cpu);
            listed.sort_unstable();
            let all = listed.len();
            listed.dedup();
            assert_eq!(all, listed.len(), "twice in the list registers: {listed:?}");
            spis.extend(listed.into_iter().filter(|i| *i >= 32));
        }
        spis.sort_unstable();
        assert!(spis.windows(2).all(|p| p[0] != p[1]), "an SPI on two CPUs: {spis:?}");
    }
}
