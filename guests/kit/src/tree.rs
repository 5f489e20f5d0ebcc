//! A reader of the flattened device tree the guest was given and trusts (Devicetree Specification 0.4, 5).

/// A node, by the place of its first property.
#[derive(Clone, Copy)]
pub struct Node {
    blob: &'static [u8],
    at: usize,
    strings: usize,
    /// The node's name with its unit address; empty for the root.
    pub name: &'static str,
    /// 1 for the root.
    pub depth: usize,
    /// The parent's `#address-cells` and `#size-cells`.
    pub cells: (usize, usize),
}

/// A device tree.
#[derive(Clone, Copy)]
pub struct Tree {
    blob: &'static [u8],
}

fn word(blob: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(blob.get(at..at + 4)?.try_into().ok()?))
}

fn text(blob: &'static [u8], at: usize) -> Option<&'static str> {
    let rest = blob.get(at..)?;
    core::str::from_utf8(rest.get(..rest.iter().position(|&b| b == 0)?)?).ok()
}

impl Tree {
    /// The tree at that address, if its magic stands there.
    #[must_use]
    pub fn at(address: usize) -> Option<Self> {
        let start = core::ptr::with_exposed_provenance::<u8>(address);
        if address == 0 || !address.is_multiple_of(8) {
            return None;
        }
        // SAFETY: whoever started the guest put its tree there, in RAM, and nobody writes it.
        let header = unsafe { core::slice::from_raw_parts(start, 40) };
        let size = (word(header, 0)? == 0xd00d_feed).then(|| word(header, 4))??;
        // SAFETY: as above, now that the header told its size.
        Some(Self { blob: unsafe { core::slice::from_raw_parts(start, size as usize) } })
    }

    /// All nodes, in the tree's order.
    #[must_use]
    pub fn nodes(self) -> Nodes {
        let structure = word(self.blob, 8).unwrap_or(0) as usize;
        let strings = word(self.blob, 12).unwrap_or(0) as usize;
        Nodes { blob: self.blob, at: structure, strings, depth: 0, cells: [(2, 1); 12] }
    }

    /// The node of an absolute path, unit addresses included.
    #[must_use]
    pub fn find(self, path: &str) -> Option<Node> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let mut wanted = parts.next();
        // The depth at which the wanted part may stand: one below what was matched so far.
        let mut depth = 2;
        for node in self.nodes() {
            if wanted.is_none() {
                return Some(node); // the root
            }
            if node.depth < depth && node.depth > 1 {
                return None; // past the branch
            }
            if node.depth == depth && Some(node.name) == wanted {
                depth += 1;
                wanted = parts.next();
                if wanted.is_none() {
                    return Some(node);
                }
            }
        }
        None
    }
}

/// Walks a tree's nodes.
pub struct Nodes {
    blob: &'static [u8],
    at: usize,
    strings: usize,
    depth: usize,
    cells: [(usize, usize); 12],
}

impl Iterator for Nodes {
    type Item = Node;

    fn next(&mut self) -> Option<Node> {
        loop {
            let token = word(self.blob, self.at)?;
            self.at += 4;
            match token {
                1 => {
                    let name = text(self.blob, self.at)?;
                    self.at += (name.len() + 4) & !3;
                    let cells = *self.cells.get(self.depth)?;
                    self.depth += 1;
                    let (blob, at, strings, depth) = (self.blob, self.at, self.strings, self.depth);
                    let node = Node { blob, at, strings, name, depth, cells };
                    let count = |name| node.word(name, 0).map(|n| n as usize);
                    *self.cells.get_mut(self.depth)? =
                        (count("#address-cells").unwrap_or(2), count("#size-cells").unwrap_or(1));
                    return Some(node);
                }
                2 => self.depth -= 1,
                3 => self.at += 8 + ((word(self.blob, self.at)? as usize + 3) & !3),
                4 => {}
                _ => return None,
            }
        }
    }
}

impl Node {
    /// A property's bytes.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'static [u8]> {
        let mut at = self.at;
        loop {
            match word(self.blob, at)? {
                3 => {
                    let size = word(self.blob, at + 4)? as usize;
                    if text(self.blob, self.strings + word(self.blob, at + 8)? as usize)? == name {
                        return self.blob.get(at + 12..at + 12 + size);
                    }
                    at += 12 + ((size + 3) & !3);
                }
                4 => at += 4,
                _ => return None,
            }
        }
    }

    /// A property's `index`-th cell.
    #[must_use]
    pub fn word(&self, name: &str, index: usize) -> Option<u32> {
        word(self.property(name)?, 4 * index)
    }

    /// A property's first string.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&'static str> {
        text(self.property(name)?, 0)
    }

    /// Whether one of the node's `compatible` strings is `name`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.property("compatible").is_some_and(|list| list.split(|&b| b == 0).any(|entry| entry == name.as_bytes()))
    }

    /// Whether the node's `status` allows its use.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.string("status").is_none_or(|status| matches!(status, "okay" | "ok"))
    }

    /// The `index`-th base and size of `reg`, not translated by `ranges`.
    #[must_use]
    pub fn reg(&self, index: usize) -> Option<(u64, u64)> {
        let (address, size) = self.cells;
        let first = index * (address + size);
        let number = |from: usize, count: usize| {
            (from..from + count).try_fold(0_u64, |sum, at| Some(sum << 32 | u64::from(self.word("reg", at)?)))
        };
        Some((number(first, address)?, number(first + address, size)?))
    }

    /// The INTID of the `index`-th interrupt of three cells (kind, number, flags).
    #[must_use]
    pub fn interrupt(&self, index: usize) -> Option<u32> {
        let kind = self.word("interrupts", 3 * index)?;
        Some(self.word("interrupts", 3 * index + 1)? + if kind == 0 { 32 } else { 16 })
    }
}
