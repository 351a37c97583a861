/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration file with libinih. libinih silently splits long lines and truncates
 * long section names; this file detects both. Every error names the file and the line. */
#include "cli/config.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NAME "program-explorer/config"
#define FILE_BYTES_MAX 65536
#define SECRET_BYTES_MAX 4096
#define NAME_MAX_BYTES 40 /* libinih truncates section names, "profile " included, to 49 bytes */
#define SECTION_PREFIX "profile "

/* State of one pass over the file. */
struct config {
    char path[PATH_MAX]; /* "" when there is no home directory */
    struct pe_buf text;
    bool is_private; /* readable only for its owner */

    size_t at; /* position in `text` */
    int line;
    const char *wanted; /* name of the wanted profile; NULL: the file's default */
    char default_name[NAME_MAX_BYTES + 1];
    bool is_found;
    struct profile *profile;
    struct pe_error *err;
    bool has_failed;
};

static void config_free(struct config *config)
{
    pe_buf_free(&config->text);
}

/* ---- files ---- */

/* Find the path of the file. PE_ERR_NOT_FOUND when there is no home directory. */
static int find_file(char path[PATH_MAX], struct pe_error *err)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    bool is_set = base && base[0] == '/'; /* the XDG specification declares relative paths invalid */
    if (!is_set && (!home || home[0] != '/'))
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "there is no configuration file: neither XDG_CONFIG_HOME nor HOME is set");
    int n = is_set ? snprintf(path, PATH_MAX, "%s/" FILE_NAME, base)
                   : snprintf(path, PATH_MAX, "%s/.config/" FILE_NAME, home);
    return n > 0 && n < PATH_MAX
               ? 0
               : pe_fail(err, PE_ERR_MALFORMED, "the path of the configuration file is too long");
}

/* Read a file that belongs to this user or to root. `*is_private`: only its owner may read it. */
static int read_own_file(const char *path, size_t limit, struct pe_buf *text, bool *is_private,
                         struct pe_error *err)
{
    struct stat info;
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no file %s", path);
    if (fd < 0 || fstat(fd, &info) < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    if (!S_ISREG(info.st_mode))
        return pe_fail(err, PE_ERR_MALFORMED, "%s is not a regular file", path);
    if (info.st_uid != geteuid() && info.st_uid != 0)
        return pe_fail(err, PE_ERR_MALFORMED, "%s belongs to another user and is therefore not used", path);
    *is_private = !(info.st_mode & 077);
    return pe_read_all(fd, limit, text, path, err);
}

static int fail_line(struct config *config, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Record the first error, with the file and the line. Returns 0, libinih's code for an error. */
static int fail_line(struct config *config, const char *format, ...)
{
    char why[512];
    va_list arguments;
    if (config->has_failed)
        return 0;
    config->has_failed = true;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    pe_fail(config->err, PE_ERR_MALFORMED, "%s:%d: %s", config->path, config->line, why);
    return 0;
}

/* ---- values ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(name);
    return size > 0 && size <= NAME_MAX_BYTES && name[strspn(name, allowed)] == '\0';
}

/* Make a path of `value`, which may be relative to the directory of the configuration file. */
static char *resolve(const struct config *config, const char *value)
{
    char *path = NULL;
    const char *home = getenv("HOME"), *slash = strrchr(config->path, '/');
    int n = value[0] == '/' ? asprintf(&path, "%s", value)
            : !strncmp(value, "~/", 2) && home
                ? asprintf(&path, "%s/%s", home, value + 2)
                : asprintf(&path, "%.*s/%s", (int)(slash - config->path), config->path, value);
    return n < 0 ? NULL : path;
}

static int set_text(struct config *config, char **field, const char *key, char *value)
{
    if (*field) {
        free(value);
        return fail_line(config, "%s is given twice in this profile", key);
    }
    *field = value;
    return value ? 1 : fail_line(config, "out of memory");
}

static int set_token(struct config *config, const char *key, const char *value)
{
    if (!http_is_printable(value)) /* RFC 6750 section 2.1 allows even less */
        return fail_line(config, "a token must be one or more printable characters without spaces");
    return set_text(config, &config->profile->token, key, strdup(value));
}

static int set_salt(struct config *config, const char *key, const char *value)
{
    struct pe_error err;
    if (http_check_cache_salt(value, &err) < 0)
        return fail_line(config, "%s", err.message);
    return set_text(config, &config->profile->cache_salt, key, strdup(value));
}

char *config_read_secret(const char *path, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    bool is_private = false;
    if (read_own_file(path, SECRET_BYTES_MAX, &text, &is_private, err) < 0)
        return NULL;
    if (!is_private) {
        pe_fail(err, PE_ERR_MALFORMED, "other users may read %s, which holds a token; run: chmod 600 %s",
                path, path);
        return NULL;
    }
    size_t size = text.size;
    while (size && (text.data[size - 1] == '\n' || text.data[size - 1] == '\r'))
        size--;
    char *secret = size ? strndup((const char *)text.data, size) : strdup("");
    if (!secret)
        pe_fail_errno(err, "out of memory for %s", path);
    return secret;
}

static int set_token_file(struct config *config, const char *key, const char *value)
{
    struct pe_error err;
    pe_autofree char *path = resolve(config, value);
    if (!path)
        return fail_line(config, "out of memory");
    pe_autofree char *token = config_read_secret(path, &err);
    return token ? set_token(config, key, token) : fail_line(config, "%s", err.message);
}

static int set_path(struct config *config, char **field, const char *key, const char *value)
{
    pe_autofree char *path = resolve(config, value);
    if (path && access(path, R_OK) < 0)
        return fail_line(config, "cannot read %s: %s", path, strerror(errno));
    return set_text(config, field, key, pe_steal_ptr(&path));
}

static int set_server(struct config *config, const char *key, const char *value)
{
    struct pe_error err;
    if (http_server_check(value, &err) < 0)
        return fail_line(config, "%s", err.message);
    return set_text(config, &config->profile->server, key, strdup(value));
}

/* ---- lines ---- */

static int on_profile_line(struct config *config, const char *key, const char *value)
{
    if (!strcmp(key, "server"))
        return set_server(config, key, value);
    if (!strcmp(key, "token"))
        return set_token(config, key, value);
    if (!strcmp(key, "token-file"))
        return set_token_file(config, "token", value);
    if (!strcmp(key, "cache-salt"))
        return set_salt(config, key, value);
    if (!strcmp(key, "ca"))
        return set_path(config, &config->profile->ca, key, value);
    if (!strcmp(key, "cert"))
        return set_path(config, &config->profile->cert, key, value);
    return set_path(config, &config->profile->key, key, value);
}

static bool is_key(const char *key)
{
    static const char *const keys[] = {"server", "token", "token-file", "ca", "cert", "key", "cache-salt"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i]))
            return true;
    return false;
}

static int on_default(struct config *config, const char *key, const char *value)
{
    if (strcmp(key, "default") != 0)
        return fail_line(config, "only 'default' may stand before the first [profile NAME], not '%s'", key);
    if (!is_name(value))
        return fail_line(config, "'%s' is not a valid profile name", value);
    snprintf(config->default_name, sizeof config->default_name, "%s", value);
    if (!config->wanted)
        config->wanted = config->default_name;
    return 1;
}

/* libinih's handler for one KEY = VALUE line. Returns 0 for an error. */
static int on_line(void *context, const char *section, const char *key, const char *value)
{
    struct config *config = context;
    if (config->has_failed)
        return 0;
    if (!*section)
        return on_default(config, key, value);
    const char *name = section + strlen(SECTION_PREFIX);
    if (strncmp(section, SECTION_PREFIX, strlen(SECTION_PREFIX)) != 0 || !is_name(name))
        return fail_line(
            config, "[%s] is not [profile NAME] with a NAME of at most %d letters, digits, '.', '_' and '-'",
            section, NAME_MAX_BYTES);
    if (!strcmp(name, PROFILE_LOCAL))
        return fail_line(config, "'" PROFILE_LOCAL "' always means no server: choose another name");
    if (!is_key(key))
        return fail_line(config,
                         "unknown key '%s': use server, token, token-file, ca, cert, key or cache-salt", key);
    bool is_salt = !strcmp(key, "cache-salt");
    if ((!strcmp(key, "token") || is_salt) && !config->is_private)
        return fail_line(config, "other users may read this file, which holds a %s; run: chmod 600 %s",
                         is_salt ? "salt" : "token", config->path);
    if (!config->wanted || strcmp(name, config->wanted) != 0)
        return 1;
    config->is_found = true;
    return on_profile_line(config, key, value);
}

/* libinih's reader, which works like fgets(3). libinih would treat a line that does not fit as two
 * lines. */
static char *read_line(char *line, int size, void *context)
{
    struct config *config = context;
    const char *from = (const char *)config->text.data + config->at;
    size_t left = config->text.size - config->at;
    const char *end = left ? memchr(from, '\n', left) : NULL;
    size_t length = end ? (size_t)(end - from) + 1 : left;
    if (left == 0 || config->has_failed)
        return NULL;
    config->line++;
    if (length >= (size_t)size || memchr(from, '\0', length)) {
        fail_line(config, "this line is longer than %d bytes or contains a NUL byte", size - 2);
        return NULL;
    }
    memcpy(line, from, length);
    line[length] = '\0';
    config->at += length;
    return line;
}

/* ---- the file ---- */

static int parse(struct config *config)
{
    int bad = ini_parse_stream(read_line, config, on_line, config);
    if (bad > 0 && !config->has_failed) {
        config->line = bad;
        fail_line(config, "this line is neither [profile NAME] nor KEY = VALUE");
    }
    return config->has_failed ? -1 : 0;
}

/* Refuse a profile without a server, and one that would send its token unencrypted over a
 * network. */
static int check_profile(const struct config *config, struct pe_error *err)
{
    const struct profile *profile = config->profile;
    if (!profile->server)
        return pe_fail(err, PE_ERR_MALFORMED, "%s: profile '%s' has no line 'server = URL'", config->path,
                       config->wanted);
    if (profile->token && http_server_is_unencrypted(profile->server))
        return pe_fail(err, PE_ERR_MALFORMED,
                       "%s: profile '%s' would send its token unencrypted over http://: use https://",
                       config->path, config->wanted);
    return 0;
}

static int read_config(struct config *config, struct pe_error *err)
{
    config->err = err;
    if (find_file(config->path, err) < 0 ||
        read_own_file(config->path, FILE_BYTES_MAX, &config->text, &config->is_private, err) < 0)
        return -1;
    return parse(config);
}

int config_find(const char *name, const char *from, struct profile *profile, struct pe_error *err)
{
    struct config config __attribute__((cleanup(config_free))) = {.wanted = name, .profile = profile};
    if (!is_name(name))
        return pe_fail(
            err, PE_ERR_INVALID,
            "%s: '%s' is neither a URL (http://host:port, https://host, unix:/path) nor a valid profile name",
            from, name);
    if (read_config(&config, err) < 0) {
        if (err->kind == PE_ERR_NOT_FOUND)
            err->kind = PE_ERR_INVALID;
        return pe_fail_context(err, "%s %s", from, name);
    }
    if (!config.is_found)
        return pe_fail(err, PE_ERR_INVALID, "%s %s: there is no [profile %s] in %s", from, name, name,
                       config.path);
    return check_profile(&config, err);
}

int config_find_default(struct profile *profile, struct pe_error *err)
{
    struct config config __attribute__((cleanup(config_free))) = {.profile = profile};
    if (read_config(&config, err) < 0)
        return err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
    if (!config.wanted || !strcmp(config.wanted, PROFILE_LOCAL))
        return 0;
    if (!config.is_found)
        return pe_fail(err, PE_ERR_MALFORMED, "%s: the default profile is '%s', but there is no [profile %s]",
                       config.path, config.wanted, config.wanted);
    return check_profile(&config, err);
}
