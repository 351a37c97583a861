# SPDX-License-Identifier: Apache-2.0
"""A job that prints what it sees of its machine, its kernel and its container, as one JSON object.

The keys are `group.name`. Nothing is printed that differs between two VMs of the same engine, such as
times, counters, random numbers and sizes of processes. tests/e2e/test_engines.py compares the engines."""
import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import stat
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
seen = {}


def note(group, name, value):
    seen[f"{group}.{name}"] = value


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def attempt(function, *arguments):
    """"works", or the name of the error."""
    try:
        result = function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except Exception as error:  # what Python itself refuses
        return type(error).__name__
    return result if isinstance(result, str) else "works"


def answer(result):
    """The answer of a function of libc."""
    if result >= 0:
        return "works"
    return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def call(number, *arguments):
    return answer(libc.syscall(number, *map(ctypes.c_long, arguments)))


def in_child(function):
    """The text that a function returns in a child of ours, or how the child ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            os.write(writer, str(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read().decode()
    status = os.waitpid(pid, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else text


# ---- the process ----

COUNTED = ("ctxt_switches", "Threads", "SigQ", "Pid", "Tgid", "PPid", "Vm", "Rss", "Huge", "FDSize")


def look_at_the_process():
    for line in read("/proc/self/status").splitlines():
        name, value = line.split(":", 1)
        counted = any(word in name for word in COUNTED) or name.startswith("NS")
        note("status", name, "there" if counted else value.strip())
    for line in read("/proc/self/limits").splitlines()[1:]:
        note("limit", line[:26].strip(), line[26:].split())
    note("process", "working directory", os.getcwd())
    note("process", "user and groups", [os.getresuid(), os.getresgid(), os.getgroups()])
    note("process", "cgroup", read("/proc/self/cgroup"))
    note("process", "oom_score_adj", read("/proc/self/oom_score_adj").strip())
    note("process", "scheduler", [os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)])
    note("process", "CPUs", [os.cpu_count(), len(os.sched_getaffinity(0))])
    note("process", "personality", libc.personality(0xFFFFFFFF))
    note("process", "open files", sorted(os.listdir("/proc/self/fd")))
    note("process", "its process 1", read("/proc/1/comm").strip())
    for name, value in os.environ.items():
        note("environment", name, value)
    for name in os.listdir("/proc/self/ns"):
        number = int(os.readlink(f"/proc/self/ns/{name}").split("[")[1].rstrip("]"))
        # Numbers up to here are the kernel's own namespaces (include/linux/proc_ns.h).
        note("namespace", name, "own" if number > 0xF0000001 else "the guest's")
    kinds = {3: "PHDR", 6: "PAGESZ", 16: "HWCAP", 17: "CLKTCK", 23: "SECURE", 26: "HWCAP2"}
    kinds |= {33: "SYSINFO_EHDR", 51: "MINSIGSTKSZ"}
    with open("/proc/self/auxv", "rb") as file:
        vector = dict(struct.iter_unpack("=QQ", file.read()))
    for kind, name in kinds.items():
        varies = name in ("PHDR", "SYSINFO_EHDR")
        note("auxv", name, "there" if varies and kind in vector else vector.get(kind))


# ---- the machine ----


def look_at_the_machine():
    for name, value in zip(("system", "node", "release", "version", "machine"), os.uname()):
        note("uname", name, value)
    blocks = read("/proc/cpuinfo").strip().split("\n\n")
    note("cpuinfo", "number", len(blocks))
    for line in blocks[0].splitlines():
        name, value = line.split(":", 1)
        measured = name.strip() in ("cpu MHz", "bogomips")
        note("cpuinfo", name.strip(), "measured" if measured else value.strip())
    for line in read("/proc/meminfo").splitlines():
        name, value = line.split(":", 1)
        kib = int(value.split()[0])
        note("meminfo", name, f"{round(kib / 2**16) * 64} MiB" if name == "MemTotal" else "there")
    note("clock", "time zone", time.tzname)
    for number in range(12):  # CLOCK_REALTIME to CLOCK_TAI
        note("clock", str(number), [attempt(time.clock_gettime, number), resolution(number)])
    note("entropy", "getrandom", attempt(os.getrandom, 64, os.GRND_NONBLOCK))
    note("entropy", "GRND_RANDOM", attempt(os.getrandom, 64, os.GRND_NONBLOCK | os.GRND_RANDOM))
    note("entropy", "/dev/random", attempt(read_bytes, "/dev/random"))
    note("entropy", "/dev/hwrng", attempt(read_bytes, "/dev/hwrng"))


def resolution(clock):
    """In seconds; that of the coarse clocks is the length of a tick."""
    return "unknown" if attempt(time.clock_getres, clock) != "works" else time.clock_getres(clock)


def read_bytes(path):
    with open(path, "rb", buffering=0) as file:
        return "works" if len(file.read(32)) == 32 else "short"


# ---- files ----


def look_at_files():
    for line in read("/proc/self/mountinfo").splitlines():
        mount, rest = line.split(" - ")
        root, target, options = mount.split()[3:6]
        kind, source, super_options = rest.split(" ", 2)
        if kind in ("devtmpfs", "rootfs"):  # the guest's own, whose size follows from its memory
            super_options = ""
        both = [sorted(words.split(",")) for words in (options, super_options)]
        note("mount", target, [kind, source, root, *both])
    for path in ("/", "/tmp", "/work", "/output", "/input", "/dev", "/dev/shm", "/proc", "/sys"):
        size = os.statvfs(path)
        note("size", path, [size.f_blocks * size.f_frsize >> 20, size.f_namemax, size.f_flag])
    for folder, folders, files in os.walk("/dev"):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            device = [os.major(status.st_rdev), os.minor(status.st_rdev)] if status.st_rdev else []
            target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
            note("device", path, [stat.filemode(status.st_mode), status.st_uid, status.st_gid, device, target])
    for name in read("/proc/filesystems").split():
        note("filesystem", name, "there")
    for name in os.listdir("/proc"):
        if not name.isdigit():
            note("proc", name, attempt(read_a_little, f"/proc/{name}"))
    for name in os.listdir("/proc/self"):
        note("proc.self", name, attempt(read_a_little, f"/proc/self/{name}"))
    cpu = "/devices/system/cpu"
    places = ("", "/block", "/bus", "/class", "/class/net", "/devices/system", "/fs", "/kernel")
    for place in (*places, cpu, f"{cpu}/cpu0", f"{cpu}/cpu0/topology"):
        for name in os.listdir("/sys" + place) if os.path.isdir("/sys" + place) else []:
            note("sys", f"{place}/{name}", "there")


def read_a_little(path):
    if os.path.isdir(path):
        os.listdir(path)
    elif not path.endswith(("kmsg", "mem", "kcore", "pagemap")):
        with open(path, "rb", buffering=0) as file:
            file.read(1)


# They count or are random, or follow from the memory or from the speed of the host.
VARYING = {f"/proc/sys/{name}" for name in """fs/dentry-state fs/file-nr fs/inode-nr fs/inode-state
    kernel/ns_last_pid kernel/pty/nr kernel/random/boot_id kernel/random/uuid kernel/random/entropy_avail
    fs/quota/syncs net/netfilter/nf_conntrack_count kernel/version kernel/osrelease""".split()}


def look_at_sysctls():
    for folder, _, files in os.walk("/proc/sys"):
        for path in (os.path.join(folder, name) for name in files):
            try:
                value = "varies" if path in VARYING else read(path).strip()
            except OSError as error:
                value = errno.errorcode[error.errno]
            note("sysctl", path.removeprefix("/proc/sys/").replace("/", "."), value)


# ---- the kernel ----

# Calls that do not come back, that make a process of which nobody knows, or that undo our time limit.
NOT_TRIED = {15, 34, 37, 56, 57, 58, 60, 130, 231, 435}


def call_all():
    """Every system call with arguments that it should refuse: a line for each."""
    lines = []
    for number in range(500):
        result = "" if number in NOT_TRIED else call(number, *[-1] * 6)
        lines.append(result if result in ("", "ENOSYS", "EPERM") else "known")
    return "\n".join(lines)


def look_at_system_calls():
    answers = in_child(call_all).split("\n")
    assert len(answers) == 500, answers
    for number, result in enumerate(answers):
        note("call", str(number), result)


def look_at_sockets():
    for family in range(48):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            result = attempt(socket.socket, family, kind)
            if result not in ("EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT"):
                note("socket", f"{family}.{int(kind)}", result)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        note("loopback", address, attempt(talk, family, address))
        note("loopback", f"{address} to port 1", attempt(talk, family, address, 1))


def talk(family, address, port=0):
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind((address, 0))
        server.listen(1)
        client.connect((address, port or server.getsockname()[1]))


def reserve(bytes_, flags):
    result = libc.mmap(None, bytes_, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | flags, -1, 0)
    return answer(-1 if result in (None, ctypes.c_void_p(-1).value) else 0)


def use_shared_memory():
    with open("/dev/shm/look", "w+b") as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as memory:
            memory[0] = 1
    os.unlink("/dev/shm/look")


def write_executable_memory():
    """Machine code in memory that is writable and executable, as JIT compilers make it."""
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
        memory[:6] = b"\xb8\x2a\x00\x00\x00\xc3"  # mov $42, %eax; ret
        function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
        return f"returns {function()}"


def call_vsyscall():
    return "works" if ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(0xFFFFFFFFFF600400)(None) > 0 else "fails"


def run_32_bit_program():
    """exit(7) by int $0x80, in a program for i386."""
    code = b"\xb8\x01\x00\x00\x00\xbb\x07\x00\x00\x00\xcd\x80"
    base, head = 0x8048000, 52 + 32
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + head, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, base, base, head + len(code), head + len(code), 5, 4096)
    with open("/tmp/look32", "wb") as file:
        file.write(ident + header + segment + code)
    os.chmod("/tmp/look32", 0o755)
    try:
        return f"exits with {os.spawnv(os.P_WAIT, '/tmp/look32', ['look32'])}"
    finally:
        os.unlink("/tmp/look32")


def trace_a_child():
    pid = os.fork()
    if pid == 0:
        libc.ptrace(0, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    status = os.waitpid(pid, os.WUNTRACED)[1]
    libc.ptrace(7, pid, 0, 0)
    os.waitpid(pid, 0)
    return "stops" if os.WIFSTOPPED(status) else "does not stop"


def random_addresses():
    """Which parts of a new process lie at random addresses."""
    places = {"[stack]": set(), "[heap]": set(), "/cat": set(), "/libc.so.6": set()}
    for _ in range(6):
        maps = os.popen("exec cat /proc/self/maps").read().splitlines()
        for name, found in places.items():
            found.add(next(line.split("-")[0] for line in maps if line.endswith(name)))
    return sorted(name for name, found in places.items() if len(found) > 1)


def look_at_facilities():
    queue = libc.mq_open(b"/look", os.O_CREAT | os.O_RDWR, 0o600, None)
    note("kernel", "POSIX message queue", answer(queue))
    note("kernel", "inotify", answer(libc.inotify_init1(0)))
    note("kernel", "io_uring", call(425, 8, 0))
    note("kernel", "memfd", attempt(os.memfd_create, "look"))
    note("kernel", "memfd with huge pages", attempt(os.memfd_create, "look", os.MFD_HUGETLB))
    note("kernel", "/dev/shm", attempt(use_shared_memory))
    note("kernel", "System V shared memory", answer(libc.shmget(0, 4096, 0o1600)))
    note("kernel", "System V semaphores", answer(libc.semget(0, 1, 0o1600)))
    note("kernel", "System V messages", answer(libc.msgget(0, 0o1600)))
    note("kernel", "keyrings", call(250, 0, -3, 0))
    note("kernel", "userfaultfd", call(323, 1))
    note("kernel", "perf events", call(298, 0, 0, -1, -1, 0))
    note("kernel", "new user namespace", in_child(lambda: call(272, 0x10000000)))
    note("kernel", "huge pages", reserve(2 << 20, 0x40000))
    note("kernel", "executable memory", in_child(write_executable_memory))
    note("kernel", "vsyscall", in_child(call_vsyscall))
    note("kernel", "32-bit program", in_child(lambda: attempt(run_32_bit_program)))
    note("kernel", "ptrace", in_child(trace_a_child))
    note("kernel", "process_vm_readv", in_child(lambda: call(310, os.getpid(), 0, 0, 0, 0, 0)))
    for power in (36, 40, 44, 46):
        note("address space", f"2^{power}", reserve(1 << power, 0x4000))
    note("address space", "bits of the stack", start_of_stack().bit_length())
    note("address space", "random parts", random_addresses())


def start_of_stack():
    line = next(line for line in read("/proc/self/maps").splitlines() if line.endswith("[stack]"))
    return int(line.split("-")[0], 16)


look_at_the_process()
look_at_the_machine()
look_at_files()
look_at_sysctls()
look_at_system_calls()
look_at_sockets()
look_at_facilities()
print(json.dumps(seen))
