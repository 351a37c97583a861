/* The cloud-hypervisor driver. */
#include "worker/vmm/driver.h"

static int version(const struct vm_host *host, char *text, size_t size, struct pe_error *err)
{
    (void)text, (void)size;
    return pe_fail(err, PE_ERR_NOT_FOUND, "no driver for %s yet", host->cloud_hypervisor);
}

const struct vmm_driver vmm_cloud_hypervisor = {.name = "cloud-hypervisor", .version = version};
