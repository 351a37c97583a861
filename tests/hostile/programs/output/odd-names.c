/* SPDX-License-Identifier: Apache-2.0 */
/* Names that mean something to a shell, a terminal, a browser, a form or an archive.
 *
 * engines: each
 * result: exited 0
 * file names: ["a b", "line\nbreak", "\r\n\r\n", "-rf", "...", "~", "*", "\"", "%22", "a;b", "\\",
 * "\u001b[2J", "\udcff\udcfe", "\udced\udca0\udc80", "C:\\x", "TRAILER!!!", "--boundary", "name=\"f\"",
 * "\u202e", "\u0001\u007f"]
 * files: 20
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static const char *const names[] = {
        "a b",   "line\nbreak", "\r\n\r\n",   "-rf",        "...",          "~",        "*",
        "\"",    "%22",         "a;b",        "\\",         "\x1b[2J",      "\xff\xfe", "\xed\xa0\x80",
        "C:\\x", "TRAILER!!!",  "--boundary", "name=\"f\"", "\xe2\x80\xae", "\x01\x7f"};
    if (chdir("/output") < 0)
        give_up("chdir");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        close(open(names[i], O_CREAT | O_WRONLY, 0600));
    return 0;
}
