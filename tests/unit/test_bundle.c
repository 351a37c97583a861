/* The runtime configuration: what of an image's catalog entry decides how its programs run. */
#include "tests/unit/check.h"
#include "worker/bundle.h"

#include "proto/job.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The configuration for a job without files in an image of these fields. */
static json_t *configuration(const char *fields, const char *job_text)
{
    struct pe_error err;
    char entry[1024];
    pe_autoimage struct pe_image image;
    pe_autojob struct pe_job job;
    pe_autobuf struct pe_buf out = {0};
    const struct pe_parts no_files = {0};
    snprintf(entry, sizeof entry, "{\"name\":\"a:1\",\"digest\":\"" DIGEST "\"%s}", fields);
    pe_autojson json_t *json = json_loads(entry, 0, NULL);
    assert_int_equal(pe_image_from_json(json, &image, &err), 0);
    assert_int_equal(pe_job_decode(job_text, strlen(job_text), &job, &err), 0);
    assert_int_equal(bundle_config(&job, &image, &no_files, 64, &out, &err), 0);
    return json_loadb((const char *)out.data, out.size, 0, NULL);
}

static const char *text_at(const json_t *array, size_t index)
{
    return json_string_value(json_array_get(array, index));
}

static void a_plain_image_runs_as_root_of_its_whole_rootfs(void **state)
{
    (void)state;
    pe_autojson json_t *config = configuration("", "{\"image\":\"a:1\",\"cmd\":[\"x\"]}");
    const json_t *process = json_object_get(config, "process"), *user = json_object_get(process, "user");
    assert_string_equal(json_string_value(json_object_get(json_object_get(config, "root"), "path")),
                        "/run/pe/rootfs");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 0);
    assert_int_equal(json_array_size(json_object_get(user, "additionalGids")), 0);
    assert_string_equal(json_string_value(json_object_get(process, "cwd")), "/work");
}

static void the_images_user_and_its_groups_run_the_program(void **state)
{
    (void)state;
    pe_autojson json_t *config =
        configuration(",\"user\":{\"name\":\"web\",\"uid\":33,\"gid\":44,\"groups\":[7,8]}",
                      "{\"image\":\"a:1\",\"cmd\":[\"x\"]}");
    const json_t *user = json_object_get(json_object_get(config, "process"), "user");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 33);
    assert_int_equal(json_integer_value(json_object_get(user, "gid")), 44);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(user, "additionalGids"), 1)), 8);
}

static void a_combined_images_name_is_its_part_of_the_rootfs(void **state)
{
    (void)state;
    pe_autojson json_t *config = configuration(",\"root\":\"gcc-14\"", "{\"image\":\"a:1\",\"cmd\":[\"x\"]}");
    assert_string_equal(json_string_value(json_object_get(json_object_get(config, "root"), "path")),
                        "/run/pe/rootfs/gcc-14");
}

static void entrypoint_and_cmd_are_the_default_command_and_the_jobs_replaces_both(void **state)
{
    (void)state;
    static const char fields[] = ",\"entrypoint\":[\"e\"],\"cmd\":[\"c\"],\"default_cmd\":[\"e\",\"c\"]";
    pe_autojson json_t *config = configuration(fields, "{\"image\":\"a:1\"}");
    const json_t *args = json_object_get(json_object_get(config, "process"), "args");
    assert_int_equal(json_array_size(args), 3);
    assert_string_equal(text_at(args, 1), "e");
    assert_string_equal(text_at(args, 2), "c");
    pe_autojson json_t *other = configuration(fields, "{\"image\":\"a:1\",\"cmd\":[\"mine\"]}");
    args = json_object_get(json_object_get(other, "process"), "args");
    assert_int_equal(json_array_size(args), 2);
    assert_string_equal(text_at(args, 1), "mine");
}

static void the_jobs_environment_overrides_the_images_and_that_the_defaults(void **state)
{
    (void)state;
    pe_autojson json_t *config = configuration(",\"env\":[\"PATH=/x\",\"A=image\"]",
                                               "{\"image\":\"a:1\",\"cmd\":[\"x\"],\"env\":{\"A\":\"job\"}}");
    const json_t *env = json_object_get(json_object_get(config, "process"), "env");
    assert_string_equal(text_at(env, 0), "PATH=/x");
    assert_string_equal(text_at(env, json_array_size(env) - 1), "A=job");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_image_runs_as_root_of_its_whole_rootfs),
        cmocka_unit_test(the_images_user_and_its_groups_run_the_program),
        cmocka_unit_test(a_combined_images_name_is_its_part_of_the_rootfs),
        cmocka_unit_test(entrypoint_and_cmd_are_the_default_command_and_the_jobs_replaces_both),
        cmocka_unit_test(the_jobs_environment_overrides_the_images_and_that_the_defaults),
    };
    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
