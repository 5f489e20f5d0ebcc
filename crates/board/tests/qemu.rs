//! QEMU's `virt` as its own trees tell it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use address::{PhysAddr, Region};
use board::{Board, Conduit, Device, Gic, Interrupt, Start};

const GICV2: &[u8] = include_bytes!("data/qemu-virt-gicv2.dtb");
const GICV3: &[u8] = include_bytes!("data/qemu-virt-gicv3.dtb");
const SMMUV3: &[u8] = include_bytes!("data/qemu-virt-smmuv3.dtb");
const SECURE: &[u8] = include_bytes!("data/qemu-virt-secure.dtb");

fn region(base: u64, size: u64) -> Region<PhysAddr> {
    Region::new(PhysAddr::at(base), size).unwrap()
}

fn device<'b, 'a>(board: &'b Board<'a>, path: &str) -> &'b Device<'a> {
    &board.devices[board.device(path).unwrap_or_else(|| panic!("no {path}"))]
}

fn regions<'b>(board: &'b Board<'_>, path: &str) -> &'b [Region<PhysAddr>] {
    &device(board, path).regions
}

fn interrupts<'b>(board: &'b Board<'_>, path: &str) -> &'b [Interrupt] {
    &device(board, path).interrupts
}

fn level(intid: u32) -> Interrupt {
    Interrupt { intid, edge: false }
}

#[test]
fn both_gics_boards_have_the_same_cpus_ram_timers_and_uart() {
    for blob in [GICV2, GICV3] {
        let board = Board::parse(blob).unwrap();
        assert_eq!((board.compatible, board.model), ("linux,dummy-virt", "linux,dummy-virt"));
        assert_eq!(board.cpus.iter().map(|cpu| cpu.mpidr).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(board.cpus.iter().all(|cpu| cpu.start == Start::Psci && !cpu.disabled));
        assert_eq!(board.ram, [region(0x4000_0000, 1 << 30)]);
        assert_eq!(board.reserved, []);
        let timers = board.timers;
        assert_eq!((timers.secure, timers.physical, timers.virtual_, timers.hypervisor), (29, 30, 27, 26));
        assert_eq!(board.psci, Some(Conduit::Smc));
        assert_eq!(board.initrd, None);
        let uart = &board.devices[board.stdout.unwrap()];
        assert_eq!((board.path(uart), uart.kind()), ("/pl011@9000000", &b"arm,pl011"[..]));
        assert_eq!((&*uart.regions, &*uart.interrupts), (&[region(0x900_0000, 0x1000)][..], &[level(33)][..]));
        assert!(uart.no_dma() && !uart.is_iommu && !uart.disabled);
        assert_eq!(board.device("serial0"), board.stdout);
    }
}

#[test]
fn a_gicv2_has_four_frames_and_a_message_frame() {
    let Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, maintenance, node } =
        Board::parse(GICV2).unwrap().gic
    else {
        panic!("no GICv2")
    };
    assert_eq!(distributor, region(0x800_0000, 0x1_0000));
    assert_eq!(cpu, region(0x801_0000, 0x1_0000));
    assert_eq!(hypervisor, region(0x803_0000, 0x1_0000));
    assert_eq!(virtual_cpu, region(0x804_0000, 0x1_0000));
    assert_eq!(msi, [region(0x802_0000, 0x1000)]);
    assert_eq!(maintenance, 25);
    assert_eq!(Board::parse(GICV2).unwrap().tree.name(node), "intc@8000000");
}

#[test]
fn a_gicv3_has_redistributors_and_an_its() {
    let Gic::V3 { distributor, redistributors, its, maintenance, .. } = Board::parse(GICV3).unwrap().gic else {
        panic!("no GICv3")
    };
    assert_eq!(distributor, region(0x800_0000, 0x1_0000));
    assert_eq!(redistributors, [region(0x80a_0000, 0xf6_0000)]);
    assert_eq!(its, [region(0x808_0000, 0x2_0000)]);
    assert_eq!(maintenance, 25);
}

#[test]
fn the_gic_the_timer_ram_and_cpus_are_no_devices() {
    for blob in [GICV2, GICV3, SMMUV3, SECURE] {
        let board = Board::parse(blob).unwrap();
        for device in &board.devices {
            let path = board.path(device);
            let named = ["/intc", "/timer", "/memory", "/cpus", "/psci", "/secram"];
            assert!(!named.iter().any(|name| path.starts_with(name)), "{path}");
            assert_eq!(board.tree.path(device.node), path);
        }
        assert!(board.devices.is_sorted_by_key(|device| device.node));
    }
}

#[test]
fn virtio_slots_are_edge_triggered_and_may_master_dma() {
    let board = Board::parse(GICV3).unwrap();
    let slots = || board.devices.iter().filter(|device| device.kind() == b"virtio,mmio");
    assert_eq!(slots().count(), 32);
    assert!(slots().all(|slot| !slot.no_dma() && !slot.is_iommu));
    let first = "/virtio_mmio@a000000";
    assert_eq!(interrupts(&board, first), [Interrupt { intid: 48, edge: true }]);
    assert_eq!(regions(&board, first), [region(0xa00_0000, 0x200)]);
    assert_eq!(interrupts(&board, "/virtio_mmio@a003e00"), [Interrupt { intid: 79, edge: true }]);
}

#[test]
fn a_pci_bridge_has_its_configuration_space_windows_and_interrupts() {
    let board = Board::parse(SMMUV3).unwrap();
    let bridge = device(&board, "/pcie");
    assert_eq!(bridge.regions, [region(0x40_1000_0000, 0x1000_0000)]);
    let windows =
        [region(0x3eff_0000, 0x1_0000), region(0x1000_0000, 0x2eff_0000), region(0x80_0000_0000, 0x80_0000_0000)];
    assert_eq!(bridge.windows, windows);
    let mut lines = interrupts(&board, "/pcie").to_vec();
    lines.sort();
    assert_eq!(lines, [level(35), level(36), level(37), level(38)]);
    assert!(!bridge.is_iommu && !bridge.no_dma());
    assert!(device(&board, "/smmuv3@9050000").is_iommu);
    let smmu = interrupts(&board, "/smmuv3@9050000");
    assert_eq!(smmu.iter().map(|line| line.intid).collect::<Vec<_>>(), [106, 107, 108, 109]);
    assert!(smmu.iter().all(|line| line.edge));
}

#[test]
fn what_belongs_to_the_secure_world_is_disabled() {
    let board = Board::parse(SECURE).unwrap();
    assert_eq!(board.ram, [region(0x4000_0000, 3 << 30)]);
    assert!(device(&board, "/pl011@9040000").disabled);
    assert!(!device(&board, "/pl011@9000000").disabled);
    assert_eq!(board.path(&board.devices[board.stdout.unwrap()]), "/pl011@9000000");
    assert_eq!(board.cpus.len(), 8);
}

#[test]
fn flash_is_a_device_of_two_regions_that_masters_no_dma() {
    let board = Board::parse(GICV2).unwrap();
    let flash = device(&board, "/flash@0");
    assert_eq!(regions(&board, "/flash@0"), [region(0, 0x400_0000), region(0x400_0000, 0x400_0000)]);
    assert!(flash.no_dma() && interrupts(&board, "/flash@0").is_empty());
    assert!(!device(&board, "/fw-cfg@9020000").no_dma());
}
