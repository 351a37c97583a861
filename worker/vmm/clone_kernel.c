/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a bzImage. QEMU reads the whole file into memory of its own, 14 MB in every clone, and
 * keeps it for a guest that starts. A clone does not start, and QEMU ends when its guest does (-no-reboot).
 *
 * The layout is that of "The Linux/x86 Boot Protocol" (Documentation/arch/x86/boot.rst of Linux). */
#include "worker/vmm/clone_kernel.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECTOR 512u
#define SETUP_SECTORS_AT 0x1f1
#define MAGIC_AT 0x202
#define MAGIC "HdrS"
#define SETUP_SECTORS_IF_ZERO 4u
/* The boot sector, at most 255 sectors of setup code, and one sector for the kernel. */
#define BEGINNING_MAX ((1 + 255 + 1) * SECTOR)

/* The size of the beginning of a bzImage, or 0 for another file. `size` bytes of it are known. */
static size_t beginning_of(const unsigned char *file, size_t size)
{
    if (size < MAGIC_AT + strlen(MAGIC) || memcmp(file + MAGIC_AT, MAGIC, strlen(MAGIC)) != 0)
        return 0;
    unsigned sectors = file[SETUP_SECTORS_AT] ? file[SETUP_SECTORS_AT] : SETUP_SECTORS_IF_ZERO;
    size_t beginning = (1 + sectors + 1) * SECTOR;
    return beginning < size ? beginning : 0;
}

int clone_kernel_cut(int *kernel, struct pe_error *err)
{
    unsigned char bytes[BEGINNING_MAX + 1];
    ssize_t size = pread(*kernel, bytes, sizeof bytes, 0);
    if (size < 0)
        return pe_fail_errno(err, "cannot read the kernel for a clone");
    size_t beginning = beginning_of(bytes, (size_t)size);
    if (!beginning)
        return 0;
    pe_autoclose int copy = memfd_create("pe-kernel", MFD_CLOEXEC);
    if (copy < 0)
        return pe_fail_errno(err, "cannot create a file in memory for the kernel of a clone");
    if (pe_write_all(copy, bytes, beginning, "the kernel of a clone", err) < 0)
        return -1;
    close(*kernel);
    *kernel = pe_steal_fd(&copy);
    return 0;
}
