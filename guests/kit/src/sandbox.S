// Runs foreign code at EL1t or EL0 and comes back by any exception at all.
//   sandbox_enter  in: x0 = registers x0-x30 to start with, x1 = SPSR, x2 = address, x3 = SP_EL0
//                  out: x0 = ESR_EL1, or all ones for an interrupt; x1 = the code's x0 at the end; clobbers as a call
//   sandbox_sync, sandbox_irq  the vectors for SP_EL0 and for EL0; they come back from sandbox_enter
// The code has SP_EL0, so SP_EL1 is where sandbox_enter left it.

.section .text.sandbox, "ax"
.global sandbox_enter
sandbox_enter:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    msr     spsr_el1, x1
    msr     elr_el1, x2
    msr     sp_el0, x3
    mov     x30, x0
    ldp     x0, x1, [x30, #0]
    ldp     x2, x3, [x30, #16]
    ldp     x4, x5, [x30, #32]
    ldp     x6, x7, [x30, #48]
    ldp     x8, x9, [x30, #64]
    ldp     x10, x11, [x30, #80]
    ldp     x12, x13, [x30, #96]
    ldp     x14, x15, [x30, #112]
    ldp     x16, x17, [x30, #128]
    ldp     x18, x19, [x30, #144]
    ldp     x20, x21, [x30, #160]
    ldp     x22, x23, [x30, #176]
    ldp     x24, x25, [x30, #192]
    ldp     x26, x27, [x30, #208]
    ldp     x28, x29, [x30, #224]
    ldr     x30, [x30, #240]
    eret

.global sandbox_irq
sandbox_irq:
    mov     x1, x0
    mov     x0, #-1
    b       1f
.global sandbox_sync
sandbox_sync:
    mov     x1, x0
    mrs     x0, esr_el1
1:  ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
