//! The ring, alone and between two threads.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::VecDeque;

use console::Ring;
use proptest::prelude::*;

#[test]
fn a_full_ring_drops_the_new_byte_and_counts_it() {
    let ring = Ring::<4>::new();
    assert!((0..4).all(|byte| ring.push(byte)));
    assert!(!ring.push(9));
    assert_eq!((ring.room(), ring.dropped()), (0, 1));
    assert_eq!(ring.pop(), Some(0));
    assert!(ring.push(4));
    assert_eq!(std::iter::from_fn(|| ring.pop()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(ring.room(), 4);
}

#[test]
fn a_cleared_ring_is_empty_and_usable() {
    let ring = Ring::<4>::new();
    (0..3).for_each(|byte| assert!(ring.push(byte)));
    ring.clear();
    assert_eq!(ring.pop(), None);
    assert_eq!(ring.room(), 4);
    assert!(ring.push(7));
    assert_eq!(ring.pop(), Some(7));
}

#[test]
fn order_is_kept_between_two_threads() {
    // An interpreter sees a race in few steps, and is slow.
    const COUNT: u32 = if cfg!(miri) { 1_000 } else { 200_000 };
    let ring = Ring::<64>::new();
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                while !ring.push(number as u8) {
                    std::thread::yield_now();
                }
            }
        });
        for number in 0..COUNT {
            let byte = loop {
                if let Some(byte) = ring.pop() {
                    break byte;
                }
                std::thread::yield_now();
            };
            // Said below: who panics here leaves the other turning for ever.
            if byte != number as u8 {
                wrong.push((number, byte));
            }
        }
    });
    assert_eq!(wrong, [], "number and byte");
    assert_eq!(ring.room(), 64);
}

proptest! {
    #[test]
    fn a_ring_is_a_bounded_queue(steps in prop::collection::vec(prop::option::of(any::<u8>()), 0..300)) {
        let (ring, mut model) = (Ring::<8>::new(), VecDeque::new());
        for step in steps {
            match step {
                Some(byte) => {
                    let taken = model.len() < 8;
                    prop_assert_eq!(ring.push(byte), taken);
                    if taken {
                        model.push_back(byte);
                    }
                }
                None => prop_assert_eq!(ring.pop(), model.pop_front()),
            }
            prop_assert_eq!(ring.room(), 8 - model.len());
        }
    }
}
