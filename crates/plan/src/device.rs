//! Which cell owns which device.
//!
//! Promises that each device has one owner; EL2 keeps the GIC, every SMMU and the console UART. Data comes from
//! `Board::devices` and the plan's `devices`; it goes to the cells' maps and to the walls.

use address::{Address, PAGE_BYTES, PhysAddr, Region};
use alloc::{format, vec, vec::Vec};
use board::{Board, Gic, UARTS};
use manifest::{Console, Manifest};

use crate::sort::sort;
use crate::{Finding, IPA_END, Key, Owner, dma, page, suggest, wall};

/// What EL2 keeps to itself: whoever programs one of these decides where DMA goes.
const SMMUS: [&str; 6] = ["arm,smmu-v3", "arm,smmu-v2", "arm,smmu-v1", "arm,mmu-500", "arm,mmu-401", "arm,mmu-400"];

/// Who owns which device.
pub(crate) struct Devices {
    /// For each device of the board its owner, and the index in that cell's `devices`.
    claims: Vec<(Owner, usize)>,
    /// The UART that EL2 keeps, and the cell that has the board's console UART instead.
    pub(crate) uart: Option<usize>,
    pub(crate) console: Option<usize>,
    /// Every piece of device space in whole pages, ascending: the GIC's frames too.
    pub(crate) spans: Vec<Span>,
}

/// A piece of device space in whole pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// The pages.
    pub(crate) region: Region<PhysAddr>,
    /// Whose; the GIC's where none.
    pub(crate) device: Option<usize>,
}

impl Devices {
    /// Returns who owns `device`; the GIC is EL2's.
    pub(crate) fn owner(&self, device: Option<usize>) -> Owner {
        device.map_or(Owner::El2, |device| self.claim(device).0)
    }

    /// Returns the owner of `device` and the index in that cell's `devices`.
    pub(crate) fn claim(&self, device: usize) -> (Owner, usize) {
        self.claims.get(device).copied().unwrap_or((Owner::Nobody, 0))
    }

    /// Returns the devices that cell `cell` owns, ascending.
    pub(crate) fn of(&self, cell: usize) -> impl Iterator<Item = usize> {
        self.claims.iter().enumerate().filter(move |(_, claim)| claim.0 == Owner::Cell(cell)).map(|(device, _)| device)
    }
}

/// Hands out the devices the plan names.
pub(crate) fn assign(board: &Board<'_>, manifest: &Manifest<'_>, out: &mut Vec<Finding>) -> Devices {
    let console = passed_console(board, manifest, out);
    let uart = own_uart(board, manifest, console);
    let mut claims = vec![(Owner::Nobody, 0); board.devices.len()];
    for (index, (claim, device)) in claims.iter_mut().zip(&board.devices).enumerate() {
        if uart == Some(index) || SMMUS.contains(&device.compatible) {
            claim.0 = Owner::El2;
        }
    }
    if let (Some(cell), Some(stdout)) = (console, board.stdout) {
        claims.get_mut(stdout).into_iter().for_each(|claim| *claim = (Owner::Cell(cell), CONSOLE));
    }
    for (index, cell) in manifest.cells.iter().enumerate() {
        for (entry, &wanted) in cell.devices.iter().enumerate() {
            if let Err(finding) = claim(board, manifest, (index, entry, wanted), &mut claims) {
                out.push(finding);
            }
        }
    }
    let devices = Devices { claims, uart, console, spans: spans(board) };
    if console.is_some() || manifest.cells.iter().any(|cell| !cell.devices.is_empty()) {
        page::share(board, manifest, &devices, out);
        page::reach(board, manifest, &devices, out);
        dma::check(board, manifest, &devices, out);
    }
    devices
}

/// The index of a claim that `console` makes, not `devices`.
const CONSOLE: usize = usize::MAX;

/// Finds the cell that has the board's console UART.
fn passed_console(board: &Board<'_>, manifest: &Manifest<'_>, out: &mut Vec<Finding>) -> Option<usize> {
    let mut cells = manifest.cells.iter().enumerate().filter(|(_, cell)| cell.console == Console::Passthrough);
    let (first, owner) = cells.next()?;
    if own_uart(board, manifest, Some(first)).is_none() {
        let message = format!("cell {} has the board's only free UART: EL2's lines are shown nowhere", owner.name);
        let help = "console = \"virtual\" shares it; another UART that no cell names would serve too".into();
        out.push(Finding::new("E0508", Some(first), Key::Console, message, help).warning());
    }
    for (index, cell) in cells {
        let message = format!("cell {} has console = \"passthrough\", which cell {} has too", cell.name, owner.name);
        let help = "the board has one console UART: say console = \"virtual\" or \"none\" in one of them".into();
        out.push(Finding::new("E0506", Some(index), Key::Console, message, help).against(first));
    }
    board.stdout.map(|_| first)
}

/// Chooses EL2's UART: the board's console, or where that is a cell's the next that no cell names.
fn own_uart(board: &Board<'_>, manifest: &Manifest<'_>, console: Option<usize>) -> Option<usize> {
    if console.is_none() {
        return board.stdout;
    }
    let named = |path: &str| manifest.cells.iter().any(|cell| cell.devices.contains(&path));
    board.devices.iter().enumerate().position(|(index, device)| {
        board.stdout != Some(index) && !device.disabled && UARTS.contains(&device.compatible) && !named(&device.path)
    })
}

/// Gives one device to the cell that names it.
fn claim(
    board: &Board<'_>,
    manifest: &Manifest<'_>,
    (index, entry, wanted): (usize, usize, &str),
    claims: &mut [(Owner, usize)],
) -> Result<(), Finding> {
    let cell_name = |cell: usize| manifest.cells.get(cell).map_or("", |cell| cell.name);
    let say = |code, what: &str, help: &str| {
        let message = format!("cell {} names {wanted}, which {what}", cell_name(index));
        Finding::new(code, Some(index), Key::Devices(entry), message, help.into())
    };
    let found = resolve(board, wanted, say)?;
    let (Some(device), Some(claim)) = (board.devices.get(found), claims.get_mut(found)) else { return Ok(()) };
    if device.disabled {
        return Err(say("E0303", "the board's tree disables", "take it away, or enable it in the tree").of_cell());
    }
    match claim.0 {
        Owner::Nobody => {
            *claim = (Owner::Cell(index), entry);
            Ok(())
        }
        Owner::El2 if board.stdout == Some(found) => {
            Err(say("E0304", "EL2 keeps", "take it away: console = \"virtual\" stands in its place"))
        }
        Owner::El2 => Err(say("E0304", "EL2 keeps", "take it away")),
        Owner::Cell(other) if other == index => {
            Err(say("E0306", "it has named before", "name each device once").of_cell())
        }
        Owner::Cell(other) => {
            let what = format!("cell {} owns", cell_name(other));
            Err(say("E0305", &what, "give each device to one cell").against(other))
        }
    }
}

/// Finds the device that a path, alias or label means.
fn resolve(
    board: &Board<'_>,
    wanted: &str,
    say: impl Fn(&'static str, &str, &str) -> Finding,
) -> Result<usize, Finding> {
    let mut found = board.devices.iter().position(|device| device.path == wanted);
    if found.is_none() {
        let Some(node) = board.tree.find(wanted) else {
            let meant = suggest::nearest(board, wanted).map(|path| format!("did you mean {path}?"));
            let help = meant.as_deref().unwrap_or("name a path, alias or label of the tree");
            return Err(say("E0301", "the board's tree does not have", help).of_cell());
        };
        let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
        if [gic, board.timers.node].contains(&node) {
            return Err(say("E0304", "EL2 keeps", "take it away: each cell has a virtual one"));
        }
        found = board.devices.iter().position(|device| device.node == node);
    }
    found.filter(|&found| board.devices.get(found).is_some_and(|device| !device.regions.is_empty())).ok_or_else(|| {
        say("E0302", "has no registers on the board's bus", "name a node with registers, or take it away").of_cell()
    })
}

/// Returns all device space inside the IPA space in whole pages, ascending.
fn spans(board: &Board<'_>) -> Vec<Span> {
    let mut spans = Vec::with_capacity(board.devices.len().saturating_add(8));
    let mut add = |region: Region<PhysAddr>, device| {
        let pages = Region::from_ends(region.base(), region.end().min(PhysAddr::at(IPA_END)));
        spans.extend(pages.and_then(|pages| pages.widen(PAGE_BYTES)).map(|region| Span { region, device }));
    };
    wall::frames(&board.gic).for_each(|(frame, _)| add(frame, None));
    for (index, device) in board.devices.iter().enumerate() {
        device.regions.iter().chain(&device.windows).for_each(|&region| add(region, Some(index)));
    }
    sort(&mut spans, |span| (span.region.base().get(), 0));
    spans
}
