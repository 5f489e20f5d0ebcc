//! Any text as a `cells.toml`: read, or told where it is wrong.
#![no_main]

use cellwall_cli::plan_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(report) = plan_file::parse("cells.toml".as_ref(), text) {
        assert!(!report.holds() && !report.render(false).is_empty());
    }
});
