#include <stdio.h>

int main(void)
{
    printf("Hello from gcc %d.%d, in a VM of its own\n", __GNUC__, __GNUC_MINOR__);
    return 0;
}
