/* SPDX-License-Identifier: Apache-2.0 */
int main(void)
{
    for (volatile long sum = 0;; sum++)
        ;
}
