/* SPDX-License-Identifier: Apache-2.0 */
/* The images that fit are a `hello` that the balancer can read, whatever the others are. */
#include "proto/hello.h"

#include "proto/limits.h"
#include "proto/metadata.h"
#include "proto/slot.h"
#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* An array of `count` texts of `size` bytes. */
static json_t *texts(size_t count, size_t size)
{
    json_t *array = json_array();
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    text[size / 2] = '='; /* it may be a variable */
    for (size_t i = 0; i < count; i++)
        assert_int_equal(json_array_append_new(array, json_string(text)), 0);
    free(text);
    return array;
}

/* An image with this member. */
static json_t *image_with(const char *member, json_t *value)
{
    json_t *image = json_pack("{s:s, s:s, s:[s], s:o}", "name", "a:1", "digest", DIGEST, "default_cmd", "x",
                              member, value);
    assert_non_null(image);
    return image;
}

static json_t *small_image(void)
{
    return image_with("cmd", json_array());
}

/* Whether the balancer can read a `hello` with these images. */
static bool is_readable(json_t *images)
{
    struct pe_error err;
    pe_autobuf struct pe_buf text = {0};
    pe_automessage struct pe_message hello = {
        .kind = PE_MESSAGE_HELLO, .hello = {.images = json_incref(images), .isolation = PE_ISOLATION_KERNEL}};
    pe_automessage struct pe_message again = {0};
    assert_int_equal(pe_message_encode(&hello, &text, &err), 0);
    if (text.size > PE_SLOT_TEXT_MAX || pe_message_decode(text.data, text.size, &again, &err) < 0)
        return false;
    return json_array_size(again.hello.images) == json_array_size(images);
}

/* Add copies of an image until there is no room, then small ones, and check that not one more could be read.
 * Takes over the reference. */
static void fill(json_t *image, const char *text_part)
{
    struct pe_error err;
    struct pe_hello_room room = {0};
    pe_autojson json_t *owned = image;
    pe_autojson json_t *images = json_array();
    pe_autojson json_t *small = small_image();
    while (pe_hello_room_take(&room, image, &err) == 0)
        assert_int_equal(json_array_append(images, image), 0);
    assert_error(err, PE_ERR_TOO_LARGE, text_part);
    assert_true(json_array_size(images) > 0);
    if (pe_hello_room_take(&room, small, &err) == 0)
        assert_int_equal(json_array_append(images, small), 0);
    assert_true(is_readable(images));
    assert_int_equal(json_array_append(images, image), 0);
    assert_false(is_readable(images));
}

static void images_that_fit_can_be_read_by_the_balancer(void **state)
{
    (void)state;
    fill(image_with("env", texts(230, 4000)), "bytes");
    fill(small_image(), "images");
    fill(image_with("cmd", texts(1000, 1)), "values");
    fill(image_with("inputs", json_pack("[{s:s, s:o}]", "type", "text/plain", "patterns", texts(64, 255))),
         "patterns of file names");
}

static void a_small_image_fits_behind_one_that_does_not(void **state)
{
    struct pe_error err;
    struct pe_hello_room room = {0};
    pe_autojson json_t *large = image_with("env", texts(230, 4000));
    pe_autojson json_t *small = small_image();
    (void)state;
    while (pe_hello_room_take(&room, large, &err) == 0)
        ;
    const struct pe_hello_room before = room;
    assert_int_equal(pe_hello_room_take(&room, large, &err), -1);
    assert_memory_equal(&room, &before, sizeof room);
    assert_int_equal(pe_hello_room_take(&room, small, &err), 0);
    assert_int_equal(room.images, before.images + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_that_fit_can_be_read_by_the_balancer),
        cmocka_unit_test(a_small_image_fits_behind_one_that_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
