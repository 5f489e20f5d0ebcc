//! The hardware of all CPUs: list registers, maintenance interrupts and physical lines, as IHI 0069H 4.1.2, 6.2 and 12.4 say.
//! Panics where they forbid something.
use std::collections::BTreeMap;
use vgic::{Hardware, ListRegister, field, maintenance};

#[derive(Clone, Copy, Default, Debug)]
pub struct Line {
    pub enabled: bool,
    pub latch: bool,
    pub level: bool,
    pub active: bool,
    pub route: usize,
    pub edge: bool,
    pub priority: u8,
}

#[derive(Default)]
pub struct Cpu {
    pub lr: [u64; 16],
    pub wanted: u32,
    pub eoi_count: u32,
    /// Priorities of what is active, highest last.
    pub running: Vec<u8>,
    pub lr_writes: u32,
}

/// The hardware of all CPUs; `cpu` is the one that executes.
pub struct Machine {
    pub cpu: usize,
    pub cpus: Vec<Cpu>,
    pub lrs: usize,
    pub lines: BTreeMap<(usize, u32), Line>,
}

pub fn key(vcpu: usize, intid: u32) -> (usize, u32) {
    (if intid < 32 { vcpu } else { 0 }, intid)
}

impl Machine {
    pub fn line(&mut self, vcpu: usize, intid: u32) -> &mut Line {
        self.lines.get_mut(&key(vcpu, intid)).expect("a line that the cell does not own was touched")
    }
    /// The maintenance interrupt of `cpu` is asserted.
    pub fn maintenance_asserted(&self, cpu: usize) -> bool {
        let c = &self.cpus[cpu];
        let lrs = c.lr[..self.lrs].iter().map(|v| ListRegister(*v));
        let valid = lrs.clone().filter(|l| l.0 >> 62 != 0).count();
        let pending = lrs.clone().filter(|l| l.0 >> 62 == 1).count();
        lrs.clone().any(|l| l.0 >> 62 == 0 && l.0 & (ListRegister::HW | ListRegister::EOI) == ListRegister::EOI)
            || c.wanted & maintenance::UNDERFLOW != 0 && valid <= 1
            || c.wanted & maintenance::NO_PENDING != 0 && pending == 0
            || c.wanted & maintenance::NOT_PRESENT != 0 && c.eoi_count != 0
    }
}

impl Hardware for Machine {
    fn read_lr(&self, n: usize) -> ListRegister {
        assert!(n < self.lrs);
        ListRegister(self.cpus[self.cpu].lr[n])
    }
    fn write_lr(&mut self, n: usize, value: ListRegister) {
        assert!(n < self.lrs);
        assert!(
            !value.has(ListRegister::HW) || value.0 >> 62 != 3,
            "HW = 1 must not be pending and active: {value:x?}"
        );
        self.cpus[self.cpu].lr[n] = value.0;
        self.cpus[self.cpu].lr_writes += 1;
    }
    fn empty(&self) -> u32 {
        (0..self.lrs).filter(|n| self.cpus[self.cpu].lr[*n] >> 62 == 0).fold(0, |m, n| m | 1 << n)
    }
    fn control(&mut self, clear: u32, set: u32) -> u32 {
        let cpu = &mut self.cpus[self.cpu];
        let old = cpu.wanted | cpu.eoi_count << 27;
        let new = old & !clear | set;
        (cpu.wanted, cpu.eoi_count) = (new & !maintenance::EOI_COUNT, new >> 27);
        old
    }
    fn read(&self, register: usize, vcpu: usize, w: usize) -> u32 {
        assert!(vcpu < self.cpus.len(), "a vCPU that does not exist");
        let of = |n: &u32| {
            let Some(l) = self.lines.get(&key(vcpu, w as u32 * 32 + n)) else { return false };
            match register {
                field::ISPENDR => l.latch || l.level && !l.edge,
                field::ISACTIVER => l.active,
                _ => panic!("{register:#x} is never read"),
            }
        };
        (0..32).filter(of).fold(0, |m, n| m | 1 << n)
    }
    fn write(&mut self, register: usize, vcpu: usize, w: usize, bits: u32) {
        assert!(vcpu < self.cpus.len(), "a vCPU that does not exist");
        for n in (0..32).filter(|n| bits >> n & 1 != 0) {
            let l = self.line(vcpu, w as u32 * 32 + n);
            match register {
                field::ISENABLER | field::ICENABLER => l.enabled = register == field::ISENABLER,
                field::ISPENDR | field::ICPENDR => l.latch = register == field::ISPENDR,
                field::ISACTIVER | field::ICACTIVER => l.active = register == field::ISACTIVER,
                _ => panic!("{register:#x}"),
            }
        }
    }
    fn set_priority(&mut self, vcpu: usize, intid: u32, priority: u8) {
        assert!(vcpu < self.cpus.len(), "a vCPU that does not exist");
        self.line(vcpu, intid).priority = priority;
    }
    fn route(&mut self, intid: u32, vcpu: usize) {
        self.line(0, intid).route = vcpu;
    }
}

/// The virtual INTID of a list register.
pub fn vintid(lr: ListRegister) -> u32 {
    lr.0 as u32
}
