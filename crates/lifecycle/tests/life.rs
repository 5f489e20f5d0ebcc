//! How a cell lives and dies, and how often.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use lifecycle::{Budget, Cause, Life, State};

const STOP: Budget = Budget { restarts: 0, within: 0 };
const ALWAYS: Budget = Budget { restarts: Budget::ALWAYS, within: 0 };

/// A life that runs, vCPU 0's CPU inside.
fn running(budget: Budget) -> Life {
    let life = Life::new(State::STARTING, budget);
    assert!(life.begin());
    life
}

/// All are out; vCPU 0's CPU finishes it.
fn finish(life: &Life) -> State {
    assert!(life.gate.leave(), "the last one out is told so");
    let next = life.close().unwrap();
    life.settle(next);
    next
}

/// Faults at `now`, and starts again if it may.
fn fault(life: &Life, now: u64) -> State {
    let next = life.end(Cause::Fault, now).unwrap();
    assert_eq!(finish(life), next);
    if next == State::RESTARTING {
        assert!(life.begin());
    }
    next
}

#[test]
fn what_is_asked_for_is_done_whatever_the_budget() {
    for budget in [STOP, ALWAYS, Budget { restarts: 1, within: 1000 }] {
        assert_eq!(running(budget).end(Cause::Off, 0), Some(State::STOPPED));
        assert_eq!(running(budget).end(Cause::Reset, 0), Some(State::RESTARTING));
    }
}

#[test]
fn a_fault_without_a_budget_stops_the_cell() {
    assert_eq!(running(STOP).end(Cause::Fault, 5), Some(State::STOPPED));
}

#[test]
fn without_a_limit_every_fault_restarts() {
    let life = running(ALWAYS);
    assert!((0..100).all(|now| fault(&life, now) == State::RESTARTING));
    assert_eq!((life.restarts(), life.starts()), (100, 101));
}

#[test]
fn one_fault_too_many_in_the_window_and_the_cell_has_failed() {
    let life = running(Budget { restarts: 3, within: 100 });
    for now in [0, 60, 100] {
        assert_eq!(fault(&life, now), State::RESTARTING);
    }
    assert_eq!(fault(&life, 100), State::FAILED);
}

#[test]
fn the_window_slides() {
    let life = running(Budget { restarts: 3, within: 100 });
    for now in [0, 60, 100, 101, 161, 201, 202] {
        assert_eq!(fault(&life, now), State::RESTARTING, "at {now}: the third before is out of the window");
    }
    assert_eq!(fault(&life, 250), State::FAILED, "161, 201, 202 are in it");
}

#[test]
fn a_person_gives_a_new_budget() {
    let life = running(Budget { restarts: 1, within: 100 });
    assert_eq!((fault(&life, 0), fault(&life, 1)), (State::RESTARTING, State::FAILED));
    assert!(life.start() && life.state() == State::STARTING);
    assert!(life.begin());
    assert_eq!(fault(&life, 2), State::RESTARTING);
}

#[test]
fn resets_and_stops_by_a_person_do_not_count_as_faults() {
    let life = running(Budget { restarts: 1, within: 100 });
    for now in 0..10 {
        assert_eq!(life.end(Cause::Reset, now), Some(State::RESTARTING));
        finish(&life);
        assert!(life.begin());
    }
    assert_eq!(fault(&life, 10), State::RESTARTING);
}

#[test]
fn the_first_to_end_a_cell_is_the_only_one() {
    let life = running(ALWAYS);
    assert_eq!(life.end(Cause::Off, 0), Some(State::STOPPED));
    assert_eq!(life.end(Cause::Fault, 0), None);
    assert_eq!(finish(&life), State::STOPPED);
    assert_eq!(life.end(Cause::Off, 0), None);
}

#[test]
fn nothing_is_finished_while_somebody_is_inside() {
    let life = running(ALWAYS);
    assert!(life.gate.enter());
    assert_eq!(life.close(), None, "it runs");
    life.end(Cause::Off, 0);
    assert!(!life.gate.leave());
    assert_eq!(life.close(), None, "one is inside");
    assert!(!life.start());
    assert_eq!(finish(&life), State::STOPPED);
    assert!(!life.gate.enter() && life.start() && !life.start());
}

#[test]
fn only_what_has_not_begun_can_be_refused() {
    for state in [State::READY, State::STARTING] {
        let life = Life::new(state, STOP);
        assert!(life.refuse() && !life.start());
        assert_eq!(life.state(), State::REFUSED);
    }
    assert!(!running(STOP).refuse());
}

#[test]
fn a_cell_that_lost_a_cpu_never_runs_again() {
    let life = running(ALWAYS);
    assert!(life.lose());
    assert!(!life.gate.leave());
    assert_eq!((life.state(), life.close(), life.start()), (State::FAILED, None, false));
    // The same while it was being loaded, its gate closed.
    let life = Life::new(State::RESTARTING, ALWAYS);
    assert!(life.lose());
    assert!(!life.start());
    assert!(!life.begin() && life.state() == State::FAILED, "its loader begins it all the same");
    assert!(life.gate.leave(), "one was inside for good");
}

#[test]
fn every_state_has_its_word() {
    assert_eq!(Life::new(State::REFUSED, STOP).state(), State::REFUSED);
    for (state, word) in [(State::READY, "ready"), (State::RESTARTING, "restarting"), (State::REFUSED, "refused")] {
        assert_eq!((state.word(), Life::new(state, STOP).state()), (word, state));
    }
}
