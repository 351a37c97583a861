/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the kernel says in /sys and /proc. Sources: the kernel's
 * Documentation/admin-guide/hw-vuln, and proc(5). */
#include "doctor/side_channels.h"

#include "base/cleanup.h"
#include "doctor/host_file.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define FLAWS "/sys/devices/system/cpu/vulnerabilities"

int side_channel_smt(const char *top, struct pe_error *err)
{
    pe_autobuf struct pe_buf active = {0};
    if (host_file_read(top, "/sys/devices/system/cpu/smt/active", &active, err) < 0)
        return -1;
    if (active.data[0] != '1')
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "it is on, so two VMs can run on one core and observe each other; `nosmt` on the "
                   "kernel's command line turns it off");
}

/* Each line of /proc/swaps but the first one is a device or a file. */
int side_channel_swap(const char *top, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    char *rest = NULL;
    if (host_file_read(top, "/proc/swaps", &text, err) < 0)
        return -1;
    strtok_r((char *)text.data, "\n", &rest);
    for (char *line; (line = strtok_r(NULL, "\n", &rest));) {
        line[strcspn(line, " \t")] = '\0';
        if (strncmp(line, "/dev/zram", strlen("/dev/zram")) != 0)
            return pe_fail(err, PE_ERR_INVALID,
                           "memory of jobs can be written to %.100s and stay there; `swapoff -a` or an "
                           "encrypted device helps",
                           line);
    }
    return 0;
}

/* The kernel also writes "SMT vulnerable" where it mitigates a flaw for other processors than the two
 * threads of a core. That is a matter of side_channel_smt. */
static int is_open(const char *top, const char *flaw, struct pe_error *err)
{
    char path[PATH_MAX];
    pe_autobuf struct pe_buf text = {0};
    snprintf(path, sizeof path, FLAWS "/%s", flaw);
    if (host_file_read(top, path, &text, err) < 0)
        return -1;
    return strstr((const char *)text.data, "Vulnerable") != NULL;
}

int side_channel_processor(const char *top, struct pe_error *err)
{
    char path[PATH_MAX], flaws[400] = "";
    snprintf(path, sizeof path, "%s" FLAWS, top);
    pe_autodir DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        int open = is_open(top, entry->d_name, err);
        if (open < 0)
            return -1;
        size_t used = strlen(flaws);
        if (open)
            snprintf(flaws + used, sizeof flaws - used, "%s%s", used ? ", " : "", entry->d_name);
    }
    if (!flaws[0])
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "its flaws are not all mitigated (%s, see " FLAWS
                   "); newer microcode, a newer kernel or less in its option mitigations= may help",
                   flaws);
}
