//! Hashes of payloads: SHA-256 by default, CRC-32 for fast boot.
//!
//! Owns the two algorithms as software; EL2 puts the CPU's own instructions in their place by a [`Hasher`] of its own.
//! A digest comes from the `hash-1` node of an image and is checked before the image is used.
//!
//! FIPS 180-4 (SHA-256); IEEE 802.3 3.2.9 (CRC-32, as U-Boot and zlib have it).

use sha2::block_api::compress256;

/// What a payload must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest<'a> {
    /// SHA-256.
    Sha256(&'a [u8; 32]),
    /// CRC-32: finds accidents, not intent.
    Crc32(u32),
}

/// Who computes hashes: software, unless a method is replaced.
pub trait Hasher {
    /// Returns the CRC-32 of `bytes`.
    fn crc32(&self, bytes: &[u8]) -> u32 {
        crc32(bytes)
    }
    /// Adds whole blocks to the state of a SHA-256.
    fn add(&self, state: &mut [u32; 8], blocks: &[[u8; 64]]) {
        compress256(state, blocks);
    }
    /// Returns the SHA-256 of `bytes`: the message ends with a bit, zeros, and its length in bits (FIPS 180-4, 5.1.1).
    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        let (blocks, rest) = bytes.as_chunks::<64>();
        let mut end = [0; 128];
        end.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
        end.iter_mut().skip(rest.len()).take(1).for_each(|slot| *slot = 0x80);
        let (last, more) = if rest.len() < 56 { (7, 1) } else { (15, 2) };
        if let Some(bits) = end.as_chunks_mut().0.get_mut(last) {
            *bits = (bytes.len() as u64).wrapping_mul(8).to_be_bytes();
        }
        let mut state = FIRST;
        self.add(&mut state, blocks);
        self.add(&mut state, end.as_chunks().0.get(..more).unwrap_or_default());
        let mut digest = [0; 32];
        digest.as_chunks_mut().0.iter_mut().zip(state).for_each(|(slot, word)| *slot = word.to_be_bytes());
        digest
    }
}

/// The hashes in portable code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl Hasher for Software {}

/// FIPS 180-4, 5.3.3.
#[rustfmt::skip]
const FIRST: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// Returns the CRC-32 of `bytes`, a bit at a time: polynomial 0x04c11db7, bits reversed.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn sha256_is_that_of_the_library_around_every_padding() {
        use sha2::Digest as _;
        let bytes: [u8; 200] = core::array::from_fn(|at| at.to_le_bytes()[0]);
        for length in 0..200 {
            assert_eq!(Software.sha256(&bytes[..length])[..], sha2::Sha256::digest(&bytes[..length])[..]);
        }
    }
}
