/* SPDX-License-Identifier: Apache-2.0 */
/* Findings and their file, flat text (codec/flat.h) with the keys `host`, `engine`, `reason`, and one line
 * for each engine that was tried: `tried=ENGINE` or `tried=ENGINE WHY` if the result is certain,
 * `later=ENGINE WHY` if not. How an engine is tried is in worker/vmm/probe.c. */
#include "worker/vmm/probe_findings.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/flat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 65536u

static struct probe_finding *find(struct probe_findings *findings, const char *engine)
{
    for (size_t i = 0; i < findings->count; i++)
        if (!strcmp(findings->items[i].engine, engine))
            return &findings->items[i];
    return NULL;
}

const struct probe_finding *probe_findings_of(const struct probe_findings *findings, const char *engine)
{
    return find((struct probe_findings *)(uintptr_t)findings, engine);
}

static void set(struct probe_findings *findings, const char *engine, enum probe_verdict verdict,
                const char *why)
{
    struct probe_finding *finding = find(findings, engine);
    if (!finding && findings->count == ENGINES_MAX)
        return;
    if (!finding)
        finding = &findings->items[findings->count++];
    finding->verdict = verdict;
    snprintf(finding->engine, sizeof finding->engine, "%s", engine);
    snprintf(finding->why, sizeof finding->why, "%s", why);
}

static bool may_change(const struct pe_error *why)
{
    static const int shortages[] = {EAGAIN, ENOMEM, EMFILE, ENFILE, ENOSPC};
    for (size_t i = 0; i < sizeof shortages / sizeof *shortages; i++)
        if (why->errnum == shortages[i])
            return true;
    return why->kind == PE_ERR_TIMEOUT || why->kind == PE_ERR_BUSY;
}

void probe_findings_set(struct probe_findings *findings, const char *engine, const struct pe_error *why)
{
    if (why)
        set(findings, engine, may_change(why) ? PROBE_UNDECIDED : PROBE_FAILS, why->message);
    else
        set(findings, engine, PROBE_WORKS, "");
}

bool probe_findings_are_unfinished(const struct probe_findings *findings)
{
    for (size_t i = 0; i < findings->count && findings->items[i].verdict != PROBE_WORKS; i++)
        if (findings->items[i].verdict == PROBE_UNDECIDED)
            return true;
    return false;
}

/* ---- the file ---- */

static int append(struct pe_buf *text, const struct probe_finding *finding, struct pe_error *err)
{
    char line[sizeof finding->engine + sizeof finding->why];
    snprintf(line, sizeof line, "%s%s%s", finding->engine, finding->why[0] ? " " : "", finding->why);
    return pe_flat_append(text, finding->verdict == PROBE_UNDECIDED ? "later" : "tried", line, err);
}

/* Write the file `unfinished`, and give it the name `path`. After a failure it can be there still. */
static int write_file(const char *unfinished, const struct pe_buf *text, const char *path,
                      struct pe_error *err)
{
    pe_autoclose int fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", unfinished);
    if (pe_write_all(fd, (const char *)text->data, text->size, unfinished, err) < 0)
        return -1;
    return rename(unfinished, path) == 0 ? 0 : pe_fail_errno(err, "cannot rename %s", unfinished);
}

int probe_memory_write(const struct probe_memory *memory, const char *host, const char *path,
                       struct pe_error *err)
{
    char unfinished[512];
    pe_autobuf struct pe_buf text = {0};
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    if (pe_flat_append(&text, "host", host, err) < 0 ||
        pe_flat_append(&text, "engine", memory->engine, err) < 0 ||
        pe_flat_append(&text, "reason", memory->reason, err) < 0)
        return -1;
    bool works = false; /* an engine before; nobody tries again what comes after it */
    for (size_t i = 0; i < memory->findings.count; i++) {
        const struct probe_finding *finding = &memory->findings.items[i];
        works |= finding->verdict == PROBE_WORKS;
        if (!(works && finding->verdict == PROBE_UNDECIDED) && append(&text, finding, err) < 0)
            return -1;
    }
    if (write_file(unfinished, &text, path, err) == 0)
        return 0;
    unlink(unfinished);
    return -1;
}

static void read_finding(struct probe_findings *findings, const char *text, bool certain)
{
    char name[ENGINE_NAME_MAX];
    size_t length = strcspn(text, " ");
    const char *why = text + length + (text[length] == ' ');
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    set(findings, name, !certain ? PROBE_UNDECIDED : why[0] ? PROBE_FAILS : PROBE_WORKS, why);
}

int probe_memory_read(struct probe_memory *memory, const char *host, const char *path)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_flat_entry entry;
    struct pe_error ignored;
    bool same = false;
    *memory = (struct probe_memory){.findings = {.count = 0}};
    if (pe_read_file(AT_FDCWD, path, FILE_MAX, &text, &ignored) < 0)
        return 0;
    struct pe_cursor cursor = {.at = text.data, .left = text.size};
    while (pe_flat_next(&cursor, &entry, &ignored) > 0) {
        if (!strcmp(entry.key, "host"))
            same = !strcmp(entry.value, host);
        else if (!strcmp(entry.key, "engine"))
            snprintf(memory->engine, sizeof memory->engine, "%s", entry.value);
        else if (!strcmp(entry.key, "reason"))
            snprintf(memory->reason, sizeof memory->reason, "%s", entry.value);
        else if (!strcmp(entry.key, "tried") || !strcmp(entry.key, "later"))
            read_finding(&memory->findings, entry.value, entry.key[0] == 't');
    }
    if (!same)
        *memory = (struct probe_memory){.findings = {.count = 0}};
    return same;
}
