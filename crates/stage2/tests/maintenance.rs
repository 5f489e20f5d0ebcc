//! The order of barriers and maintenance, asserted on a fake that writes down what it is asked.
#![allow(
    clippy::pedantic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use address::{PhysAddr, Region};
use stage2::{Maintenance, Regime, publish, publish_image};
use std::cell::RefCell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
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

#[test]
fn tables_are_seen_by_walkers_before_the_tlb_is_emptied_and_after_that_is_complete() {
    for regime in [Regime::Cell, Regime::El2] {
        let steps = RefCell::new(Vec::new());
        publish(&mut Fake(&steps), regime);
        assert_eq!(*steps.borrow(), [Step::DsbIshst, Step::Tlbi(regime), Step::DsbIsh, Step::Isb]);
    }
}

#[test]
fn an_image_is_in_memory_before_instruction_caches_forget_what_was_there() {
    let steps = RefCell::new(Vec::new());
    let image = Region::new(PhysAddr::at(0x4800_0000), 0x1234).unwrap();
    publish_image(&mut Fake(&steps), image);
    let order = [Step::CleanToPoc(image), Step::DsbSy, Step::InvalidateIcache, Step::DsbIsh, Step::Isb];
    assert_eq!(*steps.borrow(), order);
}
