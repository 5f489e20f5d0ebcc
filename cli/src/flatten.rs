//! ELF to flat binary: the loaded segments at their physical addresses, from the lowest one on.
//!
//! Makes arm64 `Image`s of EL2 and of guests whose linker script puts the header first. What a segment has in memory
//! but not in the file (bss) is zero between segments and left out at the end: `image_size` tells it.
//!
//! ELF-64 object file format, "Program header".

use crate::mend::mend;
use anyhow::{Context as _, Result, bail, ensure};
use object::Endianness;
use object::elf::{EM_AARCH64, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// No flat binary of ours is larger; a larger one has its segments too far apart.
const MOST_BYTES: u64 = 1 << 30;

/// Where an ELF file wants to lie, and where it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The physical address of its first byte.
    pub load: u64,
    /// Bytes of memory from there on, bss included.
    pub size: u64,
    /// The physical address of its entry.
    pub entry: u64,
}

/// Returns where `elf` says it lies.
///
/// # Errors
/// It is no ELF file, or its entry is in none of its segments.
pub fn placement(elf: &[u8]) -> Result<Placement> {
    let header = FileHeader64::<Endianness>::parse(elf).context("this is no 64-bit ELF file")?;
    let endian = header.endian()?;
    let loaded = header.program_headers(endian, elf)?.iter().filter(|segment| segment.p_type(endian) == PT_LOAD);
    let segments: Vec<_> = loaded.filter(|segment| segment.p_memsz(endian) > 0).collect();
    let filled = segments.iter().filter(|segment| segment.p_filesz(endian) > 0);
    let load = filled.map(|segment| segment.p_paddr(endian)).min().context("the ELF file has no segment to load")?;
    let ends = segments.iter().map(|segment| segment.p_paddr(endian).saturating_add(segment.p_memsz(endian)));
    let entry = header.e_entry(endian);
    // The entry is a virtual address; the MMU is off when a cell starts.
    let physical = segments.iter().find_map(|segment| {
        let offset = entry.checked_sub(segment.p_vaddr(endian))?;
        (offset < segment.p_memsz(endian)).then(|| segment.p_paddr(endian).checked_add(offset))?
    });
    let entry = physical.context("the ELF file's entry is in none of its segments")?;
    Ok(Placement { load, size: ends.max().unwrap_or(load).saturating_sub(load), entry })
}

/// Returns the flat binary of `elf`, [mended](crate::mend).
///
/// # Errors
/// Says why there is none.
pub fn flatten(elf: &[u8]) -> Result<Vec<u8>> {
    let elf: &[u8] = &mend(elf)?.0;
    let header = FileHeader64::<Endianness>::parse(elf).context("this is no 64-bit ELF file")?;
    let endian = header.endian()?;
    ensure!(header.e_machine(endian) == EM_AARCH64, "the ELF file is not for AArch64");
    let mut segments = Vec::new();
    for segment in header.program_headers(endian, elf)? {
        if segment.p_type(endian) == PT_LOAD && segment.p_filesz(endian) > 0 {
            let Ok(bytes) = segment.data(endian, elf) else { bail!("the ELF file is cut short") };
            segments.push((segment.p_paddr(endian), bytes));
        }
    }
    segments.sort_by_key(|(address, _)| *address);
    let base = segments.first().context("the ELF file has no segment to load")?.0;
    let mut flat = Vec::new();
    for (address, bytes) in segments {
        let offset = address.checked_sub(base).filter(|offset| *offset < MOST_BYTES);
        let offset = usize::try_from(offset.context("the ELF file's segments lie too far apart")?)?;
        ensure!(offset >= flat.len(), "two segments of the ELF file overlap");
        flat.resize(offset, 0);
        flat.extend_from_slice(bytes);
    }
    Ok(flat)
}
