//! The few A64 instructions a call graph needs: transfers of control, and the ways to make an address.
//!
//! In: a word and where it stands. Out: an [`Instruction`] with absolute targets. Whatever is not listed is
//! [`Instruction::Other`]. DDI 0487 C4.1 "A64 instruction set encoding".

/// What a word does, as far as control and addresses go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `B`: goes to an address for good.
    Jump(u64),
    /// `BL`.
    Call(u64),
    /// `B.cond`, `CBZ`, `CBNZ`, `TBZ`, `TBNZ`: may go to an address.
    Branch(u64),
    /// `BLR` and its authenticated forms.
    IndirectCall,
    /// `BR` through a register, and its authenticated forms.
    IndirectJump(u8),
    /// `RET`, `ERET`: back to whoever called.
    Return,
    /// `BRK`, `UDF`: goes nowhere.
    Trap,
    /// `ADRP`: a register gets the address of a page.
    Page(u8, u64),
    /// `ADR`: a register gets an address.
    Address(u64),
    /// `ADD` with an immediate: to, from, how much.
    Add(u8, u8, u64),
    /// `ADD` of two registers: to.
    AddRegister(u8),
    /// `LDR` of eight bytes beside the code.
    Literal(u64),
    /// A load or store at a register and an unsigned offset.
    Access(u8, u64),
    /// Anything else.
    Other,
}

impl Instruction {
    /// Whether what follows in the code need not be what runs next.
    #[must_use]
    pub fn leaves(self) -> bool {
        matches!(
            self,
            Self::Jump(_)
                | Self::Call(_)
                | Self::Branch(_)
                | Self::IndirectCall
                | Self::IndirectJump(_)
                | Self::Return
                | Self::Trap
        )
    }
}

/// Bits `low..low + width` of `word`.
fn field(word: u32, low: u32, width: u32) -> u32 {
    word.wrapping_shr(low) & 1_u32.wrapping_shl(width).wrapping_sub(1)
}

/// The same as a signed number.
fn signed(word: u32, low: u32, width: u32) -> i64 {
    let shift = 64_u32.wrapping_sub(width);
    i64::from(field(word, low, width)).wrapping_shl(shift).wrapping_shr(shift)
}

/// A register's number.
fn register(word: u32, low: u32) -> u8 {
    field(word, low, 5).to_le_bytes()[0]
}

/// Decodes the word at `at`.
#[must_use]
pub fn decode(word: u32, at: u64) -> Instruction {
    let target = |low, width| at.wrapping_add_signed(signed(word, low, width).wrapping_mul(4));
    if word & 0xfc00_0000 == 0x1400_0000 {
        Instruction::Jump(target(0, 26))
    } else if word & 0xfc00_0000 == 0x9400_0000 {
        Instruction::Call(target(0, 26))
    } else if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        Instruction::Branch(target(5, 19))
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        Instruction::Branch(target(5, 14))
    } else if word & 0xfe00_0000 == 0xd600_0000 {
        match field(word, 21, 4) & 0b111 {
            0b000 => Instruction::IndirectJump(register(word, 5)),
            0b001 => Instruction::IndirectCall,
            _ => Instruction::Return,
        }
    } else if word & 0xffe0_001f == 0xd420_0000 || word & 0xffff_0000 == 0 {
        Instruction::Trap
    } else if word & 0x1f00_0000 == 0x1000_0000 {
        let offset = signed(word, 5, 19).wrapping_mul(4) | i64::from(field(word, 29, 2));
        if word & 0x8000_0000 == 0 {
            Instruction::Address(at.wrapping_add_signed(offset))
        } else {
            Instruction::Page(register(word, 0), (at & !0xfff).wrapping_add_signed(offset.wrapping_mul(4096)))
        }
    } else if word & 0xff80_0000 == 0x9100_0000 {
        let shift = field(word, 22, 1).wrapping_mul(12);
        Instruction::Add(register(word, 0), register(word, 5), u64::from(field(word, 10, 12)).wrapping_shl(shift))
    } else if word & 0xff20_0000 == 0x8b00_0000 || word & 0xffe0_0000 == 0x8b20_0000 {
        Instruction::AddRegister(register(word, 0))
    } else if word & 0xff00_0000 == 0x5800_0000 {
        Instruction::Literal(target(5, 19))
    } else if word & 0x3b00_0000 == 0x3900_0000 {
        // 128-bit vectors are told by opc<1>.
        let wide = word & 0x0480_0000 == 0x0480_0000 && field(word, 30, 2) == 0;
        let scale = if wide { 4 } else { field(word, 30, 2) };
        Instruction::Access(register(word, 5), u64::from(field(word, 10, 12)).wrapping_shl(scale))
    } else {
        Instruction::Other
    }
}

#[cfg(test)]
mod tests {
    use super::{Instruction as I, decode};

    const AT: u64 = 0xff80_0000_1000;

    #[test]
    fn direct_transfers_have_absolute_targets() {
        assert_eq!(decode(0x1400_0002, AT), I::Jump(AT + 8));
        assert_eq!(decode(0x17ff_ffff, AT), I::Jump(AT - 4));
        assert_eq!(decode(0x9400_007c, 0xff80_0000_010c), I::Call(0xff80_0000_02fc));
        assert_eq!(decode(0x97ff_fffe, AT), I::Call(AT - 8));
        assert_eq!(decode(0x54ff_ffa3, 0xff80_0000_030c), I::Branch(0xff80_0000_0300), "b.cc");
        assert_eq!(decode(0xb400_0040, AT), I::Branch(AT + 8), "cbz x0");
        assert_eq!(decode(0x35ff_ffe1, AT), I::Branch(AT - 4), "cbnz w1");
        assert_eq!(decode(0xb6f0_0240, 0xff80_0000_2ddc), I::Branch(0xff80_0000_2e24), "tbz x0, #62");
        assert_eq!(decode(0x3707_ffe2, AT), I::Branch(AT - 4), "tbnz w2, #0");
    }

    #[test]
    fn indirect_transfers_and_returns_are_told_apart() {
        assert_eq!(decode(0xd63f_0100, AT), I::IndirectCall, "blr x8");
        assert_eq!(decode(0xd73f_0900, AT), I::IndirectCall, "blraa x8, x0");
        assert_eq!(decode(0xd61f_0240, AT), I::IndirectJump(18), "br x18");
        assert_eq!(decode(0xd65f_03c0, AT), I::Return, "ret");
        assert_eq!(decode(0xd69f_03e0, AT), I::Return, "eret");
        assert_eq!(decode(0xd420_0020, AT), I::Trap, "brk #1");
        assert_eq!(decode(0x0000_0000, AT), I::Trap, "udf #0");
    }

    #[test]
    fn addresses_are_followed_through_page_and_offset() {
        assert_eq!(decode(0x1018_77e0, 0xff80_0000_0104), I::Address(0xff80_0003_1000));
        assert_eq!(decode(0x5008_b229, 0xff80_0001_8d2c), I::Address(0xff80_0002_a372), "bits of the low part");
        assert_eq!(decode(0x10ff_e8c2, 0xff80_0000_0318), I::Address(0xff80_0000_0030), "adr backwards");
        assert_eq!(decode(0xf000_01c1, 0xff80_0000_0108), I::Page(1, 0xff80_0003_b000));
        assert_eq!(decode(0x9000_0015, 0xff80_0000_0190), I::Page(21, 0xff80_0000_0000));
        assert_eq!(decode(0x9100_6108, AT), I::Add(8, 8, 24), "add x8, x8, #24");
        assert_eq!(decode(0x9140_0509, AT), I::Add(9, 8, 0x1000), "add x9, x8, #1, lsl #12");
        assert_eq!(decode(0x8b0b_094a, AT), I::AddRegister(10), "add x10, x10, x11, lsl #2");
        assert_eq!(decode(0x5800_1362, 0xff80_0000_0114), I::Literal(0xff80_0000_0380));
        assert_eq!(decode(0xf940_0d03, AT), I::Access(8, 24), "ldr x3, [x8, #24]");
        assert_eq!(decode(0x3dc0_0501, AT), I::Access(8, 16), "ldr q1, [x8, #16]");
    }

    #[test]
    fn what_moves_no_control_is_other() {
        for word in [0xd503_201f, 0xd503_3f9f, 0xaa1f_03fd, 0xd280_0000, 0xa949_4ff4, 0xcb03_0042] {
            assert_eq!(decode(word, AT), I::Other, "{word:#x}");
        }
    }
}
