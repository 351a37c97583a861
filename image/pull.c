/* SPDX-License-Identifier: Apache-2.0 */
/* Running skopeo as a child process. */
#include "image/pull.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/image_reference.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define LOG_BYTES_MAX 65536u

/* ---- names ---- */

/* True if the first component of a reference names a registry (reference grammar of the
 * distribution project). */
static bool is_registry(const char *part, size_t size)
{
    return memchr(part, '.', size) || memchr(part, ':', size) || (size == 9 && !memcmp(part, "localhost", 9));
}

int pull_name(const char *source, char *name, size_t size, struct pe_error *err)
{
    const char *at = strncmp(source, "docker://", 9) == 0 ? source + 9 : NULL;
    if (!at)
        return pe_fail(err, PE_ERR_INVALID,
                       "--name is missing: give the image from %s a name, as in --name gcc:14", source);
    size_t first = strcspn(at, "/");
    if (at[first] && is_registry(at, first))
        at += first + 1;
    if (!strncmp(at, "library/", 8))
        at += 8;
    size_t length = strcspn(at, "@");
    int n = snprintf(name, size, "%.*s%s", (int)length, at, memchr(at, ':', length) ? "" : ":latest");
    if (n < 0 || (size_t)n >= size || !pe_image_reference_valid(name))
        return pe_fail(err, PE_ERR_INVALID,
                       "the name of %s is not valid in the catalog; give another one with --name", source);
    return 0;
}

/* ---- skopeo ---- */

static void run_child(const struct pull_options *options, const char *destination, int log)
{
    const char *arguments[16];
    size_t count = 0;
    arguments[count++] = "skopeo";
    arguments[count++] = "copy";
    if (log >= 0)
        arguments[count++] = "--quiet";
    arguments[count++] = "--override-os=linux";
    char architecture[128], variant[64];
    const char *slash = strchr(options->architecture, '/');
    snprintf(architecture, sizeof architecture, "--override-arch=%.*s",
             slash ? (int)(slash - options->architecture) : 64, options->architecture);
    arguments[count++] = architecture;
    if (slash) {
        snprintf(variant, sizeof variant, "--override-variant=%.40s", slash + 1);
        arguments[count++] = variant;
    }
    if (options->plain_http)
        arguments[count++] = "--src-tls-verify=false";
    arguments[count++] = "--";
    arguments[count++] = options->source;
    arguments[count++] = destination;
    arguments[count] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (log >= 0)
        dup2(log, STDERR_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp("skopeo", (char *const *)arguments);
    dprintf(STDERR_FILENO, "cannot start skopeo: %s; is the package skopeo installed?\n", strerror(errno));
    _exit(127);
}

/* The last line of the log, without the prefix of skopeo's `time=… level=fatal msg="…"`. */
static const char *last_line(struct pe_buf *log)
{
    if (log->size == 0)
        return "it gave no reason";
    while (log->size > 0 && log->data[log->size - 1] == '\n')
        log->size--;
    log->data[log->size] = '\0';
    char *line = strrchr((char *)log->data, '\n');
    line = line ? line + 1 : (char *)log->data;
    char *message = strstr(line, "msg=");
    return message ? message + 4 : line;
}

static int wait_for(pid_t child, struct pe_buf *log, const char *source, struct pe_error *err)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return pe_fail_errno(err, "cannot wait for skopeo");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "skopeo cannot fetch %s%s%s", source, log ? ": " : "",
                   log ? last_line(log) : "");
}

int pull_layout(const struct pull_options *options, const char *layout, struct progress *progress,
                struct pe_error *err)
{
    char destination[PATH_MAX + 32];
    snprintf(destination, sizeof destination, "oci:%s:image", layout);
    bool visible = progress->terminal && !progress->quiet;
    int ends[2] = {-1, -1};
    progress_report(progress, "fetching %s", options->source);
    if (!visible && pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot create a pipe for skopeo");
    pe_autoclose int reading = ends[0];
    pid_t child = fork();
    if (child == 0)
        run_child(options, destination, ends[1]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (child < 0)
        return pe_fail_errno(err, "cannot start skopeo");
    if (visible)
        return wait_for(child, NULL, options->source, err);
    pe_autobuf struct pe_buf log = {0};
    struct pe_error ignored;
    /* A longer log is not read, and skopeo is stopped. */
    if (pe_read_all(reading, LOG_BYTES_MAX, &log, "skopeo", &ignored) < 0)
        kill(child, SIGTERM);
    if (pe_buf_reserve(&log, 1, err) < 0)
        return -1;
    return wait_for(child, &log, options->source, err);
}
