/* SPDX-License-Identifier: Apache-2.0 */
/* The age of the User Mode Linux kernel. initramfs/build-uml-kernel writes what is read here. */
#include "worker/uml_kernel_age.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/flat.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* One has 8 MB; a file of another size is none of ours. */
#define KERNEL_BYTES_MAX (64u << 20)

/* Prints the newest of these versions: PE_VERSION, and those of the linux-source packages that the package
 * lists know, those of the system and those of `make uml-kernel`. sort -V sorts versions as Debian does. */
static const char newest_command[] =
    "{ apt-cache policy 'linux-source-*'; "
    "if [ -e \"$PE_APT/apt.conf\" ]; then apt-cache -c \"$PE_APT/apt.conf\" policy 'linux-source-*'; fi; "
    "echo \" Candidate: $PE_VERSION\"; "
    "} 2>/dev/null | sed -n 's/^ *Candidate: *\\([0-9]\\)/\\1/p' | sort -V | tail -n 1";

/* The first line that a command of the shell prints; "" if there is none. */
static void first_line(const char *command, char *line, size_t size)
{
    FILE *output = popen(command, "re");
    line[0] = '\0';
    if (!output)
        return;
    if (!fgets(line, (int)size, output))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    pclose(output);
}

/* Read the entry "kernel" of the file VERSION beside the kernel. */
static void read_source(const char *kernel, char *source, size_t size)
{
    char path[PATH_MAX];
    struct pe_error ignored;
    struct pe_flat_entry entry;
    pe_autobuf struct pe_buf text = {0};
    const char *slash = strrchr(kernel, '/');
    snprintf(path, sizeof path, "%.*sVERSION", slash ? (int)(slash - kernel + 1) : 0, kernel);
    source[0] = '\0';
    if (pe_read_file(AT_FDCWD, path, 65536, &text, &ignored) < 0)
        return;
    struct pe_cursor cursor = {.at = text.data, .left = text.size};
    while (pe_flat_next(&cursor, &entry, &ignored) > 0)
        if (!strcmp(entry.key, "kernel"))
            snprintf(source, size, "%s", entry.value);
}

/* Seconds since 1970, or 0 if there is no such file. */
static time_t changed(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_mtim.tv_sec : 0;
}

static unsigned days_since_look(const char *kernel, const char *apt)
{
    char lists[PATH_MAX];
    snprintf(lists, sizeof lists, "%s/lists", apt);
    time_t compiled = changed(kernel), listed = changed(lists), now = time(NULL);
    time_t look = listed > compiled ? listed : compiled;
    return now > look ? (unsigned)((now - look) / 86400) : 0;
}

static void find_newer(const char *source, const char *apt, char *newer, size_t size)
{
    char newest[64];
    const char *version = strchr(source, ' ');
    newer[0] = '\0';
    if (!version)
        return;
    setenv("LC_ALL", "C", 1);
    setenv("PE_APT", apt, 1);
    setenv("PE_VERSION", version + 1, 1);
    first_line(newest_command, newest, sizeof newest);
    if (newest[0] && strcmp(newest, version + 1) != 0)
        snprintf(newer, size, "%s", newest);
}

/* Whether the kernel gives each cgroup a file of this name. If it cannot be read, the worker says so. */
static bool has_pressure(const char *kernel)
{
    static const char name[] = "memory.pressure";
    pe_autobuf struct pe_buf program = {0};
    struct pe_error ignored;
    return pe_read_file(AT_FDCWD, kernel, KERNEL_BYTES_MAX, &program, &ignored) < 0 ||
           (program.size && memmem(program.data, program.size, name, sizeof name - 1));
}

int uml_kernel_age(const char *kernel, const char *apt, struct uml_kernel_age *age, struct pe_error *err)
{
    if (access(kernel, R_OK) < 0)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no User Mode Linux kernel at %s", kernel);
    read_source(kernel, age->source, sizeof age->source);
    find_newer(age->source, apt, age->newer, sizeof age->newer);
    age->look_days = days_since_look(kernel, apt);
    age->has_pressure = has_pressure(kernel);
    return 0;
}
