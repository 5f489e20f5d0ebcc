//! Tables over a vector: what is mapped is exactly what was asked for, and nothing valid is ever overwritten.
#![allow(
    clippy::pedantic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use address::{Address, Ipa, PhysAddr, Region};
use proptest::prelude::*;
use stage2::attributes::{el2, stage2 as s2};
use stage2::{Attributes, MapError, START_LEVEL, Table, TableMemory, build, give, map, switch};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PAGE: u64 = 4096;
const MIB2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
const POOL: u64 = 0x8_0000_0000;

/// A pool of tables at `POOL`, of at most `limit` pages.
struct Pool {
    pages: Vec<Box<Table>>,
    limit: usize,
}

impl Pool {
    fn new(limit: usize) -> Self {
        Self { pages: Vec::new(), limit }
    }
    fn read(&self, table: PhysAddr, index: usize) -> u64 {
        self.table(table).unwrap()[index].load(Relaxed)
    }
    fn word(&self, page: usize, index: usize) -> u64 {
        self.pages[page][index].load(Relaxed)
    }
    fn set(&self, page: usize, index: usize, descriptor: u64) {
        self.pages[page][index].store(descriptor, Relaxed);
    }
    fn words(&self) -> Vec<u64> {
        self.pages.iter().flat_map(|page| page.iter().map(|entry| entry.load(Relaxed))).collect()
    }
}

impl TableMemory for Pool {
    fn allocate(&mut self) -> Option<PhysAddr> {
        (self.pages.len() < self.limit).then(|| {
            self.pages.push(Box::new([const { AtomicU64::new(0) }; 512]));
            PhysAddr::at(POOL + (self.pages.len() as u64 - 1) * PAGE)
        })
    }
    fn table(&self, address: PhysAddr) -> Option<&Table> {
        Some(self.pages.get((address.get().checked_sub(POOL)? / PAGE) as usize)?)
    }
}

/// One valid block or page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaf {
    input: u64,
    output: PhysAddr,
    size: u64,
    attributes: u64,
}

impl Leaf {
    fn translate(&self, input: u64) -> PhysAddr {
        PhysAddr::at(self.output.get() | input & (self.size - 1))
    }
}

/// Reads tables as the manual's walk does, and not as the crate that wrote them.
fn for_each_leaf(pool: &Pool, root: PhysAddr, level: u32, visit: &mut dyn FnMut(Leaf)) {
    fn below(pool: &Pool, table: PhysAddr, level: u32, base: u64, visit: &mut dyn FnMut(Leaf)) {
        let size = PAGE << (9 * (3 - level));
        for index in 0..512 {
            let (descriptor, input) = (pool.read(table, index), base + index as u64 * size);
            let output = PhysAddr::at(descriptor & 0xffff_ffff_f000);
            let attributes = descriptor & 0xfff0_0000_0000_0ffd;
            match (descriptor & 3, level) {
                (3, 0..3) => below(pool, output, level + 1, input, visit),
                (3, _) | (1, 1 | 2) => visit(Leaf { input, output, size, attributes }),
                _ => {}
            }
        }
    }
    below(pool, root, level, 0, visit);
}

fn walk(pool: &Pool, root: PhysAddr, level: u32, input: u64) -> Option<Leaf> {
    let mut found = None;
    for_each_leaf(pool, root, level, &mut |leaf| {
        if (leaf.input..leaf.input + leaf.size).contains(&input) {
            found = Some(leaf);
        }
    });
    found
}

fn execute_never(attributes: Attributes) -> bool {
    attributes.0 & 1 << 54 != 0
}

fn root(pool: &mut Pool) -> PhysAddr {
    pool.allocate().unwrap()
}

fn region(base: u64, size: u64) -> Region<PhysAddr> {
    Region::new(PhysAddr::at(base), size).unwrap()
}

fn leaves(pool: &Pool, root: PhysAddr, level: u32) -> Vec<Leaf> {
    let mut all = Vec::new();
    for_each_leaf(pool, root, level, &mut |leaf| all.push(leaf));
    all
}

const RAM: Attributes = s2::RAM;

/// What a cell maps.
type Map = (Ipa, Region<PhysAddr>, Attributes);

/// Builds a cell and returns its roots.
fn built(pool: &mut Pool, vcpus: usize, maps: &[Map]) -> Result<Vec<PhysAddr>, MapError> {
    let mut roots = vec![PhysAddr::at(0); vcpus];
    build(pool, &mut roots, &mut maps.iter().copied()).map(|()| roots)
}

#[test]
fn descriptors_are_what_the_manual_prints() {
    let mut pool = Pool::new(8);
    let root = root(&mut pool);
    let base = 0x4000_0000;
    map(&mut pool, root, 1, base, PhysAddr::at(base), MIB2, RAM).unwrap();
    map(&mut pool, root, 1, 0x900_0000, PhysAddr::at(0x900_0000), PAGE, s2::DEVICE).unwrap();
    map(&mut pool, root, 1, GIB * 2, PhysAddr::at(GIB * 3), GIB, RAM).unwrap();
    assert_eq!(pool.read(root, 1), (POOL + PAGE) | 0b11, "a table");
    assert_eq!(pool.word(1, 0), 0x4000_07fd, "2 MiB of RAM: AF, SH = 11, S2AP = 11, MemAttr = 1111, block");
    assert_eq!(pool.word(3, 0), 0x0040_0000_0900_04c7, "device page: XN, AF, S2AP = 11, MemAttr = 0001, page");
    assert_eq!(pool.read(root, 2), 0xc000_07fd, "1 GiB");
}

#[test]
fn el2_descriptors_are_what_the_manual_prints() {
    assert_eq!(el2::TEXT.0, 0x7c1, "AF, SH, AP = read-only, AP[1] RES1, index 0, valid");
    assert_eq!(el2::RODATA.0, 0x0040_0000_0000_07c1);
    assert_eq!(el2::DATA.0, 0x0040_0000_0000_0741);
    assert_eq!(el2::GUEST.0, 0x0040_0000_0000_0740, "not yet");
    assert_eq!(el2::DEVICE.0, 0x0040_0000_0000_0445);
}

#[test]
fn el2_has_nothing_both_writable_and_executable() {
    for attributes in [el2::TEXT, el2::RODATA, el2::DATA, el2::GUEST, el2::DEVICE] {
        let writable = attributes.0 & 1 << 7 == 0;
        assert!(!writable || execute_never(attributes));
    }
}

#[test]
fn devices_are_never_executable() {
    assert!(execute_never(s2::DEVICE) && execute_never(el2::DEVICE));
    assert!(!execute_never(RAM));
}

#[test]
fn registers_and_tables_agree() {
    let index = |i: u64| controls::MAIR_EL2.value(controls::Features::NONE) >> (8 * i) & 0xff;
    assert_eq!(index(el2::NORMAL_INDEX), 0xff);
    assert_eq!(index(el2::DEVICE_INDEX), 0x04);
    let vtcr = controls::vtcr_el2(4);
    assert_eq!(vtcr & 0x3f, 64 - 39, "T0SZ");
    assert_eq!(vtcr >> 6 & 0b11, 1, "SL0 = 1 is level 1");
    assert_eq!(START_LEVEL, 1);
    assert_eq!(vtcr >> 14 & 0b11, 0, "TG0 is 4 KiB");
    // The last page inside 39 bits can be mapped, the first outside cannot.
    let (mut pool, end) = (Pool::new(8), 1 << 39);
    let root = root(&mut pool);
    assert_eq!(map(&mut pool, root, 1, end - PAGE, PhysAddr::at(0), PAGE, RAM), Ok(()));
    assert_eq!(map(&mut pool, root, 1, end, PhysAddr::at(0), PAGE, RAM), Err(MapError::OutOfRange));
    assert_eq!(controls::tcr_el2(4) & 0x3f, 64 - 48, "EL2 starts at level 0");
}

#[test]
fn blocks_stand_where_both_sides_align_and_pages_elsewhere() {
    let mut pool = Pool::new(16);
    let root = root(&mut pool);
    // One page, then up to a 2 MiB boundary, one 2 MiB block, one page.
    let base = GIB + MIB2 - PAGE;
    map(&mut pool, root, 1, base, PhysAddr::at(base), MIB2 + 2 * PAGE, RAM).unwrap();
    let sizes: Vec<_> = leaves(&pool, root, 1).iter().map(|l| l.size).collect();
    assert_eq!(sizes, [PAGE, MIB2, PAGE]);
    // The output is off by a page: no block fits.
    map(&mut pool, root, 1, 2 * GIB, PhysAddr::at(PAGE), MIB2, RAM).unwrap();
    assert!(leaves(&pool, root, 1).iter().filter(|l| l.input >= 2 * GIB).all(|l| l.size == PAGE));
    // Both sides at 1 GiB.
    map(&mut pool, root, 1, 4 * GIB, PhysAddr::at(8 * GIB), 2 * GIB, RAM).unwrap();
    assert_eq!(leaves(&pool, root, 1).iter().filter(|l| l.size == GIB).count(), 2);
}

#[test]
fn level_0_spans_48_bits_and_has_no_blocks() {
    let mut pool = Pool::new(16);
    let root = root(&mut pool);
    let high = 0x100_0000_0000;
    map(&mut pool, root, 0, high, PhysAddr::at(high), GIB, el2::DATA).unwrap();
    assert_eq!(pool.pages.len(), 2);
    assert_eq!(
        walk(&pool, root, 0, high + 5).map(|l| (l.size, l.translate(high + 5))),
        Some((GIB, PhysAddr::at(high + 5)))
    );
    assert_eq!(map(&mut pool, root, 0, 1 << 48, PhysAddr::at(0), PAGE, RAM), Err(MapError::OutOfRange));
    assert_eq!(walk(&pool, root, 0, 1 << 48), None);
}

#[test]
fn level_0_is_mapped_by_blocks_of_level_1() {
    let mut pool = Pool::new(4);
    let root = root(&mut pool);
    map(&mut pool, root, 0, 0, PhysAddr::at(0), 512 * GIB, el2::DATA).unwrap();
    assert_eq!(leaves(&pool, root, 0).len(), 512);
}

#[test]
fn reserved_descriptors_translate_nothing() {
    let mut pool = Pool::new(4);
    let root = root(&mut pool);
    map(&mut pool, root, 1, 0, PhysAddr::at(0), PAGE, RAM).unwrap();
    pool.set(2, 0, 0x4000_07fd); // a block's type at level 3
    assert_eq!(walk(&pool, root, 1, 0), None);
    pool.set(0, 0, 0x4000_07fd); // and at level 0
    assert_eq!(walk(&pool, root, 0, 0), None);
}

#[test]
fn a_valid_entry_is_never_replaced_by_a_different_one() {
    let mut pool = Pool::new(16);
    let root = root(&mut pool);
    map(&mut pool, root, 1, GIB, PhysAddr::at(GIB), MIB2, RAM).unwrap();
    let before = pool.words();
    let occupied = Err(MapError::Occupied);
    assert_eq!(map(&mut pool, root, 1, GIB, PhysAddr::at(GIB), MIB2, RAM), Ok(()), "the same again is no change");
    assert_eq!(map(&mut pool, root, 1, GIB, PhysAddr::at(GIB), MIB2, s2::DEVICE), occupied, "other attributes");
    assert_eq!(map(&mut pool, root, 1, GIB, PhysAddr::at(2 * GIB), MIB2, RAM), occupied, "another output");
    assert_eq!(map(&mut pool, root, 1, GIB + PAGE, PhysAddr::at(0), PAGE, RAM), occupied, "inside a block");
    assert_eq!(pool.words(), before);
}

#[test]
fn what_cannot_be_mapped_is_an_error_value() {
    let mut pool = Pool::new(2);
    let root = root(&mut pool);
    let mut try_map = |level, input, output, size| map(&mut pool, root, level, input, PhysAddr::at(output), size, RAM);
    assert_eq!(try_map(1, 1, 0, PAGE), Err(MapError::Misaligned));
    assert_eq!(try_map(1, 0, 1, PAGE), Err(MapError::Misaligned));
    assert_eq!(try_map(1, 0, 0, 1), Err(MapError::Misaligned));
    assert_eq!(try_map(1, 0, 0, 0), Err(MapError::Misaligned));
    assert_eq!(try_map(1, !0xfff, 0, PAGE), Err(MapError::OutOfRange));
    assert_eq!(try_map(1, 0, 1 << 48, PAGE), Err(MapError::OutOfRange));
    assert_eq!(try_map(1, 0, !0xfff, PAGE), Err(MapError::OutOfRange));
    assert_eq!(try_map(4, 0, 0, PAGE), Err(MapError::OutOfRange));
    assert_eq!(try_map(1, 0, 0, PAGE), Err(MapError::OutOfTables), "one page for a level 2 and none for a level 3");
}

#[test]
fn what_is_switched_off_is_kept_and_comes_back_as_it_was() {
    let mut pool = Pool::new(16);
    let root = root(&mut pool);
    let (base, size) = (GIB - PAGE, 2 * MIB2 + 3 * PAGE);
    map(&mut pool, root, 1, base, PhysAddr::at(base), size, RAM).unwrap();
    map(&mut pool, root, 1, base - PAGE, PhysAddr::at(0), PAGE, RAM).unwrap();
    map(&mut pool, root, 1, base + size, PhysAddr::at(0), PAGE, RAM).unwrap();
    let (before, whole) = (pool.words(), leaves(&pool, root, 1));
    assert_eq!(whole.len(), 1 + 1 + 2 + 2 + 1);
    assert_eq!(switch(&pool, root, 1, base, size, false), Ok(()));
    assert_eq!(leaves(&pool, root, 1), [whole[0], whole[6]], "the neighbours stay");
    assert_eq!(switch(&pool, root, 1, base, size, true), Ok(()));
    assert_eq!(pool.words(), before);
    assert_eq!(switch(&pool, root, 1, base, 1, true), Err(MapError::Misaligned));
    assert_eq!(switch(&pool, root, 1, 4 * GIB, GIB, true), Ok(()));
    assert_eq!(pool.words(), before, "what was never mapped stays nothing");
}

#[test]
fn guest_ram_is_nothing_to_el2_until_it_is_switched_on() {
    let mut pool = Pool::new(16);
    let root = root(&mut pool);
    map(&mut pool, root, 0, GIB, PhysAddr::at(GIB), MIB2 + PAGE, el2::GUEST).unwrap();
    assert_eq!(leaves(&pool, root, 0), []);
    let pages = pool.pages.len();
    switch(&pool, root, 0, GIB, MIB2 + PAGE, true).unwrap();
    assert_eq!(leaves(&pool, root, 0).iter().map(|leaf| leaf.attributes).collect::<Vec<_>>(), [el2::DATA.0; 2]);
    assert_eq!(pool.pages.len(), pages);
}

#[test]
fn pages_fill_a_table_that_stands_where_a_block_would() {
    let mut pool = Pool::new(16);
    let root = root(&mut pool);
    map(&mut pool, root, 1, GIB + PAGE, PhysAddr::at(GIB + PAGE), PAGE, RAM).unwrap();
    map(&mut pool, root, 1, GIB, PhysAddr::at(GIB), 2 * MIB2, RAM).unwrap();
    assert_eq!(walk(&pool, root, 1, GIB + PAGE + 7).unwrap().translate(GIB + PAGE + 7).get(), GIB + PAGE + 7);
    assert_eq!(walk(&pool, root, 1, GIB).unwrap().size, PAGE);
    assert_eq!(walk(&pool, root, 1, GIB + MIB2).unwrap().size, MIB2);
    // The same where the table comes after a block.
    let moved = |input| PhysAddr::at(input + 4 * GIB);
    map(&mut pool, root, 1, GIB - MIB2, moved(GIB - MIB2), PAGE, RAM).unwrap();
    map(&mut pool, root, 1, GIB - 2 * MIB2, moved(GIB - 2 * MIB2), 2 * MIB2, RAM).unwrap();
    assert_eq!(walk(&pool, root, 1, GIB - PAGE).unwrap().output, moved(GIB - PAGE));
}

#[test]
fn a_cell_has_a_root_for_each_vcpu_over_shared_tables() {
    let mut pool = Pool::new(32);
    let maps = [
        (Ipa::at(0x4000_0000), region(0x4800_0000, 4 * MIB2 + PAGE), RAM),
        (Ipa::at(0x900_0000), region(0x900_0000, PAGE), s2::DEVICE),
        (Ipa::at(4 * GIB), region(8 * GIB, GIB), RAM),
    ];
    let roots = built(&mut pool, 4, &maps).unwrap();
    assert_eq!(pool.pages.len(), 4 + 4, "four roots and the lower tables once");
    assert_eq!(roots.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    let first = leaves(&pool, roots[0], 1);
    assert_eq!(first.len(), 4 + 1 + 1 + 1);
    for root in &roots[1..] {
        assert_eq!(leaves(&pool, *root, 1), first);
    }
    assert_eq!(walk(&pool, roots[0], 1, 0x4000_1234).unwrap().translate(0x4000_1234), PhysAddr::at(0x4800_1234));
    assert_eq!(walk(&pool, roots[0], 1, 0x4000_0000 + 4 * MIB2 + PAGE), None, "stage 2 ends page-exact");
}

#[test]
fn a_cell_without_room_for_its_roots_is_an_error_value() {
    for pages in 0..3 {
        assert_eq!(built(&mut Pool::new(pages), 3, &[]).unwrap_err(), MapError::OutOfTables);
    }
    assert_eq!(built(&mut Pool::new(3), 3, &[]).map(|roots| roots.len()), Ok(3));
    assert_eq!(built(&mut Pool::new(3), 0, &[]), Ok(vec![]));
}

#[test]
fn a_vcpu_without_its_memory_reaches_nothing_its_siblings_all_and_giving_it_back_undoes_that() {
    let mut pool = Pool::new(32);
    let maps = [(Ipa::at(0x4000_0000), region(0x4800_0000, MIB2), RAM), (Ipa::at(4 * GIB), region(8 * GIB, GIB), RAM)];
    let roots = built(&mut pool, 2, &maps).unwrap();
    let before = pool.words();
    let count = |pool: &Pool, vcpu| {
        let mut count = 0;
        for_each_leaf(pool, roots[vcpu], 1, &mut |_| count += 1);
        count
    };
    give(&pool, roots[1], false);
    assert_eq!((count(&pool, 0), count(&pool, 1)), (2, 0));
    give(&pool, roots[1], true);
    assert_eq!(pool.words(), before);
}

#[test]
fn a_small_cell_is_built_in_few_steps() {
    let mut pool = Pool::new(8);
    built(&mut pool, 1, &[(Ipa::at(GIB), region(GIB, 1 << 20), RAM)]).unwrap();
    assert_eq!(pool.pages.len(), 3);
    assert_eq!(pool.words().iter().filter(|entry| **entry != 0).count(), 256 + 2);
}

/// Disjoint inputs, each in a window of its own of 4 MiB (or 2 GiB), with outputs that may share alignment or not.
fn plans() -> impl Strategy<Value = Vec<Map>> {
    let kind = prop_oneof![Just(s2::DEVICE), Just(RAM)];
    let entry = (0u64..1024, 1u64..1024, any::<bool>(), 0u64..1024, kind);
    proptest::collection::vec(entry, 1..12).prop_map(|entries| {
        let place = |(i, (offset, pages, aligned, shift, kind)): (usize, (u64, u64, bool, u64, Attributes))| {
            let window = i as u64 * 4 * MIB2;
            let input = GIB - 2 * MIB2 + window + offset * PAGE;
            let output = 16 * GIB + window + if aligned { offset } else { shift } * PAGE;
            (Ipa::at(input), region(output, pages * PAGE), kind)
        };
        entries.into_iter().enumerate().map(place).collect()
    })
}

/// Every page a vCPU can reach, found from the tables alone.
fn reachable(pool: &Pool, root: PhysAddr) -> BTreeMap<u64, (u64, u64)> {
    let mut pages = BTreeMap::new();
    for_each_leaf(pool, root, 1, &mut |leaf| {
        for offset in (0..leaf.size).step_by(PAGE as usize) {
            let page = (leaf.output.get() + offset, leaf.attributes);
            assert!(pages.insert(leaf.input + offset, page).is_none(), "a page twice");
        }
    });
    pages
}

fn planned(maps: &[Map]) -> BTreeMap<u64, (u64, u64)> {
    let mut pages = BTreeMap::new();
    for (ipa, region, kind) in maps {
        for offset in (0..region.size()).step_by(PAGE as usize) {
            pages.insert(ipa.get() + offset, (region.base().get() + offset, kind.0));
        }
    }
    pages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_a_cell_reaches_is_exactly_its_plan(maps in plans(), vcpus in 1usize..=4) {
        let mut pool = Pool::new(64);
        let roots = built(&mut pool, vcpus, &maps).unwrap();
        let plan = planned(&maps);
        for root in roots {
            prop_assert_eq!(&reachable(&pool, root), &plan);
        }
    }

    #[test]
    fn a_foreign_page_shows(maps in plans(), window in 12u64..20, pages in 0u64..1024) {
        let mut pool = Pool::new(64);
        let root = built(&mut pool, 1, &maps).unwrap()[0];
        let foreign = GIB + window * 4 * MIB2 + pages * PAGE;
        map(&mut pool, root, 1, foreign, PhysAddr::at(foreign), PAGE, RAM).unwrap();
        prop_assert_ne!(reachable(&pool, root), planned(&maps));
    }

    #[test]
    fn switching_one_region_off_leaves_the_others(maps in plans(), which: prop::sample::Index) {
        let mut pool = Pool::new(64);
        let root = built(&mut pool, 1, &maps).unwrap()[0];
        let (ipa, gone, _) = maps[which.index(maps.len())];
        switch(&pool, root, 1, ipa.get(), gone.size(), false).unwrap();
        let mut plan = planned(&maps);
        plan.retain(|&page, _| page < ipa.get() || page >= ipa.get() + gone.size());
        prop_assert_eq!(reachable(&pool, root), plan);
    }

}

proptest! {
    #[test]
    fn whatever_is_asked_or_found_in_a_table_nothing_panics(
        level: u8, input: u64, output: u64, size: u64, first: u64, second: u64, at in 0usize..512,
    ) {
        let mut pool = Pool::new(4);
        let root = root(&mut pool);
        let next = pool.allocate().unwrap();
        // A garbled leaf or a valid table, or a pointer out of the pool, which TableMemory refuses.
        pool.set(0, at, if first & 0b11 == 0b11 && first & 4 != 0 { next.get() | 0b11 } else { first });
        pool.set(1, at, second);
        let _ = map(&mut pool, root, level, input, PhysAddr::at(output), size, RAM);
        let _ = map(&mut pool, root, level % 3, input % (1 << 39), PhysAddr::at(output), size % (1 << 21), RAM);
        let _ = switch(&pool, root, level % 3, input & !0xfff, (size % (1 << 30)) & !0xfff, first & 1 == 0);
    }
}
