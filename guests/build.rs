//! Tells the linker how a guest is laid out: `kit/guest.ld`, position independent, relocations kept.
//! Only for the bare-metal target; a host build of the workspace gets nothing from here.

fn main() {
    let kit = concat!(env!("CARGO_MANIFEST_DIR"), "/../kit");
    println!("cargo::rerun-if-changed={kit}/guest.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        for flag in ["-pie", "--no-dynamic-linker", "-znotext", "--apply-dynamic-relocs", "-zmax-page-size=4096"] {
            println!("cargo::rustc-link-arg-bins={flag}");
        }
        println!("cargo::rustc-link-arg-bins=-T{kit}/guest.ld");
    }
}
