/* test_engine_log_store_rules.c: what a log store must keep to: honest ones do, and the check finds
 * every rule that another breaks.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "support/log_file.h"
#include "support/log_memory.h"
#include "support/log_store_check.h"
#include "support/tally.h"

static const struct qr_log_store *begin_memory(void *argument)
{
    struct log_memory *log = argument;
    return &log->table;
}

static void crash_memory(void *argument)
{
    log_memory_crash(argument);
}

static void a_store_in_memory_keeps_to_the_rules(void **state)
{
    (void)state;
    struct log_memory log;
    log_memory_init(&log);
    const struct log_store_check check = {&log, begin_memory, crash_memory, false};
    const char *broken = check_log_store(&check);
    assert_null(broken);
    log_memory_deinit(&log);
}

/* What the check would be worth if it found nothing. */
static void the_check_finds_every_rule_that_is_broken(void **state)
{
    (void)state;
    static const struct {
        enum log_memory_lie lie;
        const char *sentence;
    } cases[] = {
        {LOG_BREAKS_REPLACING, "read: it gives not"},
        {LOG_BREAKS_RESET, "open: the last index"},
        {LOG_BREAKS_ORDER, "open: the hard state"},
        {LOG_BREAKS_BASE, "open: the base"},
        {LOG_BREAKS_RECORDS, "read: it gives not"},
        {LOG_BREAKS_READS, "read: it gives not"},
        {LOG_LIE_TICKET, "append: a ticket"},
        {LOG_FAIL_SYNC, "append: the store calls host.failed"},
        {LOG_FAIL_OPEN, "open: it fails"},
        {LOG_FAIL_SCAN, "scan: it fails"},
        {LOG_LIE_SCAN_LESS, "scan: it gives less"},
        {LOG_LIE_SCAN_MORE, "scan: it gives more"},
        {LOG_LIE_SCAN_GAP, "scan: an entry is not"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_memory log;
        log_memory_init(&log);
        atomic_store(&log.lie, cases[i].lie);
        const struct log_store_check check = {&log, begin_memory, crash_memory, false};
        const char *broken = check_log_store(&check);
        if (broken == NULL || strstr(broken, cases[i].sentence) == NULL) {
            print_message("%d: %s\n", (int)cases[i].lie, broken == NULL ? "nothing" : broken);
        }
        assert_non_null(broken);
        assert_non_null(strstr(broken, cases[i].sentence));
        log_memory_deinit(&log);
    }
}

/* Batches wait, and are called durable all the same. */
static const struct qr_log_store *begin_holding(void *argument)
{
    struct log_memory *log = argument;
    log->waiting_count = 0;
    atomic_store(&log->holds, true);
    return &log->table;
}

static void the_check_finds_a_store_that_promises_too_early(void **state)
{
    (void)state;
    struct log_memory log;
    log_memory_init(&log);
    atomic_store(&log.lie, LOG_BREAKS_DURABILITY);
    const struct log_store_check check = {&log, begin_holding, crash_memory, false};
    const char *broken = check_log_store(&check);
    assert_non_null(broken);
    assert_non_null(strstr(broken, "open:"));
    log_memory_deinit(&log);
}

static const struct qr_log_store *begin_file(void *argument)
{
    struct log_file *log = argument;
    return &log->table;
}

static void crash_file(void *argument)
{
    log_file_crash(argument);
}

static void a_store_in_a_file_keeps_to_the_rules(void **state)
{
    (void)state;
    struct log_file log;
    char directory[64];
    temporary_directory(directory);
    log_file_init(&log, directory);
    const struct log_store_check check = {&log, begin_file, crash_file, true};
    const char *broken = check_log_store(&check);
    assert_null(broken);
    log_file_deinit(&log);
    temporary_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_in_memory_keeps_to_the_rules),
        cmocka_unit_test(the_check_finds_every_rule_that_is_broken),
        cmocka_unit_test(the_check_finds_a_store_that_promises_too_early),
        cmocka_unit_test(a_store_in_a_file_keeps_to_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
