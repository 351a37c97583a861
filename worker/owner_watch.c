/* SPDX-License-Identifier: Apache-2.0 */
/* One process for each time that the owner works or does not, so that nothing of it lies in memory that slots
 * can change. */
#include "worker/owner_watch.h"

#include "base/io.h"
#include "worker/stop_signal.h"

#include <sys/prctl.h>
#include <unistd.h>

#define LOOK_MS 5000u

/* Between two looks, in milliseconds: CPU time needs some seconds, and a short --idle-after shorter ones. */
static unsigned look_ms(const struct worker_config *config)
{
    const uint32_t part_ms = config->owner.idle_after_s * 1000 / 4;
    return part_ms < 500 ? 500 : part_ms < LOOK_MS ? part_ms : LOOK_MS;
}

int owner_watch_main(const struct worker_config *config)
{
    struct owner_activity activity = {.proc = "/proc",
                                      .dev = "/dev",
                                      .worker = getppid(),
                                      .cpu_percent_most = config->owner.idle_cpu_percent,
                                      .recent_s = config->owner.idle_after_s};
    const bool worked = config->owner.sign != OWNER_AWAY;
    uint64_t quiet_since_us = pe_now_us();
    prctl(PR_SET_NAME, "pe-owner");
    while (!stop_requested) {
        const enum owner_sign sign = owner_look(&activity);
        if (sign != OWNER_AWAY && (!worked || config->owner.sign == OWNER_UNKNOWN))
            return OWNER_WATCH_CHANGED + (int)sign;
        if (sign != OWNER_AWAY)
            quiet_since_us = pe_now_us();
        else if (worked && pe_now_us() - quiet_since_us >= config->owner.idle_after_s * 1000000ull)
            return OWNER_WATCH_CHANGED + OWNER_AWAY;
        stop_signal_sleep(look_ms(config));
    }
    return 0;
}
