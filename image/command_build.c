/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image build: run image/build, the script that makes images from Debian packages. */
#include "base/home.h"
#include "image/command.h"
#include "image/squashfs_compressor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In an installation the script is below the home. In a source tree the home is build/ and the
 * script is beside it. */
static int find_script(char path[PATH_MAX], struct pe_error *err)
{
    static const char *const places[] = {"image/build", "../image/build"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (pe_home_path(places[i], path, PATH_MAX, err) < 0)
            return -1;
        if (access(path, X_OK) == 0)
            return 0;
    }
    return pe_fail(
        err, PE_ERR_NOT_FOUND,
        "cannot find the script image/build, neither in the installation's home nor beside it; set "
        "PE_HOME to the installation's home");
}

static int is_recipe(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && !strstr(entry->d_name, ".json");
}

/* Fail with a message that lists all recipes, or says how to name a file of the current directory. */
static int fail_recipe(const char *recipe, const char *folder, struct pe_error *err)
{
    if (access(recipe, R_OK) == 0)
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "there is no recipe '%.100s' in the installation; the one in "
                       "this directory is ./%.100s",
                       recipe, recipe);
    pe_fail(err, PE_ERR_NOT_FOUND, "there is no recipe '%.100s'; recipes:", recipe);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_recipe, alphasort);
    for (int i = 0; i < count; i++) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, " %s", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return -1;
}

/* Find the file of a recipe: an argument with a slash is its path, any other one the name of a file
 * beside the script, in which ':' is written as '-'. */
static int find_recipe(const char *argument, const char *script, char *path, size_t size,
                       struct pe_error *err)
{
    char folder[PATH_MAX + 16], recipe[256];
    if (strchr(argument, '/')) {
        int n = snprintf(path, size, "%s", argument);
        return n >= 0 && (size_t)n < size && access(path, R_OK) == 0
                   ? 0
                   : pe_fail_errno(err, "cannot read the recipe %s", argument);
    }
    snprintf(recipe, sizeof recipe, "%s", argument);
    for (char *at = recipe; *at; at++)
        *at = *at == ':' ? '-' : *at;
    snprintf(folder, sizeof folder, "%.*s/recipes", (int)(strrchr(script, '/') - script), script);
    int n = snprintf(path, size, "%s/%s", folder, recipe);
    return n >= 0 && (size_t)n < size && recipe[0] != '.' && access(path, R_OK) == 0
               ? 0
               : fail_recipe(recipe, folder, err);
}

int command_build(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    const char *compressor = "lz4";
    const struct pe_option options[] = {
        COMMAND_COMPRESS_OPTION(compressor), COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {
        .name = "pe-image build",
        .usage = "[options] RECIPE",
        .about = "Build an image from Debian packages. RECIPE is the name of a file in image/recipes, as in\n"
                 "gcc-14; gcc:14 means the same. With a slash it is the path of a recipe anywhere, as in\n"
                 "./nim-2. docs/recipes.md explains how to write one.",
        .options = options};
    char script[PATH_MAX], recipe[PATH_MAX + 300];
    enum squashfs_compressor known = SQUASHFS_LZ4;
    int rest = 0;
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "expected one recipe, as in gcc-14; see %s --help", program.name);
    if (squashfs_compressor_parse(compressor, &known, err) < 0) /* not when the build is nearly done */
        return -1;
    if (find_script(script, err) < 0 || find_recipe(argv[rest], script, recipe, sizeof recipe, err) < 0)
        return -1;
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size < 0)
        return pe_fail_errno(err, "cannot find the path of this program in /proc/self/exe");
    self[size] = '\0';
    execl(script, script, recipe, store.path, self, compressor, (char *)NULL);
    return pe_fail_errno(err, "cannot start %s", script);
}
