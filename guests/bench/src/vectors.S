// What is timed in assembly: interrupts and faults from the vector on, a CPU's first instruction.
//
//   bench_vectors   EL1's, for code on SP_EL1: 18 instructions from the vector to the counter, then
//                   bench_irq(counter, frame) or bench_sync(counter, frame); x0-x18, x29, x30,
//                   ELR_EL1 and SPSR_EL1 are kept, but for an ELR_EL1 that bench_sync moves on in the frame.
//   bench_first     where CPU_ON enters. In: x0 = where to store the counter; behind it lies the CPU's index.
//   bench_mark_*    do nothing: whoever traces the run sees them pass.

.macro stamp handler
    .balign 0x80
    sub     sp, sp, #192
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x29, [sp, #144]
    str     x30, [sp, #160]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x0, x1, [sp, #176]
    mov     x1, sp
    isb
    mrs     x0, cntvct_el0
    bl      \handler
    b       bench_restore
.endm

.section .text.bench_vectors, "ax"
.balign 0x800
.global bench_vectors
bench_vectors:
    .space  0x200
    stamp   bench_sync
    stamp   bench_irq
    .balign 0x80
    b       kit_unexpected
    .balign 0x80
    b       kit_unexpected
    .space  0x400

bench_restore:
    ldp     x0, x1, [sp, #176]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x29, [sp, #144]
    ldr     x30, [sp, #160]
    add     sp, sp, #192
    eret

.global bench_first
bench_first:
    mrs     x1, cntvct_el0
    str     x1, [x0]
    ldr     x0, [x0, #8]
    b       secondary_start

.global bench_mark_event, bench_mark_begin, bench_mark_end
bench_mark_event:
    ret
bench_mark_begin:
    ret
bench_mark_end:
    ret
