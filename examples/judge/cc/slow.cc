// SPDX-License-Identifier: Apache-2.0
int main()
{
    for (volatile long sum = 0;; sum = sum + 1)
        ;
}
