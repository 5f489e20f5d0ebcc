//! The interrupt controller: GICv2 (IHI 0048) or GICv3 (IHI 0069), as the tree says. All of the guest's
//! interrupts stand in one group at one priority: on GICv3 group 1, on GICv2 group 0.

use crate::cpu::{self, low32, read32, write32};
use crate::{read_sysreg, write_sysreg};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static DISTRIBUTOR: AtomicUsize = AtomicUsize::new(0);
/// The CPU interface of a GICv2; 0 with a GICv3.
static CPU_INTERFACE: AtomicUsize = AtomicUsize::new(0);
/// The first redistributor of a GICv3.
static REDISTRIBUTORS: AtomicUsize = AtomicUsize::new(0);

const GICD_CTLR: usize = 0x000;
const GICD_TYPER: usize = 0x004;
const IGROUPR: usize = 0x080;
const ISENABLER: usize = 0x100;
const ICENABLER: usize = 0x180;
const ISPENDR: usize = 0x200;
const IPRIORITYR: usize = 0x400;
const ITARGETSR: usize = 0x800;
const ICFGR: usize = 0xc00;
const IROUTER: usize = 0x6000;
const GICD_SGIR: usize = 0xf00;
const GICC_CTLR: usize = 0x00;
const GICC_PMR: usize = 0x04;
const GICC_IAR: usize = 0x0c;
const GICC_EOIR: usize = 0x10;
const GICR_TYPER: usize = 0x08;
const GICR_WAKER: usize = 0x14;
const SGI_FRAME: usize = 0x1_0000;
const ARE: u32 = 1 << 4;
const ENABLE_GROUP1: u32 = 1 << 1;

pub(crate) fn use_v2(distributor: usize, cpu_interface: usize) {
    DISTRIBUTOR.store(distributor, Relaxed);
    CPU_INTERFACE.store(cpu_interface, Relaxed);
}

pub(crate) fn use_v3(distributor: usize, redistributors: usize) {
    DISTRIBUTOR.store(distributor, Relaxed);
    REDISTRIBUTORS.store(redistributors, Relaxed);
}

/// The distributor's base.
#[must_use]
pub fn distributor() -> usize {
    DISTRIBUTOR.load(Relaxed)
}

/// The first redistributor's base; 0 with a GICv2.
#[must_use]
pub fn redistributors() -> usize {
    REDISTRIBUTORS.load(Relaxed)
}

/// The CPU interface's base; 0 with a GICv3.
#[must_use]
pub fn cpu_interface() -> usize {
    CPU_INTERFACE.load(Relaxed)
}

/// Whether the controller is a GICv2.
#[must_use]
pub fn is_v2() -> bool {
    CPU_INTERFACE.load(Relaxed) != 0
}

fn get(address: usize) -> u32 {
    // SAFETY: every address here is a register of the controller the tree names.
    unsafe { read32(address) }
}

fn set(address: usize, value: u32) {
    // SAFETY: as in `get`.
    unsafe { write32(address, value) }
}

/// Sets up the distributor, all interrupts disabled, and this CPU. Once, on the first CPU.
pub fn init() {
    let distributor = DISTRIBUTOR.load(Relaxed);
    let (group, control) = if is_v2() { (0, 1) } else { (u32::MAX, ARE | ENABLE_GROUP1) };
    let words = (get(distributor + GICD_TYPER) & 0x1f) as usize + 1;
    set(distributor + GICD_CTLR, 0);
    for word in 1..words {
        set(distributor + ICENABLER + 4 * word, u32::MAX);
        set(distributor + IGROUPR + 4 * word, group);
    }
    set(distributor + GICD_CTLR, control);
    init_cpu();
}

/// Sets up this CPU's interface, its private interrupts disabled.
pub fn init_cpu() {
    let private = private_frame();
    set(private + ICENABLER, 0xffff_0000);
    if is_v2() {
        set(private + IGROUPR, 0);
        let interface = CPU_INTERFACE.load(Relaxed);
        set(interface + GICC_PMR, 0xf8);
        set(interface + GICC_CTLR, 1);
    } else {
        set(private + IGROUPR, u32::MAX);
        let waker = private - SGI_FRAME + GICR_WAKER;
        set(waker, get(waker) & !2);
        while get(waker) & 4 != 0 {
            core::hint::spin_loop();
        }
        write_sysreg!("icc_sre_el1", read_sysreg!("icc_sre_el1") | 1);
        write_sysreg!("icc_pmr_el1", 0xf8);
        write_sysreg!("icc_bpr1_el1", 0);
        write_sysreg!("icc_ctlr_el1", 0);
        write_sysreg!("icc_igrpen1_el1", 1);
    }
}

/// Where this CPU's SGIs and PPIs are set up: the distributor (GICv2) or the redistributor's second frame.
#[must_use]
pub fn private_frame() -> usize {
    if is_v2() {
        return DISTRIBUTOR.load(Relaxed);
    }
    let affinity = cpu::affinity();
    let wanted = low32(affinity & 0xff_ffff | affinity >> 8 & 0xff00_0000);
    let mut frame = REDISTRIBUTORS.load(Relaxed);
    loop {
        let low = get(frame + GICR_TYPER);
        if get(frame + GICR_TYPER + 4) == wanted || low & 1 << 4 != 0 {
            return frame + SGI_FRAME;
        }
        frame += if low & 2 != 0 { 0x4_0000 } else { 0x2_0000 };
    }
}

/// Enables an interrupt; a shared one is routed to this CPU.
pub fn enable(intid: u32) {
    let (word, bit) = (4 * (intid as usize / 32), 1 << (intid % 32));
    let priority = IPRIORITYR + (intid as usize & !3);
    let shift = 8 * (intid % 4);
    let distributor = DISTRIBUTOR.load(Relaxed);
    let base = if intid < 32 { private_frame() } else { distributor };
    set(base + priority, get(base + priority) & !(0xff << shift) | 0x80 << shift);
    if intid >= 32 {
        if is_v2() {
            // The first private word tells this CPU its own target bit.
            let (targets, mine) =
                (distributor + ITARGETSR + (intid as usize & !3), get(distributor + ITARGETSR) & 0xff);
            set(targets, get(targets) & !(0xff << shift) | mine << shift);
        } else {
            let affinity = cpu::affinity();
            let router = distributor + IROUTER + 8 * intid as usize;
            set(router, low32(affinity & 0xff_ffff));
            set(router + 4, low32(affinity >> 32));
        }
    }
    set(base + ISENABLER + word, bit);
}

/// Disables an interrupt; a private one of this CPU.
pub fn disable(intid: u32) {
    let base = if intid < 32 { private_frame() } else { DISTRIBUTOR.load(Relaxed) };
    set(base + ICENABLER + 4 * (intid as usize / 32), 1 << (intid % 32));
}

/// What the controller holds about an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its priority.
    pub priority: u8,
    /// Where it goes: targets (GICv2) or affinity (GICv3); 0 for a private one.
    pub target: u32,
    /// Whether it is edge-triggered.
    pub edge: bool,
}

/// Reads back what the controller holds about an interrupt; a private one is this CPU's.
#[must_use]
pub fn state(intid: u32) -> State {
    let n = intid as usize;
    let base = if intid < 32 { private_frame() } else { distributor() };
    let byte = |bank: usize| get(base + bank + (n & !3)) >> (8 * (intid % 4)) & 0xff;
    State {
        enabled: get(base + ISENABLER + 4 * (n / 32)) >> (intid % 32) & 1 != 0,
        priority: u8::try_from(byte(IPRIORITYR)).unwrap_or(0),
        target: match (intid < 32, is_v2()) {
            (true, _) => 0,
            (_, true) => byte(ITARGETSR),
            (_, false) => get(base + IROUTER + 8 * n),
        },
        edge: get(base + ICFGR + 4 * (n / 16)) >> (2 * (intid % 16) + 1) & 1 != 0,
    }
}

/// Makes an interrupt pending by software, as its device would; not for SGIs.
pub fn set_pending(intid: u32) {
    let base = if intid < 32 { private_frame() } else { distributor() };
    set(base + ISPENDR + 4 * (intid as usize / 32), 1 << (intid % 32));
}

/// Sends a software interrupt to the CPUs of a mask within this CPU's cluster.
pub fn send_sgi(intid: u32, targets: u16) {
    Sgi::new(intid, targets).send();
}

/// A software interrupt made ready, so that sending it is one write.
#[derive(Clone, Copy, Debug)]
pub struct Sgi {
    value: u64,
    /// `GICD_SGIR`; 0 where it is a system register.
    register: usize,
}

impl Sgi {
    /// For the CPUs of a mask within this CPU's cluster.
    #[must_use]
    pub fn new(intid: u32, targets: u16) -> Self {
        if is_v2() {
            let value = u64::from(targets & 0xff) << 16 | u64::from(intid);
            return Self { value, register: DISTRIBUTOR.load(Relaxed) + GICD_SGIR };
        }
        let affinity = cpu::affinity();
        let cluster = (affinity >> 8 & 0xff) << 16 | (affinity >> 16 & 0xff) << 32 | (affinity >> 32) << 48;
        Self { value: cluster | u64::from(intid) << 24 | u64::from(targets), register: 0 }
    }

    /// Sends it.
    #[inline]
    pub fn send(self) {
        match self.register {
            0 => write_sysreg!("icc_sgi1r_el1", self.value),
            register => set(register, low32(self.value)),
        }
    }
}

/// Takes the pending interrupt, if there is one: its INTID in the low 10 bits.
#[must_use]
#[inline]
pub fn acknowledge() -> Option<u32> {
    let token = if is_v2() {
        get(CPU_INTERFACE.load(Relaxed) + GICC_IAR)
    } else {
        low32(read_sysreg!("icc_iar1_el1") & 0xff_ffff)
    };
    (token & 0x3ff < 1020).then_some(token)
}

/// Ends the interrupt.
#[inline]
pub fn end(token: u32) {
    if is_v2() {
        set(CPU_INTERFACE.load(Relaxed) + GICC_EOIR, token);
    } else {
        write_sysreg!("icc_eoir1_el1", u64::from(token));
    }
}
