//! The call graph of the machine code: who calls whom, who calls through a register, who takes whose address.
//!
//! Every instruction of a function counts, reachable within it or not. A `BR` right behind the `ADD` that made its
//! register is a switch inside the function; every other one is an indirect call. An address counts as taken where
//! code makes it, or where a word of read-only or initialized data equals it.

use crate::audit::decode::{Instruction, decode};
use crate::audit::image::Image;
use std::collections::{BTreeSet, HashMap};

/// What one function does.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Calls and tail calls: from where, to which function.
    pub calls: Vec<(u64, usize)>,
    /// Calls and tail calls through registers: where.
    pub indirect: Vec<u64>,
    /// Functions it can hand on, directly or by data it refers to: from where, which.
    pub hands: Vec<(u64, usize)>,
}

/// The graph.
pub struct Graph {
    /// As the image's functions.
    pub nodes: Vec<Node>,
    /// Every function whose address is taken anywhere.
    pub taken: BTreeSet<usize>,
    /// Calls in all.
    pub calls: usize,
    /// Calls of what no symbol covers: where.
    pub lost: Vec<u64>,
}

/// How far back the sum may lie that makes a `BR` a switch.
const SWITCH_REACH: usize = 16;

impl Graph {
    /// Decodes every function of `image`.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let scans: Vec<Scan> = (0..image.functions.len()).map(|index| Scan::of(image, index)).collect();
        let addresses = scans.iter().flat_map(|scan| scan.addresses.iter().map(|(_, to)| *to)).collect();
        let mut data = Data { image, addresses, known: HashMap::new() };
        let mut taken = data.all_words();
        let (mut nodes, mut lost) = (Vec::new(), Vec::new());
        for Scan { mut node, addresses, lost: more } in scans {
            lost.extend(more);
            for (at, to) in addresses {
                let functions = image.function_at(to).map_or_else(|| data.functions_from(to), |index| vec![index]);
                node.hands.extend(functions.into_iter().map(|function| (at, function)));
            }
            taken.extend(node.hands.iter().map(|(_, function)| *function));
            nodes.push(node);
        }
        let calls = nodes.iter().map(|node| node.calls.len()).sum();
        Self { nodes, taken, calls, lost }
    }
}

/// One function's instructions, read once.
struct Scan {
    node: Node,
    /// Addresses made: where, which.
    addresses: Vec<(u64, u64)>,
    /// Calls of what no symbol covers.
    lost: Vec<u64>,
}

impl Scan {
    fn of(image: &Image, index: usize) -> Self {
        let mut scan = Self { node: Node::default(), addresses: Vec::new(), lost: Vec::new() };
        let Some(function) = image.functions.get(index) else { return scan };
        let inside = function.start..function.end;
        let words = inside.clone().step_by(4).filter_map(|at| Some((at, image.instruction(at)?)));
        let code: Vec<(u64, u32, Instruction)> = words.map(|(at, word)| (at, word, decode(word, at))).collect();
        // Every page a register ever holds here: code order is not the order of execution.
        let mut pages: HashMap<u8, Vec<u64>> = HashMap::new();
        for (_, _, instruction) in &code {
            if let Instruction::Page(register, page) = *instruction {
                pages.entry(register).or_default().push(page);
            }
        }
        let mut last = Instruction::Other;
        for (place, (at, _, instruction)) in code.iter().copied().enumerate() {
            last = instruction;
            match instruction {
                Instruction::Jump(to) | Instruction::Branch(to) if !inside.contains(&to) => scan.call(image, at, to),
                Instruction::Call(to) => scan.call(image, at, to),
                Instruction::IndirectCall => scan.node.indirect.push(at),
                Instruction::IndirectJump(register) if !is_switch(before(&code, place), register) => {
                    scan.node.indirect.push(at);
                }
                Instruction::Address(to) => scan.addresses.push((at, to)),
                Instruction::Literal(from) => scan.addresses.extend(image.word(from).map(|to| (at, to))),
                Instruction::Add(_, register, offset) | Instruction::Access(register, offset) => {
                    let pages = pages.get(&register).into_iter().flatten();
                    scan.addresses.extend(pages.map(|page| (at, page.wrapping_add(offset))));
                }
                _ => {}
            }
        }
        // What runs off its end goes on in its neighbour.
        let stays = !last.leaves() || matches!(last, Instruction::Branch(_) | Instruction::IndirectCall);
        if stays && !code.is_empty() {
            scan.call(image, function.end.wrapping_sub(4), function.end);
        }
        scan
    }

    /// Notes a call of what lies at `to`.
    fn call(&mut self, image: &Image, at: u64, to: u64) {
        match image.function_of(to) {
            Some(index) => self.node.calls.push((at, index)),
            None => self.lost.push(at),
        }
    }
}

/// The stretch of `code` that can make a switch of what is at `place`.
fn before(code: &[(u64, u32, Instruction)], place: usize) -> &[(u64, u32, Instruction)] {
    code.get(place.saturating_sub(SWITCH_REACH)..place).unwrap_or_default()
}

/// Whether the last of `code` to touch `register` is the sum of a switch, in the same stretch of code.
fn is_switch(code: &[(u64, u32, Instruction)], register: u8) -> bool {
    let names = |word: u32| {
        let pair = word & 0x3a00_0000 == 0x2800_0000 && word.wrapping_shr(10) & 31 == u32::from(register);
        word & 31 == u32::from(register) || pair
    };
    let mut back = code.iter().rev();
    let last = back.find(|(_, word, instruction)| names(*word) || instruction.leaves());
    last.is_some_and(|(_, _, instruction)| *instruction == Instruction::AddRegister(register))
}

/// Functions that data leads to.
struct Data<'a> {
    image: &'a Image,
    /// Every address code makes, and every data word's: objects begin there.
    addresses: BTreeSet<u64>,
    known: HashMap<u64, Vec<usize>>,
}

impl Data<'_> {
    /// Functions whose address is a word of the data; notes where other words point to.
    fn all_words(&mut self) -> BTreeSet<usize> {
        let mut functions = BTreeSet::new();
        for section in self.image.sections.iter().filter(|section| !section.code && !section.data.is_empty()) {
            let end = section.start.wrapping_add(section.bytes);
            for word in (section.start..end).step_by(8).filter_map(|at| self.image.word(at)) {
                functions.extend(self.image.function_at(word));
                if self.is_data(word) {
                    self.addresses.insert(word);
                }
            }
        }
        functions
    }

    fn is_data(&self, at: u64) -> bool {
        self.image.sections.iter().any(|part| {
            !part.code && !part.data.is_empty() && at.checked_sub(part.start).is_some_and(|offset| offset < part.bytes)
        })
    }

    /// Functions in the object at `start`, and in what it points to. An object ends where the next address is made; a
    /// vtable (drop, size, alignment, methods) goes on while its words are functions.
    fn functions_from(&mut self, start: u64) -> Vec<usize> {
        if let Some(known) = self.known.get(&start) {
            return known.clone();
        }
        let (mut functions, mut seen, mut queue) = (BTreeSet::new(), BTreeSet::new(), vec![start]);
        while let Some(object) = queue.pop() {
            if !self.is_data(object) || !seen.insert(object) {
                continue;
            }
            let next = self.addresses.range(object.wrapping_add(1)..).next().copied().unwrap_or(u64::MAX);
            let mut at = object.next_multiple_of(8);
            let head = at.wrapping_add(24);
            while let Some(word) = self.image.word(at).filter(|_| self.is_data(at)) {
                let function = self.image.function_at(word);
                if at >= next && at >= head && function.is_none() {
                    break;
                }
                functions.extend(function);
                if self.is_data(word) {
                    queue.push(word);
                }
                at = at.wrapping_add(8);
            }
        }
        let functions: Vec<usize> = functions.into_iter().collect();
        self.known.insert(start, functions.clone());
        functions
    }
}
