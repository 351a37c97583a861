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
    if (!strcmp(machine, "x86_64"))
        add(engines, &count, &vmm_uml, VM_ACCEL_NONE, false, "");
    add(engines, &count, &vmm_qemu, VM_ACCEL_TCG, true, "");
    add(engines, &count, &vmm_qemu, VM_ACCEL_TCG, false, "");
    return count;
}

void engines_use_uml_seccomp(struct engine *engines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (engines[i].accel != VM_ACCEL_NONE)
            continue;
        engines[i].cpu_flags = ENGINE_UML_SECCOMP;
        snprintf(engines[i].name, sizeof engines[i].name, "%s+boot%s", engines[i].driver->name,
                 engines[i].cpu_flags);
    }
}

static bool is_automatic(const struct engine_wish *wish)
{
    return !strcmp(wish->name, "auto");
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

/* Whether `name` is that of the engine, or of one of its families: the first part of the name is the
 * VMM, and the second one can be the accelerator. */
static bool is_called(const struct engine *engine, const char *name)
{
    char accel[8];
    snprintf(accel, sizeof accel, "%s+", name);
    if (engine->accel == VM_ACCEL_NONE && !strcmp(name, "uml+boot"))
        return true;
    return !strcmp(name, engine->name) || !strcmp(name, engine->driver->name) ||
           (engine->accel != VM_ACCEL_NONE && !strcmp(accel, name_of(engine->accel)));
}

static bool is_wanted(const struct engine *engine, const struct engine_wish *wish)
{
    if (!pe_isolation_accepted(wish->isolation, vm_isolation(engine->accel)))
        return false;
    return is_automatic(wish) || is_called(engine, wish->name);
}

static int fail_without_engine(const struct engine *engines, size_t count, const struct engine_wish *wish,
                               struct pe_error *err)
{
    char kinds[PE_ISOLATION_TEXT_MAX];
    if (wish->isolation.bits)
        return pe_fail(err, PE_ERR_INVALID, "no engine '%s' of this machine has the isolation %s", wish->name,
                       pe_isolation_set_print(wish->isolation, " or ", kinds));
    return pe_fail(
        err, PE_ERR_INVALID,
        "there is no engine '%s'; there are auto, kvm, uml, tcg, qemu, cloud-hypervisor, and names "
        "from %s to %s",
        wish->name, engines[0].name, engines[count - 1].name);
}

int engine_select(const struct engine *engines, size_t count, const struct engine_wish *wish, engine_try try,
                  void *context, const struct engine **chosen, char reason[ENGINE_REASON_MAX],
                  struct pe_error *err)
{
    char failures[ENGINE_REASON_MAX - ENGINE_NAME_MAX - 8] = "", before[256] = "";
    struct text text = {.bytes = failures, .size = sizeof failures};
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        struct pe_error why;
        if (!is_wanted(&engines[i], wish))
            continue;
        known = true;
        if (try(context, &engines[i], &why) == 0) {
            *chosen = &engines[i];
            snprintf(reason, ENGINE_REASON_MAX, "%s%s%s%s", engines[i].name,
                     is_automatic(wish) ? "" : " (asked for)", failures[0] ? "; " : "", failures);
            return 0;
        }
        char cut[sizeof before];
        snprintf(cut, sizeof cut, "%.*s", (int)sizeof cut - 1, why.message);
        append_failure(&text, engines[i].name, cut, before);
        memcpy(before, cut, sizeof before);
    }
    if (!known)
        return fail_without_engine(engines, count, wish, err);
    char kinds[PE_ISOLATION_TEXT_MAX];
    return pe_fail(err, PE_ERR_INTERNAL, "no engine%s%s works on this host: %s",
                   wish->isolation.bits ? " with the isolation " : "",
                   pe_isolation_set_print(wish->isolation, " or ", kinds), failures);
}

#define EMULATION "Jobs are isolated by emulation (QEMU's TCG), which is slow; "

const char *engine_explain(enum vm_accel accel, enum engine_uml uml)
{
    static const char *const emulation[] = {
        [ENGINE_UML_NONE] = EMULATION "a host with a /dev/kvm that works would give hardware isolation and "
                                      "native speed.",
        [ENGINE_UML_NO_KERNEL] = EMULATION "`make uml-kernel` and a restart of the worker give native speed "
                                           "(User Mode Linux), and a host with a /dev/kvm that works "
                                           "hardware isolation.",
        [ENGINE_UML_HAS_KERNEL] = EMULATION "User Mode Linux would give native speed (the line before says "
                                            "why it is not used), and a host with a /dev/kvm that works "
                                            "hardware isolation.",
    };
    switch (accel) {
    case VM_ACCEL_KVM:
        return "Jobs are isolated by hardware virtualization (KVM), the strongest isolation that there is.";
    case VM_ACCEL_NONE:
        return "Jobs are isolated by a guest kernel in an ordinary process (User Mode Linux); a host with a "
               "/dev/kvm that works would give hardware isolation.";
    case VM_ACCEL_TCG:
        break;
    }
    return emulation[uml];
}

void engine_apply(const struct engine *engine, struct vm_host *host)
{
    host->driver = engine->driver;
    host->accel = engine->accel;
    host->cpu_flags = engine->cpu_flags;
}
