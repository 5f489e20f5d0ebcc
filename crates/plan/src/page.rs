//! Device pages: what a cell gets with a device it names, since stage 2 maps whole pages.
//!
//! Promises that no page with device registers reaches two cells, or a cell and EL2: devices that share one go
//! together, disabled ones do not count. RAM in device's clothing is refused.

use address::PAGE_BYTES;

use crate::device::Devices;
use crate::line::Piece;
use crate::{IPA_END, NONE, Owner, Proof, memory};

/// Checks that devices whose pages meet, directly or through others, have one owner.
pub(crate) fn share(proof: &mut Proof<'_, '_>, devices: &Devices) {
    let board = proof.board;
    let mut spans = devices.spans.clone();
    spans.retain(|span| {
        devices.owner(span.tag) == Owner::El2 || board.devices.get(span.tag).is_some_and(|device| !device.disabled)
    });
    let mut rest = spans.as_slice();
    while let Some(first) = rest.first() {
        let (mut end, mut count) = (first.end, 0);
        while let Some(span) = rest.get(count).filter(|span| span.base < end) {
            (end, count) = (end.max(span.end), count.saturating_add(1));
        }
        let Some((cluster, tail)) = rest.split_at_checked(count) else { return };
        mixed(proof, devices, cluster, end);
        rest = tail;
    }
}

/// Says for each cell in a cluster of pages with several owners what it shares with whom: EL2 first, then cells.
fn mixed(proof: &mut Proof<'_, '_>, devices: &Devices, cluster: &[Piece], end: u64) {
    let owner = |span: &Piece| devices.owner(span.tag);
    for (place, span) in cluster.iter().enumerate() {
        let Owner::Cell(cell) = owner(span) else { continue };
        if cluster.iter().take(place).any(|earlier| owner(earlier) == owner(span)) {
            continue;
        }
        let others = || cluster.iter().filter(|other| owner(other) != owner(span));
        let kept = others().find(|other| owner(other) == Owner::El2);
        let Some(with) = kept.or_else(|| others().find(|other| owner(other) != Owner::Nobody)).or(others().next())
        else {
            continue;
        };
        let (code, other) = match owner(with) {
            Owner::El2 => (0xE0313, NONE),
            Owner::Cell(other) => (0xE0308, other),
            Owner::Nobody => (0xC0307, NONE),
        };
        let path = proof.board.devices.get(with.tag).map_or("the GIC", |device| &device.path);
        let finding = proof.say_device(code, cell, other, span.tag);
        finding.names[3] = path;
        finding.numbers = [span.base, end, 0, 0];
    }
}

/// Checks that owned registers lie inside the IPA space and outside RAM.
pub(crate) fn reach(proof: &mut Proof<'_, '_>, devices: &Devices) {
    let banks = memory::banks(proof.board);
    for (index, device) in proof.board.devices.iter().enumerate() {
        let Owner::Cell(cell) = devices.owner(index) else { continue };
        for (place, region) in device.regions.iter().chain(&device.windows).enumerate() {
            let code = if place < device.regions.len() { 0xC0311 } else { 0xA0316 };
            let bounds = Piece::of(*region, 0);
            if bounds.end > IPA_END {
                proof.say_device(code, cell, NONE, index).numbers = [bounds.base, bounds.end, 0, 0];
            }
            let pages = region.widen(PAGE_BYTES).map_or(bounds, |pages| Piece::of(pages, 0));
            if let Some(bank) = banks.iter().find(|bank| bank.meets(&pages)) {
                proof.say_device(0xE0312, cell, NONE, index).numbers = [pages.base, pages.end, bank.base, bank.end];
            }
        }
    }
}
