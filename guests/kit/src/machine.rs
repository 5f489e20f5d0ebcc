//! The machine as its device tree tells it, found once at the start. The console, the interrupt controller and
//! the PSCI conduit are set by it.

use crate::tree::{Node, Tree};
use crate::{console, cpu::address, gic, psci};

/// The most CPUs a guest has stacks for.
pub const MAX_CPUS: usize = 8;

/// What a guest may use.
pub struct Machine {
    /// The device tree.
    pub tree: Tree,
    /// Where it lies.
    pub tree_address: usize,
    /// Base and size of the first memory.
    pub memory: (u64, u64),
    /// The affinities of the CPUs, in the tree's order.
    cpus: [u64; MAX_CPUS],
    count: usize,
    /// The console's UART.
    pub uart: Option<usize>,
    /// The UART's interrupt.
    pub uart_intid: Option<u32>,
    /// The virtual timer's interrupt.
    pub timer_intid: u32,
    /// The performance monitors' interrupt, where each CPU has its own.
    pub monitors_intid: Option<u32>,
    /// The generic watchdog's refresh frame, and its interrupt.
    pub watchdog: Option<(usize, u32)>,
    /// The interrupt controller's version, 0 when the tree has none.
    pub gic_version: u32,
}

impl Machine {
    /// Reads the tree. Without one there is nobody to tell: the guest parks.
    pub(crate) fn discover(tree_address: usize) -> Self {
        let Some(tree) = Tree::at(tree_address) else { crate::cpu::park() };
        let mut machine = Self {
            tree,
            tree_address,
            memory: (0, 0),
            cpus: [0; MAX_CPUS],
            count: 0,
            uart: None,
            uart_intid: None,
            timer_intid: 27,
            monitors_intid: None,
            watchdog: None,
            gic_version: 0,
        };
        let uart = machine.stdout();
        machine.uart_intid = uart.and_then(|node| node.interrupt(0));
        machine.uart = uart.and_then(|node| node.reg(0)).map(|(base, _)| address(base));
        console::init(machine.uart.unwrap_or(0));
        for node in tree.nodes() {
            machine.note(&node);
        }
        machine
    }

    fn note(&mut self, node: &Node) {
        let base = |index| node.reg(index).map_or(0, |(base, _)| address(base));
        match node.string("device_type") {
            Some("memory") if self.memory.1 == 0 => self.memory = node.reg(0).unwrap_or((0, 0)),
            Some("cpu") if node.is_enabled() => {
                if let (Some(slot), Some((affinity, _))) = (self.cpus.get_mut(self.count), node.reg(0)) {
                    *slot = affinity;
                    self.count += 1;
                }
            }
            _ => {}
        }
        if node.is("arm,gic-v3") {
            self.gic_version = 3;
            gic::use_v3(base(0), base(1));
        } else if node.is("arm,cortex-a15-gic") || node.is("arm,gic-400") {
            self.gic_version = 2;
            gic::use_v2(base(0), base(1));
        } else if node.is("arm,armv8-timer") {
            self.timer_intid = node.interrupt(2).unwrap_or(27);
        } else if node.is("arm,armv8-pmuv3") {
            self.monitors_intid = node.interrupt(0);
        } else if node.is("arm,sbsa-gwdt") {
            self.watchdog = node.interrupt(0).map(|intid| (base(1), intid));
        } else if node.name == "psci" {
            psci::use_smc(node.string("method") == Some("smc"));
        }
    }

    /// The console's node: `stdout-path` with its options cut off, or through an alias; else the first PL011.
    fn stdout(&self) -> Option<Node> {
        let path = self.tree.find("/chosen").and_then(|chosen| chosen.string("stdout-path"));
        let path = path.and_then(|path| path.split(':').next());
        let node = path.and_then(|path| {
            let path = if path.starts_with('/') { path } else { self.tree.find("/aliases")?.string(path)? };
            self.tree.find(path)
        });
        node.or_else(|| self.tree.nodes().find(|node| node.is("arm,pl011") && node.is_enabled()))
    }

    /// The affinities of this machine's CPUs.
    #[must_use]
    pub fn cpus(&self) -> &[u64] {
        self.cpus.get(..self.count).unwrap_or(&[])
    }

    /// `/chosen/bootargs`, or nothing.
    #[must_use]
    pub fn bootargs(&self) -> &'static str {
        self.tree.find("/chosen").and_then(|chosen| chosen.string("bootargs")).unwrap_or("")
    }

    /// Whether the word stands in the boot arguments.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.bootargs().split_ascii_whitespace().any(|argument| argument == word)
    }

    /// The value of `key=value` in the boot arguments.
    #[must_use]
    pub fn argument(&self, key: &str) -> Option<&'static str> {
        let mut arguments = self.bootargs().split_ascii_whitespace();
        arguments.find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='))
    }

    /// The number of `key=N`, decimal or 0x, underscores allowed.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        let value = self.argument(key)?;
        let (digits, radix) = value.strip_prefix("0x").map_or((value, 10), |hex| (hex, 16));
        digits.bytes().filter(|&b| b != b'_').try_fold(0_u64, |sum, b| {
            sum.checked_mul(u64::from(radix))?.checked_add(u64::from(char::from(b).to_digit(radix)?))
        })
    }
}
