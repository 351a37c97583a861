/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the engines, and the choice of the first that works. How an engine is tried is in
 * worker/vmm/probe.c. */
#include "worker/vmm/engine_selection.h"

#include "worker/vmm/driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *name_of(enum vm_accel accel)
{
    static const char *const names[] = {
        [VM_ACCEL_TCG] = "tcg+", [VM_ACCEL_KVM] = "kvm+", [VM_ACCEL_NONE] = ""};
    return names[accel];
}

static void add(struct engine *engines, size_t *count, const struct vmm_driver *driver, enum vm_accel accel,
                bool snapshot, const char *cpu_flags)
{
    struct engine *engine = &engines[(*count)++];
    *engine = (struct engine){.driver = driver, .accel = accel, .snapshot = snapshot, .cpu_flags = cpu_flags};
    snprintf(engine->name, sizeof engine->name, "%s+%s%s%s", driver->name, name_of(accel),
             snapshot ? "snapshot" : "boot", cpu_flags);
}

size_t engines_for_machine(const char *machine, struct engine engines[ENGINES_MAX])
{
    size_t count = 0;
    add(engines, &count, &vmm_cloud_hypervisor, VM_ACCEL_KVM, true, "");
    add(engines, &count, &vmm_cloud_hypervisor, VM_ACCEL_KVM, false, "");
    add(engines, &count, &vmm_qemu, VM_ACCEL_KVM, true, "");
    if (!strcmp(machine, "aarch64")) {
        add(engines, &count, &vmm_qemu, VM_ACCEL_KVM, true, ",pmu=off");
        add(engines, &count, &vmm_qemu, VM_ACCEL_KVM, true, ",pmu=off,sve=off");
    }
    add(engines, &count, &vmm_qemu, VM_ACCEL_KVM, false, "");
    add(engines, &count, &vmm_qemu, VM_ACCEL_TCG, true, "");
    add(engines, &count, &vmm_qemu, VM_ACCEL_TCG, false, "");
    if (!strcmp(machine, "x86_64")) {
        add(engines, &count, &vmm_uml, VM_ACCEL_NONE, false, "");
        engines[count - 1].on_request = true;
    }
    return count;
}

/* A text under construction. It is cut when it is full. */
struct text {
    char *bytes;
    size_t used, size;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text->bytes + text->used, text->size - text->used, format, list);
    va_end(list);
    text->used += n > 0 ? (size_t)n : 0;
    if (text->used >= text->size)
        text->used = text->size - 1;
}

/* Append "not NAME: reason". If the engine before it failed for the same reason, the name joins
 * that engine's: "not A, B: reason". */
static void append_failure(struct text *text, const char *name, const char *why, const char *before)
{
    size_t reason = strlen(why) + 2;
    if (before[0] && !strcmp(why, before) && text->used > reason) {
        text->used -= reason; /* overwrite the reason, which follows the name again */
        append(text, ", %s: %s", name, why);
    } else {
        append(text, "%snot %s: %s", before[0] ? "; " : "", name, why);
    }
}

int engine_select(const struct engine *engines, size_t count, const char *wanted, engine_try try,
                  void *context, const struct engine **chosen, char reason[ENGINE_REASON_MAX],
                  struct pe_error *err)
{
    char failures[ENGINE_REASON_MAX - ENGINE_NAME_MAX - 8] = "", before[256] = "";
    struct text text = {.bytes = failures, .size = sizeof failures};
    bool automatic = !strcmp(wanted, "auto"), known = automatic;
    for (size_t i = 0; i < count; i++) {
        struct pe_error why;
        if (automatic ? engines[i].on_request : strcmp(wanted, engines[i].name) != 0)
            continue;
        known = true;
        if (try(context, &engines[i], &why) == 0) {
            *chosen = &engines[i];
            snprintf(reason, ENGINE_REASON_MAX, "%s%s%s%s", engines[i].name, automatic ? "" : " (asked for)",
                     failures[0] ? "; " : "", failures);
            return 0;
        }
        char cut[sizeof before];
        snprintf(cut, sizeof cut, "%.*s", (int)sizeof cut - 1, why.message);
        append_failure(&text, engines[i].name, cut, before);
        memcpy(before, cut, sizeof before);
    }
    if (!known)
        return pe_fail(err, PE_ERR_INVALID,
                       "there is no engine '%s'; the first engine is %s, and the last %s", wanted,
                       engines[0].name, engines[count - 1].name);
    return pe_fail(err, PE_ERR_INTERNAL, "no engine works on this host: %s", failures);
}

void engine_apply(const struct engine *engine, struct vm_host *host)
{
    host->driver = engine->driver;
    host->accel = engine->accel;
    host->cpu_flags = engine->cpu_flags;
}
