/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing platforms. The order of the variants is that of containerd. */
#include "image/platform.h"

#include "base/buffer.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define CPUINFO_BYTES_MAX (4u << 20)
#define UNORDERED 0u /* a variant that is no number */

/* ---- names ---- */

/* Names of uname(2) and others that mean an architecture of OCI. `variant` is what the name says
 * about it. */
static const struct {
    const char *name, *architecture, *variant;
} names[] = {{"x86_64", "amd64", ""}, {"x86-64", "amd64", ""}, {"aarch64", "arm64", ""},
             {"i386", "386", ""},     {"i686", "386", ""},     {"armhf", "arm", "v7"},
             {"armv7l", "arm", "v7"}, {"armv6l", "arm", "v6"}, {"armel", "arm", "v6"}};

/* The variant that an image without one has, and that every machine has. */
static const struct {
    const char *architecture, *variant;
} oldest[] = {{"amd64", "v1"}, {"arm64", "v8"}, {"arm", "v7"}};

void platform_set(struct platform *platform, const char *architecture, const char *variant)
{
    snprintf(platform->architecture, sizeof platform->architecture, "%s", architecture);
    snprintf(platform->variant, sizeof platform->variant, "%s", variant ? variant : "");
}

void platform_print(const struct platform *platform, char text[PLATFORM_TEXT_MAX])
{
    snprintf(text, PLATFORM_TEXT_MAX, "%s%s%s", platform->architecture, *platform->variant ? "/" : "",
             platform->variant);
}

/* Replace other names of the architecture, and complete the variant. */
static struct platform normalize(const struct platform *platform)
{
    struct platform result = *platform;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(platform->architecture, names[i].name))
            platform_set(&result, names[i].architecture,
                         *platform->variant ? platform->variant : names[i].variant);
    for (size_t i = 0; i < sizeof oldest / sizeof *oldest; i++)
        if (!*result.variant && !strcmp(result.architecture, oldest[i].architecture))
            platform_set(&result, oldest[i].architecture, oldest[i].variant);
    return result;
}

/* ---- fitness ---- */

/* A number that orders the variants of an architecture: 301 for "v3" and "3", 803 for "v8.2". */
static unsigned order_of(const char *variant)
{
    char *end = NULL;
    const char *digits = variant + (*variant == 'v');
    if (*digits < '0' || *digits > '9')
        return UNORDERED;
    unsigned long major = strtoul(digits, &end, 10), minor = *end == '.' ? strtoul(end + 1, &end, 10) : 0;
    return *end || major > 1000 || minor > 98 ? UNORDERED : (unsigned)(major * 100 + minor + 1);
}

unsigned platform_fitness(const struct platform *image, const struct platform *machine)
{
    struct platform wanted = normalize(machine), offered = normalize(image);
    if (strcmp(wanted.architecture, offered.architecture) != 0)
        return 0;
    if (!strcmp(wanted.variant, offered.variant))
        return UINT32_MAX;
    unsigned most = order_of(wanted.variant), order = order_of(offered.variant);
    if (most == UNORDERED || order == UNORDERED)
        return !*offered.variant;
    return order <= most ? order : 0;
}

/* ---- this machine ---- */

static bool has_flag(const char *flags, const char *flag)
{
    size_t size = strlen(flag);
    for (const char *at = flags; (at = strstr(at, flag)); at += size)
        if (at > flags && at[-1] == ' ' && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static bool has_flags(const char *flags, const char *const *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!has_flag(flags, wanted[i]))
            return false;
    return true;
}

/* The level of the x86-64 psABI that the flags of /proc/cpuinfo describe. It is at most v3, because
 * QEMU's software emulation has no AVX-512, which v4 needs. */
static const char *level_of_flags(const char *flags)
{
    static const char *const v2[] = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"};
    static const char *const v3[] = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"};
    if (!has_flags(flags, v2, sizeof v2 / sizeof *v2))
        return "v1";
    return has_flags(flags, v3, sizeof v3 / sizeof *v3) ? "v3" : "v2";
}

static void find_level(struct platform *machine)
{
    struct pe_error ignored;
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, "/proc/cpuinfo", CPUINFO_BYTES_MAX, &text, &ignored) < 0 ||
        pe_buf_append(&text, "", 1, &ignored) < 0)
        return;
    char *flags = strstr((char *)text.data, "\nflags");
    char *end = flags ? strchr(flags + 1, '\n') : NULL;
    if (!end)
        return;
    *end = '\0';
    snprintf(machine->variant, sizeof machine->variant, "%s", level_of_flags(flags + 1));
}

static void find_machine(struct platform *machine)
{
    struct utsname system = {0};
    struct platform named = {0};
    uname(&system);
    platform_set(&named, system.machine, NULL);
    *machine = normalize(&named);
    if (!strcmp(machine->architecture, "amd64"))
        find_level(machine);
}

int platform_parse(const char *text, struct platform *platform, struct pe_error *err)
{
    struct platform machine = {0};
    find_machine(&machine);
    *platform = machine;
    if (!text)
        return 0;
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    if (size == 0 || size >= sizeof platform->architecture ||
        (slash && strlen(slash + 1) >= sizeof platform->variant))
        return pe_fail(err, PE_ERR_INVALID,
                       "'%.80s' is not an architecture; expected one such as amd64, amd64/v2 or arm64", text);
    snprintf(platform->architecture, sizeof platform->architecture, "%.*s", (int)size, text);
    snprintf(platform->variant, sizeof platform->variant, "%s", slash ? slash + 1 : "");
    struct platform named = *platform;
    *platform = normalize(&named);
    if (!slash && !strcmp(platform->architecture, machine.architecture))
        *platform = machine;
    return 0;
}
