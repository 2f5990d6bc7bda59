/* test_node_once_versions.c: guarded entries among members of a version that does not know them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "once_solo.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

static void a_leader_refuses_guarded_entries_until_every_member_is_new(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    (void)solo_lead(&solo);
    uint64_t token = 0;
    assert_int_equal(propose(&solo, TOKEN(1), 5, token++), QR_ERR_VERSION);
    solo_meet(&solo, 2, NEW);
    assert_int_equal(propose(&solo, TOKEN(1), 5, token++), QR_ERR_VERSION);
    solo_meet(&solo, 3, NEW - 1);
    assert_int_equal(propose(&solo, TOKEN(1), 5, token++), QR_ERR_VERSION);
    assert_int_equal(control(&solo, NODE_SESSION_OPEN, NS_PER_S, 0, token++), QR_ERR_VERSION);
    assert_int_equal(solo_propose(&solo, 700), 0); /* all else goes on */
    solo_meet(&solo, 3, NEW);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 100), 0);
    solo_meet(&solo, 3, NEW - 1);
    assert_int_equal(propose(&solo, TOKEN(2), 5, 101), QR_ERR_VERSION);
    commit(&solo);
    assert_told(&solo, 100, 0);
    assert_int_equal(propose(&solo, TOKEN(2), 5, 102), 0); /* too late for an old one now */
    solo_deinit(&solo);
}

/* As one whose disk was lost before it had entered, and that nobody removes. */
static void a_newcomer_that_never_comes_is_not_waited_for(void **state)
{
    (void)state;
    struct solo solo;
    struct wire_message join = {.type = WIRE_JOIN,
                                .join = {.from = 4, .wants_vote = true, .name = "n4"}};
    memcpy(join.join.address, "a4", 2);
    (void)lead(&solo);
    solo_receive(&solo, 4, &join);
    solo_work(&solo);
    assert_int_equal(node_configuration(solo.node)->count, 4);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    solo_meet(&solo, 4, NEW - 1); /* it comes, and is too old */
    assert_int_equal(propose(&solo, TOKEN(2), 5, 2), QR_ERR_VERSION);
    solo_deinit(&solo);
}

static void hear_version(struct solo *solo, node_id from)
{
    struct wire_hello_response response = {.version = NEW, .cluster = SOLO_CLUSTER, .from = from};
    const char *reason;
    assert_int_equal(node_hello_response_check(solo->node, &response, true, from, &reason), 0);
}

/* Then all are strangers, and none takes the place of another. */
static void whom_a_node_met_before_it_was_taken_in_it_knows(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    solo_work(&solo);
    hear_version(&solo, 2);
    hear_version(&solo, 3);
    for (node_id stranger = 100; stranger < 120; stranger++) {
        hear_version(&solo, stranger);
    }
    solo_follow(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    solo_deinit(&solo);
}

static void members_are_known_however_many_strangers_come(void **state)
{
    (void)state;
    struct solo solo;
    (void)lead(&solo);
    for (node_id stranger = 1000; stranger < 1300; stranger++) {
        hear_version(&solo, stranger);
    }
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    solo_deinit(&solo);
}

static void once_used_they_go_on_with_members_that_were_not_met(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry these[] = {USE(1, 5)};
    solo_begin(&solo);
    hear(&solo, 1, these, 1);
    solo_stop(&solo);
    solo_start(&solo);
    (void)solo_lead(&solo);
    assert_int_equal(propose(&solo, TOKEN(2), 6, 1), 0);
    commit(&solo);
    assert_told(&solo, 1, 0);
    solo_deinit(&solo);
}

static void what_an_old_leader_does_not_understand_is_not_sent_to_it(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 0); /* its version is not known yet */
    assert_int_equal(solo.proposals[1].count, 0);
    solo_meet(&solo, 2, NEW - 1);
    solo_wait(&solo, 60);
    assert_told(&solo, 1, QR_ERR_VERSION);
    assert_int_equal(solo_propose(&solo, 700), 0);
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_FORWARD), 1);
    solo_deinit(&solo);
}

static uint32_t identity_version(struct solo *solo)
{
    uint8_t bytes[4];
    size_t read_bytes = 0;
    const struct disk *disk = &solo->disk.disk;
    assert_int_equal(disk->read(disk->context, "identity", 8,
                                (struct disk_part){bytes, sizeof(bytes)}, &read_bytes),
                     0);
    assert_int_equal(read_bytes, sizeof(bytes));
    return load_u32(bytes);
}

/* Version 0.1.0 reads identities of version 1 alone, and says so. */
static void a_directory_says_that_it_holds_what_an_old_version_cannot_read(void **state)
{
    (void)state;
    struct solo solo;
    const struct solo_entry plain[] = {{.type = ENTRY_NORMAL, .id = {5, 5}, .payload = {5}}};
    const struct solo_entry guarded[] = {USE(1, 5)};
    solo_begin(&solo);
    hear(&solo, 1, plain, 1);
    assert_int_equal(identity_version(&solo), 1);
    hear(&solo, 2, guarded, 1);
    assert_int_equal(identity_version(&solo), 2);
    solo_crash(&solo);
    solo_start(&solo);
    assert_int_equal(identity_version(&solo), 2);
    solo_deinit(&solo);
    (void)lead(&solo);
    assert_int_equal(identity_version(&solo), 1);
    assert_int_equal(propose(&solo, TOKEN(1), 5, 1), 0);
    assert_int_equal(identity_version(&solo), 2);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_refuses_guarded_entries_until_every_member_is_new),
        cmocka_unit_test(a_newcomer_that_never_comes_is_not_waited_for),
        cmocka_unit_test(whom_a_node_met_before_it_was_taken_in_it_knows),
        cmocka_unit_test(members_are_known_however_many_strangers_come),
        cmocka_unit_test(once_used_they_go_on_with_members_that_were_not_met),
        cmocka_unit_test(what_an_old_leader_does_not_understand_is_not_sent_to_it),
        cmocka_unit_test(a_directory_says_that_it_holds_what_an_old_version_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
