/* test_raft_status.c: a change of role reads the same wherever it is told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "raft/raft.h"
#include "support/unit.h"

static const struct {
    const char *what;
    struct raft_status status;
    const char *text;
    const char *json;
} cases[] = {
    {"a leader",
     {.role = RAFT_LEADER,
      .term = 7,
      .has_leader = true,
      .leader = 258,
      .last_index = 120,
      .durable_index = 119,
      .commit_index = 118,
      .applied_index = 117},
     "leader term=7 last_index=120 durable_index=119 commit_index=118 applied_index=117 leader=258",
     "{\"role\":\"leader\",\"term\":7,\"last_index\":120,\"durable_index\":119,\"commit_index\":"
     "118,"
     "\"applied_index\":117,\"leader\":\"0000000000000102\"}"},
    {"a pre-candidate without a leader",
     {.role = RAFT_PRE_CANDIDATE, .term = 3, .leader = 9},
     "pre_candidate term=3 last_index=0 durable_index=0 commit_index=0 applied_index=0 leader=none",
     "{\"role\":\"pre_candidate\",\"term\":3,\"last_index\":0,\"durable_index\":0,\"commit_index\":"
     "0,"
     "\"applied_index\":0,\"leader\":null}"},
};

static void a_role_change_has_one_text_and_one_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char buffer[512];
        struct text text = text_of(buffer, sizeof(buffer));
        raft_status_text(&cases[i].status, &text);
        assert_string_equal(buffer, cases[i].text);
        text = text_of(buffer, sizeof(buffer));
        raft_status_json(&cases[i].status, &text);
        assert_string_equal(buffer, cases[i].json);
    }
}

static void every_role_and_reason_has_its_own_words(void **state)
{
    (void)state;
    for (int i = RAFT_LEARNER; i <= RAFT_LEADER; i++) {
        for (int j = RAFT_LEARNER; j < i; j++) {
            assert_string_not_equal(raft_role_name((enum raft_role)i),
                                    raft_role_name((enum raft_role)j));
        }
    }
    for (int i = RAFT_VOTE_GRANTED; i <= RAFT_VOTE_IS_LEADER; i++) {
        assert_string_not_equal(raft_vote_reason_text((enum raft_vote_reason)i), "?");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_change_has_one_text_and_one_json),
        cmocka_unit_test(every_role_and_reason_has_its_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
