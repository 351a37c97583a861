/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the output of VMMs. Where it is kept is in worker/vmm/vmm.c. The forms of the lines come from
 * cloud-hypervisor's src/lib.rs (cli_print_error_chain) and src/logger.rs, and from QEMU's
 * util/error-report.c. */
#include "worker/vmm/last_words.h"

#include "proto/path.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A line is cut here. The causes of a chain have less than 100 bytes each. */
#define LINE_MAX_BYTES 512

/* Read the next line, without the blanks around it, from `*log`. Returns false at the end. */
static bool next_line(const char **log, size_t *left, char line[LINE_MAX_BYTES])
{
    const char *at = *log;
    const char *newline = *left ? memchr(at, '\n', *left) : NULL;
    size_t length = newline ? (size_t)(newline - at) : *left;
    if (!*left)
        return false;
    *log += length + (newline != NULL);
    *left -= length + (newline != NULL);
    while (length && isspace((unsigned char)at[length - 1]))
        length--;
    while (length && isspace((unsigned char)*at)) {
        at++;
        length--;
    }
    pe_path_printable(at, length, line, LINE_MAX_BYTES);
    return true;
}

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool begins_with_any(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(text, words[i]))
            return true;
    return false;
}

/* "cloud-hypervisor: 0.012345s: <vmm> WARN:vmm/src/cpu.rs:278 -- text" */
static bool is_minor_of_cloud_hypervisor(const char *line)
{
    static const char *const levels[] = {"WARN:", "INFO:", "DEBUG:", "TRACE:"};
    const char *thread = begins(line, "cloud-hypervisor: ") ? strstr(line, ": <") : NULL;
    const char *level = thread ? strstr(thread, "> ") : NULL;
    return level && begins_with_any(level + 2, levels, sizeof levels / sizeof *levels);
}

/* "qemu-system-x86_64: warning: text", or with a place: "qemu-system-x86_64: -cpu max: warning: text" */
static bool is_minor_of_qemu(const char *line)
{
    return begins(line, "qemu-system-") && (strstr(line, ": warning: ") || strstr(line, ": info: "));
}

/* If this is the cause with that number in a chain, return its text, else NULL. */
static const char *as_cause(const char *line, unsigned number)
{
    char prefix[16];
    snprintf(prefix, sizeof prefix, "%u: ", number);
    return begins(line, prefix) ? line + strlen(prefix) : NULL;
}

static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used ? ": " : "", more);
}

void vmm_last_words(const char *log, size_t length, char *text, size_t size)
{
    char line[LINE_MAX_BYTES];
    unsigned causes = 0; /* how many of a chain `text` consists of */
    text[0] = '\0';
    while (next_line(&log, &length, line)) {
        if (!line[0] || is_minor_of_cloud_hypervisor(line) || is_minor_of_qemu(line))
            continue;
        const char *cause = as_cause(line, causes);
        if (!cause)
            cause = as_cause(line, causes = 0);
        if (!causes)
            text[0] = '\0';
        append(text, size, cause ? cause : line);
        causes = cause ? causes + 1 : 0;
    }
}
