/* Catalog entries: their JSON form and what a default command becomes for given files. */
#include "proto/image.h"

#include "proto/glob.h"
#include "proto/job.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

void pe_strings_free(char **strings, size_t count)
{
    for (size_t i = 0; strings && i < count; i++)
        free(strings[i]);
    free(strings);
}

static int take_text(const json_t *json, const char *field, bool required, char **out, struct pe_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (!json_is_string(value) && (required || value))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' must be a string", field);
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strlen(text) > PE_TEXT_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' is too long", field);
    *out = strdup(text);
    return *out ? 0 : pe_fail_errno(err, "catalog field '%s'", field);
}

static int take_texts(const json_t *json, const char *field, size_t most, char ***out, size_t *count,
                      struct pe_error *err)
{
    const json_t *array = json_object_get(json, field);
    if (!array)
        return 0;
    size_t size = json_array_size(array);
    if (!json_is_array(array) || size > most)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' must be an array of at most %zu strings",
                       field, most);
    *out = calloc(size + 1, sizeof **out);
    if (!*out)
        return pe_fail_errno(err, "catalog field '%s'", field);
    for (; *count < size; ++*count) {
        const char *text = json_string_value(json_array_get(array, *count));
        if (!text || strlen(text) > PE_TEXT_MAX)
            return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' has an entry that is not a string",
                           field);
        if (!((*out)[*count] = strdup(text)))
            return pe_fail_errno(err, "catalog field '%s'", field);
    }
    return 0;
}

static bool is_assignment(const char *entry)
{
    return entry && *entry != '=' && strchr(entry, '=');
}

int pe_image_from_json(const json_t *json, struct pe_image *image, struct pe_error *err)
{
    *image = (struct pe_image){0};
    if (take_text(json, "name", true, &image->name, err) < 0 ||
        take_text(json, "digest", true, &image->digest, err) < 0 ||
        take_text(json, "description", false, &image->description, err) < 0 ||
        take_text(json, "working_dir", false, &image->working_dir, err) < 0 ||
        take_texts(json, "default_cmd", PE_ARGS_MAX, &image->default_cmd, &image->default_cmd_count, err) <
            0 ||
        take_texts(json, "warmup", PE_ARGS_MAX, &image->warmup, &image->warmup_count, err) < 0 ||
        take_texts(json, "env", PE_ENV_MAX, &image->env, &image->env_count, err) < 0)
        return -1;
    if (!pe_image_reference_valid(image->name) || !strchr(image->name, ':') || strchr(image->name, '@'))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'name' must be name:tag");
    if (strlen(image->digest) != 71 || strncmp(image->digest, "sha256:", 7) ||
        strspn(image->digest + 7, "0123456789abcdef") != 64)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'digest' must be sha256:<64 hex digits>");
    for (size_t i = 0; i < image->env_count; i++)
        if (!is_assignment(image->env[i]))
            return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'env' has an entry that is not KEY=value");
    image->rootfs_bytes = (uint64_t)json_integer_value(json_object_get(json, "rootfs_bytes"));
    return 0;
}

static json_t *texts_to_json(char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        json_array_append_new(array, json_string(texts[i]));
    return array;
}

json_t *pe_image_to_json(const struct pe_image *image)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I}", "name", image->name, "digest", image->digest,
                     "description", image->description, "working_dir", image->working_dir, "default_cmd",
                     texts_to_json(image->default_cmd, image->default_cmd_count), "env",
                     texts_to_json(image->env, image->env_count), "warmup",
                     texts_to_json(image->warmup, image->warmup_count), "rootfs_bytes",
                     (json_int_t)image->rootfs_bytes);
}

void pe_image_free(struct pe_image *image)
{
    free(image->name);
    free(image->digest);
    free(image->description);
    free(image->working_dir);
    pe_strings_free(image->default_cmd, image->default_cmd_count);
    pe_strings_free(image->env, image->env_count);
    pe_strings_free(image->warmup, image->warmup_count);
    *image = (struct pe_image){0};
}

/* The glob of a "{files}" or "{files:GLOB}" word in `glob` (at most PE_PATH_MAX bytes), or false for any
 * other word. */
static bool placeholder_glob(const char *word, char glob[PE_PATH_MAX + 1])
{
    size_t length = strlen(word);
    if (!strcmp(word, "{files}")) {
        strcpy(glob, "**");
        return true;
    }
    if (length < 9 || strncmp(word, "{files:", 7) != 0 || word[length - 1] != '}' || length - 8 > PE_PATH_MAX)
        return false;
    memcpy(glob, word + 7, length - 8);
    glob[length - 8] = '\0';
    return true;
}

static int push_word(char **words, size_t *count, const char *word, struct pe_error *err)
{
    words[*count] = strdup(word);
    return words[*count] ? (++*count, 0) : pe_fail_errno(err, "default command");
}

static int expand_word(const char *word, const char *const *files, size_t file_count, char **words,
                       size_t *count, struct pe_error *err)
{
    char glob[PE_PATH_MAX + 1];
    if (!placeholder_glob(word, glob))
        return push_word(words, count, word, err);
    size_t before = *count;
    for (size_t i = 0; i < file_count; i++)
        if (pe_glob_match(glob, files[i]) && push_word(words, count, files[i], err) < 0)
            return -1;
    if (*count == before)
        return pe_fail(err, PE_ERR_INVALID,
                       "the image's default command needs a file matching '%s': send one, or say a command",
                       glob);
    return 0;
}

int pe_image_default_command(const struct pe_image *image, const char *const *files, size_t file_count,
                             char ***cmd, size_t *cmd_count, struct pe_error *err)
{
    if (image->default_cmd_count == 0)
        return pe_fail(err, PE_ERR_INVALID, "image %s has no default command: say one", image->name);
    /* Each word is itself or all files: an upper bound on the number of words. */
    char **words = calloc(image->default_cmd_count * (file_count + 1) + 1, sizeof *words);
    if (!words)
        return pe_fail_errno(err, "default command");
    size_t count = 0;
    for (size_t i = 0; i < image->default_cmd_count; i++)
        if (expand_word(image->default_cmd[i], files, file_count, words, &count, err) < 0) {
            pe_strings_free(words, count);
            return -1;
        }
    *cmd = words;
    *cmd_count = count;
    return 0;
}
