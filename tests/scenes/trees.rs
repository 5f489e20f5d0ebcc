//! Trees as the Raspberry Pi's firmware hands them over, which no model of QEMU has: its RAM by model, its reservations,
//! its high map, PSCI. Made by overlays of Debian's tree, judged on the desk by the code that EL2 runs.

use crate::small::cell;
use address::{PhysAddr, Region};
use board::{Board, Conduit, Gic, Start};
use cellwall_cli::deploy::Deploy;
use cellwall_cli::platform::{Platform, Target};
use cellwall_cli::{board_tree, bundle, plan_file, verdict};
use libtest_mimic::{Failed, Trial};
use scenes::stage::{fill, log_file, root};
use std::fs;

const GIB: u64 = 1 << 30;
/// What `start4.elf` leaves of the first GiB with its default of 76 MiB.
const LOW: u64 = 0x3b40_0000;

/// Bases and sizes.
type Banks = &'static [(u64, u64)];

/// `memory@0` as the firmware of each model writes it (two cells of address, one of size: 4 GiB are two entries).
const MODELS: [(u64, &str, Banks); 4] = [
    (1, "<0 0 0x3b400000>", &[(0, LOW)]),
    (2, "<0 0 0x3b400000>, <0 0x40000000 0x40000000>", &[(0, LOW), (GIB, GIB)]),
    (4, "<0 0 0x3b400000>, <0 0x40000000 0xbc000000>", &[(0, LOW), (GIB, 0xbc00_0000)]),
    (
        8,
        "<0 0 0x3b400000>, <0 0x40000000 0xbc000000>, <1 0 0x80000000>, <1 0x80000000 0x80000000>",
        &[(0, LOW), (GIB, 0xbc00_0000), (4 * GIB, 4 * GIB)],
    ),
];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("tree_rpi4_ram_of_every_model_is_found_and_used", ram),
        Trial::test("tree_rpi4_reservations_of_firmware_are_nobodys", reservations),
        Trial::test("tree_rpi4_high_map_moves_gic_uart_and_devices", high_map),
        Trial::test("tree_rpi4_smc_only_where_there_is_a_psci_node", psci),
    ]
}

/// Debian's tree with `fragments`: targets and what is in their overlay.
fn tree(name: &str, fragments: &[(&str, &str)]) -> Result<(Vec<u8>, Platform), Failed> {
    let path = log_file(name)?.with_extension("dtso");
    let text = fragments.iter().zip(0..).map(|((target, body), index)| {
        format!("fragment@{index} {{ target-path = \"{target}\"; __overlay__ {{ {body} }}; }};\n")
    });
    fs::write(&path, format!("/dts-v1/;\n/plugin/;\n/ {{\n{}}};\n", text.collect::<String>()))?;
    let mut platform = Platform::load(&root(), "rpi4").map_err(said)?;
    platform.placement = Deploy::of(&platform, None).map_err(said)?.placement;
    let made = board_tree::make(&platform, &[path.canonicalize()?], &path.with_extension("dtb")).map_err(said)?;
    Ok((fs::read(made.ok_or("no tree")?)?, platform))
}

fn said(error: impl std::fmt::Display) -> Failed {
    format!("{error:#}").into()
}

/// The desk's verdict on cells of a plan.
fn verdict(name: &str, cells: &str, tree: &(Vec<u8>, Platform)) -> Result<Result<(), String>, Failed> {
    let path = log_file(name)?.with_extension("toml");
    fs::write(&path, fill(&format!("board = \"rpi4\"\n\n{cells}")))?;
    let plan = plan_file::load(&path).map_err(said)?;
    let bytes = bundle::sketch(&plan).map_err(said)?;
    let target = Target { tree: tree.0.clone(), platform: tree.1.clone() };
    Ok(verdict::judge(&plan, &bytes, &target).map(|_| ()).map_err(|error| format!("{error:#}")))
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn ram() -> Result<(), Failed> {
    for (gib, reg, banks) in MODELS {
        let name = format!("tree_rpi4_{gib}_gib");
        let tree = tree(&name, &[("/memory@0", &format!("reg = {reg};"))])?;
        let board = Board::parse(&tree.0).map_err(said)?;
        let expected: Option<Vec<_>> =
            banks.iter().map(|&(base, size)| Region::new(PhysAddr::at(base), size)).collect();
        check(Some(&board.ram) == expected.as_ref(), || format!("{gib} GiB: {:?}", board.ram))?;
        // The largest bank is a cell's, all but for a little, and no more than that; in the first lie bundle and tree.
        let largest = banks.iter().skip(1).map(|(_, size)| size >> 20).max();
        let free = largest.map_or(740, |size| size.saturating_sub(8));
        for (megabytes, holds) in [(free, true), (largest.unwrap_or(752).saturating_add(2), false)] {
            // At an IPA with room for it: the UART that a cell sees ends what lies from 0.
            let memory = format!("[{{ size = \"{megabytes}M\", at = 0x1_0000_0000 }}]");
            let cell = cell("hello", "[0]", "").replace("\"16M\"", &memory);
            let found = verdict(&name, &cell, &tree)?;
            check(found.is_ok() == holds, || format!("{gib} GiB, a cell of {megabytes} MiB: {found:?}"))?;
        }
    }
    Ok(())
}

fn reservations() -> Result<(), Failed> {
    let name = "tree_rpi4_reservations";
    let fragments = [
        ("/memory@0", "reg = <0 0 0x3b400000>;"),
        // The boot loader's configuration and a firmware's own piece.
        ("/reserved-memory", "atf@10000000 { reg = <0 0x10000000 0x200000>; no-map; };"),
        ("/reserved-memory/nvram@0", "reg = <0 0x3ef64700 0x1c>; status = \"okay\";"),
    ];
    let tree = tree(name, &fragments)?;
    let board = Board::parse(&tree.0).map_err(said)?;
    let has = |wanted: &str, base: u64| {
        board.reserved.iter().any(|piece| piece.name == wanted && piece.region.base() == PhysAddr::at(base))
    };
    check(has("memreserve", 0), || "the spin table's page is free".into())?;
    check(has("atf@10000000", 0x1000_0000), || "firmware's piece is free".into())?;
    for (at, holds) in [("0x1000_0000", false), ("0xf80_0000", false), ("0x1020_0000", true), ("0x0", false)] {
        let memory = format!("memory = [{{ size = \"16M\", at = {at}, identity = true }}]");
        let found = verdict(name, &cell("hello", "[0]", "").replace("memory = \"16M\"", &memory), &tree)?;
        check(found.is_ok() == holds, || format!("a cell at {at}: {found:?}"))?;
    }
    Ok(())
}

/// `arm_peri_high=1`: the firmware moves the peripherals and the GIC above 16 GiB, and says so in the
/// ranges of `/soc`.
fn high_map() -> Result<(), Failed> {
    let name = "tree_rpi4_high_map";
    let ranges = "ranges = <0x7e000000 4 0x7e000000 0x01800000>, <0x7c000000 4 0x7c000000 0x02000000>, \
                  <0x40000000 4 0xc0000000 0x00800000>;";
    let tree = tree(name, &[("/memory@0", "reg = <0 0 0x3b400000>;"), ("/soc", ranges)])?;
    let board = Board::parse(&tree.0).map_err(said)?;
    let Gic::V2 { distributor, virtual_cpu, .. } = &board.gic else { return Err("no GICv2".into()) };
    let frames = [distributor.base(), virtual_cpu.base()];
    check(frames == [0x4_c004_1000, 0x4_c004_6000].map(PhysAddr::at), || format!("GIC at {frames:?}"))?;
    let uart = board.uart(board.stdout).map(|(_, region)| region);
    check(uart.is_some_and(|uart| uart.base() == PhysAddr::at(0x4_7e21_5040)), || format!("UART at {uart:?}"))?;
    let cell = format!("{}devices = [\"/soc/gpio@7e200000\"]\ndma = \"none\"\n", cell("hello", "[0]", ""));
    verdict(name, &cell, &tree)?.map_err(Failed::from)
}

fn psci() -> Result<(), Failed> {
    let name = "tree_rpi4_psci";
    let memory = ("/memory@0", "reg = <0 0 0x3b400000>;");
    let plain = tree(name, &[memory])?;
    let board = Board::parse(&plain.0).map_err(said)?;
    check(board.psci.is_none(), || "a conduit without a psci node".into())?;
    let starts: Vec<Start> = board.cpus.iter().map(|cpu| cpu.start).collect();
    let words = [0xd8, 0xe0, 0xe8, 0xf0].map(|word| Start::SpinTable(PhysAddr::at(word)));
    check(starts == words, || format!("{starts:?}"))?;
    // As TF-A patches it.
    let by_psci = ["0", "1", "2", "3"].map(|cpu| format!("cpu@{cpu} {{ enable-method = \"psci\"; }};")).concat();
    let node = "psci { compatible = \"arm,psci-1.0\", \"arm,psci-0.2\"; method = \"smc\"; };";
    let patched = tree(name, &[memory, ("/", node), ("/cpus", &by_psci)])?;
    let board = Board::parse(&patched.0).map_err(said)?;
    check(board.psci == Some(Conduit::Smc), || format!("{:?}", board.psci))?;
    check(board.cpus.iter().all(|cpu| cpu.start == Start::Psci), || format!("{:?}", board.cpus))
}
