//! One page with the drawing and, for who does not see it, the same as tables.

use super::{Lane, Map, address, escape, svg};
use crate::size;
use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1.5em;color:#000;background:#fff}\
    figure{margin:0;overflow-x:auto}table{border-collapse:collapse;margin:.5em 0 1.5em}\
    caption{text-align:left;font-weight:bold;padding:.3em 0}\
    th,td{border:1px solid #888;padding:.15em .6em;text-align:left;vertical-align:top}\
    td.n{font-family:monospace;white-space:nowrap;text-align:right}thead th{background:#eee}\
    @media print{figure{break-inside:avoid}}";

/// Writes the page.
#[must_use]
pub fn page(map: &Map) -> String {
    let title = escape(&map.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>Who owns what</h1>\n"
    );
    for note in &map.notes {
        let _ = writeln!(out, "<p><strong>Mind:</strong> {}</p>", escape(note));
    }
    out.push_str("<p><a href=\"#tables\">The same as tables</a></p>\n<figure>\n");
    out.push_str(&svg::draw(map));
    out.push_str("</figure>\n<h2 id=\"tables\">Tables</h2>\n");
    cpus(&mut out, map);
    for lane in &map.lanes {
        addresses(&mut out, map, lane);
        interrupts(&mut out, lane);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Writes a table; cells that begin with a digit stand right.
fn table(out: &mut String, caption: &str, heads: &[&str], rows: &[Vec<String>]) {
    let _ = writeln!(out, "<table>\n<caption>{}</caption>\n<thead><tr>", escape(caption));
    for head in heads {
        let _ = write!(out, "<th scope=\"col\">{head}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, text) in row.iter().enumerate() {
            let text = escape(text).replace('\n', "<br>");
            let _ = match (column, text.starts_with(|c: char| c.is_ascii_digit())) {
                (0, _) => write!(out, "<th scope=\"row\">{text}</th>"),
                (_, true) => write!(out, "<td class=\"n\">{text}</td>"),
                _ => write!(out, "<td>{text}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

fn line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| line.to_string())
}

fn cpus(out: &mut String, map: &Map) {
    let row = |cpu: &super::Cpu| {
        vec![format!("CPU {}", cpu.index), map.name(cpu.who).to_owned(), cpu.role.clone(), line(cpu.line)]
    };
    let rows: Vec<Vec<String>> = map.cpus.iter().map(row).collect();
    table(out, "CPUs", &["CPU", "owner", "as", "line"], &rows);
}

fn addresses(out: &mut String, map: &Map, lane: &Lane) {
    let row = |segment: &super::Segment| {
        let what = if segment.details.len() > 1 { segment.details.join("\n") } else { segment.what.clone() };
        vec![
            what,
            address(segment.base),
            address(segment.end),
            size::show(segment.end.saturating_sub(segment.base)),
            map.name(segment.who).to_owned(),
            segment.rights.to_owned(),
            segment.writers.clone(),
            segment.board.map_or_else(String::new, address),
            line(segment.line),
        ]
    };
    let rows: Vec<Vec<String>> = lane.segments.iter().map(row).collect();
    let heads = ["what", "from", "up to", "size", "owner", "rights", "who may write", "board address", "line"];
    table(out, &format!("{}: {}", lane.title, lane.subtitle), &heads, &rows);
}

fn interrupts(out: &mut String, lane: &Lane) {
    let row = |one: &super::Interrupt| {
        let last = if one.first == one.last { String::new() } else { format!(" to {}", one.last) };
        vec![one.what.clone(), format!("{}{last}", one.first), line(one.line)]
    };
    let rows: Vec<Vec<String>> = lane.interrupts.iter().map(row).collect();
    table(out, &format!("{}: interrupts", lane.title), &["of", "number", "line"], &rows);
}
