/* SPDX-License-Identifier: Apache-2.0 */
/* Execute files whose headers are wrong: segments in the kernel, over each other, or larger than memory; an
 * interpreter that is missing; no header at all.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <elf.h>

static int variant;

static void make_program(void)
{
    static struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[4];
    } file;
    static const uint64_t addresses[] = {0xffffffff81000000, 0,        0x7ffffffff000, 0x400000,
                                         0x400001,           0x400000, 0x400000};
    static const uint64_t sizes[] = {4096, 4096, 1UL << 40, ~0UL, 4096, 0, 4096};
    memset(&file, 0, sizeof file);
    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_ident[EI_VERSION] = EV_CURRENT;
    file.header.e_type = variant % 2 ? ET_DYN : ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_version = EV_CURRENT;
    file.header.e_entry = 0xffffffff81000000;
    file.header.e_phoff = sizeof file.header;
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = variant == 6 ? 65535 : 4;
    for (int i = 0; i < 4; i++)
        file.segments[i] = (Elf64_Phdr){.p_type = i == 3 && variant == 5 ? PT_INTERP : PT_LOAD,
                                        .p_flags = 7,
                                        .p_vaddr = addresses[variant],
                                        .p_filesz = sizeof file,
                                        .p_memsz = sizes[variant],
                                        .p_align = variant == 4 ? 3 : 4096};
    int fd = open("/tmp/program", O_CREAT | O_TRUNC | O_WRONLY, 0700);
    if (write(fd, &file, sizeof file) != (ssize_t)sizeof file)
        give_up("write");
    close(fd);
}

static void execute(void)
{
    execl("/tmp/program", "program", (char *)NULL);
    raise(SIGKILL); /* it could not be executed, which is as good as being killed */
}

int main(void)
{
    for (variant = 0; variant < 7; variant++) {
        make_program();
        must_die("a broken program", execute);
    }
    return held();
}
