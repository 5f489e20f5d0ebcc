//! `cells.toml`: what is understood, what is refused, and where the finger points.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use cellwall_cli::plan_file::{self, PlanFile};
use cellwall_cli::report::Report;
use manifest::{Console, Dma, Memory};
use proptest::prelude::*;
use std::path::Path;

const CELL: &str = "name = \"a\"\ncpus = [0]\nmemory = \"64M\"\nkernel = \"Image\"\n";

fn parse(text: &str) -> Result<PlanFile, Report> {
    plan_file::parse(Path::new("here/cells.toml"), text)
}

fn cell(more: &str) -> Result<PlanFile, Report> {
    parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{CELL}{more}\n"))
}

/// The one message and help.
fn refusal(plan: Result<PlanFile, Report>) -> (String, Option<String>) {
    let report = plan.unwrap_err();
    assert_eq!(report.problems.len(), 1, "{report}");
    let problem = report.problems[0].clone();
    (problem.message, problem.help)
}

#[test]
fn every_key_of_this_version_is_understood() {
    let text = r#"
board = "qemu-virt"
when_idle = "poweroff"
service_cpu = 3
[[cell]]
name = "linux"
cpus = [0, 1]
memory = [{ size = "256M", at = 0x4000_0000, identity = true }, { size = 4096, at = "0x8000_0000" }]
kernel = "Image"
initrd = "cpio"
bootargs = ""
devices = ["/a", "b"]
dma = "trusted"
console = "none"
gic = "passthrough"
[[cell]]
name = "second"
cpus = [2]
memory = 0x10_0000
kernel = "Image"
"#;
    let plan = parse(text).unwrap();
    assert_eq!((plan.board.as_str(), plan.poweroff_when_idle, plan.service_cpu), ("qemu-virt", true, Some(3)));
    let cell = &plan.cells[0];
    assert_eq!((cell.cpus.as_slice(), cell.initrd.as_deref()), (&[0, 1][..], Some("cpio")));
    assert_eq!((cell.dma, cell.console, cell.devices.len()), (Dma::Trusted, Console::None, 2));
    assert_eq!([cell.passthrough, plan.cells[1].passthrough], [true, false]);
    let runs = [
        Memory { size: 256 << 20, at: Some(0x4000_0000), identity: true },
        Memory { size: 4096, at: Some(0x8000_0000), identity: false },
    ];
    assert_eq!(cell.memory, runs);
    assert_eq!(plan.cells[1].memory, [Memory { size: 1 << 20, at: None, identity: false }]);
    assert_eq!((plan.cells[1].dma, plan.cells[1].console), (Dma::Unsaid, Console::Virtual));
}

#[test]
fn a_key_of_a_later_version_may_say_what_holds_anyway() {
    let defaults = "dtb = \"auto\"\ngic = \"virtual\"\non_fault = \"stop\"\non_violation = \"stop\"\nstart = \"boot\"\n\
                    manager = false";
    cell(defaults).unwrap();
    let memory = CELL.replace("\"64M\"", "[{ size = \"64M\", rights = \"rwx\" }]");
    parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{memory}")).unwrap();
}

#[test]
fn each_key_of_a_later_version_is_refused_by_name() {
    for line in ["manager = true", "dma = \"smmu\""] {
        let (message, help) = refusal(cell(line));
        let key = line.split(' ').next().unwrap();
        assert!(message.starts_with(key) && message.ends_with("is not in this version"), "{line}: {message}");
        assert!(help.is_some_and(|help| help.starts_with("leave")), "{line}");
    }
    let memory = CELL.replace("\"64M\"", "[{ size = \"64M\", rights = \"rx\" }]");
    let (message, _) = refusal(parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{memory}")));
    assert_eq!(message, "rights = \"rx\" is not in this version");
    let (message, _) = refusal(cell("[[channel]]\nname = \"x\""));
    assert_eq!(message, "[[channel]] is not in this version");
}

#[test]
fn the_rest_goes_to_one_cell() {
    let plan = |key: &str| {
        let cell = CELL.replace("memory = \"64M\"\n", "");
        let memory = if key == "memory" { "" } else { "memory = \"64M\"\n" };
        let cell = format!("[[cell]]\n{cell}\n{memory}{key} = \"rest\"\n");
        (format!("board = \"qemu-virt\"\n{cell}"), format!("board = \"qemu-virt\"\n{cell}{cell}"))
    };
    let (one, two) = plan("devices");
    assert!(parse(&one).unwrap().cells[0].rest);
    let (message, help) = refusal(parse(&two));
    assert!(message.ends_with("says devices = \"rest\", as another cell"), "{message}");
    assert_eq!(help.as_deref(), Some("the rest goes to one cell"));
    let (one, two) = plan("memory");
    assert!(parse(&one).unwrap().cells[0].all_memory);
    assert!(refusal(parse(&two)).0.contains("memory = \"rest\""));
}

#[test]
fn a_kernels_place_and_a_cells_own_tree_are_read() {
    let said = "load = 0x4008_0000\nentry = \"0x4008_1000\"\ndtb = \"my.dtb\"\noverlay = \"extra.dtso\"";
    let cell = cell(said).unwrap().cells.remove(0);
    assert_eq!(cell.place, (Some(0x4008_0000), Some(0x4008_1000)));
    assert_eq!((cell.dtb.as_deref(), cell.overlay.as_deref()), (Some("my.dtb"), Some("extra.dtso")));
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let (message, help) = refusal(cell("bootarg = \"quiet\""));
    assert_eq!((message.as_str(), help.as_deref()), ("a cell has no key bootarg", Some("did you mean bootargs?")));
    let (message, help) = refusal(parse(&format!("bord = \"qemu-virt\"\n[[cell]]\n{CELL}")));
    assert_eq!((message.as_str(), help.as_deref()), ("the plan has no key bord", Some("did you mean board?")));
    let (_, help) = refusal(cell("colour = \"red\""));
    assert!(help.unwrap().starts_with("the keys are name, cpus, memory"));
    let memory = CELL.replace("\"64M\"", "[{ sise = \"64M\" }]");
    let (message, _) = refusal(parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{memory}")));
    assert_eq!(message, "memory has no key sise");
}

#[test]
fn what_is_needed_and_absent_is_named() {
    let report = parse("[[cell]]\nname = \"a\"\n").unwrap_err();
    let messages: Vec<&str> = report.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        ["the plan has no board", "cell a has no cpus", "cell a has no memory", "cell a has no kernel"]
    );
    assert_eq!(refusal(parse("board = \"qemu-virt\"")).0, "the plan has no cell");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    for (line, message) in [
        ("cpus = []", "cpus is empty"),
        ("cpus = 1", "cpus must be a list"),
        ("cpus = [-1]", "cpus must be the index of a CPU: 0, 1, ..."),
        ("cpus = [0x1_0000_0000]", "cpus must be the index of a CPU: 0, 1, ..."),
        ("memory = []", "memory is empty"),
        ("memory = [\"64M\"]", "memory must be a table"),
        ("memory = [{ at = 0 }]", "a run of memory has no size"),
        ("memory = \"64Q\"", "memory must be a number of bytes such as \"256M\", \"64K\" or 0x4000_0000"),
        ("kernel = \"\"", "kernel must be text that is not empty"),
        ("kernel = 5", "kernel must be text in quotes"),
        ("kernel = \"a\\u0000b\"", "kernel must be text without NUL"),
    ] {
        let key = line.split(' ').next().unwrap();
        let kept: Vec<&str> = CELL.lines().filter(|other| !other.starts_with(key)).collect();
        let kept = kept.join("\n");
        let (said, _) = refusal(parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{kept}\n{line}")));
        assert_eq!(said, message, "{line}");
    }
    assert_eq!(refusal(cell("dma = \"maybe\"")).0, "dma must be \"none\" or \"trusted\"");
    assert_eq!(refusal(parse("board = \"b\"\ncell = 5")).0, "cell must be a list");
}

#[test]
fn what_follows_a_fault_is_read() {
    let read = |line| parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{CELL}{line}\n")).unwrap().cells[0].clone();
    assert_eq!(read("on_fault = \"restart\"").on_fault, (u32::MAX, 0));
    assert_eq!(read("on_fault = { restart = 3, within = \"10s\" }").on_fault, (3, 10_000));
    assert_eq!(read("on_fault = { restart = 16, within = \"250ms\" }").on_fault, (16, 250));
    assert!(read("on_violation = \"inject\"").forgiving && read("start = \"manual\"").manual);
    let cell = read("on_fault = \"stop\"");
    assert_eq!((cell.on_fault, cell.forgiving, cell.manual), ((0, 0), false, false));
}

#[test]
fn a_budget_that_means_nothing_is_refused() {
    for (value, complaint) in [
        ("{ restart = 0, within = \"10s\" }", "restart must be"),
        ("{ restart = 17, within = \"10s\" }", "restart must be"),
        ("{ restart = 3, within = \"0s\" }", "within must be a time"),
        ("{ restart = 3, within = 10 }", "within must be a time"),
        ("{ restart = 3, within = \"9999999s\" }", "within must be a time"),
        ("{ restart = 3 }", "on_fault has no within"),
        ("{ within = \"1s\" }", "on_fault has no restart"),
        ("{ restart = 3, whithin = \"1s\" }", "on_fault has no key whithin"),
        ("\"retry\"", "on_fault must be"),
    ] {
        let (message, _) = refusal(cell(&format!("on_fault = {value}")));
        assert!(message.starts_with(complaint), "{value}: {message}");
    }
}

#[test]
fn broken_toml_is_shown_where_it_breaks() {
    let report = parse("board = \"qemu-virt\"\ncell = [\n").unwrap_err();
    assert!(report.to_string().contains("here/cells.toml:"), "{report}");
}

#[test]
fn errors_show_the_line() {
    let report = parse(&format!("board = \"qemu-virt\"\n[[cell]]\n{CELL}manager = true\n")).unwrap_err();
    let expected = "\
error[E0005]: manager = true is not in this version
 --> here/cells.toml:7:11
  |
7 | manager = true
  |           ^^^^
  |
  = help: leave it out, or write manager = false";
    assert_eq!(report.to_string(), expected);
    let place = &report.json()["findings"][0]["place"];
    assert_eq!((&place["line"], &place["column"]), (&7.into(), &11.into()));
}

#[test]
fn files_are_looked_for_beside_the_plan() {
    let plan = cell("").unwrap();
    assert_eq!(plan.resolve("Image"), Path::new("here/Image"));
    assert_eq!(plan.resolve("/boot/Image"), Path::new("/boot/Image"));
}

#[test]
fn keys_are_found_again_for_later_findings() {
    let plan = cell("devices = [\"/a\", \"/b\"]").unwrap();
    let text = |cell, key| plan.text.get(plan.span(cell, key).unwrap()).unwrap();
    assert_eq!(text(Some(0), "cpus"), "cpus = [0]");
    assert_eq!(text(Some(0), "devices[1]"), "\"/b\"");
    assert_eq!(text(Some(0), "memory[0]"), "memory = \"64M\"");
    assert_eq!(text(Some(0), "console"), "[[cell]]");
    assert_eq!(text(None, "board"), "board = \"qemu-virt\"");
    assert_eq!(plan.span(None, "service_cpu"), None);
}

proptest! {
    #[test]
    fn no_mutant_of_a_plan_panics_and_each_refusal_can_be_shown(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), "[a-z0-9\\[\\]{}=\"#,. \n\rß\u{1f9f1}\\\\]{0,3}"), 1..6),
    ) {
        let mut plan = format!("board = \"qemu-virt\"\n[[cell]]\n{CELL}devices = [\"/a\"]\ndma = \"none\"\n");
        for (at, text) in edits {
            let places: Vec<usize> = plan.char_indices().map(|(place, _)| place).collect();
            let place = places[at.index(places.len())];
            plan.remove(place);
            plan.insert_str(place, &text);
        }
        if let Err(report) = parse(&plan) {
            prop_assert!(!report.render(true).is_empty() && !report.json().is_null());
        }
    }
}
