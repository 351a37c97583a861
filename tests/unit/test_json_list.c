/* SPDX-License-Identifier: Apache-2.0 */
/* Without memory a list is not made, and what is shown to people and scripts is never a part of one. */
#include "codec/json_list.h"

#include "base/cleanup.h"
#include "image/command.h"
#include "lb/token_command.h"
#include "proto/problem.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/starve_json.h"

enum { ENTRIES = 20 }; /* more than jansson makes room for at first */

static void a_list_is_complete_or_not_made(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        starve_json(n);
        json_t *list = json_array();
        for (int i = 0; i < ENTRIES; i++)
            pe_json_list_add(&list, json_integer(i));
        failed = feed_json();
        assert_true(failed ? !list : json_array_size(list) == ENTRIES);
        json_decref(list);
    }
}

static void a_problem_says_all_or_is_not_made(void **state)
{
    (void)state;
    const struct pe_problem problem = {
        .type = "isolation-unavailable", .title = "t", .detail = "d", .available = {.bits = 6}};
    for (size_t n = 0, failed = 1; failed; n++) {
        starve_json(n);
        json_t *json = pe_problem_to_json(&problem);
        failed = feed_json();
        assert_true(!json ? (int)failed : json_array_size(json_object_get(json, "available")) == 2);
        json_decref(json);
    }
}

/* ---- commands ---- */

typedef int command(int argc, char **argv, struct pe_error *err);

/* What the command prints, in a file of `top`. Returns what it returns. */
static int print_to_file(command *run, const char *const *argv, int argc)
{
    struct pe_error err;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/out", top);
    pe_autoclose int saved = dup(STDOUT_FILENO);
    pe_autoclose int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && file >= 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    int result = run(argc, (char **)argv, &err);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    return result;
}

static json_t *read_printed(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/out", top);
    return json_load_file(path, 0, NULL);
}

/* With less memory than it needs, the command fails and prints nothing. */
static void assert_all_or_nothing(command *run, const char *const *argv, int argc)
{
    for (size_t n = 0, starved = 1; starved; n++) {
        starve_json(n);
        int failed = print_to_file(run, argv, argc);
        starved = feed_json();
        json_t *list = read_printed();
        assert_true(failed ? starved && !list : json_array_size(list) == ENTRIES);
        json_decref(list);
    }
}

static void all_hosts_are_listed_or_none(void **state)
{
    (void)state;
    char name[32], folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/tokens", top);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "host-%d", i);
        const char *argv[] = {"token", "new", "--host", name, "--tokens", folder, NULL};
        assert_int_equal(print_to_file(token_command, argv, 6), 0);
    }
    const char *list[] = {"token", "list", "--json", "--tokens", folder, NULL};
    assert_all_or_nothing(token_command, list, 5);
}

static void all_images_are_listed_or_none(void **state)
{
    (void)state;
    char file[64], entry[256], store[PATH_MAX];
    snprintf(store, sizeof store, "%s/store", top);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(file, sizeof file, "/store/names/image-%d:1.json", i);
        snprintf(entry, sizeof entry, "{\"name\":\"image-%d:1\",\"digest\":\"sha256:%064d\"}", i, i);
        put(file, entry);
    }
    const char *list[] = {"ls", "--json", "--store", store, NULL};
    assert_all_or_nothing(command_ls, list, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_complete_or_not_made),
        cmocka_unit_test(a_problem_says_all_or_is_not_made),
        cmocka_unit_test_setup_teardown(all_hosts_are_listed_or_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_images_are_listed_or_none, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("json_list", tests, NULL, NULL);
}
