/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command with the rights of a container that docker starts without options: like-docker
 * COMMAND... Needs root. It keeps the 14 capabilities of docker's default profile, and a filter denies
 * what docker's default seccomp profile denies without CAP_SYS_ADMIN and CAP_SYS_PTRACE, above all new
 * namespaces and mounts (https://docs.docker.com/engine/security/seccomp/). Unlike docker, it makes no
 * namespaces. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int capabilities[] = {CAP_CHOWN,       CAP_DAC_OVERRIDE,     CAP_FOWNER,     CAP_FSETID,
                                   CAP_KILL,        CAP_SETGID,           CAP_SETUID,     CAP_SETPCAP,
                                   CAP_NET_RAW,     CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_MKNOD,
                                   CAP_AUDIT_WRITE, CAP_SETFCAP};

static const int denied[] = {SYS_unshare,
                             SYS_setns,
                             SYS_mount,
                             SYS_umount2,
                             SYS_pivot_root,
                             SYS_mount_setattr,
                             SYS_move_mount,
                             SYS_open_tree,
                             SYS_fsopen,
                             SYS_fsconfig,
                             SYS_fsmount,
                             SYS_fspick,
                             SYS_sethostname,
                             SYS_setdomainname,
                             SYS_quotactl,
                             SYS_bpf,
                             SYS_perf_event_open,
                             SYS_syslog,
                             SYS_keyctl,
                             SYS_add_key,
                             SYS_request_key,
                             SYS_userfaultfd,
                             SYS_init_module,
                             SYS_finit_module,
                             SYS_delete_module,
                             SYS_kexec_load,
                             SYS_reboot,
                             SYS_swapon,
                             SYS_swapoff,
                             SYS_acct,
                             SYS_settimeofday,
                             SYS_clock_settime,
                             SYS_iopl,
                             SYS_ioperm,
                             SYS_lookup_dcookie,
                             SYS_fanotify_init,
                             SYS_name_to_handle_at,
                             SYS_open_by_handle_at,
                             SYS_set_mempolicy,
                             SYS_mbind,
                             SYS_move_pages,
                             SYS_io_uring_setup,
                             SYS_io_uring_enter,
                             SYS_io_uring_register};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NEW_NAMESPACES 0x7e020000u
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* Docker allows personality(2) only for a few values, of which ADDR_NO_RANDOMIZE is none. */
static int deny_calls(void)
{
    struct sock_filter code[2 * COUNT(denied) + 16];
    const struct sock_filter head[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        ANSWER(ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1),
        ANSWER(EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x0040000, 0, 1),
        ANSWER(EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    unsigned short count = 0;
    for (size_t i = 0; i < COUNT(head); i++)
        code[count++] = head[i];
    for (size_t i = 0; i < COUNT(denied); i++) {
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)denied[i], 0, 1);
        code[count++] = (struct sock_filter)ANSWER(EPERM);
    }
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = count, .filter = code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int keep_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    for (size_t i = 0; i < COUNT(capabilities); i++)
        data[0].effective |= 1u << capabilities[i];
    for (int capability = 0; capability < 64; capability++)
        if (capability >= 32 || !(data[0].effective & 1u << capability))
            if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
                return -1;
    data[0].permitted = data[0].effective;
    return (int)syscall(SYS_capset, &header, data);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: like-docker COMMAND...\n", stderr);
        return 2;
    }
    if (deny_calls() < 0 || keep_capabilities() < 0) {
        perror("like-docker");
        return 2;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
