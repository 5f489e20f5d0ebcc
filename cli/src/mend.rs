//! Cortex-A53 erratum 835769, mended in the linked image: no load or store stands right before a multiply-accumulate.
//!
//! In: an ELF file. Where it has a section `.mends`, each 64-bit multiply-accumulate behind a load or store moves there,
//! a branch to it in its place and one back behind it; so does a linker that knows the erratum, and ours does not.
//! Arm EPM-048406 "Cortex-A53 `MPCore` Software Developers Errata Notice", 835769; encodings: DDI 0487 C4.1.

use anyhow::{Context as _, Result};
use object::Endianness;
use object::elf::{FileHeader64, SHF_EXECINSTR};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use std::collections::BTreeMap;

/// The section that has room.
const ROOM: &str = ".mends";

/// Code of the file.
struct Section {
    name: String,
    address: u64,
    offset: usize,
    words: usize,
}

impl Section {
    /// Address and offset of each of its words.
    fn places(&self) -> impl Iterator<Item = (u64, usize)> {
        (self.address..).step_by(4).zip((self.offset..).step_by(4)).take(self.words)
    }
}

/// Returns `elf` mended, and how many instructions had to move.
///
/// # Errors
/// It is no ELF file, or has too little room.
pub fn mend(elf: &[u8]) -> Result<(Vec<u8>, usize)> {
    let mut mended = elf.to_vec();
    let (sections, is_code) = read(elf)?;
    let Some(room) = sections.iter().find(|section| section.name == ROOM) else { return Ok((mended, 0)) };
    let mut free = room.places().step_by(2);
    let mut moved = 0_usize;
    for section in sections.iter().filter(|section| section.name != ROOM) {
        let mut before = None;
        for (at, offset) in section.places() {
            let word = word_at(elf, offset)?;
            let code = is_code.range(..=at).next_back().is_none_or(|(_, code)| *code);
            if code && before.is_some_and(|before| is_wrong(before, word)) {
                let (to, there) = free.next().with_context(|| {
                    format!("more than {moved} places of erratum 835769: {ROOM} (src/boot/entry.S) has too little room")
                })?;
                put(&mut mended, offset, branch(at, to))?;
                put(&mut mended, there, word)?;
                put(&mut mended, there.saturating_add(4), branch(to, at))?;
                moved = moved.saturating_add(1);
            }
            before = code.then_some(word);
        }
    }
    Ok((mended, moved))
}

/// Whether `second` right behind `first` may compute a wrong result.
#[must_use]
pub fn is_wrong(first: u32, second: u32) -> bool {
    let accesses = first & 0x0a00_0000 == 0x0800_0000;
    // Data-processing of three sources, 64 bits wide, that adds to or subtracts from a register.
    let accumulates = second & 0xff00_0000 == 0x9b00_0000 && second & 0x7c00 != 0x7c00;
    let sources = [5, 10, 16].map(|low| field(second, low));
    // It waits for a register that was loaded.
    let waits = loaded(first).iter().flatten().any(|register| sources.contains(register));
    accesses && accumulates && !waits
}

/// The registers that a plain load writes.
fn loaded(word: u32) -> [Option<u32>; 2] {
    let load = word & 0x0040_0000 != 0;
    match word & 0x3e00_0000 {
        // LDP and its kin.
        0x2800_0000 if load => [Some(field(word, 0)), Some(field(word, 10))],
        // LDR and its kin, but for those that extend and PRFM.
        0x3800_0000 if word & 0x00c0_0000 == 0x0040_0000 => [Some(field(word, 0)), None],
        _ => [None; 2],
    }
}

/// The register number at that bit.
fn field(word: u32, low: u32) -> u32 {
    word.wrapping_shr(low) & 31
}

/// `B` at `from` to `to`; an image spans less than the 128 MiB it reaches.
fn branch(from: u64, to: u64) -> u32 {
    let words = to.wrapping_sub(from).wrapping_shr(2) & 0x03ff_ffff;
    0x1400_0000 | u32::try_from(words).unwrap_or(0)
}

fn word_at(bytes: &[u8], offset: usize) -> Result<u32> {
    let word = bytes.get(offset..).and_then(|rest| rest.first_chunk()).context("the ELF file is cut short")?;
    Ok(u32::from_le_bytes(*word))
}

fn put(bytes: &mut [u8], offset: usize, word: u32) -> Result<()> {
    let there = bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()).context("the ELF file is cut short")?;
    *there = word.to_le_bytes();
    Ok(())
}

/// The code of `elf`, and where among it code and data begin (IHI 0056, "Mapping symbols").
fn read(elf: &[u8]) -> Result<(Vec<Section>, BTreeMap<u64, bool>)> {
    let header = FileHeader64::<Endianness>::parse(elf).context("this is no 64-bit ELF file")?;
    let endian = header.endian()?;
    let table = header.sections(endian, elf)?;
    let mut sections = Vec::new();
    for section in table.iter().filter(|section| section.sh_flags(endian) & u64::from(SHF_EXECINSTR) != 0) {
        let Some((offset, bytes)) = section.file_range(endian) else { continue };
        sections.push(Section {
            name: String::from_utf8_lossy(table.section_name(endian, section)?).into_owned(),
            address: section.sh_addr(endian),
            offset: usize::try_from(offset)?,
            words: usize::try_from(bytes / 4)?,
        });
    }
    let symbols = table.symbols(endian, elf, object::elf::SHT_SYMTAB)?;
    let mut is_code = BTreeMap::new();
    for symbol in symbols.iter() {
        if let [b'$', kind @ (b'x' | b'd'), ..] = symbol.name(endian, symbols.strings())? {
            is_code.insert(symbol.st_value(endian), *kind == b'x');
        }
    }
    Ok((sections, is_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADD_X8_X3_X8_X9: u32 = 0x9b08_2468;
    const UMADDL_X0_W8_W21_X9: u32 = 0x9bb5_2500;
    const MUL_X0_X1_X2: u32 = 0x9b02_7c20;
    const MADD_W0_W1_W2_W3: u32 = 0x1b02_0c20;
    const LDR_X9_X0_8: u32 = 0xf940_0409;
    const LDR_X25_X23_104: u32 = 0xf940_36f9;
    const LDP_X10_X9_X28_224: u32 = 0xa94e_278a;
    const STR_X9_SP: u32 = 0xf900_03e9;
    const LDRSB_X9_X0: u32 = 0x3980_0009;
    const NOP: u32 = 0xd503_201f;

    #[test]
    fn a_multiply_accumulate_behind_a_load_or_store_is_wrong() {
        for first in [LDR_X25_X23_104, STR_X9_SP, LDRSB_X9_X0] {
            assert!(is_wrong(first, MADD_X8_X3_X8_X9), "{first:#x}");
            assert!(is_wrong(first, UMADDL_X0_W8_W21_X9), "{first:#x}");
            assert!(!is_wrong(first, MUL_X0_X1_X2), "nothing is added");
            assert!(!is_wrong(first, MADD_W0_W1_W2_W3), "32 bits");
        }
        assert!(!is_wrong(NOP, MADD_X8_X3_X8_X9));
    }

    #[test]
    fn one_that_waits_for_what_is_loaded_is_right() {
        for first in [LDR_X9_X0_8, LDP_X10_X9_X28_224] {
            assert!(!is_wrong(first, MADD_X8_X3_X8_X9), "{first:#x}");
        }
    }

    #[test]
    fn branches_go_both_ways() {
        assert_eq!(branch(0x1000, 0x1010), 0x1400_0004);
        assert_eq!(branch(0x1010, 0x1000), 0x17ff_fffc);
    }
}
