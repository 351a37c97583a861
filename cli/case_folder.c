/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the pairs in a directory. */
#include "cli/case_folder.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const answers[] = {"out", "ans"};

enum { ANSWERS = sizeof answers / sizeof *answers };

void case_folder_free(struct case_folder *folder)
{
    free(folder->items);
    *folder = (struct case_folder){0};
}

/* What a directory is while its names are read. */
struct walk {
    const char *path;
    int fd;
    bool needs_answers;
    struct case_folder *folder;
};

/* Whether there is a file STEM.ENDING: 1, 0, or -1 if it is something else, such as a symbolic link, whose
 * target may be anywhere on this machine. */
static int find(const struct walk *walk, const char *stem, size_t size, const char *ending,
                struct pe_error *err)
{
    struct stat info;
    pe_autofree char *name = NULL;
    if (asprintf(&name, "%.*s.%s", (int)size, stem, ending) < 0) {
        name = NULL;
        return pe_fail_errno(err, "out of memory for the cases in %s", walk->path);
    }
    if (fstatat(walk->fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot read %s/%s", walk->path, name);
    if (S_ISREG(info.st_mode))
        return 1;
    return pe_fail(err, PE_ERR_INVALID, "%s/%s is not a regular file", walk->path, name);
}

static int find_answer(const struct walk *walk, const char *stem, size_t size, const char **answer,
                       struct pe_error *err)
{
    *answer = NULL;
    for (int i = 0; i < ANSWERS; i++) {
        int found = find(walk, stem, size, answers[i], err);
        if (found < 0)
            return -1;
        if (found && *answer)
            return pe_fail(err, PE_ERR_INVALID, "%s has %.*s.%s as well as %.*s.%s: remove one of them",
                           walk->path, (int)size, stem, *answer, (int)size, stem, answers[i]);
        if (found)
            *answer = answers[i];
    }
    if (!*answer && walk->needs_answers)
        return pe_fail(err, PE_ERR_INVALID, "%s/%.*s.in has no answer: there is no %.*s.out or %.*s.ans",
                       walk->path, (int)size, stem, (int)size, stem, (int)size, stem);
    return 0;
}

static int add_case(const struct walk *walk, const char *stem, size_t size, struct pe_error *err)
{
    struct case_folder *folder = walk->folder;
    struct case_pair pair = {.answer = NULL};
    if (size > PE_STAGE_NAME_MAX)
        return pe_fail(err, PE_ERR_INVALID, "the name of the case %.*s has more than %u bytes", (int)size,
                       stem, PE_STAGE_NAME_MAX);
    if (folder->count == PE_CASES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "%s has more than %u cases", walk->path, PE_CASES_MAX);
    if (find(walk, stem, size, "in", err) < 0 || find_answer(walk, stem, size, &pair.answer, err) < 0)
        return -1;
    struct case_pair *items = reallocarray(folder->items, folder->count + 1, sizeof *items);
    if (!items)
        return pe_fail_errno(err, "out of memory for the cases in %s", walk->path);
    memcpy(pair.name, stem, size);
    folder->items = items;
    items[folder->count++] = pair;
    return 0;
}

static int check_answer(const struct walk *walk, const char *name, size_t size, struct pe_error *err)
{
    int found = find(walk, name, size, "in", err);
    if (found == 0)
        return pe_fail(err, PE_ERR_INVALID, "%s/%s has no input: there is no %.*s.in", walk->path, name,
                       (int)size, name);
    return found < 0 ? -1 : 0;
}

static int take_name(const struct walk *walk, const char *name, struct pe_error *err)
{
    const char *dot = strrchr(name, '.');
    size_t size = dot ? (size_t)(dot - name) : 0;
    if (size == 0 || name[0] == '.')
        return 0;
    if (!strcmp(dot + 1, "in"))
        return add_case(walk, name, size, err);
    for (int i = 0; i < ANSWERS; i++)
        if (!strcmp(dot + 1, answers[i]))
            return check_answer(walk, name, size, err);
    return 0;
}

static int take_names(const struct walk *walk, struct pe_error *err)
{
    struct dirent **names = NULL;
    int failed = 0, count = scandir(walk->path, &names, NULL, versionsort);
    if (count < 0)
        return pe_fail_errno(err, "cannot read the directory of cases %s", walk->path);
    for (int i = 0; i < count; i++) {
        failed = failed < 0 ? failed : take_name(walk, names[i]->d_name, err);
        free(names[i]);
    }
    free(names);
    return failed;
}

int case_folder_read(const char *path, bool needs_answers, struct case_folder *folder, struct pe_error *err)
{
    *folder = (struct case_folder){0};
    pe_autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot read the directory of cases %s", path);
    const struct walk walk = {.path = path, .fd = fd, .needs_answers = needs_answers, .folder = folder};
    if (take_names(&walk, err) < 0)
        return -1;
    return folder->count
               ? 0
               : pe_fail(err, PE_ERR_INVALID,
                         "%s has no cases: NAME.in and NAME.out, or NAME.ans, are the input and the "
                         "expected output of the case NAME",
                         path);
}
