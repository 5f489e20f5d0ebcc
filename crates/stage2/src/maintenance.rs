//! The order of barriers, TLB and cache maintenance; what each step is made of belongs to EL2.
//!
//! Owns the sequences of invariant 11; promises the architecture's order. EL2 implements [`Maintenance`] with one
//! instruction or one loop a method; TCG models no caches, so a fake that records the order in host tests is what keeps
//! this true on hardware. DDI 0487 B2 (DSB), D7.5 (caches), D8 "TLB maintenance" (break-before-make).

use address::{PhysAddr, Region};

/// Whose translations are invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Stages 1 and 2 of the cell whose VMID is in `VTTBR_EL2`.
    Cell,
    /// EL2's own stage 1.
    El2,
}

/// What the hardware does; whole regions at a time.
pub trait Maintenance {
    /// Cleans and invalidates every data cache line of `region` to the point of coherency: `DC CIVAC` by line. (A line
    /// left behind clean would later hide what the guest writes with its caches off.)
    fn clean_to_poc(&mut self, region: Region<PhysAddr>);
    /// Invalidates all instruction caches of the inner shareable domain: `IC IALLUIS`.
    fn invalidate_icache(&mut self);
    /// Invalidates a regime's TLB entries on all CPUs: `TLBI VMALLS12E1IS` (over an empty table, where the VMID is not the
    /// current one), or `TLBI ALLE2IS`.
    fn tlbi(&mut self, regime: Regime);
    /// `DSB ISHST`: earlier stores are seen by every table walker.
    fn dsb_ishst(&mut self);
    /// `DSB ISH`: earlier accesses and maintenance are complete.
    fn dsb_ish(&mut self);
    /// `DSB SY`: the same for observers outside the inner shareable domain, as a guest with its caches off is.
    fn dsb_sy(&mut self);
    /// `ISB`.
    fn isb(&mut self);
}

/// Makes what was written to tables, their finish or the break of break-before-make, visible to every walker of `regime`,
/// with nothing of what stood there left in a TLB.
pub fn publish(maintenance: &mut impl Maintenance, regime: Regime) {
    maintenance.dsb_ishst();
    maintenance.tlbi(regime);
    maintenance.dsb_ish();
    maintenance.isb();
}

/// Makes bytes EL2 has written (image, cell tree, scrubbed RAM) what a guest with MMU and caches off loads and fetches.
pub fn publish_image(maintenance: &mut impl Maintenance, region: Region<PhysAddr>) {
    maintenance.clean_to_poc(region);
    maintenance.dsb_sy();
    maintenance.invalidate_icache();
    maintenance.dsb_ish();
    maintenance.isb();
}
