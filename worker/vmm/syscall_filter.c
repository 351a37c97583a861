/* SPDX-License-Identifier: Apache-2.0 */
/* Translates a list of system calls to the instructions that seccomp(2) takes. What the lists contain
 * is in worker/vmm/syscalls_*.c. */
#include "worker/vmm/syscall_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#ifdef __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE AUDIT_ARCH_X86_64
#endif

/* The newest call of Linux 5.17, with the same number on all architectures. */
#define NEWEST_CALL 450u

/* On x86-64, the bit of the calls of the x32 ABI, which are calls of another architecture in all but
 * name. */
#define X32_BIT 0x40000000u

/* The longest jump. It is also more than the rules about one call need. */
#define JUMP_MAX 255

static void emit(struct syscall_filter *filter, struct sock_filter instruction)
{
    if (filter->count < SYSCALL_FILTER_MAX)
        filter->code[filter->count] = instruction;
    filter->count++;
}

static void emit_load(struct syscall_filter *filter, size_t offset)
{
    emit(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void emit_return(struct syscall_filter *filter, int refusal)
{
    emit(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                              SECCOMP_RET_ERRNO | ((uint32_t)refusal & SECCOMP_RET_DATA)));
}

static void emit_allow(struct syscall_filter *filter)
{
    emit(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

static void emit_otherwise(struct syscall_filter *filter, const struct syscall_list *list)
{
    if (list->otherwise)
        emit_return(filter, list->otherwise);
    else
        emit(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

/* Compare one half of an argument. The jump to the next rule is not known yet, so the caller sets it. */
static void emit_comparison(struct syscall_filter *filter, size_t offset, uint32_t mask, uint32_t value)
{
    if (!mask)
        return;
    emit_load(filter, offset);
    if (mask != ~0u)
        emit(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
}

/* Both architectures are little-endian. */
static void emit_condition(struct syscall_filter *filter, const struct syscall_condition *condition)
{
    size_t low = offsetof(struct seccomp_data, args) + 8 * condition->argument;
    emit_comparison(filter, low, (uint32_t)condition->mask, (uint32_t)condition->value);
    emit_comparison(filter, low + 4, (uint32_t)(condition->mask >> 32), (uint32_t)(condition->value >> 32));
}

/* Let every comparison between `start` and here jump to here if it does not hold. */
static void land_failures(struct syscall_filter *filter, unsigned short start)
{
    for (unsigned i = start; i < filter->count && i < SYSCALL_FILTER_MAX; i++)
        if (BPF_CLASS(filter->code[i].code) == BPF_JMP)
            filter->code[i].jf = (uint8_t)(filter->count - i - 1);
}

static void emit_rule(struct syscall_filter *filter, const struct syscall_rule *rule)
{
    unsigned short start = filter->count;
    for (size_t i = 0; i < sizeof rule->where / sizeof *rule->where; i++)
        emit_condition(filter, &rule->where[i]);
    if (rule->refusal)
        emit_return(filter, rule->refusal);
    else
        emit_allow(filter);
    land_failures(filter, start);
}

/* Translate the rules about one call, which begin at `rule`. Returns the first rule behind them. */
static const struct syscall_rule *emit_call(struct syscall_filter *filter, const struct syscall_list *list,
                                            const struct syscall_rule *rule, struct pe_error *err)
{
    int number = rule->number;
    unsigned short start = filter->count;
    bool decided = false;
    emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 0));
    for (; rule->number == number; rule++) {
        decided |= !rule->where[0].mask && !rule->where[1].mask;
        emit_rule(filter, rule);
    }
    if (!decided)
        emit_otherwise(filter, list);
    if (filter->count - start - 1 > JUMP_MAX || filter->count > SYSCALL_FILTER_MAX) {
        pe_fail(err, PE_ERR_TOO_LARGE, "the list of system calls is too long at call %d", number);
        return NULL;
    }
    filter->code[start].jf = (uint8_t)(filter->count - start - 1);
    return rule;
}

/* Calls of another architecture have other numbers. */
static void emit_head(struct syscall_filter *filter, const struct syscall_list *list)
{
    emit_load(filter, offsetof(struct seccomp_data, arch));
    emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    emit_otherwise(filter, list);
    emit_load(filter, offsetof(struct seccomp_data, nr));
    emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    emit_otherwise(filter, list);
}

static bool is_supported(void)
{
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int syscall_filter_make(const struct syscall_list *list, struct syscall_filter *filter, struct pe_error *err)
{
    filter->count = 0;
    if (!is_supported())
        return 0;
    emit_head(filter, list);
    for (size_t part = 0; part < SYSCALL_PARTS_MAX && list->parts[part]; part++)
        for (const struct syscall_rule *rule = list->parts[part]; rule->number >= 0;)
            if (!(rule = emit_call(filter, list, rule, err)))
                return -1;
    emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1));
    emit_return(filter, ENOSYS);
    emit_otherwise(filter, list);
    if (filter->count > SYSCALL_FILTER_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the list of system calls is too long");
    return 0;
}

int syscall_filter_install(const struct syscall_filter *filter)
{
    const struct sock_fprog program = {.len = filter->count,
                                       .filter = (struct sock_filter *)(uintptr_t)filter->code};
    return filter->count ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) : 0;
}
