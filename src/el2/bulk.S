// Bulk memory operations by SIMD registers: no guest's registers are live when a cell is loaded or the pool is used at boot,
// and cell::reset clears them before a guest runs.

.arch_extension fp
.arch_extension simd

.section .text.bulk, "ax"

// In: x0 = address, x1 = bytes, both multiples of 2048. Runs at any address. Clobbers x0, x1, v0-v3.
.global bulk_zero
bulk_zero:
    movi    v0.2d, #0
    movi    v1.2d, #0
    movi    v2.2d, #0
    movi    v3.2d, #0
1:
    .rept 32
    st1     {v0.16b, v1.16b, v2.16b, v3.16b}, [x0], #64
    .endr
    subs    x1, x1, #2048
    b.ne    1b
    ret

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
    b       2f
1:  .rept 32
    dc      civac, x0
    add     x0, x0, x2
    .endr
2:  subs    x3, x3, x4
    b.hs    1b
3:  cmp     x0, x1
    b.hs    4f
    dc      civac, x0
    add     x0, x0, x2
    b       3b
4:  dsb     sy
    ret
