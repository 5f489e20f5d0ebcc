//! The map as a browser lays it out: no label lies on another or leaves its box. Needs Chromium; `./x test --full`.
//!
//! Boxes are the browser's own (`getBBox`); the screenshots stay in the target folder for people to look at.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, reason = "tests")]

mod common;

use common::{Folder, cells};
use std::path::Path;
use std::process::Command;

/// Compares every pair of texts, and each text with the box of its group.
const JUDGE: &str = r#"<pre id="verdict"></pre><script>
const texts = [...document.querySelectorAll("svg text")].map(t => [t, t.getBBox()]);
const said = [];
for (let i = 0; i < texts.length; i++) {
    const [t, a] = texts[i];
    for (let j = 0; j < i; j++) {
        const [u, b] = texts[j];
        const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
        const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
        // Boxes hold the room above and below letters too: a pixel and a half of it may be shared.
        if (across > 0.5 && down > 1.5) said.push(`"${t.textContent}" lies on "${u.textContent}"`);
    }
    const box = t.parentNode.tagName == "g" && t.parentNode.querySelector("rect.f");
    if (box && a.x >= box.getBBox().x && a.x + a.width > box.getBBox().x + box.getBBox().width)
        said.push(`"${t.textContent}" leaves its box`);
    const whole = t.ownerSVGElement.viewBox.baseVal;
    if (a.x < 0 || a.x + a.width > whole.width || a.y + a.height > whole.height) said.push(`"${t.textContent}" is cut off`);
}
document.getElementById("verdict").textContent = `judged ${texts.length} texts: ${said.join("; ")}.`;
</script></body>"#;

fn chromium(arguments: &[&str], page: &Path) -> Vec<u8> {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"])
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("Debian's package chromium");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn judge(count: usize) {
    let folder = Folder::new(&cells(count));
    let arguments = ["map", "cells.toml", "-o", "map.html", "--smp", "16"];
    let done =
        Command::new(env!("CARGO_BIN_EXE_cellwall")).args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let page = std::fs::read_to_string(folder.file("map.html")).unwrap();
    folder.write("judged.html", page.replace("</body>", JUDGE).as_bytes());
    let dom = String::from_utf8(chromium(&["--dump-dom"], &folder.file("judged.html"))).unwrap();
    let verdict = dom.split_once("<pre id=\"verdict\">").unwrap().1.split_once("</pre>").unwrap().0;
    let (texts, said) = verdict.strip_prefix("judged ").unwrap().split_once(" texts: ").unwrap();
    assert!(texts.parse::<usize>().unwrap() > 40 && said == ".", "{verdict}");
    let shot = format!("--screenshot={}/map-{count}-cells.png", env!("CARGO_TARGET_TMPDIR"));
    chromium(&[&shot, "--window-size=1400,3000"], &folder.file("map.html"));
}

#[test]
fn no_label_lies_on_another_with_four_cells() {
    judge(4);
}

#[test]
fn no_label_lies_on_another_with_twelve_cells() {
    judge(12);
}
