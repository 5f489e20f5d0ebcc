// EL1 exception vectors. A frame is x0-x30, ELR_EL1, SPSR_EL1 and padding: 272 bytes on the interrupted stack.
//   kit_sync(frame)        may change the frame's ELR
//   kit_irq()
//   kit_unexpected(which)  never returns; which = vector number 0..15
// All registers of the interrupted code are kept. What runs on SP_EL0 or at EL0 is the sandbox's.

.macro save
    sub     sp, sp, #272
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #240]
    str     x1, [sp, #256]
.endm

restore:
    ldr     x1, [sp, #256]
    ldp     x30, x0, [sp, #240]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x28, x29, [sp, #224]
    ldp     x26, x27, [sp, #208]
    ldp     x24, x25, [sp, #192]
    ldp     x22, x23, [sp, #176]
    ldp     x20, x21, [sp, #160]
    ldp     x18, x19, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp, #0]
    add     sp, sp, #272
    eret

on_sync:
    mov     x0, sp
    bl      kit_sync
    b       restore
on_irq:
    bl      kit_irq
    b       restore

.macro unexpected n
.balign 128
    mov     x0, #\n
    b       kit_unexpected
.endm

.section .text.vectors, "ax"
.balign 2048
.global vectors
vectors:
.balign 128
    b       sandbox_sync
.balign 128
    b       sandbox_irq
    unexpected 2
    unexpected 3
.balign 128
    save
    b       on_sync
.balign 128
    save
    b       on_irq
    unexpected 6
    unexpected 7
.balign 128
    b       sandbox_sync
.balign 128
    b       sandbox_irq
    unexpected 10
    unexpected 11
    unexpected 12
    unexpected 13
    unexpected 14
    unexpected 15
