/* SPDX-License-Identifier: Apache-2.0 */
/* Open files by numbers that can be guessed, in folders that cannot be reached by name.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    union {
        struct file_handle handle;
        char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } guess;
    int number = 0, root = open("/", O_RDONLY | O_DIRECTORY);
    memset(&guess, 0, sizeof guess);
    guess.handle.handle_bytes = MAX_HANDLE_SZ;
    must_fail("name_to_handle_at", name_to_handle_at(root, "etc", &guess.handle, &number, 0));
    guess.handle.handle_bytes = 8;
    guess.handle.handle_type = 1;
    for (unsigned i = 0; i < 64; i++) {
        memcpy(guess.handle.f_handle, &i, sizeof i);
        must_fail("open_by_handle_at", open_by_handle_at(root, &guess.handle, O_RDONLY));
    }
    return held();
}
