/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner has decided, compared with the clock. How the worker pauses is in worker/supervisor.c. */
#include "worker/pause.h"

#include <time.h>

const char *pause_reason(const struct worker_config *config)
{
    struct tm local;
    const time_t now = time(NULL);
    if (config->owner.hours.count && localtime_r(&now, &local) &&
        !owner_hours_allow(&config->owner.hours, &local))
        return "outside of the owner's --hours";
    if (config->owner.idle_only && config->owner.sign != OWNER_AWAY)
        return owner_sign_text(config->owner.sign);
    return NULL;
}

bool pause_is_possible(const struct worker_config *config)
{
    return config->owner.hours.count || config->owner.idle_only;
}
