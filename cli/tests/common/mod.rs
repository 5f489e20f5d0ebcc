//! Folders with a plan and stand-ins for guests.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::path::{Path, PathBuf};

/// A plan that holds on qemu-virt.
pub const GOOD: &str = r#"board = "qemu-virt"

[[cell]]
name = "hello"
cpus = [0]
memory = "64M"
kernel = "Image"
bootargs = "console=ttyAMA0"

[[cell]]
name = "linux"
cpus = [1, 2]
memory = [{ size = "256M", at = 0x4000_0000 }]
kernel = "Image"
initrd = "initrd.cpio"
devices = ["/pl031@9010000"]
dma = "none"
"#;

/// A plan in which two cells want the same.
pub const CLASH: &str = r#"board = "qemu-virt"
[[cell]]
name = "a"
cpus = [0, 9]
memory = "64M"
kernel = "Image"
[[cell]]
name = "b"
cpus = [0]
memory = "64M"
kernel = "Image"
"#;

/// A plan of `count` cells of one CPU, the first with devices.
pub fn cells(count: usize) -> String {
    let mut plan = String::from("board = \"qemu-virt\"\n");
    for index in 0..count {
        let more = match index {
            0 => "initrd = \"initrd.cpio\"\ndevices = [\"/pl031@9010000\", \"/pl061@9030000\"]\n",
            1 => "devices = [\"/fw-cfg@9020000\", \"/flash@0\"]\ndma = \"none\"\n",
            2 => "console = \"none\"\n",
            _ => "",
        };
        let memory =
            if index % 3 == 1 { "[{ size = \"16M\" }, { size = \"1M\", at = 0x9000_0000 }]" } else { "\"8M\"" };
        let (cpus, image) = (format!("cpus = [{index}]"), "kernel = \"Image\"");
        let lines =
            ["[[cell]]".into(), format!("name = \"cell{index}\""), cpus, format!("memory = {memory}"), image.into()];
        plan.push_str(&lines.join("\n"));
        plan.push('\n');
        plan.push_str(more);
    }
    plan
}

/// An arm64 `Image` of 4 KiB that branches to itself.
pub fn image() -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[..4].copy_from_slice(&0x1400_0000_u32.to_le_bytes());
    image[16..24].copy_from_slice(&0x18_0000_u64.to_le_bytes());
    image[24..32].copy_from_slice(&10_u64.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    image
}

/// A folder with `cells.toml`, `Image` and `initrd.cpio`.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new(plan: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("cells.toml", plan.as_bytes());
        folder.write("Image", &image());
        folder.write("initrd.cpio", b"070701 or so");
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.file(name), bytes).unwrap();
    }

    pub fn plan(&self) -> cellwall_cli::plan_file::PlanFile {
        cellwall_cli::plan_file::load(&self.file("cells.toml")).unwrap()
    }
}

/// An ELF file for `machine` with these segments: physical address, bytes in the file, bytes in memory.
pub fn elf(machine: u16, segments: &[(u64, &[u8], u64)]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2_u16.to_le_bytes(), machine.to_le_bytes()].concat());
    file.extend(1_u32.to_le_bytes());
    file.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    let count = u16::try_from(segments.len()).unwrap();
    file.extend([64, 56, count, 64, 0, 0].map(u16::to_le_bytes).concat());
    let mut offset = 64 + 56 * segments.len() as u64;
    for (address, bytes, memory) in segments {
        file.extend([1_u32, 5].map(u32::to_le_bytes).concat());
        let size = bytes.len() as u64;
        file.extend([offset, *address, *address, size, *memory, 4096].map(u64::to_le_bytes).concat());
        offset += size;
    }
    for (_, bytes, _) in segments {
        file.extend_from_slice(bytes);
    }
    file
}
