// EL2's exception vectors (DDI 0487 D1.3): guests' exits, and EL2's own faults.
//
// What guests do often is done here, with few registers saved or restored: calls with one answer for all times, SGIs to CPUs
// in a list, and the interrupt that came last once more (src/gic/again.rs). All else saves x0 to x30 in a Frame on this CPU's
// stack and calls its handler; then the guest goes on. SP_EL2 is the top of the CPU's stack whenever a guest runs. Every exit
// is counted by its class, first of all.
//   {SYNC}(frame, esr) for aborts -> 0: done, 1: done, and x20 to x29 of the frame may have changed, 2: {REST}(frame, esr)
//   does it, as all other traps and system errors
//   {CALL}(frame, esr) for all other calls
//   {IRQ}(what was acknowledged, or ~0)
// A vector has room for 32 instructions: routines that fit stand in what their vectors leave free, and are called from
// anywhere.

.macro early op
    \op     x4, x5, [sp, #32]
    \op     x6, x7, [sp, #48]
    \op     x8, x9, [sp, #64]
    \op     x10, x11, [sp, #80]
    \op     x12, x13, [sp, #96]
    \op     x14, x15, [sp, #112]
    \op     x16, x17, [sp, #128]
    \op     x18, x19, [sp, #144]
.endm

.macro late op
    \op     x20, x21, [sp, #160]
    \op     x22, x23, [sp, #176]
    \op     x24, x25, [sp, #192]
    \op     x26, x27, [sp, #208]
    \op     x28, x29, [sp, #224]
.endm

// Opens a vector, and a frame with x0 to x3; `save` adds the rest, and register 31, which reads 0.
.macro open
    .balign 0x80
    stp     x0, x1, [sp, #-256]!
    stp     x2, x3, [sp, #16]
.endm

.macro save
    early   stp
    late    stp
    stp     x30, xzr, [sp, #240]
    mov     x0, sp
.endm

// Counts an exit of class `smp::CLASSES[class]`. In: x\own = TPIDR_EL2. Clobbers x\spare.
.macro count class, own, spare
    ldr     x\spare, [x\own, #{EXITS} + 8 * \class]
    add     x\spare, x\spare, #1
    str     x\spare, [x\own, #{EXITS} + 8 * \class]
.endm

// Nothing is speculated past the return.
.macro return
    ldp     x0, x1, [sp], #256
    eret
    dsb     nsh
    isb
.endm

// Steps over the instruction that trapped.
.macro step
    mrs     x4, elr_el2
    add     x4, x4, #4
    msr     elr_el2, x4
.endm

.macro own kind
    .balign 0x80
    mov     x0, #\kind
    b       own_fault
.endm

// Finds the place of what was acknowledged (w1): x0 = its middle, w3 = its list register's bit.
.macro find
    ldp     w2, w3, [x0, #8]!
    cmp     w1, w2
    b.eq    1f
    ldp     w2, w3, [x0, #16]!
    cmp     w1, w2
    b.ne    irq_rest
1:
.endm

.section .vectors, "ax"
.balign 0x800
.global vectors
vectors:
    own     0                           // current EL, SP0

// The C library's, in place of those that come with Rust: a third of their instructions, a tenth of their size.
// In: x0 = to, x1 = from, x2 = bytes. Out: x0 as it was. Clobbers x1-x8.
.global memcpy
memcpy:
    mov     x3, x0
1:  subs    x2, x2, #32
    b.lo    2f
    ldp     x4, x5, [x1], #16
    ldp     x6, x7, [x1], #16
    stp     x4, x5, [x3], #16
    stp     x6, x7, [x3], #16
    b       1b
2:  tbz     x2, #4, 3f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
3:  tbz     x2, #3, 4f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
4:  tbz     x2, #2, 5f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
5:  tbz     x2, #1, 6f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
6:  tbz     x2, #0, 7f
    ldrb    w4, [x1]
    strb    w4, [x3]
7:  ret

    own     1

// As memcpy; the two may overlap.
.global memmove
memmove:
    sub     x3, x0, x1
    cmp     x3, x2
    b.hs    memcpy
    add     x3, x0, x2
    add     x1, x1, x2
1:  subs    x2, x2, #32
    b.lo    2f
    ldp     x4, x5, [x1, #-16]!
    ldp     x6, x7, [x1, #-16]!
    stp     x4, x5, [x3, #-16]!
    stp     x6, x7, [x3, #-16]!
    b       1b
2:  adds    x2, x2, #32
3:  b.eq    4f
    ldrb    w4, [x1, #-1]!
    strb    w4, [x3, #-1]!
    subs    x2, x2, #1
    b       3b
4:  ret

    own     2

// In: x0 = to, w1 = byte, x2 = bytes. Out: x0 as it was. Clobbers x1-x3.
.global memset
memset:
    mov     x3, x0
    and     x1, x1, #0xff
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
1:  subs    x2, x2, #32
    b.lo    2f
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
    b       1b
2:  tbz     x2, #4, 3f
    stp     x1, x1, [x3], #16
3:  tbz     x2, #3, 4f
    str     x1, [x3], #8
4:  tbz     x2, #2, 5f
    str     w1, [x3], #4
5:  tbz     x2, #1, 6f
    strh    w1, [x3], #2
6:  tbz     x2, #0, 7f
    strb    w1, [x3]
7:  ret

    own     3

// In: x0, x1 = what to compare, x2 = bytes. Out: w0 = below, at or above 0. Clobbers x1-x4.
.global memcmp
.global bcmp
memcmp:
bcmp:
1:  subs    x2, x2, #8
    b.lo    3f
    ldr     x3, [x0], #8
    ldr     x4, [x1], #8
    cmp     x3, x4
    b.eq    1b
    rev     x3, x3
    rev     x4, x4
    cmp     x3, x4
2:  cset    w0, hi
    csinv   w0, w0, wzr, hs
    ret
3:  adds    x2, x2, #8
    b.eq    5f
4:  ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    cmp     w3, w4
    b.ne    2b
    subs    x2, x2, #1
    b.ne    4b
5:  mov     w0, #0
    ret

    own     4                           // current EL, SPx

// In: w0 = function, x1 = ESR_EL2, x2 = this CPU's own.
call:
    count   0, 2, 3
    tst     x1, #0xffff
    b.ne    call_rest
    adr     x2, {CONSTANTS}
1:  ldr     w3, [x2], #8
    cbz     w3, call_rest
    cmp     w3, w0
    b.ne    1b
    ldr     w3, [x2, #-4]
    str     x3, [sp]
    tbz     x1, #26, 2f                 // an HVC has been stepped over already
    mrs     x2, elr_el2
    add     x2, x2, #4
    msr     elr_el2, x2
2:  ldp     x2, x3, [sp, #16]
    return

    own     5

call_rest:
    save
    bl      {CALL}
    b       resume

// EL2 itself faulted. In: x0 = vector number. The CPU's own stack may be what broke: take the panic stack.
own_fault:
    mov     x1, sp
    ldr     x2, =panic_stack_top
    mov     sp, x2
    mov     x29, xzr
    mov     x30, xzr
    b       {OWN_FAULT}

// Leaves whatever was going on and runs x1(x0) on a fresh stack. In: x0 = argument, x1 = function, x2 = stack top.
.global restart_on
restart_on:
    mov     sp, x2
    mov     x29, xzr
    mov     x30, xzr
    br      x1

    own     6

// A list register is written again if it is free and the interrupt is its own.
irq_v3:
    mrs     x1, S3_0_C12_C12_0          // ICC_IAR1_EL1
    find
    mrs     x2, S3_4_C12_C11_5          // ICH_ELRSR_EL2
    tst     w2, w3
    b.eq    irq_rest
    ldr     x2, [x0, #-8]
    msr     S3_0_C12_C12_1, x1          // ICC_EOIR1_EL1
    cmp     w1, #16
    b.hs    2f
    msr     S3_0_C12_C11_1, x1          // ICC_DIR_EL1
2:
refill_v3:
    .irp n, 0, 1, 2
    tbz     w3, #\n, 3f
    msr     S3_4_C12_C12_\n, x2         // ICH_LR<n>_EL2
    b       irq_done
3:
    .endr
    msr     S3_4_C12_C12_3, x2          // the last: others have no place
    b       irq_done

    own     7

irq_v2:
    ldr     w1, [x4, #0xc]              // GICC_IAR
    find
    ldr     w2, [x5, #0x30]             // GICH_ELRSR0
    tst     w2, w3
    b.eq    irq_rest
    ldr     x2, [x0, #-8]
    str     w1, [x4, #0x10]             // GICC_EOIR
    tst     w1, #0x3f0
    b.ne    2f
    str     w1, [x4, #0x1000]           // GICC_DIR
2:  add     x5, x5, x2, lsr #32         // GICH_LR
    str     w2, [x5]
irq_done:
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    return

    open                                // lower EL, AArch64
synchronous:
    mrs     x1, esr_el2
    lsr     x2, x1, #27
    cmp     x2, #0x0b                   // EC 0x16 and 0x17
    mrs     x2, tpidr_el2
    b.eq    call
    early   stp
    stp     x30, xzr, [sp, #240]
    tbz     w1, #31, trapped            // EC below 0x20: no abort
    count   1, 2, 3
    tbz     w1, #20, 1f                 // below x16
    late    stp
1:  mov     x0, sp
    bl      {SYNC}
    cbz     w0, resume
    b       not_quick

    open
interrupt:
    stp     x4, x5, [sp, #32]
    mrs     x0, tpidr_el2
    count   3, 0, 1
    ldr     x0, [x0, #{AGAIN}]
    cbz     x0, irq_none
    ldp     x4, x5, [x0, #{FRAMES}]
    cbnz    x4, irq_v2
    b       irq_v3

// cell::enter's way into a guest, whose registers are 0 but for x0. In: x0, x1 = top of this CPU's stack; ELR_EL2 and SPSR_EL2
// set.
.global enter_guest
enter_guest:
    mov     sp, x1
    stp     x0, xzr, [sp, #-256]!
    .irp at, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240
    stp     xzr, xzr, [sp, #\at]
    .endr
    b       restore

    open                                // FIQ: group 0 is not used yet; whatever is pending is served alike
    b       interrupt

// In: w0 = 1: done, 2: {REST} does it.
not_quick:
    tbnz    w0, #0, restore
rest:
    late    stp
    mov     x0, sp
    mrs     x1, esr_el2
    bl      {REST}
restore:
    late    ldp
resume:
    ldr     x30, [sp, #240]
    early   ldp
    ldp     x2, x3, [sp, #16]
    return

    open
serror:
    early   stp
    stp     x30, xzr, [sp, #240]
    mrs     x1, tpidr_el2
    count   4, 1, 2
    b       rest

    open                                // lower EL, AArch32 (EL0 only)
    b       synchronous

irq_none:
    mov     w1, #~0
irq_rest:
    ldp     x4, x5, [sp, #32]
    save
    mov     w0, w1
    bl      {IRQ}
    b       resume

    open
    b       interrupt

// In: x1 = ESR_EL2, x2 = this CPU's own. What guests write most is an SGI of group 1 to CPUs in a list (ICC_SGI1R_EL1): each
// goes as a physical one of its own number, which these vectors deliver.
trapped:
    count   2, 2, 3
    bic     x0, x1, #0x3e0              // but for the register
    ldr     w3, =({SEND} | 0x18 << 26 | 1 << 25)
    cmp     x0, x3
    b.ne    rest
    tbz     w1, #9, 1f                  // below x16
    late    stp
1:  ubfx    x3, x1, #5, #5
    ldr     x1, [sp, x3, lsl #3]
    ldp     w4, w5, [x2, #{SGIS}]       // below what, and to which vCPUs not
    tst     w1, w5
    b.ne    to_oneself
    and     x3, x1, #0xff
    tst     x1, #0xffff00
    ccmp    x1, x4, #2, eq              // other clusters: as if too high
    b.hs    rest
    cbz     x3, rest
    ldr     x0, [x2, #{DOORBELLS}]
    sub     x2, x1, x3
    b       send

    open
    b       interrupt

// In: x1 = what was written, x2 = this CPU's own. The SGI that came last once more, if it is that.
to_oneself:
    ldr     x0, [x2, #{AGAIN}]
    ldr     x2, [x0, #{FRAMES} + 16]
    ldr     w3, [x0, #28]
    mrs     x5, S3_4_C12_C11_5          // ICH_ELRSR_EL2
    cmp     x1, x2
    b.ne    rest
    tst     w5, w3
    b.eq    rest
    step
    ldr     x2, [x0, #16]
    b       refill_v3

// CRC-32 (DDI 0487 C6.2 "CRC32X"). In: w0 = CRC so far, x1 = bytes, x2 = how many. Out: w0 = CRC. Clobbers x1-x6.
.arch_extension crc
.global hash_crc32
hash_crc32:
1:  subs    x2, x2, #32
    b.lo    2f
    ldp     x3, x4, [x1], #16
    ldp     x5, x6, [x1], #16
    crc32x  w0, w0, x3
    crc32x  w0, w0, x4
    crc32x  w0, w0, x5
    crc32x  w0, w0, x6
    b       1b
2:  adds    x2, x2, #32
    b.eq    4f
3:  ldrb    w3, [x1], #1
    crc32b  w0, w0, w3
    subs    x2, x2, #1
    b.ne    3b
4:  ret

    .org    vectors + 0x780             // the last is in its place: so are all
    open
    b       serror

// In: x0 = how SGIs name the CPUs, x2 = the SGI, x3 = to which vCPUs.
send:
    dsb     sy
2:  rbit    x4, x3
    clz     x4, x4
    ldr     x4, [x0, x4, lsl #3]
    orr     x4, x4, x2
    msr     S3_0_C12_C11_5, x4          // ICC_SGI1R_EL1
    sub     x4, x3, #1
    ands    x3, x3, x4
    b.ne    2b
    isb
    step
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    return

.section .bss
.balign 16
    .space  2048
panic_stack_top:
