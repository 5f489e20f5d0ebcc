//! The plot: a group an event that has a goal or says more than others, a bar each for bare metal, Cellwall, Bao and Xen, on a logarithmic scale.

use super::costs::{Costs, of};
use super::{Mode, Run};
use std::fmt::Write as _;

const LEFT: f64 = 300.0;
const WIDTH: f64 = 560.0;
const BAR: f64 = 11.0;
const SCALE: [u64; 7] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
/// Those without a goal that are plotted too.
const PLOTTED: [&str; 5] = ["line", "storm", "hole", "restart", "linux"];
const COLOURS: [(&str, &str); 4] =
    [("bare metal", "#9a9a9a"), ("Cellwall", "#1b7f5c"), ("Bao", "#c98a1b"), ("Xen 4.17", "#7a5ea8")];

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn length(value: u64) -> f64 {
    (value.max(1) as f64).log10() / 6.0 * WIDTH
}

/// An SVG of the runs on that GIC.
#[must_use]
pub fn svg(costs: &Costs, runs: &[Run], gic: u32) -> String {
    let find = |mode, event: &str| {
        runs.iter().filter(|run| run.mode == mode && run.gic == gic).filter_map(|run| run.min(event)).min()
    };
    let (mut body, mut y) = (String::new(), 60.0);
    for event in costs.event.iter().filter(|event| event.goal.is_some() || PLOTTED.contains(&event.name.as_str())) {
        let values = [
            find(Mode::Bare, &event.name),
            find(Mode::Virtual, &event.name),
            event.bao.map(|pair| of(pair, gic)),
            event.xen417.map(|pair| of(pair, gic)),
        ];
        let _ = writeln!(body, r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#, LEFT - 8.0, y + 26.0, event.text);
        for (value, (_, colour)) in values.into_iter().zip(COLOURS) {
            if let Some(value) = value {
                let width = length(value).max(1.0);
                let _ = writeln!(
                    body,
                    r#"<rect x="{LEFT}" y="{y}" width="{width:.1}" height="{}" fill="{colour}"/><text x="{:.1}" y="{}" font-size="10">{value}</text>"#,
                    BAR - 1.0,
                    LEFT + width + 4.0,
                    y + BAR - 2.0
                );
            }
            y += BAR;
        }
        y += 10.0;
    }
    let mut grid = String::new();
    for tick in SCALE {
        let x = LEFT + length(tick);
        let _ = writeln!(
            grid,
            r##"<path d="M{x:.1} 52V{y}" stroke="#ddd"/><text x="{x:.1}" y="46" font-size="10" text-anchor="middle">{tick}</text>"##
        );
    }
    let mut legend = String::new();
    for ((name, colour), x) in COLOURS.into_iter().zip([300.0, 400.0, 490.0, 550.0]) {
        let _ = writeln!(
            legend,
            r#"<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/><text x="{}" y="24">{name}</text>"#,
            x + 16.0
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 920 {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"24\">Instructions, GICv{gic}, logarithmic</text>\n\
         {legend}{grid}{body}</svg>\n",
        y + 10.0
    )
}
