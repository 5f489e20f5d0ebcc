// EL2's exception vectors (DDI 0487 D1.3): guests' exits, and EL2's own faults.
//
// An exit saves x0 to x30 in a Frame on this CPU's stack and calls its trap handler (x0 = frame); when the handler
// returns, the guest goes on. SP_EL2 is the top of the CPU's stack whenever a guest runs.

.macro save
    sub     sp, sp, #256
    stp     x0, x1, [sp]
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
    str     x30, [sp, #240]
    mov     x0, sp
.endm

.macro exit handler
    .balign 0x80
    save
    bl      \handler
    b       resume
.endm

.macro own kind
    .balign 0x80
    mov     x0, #\kind
    b       own_fault
.endm

.section .vectors, "ax"
.balign 0x800
.global vectors
vectors:
    own     0                           // current EL, SP0
    own     1
    own     2
    own     3
    own     4                           // current EL, SPx
    own     5
    own     6
    own     7
    exit    {SYNC}                      // lower EL, AArch64
    exit    {IRQ}
    exit    {IRQ}                       // FIQ: group 0 is not used yet; whatever is pending is served alike
    exit    {SERROR}
    exit    {SYNC}                      // lower EL, AArch32 (EL0 only)
    exit    {IRQ}
    exit    {IRQ}
    exit    {SERROR}

    .balign 0x80
resume:
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldp     x0, x1, [sp], #256
    eret
    dsb     nsh                         // nothing is speculated past the return
    isb

// EL2 itself faulted. In: x0 = vector number. The CPU's own stack may be what broke: take the panic stack.
own_fault:
    mov     x1, sp
    ldr     x2, =panic_stack_top
    mov     sp, x2
    mov     x29, xzr
    mov     x30, xzr
    b       {OWN_FAULT}

// cell::enter's way into a guest. In: x0 = x0 of the guest, x1 = top of this CPU's stack; ELR_EL2 and SPSR_EL2 set.
.global enter_guest
enter_guest:
    mov     sp, x1
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    mov     x8, xzr
    mov     x9, xzr
    mov     x10, xzr
    mov     x11, xzr
    mov     x12, xzr
    mov     x13, xzr
    mov     x14, xzr
    mov     x15, xzr
    mov     x16, xzr
    mov     x17, xzr
    mov     x18, xzr
    mov     x19, xzr
    mov     x20, xzr
    mov     x21, xzr
    mov     x22, xzr
    mov     x23, xzr
    mov     x24, xzr
    mov     x25, xzr
    mov     x26, xzr
    mov     x27, xzr
    mov     x28, xzr
    mov     x29, xzr
    mov     x30, xzr
    eret
    dsb     nsh
    isb

// Leaves whatever was going on and runs x1(x0) on a fresh stack. In: x0 = argument, x1 = function, x2 = stack top.
.global restart_on
restart_on:
    mov     sp, x2
    mov     x29, xzr
    mov     x30, xzr
    br      x1

.section .bss
.balign 16
    .space  4096
panic_stack_top:
