//! The order of barriers and maintenance, asserted on a fake that writes down what it is asked.
#![allow(
    clippy::pedantic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use address::{Ipa, PhysAddr, Region};
use stage2::{
    Kind, Maintenance, MapError, Regime, Rights, Stage2, TableMemory, publish, publish_image, retire_mapping,
};
use std::cell::RefCell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Write(u64),
    CleanToPoc(Region<PhysAddr>),
    InvalidateIcache,
    Tlbi(Regime),
    DsbIshst,
    DsbIsh,
    DsbSy,
    Isb,
}

struct Fake<'a>(&'a RefCell<Vec<Step>>);

impl Fake<'_> {
    fn note(&self, step: Step) {
        self.0.borrow_mut().push(step);
    }
}

impl Maintenance for Fake<'_> {
    fn clean_to_poc(&mut self, region: Region<PhysAddr>) {
        self.note(Step::CleanToPoc(region));
    }
    fn invalidate_icache(&mut self) {
        self.note(Step::InvalidateIcache);
    }
    fn tlbi(&mut self, regime: Regime) {
        self.note(Step::Tlbi(regime));
    }
    fn dsb_ishst(&mut self) {
        self.note(Step::DsbIshst);
    }
    fn dsb_ish(&mut self) {
        self.note(Step::DsbIsh);
    }
    fn dsb_sy(&mut self) {
        self.note(Step::DsbSy);
    }
    fn isb(&mut self) {
        self.note(Step::Isb);
    }
}

const CELL: Regime = Regime::Cell { vmid: 7 };

#[test]
fn tables_are_seen_by_walkers_before_the_tlb_is_emptied_and_after_that_is_complete() {
    let steps = RefCell::new(Vec::new());
    publish(&mut Fake(&steps), CELL);
    assert_eq!(*steps.borrow(), [Step::DsbIshst, Step::Tlbi(CELL), Step::DsbIsh, Step::Isb]);
}

#[test]
fn an_image_is_in_memory_before_instruction_caches_forget_what_was_there() {
    let steps = RefCell::new(Vec::new());
    let image = Region::new(PhysAddr::at(0x4800_0000), 0x1234).unwrap();
    publish_image(&mut Fake(&steps), image);
    let order = [Step::CleanToPoc(image), Step::DsbSy, Step::InvalidateIcache, Step::DsbIsh, Step::Isb];
    assert_eq!(*steps.borrow(), order);
}

#[test]
fn a_mapping_is_broken_first_then_forgotten() {
    let steps = RefCell::new(Vec::new());
    let result = retire_mapping(&mut Fake(&steps), Regime::El2, || {
        steps.borrow_mut().push(Step::Write(0));
        42
    });
    assert_eq!(result, 42);
    let order = [Step::Write(0), Step::DsbIshst, Step::Tlbi(Regime::El2), Step::DsbIsh, Step::Isb];
    assert_eq!(*steps.borrow(), order);
}

/// Tables whose writes go into the same record.
struct Pool<'a> {
    pages: Vec<[u64; 512]>,
    steps: &'a RefCell<Vec<Step>>,
}

impl TableMemory for Pool<'_> {
    fn allocate(&mut self) -> Option<PhysAddr> {
        self.pages.push([0; 512]);
        Some(PhysAddr::at((self.pages.len() as u64 - 1) << 12))
    }
    fn read(&self, table: PhysAddr, index: usize) -> u64 {
        self.pages[page(table)][index]
    }
    fn write(&mut self, table: PhysAddr, index: usize, descriptor: u64) {
        self.steps.borrow_mut().push(Step::Write(descriptor));
        self.pages[page(table)][index] = descriptor;
    }
}

fn page(table: PhysAddr) -> usize {
    use address::Address;
    usize::try_from(table.get() >> 12).unwrap()
}

#[test]
fn a_region_taken_from_a_cell_is_gone_from_every_root_before_the_one_invalidation() {
    let steps = RefCell::new(Vec::new());
    let mut pool = Pool { pages: Vec::new(), steps: &steps };
    let ram = |base, size| Region::new(PhysAddr::at(base), size).unwrap();
    let maps = [
        // A block in the roots themselves, and two pages below them.
        (Ipa::at(1 << 30), ram(1 << 30, 1 << 30), Kind::Ram(Rights::RWX)),
        (Ipa::at(0), ram(0x5000, 0x2000), Kind::Ram(Rights::RWX)),
    ];
    let stage2 = Stage2::build(&mut pool, 2, maps).unwrap();
    steps.borrow_mut().clear();

    let block = Region::new(Ipa::at(1 << 30), 1 << 30).unwrap();
    assert_eq!(stage2.retire(&mut pool, &mut Fake(&steps), 7, block), Ok(1 << 30));
    let tail = [Step::DsbIshst, Step::Tlbi(CELL), Step::DsbIsh, Step::Isb];
    assert_eq!(steps.borrow()[..2], [Step::Write(0); 2], "once in each root");
    assert_eq!(steps.borrow()[2..], tail);
    steps.borrow_mut().clear();

    let pages = Region::new(Ipa::at(0), 0x2000).unwrap();
    assert_eq!(stage2.retire(&mut pool, &mut Fake(&steps), 7, pages), Ok(0x2000));
    assert_eq!(steps.borrow()[..2], [Step::Write(0); 2], "once in the shared table");
    assert_eq!(steps.borrow()[2..], tail);
    for vcpu in 0..2 {
        stage2.for_each_leaf(&pool, vcpu, |ipa, _| panic!("{ipa} is still there"));
    }
}

#[test]
fn a_block_is_not_split_to_take_a_part_of_it() {
    let steps = RefCell::new(Vec::new());
    let mut pool = Pool { pages: Vec::new(), steps: &steps };
    let ram = Region::new(PhysAddr::at(1 << 30), 1 << 30).unwrap();
    let stage2 = Stage2::build(&mut pool, 1, [(Ipa::at(1 << 30), ram, Kind::Ram(Rights::RWX))]).unwrap();
    let part = Region::new(Ipa::at(1 << 30), 0x1000).unwrap();
    let refused = stage2.retire(&mut pool, &mut Fake(&steps), 7, part);
    assert_eq!(refused, Err(MapError::Split { input: 1 << 30 }));
}
