// The first instructions: from the loader's state to Rust with the MMU on, write-xor-execute and guarded.
//
// In:   EL2, MMU and caches off, x0 = physical address of the device tree, running at any 2 MiB boundary.
// Out:  boot::rust_entry(x0 = tree, x1 = image, x2 = CurrentEL at entry) on the boot stack, at the linked address.
// Entered at EL3 we go down to EL2, at EL1 we stay: Rust runs there alike, far enough to say so on the UART.
// Clobbers everything. Until the MMU is on, adrp gives physical addresses: the code is position independent.

.section .head, "ax"
.global _head
_head:                                  // Linux Documentation/arch/arm64/booting.rst, "Call the kernel image"
    b       entry
    .word   0
    .quad   0                           // text_offset
    .quad   __image_size
    .quad   0xa                         // little endian, 4 KiB pages, placed anywhere
    .quad   0
    .quad   0
.global reason_code
reason_code:
    .quad   0                           // boot::Reason, where no UART can be found to say more
    .ascii  "ARM\x64"
    .word   0

entry:
    msr     daifset, #0xf
    msr     spsel, #1
    mov     x20, x0                     // tree
    adrp    x21, _head                  // image
    mrs     x19, CurrentEL              // level
    cmp     x19, #(2 << 2)
    b.ne    wrong_level

right_level:
    bl      open_simd
    // Lines of our own memory that the loader left in the caches must not come back over what is written below.
    bl      flush_bss
    sub     x1, x1, x5
    mov     x0, x5
    bl      bulk_zero

    // The image, page by page at its linked address: level 0 → 1 → 2 → 3.
    adrp    x10, boot_table_l3
    mov     x0, x10
    mov     x1, x21
    adrp    x2, __text_end
    ldr     x3, ={EXECUTE}
    bl      fill
    adrp    x2, __rodata_end
    ldr     x3, ={READ}
    bl      fill
    adrp    x2, __rw_end
    ldr     x3, ={WRITE}
    bl      fill
    adrp    x1, __stack_bottom          // behind the guard page
    add     x0, x0, #8
    adrp    x2, __image_end
    bl      fill
    ldr     x0, =_head                  // linked address
    adrp    x11, boot_table_l0
    adrp    x12, boot_table_l1
    adrp    x13, boot_table_l2
    bl      chain

    // Once more at its physical address, for the page that turns the MMU on.
    mov     x0, x21
    adrp    x12, boot_table_id1
    adrp    x13, boot_table_id2
    bl      chain
    dsb     sy
    bl      flush_bss

    bl      enable_mmu
    ldr     x2, =__stack_top
    mov     sp, x2
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    mov     x1, x21
    mov     x2, x19
    ldr     x3, ={RUST_ENTRY}
    br      x3

// In: x19 = CurrentEL, EL1 or EL3. Goes on at right_level with PSTATE and the next level's registers known.
wrong_level:
    adr     x2, right_level
    mov     x3, #0x3c5                  // EL1 on SP_EL1, DAIF, PAN clear
    ldr     x4, ={SCTLR_OFF}
    tbz     x19, #3, 2f
    mrs     x1, id_aa64pfr0_el1
    tst     x1, #0xf00                  // EL2
    b.eq    1f
    mov     x3, #0x3c9                  // EL2 on SP_EL2
1:  mov     x1, #0x5b1                  // SCR_EL3: non-secure, SMC off, HVC on, 64 bits
    msr     scr_el3, x1
    msr     cptr_el3, xzr
    msr     sctlr_el2, x4
    msr     sctlr_el1, x4
    msr     spsr_el3, x3
    msr     elr_el3, x2
    isb
    eret
2:  msr     spsr_el1, x3
    msr     elr_el1, x2
    isb
    eret

// A secondary CPU, started by firmware as the tree says: the same registers, then its own stack. One that comes when
// nobody waits for it any more is parked.
// In: EL2, MMU off. Out: smp::rust_entry_secondary(x0 = its PerCpu).
.global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    msr     spsel, #1
    adrp    x21, _head
    adrp    x11, boot_table_l0
    bl      open_simd
    bl      enable_mmu
    ldr     x0, ={SECONDARY}
    ldr     x0, [x0]
    ldr     x1, [x0, #{MPIDR}]
    mrs     x2, mpidr_el1
    eor     x1, x1, x2
    tst     x1, #0xffffff
    b.ne    park
    ldr     x1, [x0]                    // PerCpu::stack_top
    mov     sp, x1
    mov     x29, xzr
    mov     x30, xzr
    ldr     x2, ={RUST_SECONDARY}
    br      x2

// The bits of these registers mean the same at EL1 with one range of addresses, but for where PS stands; AP[1] there
// opens the pages to an EL0 that never runs.
.macro translate el, ps, tlbi
    ldr     x1, ={SCTLR_OFF}
    msr     sctlr_\el, x1
    isb
    ldr     x1, ={MAIR}
    msr     mair_\el, x1
    mrs     x2, id_aa64mmfr0_el1        // PS: PARange, at most 48 bits with the 4 KiB granule
    and     x2, x2, #0xf
    mov     x3, #5
    cmp     x2, x3
    csel    x2, x2, x3, lo
    ldr     x1, ={TCR}
    orr     x1, x1, x2, lsl #\ps
    msr     tcr_\el, x1
    msr     ttbr0_\el, x11
    dsb     sy
    tlbi    \tlbi
    ic      iallu
    dsb     sy
    isb
    ldr     x1, ={SCTLR_ON}
    msr     sctlr_\el, x1
    isb
.endm

// In: x11 = level-0 table, x30 = return address at the physical address. Returns at the linked address.
enable_mmu:
    mrs     x1, CurrentEL
    tbz     x1, #3, 2f
    translate el2, 16, alle2
1:  ldr     x1, =_head
    sub     x2, x30, x21
    add     x30, x1, x2
    ret
2:  ldr     x1, =vectors
    msr     vbar_el1, x1
    translate el1, 32, vmalle1
    b       1b

// Lets bulk.S use the SIMD registers. Clobbers x1.
open_simd:
    mrs     x1, CurrentEL
    tbz     x1, #3, 1f
    mov     x1, #(1 << 31)              // HCR_EL2: RW, nothing else; in particular not E2H
    msr     hcr_el2, x1
    mov     x1, #0x33ff                 // CPTR_EL2: nothing traps
    msr     cptr_el2, x1
    isb
    ret
1:  mov     x1, #(3 << 20)              // CPACR_EL1: likewise
    msr     cpacr_el1, x1
    isb
    ret

// In: x0 = entry in a level-3 table, x1 = first page, x2 = end, above it, x3 = attributes. Out: x0 = next entry, x1 = x2.
// Clobbers x5.
fill:
    orr     x5, x1, x3
    str     x5, [x0], #8
    add     x1, x1, #4096
    cmp     x1, x2
    b.lo    fill
    ret

// In: x0 = address, x11, x12, x13, x10 = tables of levels 0 to 3. Clobbers x1, x2.
chain:
    ubfx    x1, x0, #39, #9
    orr     x2, x12, #3
    str     x2, [x11, x1, lsl #3]
    ubfx    x1, x0, #30, #9
    orr     x2, x13, #3
    str     x2, [x12, x1, lsl #3]
    ubfx    x1, x0, #21, #9
    orr     x2, x10, #3
    str     x2, [x13, x1, lsl #3]
    ret

// Bss out of the caches, to the point of coherency. Out: x5 = its start, x1 = its end. Clobbers x0, x2-x4.
flush_bss:
    adrp    x0, __bss_start
    add     x0, x0, :lo12:__bss_start
    mov     x5, x0
    adrp    x1, __bss_end
    b       bulk_clean

// In: x0 = reason code, x1 = image. Goes on at the physical address, turns the MMU off, and leaves the code in x0 and
// in the image's header for whoever looks from outside.
.global halt_linked
halt_linked:
    adr     x2, reason_code
    dc      civac, x2                   // as the loader wrote it: no later eviction over our store
    dsb     sy
    ldr     x3, =_head
    adr     x2, 1f
    sub     x2, x2, x3
    add     x2, x2, x1
    br      x2
1:  ldr     x3, ={SCTLR_OFF}
    mrs     x2, CurrentEL
    tbz     x2, #3, 2f
    msr     sctlr_el2, x3
    b       3f
2:  msr     sctlr_el1, x3
3:  isb
    str     x0, [x1, #(reason_code - _head)]
    dsb     sy
park:
    wfi
    b       park

.ltorg

// Room for the instructions that `cellwall flatten` moves away from behind a load or store: erratum 835769.
.section .mends, "ax"
    .fill   16, 4, 0

.section .tables, "aw", %nobits
.balign 4096
.global boot_table_l0
boot_table_l0:  .space 4096
boot_table_l1:  .space 4096
.global boot_table_l2
boot_table_l2:  .space 4096
boot_table_l3:  .space 4096
boot_table_id1: .space 4096
boot_table_id2: .space 4096
