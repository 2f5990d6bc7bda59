/* test_cli_options.c: how a node is told what to be: names, bounds, file before flags. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/serve_options.h"

static void every_setting_of_the_list_can_be_set_by_its_name(void **state)
{
    (void)state;
    struct serve_setting settings[SERVE_SETTINGS_MAX];
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    size_t count = serve_settings_list(settings);
    serve_options_init(&options);
    assert_true(count > 12);
    for (size_t i = 0; i < count; i++) {
        assert_null(strchr(settings[i].name, '_'));
        /* A value that no setting takes: each must be known, and refuse it by its name. */
        int status = serve_options_set(&options, settings[i].name, "", detail);
        assert_int_equal(status, QR_ERR_INVALID);
        assert_memory_equal(detail, settings[i].name, strlen(settings[i].name));
    }
}

static void a_value_in_bounds_is_taken(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    serve_options_init(&options);
    assert_int_equal(serve_options_set(&options, "name", "n-1.example", detail), 0);
    assert_string_equal(options.name, "n-1.example");
    assert_int_equal(serve_options_set(&options, "join", "a:1,b:2", detail), 0);
    assert_string_equal(options.join, "a:1,b:2");
    assert_int_equal(serve_options_set(&options, "bootstrap", "true", detail), 0);
    assert_true(options.is_bootstrap);
    assert_int_equal(serve_options_set(&options, "bootstrap", "false", detail), 0);
    assert_false(options.is_bootstrap);
    assert_int_equal(serve_options_set(&options, "log-format", "json", detail), 0);
    assert_int_equal(serve_options_set(&options, "read-mode", "lease", detail), 0);
    assert_int_equal(options.read_mode, QR_READ_LEASE);
    assert_int_equal(serve_options_set(&options, "read-mode", "stale", detail), 0);
    assert_int_equal(options.read_mode, QR_READ_STALE);
    assert_int_equal(serve_options_set(&options, "read-mode", "dirty", detail), QR_ERR_INVALID);
    assert_int_equal(options.read_mode, QR_READ_STALE);
    assert_int_equal(serve_options_set(&options, "read-mode", "linearizable", detail), 0);
    assert_int_equal(options.read_mode, QR_READ_LINEARIZABLE);
    assert_int_equal(options.on_divergence, QR_DIVERGENCE_ISOLATE);
    assert_int_equal(serve_options_set(&options, "on-divergence", "stop", detail), 0);
    assert_int_equal(options.on_divergence, QR_DIVERGENCE_STOP);
    assert_int_equal(serve_options_set(&options, "on-divergence", "rebuild", detail), 0);
    assert_int_equal(options.on_divergence, QR_DIVERGENCE_REBUILD);
    assert_int_equal(serve_options_set(&options, "on-divergence", "pray", detail), QR_ERR_INVALID);
    assert_int_equal(options.on_divergence, QR_DIVERGENCE_REBUILD);
    assert_int_equal(options.log_format, QR_LOG_JSON);
    assert_int_equal(serve_options_set(&options, "log-level", "error", detail), 0);
    assert_int_equal(options.log_level, QR_LOG_ERROR);
    assert_int_equal(options.disk, QR_DISK_AUTO);
    assert_int_equal(serve_options_set(&options, "disk", "direct", detail), 0);
    assert_int_equal(options.disk, QR_DISK_DIRECT);
    assert_int_equal(serve_options_set(&options, "disk", "auto", detail), 0);
    assert_int_equal(options.disk, QR_DISK_AUTO);
    assert_int_equal(serve_options_set(&options, "disk", "threads", detail), 0);
    assert_int_equal(options.disk, QR_DISK_THREADS);
    assert_int_equal(serve_options_set(&options, "max-log-bytes", "64MiB", detail), 0);
    assert_int_equal(options.limits.max_log_bytes, 64 << 20);
    assert_int_equal(serve_options_set(&options, "max-snapshot-rate", "4MiB", detail), 0);
    assert_int_equal(options.limits.max_snapshot_rate, 4 << 20);
    assert_int_equal(serve_options_set(&options, "heartbeat-interval-ms", "20", detail), 0);
    assert_int_equal(options.limits.heartbeat_interval_ms, 20);
}

static void a_value_out_of_bounds_is_refused_with_name_value_and_bounds(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *value;
        const char *detail;
    } cases[] = {
        {"election-timeout-min-ms", "9",
         "election-timeout-min-ms: 9 is out of bounds, 10..60000 milliseconds"},
        {"election-timeout-min-ms", "60001",
         "election-timeout-min-ms: 60001 is out of bounds, 10..60000 milliseconds"},
        {"election-timeout-min-ms", "1KiB",
         "election-timeout-min-ms: 1KiB is out of bounds, 10..60000 milliseconds"},
        {"max-message-bytes", "1GiB",
         "max-message-bytes: 1GiB is out of bounds, 65536..536870912 bytes"},
        {"name", "Upper", "name: \"Upper\" must be 1..63 of a-z, 0-9, . and -"},
        {"peer", "127.0.0.1", "peer: \"127.0.0.1\" must be HOST:PORT"},
        {"join", "a:1,", "join: \"a:1,\" must be 1..64 of HOST:PORT with commas"},
        {"bootstrap", "yes", "bootstrap: \"yes\" must be true or false"},
        {"log-level", "loud", "log-level: \"loud\" must be debug|info|warn|error"},
        {"disk", "uring", "disk: \"uring\" must be auto|direct|threads"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct serve_options options;
        struct serve_options before;
        char detail[QR_ERROR_DETAIL_BYTES];
        serve_options_init(&options);
        memcpy(&before, &options, sizeof(options));
        assert_int_equal(serve_options_set(&options, cases[i].name, cases[i].value, detail),
                         QR_ERR_INVALID);
        assert_string_equal(detail, cases[i].detail);
        assert_memory_equal(&before, &options, sizeof(options));
    }
}

static void a_name_of_64_bytes_is_refused_and_one_of_63_taken(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    char name[65];
    memset(name, 'a', 64);
    name[64] = '\0';
    serve_options_init(&options);
    assert_int_equal(serve_options_set(&options, "name", name, detail), QR_ERR_INVALID);
    name[63] = '\0';
    assert_int_equal(serve_options_set(&options, "name", name, detail), 0);
    assert_string_equal(options.name, name);
}

static void a_setting_that_does_not_exist_is_told_apart(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    serve_options_init(&options);
    assert_int_equal(serve_options_set(&options, "election_timeout_min_ms", "100", detail),
                     QR_ERR_NOT_FOUND);
    assert_int_equal(serve_options_set(&options, "nam", "x", detail), QR_ERR_NOT_FOUND);
    assert_int_equal(serve_options_set(&options, "", "x", detail), QR_ERR_NOT_FOUND);
}

/* Load `text` as a file; its path in the detail is replaced by F. */
static int config_load(const char *text, struct serve_options *options, char *detail)
{
    char path[] = "/tmp/quorate-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
    serve_options_init(options);
    detail[0] = '\0';
    int status = serve_config_load(path, options, detail);
    unlink(path);
    if (strncmp(detail, path, strlen(path)) == 0) {
        detail[0] = 'F';
        memmove(detail + 1, detail + strlen(path), strlen(detail + strlen(path)) + 1);
    }
    return status;
}

static void a_file_sets_what_it_names_and_nothing_else(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    assert_int_equal(config_load("# a node\nname: n7\nlearner: true\nmax-log-bytes: 2GiB\n"
                                 "join: 'a:1,b:2'\n",
                                 &options, detail),
                     0);
    assert_string_equal(options.name, "n7");
    assert_true(options.is_learner);
    assert_true(options.limits.max_log_bytes == UINT64_C(2) << 30);
    assert_string_equal(options.join, "a:1,b:2");
    assert_string_equal(options.peer, "127.0.0.1:7700");
    assert_int_equal(options.limits.heartbeat_interval_ms, 50);
}

static void a_profile_sets_what_was_not_given_whichever_comes_first(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    struct qr_limits fast = qr_limits_default();
    qr_limits_set_profile(&fast, QR_SWIM_FAST);
    assert_true(fast.swim_protocol_period_ms < 1000);
    for (int is_last = 0; is_last < 2; is_last++) {
        serve_options_init(&options);
        const char *const names[] = {"swim-profile", "swim-ping-timeout-ms", "swim-profile"};
        const char *const values[] = {"fast", "30", "fast"};
        assert_int_equal(serve_options_set(&options, names[is_last], values[is_last], detail), 0);
        assert_int_equal(
            serve_options_set(&options, names[is_last + 1], values[is_last + 1], detail), 0);
        assert_int_equal(options.swim_profile, QR_SWIM_FAST);
        assert_int_equal(options.limits.swim_ping_timeout_ms, 30);
        assert_int_equal(options.limits.swim_protocol_period_ms, fast.swim_protocol_period_ms);
        assert_int_equal(options.limits.swim_suspicion_timeout_ms, fast.swim_suspicion_timeout_ms);
        assert_int_equal(options.limits.heartbeat_interval_ms, 50);
        assert_int_equal(serve_options_check(&options, detail), 0);
    }
    assert_int_equal(serve_options_set(&options, "swim-profile", "default", detail), 0);
    assert_int_equal(options.limits.swim_protocol_period_ms, 1000);
    assert_int_equal(options.limits.swim_ping_timeout_ms, 30);
}

static void what_a_file_says_of_swim_is_not_undone_by_a_profile_in_a_flag(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    assert_int_equal(config_load("swim-indirect-pings: 0\nswim-hints: off\n", &options, detail), 0);
    assert_true(options.has_no_hints);
    assert_int_equal(serve_options_set(&options, "swim-profile", "fast", detail), 0);
    assert_int_equal(options.limits.swim_indirect_pings, 0);
    assert_true(options.limits.swim_ping_timeout_ms < 500);
    assert_int_equal(serve_options_set(&options, "swim-hints", "on", detail), 0);
    assert_false(options.has_no_hints);
}

static void an_observer_is_nothing_else_and_is_told_whom_to_watch(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *value;
        const char *detail;
    } cases[] = {
        {"bootstrap", "true",
         "observer: true contradicts bootstrap: an observer watches, and is no member"},
        {"wait", "true", "observer: true contradicts wait: an observer watches, and is no member"},
        {"learner", "true",
         "observer: true contradicts learner: an observer watches, and is no member"},
        {"name", "o1", "observer: true needs join, members to find the cluster through"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct serve_options options;
        char detail[QR_ERROR_DETAIL_BYTES];
        serve_options_init(&options);
        assert_int_equal(serve_options_set(&options, "observer", "true", detail), 0);
        assert_int_equal(serve_options_set(&options, cases[i].name, cases[i].value, detail), 0);
        assert_int_equal(serve_options_check(&options, detail), QR_ERR_INVALID);
        assert_string_equal(detail, cases[i].detail);
    }
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    serve_options_init(&options);
    assert_int_equal(serve_options_set(&options, "observer", "true", detail), 0);
    assert_int_equal(serve_options_set(&options, "join", "127.0.0.1:1", detail), 0);
    assert_int_equal(serve_options_check(&options, detail), 0);
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    assert_int_equal(config_load("", &options, detail), 0);
    assert_string_equal(options.client, "127.0.0.1:7701");
}

static void what_is_wrong_in_a_file_is_named_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *detail;
    } cases[] = {
        {"name: n1\n\nheartbeat-interval-ms: 99999\n",
         "F:3: heartbeat-interval-ms: 99999 is out of bounds, 1..30000 milliseconds"},
        {"name: n1\nfoo: 3\n",
         "F:2: foo: there is no such setting; `quorate help serve` lists them"},
        {"heartbeat_interval_ms: 20\n",
         "F:1: heartbeat_interval_ms: there is no such setting; `quorate help serve` lists them"},
        {"bootstrap: maybe\n", "F:1: bootstrap: \"maybe\" must be true or false"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct serve_options options;
        char detail[QR_ERROR_DETAIL_BYTES];
        assert_int_equal(config_load(cases[i].text, &options, detail), QR_ERR_INVALID);
        assert_string_equal(detail, cases[i].detail);
    }
}

static void bytes_that_are_no_settings_are_refused(void **state)
{
    (void)state;
    const char *const cases[] = {"name: [a, b]\n", "- name\n",       "name: \"n1\n",
                                 "{{{{",           "name: {a: b}\n", "\t\x01\x02"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct serve_options options;
        char detail[QR_ERROR_DETAIL_BYTES];
        assert_int_equal(config_load(cases[i], &options, detail), QR_ERR_INVALID);
        assert_int_equal(detail[0], 'F');
    }
}

static void a_file_that_is_not_there_is_told_with_its_path(void **state)
{
    (void)state;
    struct serve_options options;
    char detail[QR_ERROR_DETAIL_BYTES];
    serve_options_init(&options);
    assert_int_equal(serve_config_load("/nonexistent/q.yaml", &options, detail), QR_ERR_INVALID);
    assert_string_equal(detail, "/nonexistent/q.yaml: No such file or directory");
}

static int parsed_heartbeat(int argc, const char **arguments)
{
    struct serve_options options;
    char *argv[8];
    memcpy(argv, arguments, sizeof(char *) * ((size_t)argc + 1));
    serve_options_parse(argc, argv, &options);
    return (int)options.limits.heartbeat_interval_ms;
}

static void flags_win_over_the_file_wherever_they_stand(void **state)
{
    (void)state;
    char path[] = "/tmp/quorate-test-XXXXXX";
    int descriptor = mkstemp(path);
    static const char text[] = "heartbeat-interval-ms: 20\n";
    assert_int_equal(write(descriptor, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    close(descriptor);
    const char *file_only[] = {"quorate serve", "--config", path, NULL};
    const char *flag_first[] = {"quorate serve", "--heartbeat-interval-ms=30", "--config", path,
                                NULL};
    const char *flag_last[] = {"quorate serve",           "--config", path,
                               "--heartbeat-interval-ms", "40",       NULL};
    assert_int_equal(parsed_heartbeat(3, file_only), 20);
    assert_int_equal(parsed_heartbeat(4, flag_first), 30);
    assert_int_equal(parsed_heartbeat(5, flag_last), 40);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_of_the_list_can_be_set_by_its_name),
        cmocka_unit_test(a_value_in_bounds_is_taken),
        cmocka_unit_test(a_value_out_of_bounds_is_refused_with_name_value_and_bounds),
        cmocka_unit_test(a_name_of_64_bytes_is_refused_and_one_of_63_taken),
        cmocka_unit_test(a_setting_that_does_not_exist_is_told_apart),
        cmocka_unit_test(a_file_sets_what_it_names_and_nothing_else),
        cmocka_unit_test(a_profile_sets_what_was_not_given_whichever_comes_first),
        cmocka_unit_test(what_a_file_says_of_swim_is_not_undone_by_a_profile_in_a_flag),
        cmocka_unit_test(an_observer_is_nothing_else_and_is_told_whom_to_watch),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(what_is_wrong_in_a_file_is_named_with_its_line),
        cmocka_unit_test(bytes_that_are_no_settings_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_told_with_its_path),
        cmocka_unit_test(flags_win_over_the_file_wherever_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
