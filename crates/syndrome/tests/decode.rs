//! Exits as hardware reports them, decoded; numbers as QEMU and Linux print them.
#![allow(
    clippy::pedantic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use address::Ipa;
use proptest::prelude::*;
use syndrome::{Abort, Access, Exit, Syndrome, SystemRegister, instruction_bytes, system};

fn decode(esr: u64) -> Exit {
    Syndrome { esr, far: 0, hpfar: 0 }.exit()
}

fn shown(esr: u64) -> String {
    Syndrome { esr, far: 0, hpfar: 0 }.to_string()
}

fn abort(esr: u64, far: u64, hpfar: u64) -> Abort {
    match (Syndrome { esr, far, hpfar }).exit() {
        Exit::Abort(abort) => abort,
        other => panic!("{other:?}"),
    }
}

#[test]
fn waits_are_known() {
    for esr in [0x07e0_0000, 0x07e0_0001, 0x07e0_0002, 0x07e0_0003] {
        assert_eq!(decode(esr), Exit::Wait);
        assert_eq!(shown(esr), "WFI or WFE");
    }
}

#[test]
fn a_load_from_a_uart_is_known_in_full() {
    // ldr w1, [x0] with x0 mapped to IPA 0x0900_0018.
    let abort = abort(0x9381_0007, 0xffff_8000_0123_4018, 0x9_0000);
    assert_eq!(abort.ipa(), Some(Ipa::at(0x0900_0018)));
    assert_eq!(abort.far(), Some(0xffff_8000_0123_4018));
    assert_eq!(abort.access(), Some(Access { size: 4, register: 1, sign_extend: false, sixty_four: false }));
    assert!(abort.is_translation());
    assert!(!abort.is_write() && !abort.is_stage1_walk() && !abort.is_fetch());
    assert_eq!(abort.to_string(), "read of IPA 0x9000018 (translation fault, status 0x07)");
}

#[test]
fn stores_of_every_size_are_known() {
    // strb w5, strh w6, str w7, str x30.
    for (esr, size, register, sixty_four) in
        [(0x9305_0046, 1, 5, false), (0x9346_0046, 2, 6, false), (0x9387_0046, 4, 7, false), (0x93de_8046, 8, 30, true)]
    {
        let abort = abort(esr, 0x24, 0x8_0000);
        assert!(abort.is_write());
        assert_eq!(abort.access(), Some(Access { size, register, sign_extend: false, sixty_four }));
        assert_eq!(abort.ipa(), Some(Ipa::at(0x0800_0024)));
    }
    assert_eq!(abort(0x9305_0046, 0, 0).to_string(), "write to IPA 0x0 (translation fault, status 0x06)");
}

#[test]
fn an_access_without_a_valid_syndrome_has_no_register() {
    // ldp, or a load with writeback: ISV = 0; the other fields of ISS[23:14] are unknown and must not be believed.
    assert_eq!(abort(0x92ff_8006, 0, 0).access(), None);
    assert_eq!(abort(0x9200_0006, 0, 0).to_string(), "read of IPA 0x0 (translation fault, status 0x06)");
}

#[test]
fn the_zero_register_is_number_31() {
    assert_eq!(abort(0x939f_0046, 0, 0).access().map(|a| a.register), Some(31));
}

#[test]
fn an_ipa_is_given_only_where_hpfar_holds_one() {
    let ipa = |status: u64, walk: bool| abort(0x9200_0000 | status | u64::from(walk) << 7, 0xabc, 0x4_0000).ipa();
    for status in [0x00, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0b] {
        assert_eq!(ipa(status, false), Some(Ipa::at(0x0400_0abc)), "{status:#x}");
        assert_eq!(ipa(status, true), Some(Ipa::at(0x0400_0000)), "a walk's offset is not in FAR: {status:#x}");
    }
    for status in [0x0d, 0x0f] {
        assert_eq!(ipa(status, false), None, "a permission fault leaves HPFAR unknown");
        assert_eq!(ipa(status, true), Some(Ipa::at(0x0400_0000)), "but not that of a walk");
    }
    for status in [0x10, 0x14, 0x21, 0x30, 0x35] {
        assert_eq!(ipa(status, false), None, "{status:#x}");
    }
}

#[test]
fn the_top_of_hpfar_is_not_address() {
    // Bit 63 is NS; FIPA of a 52-bit address ends at bit 43.
    let abort = abort(0x9200_0006, 0, 1 << 63 | 0xffff_ffff_ffff);
    assert_eq!(abort.ipa(), Some(Ipa::at(0x000f_ffff_ffff_f000)));
}

#[test]
fn fault_kinds_are_told_apart() {
    let fault = |status: u64| abort(0x9200_0400 | status, 0, 0).to_string();
    assert_eq!(fault(0x04), "read of IPA 0x0 (translation fault, status 0x04)");
    assert_eq!(fault(0x0a), "read of IPA 0x0 (access flag fault, status 0x0a)");
    assert_eq!(fault(0x0f), "read of unknown address 0x0 (permission fault, status 0x0f)");
    assert_eq!(fault(0x01), "read of IPA 0x0 (address size fault, status 0x01)");
    assert_eq!(fault(0x10), "read of unknown address 0x0 (external abort, status 0x10)");
    assert_eq!(fault(0x16), "read of unknown address 0x0 (external abort, status 0x16)");
    assert_eq!(fault(0x21), "read of unknown address 0x0 (alignment fault, status 0x21)");
    assert_eq!(fault(0x30), "read of unknown address 0x0 (TLB conflict, status 0x30)");
    assert_eq!(fault(0x35), "read of unknown address 0x0 (unexpected, status 0x35)");
    for status in 0..0x40 {
        assert_eq!(abort(0x9200_0000 | status, 0, 0).is_translation(), (4..8).contains(&status), "{status:#x}");
    }
}

#[test]
fn a_far_that_is_not_valid_is_not_shown() {
    let hidden = abort(0x9200_0410, 0xdead, 0);
    assert_eq!((hidden.far(), hidden.ipa()), (None, None));
    assert_eq!(hidden.to_string(), "read of unknown address 0x0 (external abort, status 0x10)");
    assert_eq!(abort(0x9200_0010, 0xdead, 0).to_string(), "read of VA 0xdead (external abort, status 0x10)");
}

#[test]
fn cache_maintenance_is_a_write_and_walks_are_marked() {
    assert_eq!(abort(0x9200_0146, 0, 0).to_string(), "write to IPA 0x0 (translation fault, status 0x06)");
    assert!(abort(0x9200_0087, 0, 0).is_stage1_walk());
}

#[test]
fn a_fetch_from_nowhere_is_known() {
    let fetch = abort(0x8200_0006, 0x40, 0x10_0000);
    assert!(fetch.is_fetch() && fetch.is_translation() && !fetch.is_stage1_walk());
    assert_eq!((fetch.ipa(), fetch.far()), (Some(Ipa::at(0x1000_0040)), Some(0x40)));
    assert_eq!(fetch.access(), None);
    assert_eq!(abort(0x83ff_0006, 0, 0).access(), None, "a fetch has no transfer");
    assert_eq!(fetch.to_string(), "fetch from IPA 0x10000040 (translation fault, status 0x06)");
    let walk = abort(0x8200_0086, 0x40, 0x10_0000);
    assert_eq!(walk.to_string(), "stage-1 table walk: fetch from IPA 0x10000000 (translation fault, status 0x06)");
}

#[test]
fn an_sgi_write_names_its_register() {
    // msr ICC_SGI1R_EL1, x0; then with x2.
    let sgi = SystemRegister { encoding: system::ICC_SGI1R_EL1, rt: 0, read: false };
    assert_eq!(decode(0x623a_3016), Exit::SystemRegister(sgi));
    assert_eq!(decode(0x623a_3056), Exit::SystemRegister(SystemRegister { rt: 2, ..sgi }));
    assert_eq!(system::ICC_SGI1R_EL1, 0x3a_3016);
    assert_eq!(sgi.to_string(), "write of S3_0_C12_C11_5");
    let encodings = [system::ICC_SGI1R_EL1, system::ICC_ASGI1R_EL1, system::ICC_SGI0R_EL1];
    assert_eq!(encodings, [0x3a_3016, 0x3c_3016, 0x3e_3016]);
}

#[test]
fn a_register_is_told_by_its_encoding() {
    let register = SystemRegister { encoding: system::encoding(3, 3, 15, 2, 7), rt: 0, read: true };
    assert_eq!(register.to_string(), "read of S3_3_C15_C2_7");
}

#[test]
fn the_other_classes_have_their_names() {
    for (class, exit, name) in [
        (0x03, Exit::Undefined, "AArch32 coprocessor access"),
        (0x04, Exit::Undefined, "AArch32 coprocessor access"),
        (0x05, Exit::Undefined, "AArch32 coprocessor access"),
        (0x06, Exit::Undefined, "AArch32 coprocessor access"),
        (0x08, Exit::Undefined, "AArch32 coprocessor access"),
        (0x0c, Exit::Undefined, "AArch32 coprocessor access"),
        (0x07, Exit::Unexpected, "FP, SVE or SME instruction"),
        (0x09, Exit::Undefined, "pointer authentication instruction"),
        (0x19, Exit::Undefined, "FP, SVE or SME instruction"),
        (0x1d, Exit::Undefined, "FP, SVE or SME instruction"),
        (0x0e, Exit::Unexpected, "illegal execution state"),
        (0x2f, Exit::Unexpected, "SError"),
        (0x30, Exit::Unexpected, "debug exception"),
        (0x3c, Exit::Unexpected, "debug exception"),
        (0x16, Exit::Undefined, "HVC"),
        (0x17, Exit::Undefined, "SMC"),
        (0x00, Exit::Unexpected, "unexpected exception class 0x00"),
        (0x15, Exit::Unexpected, "unexpected exception class 0x15"),
        (0x25, Exit::Unexpected, "unexpected exception class 0x25"),
        (0x3f, Exit::Unexpected, "unexpected exception class 0x3f"),
    ] {
        assert_eq!(decode(class << 26 | 1 << 25), exit, "{class:#x}");
        assert_eq!(shown(class << 26 | 1 << 25), name);
    }
}

#[test]
fn an_instruction_is_two_or_four_bytes_long() {
    assert_eq!(instruction_bytes(0x5e00_0000), 4);
    assert_eq!(instruction_bytes(0x9181_0007), 2, "a 16-bit load of an AArch32 program");
}

#[test]
fn a_load_is_extended_as_its_instruction_says() {
    let load =
        |size, sign_extend, sixty_four, raw| Access { size, register: 0, sign_extend, sixty_four }.load_value(raw);
    assert_eq!(load(1, false, false, 0xffff_ff80), 0x80, "ldrb w");
    assert_eq!(load(1, true, false, 0x80), 0xffff_ff80, "ldrsb w: the top half is zero");
    assert_eq!(load(1, true, true, 0x80), 0xffff_ffff_ffff_ff80, "ldrsb x");
    assert_eq!(load(1, true, true, 0x7f), 0x7f);
    assert_eq!(load(2, true, true, 0x8000), 0xffff_ffff_ffff_8000, "ldrsh x");
    assert_eq!(load(4, true, true, 0x8000_0000), 0xffff_ffff_8000_0000, "ldrsw x");
    assert_eq!(load(4, false, false, u64::MAX), 0xffff_ffff, "ldr w");
    assert_eq!(load(8, false, true, u64::MAX), u64::MAX, "ldr x");
}

proptest! {
    #[test]
    fn whatever_the_registers_hold_decoding_and_printing_end(esr: u64, far: u64, hpfar: u64) {
        let syndrome = Syndrome { esr, far, hpfar };
        prop_assert!(!syndrome.to_string().is_empty());
        prop_assert!(syndrome.class() < 64);
    }

    #[test]
    fn a_data_abort_is_well_formed(iss in 0u64..1 << 25, far: u64, hpfar: u64, raw: u64) {
        let abort = abort(0x9200_0000 | iss, far, hpfar);
        if let Some(access) = abort.access() {
            prop_assert!([1, 2, 4, 8].contains(&access.size) && access.register < 32);
            let bits = u32::from(access.size) * 8;
            let mask = u64::MAX >> (64 - bits);
            prop_assert_eq!(access.store_value(raw), raw & mask);
            prop_assert_eq!(access.load_value(raw) & mask & 0xffff_ffff, raw & mask & 0xffff_ffff);
            prop_assert_eq!(access.load_value(raw), access.load_value(raw & mask), "only the bytes read count");
            prop_assert!(access.sixty_four || access.load_value(raw) >> 32 == 0);
        }
    }

    #[test]
    fn a_register_s_name_survives_encoding(op0 in 0u32..4, op1 in 0u32..8, crn in 0u32..16, crm in 0u32..16, op2 in 0u32..8) {
        let register = SystemRegister { encoding: system::encoding(op0, op1, crn, crm, op2), rt: 0, read: true };
        prop_assert_eq!(register.to_string(), format!("read of S{op0}_{op1}_C{crn}_C{crm}_{op2}"));
        let esr = 0x6200_0000 | u64::from(register.encoding) | 7 << 5 | 1;
        prop_assert_eq!(decode(esr), Exit::SystemRegister(SystemRegister { rt: 7, ..register }));
    }
}
