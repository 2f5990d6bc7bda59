/* test_node_removal.c: a leader removes whom gossip has held for dead for long, and no more. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "support/gossip_rig.h"
#include "support/unit.h"

#define AFTER_MS 10000
#define DEAD_MS_MAX 20000 /* until gossip holds a silent member for dead */
#define STEP_MS 10

/* As leader of voters 1, 2 and 3; the machine of 3 gossips, too. */
static void begin(struct gossip_rig *rig, time_ns after_ms)
{
    gossip_rig_init(rig);
    rig->solo.options.remove_dead_after_ns = after_ms * NS_PER_MS;
    gossip_rig_follow(rig);
    (void)solo_lead(&rig->solo);
}

/* Time passes, and these members, up to 0, say that they have all there is. */
static void pass(struct gossip_rig *rig, unsigned milliseconds, const node_id *heard)
{
    for (unsigned i = 0; i < milliseconds; i += STEP_MS) {
        gossip_rig_pass(rig, STEP_MS, 0, 0);
        for (const node_id *id = heard; *id != 0; id++) {
            solo_acknowledge(&rig->solo, *id, solo_status(&rig->solo).raft.last_index);
        }
        solo_work(&rig->solo);
    }
}

static bool is_member(const struct gossip_rig *rig, node_id id)
{
    return raft_configuration_find(node_configuration(rig->solo.node), id) >= 0;
}

static size_t voters(const struct gossip_rig *rig)
{
    const struct raft_configuration *configuration = node_configuration(rig->solo.node);
    size_t count = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        count += (configuration->members[i].roles & RAFT_VOTER) != 0 ? 1 : 0;
    }
    return count;
}

/* Voters 4 and 5, which gossip does not know; all five answer Raft. */
static void grow_to_five(struct gossip_rig *rig)
{
    static const char *const names[] = {"n4", "n5"};
    static const node_id all[] = {2, 3, 4, 5, 0};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct wire_message message = {.type = WIRE_JOIN};
        message.join.from = 4 + i;
        message.join.wants_vote = true;
        memcpy(message.join.name, names[i], 3);
        memcpy(message.join.address, i == 0 ? "a4" : "a5", 3);
        solo_receive(&rig->solo, 4 + i, &message);
        pass(rig, 1000, all);
    }
    assert_int_equal(voters(rig), 5);
}

static void wait_for_death(struct gossip_rig *rig, node_id id, const node_id *heard)
{
    struct swim_member_status member = {.state = SWIM_ALIVE};
    for (unsigned i = 0; i < DEAD_MS_MAX && member.state != SWIM_DEAD; i += STEP_MS) {
        pass(rig, STEP_MS, heard);
        assert_true(swim_member(node_swim(rig->solo.node), id, &member));
    }
    assert_int_equal(member.state, SWIM_DEAD);
}

static void one_of_five_is_removed_when_its_time_is_over(void **state)
{
    (void)state;
    static const node_id heard[] = {2, 4, 5, 0};
    static struct gossip_rig rig;
    begin(&rig, AFTER_MS);
    grow_to_five(&rig);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    wait_for_death(&rig, 3, heard);
    pass(&rig, AFTER_MS - 100, heard);
    assert_true(is_member(&rig, 3));
    pass(&rig, 300, heard);
    assert_false(is_member(&rig, 3));
    assert_int_equal(voters(&rig), 4);
    assert_true(gossip_rig_has_logged(&rig, "dead_member_removed name=n3"));
    gossip_rig_deinit(&rig);
}

static void of_three_voters_none_is_removed(void **state)
{
    (void)state;
    static const node_id heard[] = {2, 0};
    static struct gossip_rig rig;
    begin(&rig, AFTER_MS);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    wait_for_death(&rig, 3, heard);
    pass(&rig, 3 * AFTER_MS, heard);
    assert_int_equal(voters(&rig), 3);
    assert_true(gossip_rig_has_logged(&rig, "dead_member_kept name=n3"));
    gossip_rig_deinit(&rig);
}

/* Two of five are away, and gossip calls one of them dead: four are left, and all must live. */
static void whom_gossip_does_not_call_dead_stays_however_silent(void **state)
{
    (void)state;
    static const node_id three[] = {2, 4, 0}; /* and the leader */
    static struct gossip_rig rig;
    begin(&rig, AFTER_MS);
    grow_to_five(&rig);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    wait_for_death(&rig, 3, three);
    pass(&rig, AFTER_MS + 200, three);
    assert_int_equal(voters(&rig), 4);
    assert_true(is_member(&rig, 5));
    gossip_rig_deinit(&rig);
}

static void whom_raft_hears_is_not_removed_whatever_gossip_says(void **state)
{
    (void)state;
    static const node_id all[] = {2, 3, 4, 5, 0};
    static struct gossip_rig rig;
    begin(&rig, AFTER_MS);
    grow_to_five(&rig);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    wait_for_death(&rig, 3, all);
    pass(&rig, 3 * AFTER_MS, all);
    assert_true(is_member(&rig, 3));
    /* A gap in its answers does not make up for the time that gossip alone counted. */
    static const node_id others[] = {2, 4, 5, 0};
    pass(&rig, AFTER_MS / 2, others);
    pass(&rig, STEP_MS, all);
    pass(&rig, AFTER_MS / 2 + 100, others);
    assert_true(is_member(&rig, 3));
    pass(&rig, AFTER_MS, others);
    assert_false(is_member(&rig, 3));
    gossip_rig_deinit(&rig);
}

static void nobody_is_removed_unless_it_is_wanted(void **state)
{
    (void)state;
    static const node_id heard[] = {2, 4, 5, 0};
    static struct gossip_rig rig;
    begin(&rig, 0);
    grow_to_five(&rig);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    wait_for_death(&rig, 3, heard);
    pass(&rig, 3 * AFTER_MS, heard);
    assert_true(is_member(&rig, 3));
    gossip_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_five_is_removed_when_its_time_is_over),
        cmocka_unit_test(of_three_voters_none_is_removed),
        cmocka_unit_test(whom_gossip_does_not_call_dead_stays_however_silent),
        cmocka_unit_test(whom_raft_hears_is_not_removed_whatever_gossip_says),
        cmocka_unit_test(nobody_is_removed_unless_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
