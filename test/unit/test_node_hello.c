/* test_node_hello.c: who is talked to: a table of hellos, and one of answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define NEWER (WIRE_VERSION_MAX + 1)
#define OTHERS ((struct cluster_id){8, 8})
#define HALF ((struct cluster_id){7, 8})
#define NONE ((struct cluster_id){0, 0})

/* From a node that means us, or nobody in particular, or another one. */
#define HELLO(least, most, id, node)                                                               \
    {                                                                                              \
        .version_min = (least), .version_max = (most), .cluster = id, .from = (node),              \
    }
#define HELLO_TO(id, node, whom)                                                                   \
    {                                                                                              \
        .version_min = 1, .version_max = 2, .cluster = id, .from = (node), .has_expected = true,   \
        .expected = (whom),                                                                        \
    }

static void begin_member(struct solo *solo)
{
    solo_init(solo);
    solo->options.is_bootstrap = true;
    solo_start(solo);
    solo_run(solo, 700);
}

static void begin_joiner(struct solo *solo)
{
    solo_init(solo);
    solo->options.join = "a2";
    solo_start(solo);
    solo_work(solo);
}

struct hello_case {
    const char *name;
    struct wire_hello hello;
    int status;
    const char *words; /* of the reason */
};

static void judge(const struct solo *solo, const struct hello_case *row)
{
    struct wire_hello_response response;
    int status = node_hello_check(solo->node, &row->hello, &response);
    if (status != row->status || response.status != row->status ||
        strstr(response.reason, row->words) == NULL) {
        fail_msg("%s: %s \"%s\"", row->name, qr_error_name(status), response.reason);
    }
    assert_int_equal(response.from, SOLO_SELF);
}

static void a_member_talks_to_its_cluster_and_to_nobodys_nodes(void **state)
{
    (void)state;
    /* clang-format off */
    const struct hello_case rows[] = {
        {"a member", HELLO_TO(SOLO_CLUSTER, 2, SOLO_SELF), 0, ""},
        {"one that expects nobody", HELLO(1, 1, SOLO_CLUSTER, 2), 0, ""},
        {"a joiner", HELLO(1, 1, NONE, 2), 0, ""},
        {"one that speaks newer versions too", HELLO(1, 9, SOLO_CLUSTER, 2), 0, ""},
        {"one that speaks older versions too", HELLO(0, 1, SOLO_CLUSTER, 2), 0, ""},
        {"only newer", HELLO(NEWER, 9, SOLO_CLUSTER, 2), QR_ERR_VERSION, "version"},
        {"only older", HELLO(0, 0, SOLO_CLUSTER, 2), QR_ERR_VERSION, "version"},
        {"another cluster", HELLO(1, 1, OTHERS, 2), QR_ERR_FOREIGN, "another cluster"},
        {"another cluster, half the id", HELLO(1, 1, HALF, 2), QR_ERR_FOREIGN, "another cluster"},
        {"our own id", HELLO(1, 1, SOLO_CLUSTER, SOLO_SELF), QR_ERR_FOREIGN, "my node id"},
        {"who means another", HELLO_TO(SOLO_CLUSTER, 2, 9),
         QR_ERR_FOREIGN, "not the node you mean"},
        {"who means node 0", HELLO_TO(SOLO_CLUSTER, 2, 0),
         QR_ERR_FOREIGN, "not the node you mean"},
        {"node 0", HELLO(1, 1, SOLO_CLUSTER, 0), 0, ""},
    };
    /* clang-format on */
    struct solo solo;
    begin_member(&solo);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        judge(&solo, &rows[i]);
    }
    solo_deinit(&solo);
}

static void a_node_without_a_cluster_takes_nobody_in(void **state)
{
    (void)state;
    const struct hello_case rows[] = {
        {"a member of some cluster", HELLO(1, 1, SOLO_CLUSTER, 2), QR_ERR_PENDING,
         "no cluster yet"},
        {"a joiner", HELLO(1, 1, NONE, 2), QR_ERR_PENDING, "no cluster yet"},
        {"a joiner that knows invitations", HELLO(1, 2, NONE, 2), QR_ERR_PENDING, "no cluster yet"},
        {"a member that means us", HELLO_TO(SOLO_CLUSTER, 2, SOLO_SELF), QR_ERR_PENDING,
         "no cluster yet"},
        {"one that may invite", HELLO(1, 2, SOLO_CLUSTER, 2), 0, ""},
        {"one with our own id", HELLO(1, 2, SOLO_CLUSTER, SOLO_SELF), QR_ERR_FOREIGN, "my node id"},
        {"only newer", HELLO(NEWER, 9, NONE, 2), QR_ERR_VERSION, "version"},
    };
    struct solo solo;
    begin_joiner(&solo);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        judge(&solo, &rows[i]);
    }
    solo_deinit(&solo);
}

/* Its record is not durable yet: who were let in now could hear of it and see it gone. */
static void a_node_that_is_being_bootstrapped_takes_nobody_in(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo_start(&solo);
    solo_turn(&solo);
    judge(&solo,
          &(struct hello_case){"a joiner", HELLO(1, 1, NONE, 2), QR_ERR_PENDING, "no cluster"});
    solo_deinit(&solo);
}

static void a_stopped_node_says_so(void **state)
{
    (void)state;
    struct solo solo;
    begin_member(&solo);
    node_stop(solo.node);
    judge(&solo, &(struct hello_case){"a member", HELLO(1, 1, SOLO_CLUSTER, 2), QR_ERR_STOPPED,
                                      "stopped"});
    solo_deinit(&solo);
}

static void what_it_says_first_is_who_it_is(void **state)
{
    (void)state;
    struct solo solo;
    struct wire_hello hello;
    begin_member(&solo);
    node_hello(solo.node, true, 2, &hello);
    assert_int_equal(hello.from, SOLO_SELF);
    assert_true(cluster_id_equal(hello.cluster, SOLO_CLUSTER));
    assert_true(hello.has_expected && hello.expected == 2);
    assert_int_equal(hello.version_min, WIRE_VERSION_MIN);
    assert_int_equal(hello.version_max, WIRE_VERSION_MAX);
    assert_string_equal(hello.name, "n1");
    assert_string_equal(hello.address, "a1");
    solo_deinit(&solo);
}

static void a_joiner_names_no_cluster(void **state)
{
    (void)state;
    struct solo solo;
    struct wire_hello hello;
    begin_joiner(&solo);
    node_hello(solo.node, false, 0, &hello);
    assert_true(cluster_id_is_none(hello.cluster));
    assert_false(hello.has_expected);
    solo_deinit(&solo);
}

struct answer_case {
    const char *name;
    struct wire_hello_response response;
    bool has_expected;
    int status;
};

static void judge_answers(const struct solo *solo, const struct answer_case *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *reason = NULL;
        int status = node_hello_response_check(solo->node, &rows[i].response, rows[i].has_expected,
                                               2, &reason);
        if (status != rows[i].status || reason == NULL || (status != 0) != (reason[0] != '\0')) {
            fail_msg("%s: %s \"%s\"", rows[i].name, qr_error_name(status), reason);
        }
    }
}

static void a_member_believes_only_the_node_it_meant(void **state)
{
    (void)state;
    /* clang-format off */
    const struct answer_case rows[] = {
        {"the one", {0, 1, SOLO_CLUSTER, 2, ""}, true, 0},
        {"anybody of the cluster", {0, 1, SOLO_CLUSTER, 5, ""}, false, 0},
        {"a refusal", {QR_ERR_FOREIGN, 1, SOLO_CLUSTER, 2, "because"}, true, QR_ERR_FOREIGN},
        {"what is no error", {42, 1, SOLO_CLUSTER, 2, "because"}, true, QR_ERR_FOREIGN},
        {"a version not offered", {0, NEWER, SOLO_CLUSTER, 2, ""}, true, QR_ERR_VERSION},
        {"no version", {0, 0, SOLO_CLUSTER, 2, ""}, true, QR_ERR_VERSION},
        {"a replaced node", {0, 1, SOLO_CLUSTER, 5, ""}, true, QR_ERR_FOREIGN},
        {"another cluster", {0, 1, OTHERS, 2, ""}, true, QR_ERR_FOREIGN},
        {"no cluster", {0, 2, NONE, 2, ""}, true, QR_ERR_FOREIGN},
        {"no cluster, and nobody is invited", {0, 2, NONE, 2, ""}, false, QR_ERR_FOREIGN},
        {"no cluster, and it is of an earlier release", {0, 1, NONE, 2, ""}, false, QR_ERR_FOREIGN},
    };
    /* clang-format on */
    struct solo solo;
    begin_member(&solo);
    judge_answers(&solo, rows, COUNT_OF(rows));
    solo_deinit(&solo);
}

static void who_invites_believes_only_who_knows_invitations(void **state)
{
    (void)state;
    const struct answer_case rows[] = {
        {"one of an earlier release", {0, 1, SOLO_CLUSTER, 5, ""}, false, QR_ERR_VERSION},
        {"a member of one", {0, 1, SOLO_CLUSTER, 2, ""}, true, 0},
        {"one that waits", {0, 2, NONE, 5, ""}, false, 0},
        {"one of this cluster", {0, 2, SOLO_CLUSTER, 5, ""}, false, 0},
        {"one of another", {0, 2, OTHERS, 5, ""}, false, QR_ERR_FOREIGN},
        {"one that waits, of an earlier release",
         {QR_ERR_PENDING, 1, NONE, 5, "in no cluster"},
         false,
         QR_ERR_PENDING},
    };
    struct solo solo;
    begin_member(&solo);
    assert_int_equal(node_invite(solo.node, "a5", false, 1, solo.time), 0);
    judge_answers(&solo, rows, COUNT_OF(rows));
    solo_deinit(&solo);
}

static void a_joiner_believes_whoever_it_was_told_of(void **state)
{
    (void)state;
    const struct answer_case rows[] = {
        {"a member of any cluster", {0, 1, OTHERS, 9, ""}, false, 0},
        {"a refusal", {QR_ERR_PENDING, 1, NONE, 9, "no cluster yet"}, false, QR_ERR_PENDING},
    };
    struct solo solo;
    begin_joiner(&solo);
    judge_answers(&solo, rows, COUNT_OF(rows));
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_talks_to_its_cluster_and_to_nobodys_nodes),
        cmocka_unit_test(a_node_without_a_cluster_takes_nobody_in),
        cmocka_unit_test(a_node_that_is_being_bootstrapped_takes_nobody_in),
        cmocka_unit_test(a_stopped_node_says_so),
        cmocka_unit_test(what_it_says_first_is_who_it_is),
        cmocka_unit_test(a_joiner_names_no_cluster),
        cmocka_unit_test(a_member_believes_only_the_node_it_meant),
        cmocka_unit_test(who_invites_believes_only_who_knows_invitations),
        cmocka_unit_test(a_joiner_believes_whoever_it_was_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
