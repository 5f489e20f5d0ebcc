//! What the tests of this crate share: QEMU's boards, a small good plan, and the codes of what refuses one.
#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests; each file uses its part"
)]

use address::{PhysAddr, Region};
use board::{Board, Device, Interrupt};
use manifest::{Cell, Image, Kernel, Manifest, Memory};
use plan::{Class, Finding, Footprint, SealedPlan, seal_sound_cells};

/// The RAM base of QEMU's virt board.
pub const RAM: u64 = 0x4000_0000;
pub const MIB: u64 = 1 << 20;

static V2: &[u8] = include_bytes!("../../../board/tests/data/qemu-virt-gicv2.dtb");
static V3: &[u8] = include_bytes!("../../../board/tests/data/qemu-virt-gicv3.dtb");
static SMMU: &[u8] = include_bytes!("../../../board/tests/data/qemu-virt-smmuv3.dtb");

fn board(blob: &'static [u8]) -> Board<'static> {
    let mut board = Board::parse(blob).expect("QEMU's tree parses");
    board.ram = vec![region(RAM, 256 * MIB)];
    board
}

/// QEMU's virt with `GICv2`, 256 MiB.
pub fn gicv2() -> Board<'static> {
    board(V2)
}

/// QEMU's virt with `GICv3`, 256 MiB.
pub fn gicv3() -> Board<'static> {
    board(V3)
}

/// QEMU's virt with `GICv3` and `SMMUv3`, 256 MiB.
pub fn smmu() -> Board<'static> {
    board(SMMU)
}

/// Returns which device has this path.
pub fn place(board: &Board<'_>, path: &str) -> usize {
    board.devices.iter().position(|device| board.path(device) == path).expect("a device of the board")
}

/// Gives a device one region instead of its own.
pub fn moves(board: &mut Board<'_>, device: usize, region: Region<PhysAddr>) {
    spreads(board, device, &[region]);
}

/// Gives a device these regions instead of its own.
pub fn spreads(board: &mut Board<'_>, device: usize, regions: &[Region<PhysAddr>]) {
    let device = &mut board.devices[device];
    (device.regions, device.windows) = (regions.to_vec(), Vec::new());
}

/// Gives a device one interrupt instead of its own.
pub fn rewires(board: &mut Board<'_>, device: usize, intid: u32) {
    board.devices[device].interrupts = vec![Interrupt { intid, edge: false }];
}

/// Adds a device that is as `model` but for its path and region.
pub fn add(board: &mut Board<'_>, model: usize, path: &str, region: Region<PhysAddr>) -> usize {
    let (start, regions) = (board.paths.len(), vec![region]);
    board.paths.extend_from_slice(path.as_bytes());
    let path = start..board.paths.len();
    let model = board.devices[model].clone();
    board.devices.push(Device { path, regions, windows: Vec::new(), interrupts: Vec::new(), ..model });
    board.devices.len() - 1
}

pub fn region(base: u64, size: u64) -> Region<PhysAddr> {
    Region::new(PhysAddr::at(base), size).expect("a region")
}

/// EL2 at +2 MiB, bundle at +128 MiB, tree behind it, as QEMU loads them.
pub fn footprint() -> Footprint {
    Footprint {
        image: region(RAM + 2 * MIB, 0x6_4321),
        bundle: region(RAM + 128 * MIB, 3 * MIB + 0x123),
        tree: region(RAM + 132 * MIB, 0x2000),
    }
}

pub fn run(size: u64) -> Memory {
    Memory { size, at: None, identity: false }
}

pub fn run_at(at: u64, size: u64) -> Memory {
    Memory { size, at: Some(at), identity: false }
}

pub fn identity(at: u64, size: u64) -> Memory {
    Memory { size, at: Some(at), identity: true }
}

/// A good cell: 16 MiB and a 1 MiB kernel.
pub fn cell(name: &'static str, cpus: &[u32]) -> Cell<'static> {
    Cell {
        name,
        cpus: cpus.to_vec(),
        memory: vec![run(16 * MIB)],
        kernel: Kernel { image: Image { name: "kernel", size: MIB }, image_size: 2 * MIB, ..Kernel::default() },
        ..Cell::default()
    }
}

/// Two good cells on CPUs 0 and 1.
pub fn two() -> Manifest<'static> {
    Manifest { cells: vec![cell("a", &[0]), cell("b", &[1])], ..Manifest::default() }
}

/// Proves a plan, every cell of it.
pub fn seal<'a>(
    board: &'a Board<'a>,
    manifest: &Manifest<'a>,
    footprint: &Footprint,
) -> Result<SealedPlan<'a>, Vec<Finding<'a>>> {
    let plan = seal_sound_cells(board, manifest, footprint)?;
    let whole = plan.findings.iter().all(|finding| finding.class() != Class::Cell);
    if whole { Ok(plan) } else { Err(plan.findings) }
}

/// Everything that refuses the plan, empty where it is sealed.
pub fn refusals<'a>(board: &'a Board<'a>, manifest: &Manifest<'a>) -> Vec<Finding<'a>> {
    let found = seal(board, manifest, &footprint()).err().unwrap_or_default();
    found.into_iter().filter(|finding| finding.class() != Class::Warning).collect()
}

/// The codes of what refuses the plan.
pub fn codes(board: &Board<'_>, manifest: &Manifest<'_>) -> Vec<String> {
    refusals(board, manifest).iter().map(|finding| name(finding)).collect()
}

/// Changes the good plan on the GICv3 board and returns the one finding that refuses it.
pub fn only(change: impl FnOnce(&mut Board<'static>, &mut Manifest<'static>)) -> Finding<'static> {
    let (mut board, mut plan) = (gicv3(), two());
    assert_eq!(codes(&board, &plan), Vec::<String>::new(), "the plan is good before the change");
    change(&mut board, &mut plan);
    let mut found = refusals(Box::leak(Box::new(board)), &plan);
    assert_eq!(found.len(), 1, "{found:#?}");
    let finding = found.remove(0);
    println!("{finding}");
    finding
}

/// Returns the code as people write it.
pub fn name(finding: &Finding<'_>) -> String {
    format!("E{:04x}", finding.code())
}

/// Asserts code, entry, cell and the other owner.
#[track_caller]
pub fn blames(
    found: &Finding<'_>,
    code: &str,
    entry: impl Into<Option<usize>>,
    cell: Option<usize>,
    other: Option<usize>,
) {
    assert_eq!((&*name(found), found.entry, found.cell, found.other), (code, entry.into(), cell, other), "{found}");
}
