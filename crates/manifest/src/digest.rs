//! Hashes of payloads: SHA-256 by default, CRC-32 for fast boot.
//!
//! Owns the two algorithms as software; EL2 puts the CPU's own instructions in their place by a [`Hasher`] of its own.
//! A digest comes from the `hash-1` node of an image and is checked before the image is used.
//!
//! FIPS 180-4 (SHA-256); IEEE 802.3 3.2.9 (CRC-32, as U-Boot and zlib have it).

use sha2::{Digest as _, Sha256};

/// What a payload must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// CRC-32: finds accidents, not intent.
    Crc32(u32),
}

/// Who computes hashes: software, unless a method is replaced.
pub trait Hasher {
    /// Returns the CRC-32 of `bytes`.
    fn crc32(&self, bytes: &[u8]) -> u32 {
        crc32(bytes)
    }
    /// Returns the SHA-256 of `bytes`.
    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}

/// The hashes in portable code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl Hasher for Software {}

/// Tells whether `payload` hashes to `digest`.
pub fn check(payload: &[u8], digest: &Digest, hasher: &impl Hasher) -> bool {
    match digest {
        Digest::Sha256(wanted) => hasher.sha256(payload) == *wanted,
        Digest::Crc32(wanted) => hasher.crc32(payload) == *wanted,
    }
}

/// CRC-32 of each nibble: polynomial 0x04c11db7, bits reversed.
const NIBBLES: [u32; 16] = [
    0x0000_0000,
    0x1db7_1064,
    0x3b6e_20c8,
    0x26d9_30ac,
    0x76dc_4190,
    0x6b6b_51f4,
    0x4db2_6158,
    0x5005_713c,
    0xedb8_8320,
    0xf00f_9344,
    0xd6d6_a3e8,
    0xcb61_b38c,
    0x9b64_c2b0,
    0x86d3_d2d4,
    0xa00a_e278,
    0xbdbd_f21c,
];

/// Returns the CRC-32 of `bytes`, a nibble at a time.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 4) ^ NIBBLES.get((crc & 15) as usize).copied().unwrap_or(0);
    !bytes.iter().fold(!0, |crc, &byte| step(step(crc ^ u32::from(byte))))
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
    fn one_flipped_bit_fails_either_hash() {
        for digest in [Digest::Crc32(crc32(b"abc")), Digest::Sha256(Software.sha256(b"abc"))] {
            assert!(check(b"abc", &digest, &Software));
            assert!(!check(b"abb", &digest, &Software));
        }
    }

    #[test]
    fn another_hasher_takes_the_place_of_software() {
        struct Constant;
        impl Hasher for Constant {
            fn crc32(&self, _: &[u8]) -> u32 {
                7
            }
        }
        assert!(check(b"abc", &Digest::Crc32(7), &Constant));
    }
}
