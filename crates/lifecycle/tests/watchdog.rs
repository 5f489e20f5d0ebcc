//! The watchdog as a guest's driver and the service CPU meet it.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use lifecycle::{FRAME_BYTES, Watchdog};

const WCS: u64 = 0;
const WOR: u64 = 8;
const WCV: u64 = 16;
const WRR: u64 = FRAME_BYTES;

#[test]
fn a_cell_that_never_refreshes_it_is_over_after_the_plans_time() {
    let dog = Watchdog::new(1000);
    assert_eq!(dog.look(1 << 40), u64::MAX, "it barks before its cell has begun");
    dog.start(100);
    assert_eq!(dog.look(599), 600);
    assert_eq!(dog.read(WCS, 0), 0b01);
    assert!(!dog.signals());
    assert_eq!(dog.look(600), 1101, "the first signal");
    assert_eq!((dog.read(WCS, 0), dog.signals()), (0b11, true));
    assert_eq!(dog.look(1100), 1101);
    assert_eq!(dog.look(1101), 0, "the second");
    assert_eq!(dog.look(1102), u64::MAX, "once");
}

#[test]
fn a_refresh_starts_it_anew_and_takes_the_first_signal_back() {
    let dog = Watchdog::new(1000);
    dog.start(0);
    assert_eq!(dog.look(500), 1001);
    assert!(!dog.write(WRR, 0, 900));
    assert_eq!((dog.read(WCS, 0), dog.signals(), dog.look(1399)), (0b01, false, 1400));
}

#[test]
fn a_driver_finds_it_running_and_may_set_its_time_or_turn_it_off() {
    let dog = Watchdog::new(1000);
    dog.start(5000);
    assert_eq!((dog.read(WOR, 0), dog.read(WCV, 5000), dog.read(WCV + 4, 5000)), (500, 500, 0));
    assert!(dog.write(WOR, 200, 5100), "it may be due sooner");
    assert_eq!(dog.look(5101), 5300);
    assert!(dog.write(WCS, 0, 5200));
    assert_eq!((dog.look(1 << 40), dog.read(WCS, 0)), (u64::MAX, 0));
    dog.write(WRR, 0, 5300);
    assert_eq!(dog.look(1 << 40), u64::MAX, "a refresh turns it on");
    assert!(dog.write(WCS, 1, 6000));
    assert_eq!(dog.look(6001), 6200);
    dog.start(10_000);
    assert_eq!(dog.look(10_001), 10_500, "a restart does not bring back the plan's time");
}

#[test]
fn without_a_time_there_is_none() {
    let dog = Watchdog::new(0);
    dog.start(7);
    assert_eq!((dog.look(1 << 50), dog.read(WCS, 0)), (u64::MAX, 0));
}
