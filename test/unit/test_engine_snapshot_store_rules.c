/* test_engine_snapshot_store_rules.c: what a snapshot store must keep to: honest ones do, and the
 * check finds whatever another does wrong.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "support/snapshot_folder.h"
#include "support/snapshot_memory.h"
#include "support/snapshot_store_check.h"
#include "support/tally.h"

static void a_store_of_files_is_right(void **state)
{
    (void)state;
    char path[64];
    char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
    struct snapshot_folder folder;
    temporary_directory(path);
    snapshot_folder_init(&folder, path);
    if (!snapshot_store_check(&folder.store, NULL, NULL, words)) {
        fail_msg("%s", words);
    }
    temporary_directory_remove(path);
}

static void a_store_that_ends_all_within_the_call_is_right(void **state)
{
    (void)state;
    char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
    struct snapshot_memory memory;
    snapshot_memory_init(&memory, SNAPSHOT_MEMORY_NOTHING);
    if (!snapshot_store_check(&memory.store, snapshot_memory_crash, &memory, words)) {
        fail_msg("%s", words);
    }
    snapshot_memory_deinit(&memory);
}

static void whatever_a_store_does_wrong_is_found_out(void **state)
{
    (void)state;
    for (unsigned i = 1; i < SNAPSHOT_MEMORY_WRONG_COUNT; i++) {
        char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
        struct snapshot_memory memory;
        snapshot_memory_init(&memory, (enum snapshot_memory_wrong)i);
        if (snapshot_store_check(&memory.store, snapshot_memory_crash, &memory, words)) {
            fail_msg("%s is not noticed",
                     snapshot_memory_wrong_name((enum snapshot_memory_wrong)i));
        }
        assert_true(words[0] != '\0');
        snapshot_memory_deinit(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_files_is_right),
        cmocka_unit_test(a_store_that_ends_all_within_the_call_is_right),
        cmocka_unit_test(whatever_a_store_does_wrong_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
