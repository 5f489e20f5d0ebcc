//! The drawing: CPUs on top, then address spaces side by side, each with its interrupts below.
//!
//! Owns the geometry. Axes are broken: a piece's height grows with the logarithm of its size, what is empty is a tear.
//! Text is monospaced and cut to its place, so that nothing lies on anything; what was cut is in the hover text.

use super::{Cpu, Interrupt, Lane, Map, Segment, Who, address, escape, pattern};
use crate::size;
use std::fmt::Write as _;

const MARGIN: u32 = 16;
/// Lanes side by side: the board's, and rows of cells'.
const ROW: usize = 4;
/// A lane: addresses, box, gap.
const ADDRESSES: u32 = 92;
const BOX: u32 = 190;
const LANE: u32 = 310;
/// A tear in an axis.
const TEAR: u32 = 18;
const CPU: u32 = 108;
const CPU_HEIGHT: u32 = 50;
/// A line of interrupts.
const LINE: u32 = 15;

/// Draws `map`.
#[must_use]
pub fn draw(map: &Map) -> String {
    let mut pen = Pen::default();
    let columns = u32::try_from(map.lanes.len().clamp(2, ROW)).unwrap_or(4);
    let width = MARGIN.saturating_mul(2).saturating_add(LANE.saturating_mul(columns));
    pen.text((MARGIN, 30), 18, "b", &map.title, width);
    pen.text((MARGIN, 50), 12, "", &map.summary, width);
    let mut y = legend(&mut pen, map, width, 64);
    y = cpus(&mut pen, map, width, y.saturating_add(12));
    let (board, cells) = map.lanes.split_at_checked(1).unwrap_or_default();
    let top = y.saturating_add(28);
    let mut bottom = board.iter().fold(y, |bottom, board| bottom.max(lane(&mut pen, map, board, MARGIN, top)));
    for row in cells.chunks(ROW.saturating_sub(1)) {
        let (top, mut x) = (y.saturating_add(28), MARGIN.saturating_add(LANE));
        for cell in row {
            y = y.max(lane(&mut pen, map, cell, x, top));
            x = x.saturating_add(LANE);
        }
    }
    bottom = bottom.max(y);
    let height = bottom.saturating_add(MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"map-title map-text\" font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\">\n\
         <title id=\"map-title\">{}</title>\n<desc id=\"map-text\">{} Who owns which CPU, address and interrupt; \
         the HTML form of this map has the same as tables.</desc>\n\
         <style>text{{fill:#000}} .b{{font-weight:bold}} .s{{fill:#444}} .w{{fill:#fff}} g:hover>.f{{stroke-width:3}}</style>\n\
         {}<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
        escape(&map.title),
        escape(&map.summary),
        pattern::definitions(map.cells.len()),
        pen.out
    )
}

fn legend(pen: &mut Pen, map: &Map, width: u32, top: u32) -> u32 {
    let (mut x, mut y) = (MARGIN, top);
    for who in (0..map.cells.len()).map(Who::Cell).chain([Who::El2, Who::Nobody]) {
        let label = match who {
            Who::Cell(_) => format!("cell {}", map.name(who)),
            _ => map.name(who).to_owned(),
        };
        let wide = 34_u32.saturating_add(text_width(&label, 12)).saturating_add(20);
        if x.saturating_add(wide) > width {
            (x, y) = (MARGIN, y.saturating_add(24));
        }
        pen.rect((x, y), (26, 16), who, false);
        pen.text((x.saturating_add(34), y.saturating_add(13)), 12, "", &label, width);
        x = x.saturating_add(wide);
    }
    y.saturating_add(24)
}

fn cpus(pen: &mut Pen, map: &Map, width: u32, top: u32) -> u32 {
    pen.text((MARGIN, top.saturating_add(12)), 14, "b", "CPUs", width);
    let (mut x, mut y) = (MARGIN, top.saturating_add(20));
    for cpu in &map.cpus {
        if x.saturating_add(CPU) > width {
            (x, y) = (MARGIN, y.saturating_add(CPU_HEIGHT).saturating_add(8));
        }
        one_cpu(pen, map, cpu, (x, y));
        x = x.saturating_add(CPU).saturating_add(8);
    }
    y.saturating_add(CPU_HEIGHT).saturating_add(16)
}

fn one_cpu(pen: &mut Pen, map: &Map, cpu: &Cpu, (x, y): (u32, u32)) {
    let owner = map.name(cpu.who);
    let from = cpu.line.map_or_else(String::new, |line| format!(", line {line}"));
    pen.open(&format!("CPU {}: {owner}, {}{from}", cpu.index, cpu.role));
    pen.rect((x, y), (CPU, CPU_HEIGHT), cpu.who, true);
    for (row, text) in (0_u32..).zip([&format!("CPU {}", cpu.index), owner, &cpu.role]) {
        let at = (x.saturating_add(6), y.saturating_add(14).saturating_add(row.saturating_mul(15)));
        pen.label(at, if row == 0 { 12 } else { 10 }, cpu.who, text, CPU.saturating_sub(12));
    }
    pen.close();
}

/// Draws a lane; returns where it ends.
fn lane(pen: &mut Pen, map: &Map, lane: &Lane, x: u32, top: u32) -> u32 {
    pen.text((x, top), 14, "b", &lane.title, LANE.saturating_sub(10));
    pen.text((x, top.saturating_add(15)), 10, "s", &lane.subtitle, LANE.saturating_sub(10));
    let left = x.saturating_add(ADDRESSES);
    let mut y = top.saturating_add(28);
    let mut end = None;
    for segment in &lane.segments {
        if let Some(end) = end.filter(|end| *end != segment.base) {
            tear(pen, (left, y), segment.base.saturating_sub(end));
            y = y.saturating_add(TEAR);
        }
        let height = height(segment);
        let last =
            lane.segments.iter().find(|next| next.base >= segment.end).is_none_or(|next| next.base != segment.end);
        piece(pen, map, segment, (x, y), height, last);
        y = y.saturating_add(height);
        end = Some(segment.end);
    }
    y = y.saturating_add(22);
    pen.text((x, y), 11, "b", "Interrupts", BOX);
    for line in &lane.interrupts {
        y = y.saturating_add(LINE);
        interrupt(pen, line, (x, y));
    }
    y.saturating_add(18)
}

fn height(segment: &Segment) -> u32 {
    let pages = segment.end.saturating_sub(segment.base) >> 12;
    34_u32.saturating_add(pages.checked_ilog2().unwrap_or(0).saturating_mul(2))
}

fn tear(pen: &mut Pen, (x, y): (u32, u32), size: u64) {
    pen.open(&format!("{} of nothing", size::show(size)));
    for dy in [5, 11] {
        let start = y.saturating_add(dy);
        let teeth: String = (0..BOX / 10).map(|tooth| if tooth % 2 == 0 { " l10,4" } else { " l10,-4" }).collect();
        let _ = writeln!(pen.out, "<path d=\"M{x},{start}{teeth}\" fill=\"none\" stroke=\"#888\"/>");
    }
    pen.close();
}

fn piece(pen: &mut Pen, map: &Map, segment: &Segment, (x, y): (u32, u32), height: u32, last: bool) {
    let left = x.saturating_add(ADDRESSES);
    pen.open(&hover(map, segment));
    pen.rect((left, y), (BOX, height), if segment.emulated { Who::Nobody } else { segment.who }, !segment.emulated);
    if segment.emulated {
        let (w, h) = (BOX.saturating_sub(4), height.saturating_sub(4));
        let _ = writeln!(
            pen.out,
            "<rect x=\"{}\" y=\"{}\" width=\"{w}\" height=\"{h}\" fill=\"none\" stroke=\"{}\" stroke-dasharray=\"4 3\"/>",
            left.saturating_add(2),
            y.saturating_add(2),
            pattern::colour(segment.who)
        );
    }
    let who = if segment.emulated { Who::Nobody } else { segment.who };
    let inner = left.saturating_add(6);
    pen.label((inner, y.saturating_add(13)), 11, who, &segment.what, BOX.saturating_sub(12));
    let bytes = size::show(segment.end.saturating_sub(segment.base));
    let second =
        if segment.emulated { format!("{bytes}, emulated") } else { format!("{bytes}, {}", short(segment.rights)) };
    pen.label((inner, y.saturating_add(26)), 10, who, &second, BOX.saturating_sub(12));
    pen.text((x, y.saturating_add(9)), 10, "s", &address(segment.base), ADDRESSES);
    if last && height >= 30 {
        pen.text((x, y.saturating_add(height)), 10, "s", &address(segment.end), ADDRESSES);
    }
    pen.close();
}

/// Shortens rights to letters.
fn short(rights: &str) -> String {
    if rights.starts_with("none") {
        return "no cell's".into();
    }
    rights.split(", ").filter_map(|word| if word == "execute" { Some('x') } else { word.chars().next() }).collect()
}

/// Says everything about a piece.
fn hover(map: &Map, segment: &Segment) -> String {
    let mut text = format!("{} to {}: {}", address(segment.base), address(segment.end), segment.what);
    let _ = write!(text, "\nowner: {}", map.name(segment.who));
    let _ = write!(text, "\nrights: {}\nwriters: {}", segment.rights, segment.writers);
    if let Some(board) = segment.board {
        let _ = write!(text, "\nboard address: {}", address(board));
    }
    if let Some(line) = segment.line {
        let _ = write!(text, "\nline {line} of the plan");
    }
    for detail in segment.details.iter().take(40) {
        let _ = write!(text, "\n  {detail}");
    }
    text
}

fn interrupt(pen: &mut Pen, line: &Interrupt, at: (u32, u32)) {
    let numbers =
        if line.first == line.last { line.first.to_string() } else { format!("{}-{}", line.first, line.last) };
    let from = line.line.map_or_else(String::new, |line| format!(", line {line}"));
    pen.open(&format!("interrupt {numbers}: {}{from}", line.what));
    pen.text(at, 10, "", &format!("{numbers:>7}  {}", line.what), LANE.saturating_sub(20));
    pen.close();
}

/// Writes the elements.
#[derive(Default)]
struct Pen {
    out: String,
}

impl Pen {
    fn open(&mut self, hover: &str) {
        let _ = write!(self.out, "<g><title>{}</title>", escape(hover));
    }

    fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    fn rect(&mut self, (x, y): (u32, u32), (width, height): (u32, u32), who: Who, hovers: bool) {
        let (fill, stroke) = (pattern::fill(who), pattern::colour(who));
        let class = if hovers { " class=\"f\"" } else { "" };
        let _ = writeln!(
            self.out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\" stroke=\"{stroke}\"{class}/>"
        );
    }

    /// Writes text on a pattern: on a white ground, or white where the pattern is dark.
    fn label(&mut self, (x, y): (u32, u32), points: u32, who: Who, text: &str, room: u32) {
        if let Who::Cell(_) = who {
            let wide = text_width(&cut(text, points, room), points).saturating_add(4);
            let (left, top) = (x.saturating_sub(2), y.saturating_sub(points).saturating_add(1));
            let _ = writeln!(
                self.out,
                "<rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{}\" fill=\"#fff\" opacity=\".92\"/>",
                points.saturating_add(2)
            );
        }
        self.text((x, y), points, if who == Who::El2 { "w" } else { "" }, text, room);
    }

    fn text(&mut self, (x, y): (u32, u32), points: u32, class: &str, text: &str, room: u32) {
        let text = escape(&cut(text, points, room));
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{points}\"{class} xml:space=\"preserve\">{text}</text>"
        );
    }
}

/// Returns how wide monospaced text is: 0.602 em a character, and a little.
fn text_width(text: &str, points: u32) -> u32 {
    let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    count.saturating_mul(points).saturating_mul(61).div_ceil(100)
}

/// Cuts the middle out of what is too wide: names of devices differ at the end.
fn cut(text: &str, points: u32, room: u32) -> String {
    let most = room.saturating_mul(100).checked_div(points.saturating_mul(61)).unwrap_or(0) as usize;
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let head = most / 3;
    let tail = most.saturating_sub(head).saturating_sub(1);
    let end: String = text.chars().skip(count.saturating_sub(tail)).collect();
    format!("{}…{end}", text.chars().take(head).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_too_wide_keeps_its_ends() {
        assert_eq!(cut("/virtio_mmio@a003e00", 10, 1000), "/virtio_mmio@a003e00");
        let short = cut("/soc/bus@1000/motherboard/uart@a003e00", 10, 122);
        assert!(text_width(&short, 10) <= 122 && short.ends_with("uart@a003e00"), "{short}");
    }

    #[test]
    fn a_larger_piece_is_higher_and_none_is_too_low_for_its_two_lines() {
        let segment = |size| Segment {
            base: 0,
            end: size,
            what: String::new(),
            details: Vec::new(),
            who: Who::Nobody,
            rights: "",
            writers: String::new(),
            board: None,
            line: None,
            emulated: false,
        };
        let heights = [1, 4096, 1 << 20, 1 << 30, 1 << 40].map(|size| height(&segment(size)));
        assert!(heights.is_sorted() && heights[0] >= 30 && heights[4] < 100);
    }
}
