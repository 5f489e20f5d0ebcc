//! The linked image: its functions, its words, and the source line of an instruction.
//!
//! In: an ELF-64 file with symbols and DWARF. A function reaches from its symbol to its size, or, where assembly gives
//! none, to the next symbol. Words between `$d` and `$x` are no code (IHI 0056, "Mapping symbols").

use addr2line::Loader;
use anyhow::{Context as _, Result, anyhow};
use cellwall_cli::mend::mend;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, SectionKind, SymbolKind, elf};
use std::collections::BTreeMap;
use std::path::Path;

/// A piece of the image with a name.
#[derive(Clone, Debug)]
pub struct Function {
    /// Demangled, without hash.
    pub name: String,
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
}

/// A section that is part of the running image.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// First address.
    pub start: u64,
    /// Bytes it has when running.
    pub bytes: u64,
    /// What the file holds of it.
    pub data: Vec<u8>,
    /// Holds code.
    pub code: bool,
    /// May be written.
    pub writable: bool,
}

/// A source position an instruction came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Function of the source, inlined or not.
    pub function: String,
    /// File, below the project's root where it is there.
    pub file: String,
    /// Line.
    pub line: u32,
}

impl Position {
    /// Whether it lies in the project rather than in a library.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        !self.file.starts_with('/') && !self.file.is_empty()
    }
}

/// The image.
pub struct Image {
    /// By address.
    pub functions: Vec<Function>,
    /// What it keeps in memory, as the compiler names it.
    pub statics: Vec<Function>,
    /// Sections with addresses.
    pub sections: Vec<Section>,
    /// Where data begins and ends among code.
    mapping: BTreeMap<u64, bool>,
    /// Debug information.
    lines: Option<Loader>,
    root: String,
}

impl Image {
    /// Reads `path`; source files below `root` are named from there.
    ///
    /// # Errors
    /// If the file cannot be read or is no ELF file with symbols.
    pub fn read(path: &Path, root: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes, path, root)
    }

    /// Reads `path` as [`read`](Self::read) does, mended as it is when it runs.
    ///
    /// # Errors
    /// As [`read`](Self::read), or if there is no room to mend it.
    pub fn read_mended(path: &Path, root: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&mend(&bytes)?.0, path, root)
    }

    fn parse(bytes: &[u8], path: &Path, root: &Path) -> Result<Self> {
        let file = object::File::parse(bytes).context("this is no ELF file")?;
        let mut sections = Vec::new();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            if sh_flags & u64::from(elf::SHF_ALLOC) == 0 {
                continue;
            }
            let empty = section.kind() == SectionKind::UninitializedData;
            sections.push(Section {
                name: section.name()?.to_owned(),
                start: section.address(),
                bytes: section.size(),
                data: if empty { Vec::new() } else { section.data()?.to_vec() },
                code: sh_flags & u64::from(elf::SHF_EXECINSTR) != 0,
                writable: sh_flags & u64::from(elf::SHF_WRITE) != 0,
            });
        }
        let mut mapping = BTreeMap::new();
        let mut symbols: BTreeMap<u64, (u64, bool, String)> = BTreeMap::new();
        let mut statics = Vec::new();
        for symbol in file.symbols() {
            let (at, name) = (symbol.address(), symbol.name().unwrap_or_default());
            if name.starts_with("$d") || name.starts_with("$x") {
                mapping.insert(at, name.starts_with("$x"));
                continue;
            }
            if symbol.kind() == SymbolKind::Data {
                let name = format!("{:#}", rustc_demangle::demangle(name));
                statics.push(Function { name, start: at, end: at.wrapping_add(symbol.size()) });
                continue;
            }
            let in_code = sections.iter().any(|part| part.code && contains(part, at));
            let callable = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label);
            if name.is_empty() || !in_code || !callable {
                continue;
            }
            let typed = symbol.kind() == SymbolKind::Text && symbol.size() > 0;
            let entry = (symbol.size(), typed, format!("{:#}", rustc_demangle::demangle(name)));
            // Of several names for one address, the compiler's.
            if typed || !symbols.contains_key(&at) {
                symbols.insert(at, entry);
            }
        }
        let starts: Vec<u64> = symbols.keys().copied().collect();
        let mut functions = Vec::new();
        for (index, (start, (size, typed, name))) in symbols.into_iter().enumerate() {
            let section = sections.iter().find(|part| part.code && contains(part, start));
            let limit = section.map_or(start, |part| part.start.wrapping_add(part.bytes));
            let next = starts.get(index.wrapping_add(1)).copied().unwrap_or(limit).min(limit);
            let end = if typed { start.wrapping_add(size).min(limit) } else { next };
            functions.push(Function { name, start, end });
        }
        if functions.is_empty() {
            return Err(anyhow!("{} has no symbols", path.display()));
        }
        let lines = Loader::new(path).map_err(|error| anyhow!("debug information: {error}"))?;
        Ok(Self { functions, statics, sections, mapping, lines: Some(lines), root: format!("{}/", root.display()) })
    }

    /// An image of these parts, without debug information.
    #[must_use]
    pub fn of_parts(functions: Vec<Function>, sections: Vec<Section>) -> Self {
        Self { functions, statics: Vec::new(), sections, mapping: BTreeMap::new(), lines: None, root: String::new() }
    }

    /// The eight bytes at `at`, from any section that has them.
    #[must_use]
    pub fn word(&self, at: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(at)?))
    }

    /// The instruction at `at`; nothing where data lies.
    #[must_use]
    pub fn instruction(&self, at: u64) -> Option<u32> {
        let code = self.mapping.range(..=at).next_back().is_none_or(|(_, code)| *code);
        if code { Some(u32::from_le_bytes(self.bytes(at)?)) } else { None }
    }

    fn bytes<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let section = self.sections.iter().find(|part| contains(part, at))?;
        let offset = usize::try_from(at.checked_sub(section.start)?).ok()?;
        section.data.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }

    /// The function that begins at `at`.
    #[must_use]
    pub fn function_at(&self, at: u64) -> Option<usize> {
        self.functions.binary_search_by_key(&at, |function| function.start).ok()
    }

    /// The function that `at` lies in.
    #[must_use]
    pub fn function_of(&self, at: u64) -> Option<usize> {
        let index = self.functions.partition_point(|function| function.start <= at).checked_sub(1)?;
        (at < self.functions.get(index)?.end).then_some(index)
    }

    /// Where the instruction at `at` came from, innermost inlined function first.
    #[must_use]
    pub fn positions(&self, at: u64) -> Vec<Position> {
        let mut positions = Vec::new();
        let Some(Ok(mut frames)) = self.lines.as_ref().map(|lines| lines.find_frames(at)) else { return positions };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.raw_name().ok());
            let name = name.map_or_else(String::new, |name| format!("{:#}", rustc_demangle::demangle(&name)));
            let place = frame.location.as_ref();
            let file = place.and_then(|place| place.file).unwrap_or_default();
            let file = file.strip_prefix(&self.root).unwrap_or(file).to_owned();
            positions.push(Position { function: name, file, line: place.and_then(|place| place.line).unwrap_or(0) });
        }
        positions
    }
}

/// Whether `at` lies in `part`.
fn contains(part: &Section, at: u64) -> bool {
    at.checked_sub(part.start).is_some_and(|offset| offset < part.bytes)
}
