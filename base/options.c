/* SPDX-License-Identifier: Apache-2.0 */
/* Table-driven command lines on top of getopt_long(3). */
#include "base/options.h"

#include "base/cleanup.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP = 256, FIRST_OPTION }; /* the values of long options begin behind all letters */

static void print_help(const struct pe_program *program)
{
    printf("Usage: %s %s\n%s\n\n", program->name, program->usage, program->about);
    for (const struct pe_option *option = program->options; option->name; option++) {
        char left[64];
        char letter[5] = "    ";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        printf("  %-26s  %s\n", left, option->help);
    }
    printf("  %-26s  %s\n", "-h, --help", "show this and exit");
    if (program->epilogue)
        printf("\n%s\n", program->epilogue);
}

static int set_value(const struct pe_option *option, const char *text, struct pe_error *err)
{
    switch (option->kind) {
    case PE_OPTION_FLAG:
        *(bool *)option->value = true;
        return 0;
    case PE_OPTION_TEXT:
        *(const char **)option->value = text;
        return 0;
    case PE_OPTION_NUMBER: {
        char *end = NULL;
        errno = 0;
        unsigned long long number = strtoull(text, &end, 10);
        if (errno || end == text || *end || *text == '-')
            return pe_fail(err, PE_ERR_INVALID, "--%s takes a whole number, not '%s'", option->name, text);
        *(uint64_t *)option->value = number;
        return 0;
    }
    case PE_OPTION_LIST: {
        struct pe_option_list *list = option->value;
        const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
        if (!items)
            return pe_fail_errno(err, "--%s", option->name);
        items[list->count++] = text;
        list->items = items;
        return 0;
    }
    }
    return pe_fail(err, PE_ERR_INTERNAL, "--%s has no kind", option->name);
}

void pe_option_table_add(struct pe_option_table *table, const struct pe_option *options, size_t count)
{
    if (count > PE_OPTIONS_MAX - table->count)
        abort();
    memcpy(table->items + table->count, options, count * sizeof *options);
    table->count += count;
}

static const struct pe_option *find_by_letter(const struct pe_option *option, int letter)
{
    for (; option->name; option++)
        if (option->letter && option->letter == letter)
            return option;
    return NULL;
}

/* getopt has just looked at `argument`, and `got` is what it returned. If the argument has several letters,
 * as -abc, `optopt` is the wrong one, and if it is a long option with a value that it does not take, that
 * option. */
static int fail_at_option(const struct pe_program *program, int got, const char *argument,
                          struct pe_error *err)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    const bool is_letter = optopt > 0 && optopt < HELP;
    const char *what = got == ':'       ? "a value is missing after"
                       : optopt >= HELP ? "there is a value after an option that takes none:"
                                        : "unknown option";
    const bool is_unknown = got != ':' && optopt < HELP;
    return pe_fail(err, PE_ERR_INVALID, "%s '%s'; %s%ssee %s --help", what, is_letter ? letter : argument,
                   is_unknown && program->command ? program->command : "",
                   is_unknown && program->command ? "; " : "", program->name);
}

int pe_options_parse(const struct pe_program *program, int argc, char **argv, bool stop_early, int *rest,
                     struct pe_error *err)
{
    size_t count = 0;
    while (program->options[count].name)
        count++;
    pe_autofree struct option *longs = calloc(count + 2, sizeof *longs);
    pe_autofree char *shorts = calloc(1, 2 * count + 4);
    if (!longs || !shorts)
        return pe_fail_errno(err, "options");
    char *letter = shorts;
    *letter++ = stop_early ? '+' : ':'; /* POSIXLY_CORRECT order, or permute */
    if (stop_early)
        *letter++ = ':';
    for (size_t i = 0; i < count; i++) {
        const struct pe_option *option = &program->options[i];
        int takes = option->kind == PE_OPTION_FLAG ? no_argument : required_argument;
        longs[i] = (struct option){.name = option->name, .has_arg = takes, .val = FIRST_OPTION + (int)i};
        if (option->letter) {
            *letter++ = option->letter;
            if (takes == required_argument)
                *letter++ = ':';
        }
    }
    *letter++ = 'h';
    longs[count] = (struct option){.name = "help", .has_arg = no_argument, .val = HELP};

    opterr = 0;
    optind = 0;
    for (;;) {
        int got = getopt_long(argc, argv, shorts, longs, NULL);
        if (got == -1)
            break;
        if (got == HELP || got == 'h') {
            print_help(program);
            exit(0);
        }
        if (got == '?' || got == ':')
            return fail_at_option(program, got, argv[optind - 1], err);
        const struct pe_option *option = got >= FIRST_OPTION ? &program->options[got - FIRST_OPTION]
                                                             : find_by_letter(program->options, got);
        if (option && set_value(option, optarg, err) < 0)
            return -1;
    }
    *rest = optind;
    return 0;
}

void pe_option_list_free(struct pe_option_list *list)
{
    free(list->items);
    *list = (struct pe_option_list){0};
}
