//! One event many times: its cheapest and its dearest run, and marks for whoever traces.

use kit::println;

unsafe extern "C" {
    safe fn bench_mark_event();
    safe fn bench_mark_begin();
    safe fn bench_mark_end();
}

/// How the events are run.
pub struct Bench {
    /// Runs of each.
    pub rounds: u64,
}

impl Bench {
    /// Runs `one` and tells what it returned.
    pub fn event(&self, name: &str, mut one: impl FnMut() -> u64) {
        let (mut min, mut max) = (u64::MAX, 0);
        bench_mark_event();
        for _ in 0..self.rounds {
            bench_mark_begin();
            let cost = one();
            bench_mark_end();
            min = min.min(cost);
            max = max.max(cost);
        }
        println!("bench: event={name} min={min} max={max}");
    }
}

/// The counter's difference over these instructions: two reads, an ISB before each. `unsafe` as `asm!` is.
#[macro_export]
macro_rules! count {
    ($($code:literal,)+ ; $($operand:tt)*) => {{
        let (start, end): (u64, u64);
        core::arch::asm!(
            "isb", "mrs x9, cntvct_el0", $($code,)+ "isb", "mrs x10, cntvct_el0",
            out("x9") start, out("x10") end, $($operand)*
        );
        end.wrapping_sub(start)
    }};
}
