/* SPDX-License-Identifier: Apache-2.0 */
/* Reach the host through sockets that are made for virtual machines, and through names of UNIX sockets that
 * are not files.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
    static const char *const names[] = {"pe", "pe-init", "pe-worker", "pe-lb", "/run/pe", "dbus"};
    struct sockaddr_vm host = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 1024};
    must_fail("a socket to the host",
              connect(socket(AF_VSOCK, SOCK_STREAM, 0), (const struct sockaddr *)&host, sizeof host));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s", names[i]);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        must_fail(names[i], connect(fd, (const struct sockaddr *)&name, sizeof name));
    }
    return held();
}
