/* test_sim_atlas.c: what may be broken, and asked for, without taking voters their quorum. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sim/atlas_rule.h"
#include "support/unit.h"

/* Members are called a to g; their ids are 1 to 7. Behind a name `?` says newcomer, `-` learner,
 * `+` incoming voter, `~` outgoing one, `0` may not lead.
 */
struct row {
    const char *sentence;
    const char *members;
    const char *lost;
    const char *away; /* asked for, as promoted and barred */
    const char *promoted;
    const char *barred;
    const char *nobody;
    bool is_safe;
};

static const char *read_member(const char *at, struct build_configured *out)
{
    *out = (struct build_configured){.id = (uint64_t)(*at - 'a') + 1, .priority = 1};
    out->name[0] = *at++;
    out->is_voter = true;
    out->is_outgoing = false;
    for (; *at != '\0' && strchr("?-+~0", *at) != NULL; at++) {
        out->is_promotable = out->is_promotable || *at == '?';
        out->is_voter = out->is_voter && strchr("?-~", *at) == NULL;
        out->is_outgoing = out->is_outgoing || *at == '~';
        out->priority = *at == '0' ? 0 : out->priority;
    }
    return at;
}

static struct build_configuration configuration_of(const char *text)
{
    struct build_configuration out = {.index = 1, .term = 1};
    const char *at = text;
    out.is_joint = strpbrk(text, "+~") != NULL;
    while (*at != '\0') {
        at = read_member(at, &out.members[out.count]);
        struct build_configured *member = &out.members[out.count++];
        bool is_new = at[-1] == '+';
        member->is_outgoing = member->is_outgoing || (out.is_joint && member->is_voter && !is_new);
    }
    return out;
}

static bool is_named(const char *names, uint64_t id)
{
    return names != NULL && strchr(names, (char)('a' + id - 1)) != NULL;
}

static bool is_whole(const void *context, uint64_t id)
{
    const struct row *row = context;
    return !is_named(row->lost, id);
}

static bool is_wished(const void *context, uint64_t id, enum sim_wish_kind kind)
{
    const struct row *row = context;
    const char *names[] = {
        [SIM_WISH_AWAY] = row->away,
        [SIM_WISH_PROMOTED] = row->promoted,
        [SIM_WISH_BARRED] = row->barred,
    };
    return is_named(names[kind], id);
}

static bool is_nobody(const void *context, uint64_t id)
{
    const struct row *row = context;
    return is_named(row->nobody, id);
}

static size_t no_strangers(const void *context, const struct build_configuration *configuration)
{
    (void)context;
    (void)configuration;
    return 0;
}

static size_t a_stranger(const void *context, const struct build_configuration *configuration)
{
    (void)context;
    (void)configuration;
    return 1;
}

static bool is_safe(const struct row *row, bool has_stranger)
{
    struct build_configuration configuration = configuration_of(row->members);
    struct atlas_facts facts = {
        row, is_whole, is_wished, is_nobody, has_stranger ? a_stranger : no_strangers, false};
    return atlas_rule_holds(&configuration, &facts);
}

/* clang-format off */
static const struct row rows[] = {
    {"three whole ones are safe",             "abc",     NULL, NULL, NULL, NULL, NULL, true},
    {"two of three are enough",               "abc",     "a",  NULL, NULL, NULL, NULL, true},
    {"one is not",                            "abc",     "ab", NULL, NULL, NULL, NULL, false},
    {"half are not",                          "abcd",    "ab", NULL, NULL, NULL, NULL, false},
    {"one of two is not",                     "ab",      "a",  NULL, NULL, NULL, NULL, false},
    {"who is no member is not missed",        "ab",      "c",  NULL, NULL, NULL, NULL, true},
    {"no voters need nobody",                 "",        "a",  NULL, NULL, NULL, NULL, true},
    {"of a joint one the outgoing set counts", "a~b~cde+", "ab", NULL, NULL, NULL, NULL, false},
    {"and the incoming one",                  "abcd+e+f+", "def", NULL, NULL, NULL, NULL, false},
    {"a loss in each may be too much for neither", "abcd+e+", "ae", NULL, NULL, NULL, NULL, true},
    {"who may not lead is no help",           "abc0",    "a",  NULL, NULL, NULL, NULL, false},
    {"half that may not lead are too many",   "ab0",     NULL, NULL, NULL, NULL, NULL, false},
    {"a minority is not",                     "abc0",    NULL, NULL, NULL, NULL, NULL, true},
    {"who is to be removed is no help",       "abc",     "a",  "b",  NULL, NULL, NULL, false},
    {"but does no harm",                      "ab",      NULL, "b",  NULL, NULL, NULL, true},
    {"somebody stays",                        "ab",      NULL, "ab", NULL, NULL, NULL, false},
    {"the lost one may be removed",           "abc",     "b",  "b",  NULL, NULL, NULL, true},
    {"who shall not lead is no help",         "abc",     "a",  NULL, NULL, "b",  NULL, false},
    {"a newcomer that may not lead gets a vote", "ab?0", NULL, NULL, NULL, NULL, NULL, false},
    {"a learner does not",                    "ab-0",    NULL, NULL, NULL, NULL, NULL, true},
    {"unless it is asked for",                "ab-0",    NULL, NULL, "b",  NULL, NULL, false},
    {"nor may a newcomer that shall not lead", "ab?",    NULL, NULL, NULL, "b",  NULL, false},
    {"a newcomer that is lost may get a vote", "ab?",    "b",  NULL, NULL, NULL, NULL, false},
    {"not if it never knew",                  "ab?",     "b",  NULL, NULL, NULL, "b",  true},
    {"a lost learner does not",               "ab-",     "b",  NULL, NULL, NULL, NULL, true},
    {"unless it is to be promoted",           "ab-",     "b",  NULL, "b",  NULL, NULL, false},
    {"who leaves gets no vote in the set to come", "ab~c~", "b", NULL, NULL, NULL, NULL, true},
    {"nor anybody one in the set that is left", "ab+c?", "c", NULL, NULL, NULL, NULL, true},
    {"a newcomer that is whole is no voter yet", "abc?", "b",  NULL, NULL, NULL, NULL, false},
};
/* clang-format on */

static void a_majority_that_may_lead_stays_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (is_safe(&rows[i], false) != rows[i].is_safe) {
            fail_msg("%s: wrong", rows[i].sentence);
        }
    }
}

static void a_damaged_stranger_may_come_to_vote(void **state)
{
    (void)state;
    struct row one = {.members = "a"};
    struct row two = {.members = "ab"};
    struct row joint = {.members = "a~b"};
    struct row larger = {.members = "a~b+c+"};
    assert_true(is_safe(&one, false));
    assert_false(is_safe(&one, true));
    assert_true(is_safe(&two, true));
    assert_true(is_safe(&larger, true));
    assert_false(is_safe(&joint, true)); /* in the set to come there is one only */
}

/* Who lives may be taken for dead, as long as three voters are left. */
static void where_the_dead_are_removed_three_must_do(void **state)
{
    (void)state;
    static const struct row removed[] = {
        {"of three nobody goes", "abc", "a", NULL, NULL, NULL, NULL, true},
        {"of four one may", "abcd", "a", NULL, NULL, NULL, NULL, true},
        {"two that are lost may be two of three", "abcde", "ab", NULL, NULL, NULL, NULL, false},
        {"one that is lost is one of three", "abcdefg", "a", NULL, NULL, NULL, NULL, true},
        {"unless another is asked to go", "abcde", "a", "b", NULL, NULL, NULL, false},
        {"a lost newcomer makes room for a removal", "abcd?", "cd", NULL, NULL, NULL, NULL, false},
        {"a good newcomer makes room and a majority", "abcd?", "a", NULL, NULL, NULL, NULL, true},
        {"unless it is asked to go", "abcd?", "a", "d", NULL, NULL, NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(removed); i++) {
        struct build_configuration configuration = configuration_of(removed[i].members);
        struct atlas_facts facts = {&removed[i], is_whole,     is_wished,
                                    is_nobody,   no_strangers, true};
        if (atlas_rule_holds(&configuration, &facts) != removed[i].is_safe) {
            fail_msg("%s: wrong", removed[i].sentence);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_that_may_lead_stays_whole),
        cmocka_unit_test(a_damaged_stranger_may_come_to_vote),
        cmocka_unit_test(where_the_dead_are_removed_three_must_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
