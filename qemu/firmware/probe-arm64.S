/*
 * The firmware of the accelerator probe for arm64 guests: 64 KiB that QEMU loads into the flash of the virt machine.
 *
 * It does what a kernel does in its first second: page tables and MMU, NEON, 16 MiB of fresh memory, an exception, the
 * start of the other virtual CPUs by PSCI. Then it prints DONE on the serial port and powers the machine off by PSCI.
 * What does not work hangs, faults into a hang, or prints another letter.
 *
 * Rebuild with `go generate ./qemu`.
 */
        .set    UART, 0x09000000
        .set    RAM, 0x40000000         /* begins with the device tree, 1 MiB at most */
        .set    TABLE, RAM + 0x200000
        .set    AWAKE, RAM + 0x210000
        .set    FAULTS, RAM + 0x210008
        .set    HEAP, RAM + 0x400000
        .set    HEAP_END, RAM + 0x1400000
        .set    CPU_ON, 0xc4000003
        .set    SYSTEM_OFF, 0x84000008
        .set    MAX_CPUS, 8             /* all in one cluster of the GICv2; more are not tried */

        .macro  say letter
        ldr     x0, =UART
        mov     w1, #\letter
        str     w1, [x0]
        .endm

        .text
        .globl  _start
_start:
        msr     daifset, #0xf
        adr     x0, vectors
        msr     vbar_el1, x0
        mov     x0, #(3 << 20)          /* NEON without traps */
        msr     cpacr_el1, x0

        ldr     x0, =TABLE              /* level 1: 512 GiB of 1 GiB blocks, of which two are in use */
        mov     x1, x0
        mov     x2, #512
1:      str     xzr, [x1], #8
        subs    x2, x2, #1
        b.ne    1b
        ldr     x1, =0x401              /* devices and flash: attribute 0, accessed */
        str     x1, [x0]
        ldr     x1, =(RAM + 0x705)      /* memory: attribute 1, inner shareable, accessed */
        str     x1, [x0, #8]
        ldr     x3, =AWAKE
        str     xzr, [x3]
        str     xzr, [x3, #8]
        dsb     sy
        bl      mmu_on

        /* fill fresh memory, sum it up with NEON */
        ldr     x1, =HEAP
        ldr     x2, =HEAP_END
1:      str     w1, [x1]
        add     x1, x1, #4096
        cmp     x1, x2
        b.ne    1b
        movi    v0.4s, #0
        ldr     x1, =HEAP
1:      ld1     {v1.s}[0], [x1]
        add     v0.2s, v0.2s, v1.2s
        add     x1, x1, #4096
        cmp     x1, x2
        b.ne    1b
        umov    w3, v0.s[0]
        /* sum of HEAP + 4096 i for i < 4096, modulo 2^32 */
        ldr     w4, =((4096 * HEAP + 4096 * (4096 * 4095 / 2)) & 0xffffffff)
        cmp     w3, w4
        b.ne    wrong

        svc     #0                      /* an exception, and back */
        ldr     x1, =FAULTS
        ldr     x2, [x1]
        cmp     x2, #1
        b.ne    wrong

        mov     x20, #0                 /* the other CPUs: 1, 2, ... until PSCI refuses one */
        mov     x21, #1
1:      ldr     w0, =CPU_ON
        mov     x1, x21
        adr     x2, other
        mov     x3, #0
        hvc     #0
        cbnz    w0, 2f
        add     x20, x20, #1
        add     x21, x21, #1
        cmp     x21, #MAX_CPUS
        b.ne    1b
2:      ldr     x1, =AWAKE
3:      yield
        ldr     w2, [x1]
        cmp     w2, w20
        b.ne    3b

        say     'D'
        say     'O'
        say     'N'
        say     'E'
        say     '\n'
        ldr     w0, =SYSTEM_OFF
        hvc     #0
wrong:
        say     'X'
1:      wfi
        b       1b

other:                                  /* where the other CPUs begin */
        bl      mmu_on
        ldr     x1, =AWAKE
1:      ldxr    w2, [x1]
        add     w2, w2, #1
        stxr    w3, w2, [x1]
        cbnz    w3, 1b
        b       2f
2:      wfi
        b       2b

mmu_on:
        ldr     x0, =0xff00             /* attribute 0: device-nGnRnE, 1: normal, write back */
        msr     mair_el1, x0
        ldr     x0, =0x80803519         /* 39 bits, 4 KiB granules, cached and shareable; no upper half */
        msr     tcr_el1, x0
        ldr     x0, =TABLE
        msr     ttbr0_el1, x0
        isb
        tlbi    vmalle1
        dsb     sy
        mrs     x0, sctlr_el1
        mov     x1, #0x1005             /* instruction cache, data cache, MMU */
        orr     x0, x0, x1
        msr     sctlr_el1, x0
        isb
        ret

        .ltorg
        .balign 2048
vectors:
        .rept   4
        b       wrong
        .balign 128
        .endr
        ldr     x1, =FAULTS             /* synchronous, from this level */
        ldr     x2, [x1]
        add     x2, x2, #1
        str     x2, [x1]
        eret
        .ltorg
        .balign 128
        .rept   11
        b       wrong
        .balign 128
        .endr
        .org    0x10000
