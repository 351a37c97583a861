/* SPDX-License-Identifier: Apache-2.0 */
/* Reach anything over a network: there is only the loopback interface, and it cannot be changed.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void must_not_connect(const char *to)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    inet_pton(AF_INET, to, &address.sin_addr);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        must_fail(to, connect(fd, (const struct sockaddr *)&address, sizeof address));
        close(fd);
    }
}

int main(void)
{
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = 0};
    struct if_nameindex *interfaces = if_nameindex();
    for (int i = 0; interfaces && interfaces[i].if_name; i++)
        if (strcmp(interfaces[i].if_name, "lo") != 0)
            breach(interfaces[i].if_name);
    must_not_connect("10.0.2.2");
    must_not_connect("169.254.169.254");
    must_not_connect("8.8.8.8");
    must_fail("a raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    must_fail("a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    must_fail("turning the interface off", ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &loopback));
    return held();
}
