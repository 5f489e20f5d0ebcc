// SHA-256 by the CPU's instructions (DDI 0487 C7.2 "SHA256H"). No guest's SIMD registers are live when a cell is loaded.

.arch_extension sha2

.section .text.hash, "ax"

// Four rounds with schedule words v\a and constants v\k; while \more, v\a becomes the words of four rounds 16 later.
.macro rounds a, b, c, d, k, more
    add     v2.4s, v\a\().4s, v\k\().4s
    mov     v3.16b, v0.16b
    .if \more
    sha256su0 v\a\().4s, v\b\().4s
    .endif
    sha256h q0, q1, v2.4s
    sha256h2 q1, q3, v2.4s
    .if \more
    sha256su1 v\a\().4s, v\c\().4s, v\d\().4s
    .endif
.endm

// In: x0 = eight words of state, x1 = blocks of 64 bytes, x2 = how many, above 0, x3 = the 64 constants.
// Out: the state. Clobbers x1-x3, v0-v9, v16-v31.
.global hash_sha256
hash_sha256:
    ld1     {v0.4s, v1.4s}, [x0]
    ld1     {v16.4s, v17.4s, v18.4s, v19.4s}, [x3], #64
    ld1     {v20.4s, v21.4s, v22.4s, v23.4s}, [x3], #64
    ld1     {v24.4s, v25.4s, v26.4s, v27.4s}, [x3], #64
    ld1     {v28.4s, v29.4s, v30.4s, v31.4s}, [x3]
1:  ld1     {v4.16b, v5.16b, v6.16b, v7.16b}, [x1], #64
    mov     v8.16b, v0.16b
    mov     v9.16b, v1.16b
    rev32   v4.16b, v4.16b
    rev32   v5.16b, v5.16b
    rev32   v6.16b, v6.16b
    rev32   v7.16b, v7.16b
    rounds  4, 5, 6, 7, 16, 1
    rounds  5, 6, 7, 4, 17, 1
    rounds  6, 7, 4, 5, 18, 1
    rounds  7, 4, 5, 6, 19, 1
    rounds  4, 5, 6, 7, 20, 1
    rounds  5, 6, 7, 4, 21, 1
    rounds  6, 7, 4, 5, 22, 1
    rounds  7, 4, 5, 6, 23, 1
    rounds  4, 5, 6, 7, 24, 1
    rounds  5, 6, 7, 4, 25, 1
    rounds  6, 7, 4, 5, 26, 1
    rounds  7, 4, 5, 6, 27, 1
    rounds  4, 5, 6, 7, 28, 0
    rounds  5, 6, 7, 4, 29, 0
    rounds  6, 7, 4, 5, 30, 0
    rounds  7, 4, 5, 6, 31, 0
    add     v0.4s, v0.4s, v8.4s
    add     v1.4s, v1.4s, v9.4s
    subs    x2, x2, #1
    b.ne    1b
    st1     {v0.4s, v1.4s}, [x0]
    ret
