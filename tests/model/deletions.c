/* SPDX-License-Identifier: Apache-2.0 */
/* Which results must not be found any more. Jobs are known by the balancer's own keys. Whether these keys are
 * right follows from what is found by them. */
#include "tests/model/deletions.h"

#include "lb/api/results.h"
#include "tests/model/balancer.h"
#include "tests/model/choices.h"
#include "tests/model/clients.h"
#include "tests/model/keeper.h"
#include "tests/model/questions.h"

#include <string.h>

enum { KEYS = 32 };

static char keys[KEYS][RESULT_KEY_SIZE]; /* the last ones that clients were told */
static unsigned key_count;
static uint64_t deletions;
static size_t total;
static bool is_under_way;

void deletions_reset(void)
{
    key_count = 0;
    deletions = 0;
}

uint64_t deletions_so_far(void)
{
    return deletions;
}

size_t deletions_count(void)
{
    return total;
}

bool deletion_is_under_way(void)
{
    return is_under_way;
}

/* ---- keys ---- */

static void print_key(const struct job_key *key, char text[RESULT_KEY_SIZE])
{
    for (size_t i = 0; i < sizeof key->bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", key->bytes[i]);
}

void deletions_note_key(struct request *request, const char *key)
{
    bool must_have_key = request->caching != CACHING_NONE && !request->work.plan && !request->work.api;
    EXPECT(!*key == !must_have_key, "the result of request %u has the key '%s'", request->number, key);
    EXPECT(!*key || strlen(key) == RESULT_KEY_SIZE - 1, "request %u is told the key '%s'", request->number,
           key);
    snprintf(request->key, sizeof request->key, "%s", key);
    if (*key)
        memcpy(keys[key_count++ % KEYS], request->key, RESULT_KEY_SIZE);
}

void deletions_check_key(const struct request *request, const struct run *run)
{
    char key[RESULT_KEY_SIZE];
    if (!request->key[0])
        return;
    print_key(&run->group->key, key);
    EXPECT(!strcmp(request->key, key), "request %u gets the result of run %u with the key %s, not %s",
           request->number, run->number, request->key, key);
}

void deletions_check_hit(const struct request *request, const struct run *run)
{
    uint64_t deletion = run->group->deletion;
    EXPECT(!deletion || request->deletions < deletion,
           "request %u gets the result of run %u, which was deleted before", request->number, run->number);
}

/* ---- deleting ---- */

static void note_looking(struct group *group, void *data)
{
    char *key = data;
    if (group->has_key && group->state == GROUP_LOOKING && !group->work.plan)
        print_key(&group->key, key);
}

/* The key of a result that a client has got, of none, or what no key can be; rather one that the store is
 * asked for now. */
static const char *choose_key(void)
{
    static char key[RESULT_KEY_SIZE];
    static const char *const others[] = {"", "0",
                                         "0000000000000000000000000000000000000000000000000000000000000000",
                                         "000000000000000000000000000000000000000000000000000000000000000G",
                                         "00000000000000000000000000000000000000000000000000000000000000000"};
    key[0] = '\0';
    book_each(note_looking, key);
    if (key[0] && chance(50))
        return key;
    if (!key_count || chance(10))
        return others[choose(5)];
    return keys[choose(key_count < KEYS ? key_count : KEYS)];
}

static const struct answer *send_deletion(unsigned client, const char *key)
{
    char path[128];
    h2o_req_t *req = &question_begin(client)->req;
    snprintf(path, sizeof path, "%s%s", RESULTS_PATH, key);
    req->path_normalized = h2o_strdup(&req->pool, path, SIZE_MAX);
    is_under_way = true;
    api_result_delete(&balancer.jobs, &balancer.clients, &balancer.access, req);
    is_under_way = false;
    return question_end();
}

/* What is on its way to the store when its helper dies is lost, and perhaps a deletion with it. */
static bool is_sure(uint64_t removed_before)
{
    keeper_read();
    return !options.has_store || keeper_removals() > removed_before;
}

struct deleted {
    const char *key;
    bool is_sure;
};

static void delete_group(struct group *group, void *data)
{
    const struct deleted *deleted = data;
    char key[RESULT_KEY_SIZE];
    print_key(&group->key, key);
    if (!group->has_key || strcmp(key, deleted->key) != 0)
        return;
    group->is_forgotten = true;
    if (deleted->is_sure && !group->deletion)
        group->deletion = deletions;
    if (group->state == GROUP_LOOKING) /* for what was deleted */
        group->may_be_joined = group->must_be_joined = false;
}

void client_delete(void)
{
    unsigned client = choose(CLIENTS);
    const char *key = choose_key();
    bool is_key = strlen(key) == RESULT_KEY_SIZE - 1 && !strchr(key, 'G');
    book_sync();
    bool can = !options.has_store || balancer.store.helper.watch;
    keeper_read();
    uint64_t removed = keeper_removals();
    TRACE("client %u deletes the result '%s'", client, key);
    const struct answer *answer = send_deletion(client, key);
    if (question_is_limited(client))
        return;
    int expected = !is_key ? 404 : can ? 204 : 503;
    EXPECT(answer->status == expected, "the deletion of '%s' is answered with %d, not %d", key,
           answer->status, expected);
    if (!is_key)
        return;
    deletions++;
    total++;
    struct deleted deleted = {.key = key, .is_sure = is_sure(removed)};
    book_each_ever(delete_group, &deleted);
    book_sync();
}
