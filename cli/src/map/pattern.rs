//! Patterns: who owns a piece, told by shape first and colour second, so that a black-and-white print tells it too.

use super::Who;
use std::fmt::Write as _;

/// Colours that those who see few of them tell apart (Okabe and Ito), and darker ones behind.
const COLOURS: [&str; 12] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#7a3e00", "#4b0082", "#117733", "#aa3377",
    "#5c5c00", "#004488",
];

/// Shapes in a tile of 12 by 12.
const SHAPES: [&str; 6] = [
    "M-3,3 l6,-6 M0,12 l12,-12 M9,15 l6,-6",
    "M-3,9 l6,6 M0,0 l12,12 M9,-3 l6,6",
    "M3,3 h.1 M9,9 h.1",
    "M0,6 h12 M6,0 v12",
    "M0,3 h12 M0,9 h12",
    "M3,0 v12 M9,0 v12",
];

/// Returns the fill of what belongs to `who`.
#[must_use]
pub(super) fn fill(who: Who) -> String {
    match who {
        Who::Cell(index) => format!("url(#cell{index})"),
        Who::El2 => "#333".into(),
        Who::Nobody => "#fff".into(),
    }
}

/// Returns the colour of what belongs to `who`.
#[must_use]
pub(super) fn colour(who: Who) -> &'static str {
    match who {
        Who::Cell(index) => COLOURS.get(index.checked_rem(COLOURS.len()).unwrap_or(0)).copied().unwrap_or("#000"),
        Who::El2 => "#333",
        Who::Nobody => "#888",
    }
}

/// Defines the patterns of so many cells.
#[must_use]
pub(super) fn definitions(cells: usize) -> String {
    let mut text = String::from("<defs>\n");
    for index in 0..cells {
        let shape = SHAPES.get(index.checked_rem(SHAPES.len()).unwrap_or(0)).copied().unwrap_or_default();
        let round = index.checked_div(SHAPES.len()).unwrap_or(0);
        // The second six are the first six in thick strokes, the third on a grey ground.
        let width = match (round.checked_rem(2), shape.contains("h.1")) {
            (Some(0), false) => "1.5",
            (Some(0), true) => "4",
            (_, false) => "4.5",
            (_, true) => "8",
        };
        let ground = if round < 2 { "#fff" } else { "#ddd" };
        let colour = colour(Who::Cell(index));
        let _ = writeln!(
            text,
            "<pattern id=\"cell{index}\" width=\"12\" height=\"12\" patternUnits=\"userSpaceOnUse\">\
             <rect width=\"12\" height=\"12\" fill=\"{ground}\"/>\
             <path d=\"{shape}\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"round\" fill=\"none\"/></pattern>"
        );
    }
    text.push_str("</defs>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighteen_cells_have_eighteen_patterns_without_their_colours() {
        let definitions = definitions(18);
        let mut shapes: Vec<String> = definitions
            .lines()
            .filter_map(|line| line.split_once("<rect").map(|(_, shape)| shape.to_owned()))
            .map(|shape| COLOURS.iter().fold(shape, |shape, colour| shape.replace(colour, "")))
            .collect();
        shapes.sort();
        shapes.dedup();
        assert_eq!(shapes.len(), 18);
    }
}
