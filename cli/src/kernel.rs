//! Kernels as people have them, made into what EL2 copies and enters.
//!
//! Owns the unpacking: gzip'd `Image`s, EFI zboot files with gzip inside, ELF files (with an `Image` header or by their
//! own addresses), and raw bytes where the plan says where they go. What cannot be started is named for what it is.
//!
//! Linux, `Documentation/arch/arm64/booting.rst`; `drivers/firmware/efi/libstub/zboot-header.S`.

use crate::image::{Header, ImageError};
use crate::{cache, flatten};
use anyhow::{Context as _, Result, ensure};
use std::io::Read as _;
use std::path::Path;

/// No kernel is larger; a gzip file that says so is a trap.
const MOST_BYTES: u64 = 1 << 30;

/// Images lie at an offset from a multiple of this.
const BLOCK: u64 = 2 << 20;

/// What has no form of its own.
const RAW: &str = "raw data";

/// A kernel ready for a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What goes into RAM.
    pub bytes: Vec<u8>,
    /// How it wants to lie there.
    pub place: Place,
    /// What the file was: `Image`, `Image in gzip`, `ELF`, ...
    pub form: String,
}

/// How a kernel wants to lie in RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Of an `Image`: offset from a 2 MiB boundary.
    pub text_offset: u64,
    /// Bytes of RAM, bss included.
    pub size: u64,
    /// Where its first byte goes, if it does not care for anything but `text_offset`.
    pub load: Option<u64>,
    /// Where it is entered, if not at its first byte.
    pub entry: Option<u64>,
}

/// What a plan says of a kernel's place: `load` and `entry`.
pub type Said = (Option<u64>, Option<u64>);

/// Reads the kernel at `path`.
///
/// # Errors
/// Says what the file is instead of a kernel that can be started.
pub fn load(path: &Path, said: Said) -> Result<Kernel> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let refused = || format!("{} cannot be a cell's kernel", path.display());
    let key = cache::identity(path).map(|file| format!("unpacked {file}"));
    let packed = [&[0x1f, 0x8b][..], b"\x7fELF", b"MZ"].iter().any(|magic| bytes.starts_with(magic));
    if let Some(kept) = key.as_deref().filter(|_| packed).and_then(cache::get)
        && let Some(end) = kept.iter().position(|byte| *byte == 0)
        && let Some((form, image)) = kept.split_at_checked(end)
        && let Some(image) = image.get(1..)
    {
        let mut kernel = unpack(image.to_vec(), said).with_context(refused)?;
        kernel.form = String::from_utf8_lossy(form).into_owned();
        return Ok(kernel);
    }
    let kernel = unpack(bytes, said).with_context(refused)?;
    // What is kept must say by itself how it wants to lie.
    if let Some(key) = key.filter(|_| kernel.form != "Image" && Header::parse(&kernel.bytes).is_ok()) {
        cache::put(&key, &[kernel.form.as_bytes(), b"\0", &kernel.bytes].concat());
    }
    Ok(kernel)
}

/// Makes a kernel of a file's bytes.
///
/// # Errors
/// Says what they are instead.
pub fn unpack(mut bytes: Vec<u8>, (load, entry): Said) -> Result<Kernel> {
    let mut form = String::new();
    let mut own = None;
    // zboot holds gzip holds Image: three peels are the most that make sense.
    for _ in 0..3 {
        let (peeled, layer) = if bytes.starts_with(&[0x1f, 0x8b]) {
            (gunzip(&bytes)?, " in gzip")
        } else if bytes.get(4..8) == Some(b"zimg") {
            (zboot(&bytes)?.to_vec(), " in EFI zboot")
        } else if bytes.starts_with(b"\x7fELF") {
            own = flatten::placement(&bytes).ok();
            (flatten::flatten(&bytes)?, " in ELF")
        } else {
            break;
        };
        bytes = peeled;
        form.insert_str(0, layer);
    }
    let place = match (Header::parse(&bytes), own) {
        (Ok(Header { text_offset, image_size: size, .. }), _) => {
            form.insert_str(0, "Image");
            let fits = load.is_none_or(|load| load.checked_sub(text_offset).is_some_and(|at| at.is_multiple_of(BLOCK)));
            ensure!(fits, "an Image lies {text_offset:#x} past a multiple of 2 MiB: leave load out, it says so itself");
            Place { text_offset, size, load: None, entry: None }
        }
        (Err(ImageError::Magic | ImageError::Short(_)), Some(elf)) => {
            form = form.replacen(" in ELF", "ELF", 1);
            Place { text_offset: 0, size: elf.size, load: Some(elf.load), entry: Some(elf.entry) }
        }
        (Err(ImageError::Magic | ImageError::Short(_)), None) => {
            let what = identify(&bytes);
            let help = "an arm64 Image is needed, plain, in gzip or as EFI zboot, or an ELF file";
            ensure!(what == RAW, "it is {what}; {help}");
            ensure!(load.is_some() && entry.is_some(), "it is {RAW}; {help}; raw bytes need load and entry");
            form.insert_str(0, RAW);
            Place { text_offset: 0, size: bytes.len() as u64, load, entry }
        }
        (Err(error), _) => return Err(error.into()),
    };
    Ok(Kernel { bytes, place: Place { load: load.or(place.load), entry: entry.or(place.entry), ..place }, form })
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(MOST_BYTES)
        .read_to_end(&mut out)
        .context("its gzip data is damaged")?;
    ensure!((out.len() as u64) < MOST_BYTES, "it unpacks to more than 1 GiB");
    Ok(out)
}

/// Returns the packed payload of an EFI zboot file: offset, size and compression stand at 8, 12 and 24.
fn zboot(bytes: &[u8]) -> Result<&[u8]> {
    let word =
        |at: usize| -> Option<usize> { usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok() };
    let method = bytes.get(24..32).unwrap_or_default();
    let method = String::from_utf8_lossy(method.split(|byte| *byte == 0).next().unwrap_or_default());
    ensure!(method == "gzip", "its EFI zboot payload is packed with {method}; only gzip can be unpacked");
    word(8)
        .zip(word(12))
        .and_then(|(start, size)| bytes.get(start..start.checked_add(size)?))
        .context("its EFI zboot payload is cut short")
}

/// Says what a file is, from its first bytes.
fn identify(bytes: &[u8]) -> &'static str {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let known: [(usize, &[u8], &str); 12] = [
        (0x202, b"HdrS", "an x86 kernel (bzImage)"),
        (0x24, &[0x18, 0x28, 0x6f, 0x01], "a 32-bit ARM kernel (zImage)"),
        (0x30, b"RISCV\0\0\0", "a RISC-V kernel"),
        (0, &[0x27, 0x05, 0x19, 0x56], "a U-Boot uImage"),
        (0, &[0xd0, 0x0d, 0xfe, 0xed], "a device tree or FIT"),
        (0, &[0xfd, b'7', b'z', b'X', b'Z'], "packed with xz"),
        (0, &[0x28, 0xb5, 0x2f, 0xfd], "packed with zstd"),
        (0, &[0x02, 0x21, 0x4c, 0x18], "packed with lz4"),
        (0, b"BZh", "packed with bzip2"),
        (0, b"070701", "a cpio archive, as initrds are"),
        (0, b"#!", "a script"),
        (0, b"MZ", "an EFI program without an arm64 Image header"),
    ];
    if bytes.is_empty() {
        return "empty";
    }
    known.iter().find(|(offset, magic, _)| at(*offset, magic)).map_or(RAW, |(_, _, name)| *name)
}
