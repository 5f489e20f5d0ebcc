//! What QEMU's `virt` does not have: buses that translate, spin tables, other controllers, odd but lawful trees.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use address::{PhysAddr, Region};
use board::{Board, BoardError, Interrupt, Start};
use vm_fdt::{FdtReserveEntry, FdtWriter};

type Fill<'f> = &'f dyn Fn(&mut FdtWriter);

fn node(writer: &mut FdtWriter, name: &str, cells: &[(&str, &[u32])], text: &[(&str, &str)], fill: Fill) {
    let node = writer.begin_node(name).unwrap();
    cells.iter().for_each(|(name, cells)| writer.property_array_u32(name, cells).unwrap());
    text.iter().for_each(|(name, text)| writer.property_string(name, text).unwrap());
    fill(writer);
    writer.end_node(node).unwrap();
}

fn nothing(_: &mut FdtWriter) {}

/// A board like the Raspberry Pi 4: 2 + 1 cells, a translating `soc`, the GIC inside; `soc` and `root` add to it.
fn blob(cpu: &[(&str, &str)], soc: Fill, root: Fill) -> Vec<u8> {
    let mut writer = FdtWriter::new_with_mem_reserv(&[FdtReserveEntry::new(0, 0x1000).unwrap()]).unwrap();
    let cells: &[(&str, &[u32])] = &[("#address-cells", &[2]), ("#size-cells", &[1]), ("interrupt-parent", &[1])];
    node(&mut writer, "", cells, &[("compatible", "a,board"), ("model", "A Board")], &|writer| {
        node(writer, "cpus", &[("#address-cells", &[2]), ("#size-cells", &[0])], &[], &|writer| {
            for number in [0, 0x100] {
                let text = [&[("device_type", "cpu")], cpu].concat();
                let cells: &[(&str, &[u32])] = &[("reg", &[1, number]), ("cpu-release-addr", &[0, 0xd8])];
                node(writer, &format!("cpu@10000{number:x}"), cells, &text, &nothing);
            }
            node(writer, "l2-cache0", &[], &[], &nothing);
        });
        let banks = [0, 0, 0x3c00_0000, 1, 0, 0x4000_0000, 0, 0, 0];
        node(writer, "memory@0", &[("reg", &banks)], &[("device_type", "memory")], &nothing);
        node(
            writer,
            "timer",
            &[("interrupts", &[1, 13, 8, 1, 14, 8, 1, 11, 8, 1, 10, 8])],
            &[("compatible", "arm,armv8-timer")],
            &nothing,
        );
        let ranges = [0x7e00_0000, 0, 0xfe00_0000, 0x180_0000, 0x4000_0000, 0, 0xff80_0000, 0x80_0000];
        let cells: &[(&str, &[u32])] = &[("#address-cells", &[1]), ("#size-cells", &[1]), ("ranges", &ranges)];
        node(writer, "soc", cells, &[("compatible", "simple-bus")], &|writer| {
            let reg = [0x4004_1000, 0x1000, 0x4004_2000, 0x2000, 0x4004_4000, 0x2000, 0x4004_6000, 0x2000];
            let cells: &[(&str, &[u32])] =
                &[("reg", &reg), ("phandle", &[1]), ("#interrupt-cells", &[3]), ("interrupt-controller", &[])];
            node(writer, "gic@40041000", cells, &[("compatible", "arm,gic-400")], &nothing);
            let cells: &[(&str, &[u32])] =
                &[("phandle", &[2]), ("#interrupt-cells", &[2]), ("reg", &[0x7e00_b000, 0x100])];
            node(writer, "intc@7e00b000", cells, &[], &nothing);
            soc(writer);
        });
        root(writer);
    });
    writer.finish().unwrap()
}

fn region(base: u64, size: u64) -> Region<PhysAddr> {
    Region::new(PhysAddr::at(base), size).unwrap()
}

fn level(intid: u32) -> Interrupt {
    Interrupt { intid, edge: false }
}

#[test]
fn addresses_are_translated_through_every_bus_on_the_way() {
    let blob = blob(
        &[],
        &|writer| {
            node(
                writer,
                "uart@7e201000",
                &[("reg", &[0x7e20_1000, 0x200]), ("interrupts", &[0, 121, 4])],
                &[],
                &nothing,
            );
            // Half of it lies outside the window; the bus does not pass it on.
            node(writer, "beyond@7f7ff000", &[("reg", &[0x7f7f_f000, 0x2000])], &[], &nothing);
            let cells: &[(&str, &[u32])] =
                &[("#address-cells", &[1]), ("#size-cells", &[1]), ("ranges", &[0, 0x7e30_0000, 0x1000])];
            node(writer, "inner@7e300000", cells, &[], &|writer| {
                node(writer, "deep@800", &[("reg", &[0x800, 0x10])], &[], &nothing);
            });
            // No `ranges`: its children are no addresses.
            let cells: &[(&str, &[u32])] =
                &[("#address-cells", &[1]), ("#size-cells", &[0]), ("reg", &[0x7e40_0000, 0x100])];
            node(writer, "i2c@7e400000", cells, &[], &|writer| {
                node(writer, "sensor@48", &[("reg", &[0x48])], &[], &nothing);
            });
        },
        &|writer| node(writer, "behind@100000000", &[("reg", &[2, 0, 0x1000])], &[], &nothing),
    );
    let board = Board::parse(&blob).unwrap();
    let found: Vec<_> = board.devices.iter().map(|device| (board.path(device), device.regions[0])).collect();
    let expected = [
        ("/soc/intc@7e00b000", region(0xfe00_b000, 0x100)),
        ("/soc/uart@7e201000", region(0xfe20_1000, 0x200)),
        ("/soc/inner@7e300000/deep@800", region(0xfe30_0800, 0x10)),
        ("/soc/i2c@7e400000", region(0xfe40_0000, 0x100)),
        ("/behind@100000000", region(0x2_0000_0000, 0x1000)),
    ];
    assert_eq!(found, expected);
    let board::Gic::V2 { distributor, virtual_cpu, .. } = board.gic else { panic!("no GICv2") };
    assert_eq!((distributor, virtual_cpu), (region(0xff84_1000, 0x1000), region(0xff84_6000, 0x2000)));
    assert_eq!(board.ram, [region(0, 0x3c00_0000), region(0x1_0000_0000, 0x4000_0000)]);
    assert_eq!((board.reserved[0].region, board.reserved[0].name), (region(0, 0x1000), "memreserve"));
}

#[test]
fn a_simple_bus_has_no_registers_though_it_has_reg() {
    let inside = |compatible: &str| {
        let blob = blob(
            &[],
            &|writer| {
                let cells: &[(&str, &[u32])] = &[
                    ("#address-cells", &[1]),
                    ("#size-cells", &[1]),
                    ("ranges", &[]),
                    ("reg", &[0x7e10_0000, 0x1_0000]),
                ];
                node(writer, "bus@7e100000", cells, &[("compatible", compatible)], &|writer| {
                    node(writer, "pins@7e101000", &[("reg", &[0x7e10_1000, 0x1000])], &[], &nothing);
                });
            },
            &nothing,
        );
        let board = Board::parse(&blob).unwrap();
        assert!(board.device("/soc/bus@7e100000/pins@7e101000").is_some());
        board.device("/soc/bus@7e100000").is_some()
    };
    assert!(!inside("simple-bus"));
    assert!(inside("syscon"), "it has what its children leave");
}

#[test]
fn interrupts_of_another_controller_are_not_the_gics() {
    let blob = blob(
        &[],
        &|writer| {
            let reg: (&str, &[u32]) = ("reg", &[0x7e20_0000, 0x100]);
            node(writer, "a@1", &[reg, ("interrupt-parent", &[2]), ("interrupts", &[0, 5])], &[], &nothing);
            let extended = [2, 7, 7, 1, 0, 9, 1, 1, 1, 3, 4];
            node(writer, "b@2", &[reg, ("interrupts-extended", &extended)], &[], &nothing);
            let bus: &[(&str, &[u32])] =
                &[("#address-cells", &[1]), ("#size-cells", &[1]), ("ranges", &[]), ("interrupt-parent", &[2])];
            node(writer, "bus", bus, &[], &|writer| {
                node(writer, "c@3", &[reg, ("interrupts", &[0, 6])], &[], &nothing);
                node(writer, "d@4", &[reg, ("interrupt-parent", &[1]), ("interrupts", &[0, 3, 2])], &[], &nothing);
            });
        },
        &nothing,
    );
    let board = Board::parse(&blob).unwrap();
    let lines = |path: &str| board.devices[board.device(path).unwrap()].interrupts.to_vec();
    assert_eq!(lines("/soc/a@1"), []);
    assert_eq!(lines("/soc/b@2"), [Interrupt { intid: 41, edge: true }, level(19)]);
    assert_eq!(lines("/soc/bus/c@3"), []);
    assert_eq!(lines("/soc/bus/d@4"), [Interrupt { intid: 35, edge: true }]);
}

#[test]
fn an_interrupt_no_gic_has_is_malformed() {
    for bad in [&[0, 988, 4][..], &[1, 16, 4], &[2, 0, 4], &[0, 1]] {
        let blob = blob(
            &[],
            &|writer| node(writer, "a@1", &[("reg", &[0x7e20_0000, 0x100]), ("interrupts", bad)], &[], &nothing),
            &nothing,
        );
        let error = Board::parse(&blob).unwrap_err();
        assert_eq!(error, BoardError::Malformed { path: "/soc/a@1".into(), property: "interrupts" });
    }
}

#[test]
fn a_reg_that_is_cut_short_or_has_no_width_is_malformed() {
    for (cells, reg) in [(1, &[0x7e20_0000][..]), (0, &[1])] {
        let blob = blob(&[], &nothing, &|writer| {
            let bus: &[(&str, &[u32])] = &[("#address-cells", &[cells]), ("#size-cells", &[cells]), ("ranges", &[])];
            node(writer, "bus", bus, &[], &|writer| node(writer, "a@1", &[("reg", reg)], &[], &nothing));
        });
        let error = Board::parse(&blob).unwrap_err();
        assert_eq!(error, BoardError::Malformed { path: "/bus/a@1".into(), property: "reg" });
    }
}

#[test]
fn a_cpu_starts_as_its_enable_method_says() {
    let starts = |text: &[(&str, &str)]| {
        let blob = blob(text, &nothing, &nothing);
        Board::parse(&blob).unwrap().cpus.iter().map(|cpu| (cpu.mpidr, cpu.start)).collect::<Vec<_>>()
    };
    let both = |start| [(0x1_0000_0000, start), (0x1_0000_0100, start)];
    assert_eq!(starts(&[("enable-method", "spin-table")]), both(Start::SpinTable(PhysAddr::at(0xd8))));
    assert_eq!(starts(&[("enable-method", "psci")]), both(Start::Psci));
    assert_eq!(starts(&[]), both(Start::Unknown));
}

#[test]
fn stdout_is_the_path_or_alias_chosen_without_the_mode_behind_it() {
    for (path, alias) in [("serial1:115200n8", true), ("/soc/uart@7e201000", true), ("nowhere", false)] {
        let blob = blob(
            &[],
            &|writer| {
                node(
                    writer,
                    "first@7e200000",
                    &[("reg", &[0x7e20_0000, 0x100])],
                    &[("compatible", "arm,pl011")],
                    &nothing,
                );
                node(writer, "uart@7e201000", &[("reg", &[0x7e20_1000, 0x100])], &[("compatible", "a,uart")], &nothing);
            },
            &|writer| {
                node(writer, "aliases", &[], &[("serial1", "/soc/uart@7e201000")], &nothing);
                let text: &[(&str, &str)] = &[("stdout-path", path)];
                node(
                    writer,
                    "chosen",
                    &[("linux,initrd-start", &[0x800_0000]), ("linux,initrd-end", &[0, 0x900_0000])],
                    text,
                    &nothing,
                );
            },
        );
        let board = Board::parse(&blob).unwrap();
        let expected = if alias { "/soc/uart@7e201000" } else { "/soc/first@7e200000" };
        assert_eq!(board.path(&board.devices[board.stdout.unwrap()]), expected, "{path}");
        assert_eq!(board.initrd, Some(region(0x800_0000, 0x100_0000)));
    }
}

#[test]
fn reserved_memory_is_what_has_an_address() {
    let blob = blob(&[], &nothing, &|writer| {
        let cells: &[(&str, &[u32])] = &[("#address-cells", &[2]), ("#size-cells", &[1]), ("ranges", &[])];
        node(writer, "reserved-memory", cells, &[], &|writer| {
            node(writer, "secure@3000000", &[("reg", &[0, 0x300_0000, 0x10_0000])], &[], &nothing);
            node(writer, "linux,cma", &[("size", &[0x400_0000])], &[], &nothing);
        });
    });
    let board = Board::parse(&blob).unwrap();
    let named: Vec<_> = board.reserved.iter().map(|reserved| (reserved.name, reserved.region)).collect();
    assert_eq!(named, [("memreserve", region(0, 0x1000)), ("secure@3000000", region(0x300_0000, 0x10_0000))]);
    assert!(board.devices.iter().all(|device| !board.path(device).contains("reserved")));
}

#[test]
fn only_the_most_specific_compatible_vouches_for_no_dma() {
    let blob = blob(
        &[],
        &|writer| {
            for (name, list) in
                [("a@1", vec!["arm,pl011", "arm,primecell"]), ("b@2", vec!["new,uart-with-dma", "ns16550a"])]
            {
                let node = writer.begin_node(name).unwrap();
                writer.property_array_u32("reg", &[0x7e20_0000, 0x100]).unwrap();
                writer.property_string_list("compatible", list.into_iter().map(String::from).collect()).unwrap();
                writer.end_node(node).unwrap();
            }
        },
        &nothing,
    );
    let board = Board::parse(&blob).unwrap();
    let vouched = |path: &str| board.devices[board.device(path).unwrap()].no_dma();
    assert!(vouched("/soc/a@1") && !vouched("/soc/b@2"));
}

#[test]
fn two_cpus_of_one_affinity_make_no_board() {
    let mut blob = blob(&[], &nothing, &nothing);
    let second = [0, 0, 0, 1, 0, 0, 1, 0];
    let at = blob.windows(8).position(|bytes| bytes == second).unwrap();
    blob[at + 6] = 0;
    let error = Board::parse(&blob).unwrap_err();
    assert_eq!(error.to_string(), "the device tree's /cpus/cpu@10000100 has a malformed `reg`");
}

#[test]
fn interrupts_behind_a_bus_that_translates_them_are_not_taken_for_the_gics() {
    let blob = blob(&[], &nothing, &|writer| {
        let map = [0, 0, 5, 1, 0, 37, 4];
        let cells: &[(&str, &[u32])] = &[
            ("#address-cells", &[2]),
            ("#size-cells", &[1]),
            ("ranges", &[]),
            ("#interrupt-cells", &[1]),
            ("interrupt-map", &map),
        ];
        node(writer, "motherboard", cells, &[], &|writer| {
            node(writer, "lan@200000000", &[("reg", &[2, 0, 0x1000]), ("interrupts", &[5])], &[], &nothing);
        });
    });
    let board = Board::parse(&blob).unwrap();
    let lan = &board.devices[board.device("/motherboard/lan@200000000").unwrap()];
    assert_eq!(lan.interrupts, []);
}
