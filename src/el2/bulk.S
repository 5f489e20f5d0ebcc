// Bulk memory operations. bulk_* use SIMD registers: no guest's registers are live when a cell is loaded or the pool is
// used at boot, and cell::reset clears them before a guest runs. mem* run on exit paths too: general registers only.

.arch_extension fp
.arch_extension simd

.section .text.bulk, "ax"

// In: x0 = address, x1 = bytes, both multiples of 4096. Clobbers x0, x1, v0-v3.
.global bulk_zero
bulk_zero:
    movi    v0.2d, #0
    movi    v1.2d, #0
    movi    v2.2d, #0
    movi    v3.2d, #0
1:
    .rept 16
    st1     {v0.16b, v1.16b, v2.16b, v3.16b}, [x0], #64
    .endr
    subs    x1, x1, #1024
    b.ne    1b
    ret

// In: x0 = to, x1 = from, x2 = bytes. Clobbers x0-x3, v0-v3.
.global bulk_copy
bulk_copy:
    subs    x2, x2, #256
    b.lo    2f
1:
    .rept 4
    ld1     {v0.16b, v1.16b, v2.16b, v3.16b}, [x1], #64
    st1     {v0.16b, v1.16b, v2.16b, v3.16b}, [x0], #64
    .endr
    subs    x2, x2, #256
    b.hs    1b
2:  adds    x2, x2, #256
    b.eq    4f
3:  ldrb    w3, [x1], #1
    strb    w3, [x0], #1
    subs    x2, x2, #1
    b.ne    3b
4:  ret

// In: x0 = address, x1 = end. Cleans and invalidates by data cache line. Clobbers x0, x2-x4.
.global bulk_clean
bulk_clean:
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4
    mov     x3, #4
    lsl     x2, x3, x2
    sub     x3, x2, #1
    bic     x0, x0, x3
    sub     x3, x1, x0
    lsl     x4, x2, #5
1:  subs    x3, x3, x4
    b.lo    2f
    .rept 32
    dc      civac, x0
    add     x0, x0, x2
    .endr
    b       1b
2:  cmp     x0, x1
    b.hs    3f
    dc      civac, x0
    add     x0, x0, x2
    b       2b
3:  dsb     sy
    ret

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
