// One function a feature, each using it. Called with MMU and caches on; registers as in a C function.
.arch_extension lse
.arch_extension fp
.arch_extension simd
.arch_extension sve
.arch_extension sme
.arch_extension mte
.arch_extension mops
.arch_extension pauth

.section .text.features, "ax"

// x0 = a word. Adds 5 to it; out: what it was.
.global feature_lse
feature_lse:
    mov     x1, #5
    ldaddal x1, x2, [x0]
    mov     x0, x2
    ret

// out: 1.5 + 2.25 = 3.75 times 4.
.global feature_fp
feature_fp:
    fmov    d0, #1.5
    fmov    d1, #2.25
    fadd    d0, d0, d1
    fmov    d1, #4.0
    fmul    d0, d0, d1
    fcvtzu  x0, d0
    ret

// out: bytes of a vector << 32 | the sum 0 + 1 + … over its 64-bit elements.
.global feature_sve
feature_sve:
    rdvl    x1, #1
    ptrue   p0.d
    index   z0.d, #0, #1
    uaddv   d0, p0, z0.d
    fmov    x0, d0
    orr     x0, x0, x1, lsl #32
    ret

// out: bytes of a streaming vector << 32 | a word written to and read from ZA.
.global feature_sme
feature_sme:
    smstart
    rdsvl   x1, #1
    zero    {{za}}
    mov     w12, #0
    ptrue   p0.d
    mov     x2, #77
    mov     z0.d, x2
    mova    za0h.d[w12, 0], p0/m, z0.d
    mov     z1.d, #0
    mova    z1.d, p0/m, za0h.d[w12, 0]
    fmov    x0, d1
    smstop
    orr     x0, x0, x1, lsl #32
    ret

// x0 = a pointer, x1 = its modifier, x2 = where to put the signed pointer. out: the authenticated one.
.global feature_pauth
feature_pauth:
    pacia   x0, x1
    str     x0, [x2]
    autia   x0, x1
    ret

// x0 = 16 bytes, aligned. Gives them the tag 5; out: the pointer with that tag.
.global feature_mte_set
feature_mte_set:
    and     x0, x0, #0x00ffffffffffffff
    orr     x0, x0, #0x0400000000000000
    orr     x0, x0, #0x0100000000000000
    stg     x0, [x0]
    ret

// x0 = a pointer. out: the same with the tag of its memory.
.global feature_mte_get
feature_mte_get:
    ldg     x0, [x0]
    ret

// x0 = to, x1 = from, x2 = bytes.
.global feature_mops_copy
feature_mops_copy:
    cpyfp   [x0]!, [x1]!, x2!
    cpyfm   [x0]!, [x1]!, x2!
    cpyfe   [x0]!, [x1]!, x2!
    ret

// x0 = to, x1 = bytes, x2 = the byte.
.global feature_mops_set
feature_mops_set:
    setp    [x0]!, x1!, x2
    setm    [x0]!, x1!, x2
    sete    [x0]!, x1!, x2
    ret
