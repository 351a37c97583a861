/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, feeding and reaping the command that the agent runs. */
#include "vm/guest/command.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 4096u

int command_add_arguments(struct command *command, const void *bytes, size_t size, struct pe_error *err)
{
    command->arguments.limit = AGENT_ARGUMENTS_MAX;
    return pe_buf_append(&command->arguments, bytes, size, err);
}

static int fail(struct command_end *end, const char *why)
{
    *end = (struct command_end){.how = AGENT_NOT_STARTED};
    snprintf(end->why, sizeof end->why, "%s", why);
    return -1;
}

/* Point to the words of the arguments. Returns how many there are, or 0 if there are none or too many. */
static size_t split(const struct pe_buf *arguments, char **words)
{
    size_t count = 0;
    if (!arguments->size || arguments->data[arguments->size - 1] != '\0')
        return 0;
    for (size_t at = 0; at < arguments->size;) {
        if (count == WORDS_MAX)
            return 0;
        words[count++] = (char *)arguments->data + at;
        at += strlen((const char *)arguments->data + at) + 1;
    }
    words[count] = NULL;
    return count;
}

/* In the child. `failed` gets errno if the program cannot be executed. */
static void become(char **words, const int ends[3], int failed) __attribute__((noreturn));
static void become(char **words, const int ends[3], int failed)
{
    sigset_t none;
    sigemptyset(&none);
    setsid();
    signal(SIGPIPE, SIG_DFL);
    if (dup2(ends[0], 0) >= 0 && dup2(ends[1], 1) >= 0 && dup2(ends[2], 2) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
        setenv("HOME", "/root", 0);
        execvp(words[0], words);
    }
    const int why = errno;
    (void)!write(failed, &why, sizeof why);
    _exit(127);
}

/* Fork with the given ends of pipes. Returns the child, or -1 with errno if it could not execute. */
static pid_t spawn(char **words, const int ends[3])
{
    int report[2], why = 0;
    if (pipe2(report, O_CLOEXEC) < 0)
        return -1;
    const pid_t pid = fork();
    if (pid == 0)
        become(words, ends, report[1]);
    close(report[1]);
    const ssize_t n = pid < 0 ? 0 : read(report[0], &why, sizeof why);
    close(report[0]);
    if (n != (ssize_t)sizeof why)
        return pid;
    waitpid(pid, NULL, 0);
    errno = why;
    return -1;
}

/* Make a pipe, with one end for the agent and one for the command. */
static int open_pipe(int *reading, int *writing)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -1;
    *reading = pair[0];
    *writing = pair[1];
    return 0;
}

/* Make the pipes and fork. Returns 0, or -1 with errno. */
static int spawn_with_pipes(struct command *command, char **words)
{
    pe_autoclose int input = -1;
    pe_autoclose int output = -1;
    pe_autoclose int errors = -1;
    if (open_pipe(&input, &command->input) < 0 || open_pipe(&command->output, &output) < 0 ||
        open_pipe(&command->errors, &errors) < 0)
        return -1;
    const int ends[] = {input, output, errors};
    command->pid = spawn(words, ends);
    return command->pid >= 0 && fcntl(command->input, F_SETFL, O_NONBLOCK) == 0 &&
                   fcntl(command->output, F_SETFL, O_NONBLOCK) == 0 &&
                   fcntl(command->errors, F_SETFL, O_NONBLOCK) == 0
               ? 0
               : -1;
}

static int run(struct command *command, char **words, struct command_end *end)
{
    if (spawn_with_pipes(command, words) == 0)
        return 0;
    const int why = errno;
    command_close(command);
    char text[200];
    snprintf(text, sizeof text, "cannot run %.120s: %s", words[0], strerror(why));
    return fail(end, text);
}

int command_start(struct command *command, struct command_end *end)
{
    static char *words[WORDS_MAX + 1];
    if (command->pid >= 0)
        return fail(end, "another command runs");
    int failed = split(&command->arguments, words) ? run(command, words, end)
                                                   : fail(end, "the command has no or too many words");
    pe_buf_free(&command->arguments);
    return failed;
}

void command_write(struct command *command, const void *bytes, size_t size)
{
    struct pe_error ignored;
    if (command->input >= 0 && pe_buf_append(&command->pending, bytes, size, &ignored) < 0)
        command_end_input(command);
}

int command_flush(struct command *command)
{
    if (!command->pending.size)
        return 0;
    const ssize_t n = write(command->input, command->pending.data, command->pending.size);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        command_end_input(command);
    if (n > 0)
        pe_buf_consume(&command->pending, (size_t)n);
    return command->pending.size == 0;
}

void command_end_input(struct command *command)
{
    pe_buf_free(&command->pending);
    if (command->input >= 0)
        close(pe_steal_fd(&command->input));
}

void command_kill(const struct command *command)
{
    if (command->pid > 0)
        kill(-command->pid, SIGKILL);
}

int command_reap(struct command *command, struct command_end *end)
{
    int status = 0, ended = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != command->pid)
            continue;
        *end = WIFSIGNALED(status)
                   ? (struct command_end){.how = AGENT_SIGNALED, .value = (uint8_t)WTERMSIG(status)}
                   : (struct command_end){.how = AGENT_EXITED, .value = (uint8_t)WEXITSTATUS(status)};
        command->pid = -1;
        ended = 1;
    }
    return ended;
}

void command_close(struct command *command)
{
    command_end_input(command);
    if (command->output >= 0)
        close(pe_steal_fd(&command->output));
    if (command->errors >= 0)
        close(pe_steal_fd(&command->errors));
}
