/*
 * The firmware of the accelerator probe for amd64 guests: 64 KiB that QEMU loads with -bios.
 *
 * It leaves by isa-debug-exit (port 0xf4) with DONE once it has done what a kernel does in its first second, so that an
 * accelerator that runs real mode and hangs later is found out: protected mode, paging and long mode, CPUID, MSR reads
 * and writes, XSETBV, SSE, 16 MiB of fresh memory, an exception, local APIC timer interrupts out of HLT, and the start
 * of every other virtual CPU. There is no time limit in here: what does not work hangs or triple-faults, and the host
 * sees a time-out or another exit code.
 *
 * Rebuild with `go generate ./qemu`.
 */
        .set    DONE, 0x2a
        .set    ROM, 0xf0000            /* where the last 64 KiB below 1 MiB show this image */
        .set    PML4, 0x1000            /* page tables: 6 pages from here */
        .set    IDT, 0x8000
        .set    AWAKE, 0x9000           /* how many other CPUs have reached long mode */
        .set    TICKS, 0x9008
        .set    FAULTS, 0x9010
        .set    STACK, 0xf000
        .set    APIC, 0xfee00000
        .set    HEAP, 0x100000
        .set    HEAP_END, 0x1100000

        .text
        .code16
        .globl  _start
_start:                                 /* F000:0000, by way of the reset vector */
        xorl    %ebp, %ebp              /* ebp 0: the boot CPU */
enter:
        cli
        lgdtl   %cs:gdt_pointer
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $0x08, $(ROM + protected)

        .code32
protected:
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        testl   %ebp, %ebp
        jnz     paging
        movl    $STACK, %esp
        cld
        movl    $PML4, %edi             /* clear the tables, the IDT and the counters */
        movl    $(0xa000 - PML4) / 4, %ecx
        xorl    %eax, %eax
        rep stosl
        movl    $(PML4 + 0x1000 + 3), PML4
        movl    $(PML4 + 0x2000 + 3), PML4 + 0x1000
        movl    $(PML4 + 0x3000 + 3), PML4 + 0x1008
        movl    $(PML4 + 0x4000 + 3), PML4 + 0x1010
        movl    $(PML4 + 0x5000 + 3), PML4 + 0x1018
        movl    $(PML4 + 0x2000), %edi  /* 4 GiB of 2 MiB pages, one to one */
        movl    $0x83, %eax
1:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x200000, %eax
        jnc     1b
paging:
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx       /* EFER */
        rdmsr
        orl     $0x900, %eax            /* LME, NXE */
        wrmsr
        movl    %cr0, %eax
        andl    $0xfffffffb, %eax       /* no x87 emulation */
        orl     $0x80010002, %eax       /* PG, WP, MP */
        movl    %eax, %cr0
        ljmpl   $0x18, $(ROM + long_mode)

        .code64
long_mode:
        testl   %ebp, %ebp
        jz      boot_cpu
        lock incl AWAKE
1:      cli
        hlt
        jmp     1b

boot_cpu:
        /* stage 1: CPUID, as a kernel reads it */
        incl    %ebp
        xorl    %eax, %eax
        cpuid
        movl    %eax, %esi
1:      movl    %esi, %eax
        xorl    %ecx, %ecx
        cpuid
        decl    %esi
        jns     1b

        /* stage 2: XSAVE state components, where there are any */
        incl    %ebp
        movl    $1, %eax
        cpuid
        testl   $(1 << 26), %ecx
        jz      msrs
        movq    %cr4, %rax
        orl     $(1 << 18), %eax
        movq    %rax, %cr4
        movl    $0xd, %eax
        xorl    %ecx, %ecx
        cpuid
        andl    $7, %eax                /* x87, SSE, AVX */
        xorl    %edx, %edx
        xorl    %ecx, %ecx
        xsetbv

        /* stage 3: MSRs: the APIC base, PAT (written back), GS base, TSC */
msrs:   movl    $3, %ebp
        movl    $0x1b, %ecx
        rdmsr
        movl    $0x277, %ecx
        rdmsr
        wrmsr
        movl    $0xc0000101, %ecx
        movl    $0x12345678, %eax
        xorl    %edx, %edx
        wrmsr
        rdmsr
        cmpl    $0x12345678, %eax
        jne     wrong
        rdtsc

        /* stage 4: fill fresh memory, sum it up with SSE */
        incl    %ebp
        movl    $HEAP, %edi
1:      movl    %edi, (%rdi)
        addl    $4096, %edi
        cmpl    $HEAP_END, %edi
        jne     1b
        pxor    %xmm0, %xmm0
        movl    $HEAP, %edi
1:      movd    (%rdi), %xmm1
        paddd   %xmm1, %xmm0
        addl    $4096, %edi
        cmpl    $HEAP_END, %edi
        jne     1b
        movd    %xmm0, %eax
        /* sum of HEAP + 4096 i for i < 4096, modulo 2^32 */
        cmpl    $((4096 * HEAP + 4096 * (4096 * 4095 / 2)) & 0xffffffff), %eax
        jne     wrong

        /* stage 5: an exception: UD2 must come back two bytes later */
        incl    %ebp
        movl    $(ROM + on_invalid), %eax
        movl    $(IDT + 6 * 16), %edi
        call    set_gate
        movl    $(ROM + on_tick), %eax
        movl    $(IDT + 0x20 * 16), %edi
        call    set_gate
        lidt    (ROM + idt_pointer)
        ud2
        cmpl    $1, FAULTS
        jne     wrong

        /* stage 6: local APIC timer: sleep and be woken three times */
        incl    %ebp
        movl    $APIC, %ebx
        movl    $0x1ff, 0xf0(%rbx)      /* on, spurious vector 0xff */
        movl    $0xb, 0x3e0(%rbx)       /* divide by 1 */
        movl    $0x20, 0x320(%rbx)      /* one shot, vector 0x20 */
        movl    $3, %esi
1:      movl    $100000, 0x380(%rbx)
        sti
        hlt
        cli
        decl    %esi
        jnz     1b
        cmpl    $3, TICKS
        jne     wrong

        /* stage 7: the other CPUs: fw_cfg (0x510) says how many there are */
        incl    %ebp
        movw    $0x510, %dx
        movw    $5, %ax
        outw    %ax, %dx
        incw    %dx
        inb     %dx, %al
        movzbl  %al, %esi
        decl    %esi
        jz      done
        movl    $0xc4500, 0x300(%rbx)   /* INIT to all but this one */
        movl    $0xc46f1, 0x300(%rbx)   /* start-up at 0xf1000 */
1:      pause
        cmpl    %esi, AWAKE
        jne     1b
done:
        movl    $DONE, %ebp
wrong:                                  /* leave with the number of the stage, or DONE */
        movl    %ebp, %eax
        outb    %al, $0xf4
1:      cli                             /* QEMU ends a moment later */
        hlt
        jmp     1b

set_gate:                               /* eax: handler, edi: gate */
        movw    %ax, (%rdi)
        movw    $0x18, 2(%rdi)
        movw    $0x8e00, 4(%rdi)
        shrl    $16, %eax
        movw    %ax, 6(%rdi)
        ret

on_invalid:
        incl    FAULTS
        addq    $2, (%rsp)
        iretq

on_tick:
        incl    TICKS
        movl    $0, 0xb0(%rbx)          /* end of interrupt; the code that waits keeps APIC in rbx */
        iretq

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* 0x08: 32-bit code; all are marked as accessed, for this is ROM */
        .quad   0x00cf93000000ffff      /* 0x10: data */
        .quad   0x00af9b000000ffff      /* 0x18: 64-bit code */
gdt_pointer:
        .word   . - gdt - 1
        .long   ROM + gdt
idt_pointer:
        .word   0x21 * 16 - 1
        .quad   IDT

        .org    0x1000                  /* 0xf1000: where the start-up IPI sends the other CPUs */
        .code16
        movl    $1, %ebp
        ljmp    $0xf000, $enter

        .org    0xfff0
        ljmp    $0xf000, $_start
        .org    0x10000
