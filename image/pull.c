/* SPDX-License-Identifier: Apache-2.0 */
/* Running skopeo as a child process. */
#include "image/pull.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/oci_document.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

int pull_check_digest(const char *source, struct pe_error *err)
{
    static const char algorithm[] = "@sha256:";
    const char *at = strncmp(source, "docker://", 9) == 0 ? strstr(source, algorithm) : NULL;
    const char *digits = at ? at + sizeof algorithm - 1 : "";
    if (strlen(digits) == 64 && strspn(digits, "0123456789abcdef") == 64)
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "--require-digest refuses %s, which does not say which bytes it means: give its digest, as "
        "in docker://gcc@sha256:DIGEST; `skopeo inspect` prints the digest",
        source);
}

/* ---- skopeo ---- */

#define ARGUMENTS_MAX 16

/* A command line of skopeo. */
struct command {
    const char *arguments[ARGUMENTS_MAX + 1];
    size_t count;
    rlim_t file_bytes_max; /* no file that it writes may be larger */
};

static void add(struct command *command, const char *argument)
{
    if (command->count < ARGUMENTS_MAX)
        command->arguments[command->count++] = argument;
}

/* The options before the subcommand are those of skopeo(1) itself. */
static void begin_skopeo(struct command *command, const struct pull_options *options)
{
    add(command, "skopeo");
    if (!options->policy)
        return;
    add(command, "--policy");
    add(command, options->policy);
}

static void run_child(const struct command *command, int out, int log)
{
    struct rlimit limit = {0};
    int failed = getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = command->file_bytes_max < limit.rlim_max ? command->file_bytes_max : limit.rlim_max;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (failed || setrlimit(RLIMIT_FSIZE, &limit) < 0) {
        dprintf(STDERR_FILENO, "cannot limit the files of skopeo: %s\n", strerror(errno));
        _exit(127);
    }
    if (log >= 0)
        dup2(log, STDERR_FILENO);
    dup2(out >= 0 ? out : STDERR_FILENO, STDOUT_FILENO);
    execvp("skopeo", (char *const *)command->arguments);
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

/* What skopeo prints when the policy does not accept an image (`PolicyRequirementError` in copy.Image of
 * containers/image). */
static bool is_refused(const char *reason)
{
    return strstr(reason, "Source image rejected") != NULL;
}

static int wait_for(pid_t child, struct pe_buf *log, const char *source, struct pe_error *err)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return pe_fail_errno(err, "cannot wait for skopeo");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    const char *reason = log ? last_line(log) : "";
    if (is_refused(reason))
        return pe_fail(
            err, PE_ERR_INVALID,
            "the signature policy refuses %s: %s; see containers-policy.json(5) for what it demands", source,
            reason);
    return pe_fail(err, PE_ERR_INTERNAL, "skopeo cannot fetch %s%s%s", source, log ? ": " : "", reason);
}

/* Run skopeo. What it prints on stdout is appended to `out`, which is NULL if it prints nothing.
 * With `visible` its messages go to the terminal; otherwise the last one becomes part of the
 * error. */
static int run(const struct command *command, const char *source, bool visible, struct pe_buf *out,
               struct pe_error *err)
{
    int log_ends[2] = {-1, -1}, out_ends[2] = {-1, -1};
    bool piped = (visible || pipe2(log_ends, O_CLOEXEC) == 0) && (!out || pipe2(out_ends, O_CLOEXEC) == 0);
    pe_autoclose int log_fd = log_ends[0], out_fd = out_ends[0];
    if (!piped) {
        pe_cleanup_close(&log_ends[1]);
        return pe_fail_errno(err, "cannot create a pipe for skopeo");
    }
    pid_t child = fork();
    if (child == 0)
        run_child(command, out_ends[1], log_ends[1]);
    pe_cleanup_close(&log_ends[1]);
    pe_cleanup_close(&out_ends[1]);
    if (child < 0)
        return pe_fail_errno(err, "cannot start skopeo");
    pe_autobuf struct pe_buf log = {0};
    struct pe_error ignored;
    /* skopeo is stopped when it prints more than is read here. */
    if ((out && pe_read_all(out_fd, OCI_DOCUMENT_BYTES_MAX, out, "skopeo", &ignored) < 0) ||
        (!visible && pe_read_all(log_fd, LOG_BYTES_MAX, &log, "skopeo", &ignored) < 0))
        kill(child, SIGTERM);
    int reserved = pe_buf_reserve(&log, 1, err);
    int result = wait_for(child, visible || reserved < 0 ? NULL : &log, source, err);
    return reserved < 0 ? -1 : result;
}

/* Find out which platform of a source to ask for. `*platform` is that of the choice if the source
 * has only one. */
static int find_platform(const struct pull_options *options, struct platform *platform, struct pe_error *err)
{
    struct command command = {.file_bytes_max = options->bytes_max};
    pe_autobuf struct pe_buf text = {0};
    begin_skopeo(&command, options);
    add(&command, "inspect");
    add(&command, "--raw");
    if (options->plain_http)
        add(&command, "--tls-verify=false");
    add(&command, "--");
    add(&command, options->source);
    if (run(&command, options->source, false, &text, err) < 0)
        return -1;
    pe_autojson json_t *document = oci_parse_document(&text, options->source, err);
    if (!document)
        return -1;
    const struct oci_choice choice = {.machine = options->choice->machine};
    *platform = choice.machine;
    platform->variant[0] = '\0';
    if (!json_object_get(document, "manifests"))
        return 0;
    return oci_index_choose_platform(document, &choice, platform, err) < 0
               ? pe_fail_context(err, "%s", options->source)
               : 0;
}

int pull_layout(const struct pull_options *options, const char *layout, struct progress *progress,
                struct pe_error *err)
{
    struct platform platform = {0};
    struct command command = {.file_bytes_max = options->bytes_max};
    char destination[PATH_MAX + 32], architecture[80], variant[80];
    bool visible = progress->terminal && !progress->quiet;
    progress_report(progress, "fetching %s", options->source);
    if (find_platform(options, &platform, err) < 0)
        return -1;
    snprintf(destination, sizeof destination, "oci:%s:image", layout);
    snprintf(architecture, sizeof architecture, "--override-arch=%s", platform.architecture);
    snprintf(variant, sizeof variant, "--override-variant=%s", platform.variant);
    begin_skopeo(&command, options);
    add(&command, "copy");
    if (!visible)
        add(&command, "--quiet");
    /* The policy is applied before; a layout cannot hold signatures, and skopeo would fail for that. */
    add(&command, "--remove-signatures");
    add(&command, "--override-os=linux");
    add(&command, architecture);
    if (*platform.variant)
        add(&command, variant);
    if (options->plain_http)
        add(&command, "--src-tls-verify=false");
    add(&command, "--");
    add(&command, options->source);
    add(&command, destination);
    return run(&command, options->source, visible, NULL, err);
}
