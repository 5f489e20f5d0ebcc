//! Kernels as people have them, and files that are none; ELF made flat.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use cellwall_cli::{flatten, kernel};
use common::{elf, image};
use std::io::Write as _;

const AARCH64: u16 = 183;
const X86_64: u16 = 62;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zboot(method: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..8].copy_from_slice(b"MZ\0\0zimg");
    file[8..12].copy_from_slice(&64_u32.to_le_bytes());
    file[12..16].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    file[24..24 + method.len()].copy_from_slice(method);
    file.extend_from_slice(payload);
    file
}

fn refusal(bytes: Vec<u8>) -> String {
    format!("{:#}", kernel::unpack(bytes).unwrap_err())
}

#[test]
fn an_image_is_found_in_every_wrapping() {
    let elf = elf(AARCH64, &[(0x4020_0000, &image(), 4096)]);
    for (file, form) in [
        (image(), "Image"),
        (gzip(&image()), "Image in gzip"),
        (zboot(b"gzip", &gzip(&image())), "Image in gzip in EFI zboot"),
        (elf, "Image in ELF"),
    ] {
        let kernel = kernel::unpack(file).unwrap();
        assert_eq!(kernel.form, form);
        assert_eq!(kernel.bytes, image(), "{form}");
        assert_eq!(kernel.header.image_size, 0x18_0000, "{form}");
    }
}

#[test]
fn what_is_no_image_is_named_for_what_it_is() {
    let with = |at: usize, magic: &[u8]| {
        let mut file = vec![0; 1024];
        file[at..at + magic.len()].copy_from_slice(magic);
        file
    };
    for (file, what) in [
        (Vec::new(), "it is empty;"),
        (with(0, b"Hello"), "it is raw data;"),
        (with(0x202, b"HdrS"), "it is an x86 kernel (bzImage);"),
        (with(0x24, &[0x18, 0x28, 0x6f, 0x01]), "it is a 32-bit ARM kernel (zImage);"),
        (with(0, &[0x27, 0x05, 0x19, 0x56]), "it is a U-Boot uImage;"),
        (with(0, &[0xd0, 0x0d, 0xfe, 0xed]), "it is a device tree or FIT;"),
        (with(0, b"\xfd7zXZ\0"), "it is packed with xz;"),
        (with(0, b"MZ"), "it is an EFI program without an arm64 Image header;"),
        (gzip(b"Hello"), "it is raw data;"),
    ] {
        let said = refusal(file);
        assert!(said.starts_with(what), "{said}");
        assert!(said.ends_with("an arm64 Image is needed, plain, in gzip or as EFI zboot"), "{said}");
    }
}

#[test]
fn a_damaged_or_foreign_wrapping_is_refused() {
    let mut cut = gzip(&image());
    cut.truncate(20);
    assert!(refusal(cut).starts_with("its gzip data is damaged"));
    assert!(refusal(zboot(b"zstd22", &[])).contains("packed with zstd22; only gzip"));
    let mut cut = zboot(b"gzip", &gzip(&image()));
    cut.pop();
    assert_eq!(refusal(cut), "its EFI zboot payload is cut short");
    assert_eq!(refusal(elf(X86_64, &[(0, &image(), 0)])), "the ELF file is not for AArch64");
    assert!(refusal(elf(AARCH64, &[(0, &[0; 64], 64)])).starts_with("ELF files without an Image header"));
    let mut big_endian = image();
    big_endian[24] |= 1;
    assert_eq!(refusal(big_endian), "the kernel is big-endian; cells start little-endian");
}

#[test]
fn segments_lie_at_their_physical_addresses_and_bss_is_left_out() {
    let file = elf(AARCH64, &[(0x1010, b"data", 0x4000), (0x1000, b"text", 4)]);
    assert_eq!(flatten::flatten(&file).unwrap(), b"text\0\0\0\0\0\0\0\0\0\0\0\0data");
}

#[test]
fn segments_that_overlap_or_lie_too_far_apart_are_refused() {
    let refusal = |file: &[u8]| flatten::flatten(file).unwrap_err().to_string();
    assert_eq!(refusal(&elf(AARCH64, &[(0, b"text", 4), (2, b"data", 4)])), "two segments of the ELF file overlap");
    let apart = elf(AARCH64, &[(0, b"text", 4), (1 << 40, b"data", 4)]);
    assert_eq!(refusal(&apart), "the ELF file's segments lie too far apart");
    assert_eq!(refusal(&elf(AARCH64, &[])), "the ELF file has no segment to load");
    assert_eq!(refusal(b"no ELF"), "this is no 64-bit ELF file");
    let mut cut = elf(AARCH64, &[(0, b"text", 4)]);
    cut.pop();
    assert_eq!(refusal(&cut), "the ELF file is cut short");
}
