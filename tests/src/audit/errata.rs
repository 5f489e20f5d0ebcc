//! What docs/cpus.md says of errata that the machine code itself must keep to.
//!
//! In: the linked image as it will run, mended by `cellwall flatten`. Out: a sentence for each instruction that does not. Encodings: DDI 0487 C4.1.

use crate::audit::decode::{Instruction, decode};
use crate::audit::image::Image;
use cellwall_cli::mend::is_wrong;

/// The only function that may translate by a guest's tables.
const TRANSLATES: &str = "stage1_refuses";
const DSB_ISH: u32 = 0xd503_3b9f;
const PAGE: u64 = 4096;

/// What was found, and how much was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Each to be mended.
    pub wrong: Vec<String>,
    /// `TLBI` of all CPUs, `AT`, `DC CIVAC`, `ADRP`.
    pub seen: [usize; 4],
}

/// Looks at every instruction.
#[must_use]
pub fn find(image: &Image) -> Findings {
    let mut found = Findings::default();
    for section in image.sections.iter().filter(|section| section.code) {
        let end = section.start.saturating_add(section.bytes);
        for at in (section.start..end).step_by(4) {
            let Some(word) = image.instruction(at) else { continue };
            let near = |words: i64| image.instruction(at.wrapping_add_signed(words.wrapping_mul(4)));
            found.one(image, at, word, near);
        }
    }
    found
}

impl Findings {
    fn one(&mut self, image: &Image, at: u64, word: u32, near: impl Fn(i64) -> Option<u32>) {
        let [tlbi, translate, clean, page] = &mut self.seen;
        let mut wrong = |what: &str| self.wrong.push(format!("{at:#x} in {}: {what}", name(image, at)));
        if word & 0xfff8_f000 == 0xd508_8000 && word & 0xf00 == 0x300 {
            *tlbi += 1;
            let pair = |step: i64| near(step) == Some(DSB_ISH) && near(step * 2) == Some(word);
            if !pair(1) && !pair(-1) {
                wrong("TLBI of all CPUs without DSB ISH and itself again: 1286807, 4193800");
            }
        } else if word & 0xfff8_fe00 == 0xd508_7800 {
            *translate += 1;
            if !name(image, at).contains(TRANSLATES) {
                wrong("AT where the guest's registers may be half changed: 1319367 and others");
            }
        } else if word & 0xffff_ffe0 == 0xd50b_7e20 {
            *clean += 1;
        } else if word & 0xffff_fee0 == 0xd50b_7a20 {
            wrong("DC CVAC or CVAU where CIVAC is meant: 819472, 824069, 826319, 827319");
        } else if matches!(decode(word, at), Instruction::Page(..)) {
            *page += 1;
            if at % PAGE >= PAGE - 8 {
                wrong("ADRP in the last two words of a page: 843419");
            }
        } else if near(-1).is_some_and(|before| is_wrong(before, word)) {
            wrong("a multiply-accumulate right behind a load or store: 835769");
        }
    }
}

fn name(image: &Image, at: u64) -> &str {
    image.function_of(at).and_then(|index| image.functions.get(index)).map_or("?", |function| &function.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::image::{Function, Section};

    const NOP: u32 = 0xd503_201f;
    const TLBI_ALLE2IS: u32 = 0xd50c_831f;

    /// What is wrong with `words` at the end of a page, in a function of that name.
    fn wrong(name: &str, words: &[u32]) -> usize {
        let start = 2 * PAGE - words.len() as u64 * 4;
        let functions = vec![Function { name: name.into(), start, end: 2 * PAGE }];
        let data: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let bytes = data.len() as u64;
        let section = Section { name: ".text".into(), start, bytes, data, code: true, writable: false };
        find(&Image::of_parts(functions, vec![section])).wrong.len()
    }

    #[test]
    fn a_tlbi_of_all_cpus_comes_twice_with_a_barrier_between() {
        assert_eq!(wrong("f", &[TLBI_ALLE2IS, DSB_ISH, TLBI_ALLE2IS, NOP]), 0);
        assert_eq!(wrong("f", &[TLBI_ALLE2IS, DSB_ISH, NOP]), 1);
        assert_eq!(wrong("f", &[TLBI_ALLE2IS, NOP, TLBI_ALLE2IS]), 2);
        let vmalls12e1is = 0xd50c_83df;
        assert_eq!(wrong("f", &[TLBI_ALLE2IS, DSB_ISH, vmalls12e1is]), 2);
        let alle2 = 0xd50c_871f;
        assert_eq!(wrong("f", &[alle2]), 0, "of this CPU alone");
    }

    #[test]
    fn at_is_for_one_function_and_caches_are_cleaned_by_civac() {
        let (at_s1e1r_x0, cleans, cleans_and_invalidates) = (0xd508_7800, 0xd50b_7a20, 0xd50b_7e20);
        assert_eq!(wrong("f", &[at_s1e1r_x0]), 1);
        assert_eq!(wrong("cellwall::el2::stage1_refuses", &[at_s1e1r_x0]), 0);
        assert_eq!((wrong("f", &[cleans]), wrong("f", &[cleans_and_invalidates])), (1, 0));
    }

    #[test]
    fn no_multiply_accumulate_stands_behind_a_store() {
        let (str_x9_sp, madd_x8_x3_x8_x9) = (0xf900_03e9, 0x9b08_2468);
        assert_eq!(wrong("f", &[str_x9_sp, madd_x8_x3_x8_x9]), 1);
        assert_eq!(wrong("f", &[str_x9_sp, NOP, madd_x8_x3_x8_x9]), 0);
    }

    #[test]
    fn adrp_keeps_off_the_last_two_words_of_a_page() {
        let adrp = 0x9000_0000;
        assert_eq!(wrong("f", &[adrp, NOP, NOP]), 0);
        assert_eq!(wrong("f", &[adrp, NOP]), 1);
        assert_eq!(wrong("f", &[adrp]), 1);
    }
}
