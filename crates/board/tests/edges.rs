//! Machines of one part each: what a width, a state or one interrupt more or less makes of it.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use address::{PhysAddr, Region};
use board::{Board, BoardError, Conduit, Gic};
use vm_fdt::FdtWriter;

type Fill<'f> = &'f dyn Fn(&mut FdtWriter);
type Cells<'c> = &'c [(&'c str, &'c [u32])];

fn node(writer: &mut FdtWriter, name: &str, cells: Cells<'_>, text: &[(&str, &str)], fill: Fill) {
    let node = writer.begin_node(name).unwrap();
    cells.iter().for_each(|(name, cells)| writer.property_array_u32(name, cells).unwrap());
    text.iter().for_each(|(name, text)| writer.property_string(name, text).unwrap());
    fill(writer);
    writer.end_node(node).unwrap();
}

fn nothing(_: &mut FdtWriter) {}

/// The timer's four interrupts, then more.
const TIMER: [u32; 12] = [1, 13, 8, 1, 14, 8, 1, 11, 8, 1, 10, 8];
/// The four frames of a `GICv2`.
const FRAMES: [u32; 16] =
    [0, 0x800_0000, 0, 0x1000, 0, 0x801_0000, 0, 0x2000, 0, 0x803_0000, 0, 0x2000, 0, 0x804_0000, 0, 0x2000];

/// A machine with one CPU; of the GIC as many frames as given, `inside` it and at the root what is added.
fn machine(frames: &[u32], timer: &[u32], inside: Fill, root: Fill) -> Vec<u8> {
    let mut writer = FdtWriter::new().unwrap();
    let cells: Cells<'_> = &[("#address-cells", &[2]), ("#size-cells", &[2]), ("interrupt-parent", &[1])];
    node(&mut writer, "", cells, &[("compatible", "a,machine")], &|writer| {
        node(writer, "cpus", &[("#address-cells", &[1]), ("#size-cells", &[0])], &[], &|writer| {
            node(writer, "cpu@0", &[("reg", &[0])], &[("device_type", "cpu")], &nothing);
        });
        node(writer, "memory@0", &[("reg", &[0, 0x4000_0000, 0, 0x1000_0000])], &[("device_type", "memory")], &nothing);
        node(writer, "timer", &[("interrupts", timer)], &[("compatible", "arm,armv8-timer")], &nothing);
        let gic: Cells<'_> = &[
            ("reg", frames),
            ("phandle", &[1]),
            ("#interrupt-cells", &[3]),
            ("interrupt-controller", &[]),
            ("#address-cells", &[2]),
            ("#size-cells", &[2]),
            ("ranges", &[]),
        ];
        node(writer, "gic@8000000", gic, &[("compatible", "arm,gic-400")], inside);
        root(writer);
    });
    writer.finish().unwrap()
}

fn with(root: Fill) -> Vec<u8> {
    machine(&FRAMES, &TIMER, &nothing, root)
}

fn region(base: u64, size: u64) -> Region<PhysAddr> {
    Region::new(PhysAddr::at(base), size).unwrap()
}

/// The devices of a tree: path and first region.
fn devices(blob: &[u8]) -> Vec<(String, Region<PhysAddr>)> {
    let board = Board::parse(blob).unwrap();
    let devices = board.devices.iter();
    devices.map(|device| (board.path(device).to_owned(), device.regions[0])).collect()
}

#[test]
fn a_bus_may_have_addresses_of_no_cells() {
    let blob = with(&|writer| {
        let ranges = [0, 0, 0x1000_0000, 0x10_0000];
        let outer: Cells<'_> = &[("#address-cells", &[1]), ("#size-cells", &[1]), ("ranges", &ranges)];
        node(writer, "outer", outer, &[], &|writer| {
            let inner: Cells<'_> = &[("#address-cells", &[0]), ("#size-cells", &[1]), ("ranges", &[0x2000, 0x1000])];
            node(writer, "inner", inner, &[], &|writer| {
                node(writer, "only", &[("reg", &[0x800])], &[], &nothing);
            });
        });
        let direct: Cells<'_> =
            &[("#address-cells", &[0]), ("#size-cells", &[1]), ("ranges", &[0, 0x900_0000, 0x1000])];
        node(writer, "direct", direct, &[], &|writer| {
            node(writer, "only", &[("reg", &[0x400])], &[], &nothing);
        });
    });
    let wanted = [
        ("/outer/inner/only".to_owned(), region(0x1000_2000, 0x800)),
        ("/direct/only".to_owned(), region(0x900_0000, 0x400)),
    ];
    assert_eq!(devices(&blob), wanted);
}

#[test]
fn an_iommu_is_told_by_its_cells_and_so_are_its_parts() {
    let blob = with(&|writer| {
        let reg = ("reg", &[0, 0x1000_0000, 0, 0x1000][..]);
        let cells = [("#iommu-cells", &[1][..]), ("#address-cells", &[2]), ("#size-cells", &[2]), ("ranges", &[]), reg];
        node(writer, "iommu", &cells, &[("compatible", "a,translator")], &|writer| {
            node(writer, "context", &[reg], &[("compatible", "a,context")], &nothing);
        });
        node(writer, "user", &[reg, ("iommus", &[1, 0])], &[], &nothing);
    });
    let board = Board::parse(&blob).unwrap();
    let told: Vec<(&str, bool)> = board.devices.iter().map(|device| (board.path(device), device.is_iommu)).collect();
    assert_eq!(told, [("/iommu", true), ("/iommu/context", true), ("/user", false)]);
}

#[test]
fn what_has_addresses_without_sizes_is_no_device() {
    let blob = with(&|writer| {
        let bus: Cells<'_> = &[("#address-cells", &[1]), ("#size-cells", &[0]), ("ranges", &[])];
        node(writer, "bus", bus, &[], &|writer| node(writer, "chip@48", &[("reg", &[0x48])], &[], &nothing));
        let bus: Cells<'_> = &[("#address-cells", &[1]), ("#size-cells", &[0]), ("ranges", &[0, 0, 0x1000])];
        node(writer, "odd", bus, &[], &|writer| node(writer, "chip@48", &[("reg", &[0])], &[], &nothing));
    });
    assert_eq!(devices(&blob), []);
}

#[test]
fn nothing_behind_a_pci_bridge_or_a_bus_without_ranges_is_an_address() {
    let blob = with(&|writer| {
        let child = |writer: &mut FdtWriter| node(writer, "a@0", &[("reg", &[0, 0, 0x1000, 0, 0x100])], &[], &nothing);
        let bridge: Cells<'_> = &[
            ("#address-cells", &[3]),
            ("#size-cells", &[2]),
            ("reg", &[0, 0x3000_0000, 0, 0x10_0000]),
            ("ranges", &[0x200_0000, 0, 0, 0, 0x5000_0000, 0, 0x1000_0000]),
        ];
        node(writer, "pcie@30000000", bridge, &[("device_type", "pci")], &child);
        let island: Cells<'_> = &[("#address-cells", &[3]), ("#size-cells", &[2])];
        node(writer, "island", island, &[], &child);
    });
    assert_eq!(devices(&blob), [("/pcie@30000000".to_owned(), region(0x3000_0000, 0x10_0000))]);
    let board = Board::parse(&blob).unwrap();
    assert_eq!(board.devices[0].windows, [region(0x5000_0000, 0x1000_0000)]);
}

#[test]
fn firmware_is_called_as_its_node_says() {
    for (method, conduit) in [("smc", Conduit::Smc), ("hvc", Conduit::Hvc)] {
        let blob = with(&|writer| node(writer, "psci", &[], &[("method", method)], &nothing));
        assert_eq!(Board::parse(&blob).unwrap().psci, Some(conduit));
    }
}

#[test]
fn a_gic_of_too_few_frames_has_no_virtual_interface_or_no_sense() {
    let of = |frames: usize| Board::parse(&machine(&FRAMES[..frames * 4], &TIMER, &nothing, &nothing)).map(|_| ());
    let lacks = Err(BoardError::Missing("GICv2 with a virtual CPU interface"));
    assert_eq!([of(4), of(3), of(2)], [Ok(()), lacks.clone(), lacks]);
    assert_eq!(of(1), Err(BoardError::Malformed { path: "/gic@8000000".into(), property: "reg" }));
}

#[test]
fn message_frames_are_those_of_the_gic_that_are_not_disabled() {
    let frames = |writer: &mut FdtWriter| {
        let reg = |base| [0, base, 0, 0x1000];
        node(writer, "a", &[("reg", &reg(0x802_0000))], &[("compatible", "arm,gic-v2m-frame")], &nothing);
        let off = [("compatible", "arm,gic-v2m-frame"), ("status", "disabled")];
        node(writer, "b", &[("reg", &reg(0x805_0000))], &off, &nothing);
        node(writer, "c", &[("reg", &reg(0x806_0000))], &[("compatible", "another,frame")], &nothing);
    };
    let blob = machine(&FRAMES, &TIMER, &frames, &nothing);
    let Gic::V2 { msi, .. } = Board::parse(&blob).unwrap().gic else { panic!("no GICv2") };
    assert_eq!(msi, [region(0x802_0000, 0x1000)]);
}

#[test]
fn the_timers_interrupts_are_ppis() {
    let bad = Err(BoardError::Malformed { path: "/timer".into(), property: "interrupts" });
    let of =
        |timer: &[u32]| Board::parse(&machine(&FRAMES, timer, &nothing, &nothing)).map(|board| board.timers.hypervisor);
    assert_eq!(of(&TIMER), Ok(26));
    assert_eq!(of(&[1, 13, 8, 1, 14, 8, 1, 11, 8, 1, 15, 8]), Ok(31));
    assert_eq!(of(&[1, 13, 8, 1, 14, 8, 1, 11, 8, 0, 0, 8]).map(|_| 0), bad.clone().map(|()| 0), "INTID 32 is an SPI");
    assert_eq!(of(&TIMER[..9]).map(|_| 0), bad.map(|()| 0));
}

#[test]
fn the_console_is_a_uart_with_its_registers() {
    let uart = |compatible: &str| {
        let blob = with(&|writer| {
            node(
                writer,
                "uart@9000000",
                &[("reg", &[0, 0x900_0000, 0, 0x1000])],
                &[("compatible", compatible)],
                &nothing,
            );
            node(writer, "chosen", &[], &[("stdout-path", "/uart@9000000")], &nothing);
        });
        let board = Board::parse(&blob).unwrap();
        assert_eq!(board.uart(None), None);
        board.uart(board.stdout)
    };
    assert_eq!(uart("arm,pl011"), Some((0, region(0x900_0000, 0x1000))));
    assert_eq!(uart("cdns,uart-r1p12"), Some((3, region(0x900_0000, 0x1000))));
    assert_eq!(uart("another,uart"), None);
}

#[test]
fn an_interrupt_is_edge_triggered_by_the_low_flags_alone() {
    for flags in 0..256_u32 {
        let blob = with(&|writer| {
            let cells: Cells<'_> = &[("reg", &[0, 0x900_0000, 0, 0x1000]), ("interrupts", &[0, 1, flags | 0xf00])];
            node(writer, "a", cells, &[], &nothing);
        });
        let board = Board::parse(&blob).unwrap();
        let line = board.devices[0].interrupts[0];
        assert_eq!((line.intid, line.edge), (33, [1, 2, 3].contains(&(flags % 16))), "{flags:#x}");
    }
}

#[test]
fn the_monitors_of_performance_count_where_their_one_interrupt_is_a_ppi() {
    let monitors = |interrupts: &[u32]| {
        let blob = with(&|writer| node(writer, "pmu", &[("interrupts", interrupts)], &[], &nothing));
        Board::parse(&blob).unwrap().timers.monitors.map(|(_, intid)| intid)
    };
    assert_eq!(monitors(&[1, 7, 4]), Some(23));
    assert_eq!(monitors(&[1, 15, 4]), Some(31));
    assert_eq!(monitors(&[0, 0, 4]), None, "INTID 32 is an SPI");
    assert_eq!(monitors(&[0, 100, 4, 0, 101, 4]), None, "one a CPU");
    assert_eq!(Board::parse(&with(&nothing)).unwrap().timers.monitors, None);
}
