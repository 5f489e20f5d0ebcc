//! The property the crate exists for: whatever is written, a sealed plan gives no page, interrupt or CPU two owners.
//!
//! Random plans over a crowded board; an independent checker that knows pages and nothing of how the proof works.
#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use crate::common::{MIB, RAM, add, cell, gicv2, gicv3, place, region, rewires, seal};
use address::{Address, Ipa, PhysAddr, Region};
use board::{Board, Gic, Reserved, Start};
use manifest::{Cell, Console, Dma, Image, Manifest, Memory};
use plan::{Footprint, Outside, Owner, SealedCell, SealedPlan, VirtualGic, seal_sound_cells};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

const DEVICES: [&str; 16] = [
    "/pl031@9010000",
    "/pl061@9030000",
    "/flash@0",
    "/fw-cfg@9020000",
    "/pcie@10000000",
    "/pl011@9000000",
    "/near-uart@9000800",
    "/wide@9030800",
    "/in-ram@41000000",
    "/virtio_mmio@a003000",
    "/virtio_mmio@a003200",
    "/virtio_mmio@a003400",
    "/virtio_mmio@a003600",
    "/virtio_mmio@a003800",
    "/intc@8000000",
    "/nothing@1234",
];

/// QEMU's virt made narrow: 40 MiB in two banks, a reservation, a disabled and an unstartable CPU, devices that
/// overlap pages, share interrupts or pose as RAM.
fn crowded(v3: bool) -> Board<'static> {
    let mut board = if v3 { gicv3() } else { gicv2() };
    board.ram = vec![region(RAM, 24 * MIB), region(RAM + 32 * MIB, 16 * MIB)];
    board.reserved = vec![Reserved { region: region(RAM + 9 * MIB + 0x10, 0x1000), name: "secmon" }];
    board.cpus.push(board.cpus[3]);
    board.cpus.push(board.cpus[3]);
    board.cpus[4].disabled = true;
    board.cpus[5].start = Start::Unknown;
    let model = place(&board, DEVICES[0]);
    let mut crowd = |path: &str, base, size, intid| {
        let new = add(&mut board, model, path, region(base, size));
        rewires(&mut board, new, intid);
    };
    crowd("/near-uart@9000800", 0x0900_0800, 0x100, 40);
    crowd("/wide@9030800", 0x0903_0800, 0x1000, 34);
    crowd("/in-ram@41000000", RAM + 16 * MIB, 0x1000, 41);
    board
}

fn footprint() -> Footprint {
    Footprint {
        image: region(RAM + 2 * MIB, 0x6_4321),
        bundle: region(RAM + 20 * MIB, MIB + 0x123),
        tree: region(RAM + 40 * MIB, 0x2000),
    }
}

fn memories() -> impl Strategy<Value = Memory> {
    let size = prop_oneof![4 => Just(4 * MIB), 2 => Just(2 * MIB), 2 => Just(MIB), 1 => Just(5 * MIB + 0x3000), 1 => Just(0x1000)];
    let inside = (0..48u64).prop_map(|step| RAM + step * MIB);
    let odd =
        prop::sample::select(vec![0x0800_0000, 0x0900_0000, 0x0901_0000, 0x8000_0000, 0x8000_3000, (1 << 39) - MIB]);
    let at = prop_oneof![5 => Just(None), 4 => inside.prop_map(Some), 1 => odd.prop_map(Some)];
    (size, at, prop::bool::weighted(0.4)).prop_map(|(size, at, identity)| Memory { size, at, identity })
}

fn wanted(name: &'static str, cpu: u32) -> impl Strategy<Value = Cell<'static>> {
    let cpus = prop_oneof![9 => Just(vec![cpu]), 1 => prop::collection::vec(0..7u32, 1..4)];
    let dma = prop::sample::select(vec![Dma::Unsaid, Dma::None, Dma::Trusted]);
    let console = prop::sample::select(vec![Console::Virtual, Console::None]);
    let devices = prop_oneof![
        3 => Just(Vec::new()),
        3 => prop::sample::subsequence(DEVICES[..4].to_vec(), 1..3),
        1 => Just(vec![DEVICES[4]]),
        2 => prop::sample::subsequence(DEVICES.to_vec(), 1..4),
    ];
    let kernel =
        (prop::sample::select(vec![4096, MIB, MIB, 3 * MIB]), prop::sample::select(vec![0, 0x8_0000]), 0..2 * MIB);
    let initrd = prop::option::weighted(0.3, 1..2 * MIB);
    let memory = prop::collection::vec(memories(), 1..3);
    (cpus, memory, devices, dma, console, kernel, initrd).prop_map(
        move |(cpus, memory, devices, dma, console, (image_size, text_offset, size), initrd)| {
            let mut cell = Cell { memory, devices, dma, console, ..cell(name, &cpus) };
            cell.kernel.image.size = size.clamp(1, image_size);
            cell.kernel.image_size = image_size;
            cell.kernel.text_offset = text_offset;
            cell.initrd = initrd.map(|size| Image { name: "initrd", size });
            cell
        },
    )
}

fn plans() -> impl Strategy<Value = (bool, Manifest<'static>)> {
    let cells = (wanted("a", 0), prop::option::of(wanted("b", 1)), prop::option::weighted(0.3, wanted("c", 2)));
    let service = prop::option::weighted(0.2, 0..7u32);
    (any::<bool>(), cells, service).prop_map(|(v3, (a, b, c), service_cpu)| {
        let cells = [Some(a), b, c].into_iter().flatten().collect();
        (v3, Manifest { service_cpu, cells, ..Manifest::default() })
    })
}

/// The numbers of the pages a region touches.
fn pages<A: Address>(region: Region<A>) -> impl Iterator<Item = u64> {
    region.base().get() / 4096..=(region.end().get() - 1) / 4096
}

/// Gives a page of the board to someone, who must be the only one.
fn give(owners: &mut BTreeMap<u64, Owner>, page: u64, to: Owner) {
    let before = owners.insert(page, to);
    assert!(before.is_none_or(|before| before == to), "page {page:#x} belongs to {before:?} and {to:?}");
}

fn gic_frames(gic: &Gic) -> Vec<Region<PhysAddr>> {
    match gic {
        Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, .. } => {
            vec![*distributor, *cpu, *hypervisor, *virtual_cpu]
        }
        Gic::V3 { distributor, redistributors, its, .. } => [&[*distributor][..], redistributors, its].concat(),
    }
}

/// Checks everything a sealed plan promises, page by page.
fn hold_to_it(board: &Board<'_>, wanted: &Manifest<'_>, sealed: &SealedPlan<'_>) {
    let uart = &board.devices[board.stdout.unwrap()];
    let el2s = [footprint().image, footprint().bundle, footprint().tree];
    let mut ram = BTreeMap::new();
    el2s.into_iter().flat_map(pages).for_each(|page| give(&mut ram, page, Owner::EL2));
    board.reserved.iter().flat_map(|reserved| pages(reserved.region)).for_each(|page| give(&mut ram, page, Owner::EL2));
    let mut io = BTreeMap::new();
    gic_frames(&board.gic).into_iter().flat_map(pages).for_each(|page| give(&mut io, page, Owner::EL2));
    uart.regions.iter().flat_map(|&region| pages(region)).for_each(|page| give(&mut io, page, Owner::EL2));
    let (mut cpus, mut lines, mut devices) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    lines.extend(uart.interrupts.iter().map(|line| line.intid));
    let small = |device: &board::Device<'_>| board.path(device) != "/pcie@10000000";
    for cell in &sealed.cells {
        let me = Owner(cell.index);
        let said = &wanted.cells[cell.index];
        assert!((1..=8).contains(&cell.cpus.len()));
        for &cpu in &cell.cpus {
            assert!(cpus.insert(cpu), "CPU {cpu} has two owners");
            assert!(!board.cpus[cpu].disabled && (cpu == 0 || board.cpus[cpu].start != Start::Unknown));
        }
        assert_eq!(cell.ram.len(), said.memory.len());
        for (run, memory) in cell.ram.iter().zip(&said.memory) {
            assert_eq!(run.pa.size(), memory.size);
            assert!(memory.at.is_none_or(|at| at == run.ipa.get()));
            assert!(!memory.identity || run.ipa.get() == run.pa.base().get());
            for page in pages(run.pa) {
                let page_region = region(page * 4096, 4096);
                assert!(board.ram.iter().any(|bank| bank.encloses(page_region)), "page {page:#x} is no RAM");
                assert!(ram.insert(page, me).is_none(), "RAM page {page:#x} has two owners");
            }
        }
        for &index in &cell.devices {
            let device = &board.devices[index];
            assert!(devices.insert(index), "{} has two owners", board.path(device));
            assert!(!device.disabled);
            assert!(
                device.no_dma()
                    || said.dma == Dma::None
                    || said.dma == Dma::Trusted && said.memory.iter().all(|run| run.identity)
            );
            assert!(device.interrupts.iter().all(|line| cell.interrupts.contains(line)));
        }
        for line in &cell.interrupts {
            assert!(lines.insert(line.intid), "interrupt {} has two owners", line.intid);
        }
        // The bridge's windows have too many pages to count: they are met by no other device of this board.
        let owned = cell.devices.iter().map(|&index| &board.devices[index]).filter(|device| small(device));
        let exact: BTreeSet<u64> =
            owned.flat_map(|device| device.regions.iter().flat_map(|&region| pages(region))).collect();
        let mapped: BTreeSet<u64> = cell
            .mmio
            .iter()
            .filter(|run| run.size() < 256 * MIB && run.base() < PhysAddr::at(0x1000_0000))
            .flat_map(|run| pages(*run))
            .collect();
        assert_eq!(mapped, exact, "device pages are mapped exactly");
        mapped.iter().for_each(|&page| give(&mut io, page, me));
        assert!(cell.mmio.iter().all(|run| !board.ram.iter().any(|bank| bank.overlaps(*run))));
        own_map(cell);
    }
    for (index, device) in
        board.devices.iter().enumerate().filter(|(index, device)| !devices.contains(index) && !device.disabled)
    {
        for page in device.regions.iter().filter(|_| small(device)).flat_map(|&region| pages(region)) {
            let owner = io.get(&page).copied().unwrap_or(Owner::NOBODY);
            assert!(
                owner == Owner::EL2 || owner == Owner::NOBODY,
                "cell {owner:?} reaches {}, device {index}",
                board.path(device)
            );
        }
    }
    let service = sealed.service_cpu;
    assert!(!board.cpus[service].disabled && (service == 0 || board.cpus[service].start != Start::Unknown));
    judge_holes_and_walls(board, sealed, &ram, &io);
}

/// Checks that nothing in a cell's IPA space stands on anything else.
fn own_map(cell: &SealedCell<'_>) {
    let at = |run: &plan::Mapping| Region::new(run.ipa, run.pa.size()).unwrap();
    let mut all: Vec<Region<Ipa>> = cell.ram.iter().map(at).chain(cell.mmio.iter().map(|pages| pages.same())).collect();
    match cell.gic {
        VirtualGic::V2 { distributor, cpu } => all.extend([distributor, at(&cpu)]),
        VirtualGic::V3 { distributor, redistributors } => {
            assert_eq!(redistributors.size(), cell.cpus.len() as u64 * 0x2_0000);
            all.extend([distributor, redistributors]);
        }
    }
    all.extend([cell.uart, cell.watchdog].into_iter().flatten().map(|device| device.page));
    for (index, region) in all.iter().enumerate() {
        assert!(region.base().is_aligned(4096) && region.size() % 4096 == 0 && region.end().get() <= 1 << 39);
        assert!(!all[..index].iter().any(|other| other.overlaps(*region)), "{all:?}");
    }
    let first = at(&cell.ram[0]);
    let mut parts: Vec<Region<Ipa>> = vec![cell.tree, Region::new(cell.kernel, 1).unwrap()];
    parts.extend(cell.initrd);
    for (index, part) in parts.iter().enumerate() {
        assert!(first.encloses(*part), "{part} in {first}");
        assert!(!parts[..index].iter().any(|other| other.overlaps(*part)));
    }
}

/// Probes addresses outside each cell's map and compares with what the owners' books say.
fn judge_holes_and_walls(
    board: &Board<'_>,
    sealed: &SealedPlan<'_>,
    ram: &BTreeMap<u64, Owner>,
    io: &BTreeMap<u64, Owner>,
) {
    for cell in &sealed.cells {
        let identity = cell.ram.iter().any(|run| run.ipa.get() == run.pa.base().get());
        assert_eq!(identity, cell.identity);
        for (&page, &owner) in ram.iter().filter(|(_, owner)| **owner != Owner(cell.index)).step_by(97) {
            match sealed.outside(cell.index, Ipa::at(page * 4096 + 8)) {
                Outside::Hole => assert!(!identity, "RAM page {page:#x}"),
                Outside::Wall { owner: Owner::NOBODY, what } => {
                    assert_eq!((identity, owner, what), (true, Owner::EL2, "secmon"))
                }
                Outside::Wall { owner: found, .. } => assert_eq!((identity, found), (true, owner)),
            }
        }
        for (&page, &owner) in io.iter().filter(|(_, owner)| **owner != Owner(cell.index)).step_by(13) {
            match sealed.outside(cell.index, Ipa::at(page * 4096 + 8)) {
                Outside::Wall { owner: found, .. } => assert_eq!(found, owner, "page {page:#x}"),
                Outside::Hole => panic!("{owner:?}'s page {page:#x} is a hole"),
            }
        }
        for device in board.devices.iter().filter(|device| !board.path(device).starts_with("/in-ram")) {
            let base = device.regions[0].base();
            let mine = cell.mmio.iter().any(|run| run.contains(base));
            assert_eq!(
                sealed.outside(cell.index, Ipa::at(base.get())) == Outside::Hole,
                mine,
                "{}",
                board.path(device)
            );
        }
    }
}

#[test]
fn a_sealed_plan_gives_nothing_two_owners() {
    let boards = [crowded(false), crowded(true)];
    let cases = 1500;
    let sealed = std::cell::Cell::new(0u32);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&plans(), |(v3, wanted)| {
        let board = &boards[usize::from(v3)];
        match seal_sound_cells(board, &wanted, &footprint()) {
            Ok(plan) => {
                sealed.set(sealed.get() + 1);
                hold_to_it(board, &wanted, &plan);
                let whole = plan.cells.len() == wanted.cells.len();
                prop_assert_eq!(seal(board, &wanted, &footprint()).is_ok(), whole, "a plan is whole or refused");
            }
            Err(findings) => {
                prop_assert!(findings.iter().any(|finding| finding.class() != plan::Class::Warning));
                prop_assert!(seal(board, &wanted, &footprint()).is_err());
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{} of {cases} plans sealed", sealed.get());
    assert!(
        sealed.get() > cases / 20,
        "only {} of {cases} plans were good: the property says too little",
        sealed.get()
    );
}
