/* The order of the rungs and the walk down. How a rung is tried is probe.c's business. */
#include "worker/vmm/engine_selection.h"

#include "worker/vmm/driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(struct rung *rungs, size_t *count, const struct vmm_driver *driver, enum vm_accel accel,
                bool snapshot, const char *cpu_flags)
{
    struct rung *rung = &rungs[(*count)++];
    *rung = (struct rung){.driver = driver, .accel = accel, .snapshot = snapshot, .cpu_flags = cpu_flags};
    snprintf(rung->name, sizeof rung->name, "%s+%s+%s%s", driver->name, accel == VM_ACCEL_KVM ? "kvm" : "tcg",
             snapshot ? "snapshot" : "boot", cpu_flags);
}

size_t ladder_rungs(const char *machine, struct rung rungs[LADDER_RUNGS_MAX])
{
    size_t count = 0;
    add(rungs, &count, &vmm_cloud_hypervisor, VM_ACCEL_KVM, true, "");
    add(rungs, &count, &vmm_cloud_hypervisor, VM_ACCEL_KVM, false, "");
    add(rungs, &count, &vmm_qemu, VM_ACCEL_KVM, true, "");
    if (!strcmp(machine, "aarch64")) {
        add(rungs, &count, &vmm_qemu, VM_ACCEL_KVM, true, ",pmu=off");
        add(rungs, &count, &vmm_qemu, VM_ACCEL_KVM, true, ",pmu=off,sve=off");
    }
    add(rungs, &count, &vmm_qemu, VM_ACCEL_KVM, false, "");
    add(rungs, &count, &vmm_qemu, VM_ACCEL_TCG, true, "");
    add(rungs, &count, &vmm_qemu, VM_ACCEL_TCG, false, "");
    return count;
}

/* A text under construction, cut when it is full. */
struct text {
    char *bytes;
    size_t used, size;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text->bytes + text->used, text->size - text->used, format, list);
    va_end(list);
    text->used += n > 0 ? (size_t)n : 0;
    if (text->used >= text->size)
        text->used = text->size - 1;
}

/* "not A, B: reason" for neighbours that failed alike. */
static void say_failure(struct text *text, const char *name, const char *why, const char *before)
{
    size_t reason = strlen(why) + 2;
    if (before[0] && !strcmp(why, before) && text->used > reason) {
        text->used -= reason; /* the name goes in front of the reason that is there already */
        say(text, ", %s: %s", name, why);
    } else {
        say(text, "%snot %s: %s", before[0] ? "; " : "", name, why);
    }
}

int ladder_climb(const struct rung *rungs, size_t count, const char *wanted, ladder_try try, void *context,
                 const struct rung **chosen, char reason[LADDER_REASON_MAX], struct pe_error *err)
{
    char failures[LADDER_REASON_MAX - LADDER_NAME_MAX - 8] = "", before[256] = "";
    struct text text = {.bytes = failures, .size = sizeof failures};
    bool automatic = !strcmp(wanted, "auto"), known = automatic;
    for (size_t i = 0; i < count; i++) {
        struct pe_error why;
        if (!automatic && strcmp(wanted, rungs[i].name) != 0)
            continue;
        known = true;
        if (try(context, &rungs[i], &why) == 0) {
            *chosen = &rungs[i];
            snprintf(reason, LADDER_REASON_MAX, "%s%s%s%s", rungs[i].name, automatic ? "" : " (asked for)",
                     failures[0] ? "; " : "", failures);
            return 0;
        }
        char cut[sizeof before];
        snprintf(cut, sizeof cut, "%.*s", (int)sizeof cut - 1, why.message);
        say_failure(&text, rungs[i].name, cut, before);
        memcpy(before, cut, sizeof before);
    }
    if (!known)
        return pe_fail(err, PE_ERR_INVALID, "there is no rung '%s'; the best is %s, the last %s", wanted,
                       rungs[0].name, rungs[count - 1].name);
    return pe_fail(err, PE_ERR_INTERNAL, "VMs cannot be made: %s", failures);
}

void ladder_stand_on(const struct rung *rung, struct vm_host *host)
{
    host->driver = rung->driver;
    host->accel = rung->accel;
    host->cpu_flags = rung->cpu_flags;
}
