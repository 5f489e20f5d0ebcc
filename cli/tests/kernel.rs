//! Kernels as people have them, and files that are none; ELF made flat.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use cellwall_cli::kernel::Place;
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
    format!("{:#}", kernel::unpack(bytes, (None, None)).unwrap_err())
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
        let kernel = kernel::unpack(file, (None, None)).unwrap();
        assert_eq!(kernel.form, form);
        assert_eq!(kernel.bytes, image(), "{form}");
        assert_eq!(kernel.place.size, 0x18_0000, "{form}");
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
        assert!(said.contains("an arm64 Image is needed, plain, in gzip or as EFI zboot, or an ELF file"), "{said}");
        assert_eq!(said.ends_with("raw bytes need load and entry"), what == "it is raw data;", "{said}");
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
    assert!(refusal(elf(AARCH64, &[(0x1000, &[0; 64], 64)])).starts_with("it is raw data"), "its entry is nowhere");
    let mut big_endian = image();
    big_endian[24] |= 1;
    assert_eq!(refusal(big_endian), "the kernel is big-endian; cells start little-endian");
}

#[test]
fn an_elf_file_says_itself_where_it_goes_and_starts() {
    let mut file = elf(AARCH64, &[(0x4010_0000, &[1; 64], 0x9000), (0x4010_a000, &[2; 32], 0x2000)]);
    file[24..32].copy_from_slice(&0x4010_0010_u64.to_le_bytes());
    let kernel = kernel::unpack(file.clone(), (None, None)).unwrap();
    assert_eq!((kernel.form.as_str(), kernel.bytes.len()), ("ELF", 0xa020));
    let place = Place { text_offset: 0, size: 0xc000, load: Some(0x4010_0000), entry: Some(0x4010_0010) };
    assert_eq!(kernel.place, place);
    assert_eq!(kernel::unpack(gzip(&file), (None, None)).unwrap().form, "ELF in gzip");
    let moved = kernel::unpack(file.clone(), (Some(0x4020_0000), Some(0x4020_0010))).unwrap().place;
    assert_eq!((moved.load, moved.entry), (Some(0x4020_0000), Some(0x4020_0010)), "the plan's word comes first");
    // Linked high, loaded low: the MMU is off when a cell starts.
    file[24..32].copy_from_slice(&0xffff_0000_0000_0020_u64.to_le_bytes());
    file[64 + 16..64 + 24].copy_from_slice(&0xffff_0000_0000_0000_u64.to_le_bytes());
    assert_eq!(kernel::unpack(file, (None, None)).unwrap().place.entry, Some(0x4010_0020));
}

#[test]
fn raw_bytes_go_where_the_plan_says() {
    let kernel = kernel::unpack(b"raw".to_vec(), (Some(0x4000_0000), Some(0x4000_0004))).unwrap();
    assert_eq!((kernel.form.as_str(), kernel.bytes.as_slice()), ("raw data", &b"raw"[..]));
    let place = Place { text_offset: 0, size: 3, load: Some(0x4000_0000), entry: Some(0x4000_0004) };
    assert_eq!(kernel.place, place);
    for said in [(None, Some(1)), (Some(1), None)] {
        assert!(kernel::unpack(b"raw".to_vec(), said).is_err());
    }
    let said = (Some(0x4000_0000), Some(0x4000_0000));
    let error = kernel::unpack(b"070701".to_vec(), said).unwrap_err().to_string();
    assert!(error.starts_with("it is a cpio archive"), "{error}");
}

#[test]
fn an_image_may_be_moved_by_multiples_of_2_mib_only() {
    let placed = |load| kernel::unpack(image(), (Some(load), None)).map(|kernel| kernel.place.load);
    assert_eq!(placed(0x4020_0000).unwrap(), Some(0x4020_0000));
    assert!(placed(0x4021_0000).unwrap_err().to_string().contains("leave load out"));
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
