//! A guest's general registers while EL2 serves it: what `vectors.S` saved.

/// x0 to x30, on the CPU's own stack.
#[repr(C)]
pub struct Frame {
    registers: [u64; 31],
    _pad: u64,
}

const _: () = assert!(size_of::<Frame>() == 256, "vectors.S saves 256 bytes");

impl Frame {
    /// Reads register `n`; 31 is XZR.
    #[inline]
    pub fn get(&self, n: u8) -> u64 {
        self.registers.get(usize::from(n)).copied().unwrap_or(0)
    }

    /// Writes register `n`; a write of 31 is dropped.
    #[inline]
    pub fn set(&mut self, n: u8, value: u64) {
        if let Some(register) = self.registers.get_mut(usize::from(n)) {
            *register = value;
        }
    }

    /// x0 to x3: function and arguments of a call.
    #[inline]
    pub fn arguments(&self) -> [u64; 4] {
        [self.registers[0], self.registers[1], self.registers[2], self.registers[3]]
    }
}
