// Where a guest's CPUs start, MMU and caches off.
//   _start           in: x0 = device tree.   out: kit_start(tree), never returns
//   secondary_start  in: x0 = CPU index.     out: kit_secondary(index), never returns
// Both clobber everything. Stack of CPU n: the n-th STACK_BYTES of __stacks.

.equ STACK_BYTES, 0x4000

.section .head, "ax"
.global _start
_start:
    b       start                   // code0
    .long   0                       // code1
    .quad   0                       // text_offset
    .quad   __memory_end - _start   // image_size
    .quad   0xa                     // flags: little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

start:
    mrs     x23, cntpct_el0
    mov     x19, x0
    // R_AARCH64_RELATIVE only: *(base + offset) = base + addend.
    adr     x0, _start
    adrp    x1, __rela_start
    add     x1, x1, :lo12:__rela_start
    adrp    x2, __rela_end
    add     x2, x2, :lo12:__rela_end
1:  cmp     x1, x2
    b.hs    2f
    ldp     x3, x4, [x1]
    ldr     x5, [x1, #16]
    add     x1, x1, #24
    cmp     w4, #1027
    b.ne    1b
    add     x5, x5, x0
    str     x5, [x0, x3]
    b       1b
2:  adrp    x1, __bss_start
    add     x1, x1, :lo12:__bss_start
    adrp    x2, __bss_end
    add     x2, x2, :lo12:__bss_end
3:  cmp     x1, x2
    b.hs    4f
    stp     xzr, xzr, [x1], #16
    b       3b
4:  adrp    x1, kit_began
    str     x23, [x1, :lo12:kit_began]
    mov     x20, #0
    adr     x21, kit_start
    mov     x22, x19
    b       run

.global secondary_start
secondary_start:
    mov     x20, x0
    mov     x22, x0
    adr     x21, kit_secondary
run:
    adrp    x1, __stacks
    add     x1, x1, :lo12:__stacks
    mov     x2, #STACK_BYTES
    add     x3, x20, #1
    madd    x1, x2, x3, x1
    msr     spsel, #1
    mov     sp, x1
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    isb
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x22
    br      x21
