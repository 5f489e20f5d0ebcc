//! Each check of the proof: a plan that breaks it alone is refused under its code, and the finding blames the right key.
#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use crate::common::{
    MIB, RAM, add, blames, cell, codes, footprint, gicv2, gicv3, identity, moves, name, only, place, refusals, region,
    rewires, run, run_at, seal, smmu, two,
};
use address::Address;
use board::{Interrupt, Reserved, Start};
use manifest::{Dma, Image, Manifest};
use plan::{Class, seal_sound_cells};

const RTC: &str = "/pl031@9010000";
const GPIO: &str = "/pl061@9030000";
const FLASH: &str = "/flash@0";

#[test]
fn a_good_plan_is_sealed_on_either_gic() {
    for board in [gicv2(), gicv3(), smmu()] {
        assert_eq!(codes(&board, &two()), Vec::<String>::new());
    }
}

#[test]
fn names_stand_for_one_cell_each() {
    let found = only(|_, plan| plan.cells[1].name = "a");
    blames(&found, "E0604", 0, Some(1), Some(0));
    for bad in ["", "Linux", "a b", "läufer", "a234567890123456789012345678901x"] {
        blames(&only(|_, plan| plan.cells[0].name = bad), "E0602", 0, Some(0), None);
    }
    for own in ["cellwall", "monitor"] {
        blames(&only(|_, plan| plan.cells[0].name = own), "E0603", 0, Some(0), None);
    }
    assert_eq!(codes(&gicv3(), &Manifest::default()), ["E0601"]);
}

#[test]
fn a_cpu_that_does_not_exist_is_refused() {
    let found = only(|_, plan| plan.cells[1].cpus = vec![1, 4]);
    blames(&found, "E0101", 1, Some(1), None);
    assert_eq!(found.numbers, [4, 4, 0, 0], "which, and how many there are");
}

#[test]
fn a_disabled_or_unstartable_cpu_is_refused() {
    blames(&only(|board, _| board.cpus[1].disabled = true), "E0102", 0, Some(1), None);
    blames(&only(|board, _| board.cpus[1].start = Start::Unknown), "E0107", 0, Some(1), None);
    let mut board = gicv3();
    board.cpus[0].start = Start::Unknown;
    assert_eq!(codes(&board, &two()), Vec::<String>::new(), "CPU 0 boots by itself");
}

#[test]
fn a_cpu_has_one_owner() {
    let found = only(|_, plan| plan.cells[1].cpus = vec![1, 0]);
    blames(&found, "E0103", 1, Some(1), Some(0));
    assert_eq!((found.names, found.to_string()), (["b", "a", "", ""], "E0103 cell b cell a 0x4".into()));
    blames(&only(|_, plan| plan.cells[0].cpus = vec![0, 2, 0]), "E0104", 2, Some(0), None);
}

#[test]
fn a_cell_has_one_to_eight_cpus() {
    blames(&only(|_, plan| plan.cells[0].cpus.clear()), "E0105", 0, Some(0), None);
    let (mut board, mut plan) = (smmu(), two());
    board.cpus.push(board.cpus[7]);
    board.cpus.push(board.cpus[7]);
    plan.cells.truncate(1);
    plan.cells[0].cpus = (0..9).collect();
    assert_eq!(codes(&board, &plan), ["E0106"]);
    plan.cells[0].cpus = (0..8).collect();
    assert_eq!(codes(&board, &plan), Vec::<String>::new());
}

#[test]
fn the_service_cpu_can_serve() {
    blames(&only(|_, plan| plan.service_cpu = Some(9)), "E0503", 0, None, None);
    let disabled = only(|board, plan| {
        board.cpus[2].disabled = true;
        plan.service_cpu = Some(2);
    });
    blames(&disabled, "E0504", 0, None, None);
    let unknown = only(|board, plan| {
        board.cpus[2].start = Start::Unknown;
        plan.service_cpu = Some(2);
    });
    blames(&unknown, "E0505", 0, None, None);
}

#[test]
fn memory_is_whole_pages_inside_the_ipa_space() {
    blames(&only(|_, plan| plan.cells[1].memory.clear()), "E0201", 0, Some(1), None);
    for size in [0, 0x1800, 4095] {
        let found = only(|_, plan| plan.cells[1].memory.push(run_at(0x8000_0000, size)));
        blames(&found, "E0202", 1, Some(1), None);
    }
    let at = |at| only(|_, plan| plan.cells[1].memory.push(run_at(at, MIB)));
    blames(&at(0x8000_0800), "E0203", 1, Some(1), None);
    for high in [u64::MAX - 4095, 1 << 39, (1 << 39) - MIB + 4096] {
        blames(&at(high), "E0204", 1, Some(1), None);
    }
    let mut plan = two();
    plan.cells[1].memory.push(run_at((1 << 39) - MIB, MIB));
    assert_eq!(codes(&gicv3(), &plan), Vec::<String>::new());
}

#[test]
fn runs_of_a_cell_do_not_overlap() {
    let found = only(|_, plan| plan.cells[0].memory.push(run_at(RAM + 16 * MIB - 4096, MIB)));
    blames(&found, "E0205", 0, Some(0), None);
}

#[test]
fn identity_memory_is_ram_that_nobody_took() {
    let with = |at, size| only(|_, plan| plan.cells[1].memory = vec![identity(at, size)]);
    blames(&with(RAM + 252 * MIB, 8 * MIB), "E0206", 0, Some(1), None);
    blames(&with(0x3000_0000, 8 * MIB), "E0206", 0, Some(1), None);
    let image = with(RAM, 4 * MIB);
    blames(&image, "E0208", 0, Some(1), None);
    assert_eq!(image.names[2], "EL2's image");
    let bundle = only(|_, plan| plan.cells[1].memory.push(identity(RAM + 131 * MIB, 4096)));
    blames(&bundle, "E0208", 1, Some(1), None);
    assert_eq!(bundle.names[2], "the bundle", "the page of which it has 0x123 bytes");
    assert_eq!(with(RAM + 132 * MIB, 4 * MIB).names[2], "the board's tree");
    let reserved = only(|board, plan| {
        board.reserved.push(Reserved { region: region(RAM + 65 * MIB, 16), name: "secmon" });
        plan.cells[1].memory = vec![identity(RAM + 64 * MIB, 16 * MIB)];
    });
    blames(&reserved, "E0207", 0, Some(1), None);
    assert_eq!(reserved.names[2], "secmon");
    let word = only(|board, plan| {
        board.cpus[3].start = Start::SpinTable(address::PhysAddr::at(RAM + 64 * MIB + 0xd8));
        plan.cells[1].memory = vec![identity(RAM + 64 * MIB, 16 * MIB)];
    });
    blames(&word, "E0207", 0, Some(1), None);
}

#[test]
fn identity_memory_of_two_cells_does_not_overlap() {
    let found = only(|_, plan| {
        plan.cells[0].memory = vec![identity(RAM + 16 * MIB, 32 * MIB)];
        plan.cells[1].memory = vec![identity(RAM + 48 * MIB - 4096, 16 * MIB + 4096)];
        plan.cells[1].kernel.image_size = MIB;
    });
    blames(&found, "E0209", 0, Some(1), Some(0));
    let mut plan = two();
    plan.cells[0].memory = vec![identity(RAM + 16 * MIB, 32 * MIB)];
    plan.cells[1].memory = vec![identity(RAM + 48 * MIB, 16 * MIB)];
    assert_eq!(codes(&gicv3(), &plan), Vec::<String>::new());
}

#[test]
fn more_memory_than_is_free_is_refused() {
    let found = only(|_, plan| plan.cells[1].memory = vec![run(126 * MIB)]);
    blames(&found, "E0210", 0, Some(1), None);
    assert_eq!(found.numbers, [RAM, 126 * MIB, 124 * MIB - 0x2000, 0], "where, how much, the largest piece");
}

#[test]
fn memory_does_not_cover_what_is_emulated_or_passed_through() {
    let with = |at| only(|_, plan| plan.cells[0].memory.push(run_at(at, 4096)));
    blames(&with(0x0800_0000), "E0211", 1, Some(0), None);
    blames(&with(0x080a_0000 + 0x1_f000), "E0211", 1, Some(0), None);
    blames(&with(0x0900_0000), "E0212", 1, Some(0), None);
    let device = only(|_, plan| {
        plan.cells[0].devices = vec![RTC];
        plan.cells[0].memory.push(run_at(0x0901_0000, 4096));
    });
    blames(&device, "E0213", 1, Some(0), None);
    let mut plan = two();
    plan.cells[0].memory.extend([run_at(0x080c_0000, 4096), run_at(0x0901_0000, 4096)]);
    assert_eq!(
        codes(&gicv3(), &plan),
        Vec::<String>::new(),
        "the second vCPU's frame and another's device are free IPAs"
    );
    plan.cells[0].memory.push(run_at(0x0801_0000, 4096));
    assert!(codes(&gicv2(), &plan).contains(&"E0211".into()), "the CPU interface");
}

#[test]
fn a_device_has_one_owner() {
    let found = only(|_, plan| {
        plan.cells[0].devices = vec![RTC];
        plan.cells[1].devices = vec![GPIO, RTC];
    });
    blames(&found, "E0305", 1, Some(1), Some(0));
    assert_eq!(found.to_string(), "E0305 cell b cell a /pl031@9010000");
    blames(&only(|_, plan| plan.cells[0].devices = vec![RTC, RTC]), "E0306", 1, Some(0), None);
}

#[test]
fn a_device_is_one_of_the_board_and_enabled() {
    let found = only(|_, plan| plan.cells[0].devices = vec!["/pl031@901000"]);
    blames(&found, "E0301", 0, Some(0), None);
    assert_eq!(found.names[2], "/pl031@901000");
    blames(&only(|_, plan| plan.cells[0].devices = vec!["/cpus"]), "E0302", 0, Some(0), None);
    let disabled = only(|board, plan| {
        let rtc = place(board, RTC);
        board.devices[rtc].disabled = true;
        plan.cells[0].devices = vec![RTC];
    });
    blames(&disabled, "E0303", 0, Some(0), None);
}

#[test]
fn what_el2_keeps_is_refused() {
    for kept in ["/intc@8000000", "/pl011@9000000", "/timer", "/smmuv3@9050000"] {
        let mut plan = two();
        plan.cells[0].devices = vec![kept];
        assert_eq!(codes(&smmu(), &plan), ["E0304"], "{kept}");
    }
}

#[test]
fn devices_of_a_page_go_together() {
    let slots = ["", "2", "4", "6", "8", "a", "c", "e"].map(|digit| match digit {
        "" => "/virtio_mmio@a000000".to_owned(),
        digit => format!("/virtio_mmio@a000{digit}00"),
    });
    let slots: Vec<&'static str> = slots.into_iter().map(|path| &*path.leak()).collect();
    let some = slots[..6].to_vec();
    let found = only(|_, plan| {
        plan.cells[0].devices = some;
        plan.cells[0].dma = Dma::None;
    });
    blames(&found, "E0307", 0, Some(0), None);
    assert_eq!(found.names[3], "/virtio_mmio@a000c00");
    assert_eq!(found.numbers[..2], [0x0a00_0000, 0x0a00_1000], "the desk lists all there");
    let mut plan = two();
    plan.cells[0].devices = slots[..4].to_vec();
    plan.cells[1].devices = slots[4..].to_vec();
    plan.cells.iter_mut().for_each(|cell| cell.dma = Dma::None);
    let board = gicv3();
    let found = refusals(&board, &plan);
    assert_eq!(found.len(), 2, "{found:#?}");
    blames(&found[0], "E0308", 0, Some(0), Some(1));
    blames(&found[1], "E0308", 0, Some(1), Some(0));
    plan.cells[0].devices = slots;
    plan.cells[1].devices.clear();
    assert_eq!(codes(&gicv3(), &plan), Vec::<String>::new());
}

#[test]
fn a_disabled_neighbour_does_not_hold_a_page() {
    let (mut board, mut plan) = (gicv3(), two());
    let neighbour = place(&board, "/virtio_mmio@a000200");
    board.devices[neighbour].disabled = true;
    plan.cells[0].dma = Dma::None;
    plan.cells[0].devices = board
        .devices
        .iter()
        .filter(|device| board.path(device).starts_with("/virtio_mmio@a000") && !device.disabled)
        .map(|device| &*board.path(device).to_owned().leak())
        .collect();
    assert_eq!(plan.cells[0].devices.len(), 7);
    assert_eq!(codes(&board, &plan), Vec::<String>::new());
}

#[test]
fn a_page_of_el2_is_no_cells() {
    let found = only(|board, plan| {
        let rtc = place(board, RTC);
        moves(board, rtc, region(0x0900_0800, 0x100));
        plan.cells[0].devices = vec![RTC];
    });
    blames(&found, "E0313", 0, Some(0), None);
    let frame = only(|board, plan| {
        let rtc = place(board, RTC);
        moves(board, rtc, region(0x0808_0000, 0x100));
        plan.cells[0].devices = vec![RTC];
    });
    blames(&frame, "E0313", 0, Some(0), None);
    assert_eq!(frame.names[3], "ITS");
}

#[test]
fn registers_in_ram_or_beyond_the_ipa_space_are_refused() {
    let moved = |base| {
        only(|board, plan| {
            let rtc = place(board, RTC);
            moves(board, rtc, region(base, 0x1000));
            plan.cells[0].devices = vec![RTC];
        })
    };
    blames(&moved(RAM + 200 * MIB), "E0312", 0, Some(0), None);
    blames(&moved(1 << 39), "E0311", 0, Some(0), None);
}

#[test]
fn a_device_under_the_emulated_redistributors_is_refused() {
    let found = only(|board, plan| {
        let rtc = place(board, RTC);
        moves(board, rtc, region(0x080c_0000, 0x1000));
        if let board::Gic::V3 { redistributors, .. } = &mut board.gic {
            *redistributors = vec![region(0x080a_0000, 0x2_0000)];
        }
        plan.cells[0].cpus = vec![0, 2];
        plan.cells[0].devices = vec![RTC];
    });
    blames(&found, "E0314", 0, Some(0), None);
    let (mut board, mut plan) = (gicv3(), two());
    let (rtc, gpio) = (place(&board, RTC), place(&board, GPIO));
    moves(&mut board, rtc, region(0x080c_0000, 0x1000));
    moves(&mut board, gpio, region(0x0900_0800, 0x100));
    if let board::Gic::V3 { redistributors, .. } = &mut board.gic {
        *redistributors = vec![region(0x080a_0000, 0x2_0000)];
    }
    plan.cells[0].cpus = vec![0, 2];
    plan.cells[0].devices = vec![RTC, "/nothing"];
    plan.cells[1].devices = vec![GPIO];
    assert_eq!(codes(&board, &plan), ["E0301", "E0314", "E0313"], "whatever else is wrong with it or with another");
}

#[test]
fn an_interrupt_has_one_owner() {
    let shared = |board: &mut board::Board<'static>, intid| {
        let gpio = place(board, GPIO);
        rewires(board, gpio, intid);
    };
    let found = only(|board, plan| {
        let rtc = board.devices[place(board, RTC)].interrupts[0].intid;
        shared(board, rtc);
        plan.cells[0].devices = vec![RTC];
        plan.cells[1].devices = vec![GPIO];
    });
    blames(&found, "E0401", 0, Some(1), Some(0));
    let console = only(|board, plan| {
        shared(board, 33);
        plan.cells[1].devices = vec![GPIO];
    });
    blames(&console, "E0402", 0, Some(1), None);
    let (mut board, mut plan) = (gicv3(), two());
    shared(&mut board, 34);
    plan.cells[0].devices = vec![RTC, GPIO];
    assert_eq!(codes(&board, &plan), Vec::<String>::new(), "one cell may own both");
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.cells[0].interrupts, [Interrupt { intid: 34, edge: false }], "and has the line once");
}

#[test]
fn dma_is_vouched_for_or_trusted_with_identity_memory() {
    let flash = |dma| {
        move |_: &mut board::Board<'static>, plan: &mut Manifest<'static>| {
            plan.cells[0].devices = vec![RTC, "/fw-cfg@9020000"];
            plan.cells[0].dma = dma;
        }
    };
    let unsaid = only(flash(Dma::Unsaid));
    blames(&unsaid, "E0309", 1, Some(0), None);
    assert_eq!((unsaid.names[2], unsaid.numbers[0]), ("/fw-cfg@9020000", 0), "and no more");
    blames(&only(flash(Dma::Trusted)), "E0310", 1, Some(0), None);
    let (mut board, mut plan) = (gicv3(), two());
    flash(Dma::None)(&mut board, &mut plan);
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.findings.iter().map(name).collect::<Vec<_>>(), ["E0315"], "the user's word is on record");
    plan.cells[0].dma = Dma::Trusted;
    plan.cells[0].memory = vec![identity(RAM + 16 * MIB, 16 * MIB)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.findings.iter().map(name).collect::<Vec<_>>(), ["E0317"]);
}

#[test]
fn reviewed_devices_need_no_word() {
    let mut plan = two();
    plan.cells[0].devices = vec![RTC, GPIO, FLASH];
    assert_eq!(codes(&gicv3(), &plan), Vec::<String>::new());
}

#[test]
fn images_fit_their_memory() {
    blames(&only(|_, plan| plan.cells[0].kernel.image.size = 0), "E0701", 0, Some(0), None);
    let large = only(|_, plan| plan.cells[0].kernel.image_size = 17 * MIB);
    blames(&large, "E0702", 0, Some(0), None);
    blames(&only(|_, plan| plan.cells[0].kernel.text_offset = 15 * MIB), "E0702", 0, Some(0), None);
    let payload = only(|_, plan| plan.cells[0].kernel.image.size = 17 * MIB);
    blames(&payload, "E0702", 0, Some(0), None);
    let unaligned = only(|_, plan| plan.cells[0].memory = vec![run_at(RAM + MIB, MIB)]);
    blames(&unaligned, "E0702", 0, Some(0), None);
    let initrd = only(|_, plan| plan.cells[0].initrd = Some(Image { name: "initrd", size: 14 * MIB }));
    blames(&initrd, "E0703", 0, Some(0), None);
    let mut plan = two();
    plan.cells[0].initrd = Some(Image { name: "initrd", size: 0 });
    assert_eq!(seal(&gicv3(), &plan, &footprint()).unwrap().cells[0].initrd, None, "an empty initrd is none");
    let tree = only(|_, plan| plan.cells[0].kernel.image_size = 16 * MIB - 4096);
    blames(&tree, "E0704", 0, Some(0), None);
}

#[test]
fn a_kernel_that_says_where_it_goes_must_fit_there_and_be_entered_inside() {
    let at = |load, entry| {
        only(move |_, plan| {
            plan.cells[0].kernel.load = Some(load);
            plan.cells[0].kernel.entry = entry;
        })
    };
    blames(&at(RAM - 4096, None), "E0702", 0, Some(0), None);
    blames(&at(RAM + 15 * MIB, None), "E0702", 0, Some(0), None);
    blames(&at(u64::MAX, None), "E0702", 0, Some(0), None);
    blames(&at(RAM + MIB, Some(RAM)), "E0705", 0, Some(0), None);
    blames(&at(RAM + MIB, Some(RAM + 3 * MIB)), "E0705", 0, Some(0), None);
    blames(&at(RAM + MIB, Some(RAM + MIB + 2)), "E0705", 0, Some(0), None);
}

#[test]
fn all_findings_come_in_one_go() {
    let mut plan = two();
    plan.cells[0].cpus = vec![7];
    plan.cells[0].memory = vec![run(4097)];
    plan.cells[1].name = "monitor";
    plan.cells[1].devices = vec!["/nothing"];
    plan.cells[1].kernel.image_size = 64 * MIB;
    plan.service_cpu = Some(11);
    let mut found = codes(&gicv3(), &plan);
    found.sort_unstable();
    assert_eq!(found, ["E0101", "E0202", "E0301", "E0503", "E0603", "E0702"]);
}

#[test]
fn a_bad_image_refuses_its_cell_and_no_other() {
    let board = gicv3();
    let mut plan = two();
    plan.cells[0].kernel.image_size = 64 * MIB;
    let found = refusals(&board, &plan);
    assert_eq!(found[0].class(), Class::Cell);
    let sealed = seal_sound_cells(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.cells.iter().map(|cell| (cell.index, cell.name)).collect::<Vec<_>>(), [(1, "b")]);
    assert_eq!(name(&sealed.findings[0]), "E0702");
    assert_eq!(sealed.service_cpu, 2, "its CPU stays its own");
    plan.cells[1].kernel.image_size = 64 * MIB;
    assert_eq!(seal_sound_cells(&board, &plan, &footprint()).err().unwrap().len(), 2, "no cell is left");
    plan.cells = vec![cell("a", &[0])];
    plan.cells[0].cpus = vec![9];
    assert!(seal_sound_cells(&board, &plan, &footprint()).is_err(), "a CPU refuses the plan");
}

#[test]
fn a_disabled_uart_that_el2_uses_still_holds_its_page() {
    let found = only(|board, plan| {
        let rtc = place(board, RTC);
        moves(board, rtc, region(0x0900_0800, 0x100));
        let stdout = board.stdout.unwrap();
        board.devices[stdout].disabled = true;
        plan.cells[0].devices = vec![RTC];
    });
    blames(&found, "E0313", 0, Some(0), None);
}

#[test]
fn a_pci_window_beyond_the_ipa_space_is_left_out_with_a_warning() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].devices = vec!["/pcie@10000000"];
    plan.cells[0].dma = Dma::Trusted;
    plan.cells[0].memory = vec![identity(RAM + 16 * MIB, 16 * MIB)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert!(sealed.findings.iter().any(|warning| name(warning) == "E0316"));
    let mapped: Vec<u64> = sealed.cells[0].mmio.iter().map(|run| run.base().get()).collect();
    assert_eq!(mapped, [0x1000_0000, 0x40_1000_0000]);
}

#[test]
fn a_device_inside_a_wider_one_goes_with_it_though_a_third_lies_between() {
    let found = only(|board, plan| {
        let rtc = place(board, RTC);
        add(board, rtc, "/wide@900f000", region(0x0900_f000, 0x3_0000));
        plan.cells[0].devices = vec![GPIO];
    });
    blames(&found, "E0307", 0, Some(0), None);
    assert_eq!(found.names[3], "/wide@900f000");
}

#[test]
fn every_neighbour_a_large_run_covers_is_found() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory.push(run_at(0x0700_0000, 64 * MIB));
    assert_eq!(codes(&board, &plan), ["E0211", "E0211", "E0212"], "distributor, redistributors, UART");
    let mut plan = two();
    plan.cells.push(cell("c", &[2]));
    for (cell, (at, size)) in plan.cells.iter_mut().zip([(16, 64), (20, 4), (32, 4)]) {
        cell.memory = vec![identity(RAM + at * MIB, size * MIB)];
    }
    let found = refusals(&board, &plan);
    assert_eq!(found.len(), 2, "{found:#?}");
    blames(&found[0], "E0209", 0, Some(1), Some(0));
    blames(&found[1], "E0209", 0, Some(2), Some(0));
}
