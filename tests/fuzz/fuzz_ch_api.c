/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of cloud-hypervisor's REST API. A thread plays the VMM: it answers each connection with the
 * input. A call that fails says why, in printable characters. */
#include "base/cleanup.h"
#include "base/io.h"
#include "tests/fuzz/fuzz.h"
#include "worker/vmm/ch_api.h"

#include <pthread.h>
#include <sys/un.h>

static char path[64];
static int listener = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pe_buf answer; /* under `lock` */

static void remove_socket(void)
{
    unlink(path);
}

/* Answer the request behind each connection, and close it. */
static void *play(void *context)
{
    (void)context;
    for (;;) {
        char request[4096];
        int fd = accept(listener, NULL, NULL);
        ssize_t got = read(fd, request, sizeof request);
        pthread_mutex_lock(&lock);
        if (got > 0)
            (void)!send(fd, answer.data, answer.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        pthread_mutex_unlock(&lock);
        close(fd);
    }
    return NULL;
}

static void start(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    if (listener >= 0)
        return;
    snprintf(path, sizeof path, "/tmp/pe-fuzz-ch-api-%d", (int)getpid());
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 64) == 0);
    atexit(remove_socket);
    HOLDS(pthread_create(&thread, NULL, play, NULL) == 0 && pthread_detach(thread) == 0);
}

static void check(int failed, const struct pe_error *err)
{
    if (!failed)
        return;
    HOLDS(err->kind && err->message[0]);
    fuzz_check_printable(err->message);
}

/* The second call may use the connection of the first one. */
static void call(struct ch_api *api)
{
    struct pe_error err = {0};
    HOLDS(ch_api_await_socket(api, &err) == 0);
    check(ch_api_pause(api, &err), &err);
    check(ch_api_restore(api, "/folder", &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_error err;
    autochapi struct ch_api api = CH_API_NONE;
    int ended[2]; /* in the place of a pidfd: the VMM has ended */
    start();
    pthread_mutex_lock(&lock);
    answer.size = 0;
    HOLDS(pe_buf_append(&answer, bytes, size, &err) == 0);
    pthread_mutex_unlock(&lock);
    HOLDS(pipe(ended) == 0 && write(ended[1], "", 1) == 1);
    HOLDS(ch_api_begin(&api, path, ended[0], pe_now_us() + 60000000, &err) == 0);
    call(&api);
    close(ended[0]);
    close(ended[1]);
    return 0;
}
