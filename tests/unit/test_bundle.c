/* SPDX-License-Identifier: Apache-2.0 */
/* The container and the program of a job, and how the image's catalog entry determines them. */
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"
#include "worker/job/bundle.h"

#include "base/cleanup.h"
#include "proto/job_spec.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void read_image(const char *fields, struct pe_image *image)
{
    struct pe_error err;
    char entry[1024];
    snprintf(entry, sizeof entry, "{\"name\":\"a:1\",\"digest\":\"" DIGEST "\"%s}", fields);
    pe_autojson json_t *json = json_loads(entry, 0, NULL);
    assert_int_equal(pe_image_from_json(json, image, &err), 0);
}

/* Returns the configuration of a container for an image with these fields. */
static json_t *configuration(const char *fields)
{
    struct pe_error err;
    pe_autoimage struct pe_image image;
    pe_autobuf struct pe_buf out = {0};
    read_image(fields, &image);
    assert_int_equal(bundle_config(BUNDLE_JOB, &image, 64, &out, &err), 0);
    return json_loadb((const char *)out.data, out.size, 0, NULL);
}

/* Returns `program` for a job without files, with | in place of every NUL. `live`: its input. */
static const char *live_program(const char *fields, const char *job_text, const struct pe_live_input *live)
{
    static char text[4096];
    struct pe_error err;
    pe_autoimage struct pe_image image;
    pe_autojobspec struct pe_job_spec job;
    pe_autobuf struct pe_buf out = {0};
    const struct pe_parts no_files = {0};
    read_image(fields, &image);
    assert_int_equal(pe_job_spec_decode(job_text, strlen(job_text), &job, &err), 0);
    assert_int_equal(bundle_program(&job, live, &image, &no_files, &out, &err), 0);
    assert_true(out.size < sizeof text);
    for (size_t i = 0; i < out.size; i++)
        text[i] = out.data[i] ? (char)out.data[i] : '|';
    text[out.size] = '\0';
    return text;
}

static const char *program(const char *fields, const char *job_text)
{
    return live_program(fields, job_text, NULL);
}

static void only_a_program_with_a_terminal_gets_the_name_of_its_kind(void **state)
{
    (void)state;
    static const char job[] = "{\"image\":\"a\",\"cmd\":[\"x\"]}",
                      own[] = "{\"image\":\"a\",\"cmd\":[\"x\"],\"env\":{\"TERM\":\"dumb\"}}";
    const struct pe_live_input terminal = {.open = true, .tty = true, .window = {1, 1}, .term = "vt100"},
                               pipe = {.open = true};
    assert_non_null(strstr(live_program("", job, &terminal), "|TERM=vt100|"));
    assert_null(strstr(live_program("", job, &pipe), "TERM="));
    assert_non_null(strstr(live_program("", own, &terminal), "|TERM=dumb|"));
    assert_null(strstr(live_program("", own, &terminal), "vt100"));
}

static void a_plain_image_runs_as_root_of_its_whole_rootfs(void **state)
{
    (void)state;
    pe_autojson json_t *config = configuration("");
    const json_t *process = json_object_get(config, "process"), *user = json_object_get(process, "user");
    assert_string_equal(json_string_value(json_object_get(json_object_get(config, "root"), "path")),
                        "/run/pe/rootfs");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 0);
    assert_int_equal(json_array_size(json_object_get(user, "additionalGids")), 0);
}

static void the_images_user_and_its_groups_run_the_program(void **state)
{
    (void)state;
    pe_autojson json_t *config =
        configuration(",\"user\":{\"name\":\"web\",\"uid\":33,\"gid\":44,\"groups\":[7,8]}");
    const json_t *user = json_object_get(json_object_get(config, "process"), "user");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 33);
    assert_int_equal(json_integer_value(json_object_get(user, "gid")), 44);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(user, "additionalGids"), 1)), 8);
}

static void a_combined_images_name_is_its_part_of_the_rootfs(void **state)
{
    (void)state;
    pe_autojson json_t *config = configuration(",\"root\":\"gcc-14\"");
    assert_string_equal(json_string_value(json_object_get(json_object_get(config, "root"), "path")),
                        "/run/pe/rootfs/gcc-14");
}

static void entrypoint_and_cmd_are_the_default_command_and_the_jobs_replaces_both(void **state)
{
    (void)state;
    static const char fields[] = ",\"entrypoint\":[\"e\"],\"cmd\":[\"c\"],\"default_cmd\":[\"e\",\"c\"]";
    assert_ptr_equal(strstr(program(fields, "{\"image\":\"a:1\"}"), "2\ne|c|PATH="),
                     program(fields, "{\"image\":\"a:1\"}"));
    const char *mine = program(fields, "{\"image\":\"a:1\",\"cmd\":[\"mine\"]}");
    assert_ptr_equal(strstr(mine, "1\nmine|PATH="), mine);
}

static void only_the_images_own_command_runs_in_its_working_directory(void **state)
{
    (void)state;
    static const char own[] = ",\"working_dir\":\"/app\",\"default_cmd\":[\"./e\"]";
    static const char files[] = ",\"working_dir\":\"/app\",\"default_cmd\":[\"cc\",\"{files}\"]";
    pe_autoimage struct pe_image image;
    const char *const names[] = {"a.c"};
    const char *made = program(own, "{\"image\":\"a:1\"}");
    assert_ptr_equal(strstr(made, "1 /app\n./e|PATH="), made);
    made = program(own, "{\"image\":\"a:1\",\"cmd\":[\"./mine\"]}");
    assert_ptr_equal(strstr(made, "1\n./mine|PATH="), made);
    read_image(files, &image);
    assert_string_equal(pe_image_default_directory(&image, names, 1), "/work");
}

static void the_jobs_environment_overrides_the_images_and_that_the_defaults(void **state)
{
    (void)state;
    assert_string_equal(program(",\"env\":[\"PATH=/x\",\"A=image\"]",
                                "{\"image\":\"a:1\",\"cmd\":[\"x\"],\"env\":{\"A\":\"job\"}}"),
                        "1\nx|PATH=/x|HOME=/root|LANG=C.UTF-8|A=job|");
}

static void a_user_that_cannot_use_the_home_of_root_gets_another_one(void **state)
{
    (void)state;
    static const char user[] = ",\"user\":{\"name\":\"1234\",\"uid\":1234,\"gid\":5,\"groups\":[]}";
    assert_non_null(strstr(program(user, "{\"image\":\"a:1\",\"cmd\":[\"x\"]}"), "|HOME=/tmp|"));
}

static void shared_memory_has_as_much_room_as_the_job_has_memory(void **state)
{
    (void)state;
    pe_autojson json_t *config = configuration("");
    pe_autofree char *mounts = json_dumps(json_object_get(config, "mounts"), JSON_COMPACT);
    assert_non_null(strstr(mounts, "\"mode=1777\",\"size=64m\""));
}

static void a_prewarm_container_differs_in_its_cgroup_alone(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    pe_autobuf struct pe_buf job = {0};
    pe_autobuf struct pe_buf prewarm = {0};
    read_image("", &image);
    assert_int_equal(bundle_config(BUNDLE_JOB, &image, 64, &job, &err), 0);
    assert_int_equal(bundle_config(BUNDLE_PREWARM, &image, 64, &prewarm, &err), 0);
    pe_autojson json_t *one = json_loadb((const char *)job.data, job.size, 0, NULL);
    pe_autojson json_t *other = json_loadb((const char *)prewarm.data, prewarm.size, 0, NULL);
    assert_false(json_equal(one, other));
    json_object_set_new(json_object_get(other, "linux"), "cgroupsPath", json_string("/job/container"));
    assert_true(json_equal(one, other));
}

static void a_container_is_confined_completely_or_not_made_without_memory(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    pe_autobuf struct pe_buf whole = {0};
    read_image(",\"user\":{\"uid\":1,\"gid\":2,\"groups\":[3,4]}", &image);
    assert_int_equal(bundle_config(BUNDLE_JOB, &image, 64, &whole, &err), 0);
    for (size_t n = 0, failed = 1; failed; n++) {
        pe_autobuf struct pe_buf out = {0};
        starve_json(n);
        int made = bundle_config(BUNDLE_JOB, &image, 64, &out, &err);
        failed = feed_json();
        if (made < 0) {
            assert_error(err, PE_ERR_INTERNAL, "out of memory");
            continue;
        }
        assert_int_equal(out.size, whole.size);
        assert_memory_equal(out.data, whole.data, whole.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_program_with_a_terminal_gets_the_name_of_its_kind),
        cmocka_unit_test(a_plain_image_runs_as_root_of_its_whole_rootfs),
        cmocka_unit_test(the_images_user_and_its_groups_run_the_program),
        cmocka_unit_test(a_combined_images_name_is_its_part_of_the_rootfs),
        cmocka_unit_test(entrypoint_and_cmd_are_the_default_command_and_the_jobs_replaces_both),
        cmocka_unit_test(only_the_images_own_command_runs_in_its_working_directory),
        cmocka_unit_test(the_jobs_environment_overrides_the_images_and_that_the_defaults),
        cmocka_unit_test(a_user_that_cannot_use_the_home_of_root_gets_another_one),
        cmocka_unit_test(shared_memory_has_as_much_room_as_the_job_has_memory),
        cmocka_unit_test(a_prewarm_container_differs_in_its_cgroup_alone),
        cmocka_unit_test(a_container_is_confined_completely_or_not_made_without_memory),
    };
    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
