/* test_base_log.c: events become one line of text or one JSON object. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/log.h"

struct capture {
    size_t event_count;
    enum log_level level;
    char text[1024];
    char json[1024];
};

static void capture_write(void *context, const struct log_event *event)
{
    struct capture *capture = context;
    capture->event_count++;
    capture->level = event->level;
    struct text text = text_of(capture->text, sizeof(capture->text));
    log_event_text(event, &text);
    struct text json = text_of(capture->json, sizeof(capture->json));
    text_json_object_begin(&json);
    log_event_json(event, &json);
    text_json_object_end(&json);
}

static void fields_keep_their_order_and_kind(void **state)
{
    (void)state;
    struct capture capture = {0};
    struct log_sink sink = {&capture, LOG_DEBUG, capture_write};
    LOG(&sink, LOG_INFO, "became_leader", log_u64("term", 7), log_id("node", 0xab),
        log_string("name", "n1"));
    assert_int_equal(capture.event_count, 1);
    assert_int_equal(capture.level, LOG_INFO);
    assert_string_equal(capture.text, "became_leader term=7 node=00000000000000ab name=n1");
    assert_string_equal(capture.json, "{\"event\":\"became_leader\",\"term\":7,"
                                      "\"node\":\"00000000000000ab\",\"name\":\"n1\"}");
}

static void a_value_with_blanks_is_quoted_and_stays_on_its_line(void **state)
{
    (void)state;
    struct capture capture = {0};
    struct log_sink sink = {&capture, LOG_DEBUG, capture_write};
    LOG(&sink, LOG_WARN, "odd", log_string("a", "two words"), log_string("b", "x\ny=1"),
        log_string("c", ""), log_string("d", NULL));
    assert_string_equal(capture.text, "odd a=\"two words\" b=\"x\\u000ay=1\" c=\"\" d=\"\"");
}

static void a_long_string_is_cut(void **state)
{
    (void)state;
    char value[LOG_STRING_BYTES_MAX + 100];
    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    struct capture capture = {0};
    struct log_sink sink = {&capture, LOG_DEBUG, capture_write};
    LOG(&sink, LOG_INFO, "long", log_string("v", value));
    assert_int_equal(strlen(capture.text), strlen("long v=") + LOG_STRING_BYTES_MAX);
}

static void events_below_the_level_are_not_made(void **state)
{
    (void)state;
    struct capture capture = {0};
    struct log_sink sink = {&capture, LOG_WARN, capture_write};
    LOG(&sink, LOG_DEBUG, "quiet", log_u64("n", 1));
    LOG(&sink, LOG_INFO, "quiet", log_u64("n", 2));
    assert_int_equal(capture.event_count, 0);
    LOG(&sink, LOG_WARN, "said", log_u64("n", 3));
    LOG(&sink, LOG_ERROR, "said", log_u64("n", 4));
    assert_int_equal(capture.event_count, 2);
}

static void no_sink_is_allowed(void **state)
{
    (void)state;
    const struct log_sink mute = {NULL, LOG_DEBUG, NULL};
    LOG(NULL, LOG_ERROR, "unheard", log_u64("n", 1));
    LOG(&mute, LOG_ERROR, "unheard", log_u64("n", 1));
}

static void levels_have_names(void **state)
{
    (void)state;
    assert_string_equal(log_level_name(LOG_DEBUG), "debug");
    assert_string_equal(log_level_name(LOG_INFO), "info");
    assert_string_equal(log_level_name(LOG_WARN), "warn");
    assert_string_equal(log_level_name(LOG_ERROR), "error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_keep_their_order_and_kind),
        cmocka_unit_test(a_value_with_blanks_is_quoted_and_stays_on_its_line),
        cmocka_unit_test(a_long_string_is_cut),
        cmocka_unit_test(events_below_the_level_are_not_made),
        cmocka_unit_test(no_sink_is_allowed),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
