//! A guest's general registers while EL2 serves it: what `vectors.S` saved.

/// x0 to x30 and XZR, on the CPU's own stack.
#[repr(C)]
pub struct Frame {
    registers: [u64; 32],
}

const _: () = assert!(size_of::<Frame>() == 256, "vectors.S saves 256 bytes");

impl Frame {
    /// Reads register `n`; 31 is XZR.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    pub fn get(&self, n: u8) -> u64 {
        self.registers[usize::from(n & 31)]
    }

    /// Writes register `n`, as the last thing of an exit: of 31 the next exit saves a zero again.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    pub fn set(&mut self, n: u8, value: u64) {
        self.registers[usize::from(n & 31)] = value;
    }

    /// All of them.
    pub fn general(&self) -> &[u64] {
        &self.registers
    }

    /// x0 to x3: function and arguments of a call.
    #[inline]
    pub fn arguments(&self) -> [u64; 4] {
        [self.registers[0], self.registers[1], self.registers[2], self.registers[3]]
    }
}
