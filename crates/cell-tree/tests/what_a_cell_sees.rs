//! A cell's tree read back: as a tree, and as a board of its own.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use address::{Address, Ipa, PhysAddr, Region};
use board::{Board, BoardError, Conduit, Gic, Interrupt, Start};
use cell_tree::build;
use plan::{Mapping, SealedCell, VirtualDevice, VirtualGic};
use tree::{NodeId, Tree, cells};

const GICV2: &[u8] = include_bytes!("../../board/tests/data/qemu-virt-gicv2.dtb");
const GICV3: &[u8] = include_bytes!("../../board/tests/data/qemu-virt-gicv3.dtb");
const SMMUV3: &[u8] = include_bytes!("../../board/tests/data/qemu-virt-smmuv3.dtb");

fn region<A: Address>(base: u64, size: u64) -> Region<A> {
    Region::new(A::new(base), size).unwrap()
}

fn mapping(ipa: u64, pa: u64, size: u64) -> Mapping {
    Mapping { ipa: Ipa::at(ipa), pa: region(pa, size) }
}

/// A cell of CPUs 2 and 3 with a virtual UART and the devices at `paths`.
fn cell(board: &Board<'_>, paths: &[&str]) -> SealedCell<'static> {
    let gic = match board.gic {
        Gic::V2 { .. } => {
            VirtualGic::V2 { distributor: region(0x800_0000, 0x1_0000), cpu: mapping(0x801_0000, 0x804_0000, 0x1_0000) }
        }
        Gic::V3 { .. } => {
            VirtualGic::V3 { distributor: region(0x800_0000, 0x1_0000), redistributors: region(0x80a_0000, 0x4_0000) }
        }
    };
    SealedCell {
        name: "guest",
        index: 0,
        cpus: vec![2, 3],
        ram: vec![mapping(0x4000_0000, 0x4800_0000, 0x400_0000), mapping(0x1_0000_0000, 0x5000_0000, 0x20_0000)],
        mmio: vec![],
        devices: paths.iter().map(|path| board.device(path).unwrap()).collect(),
        interrupts: vec![],
        kernel: Ipa::at(0x4020_0000),
        entry: Ipa::at(0x4020_0000),
        initrd: Some(region(0x4100_0000, 0x1234)),
        tree: region(0x43ff_0000, 0x1_0000),
        uart: Some(VirtualDevice { page: region(0x900_0000, 0x1000), intid: 33 }),
        watchdog: None,
        gic,
        passthrough: false,
        identity: false,
    }
}

fn spec() -> manifest::Cell<'static> {
    manifest::Cell { name: "guest", bootargs: "console=ttyAMA0 quiet", ..manifest::Cell::default() }
}

fn words(tree: &Tree<'_>, path: &str, property: &str) -> Vec<u32> {
    let id = tree.find(path).unwrap_or_else(|| panic!("no {path}"));
    cells(tree.property(id, property).unwrap_or_else(|| panic!("{path} has no {property}"))).collect()
}

#[test]
fn the_tree_is_a_board_with_the_cells_cpus_ram_and_uart_only() {
    let board = Board::parse(GICV3).unwrap();
    let blob = build(&board, &cell(&board, &[]), &spec());
    let seen = Board::parse(&blob).unwrap();
    assert_eq!((seen.compatible, seen.model), (board.compatible, board.model));
    assert_eq!(
        seen.cpus.iter().map(|cpu| (cpu.mpidr, cpu.start)).collect::<Vec<_>>(),
        [(0, Start::Psci), (1, Start::Psci)]
    );
    assert_eq!(seen.tree.string(seen.cpus[1].node, "compatible"), Some("arm,cortex-a72"));
    assert_eq!(seen.ram, [region(0x4000_0000, 0x400_0000), region(0x1_0000_0000, 0x20_0000)]);
    assert_eq!(seen.initrd, Some(region(0x4100_0000, 0x1234)));
    assert_eq!(seen.psci, Some(Conduit::Hvc));
    assert_eq!(seen.reserved, []);
    let Gic::V3 { distributor, redistributors, its, .. } = &seen.gic else { panic!("no GICv3") };
    assert_eq!(*distributor, region::<PhysAddr>(0x800_0000, 0x1_0000));
    assert_eq!(*redistributors, [region(0x80a_0000, 0x4_0000)]);
    assert_eq!(*its, []);
    let timers = seen.timers;
    assert_eq!((timers.secure, timers.physical, timers.virtual_, timers.hypervisor), (29, 30, 27, 26));
    assert_eq!(seen.devices.len(), 1);
    let uart = &seen.devices[seen.stdout.unwrap()];
    assert_eq!((seen.path(uart), uart.kind()), ("/pl011@9000000", &b"arm,pl011"[..]));
    assert_eq!(uart.regions, [region(0x900_0000, 0x1000)]);
    assert_eq!(uart.interrupts, [Interrupt { intid: 33, edge: false }]);
    assert_eq!(seen.device("serial0"), seen.stdout);
}

#[test]
fn the_gicv2_tree_is_a_board_but_for_the_virtual_interface_no_cell_has() {
    let board = Board::parse(GICV2).unwrap();
    let blob = build(&board, &cell(&board, &[]), &spec());
    assert_eq!(Board::parse(&blob).unwrap_err(), BoardError::Missing("GICv2 with a virtual CPU interface"));
    let tree = Tree::parse(&blob).unwrap();
    let gic = tree.find("/interrupt-controller").unwrap();
    assert_eq!(tree.property(gic, "compatible"), Some(&b"arm,cortex-a15-gic\0"[..]));
    assert_eq!(
        words(&tree, "/interrupt-controller@8000000", "reg"),
        [0, 0x800_0000, 0, 0x1_0000, 0, 0x801_0000, 0, 0x1_0000]
    );
    assert_eq!(tree.children(gic).count(), 0);
    assert_eq!(words(&tree, "/timer", "interrupts"), [1, 13, 0x304, 1, 14, 0x304, 1, 11, 0x304, 1, 10, 0x304]);
}

#[test]
fn the_boot_cpu_comes_first_and_every_node_has_what_guests_search_for() {
    let board = Board::parse(GICV3).unwrap();
    let blob = build(&board, &cell(&board, &[]), &spec());
    let tree = Tree::parse(&blob).unwrap();
    let list = tree.find("/cpus").unwrap();
    assert_eq!(tree.children(list).map(|id| tree.name(id)).collect::<Vec<_>>(), ["cpu@0", "cpu@1"]);
    let psci = tree.find("/psci").unwrap();
    assert_eq!(tree.property(psci, "compatible"), Some(&b"arm,psci-1.0\0arm,psci-0.2\0"[..]));
    assert_eq!(words(&tree, "/timer", "interrupts"), [1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]);
    assert_eq!(words(&tree, "/pmu", "interrupts"), [1, 7, 4]);
    assert_eq!(tree.string(tree.find("/pmu").unwrap(), "compatible"), Some("arm,armv8-pmuv3"));
    let chosen = tree.find("/chosen").unwrap();
    assert_eq!(tree.string(chosen, "bootargs"), Some("console=ttyAMA0 quiet"));
    assert_eq!(tree.string(chosen, "stdout-path"), Some("/pl011@9000000"));
    assert_eq!(tree.u64(chosen, "linux,initrd-end"), Some(0x4100_1234));
    let uart = tree.find("serial0").unwrap();
    let clock = tree.by_phandle(words(&tree, "/pl011@9000000", "clocks")[1]).unwrap();
    assert_eq!(tree.property(uart, "clock-names"), Some(&b"uartclk\0apb_pclk\0"[..]));
    assert_eq!(tree.string(clock, "compatible"), Some("fixed-clock"));
    assert_eq!(tree.u32(clock, "clock-frequency"), Some(24_000_000));
    let gic = tree.by_phandle(tree.u32(NodeId::ROOT, "interrupt-parent").unwrap());
    assert_eq!(gic, tree.find("/interrupt-controller@8000000"));
}

#[test]
fn passed_through_devices_keep_their_place_interrupts_and_properties() {
    let board = Board::parse(SMMUV3).unwrap();
    let paths = ["/pl031@9010000", "/virtio_mmio@a000200", "/flash@0"];
    let blob = build(&board, &cell(&board, &paths), &spec());
    let seen = Board::parse(&blob).unwrap();
    for path in paths {
        let (own, theirs) = (&seen.devices[seen.device(path).unwrap()], &board.devices[board.device(path).unwrap()]);
        assert_eq!(own.regions, theirs.regions, "{path}");
        assert_eq!(own.interrupts, theirs.interrupts, "{path}");
        let text = |board: &Board<'_>, id| board.tree.property(id, "compatible").unwrap().to_vec();
        assert_eq!(text(&seen, own.node), text(&board, theirs.node));
    }
    assert_eq!(words(&seen.tree, "/flash@0", "bank-width"), [4]);
    let clock = seen.tree.by_phandle(words(&seen.tree, "/pl031@9010000", "clocks")[0]).unwrap();
    assert_eq!(seen.tree.u32(clock, "clock-frequency"), Some(24_000_000));
    assert_eq!(seen.devices.len(), 4);
}

#[test]
fn a_pci_bridge_keeps_its_windows_and_interrupts_and_loses_its_iommu() {
    let board = Board::parse(SMMUV3).unwrap();
    let blob = build(&board, &cell(&board, &["/pcie"]), &spec());
    let seen = Board::parse(&blob).unwrap();
    let (own, theirs) = (&seen.devices[seen.device("/pcie").unwrap()], &board.devices[board.device("/pcie").unwrap()]);
    assert_eq!(own.regions, theirs.regions);
    assert_eq!(own.windows, theirs.windows);
    assert_eq!(own.interrupts, theirs.interrupts);
    assert_eq!(seen.tree.property(own.node, "ranges"), board.tree.property(theirs.node, "ranges"));
    assert!(seen.tree.property(own.node, "msi-map").is_none());
}

#[test]
fn nothing_in_the_tree_points_at_what_is_not_in_it() {
    let board = Board::parse(SMMUV3).unwrap();
    let everything: Vec<&str> = board.devices.iter().map(|device| board.path(device)).collect();
    let blob = build(&board, &SealedCell { uart: None, ..cell(&board, &everything) }, &spec());
    let seen = Board::parse(&blob).unwrap();
    assert_eq!(seen.devices.len(), board.devices.len());
    let mut phandles: Vec<u32> = seen.tree.nodes().filter_map(|id| seen.tree.u32(id, "phandle")).collect();
    for id in seen.tree.nodes() {
        let clocks = seen.tree.property(id, "clocks").unwrap_or_default();
        assert!(cells(clocks).all(|phandle| phandles.contains(&phandle)));
        assert!(
            ["iommus", "iommu-map", "msi-map", "interrupt-parent"]
                .iter()
                .all(|name| id == NodeId::ROOT || seen.tree.property(id, name).is_none())
        );
    }
    let count = phandles.len();
    phandles.sort();
    phandles.dedup();
    assert_eq!(phandles.len(), count);
    assert_eq!(seen.stdout, seen.device("/pl011@9000000"));
}

#[test]
fn a_tree_takes_8_kib_at_most() {
    for blob in [GICV2, GICV3] {
        let board = Board::parse(blob).unwrap();
        let small = cell(&board, &[]);
        assert!(build(&board, &small, &spec()).len() <= 2048);
        let everything: Vec<&str> = board.devices.iter().map(|device| board.path(device)).collect();
        assert!(build(&board, &SealedCell { uart: None, ..cell(&board, &everything) }, &spec()).len() <= 8192);
    }
}

#[test]
fn a_restart_sees_the_same_tree() {
    let board = Board::parse(GICV3).unwrap();
    let cell = cell(&board, &["/pl031@9010000", "/pcie"]);
    assert_eq!(build(&board, &cell, &spec()), build(&board, &cell, &spec()));
}

#[test]
fn a_cell_without_console_has_no_stdout() {
    let board = Board::parse(GICV3).unwrap();
    let blob = build(&board, &SealedCell { uart: None, initrd: None, ..cell(&board, &[]) }, &spec());
    let seen = Board::parse(&blob).unwrap();
    assert_eq!((seen.stdout, seen.devices.len(), seen.initrd), (None, 0, None));
    assert!(seen.tree.find("/aliases").is_none());
}

#[test]
fn a_watchdog_has_its_control_frame_first() {
    let board = Board::parse(GICV3).unwrap();
    let watchdog = Some(VirtualDevice { page: region(0x801_0000, 0x2000), intid: 77 });
    let blob = build(&board, &SealedCell { watchdog, ..cell(&board, &[]) }, &spec());
    let seen = Board::parse(&blob).unwrap();
    let dog = seen.devices.iter().find(|device| seen.path(device) == "/watchdog@8010000").unwrap();
    let bases: Vec<u64> = dog.regions.iter().map(|region| region.base().get()).collect();
    assert_eq!(bases, [0x801_0000, 0x801_1000]);
    let lines: Vec<(u32, bool)> = dog.interrupts.iter().map(|line| (line.intid, line.edge)).collect();
    assert_eq!(lines, [(77, false)]);
}

#[test]
fn another_reader_sees_the_same_tree() {
    let board = Board::parse(SMMUV3).unwrap();
    let everything: Vec<&str> = board.devices.iter().map(|device| board.path(device)).collect();
    let blob = build(&board, &SealedCell { uart: None, ..cell(&board, &everything) }, &spec());
    let (tree, other) = (Tree::parse(&blob).unwrap(), fdt::Fdt::new_unaligned_fallible(&blob).unwrap());
    let theirs: Vec<_> = other.all_nodes().unwrap().map(|node| node.unwrap().1).collect();
    assert_eq!(theirs.len(), tree.nodes().skip(1).count());
    for (id, node) in tree.nodes().skip(1).zip(theirs) {
        let properties = node.properties().unwrap();
        let properties: Vec<_> = properties.iter().map(|one| one.unwrap()).map(|one| (one.name, one.value)).collect();
        assert_eq!(tree.properties(id).collect::<Vec<_>>(), properties);
    }
}
