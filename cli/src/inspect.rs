//! What a bundle holds, for people.

use crate::size;
use anyhow::Result;
use manifest::digest::Software;
use manifest::{Bundle, Console, Digest, Dma};
use std::fmt::Write as _;

/// Describes the bundle `bytes`; the flag tells whether every image is what it should be.
///
/// # Errors
/// Where they are no bundle.
pub fn describe(bytes: &[u8]) -> Result<(String, bool)> {
    let bundle = Bundle::read(bytes)?;
    let plan = &bundle.manifest;
    let mut text = String::new();
    let idle = if plan.poweroff_when_idle { "poweroff" } else { "stay" };
    writeln!(text, "bundle for {}: {}, when idle {idle}", plan.board, size::show(bundle.size))?;
    if let Some(cpu) = plan.service_cpu {
        writeln!(text, "service CPU {cpu}")?;
    }
    for cell in &plan.cells {
        writeln!(text, "\ncell {}", cell.name)?;
        writeln!(text, "  cpus     {:?}", cell.cpus)?;
        for run in &cell.memory {
            let at = run.at.map_or_else(String::new, |at| format!(" at {at:#x}"));
            let identity = if run.identity { ", identity" } else { "" };
            writeln!(text, "  memory   {}{at}{identity}", size::show(run.size))?;
        }
        let (kernel, needs) = (cell.kernel.image.name, size::show(cell.kernel.image_size));
        writeln!(text, "  kernel   {kernel}, needs {needs} at 2 MiB + {:#x}", cell.kernel.text_offset)?;
        if let Some(initrd) = cell.initrd {
            writeln!(text, "  initrd   {}", initrd.name)?;
        }
        if !cell.bootargs.is_empty() {
            writeln!(text, "  bootargs {}", cell.bootargs)?;
        }
        for device in &cell.devices {
            writeln!(text, "  device   {device}")?;
        }
        match cell.dma {
            Dma::Unsaid => {}
            Dma::None => writeln!(text, "  dma      none")?,
            Dma::Trusted => writeln!(text, "  dma      trusted")?,
        }
        match cell.console {
            Console::Virtual => {}
            Console::Passthrough => writeln!(text, "  console  the board's UART")?,
            Console::None => writeln!(text, "  console  none")?,
        }
    }
    text.push('\n');
    let mut sound = true;
    for image in &bundle.images {
        let good = image.verify(&Software);
        sound &= good;
        let hash = match image.digest {
            Digest::Crc32(value) => format!("crc32 {value:08x}"),
            Digest::Sha256(value) => {
                let start = value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                format!("sha256 {start:016x}...")
            }
        };
        let verdict = if good { "good" } else { "DAMAGED" };
        writeln!(text, "image {}: {}, {hash}, {verdict}", image.name, size::show(image.payload.len() as u64))?;
    }
    Ok((text, sound))
}
