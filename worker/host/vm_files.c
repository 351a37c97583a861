/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the files that VMs are made of. */
#include "worker/host/vm_files.h"

#include "base/home.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int use_default_path(const char **path, const char *below, char text[PATH_MAX], struct pe_error *err)
{
    if (*path)
        return 0;
    *path = text;
    return pe_home_path(below, text, PATH_MAX, err);
}

static int check_file(const char *path, const char *remedy, struct pe_error *err)
{
    if (access(path, R_OK) == 0)
        return 0;
    pe_fail_errno(err, "cannot read %s", path);
    return pe_fail_context(err, "%s", remedy);
}

/* A VMM has another working directory, so it needs an absolute path. A program that does not exist is an
 * error when its engine is tried. */
static void use_program(const char **path, const char *usual, char absolute[PATH_MAX])
{
    if (!*path)
        *path = usual;
    if (realpath(*path, absolute))
        *path = absolute;
}

/* Beside a vmlinux is the vmlinuz that it was taken from, if Debian's kernel is the guest's. */
static void find_kaslr_kernel(struct vm_files *files)
{
    static const char name[] = "vmlinux";
    const size_t length = strlen(files->kernel);
    const size_t end = length < sizeof name - 1 ? 0 : length - (sizeof name - 1);
    if (strcmp(files->kernel + end, name) != 0 || length >= sizeof files->texts.kernel_kaslr)
        return;
    memcpy(files->texts.kernel_kaslr, files->kernel, length + 1);
    files->texts.kernel_kaslr[length - 1] = 'z';
    if (access(files->texts.kernel_kaslr, R_OK) == 0)
        files->kernel_kaslr = files->texts.kernel_kaslr;
}

int vm_files_find(struct vm_files *files, struct pe_error *err)
{
    files->own_kernel = files->kernel != NULL;
    use_program(&files->qemu, "/usr/bin/qemu-system-x86_64", files->texts.qemu);
    use_program(&files->cloud_hypervisor, "/usr/bin/cloud-hypervisor", files->texts.cloud_hypervisor);
    if (use_default_path(&files->kernel, "guest/vmlinux", files->texts.kernel, err) < 0 ||
        use_default_path(&files->initramfs, "guest/initramfs.cpio", files->texts.initramfs, err) < 0 ||
        use_default_path(&files->uml_kernel, "guest/uml/linux", files->texts.uml_kernel, err) < 0)
        return -1;
    find_kaslr_kernel(files);
    if (check_file(files->kernel, "there is no guest kernel; build it with `make guest` or use --kernel",
                   err) < 0)
        return -1;
    return check_file(files->initramfs,
                      "there is no guest initramfs; build it with `make guest` or use --initramfs", err);
}

void vm_files_apply(const struct vm_files *files, struct vm_host *host)
{
    host->kernel = files->kernel;
    host->own_kernel = files->own_kernel;
    host->kernel_kaslr = files->kernel_kaslr;
    host->initramfs = files->initramfs;
    host->qemu = files->qemu;
    host->cloud_hypervisor = files->cloud_hypervisor;
    host->uml_kernel = files->uml_kernel;
}
