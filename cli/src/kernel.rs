//! Kernels as people have them, made into the arm64 `Image` that EL2 starts.
//!
//! Owns the unpacking: gzip'd `Image`s, EFI zboot files with gzip inside, and ELF files that carry an `Image` header.
//! What cannot be started is named for what it is.
//!
//! Linux, `Documentation/arch/arm64/booting.rst`; `drivers/firmware/efi/libstub/zboot-header.S`.

use crate::image::{Header, ImageError};
use crate::{cache, flatten};
use anyhow::{Context as _, Result, bail, ensure};
use std::io::Read as _;
use std::path::Path;

/// No kernel is larger; a gzip file that says so is a trap.
const MOST_BYTES: u64 = 1 << 30;

/// A kernel ready for a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The `Image`.
    pub bytes: Vec<u8>,
    /// What its header says.
    pub header: Header,
    /// What the file was: `Image`, `Image in gzip`, ...
    pub form: String,
}

/// Reads the kernel at `path`.
///
/// # Errors
/// Says what the file is instead of a kernel that can be started.
pub fn load(path: &Path) -> Result<Kernel> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let refused = || format!("{} cannot be a cell's kernel", path.display());
    let key = cache::identity(path).map(|file| format!("unpacked {file}"));
    let packed = [&[0x1f, 0x8b][..], b"\x7fELF", b"MZ"].iter().any(|magic| bytes.starts_with(magic));
    if let Some(kept) = key.as_deref().filter(|_| packed).and_then(cache::get)
        && let Some(end) = kept.iter().position(|byte| *byte == 0)
        && let Some((form, image)) = kept.split_at_checked(end)
        && let Some(image) = image.get(1..)
    {
        let mut kernel = unpack(image.to_vec()).with_context(refused)?;
        kernel.form = String::from_utf8_lossy(form).into_owned();
        return Ok(kernel);
    }
    let kernel = unpack(bytes).with_context(refused)?;
    if let Some(key) = key.filter(|_| kernel.form != "Image") {
        cache::put(&key, &[kernel.form.as_bytes(), b"\0", &kernel.bytes].concat());
    }
    Ok(kernel)
}

/// Makes a kernel of a file's bytes.
///
/// # Errors
/// Says what they are instead.
pub fn unpack(mut bytes: Vec<u8>) -> Result<Kernel> {
    let mut form = String::new();
    // zboot holds gzip holds Image: three peels are the most that make sense.
    for _ in 0..3 {
        let (peeled, layer) = if bytes.starts_with(&[0x1f, 0x8b]) {
            (gunzip(&bytes)?, " in gzip")
        } else if bytes.get(4..8) == Some(b"zimg") {
            (zboot(&bytes)?.to_vec(), " in EFI zboot")
        } else if bytes.starts_with(b"\x7fELF") {
            (elf(&bytes)?, " in ELF")
        } else {
            break;
        };
        bytes = peeled;
        form.insert_str(0, layer);
    }
    match Header::parse(&bytes) {
        Ok(header) => Ok(Kernel { bytes, header, form: format!("Image{form}") }),
        Err(ImageError::Magic | ImageError::Short(_)) => {
            bail!("it is {}; an arm64 Image is needed, plain, in gzip or as EFI zboot", identify(&bytes))
        }
        Err(error) => Err(error.into()),
    }
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

fn elf(bytes: &[u8]) -> Result<Vec<u8>> {
    let flat = flatten::flatten(bytes)?;
    let advice = "ELF files without an Image header at their start are not in this version; use the arm64 Image";
    Header::parse(&flat).context(advice)?;
    Ok(flat)
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
    known.iter().find(|(offset, magic, _)| at(*offset, magic)).map_or("raw data", |(_, _, name)| *name)
}
