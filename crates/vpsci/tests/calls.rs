//! Every function and every error of a call, as a guest would see them.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use address::{Address, Ipa};
use proptest::prelude::*;
use vpsci::{Action, Entry, Error, MAX_VCPUS, Power};

/// The function ids of DEN 0022 5.1 and DEN 0028 7.
mod id {
    pub const SMCCC_VERSION: u32 = 0x8000_0000;
    pub const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
    pub const PSCI_VERSION: u32 = 0x8400_0000;
    pub const CPU_SUSPEND: u32 = 0x8400_0001;
    pub const CPU_SUSPEND_64: u32 = 0xc400_0001;
    pub const CPU_OFF: u32 = 0x8400_0002;
    pub const CPU_ON: u32 = 0x8400_0003;
    pub const CPU_ON_64: u32 = 0xc400_0003;
    pub const AFFINITY_INFO: u32 = 0x8400_0004;
    pub const AFFINITY_INFO_64: u32 = 0xc400_0004;
    pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
    pub const SYSTEM_OFF: u32 = 0x8400_0008;
    pub const SYSTEM_RESET: u32 = 0x8400_0009;
    pub const PSCI_FEATURES: u32 = 0x8400_000a;
    pub const SYSTEM_RESET2: u32 = 0x8400_0012;
    pub const SYSTEM_RESET2_64: u32 = 0xc400_0012;
}

const RAM: u64 = 0x4000_0000;

fn in_ram(pc: Ipa) -> bool {
    (RAM..RAM + 0x10_0000).contains(&pc.get())
}

fn cell(vcpus: usize) -> Power {
    let power = Power::new(vcpus);
    power.reset(0);
    power
}

fn call(power: &Power, vcpu: usize, function: u32, arguments: [u64; 3]) -> Action {
    let [a, b, c] = arguments;
    power.call(vcpu, [function.into(), a, b, c], in_ram)
}

fn code(error: Error) -> u64 {
    (error as i64).cast_unsigned()
}

fn error(error: Error) -> Action {
    Action::Return(code(error))
}

#[test]
fn versions_are_psci_1_1_and_smccc_1_2() {
    let power = cell(1);
    assert_eq!(call(&power, 0, id::PSCI_VERSION, [0; 3]), Action::Return(0x1_0001));
    assert_eq!(call(&power, 0, id::SMCCC_VERSION, [0; 3]), Action::Return(0x1_0002));
}

#[test]
fn firmware_is_asked_about_the_cpus_predictors_and_about_nothing_else() {
    let power = cell(1);
    for function in (0x8000_0000..=0x8000_ffff).chain(0xc000_0000..=0xc000_ffff).chain(0x8400_0000..=0x8400_ffff) {
        if [id::CPU_OFF, id::CPU_SUSPEND].contains(&function) {
            continue;
        }
        let reviewed = [0x8000_8000, 0x8000_7fff, 0x8000_3fff].contains(&function);
        let asked = call(&power, 0, function, [0xf_0000_0001, 7, 7]);
        let expected = Action::Firmware(function, 1);
        assert_eq!(asked == expected, reviewed, "{function:#x}");
        assert_eq!(matches!(asked, Action::Firmware(..)), reviewed);
        let known = call(&power, 0, id::SMCCC_ARCH_FEATURES, [function.into(), 7, 7]);
        assert_eq!(known == Action::Firmware(id::SMCCC_ARCH_FEATURES, function), reviewed, "{function:#x}");
    }
}

#[test]
fn the_upper_half_of_x0_is_no_part_of_the_id() {
    assert_eq!(cell(1).call(0, [0xffff_ffff_8400_0000, 0, 0, 0], in_ram), Action::Return(0x1_0001));
}

#[test]
fn an_error_reads_right_in_w0_and_x0() {
    assert_eq!(code(Error::NotSupported), u64::MAX);
    assert_eq!(code(Error::InvalidAddress) as i64, -9);
    assert_eq!(code(Error::OnPending) as u32 as i32, -5);
    assert_eq!(code(Error::AlreadyOn) as i64, -4);
    assert_eq!(code(Error::InvalidParameters) as i64, -2);
}

#[test]
fn cpu_on_hands_entry_and_context_to_the_parked_cpu_once() {
    let power = cell(2);
    assert_eq!(power.take(1), None);
    assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM + 0x1000, 0xfeed_0000_beef]), Action::Start(1));
    assert!(!power.is_on(1));
    let entry = Entry { pc: Ipa::at(RAM + 0x1000), context: 0xfeed_0000_beef };
    assert_eq!(power.take(1), Some(entry));
    assert!(power.is_on(1));
    assert_eq!(power.take(1), None);
}

#[test]
fn a_32_bit_call_uses_the_low_halves_of_its_arguments() {
    let power = cell(2);
    let high = 0xdead_beef_0000_0000;
    assert_eq!(call(&power, 0, id::CPU_ON, [high | 1, high | RAM, high | 7]), Action::Start(1));
    assert_eq!(power.take(1), Some(Entry { pc: Ipa::at(RAM), context: 7 }));
}

#[test]
fn a_target_may_carry_the_res1_u_and_mt_bits_of_mpidr() {
    for bits in [0x8000_0000, 0xc000_0000, 0x8100_0000] {
        for function in [id::CPU_ON, id::CPU_ON_64] {
            let power = cell(2);
            assert_eq!(call(&power, 0, function, [bits | 1, RAM, 0]), Action::Start(1));
            assert_eq!(call(&power, 0, id::AFFINITY_INFO_64, [bits | 1, 0, 0]), Action::Return(2));
        }
    }
}

#[test]
fn cpu_on_of_no_cpu_of_the_cell_is_invalid() {
    let power = cell(2);
    for target in [2, 7, 8, 0x100, 0x1_0001, 0x1_0000_0001, u64::MAX] {
        assert_eq!(call(&power, 0, id::CPU_ON_64, [target, RAM, 0]), error(Error::InvalidParameters), "{target:#x}");
    }
}

#[test]
fn cpu_on_outside_the_cells_memory_is_an_invalid_address() {
    let power = cell(2);
    for entry in [0, RAM - 4, RAM + 0x10_0000, RAM + 1, RAM + 2, u64::MAX] {
        assert_eq!(call(&power, 0, id::CPU_ON_64, [1, entry, 0]), error(Error::InvalidAddress), "{entry:#x}");
    }
    assert_eq!(power.take(1), None);
    assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM, 0]), Action::Start(1));
}

#[test]
fn cpu_on_tells_on_from_on_its_way() {
    let power = cell(2);
    assert_eq!(call(&power, 0, id::CPU_ON_64, [0, RAM, 0]), error(Error::AlreadyOn));
    assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM, 0]), Action::Start(1));
    assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM + 4, 1]), error(Error::OnPending));
    assert_eq!(power.take(1), Some(Entry { pc: Ipa::at(RAM), context: 0 }));
    assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM, 0]), error(Error::AlreadyOn));
}

#[test]
fn a_cpu_goes_off_and_comes_on_again() {
    let power = cell(2);
    call(&power, 0, id::CPU_ON_64, [1, RAM, 0]);
    let _ = power.take(1);
    assert_eq!(call(&power, 1, id::CPU_OFF, [0; 3]), Action::Off);
    assert_eq!(call(&power, 0, id::AFFINITY_INFO, [1, 0, 0]), Action::Return(1));
    assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM + 8, 9]), Action::Start(1));
    // The exit of CPU_OFF, still on its way to the parking place, takes nothing back.
    power.off(1);
    assert_eq!(power.take(1), Some(Entry { pc: Ipa::at(RAM + 8), context: 9 }));
}

#[test]
fn affinity_info_knows_on_off_and_on_its_way() {
    let power = cell(2);
    for function in [id::AFFINITY_INFO, id::AFFINITY_INFO_64] {
        assert_eq!(call(&power, 0, function, [0, 0, 0]), Action::Return(0));
        assert_eq!(call(&power, 0, function, [1, 0, 0]), Action::Return(1));
        assert_eq!(call(&power, 0, function, [2, 0, 0]), error(Error::InvalidParameters));
        assert_eq!(call(&power, 0, function, [0, 1, 0]), error(Error::InvalidParameters));
    }
    call(&power, 0, id::CPU_ON, [1, RAM, 0]);
    assert_eq!(call(&power, 0, id::AFFINITY_INFO, [1, 0, 0]), Action::Return(2));
}

#[test]
fn cpu_suspend_stands_by_or_powers_down() {
    let power = cell(1);
    let down = 1 << 16;
    let entry = Entry { pc: Ipa::at(RAM), context: 5 };
    for function in [id::CPU_SUSPEND, id::CPU_SUSPEND_64] {
        assert_eq!(call(&power, 0, function, [3, 0, 0]), Action::Suspend);
        assert_eq!(call(&power, 0, function, [down, RAM, 5]), Action::SuspendPowerDown(entry));
        assert_eq!(call(&power, 0, function, [down, 0, 5]), error(Error::InvalidAddress));
        assert_eq!(call(&power, 0, function, [1 << 30, RAM, 5]), error(Error::InvalidParameters));
    }
    assert!(power.is_on(0));
}

#[test]
fn the_system_goes_off_and_resets() {
    let power = cell(1);
    assert_eq!(call(&power, 0, id::SYSTEM_OFF, [0; 3]), Action::SystemOff);
    assert_eq!(call(&power, 0, id::SYSTEM_RESET, [0; 3]), Action::SystemReset);
    for function in [id::SYSTEM_RESET2, id::SYSTEM_RESET2_64] {
        assert_eq!(call(&power, 0, function, [0; 3]), Action::SystemReset);
        assert_eq!(call(&power, 0, function, [1, 0, 0]), error(Error::InvalidParameters));
        assert_eq!(call(&power, 0, function, [0x8000_0000, 0, 0]), error(Error::InvalidParameters));
    }
}

#[test]
fn nothing_has_to_migrate() {
    let power = cell(1);
    assert_eq!(call(&power, 0, id::MIGRATE_INFO_TYPE, [0; 3]), Action::Return(2));
    for migrate in [0x8400_0005, 0xc400_0005, 0x8400_0007, 0xc400_0007] {
        assert_eq!(call(&power, 0, migrate, [0; 3]), error(Error::NotSupported));
    }
}

#[test]
fn features_name_what_is_answered_and_nothing_else() {
    for function in (0x8400_0000..0x8400_0020).chain(0xc400_0000..0xc400_0020).chain([id::SMCCC_VERSION]) {
        let power = cell(1);
        let named = call(&power, 0, id::PSCI_FEATURES, [function.into(), 0, 0]) == Action::Return(0);
        let answered = call(&power, 0, function, [0; 3]) != error(Error::NotSupported);
        // PSCI_FEATURES answers about function 0 that there is none.
        assert_eq!(named, answered || function == id::PSCI_FEATURES, "{function:#x}");
    }
    assert_eq!(call(&cell(1), 0, id::PSCI_FEATURES, [0x8400_000e, 0, 0]), error(Error::NotSupported));
}

#[test]
fn arch_features_offer_themselves_and_the_version() {
    let power = cell(1);
    let ask = |function: u32| call(&power, 0, id::SMCCC_ARCH_FEATURES, [function.into(), 0, 0]);
    assert_eq!(ask(id::SMCCC_VERSION), Action::Return(0));
    assert_eq!(ask(id::SMCCC_ARCH_FEATURES), Action::Return(0));
    assert_eq!(ask(0x8000_0002), error(Error::NotSupported));
}

#[test]
fn reset_leaves_the_boot_vcpu_on_alone() {
    let power = cell(3);
    call(&power, 0, id::CPU_ON, [1, RAM, 0]);
    call(&power, 0, id::CPU_ON, [2, RAM, 0]);
    let _ = power.take(2);
    power.reset(0);
    assert_eq!(power.take(1), None);
    assert_eq!([0, 1, 2].map(|vcpu| power.is_on(vcpu)), [true, false, false]);
}

#[test]
fn all_are_off_only_when_none_is_on_or_wanted() {
    let power = cell(2);
    assert!(!power.all_off());
    call(&power, 0, id::CPU_ON_64, [1, RAM, 0]);
    call(&power, 0, id::CPU_OFF, [0; 3]);
    assert!(!power.all_off());
    let _ = power.take(1);
    assert!(!power.all_off());
    call(&power, 1, id::CPU_OFF, [0; 3]);
    assert!(power.all_off());
}

#[test]
fn a_call_overtaken_while_its_entry_is_judged_loses() {
    let power = cell(2);
    let overtaken = power.call(0, [id::CPU_ON_64.into(), 1, RAM, 1], |_| {
        assert_eq!(call(&power, 0, id::CPU_ON_64, [1, RAM + 4, 2]), Action::Start(1));
        true
    });
    assert_eq!(overtaken, error(Error::OnPending));
    assert_eq!(power.take(1), Some(Entry { pc: Ipa::at(RAM + 4), context: 2 }));
}

#[test]
fn of_racing_cpu_on_calls_one_wins_and_its_entry_is_whole() {
    const CALLS: u64 = 200_000;
    let (power, running) = (cell(3), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for caller in 0..2 {
            let (power, running) = (&power, &running);
            scope.spawn(move || {
                for round in 0..CALLS {
                    let context = (2 * round + caller) & 0xffff;
                    match call(power, 0, id::CPU_ON_64, [2, RAM + 4 * context, context]) {
                        Action::Start(vcpu) => {
                            assert_eq!(vcpu, 2);
                            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two calls have won");
                            let entry = Entry { pc: Ipa::at(RAM + 4 * context), context };
                            assert_eq!(power.take(2), Some(entry));
                            running.fetch_sub(1, Ordering::SeqCst);
                            power.off(2);
                        }
                        other => assert!([error(Error::OnPending), error(Error::AlreadyOn)].contains(&other)),
                    }
                }
            });
        }
    });
    assert_eq!(call(&power, 0, id::CPU_ON_64, [2, RAM, 0]), Action::Start(2));
}

proptest! {
    #[test]
    fn no_call_reaches_beyond_the_cell(vcpus in 0usize..12, registers in any::<[u64; 4]>(), number in 0u64..0x20, wide: bool) {
        let power = cell(vcpus);
        let [_, a, b, c] = registers;
        let function = 0x8400_0000 | number | u64::from(wide) << 30;
        for registers in [registers, [function, a & 0xf, b, c], [function, a & 0xf, RAM, c]] {
            if let Action::Start(vcpu) = power.call(0, registers, in_ram) {
                prop_assert!(vcpu < vcpus.min(MAX_VCPUS));
                prop_assert!(in_ram(power.take(vcpu).unwrap().pc));
            }
        }
    }
}
