/* SPDX-License-Identifier: Apache-2.0 */
/* The program for gcc:14. test_languages.py says what all of these programs do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}
int main(void)
{
    char words[100][32];
    size_t n = 0, names = 0;
    while (n < 100 && scanf("%31s", words[n]) == 1)
        n++;
    qsort(words, n, sizeof words[0], compare);
    for (size_t i = 0, count = 0; i < n; i++) {
        count++;
        if (i + 1 < n && !strcmp(words[i], words[i + 1]))
            continue;
        printf("%s\t%zu\n", words[i], count);
        count = 0;
        names++;
    }
    FILE *file = fopen("/output/sum", "w");
    if (!file)
        return 1;
    fprintf(file, "%zu", names);
    fclose(file);
    return 3;
}
