//! The plan as the bundle holds it: what [`Manifest`] and [`Cell`] say, in the order in which it is read here.
//!
//! Owns that order, behind [`VERSION`]. A number has eight bytes, the highest first; a choice is the number of its place; a
//! list or a text has its length before it, what may be absent 0 or 1; an image is its place under `/images` plus one.
//! Every byte is read here or refused here, so a plan never means less than it says.

use crate::{BundleError, Cell, Console, Dma, Image, ImageEntry, Kernel, Manifest, Memory, VERSION};
use alloc::vec::Vec;

/// Reads a plan whose cells take some of `images`.
///
/// # Errors
/// It is of another version, or no plan.
pub fn read<'a>(bytes: &'a [u8], images: &[ImageEntry<'a>]) -> Result<Manifest<'a>, BundleError<'a>> {
    let mut words = Words { rest: bytes, good: true, images };
    let version = words.number();
    if words.good && version != VERSION {
        return Err(BundleError::Version(version));
    }
    let plan = Manifest {
        board: words.text(),
        poweroff_when_idle: words.yes(),
        service_cpu: words.maybe(Words::word),
        cells: words.list(cell),
        facts: words.list(Words::number),
    };
    if words.good && words.rest.is_empty() { Ok(plan) } else { Err(BundleError::Plan) }
}

fn cell<'a>(words: &mut Words<'_, 'a>) -> Cell<'a> {
    Cell {
        name: words.text(),
        cpus: words.list(Words::word),
        memory: words.list(|words| Memory {
            size: words.number(),
            at: words.maybe(Words::number),
            identity: words.yes(),
        }),
        kernel: Kernel {
            image: words.image().unwrap_or_default(),
            text_offset: words.number(),
            image_size: words.number(),
            load: words.maybe(Words::number),
            entry: words.maybe(Words::number),
        },
        initrd: words.image(),
        dtb: words.image(),
        bootargs: words.text(),
        devices: words.list(Words::text),
        dma: words.one([Dma::Unsaid, Dma::None, Dma::Trusted]),
        console: words.one([Console::Virtual, Console::Passthrough, Console::None]),
        passthrough: words.yes(),
        restarts: words.word(),
        within_ms: words.word(),
        forgiving: words.yes(),
        watchdog_ms: words.word(),
        manual: words.yes(),
    }
}

/// A plan while it is read. What is not there, or may not be, reads as nothing.
struct Words<'i, 'a> {
    rest: &'a [u8],
    /// All was there so far, and meant something.
    good: bool,
    images: &'i [ImageEntry<'a>],
}

impl<'a> Words<'_, 'a> {
    fn bytes(&mut self, count: u64) -> &'a [u8] {
        let parts = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        self.good &= parts.is_some();
        let (bytes, rest) = parts.unwrap_or_default();
        self.rest = rest;
        bytes
    }

    #[inline(never)]
    fn number(&mut self) -> u64 {
        self.bytes(8).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    fn word(&mut self) -> u32 {
        let word = u32::try_from(self.number());
        self.good &= word.is_ok();
        word.unwrap_or(0)
    }

    #[inline(never)]
    fn text(&mut self) -> &'a str {
        let length = self.number();
        let text = core::str::from_utf8(self.bytes(length));
        self.good &= text.is_ok();
        text.unwrap_or_default()
    }

    fn one<T: Copy + Default, const N: usize>(&mut self, of: [T; N]) -> T {
        let chosen = usize::try_from(self.number()).ok().and_then(|place| of.get(place));
        self.good &= chosen.is_some();
        chosen.copied().unwrap_or_default()
    }

    #[inline(never)]
    fn yes(&mut self) -> bool {
        self.one([false, true])
    }

    fn maybe<T>(&mut self, item: fn(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| item(self))
    }

    /// Each item takes some bytes, so a count too large comes to an end with them.
    fn list<T>(&mut self, item: fn(&mut Self) -> T) -> Vec<T> {
        let (mut list, count) = (Vec::new(), self.number());
        while self.good && (list.len() as u64) < count {
            list.push(item(self));
        }
        list
    }

    #[inline(never)]
    fn image(&mut self) -> Option<Image<'a>> {
        let place = usize::try_from(self.number()).unwrap_or(usize::MAX).checked_sub(1)?;
        let entry = self.images.get(place);
        self.good &= entry.is_some();
        entry.map(|entry| Image { name: entry.name, size: entry.payload.len() as u64 })
    }
}
