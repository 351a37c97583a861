/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner has decided, compared with the clock. How the worker pauses is in worker/supervisor.c. */
#include "worker/pause.h"

#include <time.h>

const char *pause_reason(const struct worker_config *config)
{
    struct tm local;
    const time_t now = time(NULL);
    if (config->hours.count && localtime_r(&now, &local) && !owner_hours_allow(&config->hours, &local))
        return "outside of the owner's --hours";
    if (config->idle_only && config->owner_sign != OWNER_AWAY)
        return owner_sign_text(config->owner_sign);
    return NULL;
}

bool pause_is_possible(const struct worker_config *config)
{
    return config->hours.count || config->idle_only;
}
