/* SPDX-License-Identifier: Apache-2.0 */
/* Send records like those of pe-shim into every descriptor that is open or was, as if the program had exited
 * with 0.
 *
 * result: exited 3
 * stdout:
 */
#include "tests/hostile/attempt.h"

#include "guest-init/shim_record.h"

#include <sys/socket.h>

int main(void)
{
    const struct shim_record record = {.kind = SHIM_ENDED, .wait_status = 0, .time_us = 1};
    for (int fd = 3; fd < 64; fd++)
        if (send(fd, &record, sizeof record, MSG_NOSIGNAL) >= 0 || write(fd, &record, sizeof record) >= 0)
            breach("sent a record");
    return 3;
}
