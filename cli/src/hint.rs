//! What somebody new to `cells.toml` probably meant.
//!
//! Owns the words of other hypervisors and of QEMU for our keys, an example of each key that is a list or a text, and
//! what goes wrong in a line that is no TOML. Seen in docs/plan-mistakes.md.

/// Others' words for our keys.
const WORDS: [(&str, &str); 18] = [
    ("append", "bootargs"),
    ("args", "bootargs"),
    ("cmdline", "bootargs"),
    ("command_line", "bootargs"),
    ("device_tree", "dtb"),
    ("extra", "bootargs"),
    ("fdt", "dtb"),
    ("image", "kernel"),
    ("initramfs", "initrd"),
    ("mem", "memory"),
    ("ram", "memory"),
    ("ramdisk", "initrd"),
    ("rootfs", "initrd"),
    ("passthrough", "devices"),
    ("restart", "on_fault"),
    ("serial", "console"),
    ("uart", "console"),
    ("vcpus", "cpus"),
];

/// Returns our key for another's word.
#[must_use]
pub fn word(name: &str) -> Option<&'static str> {
    WORDS.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours)
}

/// Returns how a key is written whose value has the wrong form.
#[must_use]
pub fn example(name: &str) -> Option<&'static str> {
    Some(match name {
        "cell" | "[[cell]]" => "write [[cell]], in two brackets, above the keys of each cell",
        "cpus" => "write cpus = [0, 1]",
        "memory" => "write memory = \"256M\", or a list of runs: memory = [{ size = \"64M\" }]",
        "devices" => "write devices = [\"/pl031@9010000\"]",
        "bootargs" => "write bootargs = \"console=ttyAMA0 quiet\"",
        "kernel" | "initrd" | "dtb" | "overlay" => "name one file, relative to the plan",
        _ => return None,
    })
}

/// Says what is probably wrong with the line of `text` at byte `at`, which is no TOML.
#[must_use]
pub fn line(text: &str, at: usize) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let line = text.get(start..)?.lines().next()?.trim();
    if line.contains(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        return Some("use plain quotes: \"".to_owned());
    }
    if line.starts_with("//") || line.starts_with(';') || line.starts_with("/*") {
        return Some("a comment begins with #".to_owned());
    }
    let Some((key, value)) = line.split_once('=') else {
        return line.contains(':').then(|| "this is TOML: write key = value".to_owned());
    };
    let (key, value) = (key.trim(), value.trim());
    if value.starts_with(|first: char| first.is_ascii_alphabetic() || "/.~".contains(first)) {
        return Some(format!("text stands in quotes: {key} = \"{value}\""));
    }
    let list = value.strip_prefix('[')?;
    let words = list.trim_end_matches(']').split(',').any(|item| item.split_whitespace().count() > 1);
    (words && !list.contains(['"', '{'])).then(|| "a list has commas: [0, 1]".to_owned())
}
