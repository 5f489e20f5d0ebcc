//! Device pages: what a cell gets with a device it names, since stage 2 maps whole pages.
//!
//! Promises that no page with device registers reaches two cells, or a cell and EL2: devices that share one go
//! together, disabled ones do not count. RAM in device's clothing is refused.

use address::{Address, PAGE_BYTES, PhysAddr, Region};
use alloc::{format, string::String, vec::Vec};
use board::Board;
use manifest::Manifest;

use crate::device::{Devices, Span};
use crate::{Finding, IPA_END, Key, Owner, memory};

/// Checks that devices whose pages meet, directly or through others, have one owner.
pub(crate) fn share(board: &Board<'_>, manifest: &Manifest<'_>, devices: &Devices, out: &mut Vec<Finding>) {
    let counts = |span: &Span| {
        let device = span.device.and_then(|device| board.devices.get(device));
        device.is_none_or(|device| !device.disabled) || devices.owner(span.device) == Owner::El2
    };
    let enabled: Vec<Span> = devices.spans.iter().copied().filter(counts).collect();
    let mut rest = enabled.as_slice();
    while let Some(first) = rest.first() {
        let (mut end, owner, mut one) = (first.region.end(), devices.owner(first.device), true);
        let meets = |span: &&Span| {
            let meets = span.region.base() < end;
            if meets {
                end = end.max(span.region.end());
                one &= devices.owner(span.device) == owner;
            }
            meets
        };
        let count = rest.iter().take_while(meets).count();
        let Some((cluster, tail)) = rest.split_at_checked(count) else { return };
        if !one {
            mixed(board, manifest, devices, cluster, out);
        }
        rest = tail;
    }
}

/// Says for each cell in a cluster of pages with several owners what it shares with whom.
fn mixed(board: &Board<'_>, manifest: &Manifest<'_>, devices: &Devices, cluster: &[Span], out: &mut Vec<Finding>) {
    let path = |span: &Span| {
        span.device.and_then(|device| board.devices.get(device)).map_or("the GIC", |device| device.path.as_str())
    };
    let name = |cell: usize| manifest.cells.get(cell).map_or("", |cell| cell.name);
    let mut seen = Vec::new();
    for span in cluster {
        let owner = devices.owner(span.device);
        let (Owner::Cell(cell), Some(device)) = (owner, span.device) else { continue };
        if seen.contains(&cell) {
            continue;
        }
        seen.push(cell);
        let say = |code, with: String, help: String| {
            let (name, page) = (name(cell), span.region.base());
            let message = format!("cell {name} names {}, which shares pages from {page} on with {with}", path(span));
            Finding::new(code, Some(cell), Key::Devices(devices.claim(device).1), message, help)
        };
        let kept = cluster.iter().find(|span| devices.owner(span.device) == Owner::El2);
        let foreign = cluster.iter().find_map(|span| match devices.owner(span.device) {
            Owner::Cell(other) if other != cell => Some((span, other)),
            _ => None,
        });
        out.push(match (kept, foreign) {
            (Some(kept), _) => say("E0313", format!("{}, which EL2 keeps", path(kept)), "take it away".into()),
            (None, Some((theirs, other))) => {
                let with = format!("{} of cell {}", path(theirs), name(other));
                say("E0308", with, "give the devices of a page to one cell".into()).against(other)
            }
            (None, None) => {
                let missing = cluster.iter().filter(|span| devices.owner(span.device) != owner).map(path);
                let mut missing: Vec<&str> = missing.collect();
                missing.dedup();
                say("E0307", "devices it does not name".into(), format!("name these too: {}", missing.join(", ")))
                    .of_cell()
            }
        });
    }
}

/// Checks that owned registers lie inside the IPA space and outside RAM.
pub(crate) fn reach(board: &Board<'_>, manifest: &Manifest<'_>, devices: &Devices, out: &mut Vec<Finding>) {
    let banks = memory::banks(board);
    for (index, device) in board.devices.iter().enumerate() {
        let (Owner::Cell(cell), entry) = devices.claim(index) else { continue };
        let name = manifest.cells.get(cell).map_or("", |cell| cell.name);
        let say = |code, what: String, help: &str| {
            let message = format!("cell {name} names {}, {what}", device.path);
            Finding::new(code, Some(cell), Key::Devices(entry), message, help.into())
        };
        let beyond = |region: &&Region<PhysAddr>| region.end().get() > IPA_END;
        if let Some(region) = device.regions.iter().find(beyond) {
            let what = format!("whose registers at {region} leave the 39-bit IPA space");
            out.push(say("E0311", what, "take it away").of_cell());
        }
        if let Some(region) = device.windows.iter().find(beyond) {
            let what = format!("whose window at {region} leaves the 39-bit IPA space");
            out.push(say("E0316", what, "let the cell use the part below only").warning());
        }
        for region in device.regions.iter().chain(&device.windows).filter_map(|region| region.widen(PAGE_BYTES)) {
            if let Some(bank) = banks.iter().find(|bank| bank.overlaps(region)) {
                let what = format!("whose pages at {region} lie in RAM at {bank}");
                out.push(say("E0312", what, "take it away: RAM is given by memory"));
            }
        }
    }
}
