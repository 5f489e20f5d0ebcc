//! The 64-byte header of an arm64 `Image`: how a kernel wants to lie in RAM.
//!
//! Owns the header's layout and its rules; pure. `cellwall build` reads it from each kernel and writes what it says
//! into the manifest.
//!
//! Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image".

use std::fmt;

/// `ARM\x64`, little endian, at byte 56.
pub const MAGIC: u32 = 0x644d_5241;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// Where kernels older than 3.17, whose `image_size` is 0, want to lie.
const OLD_TEXT_OFFSET: u64 = 0x8_0000;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Offset of the first byte from a 2 MiB boundary.
    pub text_offset: u64,
    /// Bytes of RAM needed from the first byte, bss included; never less than the file has.
    pub image_size: u64,
    /// `flags`: bit 0 endianness, bits 1 and 2 page size, bit 3 placement.
    pub flags: u64,
}

/// Why a file is no `Image` that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Shorter than the header.
    Short(usize),
    /// The magic number is not there.
    Magic,
    /// A big-endian kernel.
    BigEndian,
    /// `text_offset` or `image_size` is beyond any memory.
    Size,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(bytes) => write!(f, "{bytes} bytes are fewer than the {HEADER_BYTES} of an arm64 Image header"),
            Self::Magic => f.write_str("no arm64 Image: the magic number ARM\\x64 is not at byte 56"),
            Self::BigEndian => f.write_str("the kernel is big-endian; cells start little-endian"),
            Self::Size => f.write_str("the header's text_offset or image_size is larger than any memory"),
        }
    }
}

impl std::error::Error for ImageError {}

impl Header {
    /// Reads the header of the kernel `file`.
    ///
    /// # Errors
    /// Says why the file cannot be started as an arm64 `Image`.
    pub fn parse(file: &[u8]) -> Result<Self, ImageError> {
        let short = ImageError::Short(file.len());
        let word = |at: usize| file.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b));
        if file.get(56..60).ok_or(short)? != MAGIC.to_le_bytes() {
            return Err(ImageError::Magic);
        }
        let (text_offset, image_size, flags) = (word(8).ok_or(short)?, word(16).ok_or(short)?, word(24).ok_or(short)?);
        if file.len() < HEADER_BYTES {
            return Err(short);
        }
        if flags & 1 != 0 {
            return Err(ImageError::BigEndian);
        }
        let bytes = file.len() as u64;
        let (text_offset, image_size) =
            if image_size == 0 { (OLD_TEXT_OFFSET, bytes) } else { (text_offset, image_size.max(bytes)) };
        if text_offset.checked_add(image_size).is_none_or(|end| end >> 52 != 0) {
            return Err(ImageError::Size);
        }
        Ok(Self { text_offset, image_size, flags })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(text_offset: u64, image_size: u64, flags: u64) -> Vec<u8> {
        let mut file = std::vec![0; 100];
        file[8..16].copy_from_slice(&text_offset.to_le_bytes());
        file[16..24].copy_from_slice(&image_size.to_le_bytes());
        file[24..32].copy_from_slice(&flags.to_le_bytes());
        file[56..60].copy_from_slice(b"ARM\x64");
        file
    }

    #[test]
    fn the_header_says_where_and_how_much() {
        let header = Header::parse(&image(0x1000, 0x20_0000, 10));
        assert_eq!(header, Ok(Header { text_offset: 0x1000, image_size: 0x20_0000, flags: 10 }));
    }

    #[test]
    fn an_old_kernel_without_size_lies_at_its_fixed_offset_and_needs_its_file() {
        let header = Header::parse(&image(0, 0, 0)).unwrap();
        assert_eq!((header.text_offset, header.image_size), (0x8_0000, 100));
    }

    #[test]
    fn a_size_smaller_than_the_file_is_the_file() {
        assert_eq!(Header::parse(&image(0, 64, 0)).unwrap().image_size, 100);
    }

    #[test]
    fn what_cannot_be_started_is_refused() {
        assert_eq!(Header::parse(&image(0, 64, 1)), Err(ImageError::BigEndian));
        assert_eq!(Header::parse(&[0; 64]), Err(ImageError::Magic));
        assert_eq!(Header::parse(&image(0, 64, 0)[..63]), Err(ImageError::Short(63)));
        assert_eq!(Header::parse(&[]), Err(ImageError::Short(0)));
        assert_eq!(Header::parse(&image(u64::MAX, 1, 0)), Err(ImageError::Size));
        assert_eq!(Header::parse(&image(0, 1 << 52, 0)), Err(ImageError::Size));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(file in proptest::collection::vec(any::<u8>(), 0..130)) {
            let _ = Header::parse(&file);
        }
    }
}
