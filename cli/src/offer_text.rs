//! A board's offer as text.

use crate::offer::{Item, Offer, Piece};
use crate::size;
use ::address::PhysAddr;
use std::fmt;

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.model.is_empty() { &self.compatible } else { &self.model };
        writeln!(f, "{name} ({})", self.compatible)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "warning: {note}"))?;
        writeln!(f, "\nCPUs: cpus = [0, ...] names them by these numbers")?;
        for cpu in &self.cpus {
            let start = match cpu.start {
                "unknown" if cpu.index == 0 => "boots",
                "unknown" => "the tree does not say how it is started: no cell can have it",
                start => start,
            };
            let off = if cpu.disabled { ", disabled: no cell can have it" } else { "" };
            writeln!(f, "  {:2}  {}, affinity {:#x}, {start}{off}", cpu.index, cpu.compatible, cpu.affinity)?;
        }
        writeln!(f, "\nRAM")?;
        self.ram.iter().try_for_each(|bank| writeln!(f, "  {bank}"))?;
        if self.ram.is_empty() {
            writeln!(f, "  the tree tells of none: firmware fills it in. Plan against the tree of the running board")?;
            writeln!(f, "  (Linux shows it as /sys/firmware/fdt)")?;
        }
        for reserved in &self.reserved {
            writeln!(f, "  {reserved}, not free")?;
        }
        writeln!(f, "\nGICv{}, which EL2 keeps", self.gic)?;
        self.gic_frames.iter().try_for_each(|frame| writeln!(f, "  {frame}"))?;
        let console = self.console.as_deref().unwrap_or("none: cells need console = \"none\"");
        writeln!(f, "\nConsole: {console}")?;
        writeln!(f, "Firmware: {}", self.psci.map_or("no PSCI".to_owned(), |conduit| format!("PSCI by {conduit}")))?;
        writeln!(f, "\nDevices: + by itself, = together with others of its pages, - to no cell: devices = [\"PATH\"]")?;
        self.devices.iter().try_for_each(|item| write!(f, "{item}"))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.name.is_empty() { "" } else { "  " };
        write!(f, "{}  {}{gap}{}", address(self.base), size::show(self.size), self.name)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let together = self.refused.as_ref().is_some_and(|refused| refused.code == "E0307");
        let mark = if together {
            '='
        } else if self.refused.is_some() {
            '-'
        } else {
            '+'
        };
        let names = if self.names.is_empty() { String::new() } else { format!(" ({})", self.names.join(", ")) };
        writeln!(f, "{mark} {}{names}", self.path)?;
        let mut line = vec![self.compatible.clone()];
        line.extend(
            self.interrupts
                .iter()
                .map(|line| format!("interrupt {}{}", line.intid, if line.edge { " edge" } else { "" })),
        );
        line.retain(|part| !part.is_empty());
        if !line.is_empty() {
            writeln!(f, "    {}", line.join(", "))?;
        }
        let regions: Vec<String> = self.registers.iter().map(ToString::to_string).collect();
        writeln!(f, "    {}", regions.join(", "))?;
        for window in &self.windows {
            writeln!(f, "    window {window}")?;
        }
        match self.dma {
            "none" => {}
            "iommu" => writeln!(f, "    DMA: behind an IOMMU; the plan must say dma")?,
            _ => writeln!(f, "    DMA: not known to master none; the plan must say dma")?,
        }
        if !self.shares_pages_with.is_empty() && !together {
            writeln!(f, "    shares pages with {}", self.shares_pages_with.join(", "))?;
        }
        let mut needs: Vec<&str> = self.needs.iter().map(|need| need.path.as_str()).collect();
        needs.dedup();
        if !needs.is_empty() {
            writeln!(f, "    refers to {}", needs.join(", "))?;
        }
        match &self.refused {
            Some(refused) if together => writeln!(f, "    {}", refused.why),
            Some(refused) => writeln!(f, "    {}: {}", refused.code, refused.why),
            None => Ok(()),
        }
    }
}

/// Writes an address as plans do.
#[must_use]
pub fn address(number: u64) -> String {
    PhysAddr::at(number).to_string()
}
