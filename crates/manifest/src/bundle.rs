//! Reading a bundle: images and manifest out of a FIT.
//!
//! Owns the layout of `/images`: each node has `data-position` and `data-size` (bytes from the start of the FIT, behind
//! its tree) and a `hash-1` with `algo` and `value`; the last is the [`PLAN`], whose hash is checked here. Promises that
//! every payload handed out lies inside the bytes; that it is what it should be, only [`ImageEntry::verify`] says.
//!
//! U-Boot, `doc/usage/fit/source_file_format.rst`, "/images node", "External data".

use crate::digest::Hasher;
use crate::{BundleError, Digest, Manifest, words};
use alloc::vec::Vec;
use tree::{NodeId, Tree};

/// The name of the image that is the plan.
pub const PLAN: &str = "plan";

/// A bundle, read and found well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// The plan.
    pub manifest: Manifest<'a>,
    /// What else lies under `/images`, in tree order.
    pub images: Vec<ImageEntry<'a>>,
    /// Bytes from the start of the FIT to the end of its last payload.
    pub size: u64,
}

/// One image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageEntry<'a> {
    /// Node name under `/images`.
    pub name: &'a str,
    /// Its bytes, not yet checked.
    pub payload: &'a [u8],
    /// What they must hash to.
    pub digest: Digest<'a>,
}

impl ImageEntry<'_> {
    /// Tells whether the payload is what the bundle says it is.
    #[must_use]
    pub fn verify(&self, hasher: &impl Hasher) -> bool {
        match self.digest {
            Digest::Sha256(wanted) => hasher.sha256(self.payload) == *wanted,
            Digest::Crc32(wanted) => hasher.crc32(self.payload) == wanted,
        }
    }
}

impl<'a> Bundle<'a> {
    /// Returns how many bytes the tree of a FIT has, from its first 8 (`totalsize`); the payloads come after it.
    #[must_use]
    pub fn total_size(header: &[u8]) -> Option<u64> {
        tree::size_of(header).map(u64::from)
    }

    /// Reads a bundle from the bytes where the loader put it, which may go on behind its end.
    ///
    /// # Errors
    /// Says the first thing that is wrong.
    pub fn read(bytes: &'a [u8], hasher: &impl Hasher) -> Result<Self, BundleError<'a>> {
        let (need, have) = (Self::total_size(bytes).ok_or(BundleError::NotATree)?, bytes.len() as u64);
        if need > have {
            return Err(BundleError::Truncated { need, have });
        }
        let tree = Tree::parse(bytes).map_err(BundleError::Tree)?;
        let (mut images, mut size) = (Vec::new(), need);
        for node in tree.children(tree.child(NodeId::ROOT, "images").ok_or(BundleError::Plan)?) {
            images.push(image(&tree, node, bytes, &mut size)?);
        }
        let plan = images.pop().filter(|plan| plan.name == PLAN && plan.verify(hasher)).ok_or(BundleError::Plan)?;
        Ok(Bundle { manifest: words::read(plan.payload, &images)?, images, size })
    }

    /// Returns the image of that name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&ImageEntry<'a>> {
        self.images.iter().find(|image| image.name == name)
    }
}

/// Reads one image node; `size` becomes the payload's end, if that is larger.
fn image<'a>(
    tree: &Tree<'a>,
    node: NodeId,
    bytes: &'a [u8],
    size: &mut u64,
) -> Result<ImageEntry<'a>, BundleError<'a>> {
    let place = tree.u64(node, "data-position").zip(tree.u64(node, "data-size"));
    let ends = place.and_then(|(start, length)| Some((start, start.checked_add(length)?)));
    let Some(((start, end), digest)) = ends.zip(digest(tree, node)) else {
        return Err(BundleError::Image(tree.name(node)));
    };
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let payload = range.and_then(|(start, end)| bytes.get(start..end));
    let payload = payload.ok_or(BundleError::Truncated { need: end, have: bytes.len() as u64 })?;
    *size = end.max(*size);
    Ok(ImageEntry { name: tree.name(node), payload, digest })
}

fn digest<'a>(tree: &Tree<'a>, image: NodeId) -> Option<Digest<'a>> {
    let hash = tree.child(image, "hash-1")?;
    let value = tree.property(hash, "value")?;
    match tree.string(hash, "algo")? {
        "sha256" => Some(Digest::Sha256(value.try_into().ok()?)),
        "crc32" => Some(Digest::Crc32(u32::from_be_bytes(value.try_into().ok()?))),
        _ => None,
    }
}
