//! Hands the linker script to the linker of the EL2 image.
fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bins=-T{root}/linker/cellwall.ld");
    println!("cargo:rustc-link-arg-bins=-znognustack");
    println!("cargo:rerun-if-changed=linker/cellwall.ld");
}
