/* test_sim_invitations.c: what the simulator holds an invitation's answer to, and runs with nodes
 * that wait.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "sim/check_invitations.h"
#include "sim/kv_subject.h"
#include "support/unit.h"
#include "wire/message.h"

#define INVITER 0
#define TARGET 1

/* What the inviter's node says of itself. */
struct build_node {
    struct build_status status;
    struct build_configuration configurations[2]; /* newest first */
};

static void status_of(const struct build_node *node, struct build_status *out)
{
    *out = node->status;
}

static bool configuration_at(const struct build_node *node, size_t back,
                             struct build_configuration *out)
{
    if (back >= 2) {
        return false;
    }
    *out = node->configurations[back];
    return true;
}

static int join(struct build_node *node, const char *join, bool is_learner, struct build_time time)
{
    (void)node, (void)join, (void)is_learner, (void)time;
    return 0;
}

static const struct build today = {
    .status = status_of, .configuration = configuration_at, .join = join};
static const struct build past = {.status = status_of, .configuration = configuration_at};

struct scene {
    struct sim *sim;
    struct build_node nodes[2];
};

static void set_name(struct build_node *node, size_t member, const char *name)
{
    struct build_configured *out = &node->configurations[0].members[member];
    struct text text = text_of(out->name, sizeof(out->name));
    text_string(&text, name);
}

/* n1 invites n2, which waits; n1's log ends in a configuration that names n2, not committed. */
static void scene_init(struct scene *scene)
{
    *scene = (struct scene){.sim = calloc(1, sizeof(*scene->sim))};
    assert_non_null(scene->sim);
    scene->sim->host_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        struct sim_host *host = &scene->sim->hosts[i];
        host->sim = scene->sim;
        host->number = i;
        host->life = 3;
        host->build = &today;
        host->node = &scene->nodes[i];
    }
    struct build_node *inviter = &scene->nodes[INVITER];
    inviter->status.commit_index = 7;
    inviter->configurations[0] = (struct build_configuration){.index = 8, .count = 2};
    set_name(inviter, 0, "n1");
    set_name(inviter, 1, "n2");
    inviter->configurations[1] = inviter->configurations[0];
    inviter->configurations[1].index = 2;
    inviter->configurations[1].count = 1;
    scene->sim->hosts[TARGET].is_waiting = true;
    scene->sim->hosts[INVITER].invitation =
        (struct sim_invitation){.token = 5, .target = TARGET, .target_life = 3};
}

/* What the answer is found to be: "" true, or the words of the violation. */
static void judge(struct scene *scene, int status, const char *words)
{
    sim_check_invitation_done(&scene->sim->hosts[INVITER], status);
    const struct sim_failure *failure = &scene->sim->failure;
    assert_int_equal(failure->is_set, words[0] != '\0');
    if (failure->is_set) {
        assert_string_equal(failure->checker, "invitation_answer");
        assert_non_null(strstr(failure->text, words));
    }
    assert_int_equal(scene->sim->hosts[INVITER].invitation.token, 0);
    free(scene->sim);
}

static void success_takes_a_committed_configuration(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene);
    judge(&scene, 0, "no configuration that is committed names it");
    scene_init(&scene);
    scene.nodes[INVITER].status.commit_index = 8;
    judge(&scene, 0, "");
    scene_init(&scene);
    scene.nodes[INVITER].status.commit_index = 1;
    judge(&scene, 0, "no configuration that is committed names it");
}

/* It lost its disk while it was invited, and came as another node. */
static void success_may_be_that_of_the_next_disk(void **state)
{
    struct scene scene;
    (void)state;
    for (uint32_t life = 0; life < 3; life++) {
        scene_init(&scene);
        scene.nodes[INVITER].status.commit_index = 8;
        set_name(&scene.nodes[INVITER], 1, "n2-2");
        scene.sim->hosts[TARGET].disk_life = life;
        scene.sim->hosts[INVITER].invitation.target_disk = life == 2 ? 2 : 0;
        judge(&scene, 0, life == 1 ? "" : "no configuration that is committed names it");
    }
}

static void a_refusal_has_its_reason(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene);
    judge(&scene, QR_ERR_ADDRESS, "");
    scene_init(&scene);
    sim_check_invitation_met(&scene.sim->hosts[INVITER], &scene.sim->hosts[TARGET]);
    judge(&scene, QR_ERR_ADDRESS, "somebody was met there");
    scene_init(&scene);
    judge(&scene, QR_ERR_FOREIGN, "it has waited all the time");
    scene_init(&scene);
    scene.sim->hosts[TARGET].life++;
    judge(&scene, QR_ERR_FOREIGN, "");
    scene_init(&scene);
    judge(&scene, QR_ERR_VERSION, "it knows invitations");
    scene_init(&scene);
    scene.sim->hosts[TARGET].build = &past;
    judge(&scene, QR_ERR_VERSION, "");
    scene_init(&scene);
    judge(&scene, QR_ERR_STOPPED, "who invites goes on");
    scene_init(&scene);
    scene.nodes[INVITER].status.is_stopped = true;
    judge(&scene, QR_ERR_STOPPED, "");
    scene_init(&scene);
    judge(&scene, QR_ERR_BUSY, "there is no such answer");
    scene_init(&scene);
    judge(&scene, QR_ERR_TIMEOUT, "");
}

/* The target comes into the cluster, behind this answer. */
static void enter(struct scene *scene, int status, bool is_violation)
{
    struct sim_host *target = &scene->sim->hosts[TARGET];
    if (status != QR_ERR_PENDING) {
        sim_check_invitation_done(&scene->sim->hosts[INVITER], status);
        assert_false(scene->sim->failure.is_set);
    }
    sim_check_entered(target);
    assert_int_equal(scene->sim->failure.is_set, is_violation);
    if (is_violation) {
        assert_string_equal(scene->sim->failure.checker, "refused_stays_out");
    }
    free(scene->sim);
}

static void who_was_refused_stays_out(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene);
    enter(&scene, QR_ERR_ADDRESS, true);
    scene_init(&scene);
    scene.sim->hosts[TARGET].is_waiting = false;
    enter(&scene, QR_ERR_ADDRESS, false);
    scene_init(&scene);
    enter(&scene, QR_ERR_TIMEOUT, false);
    scene_init(&scene);
    enter(&scene, QR_ERR_PENDING, false);
}

static void who_is_in_no_cluster_hears_invitations_alone(void **state)
{
    struct scene scene;
    uint8_t frame[16] = {[8] = WIRE_JOIN};
    (void)state;
    scene_init(&scene);
    struct sim_host *host = &scene.sim->hosts[INVITER];
    host->dial = 4;
    sim_check_invitation_met(host, &scene.sim->hosts[TARGET]);
    sim_check_invitation_said(host, frame);
    assert_false(scene.sim->failure.is_set);
    scene.nodes[TARGET].status.is_outside = true;
    sim_check_invitation_met(host, &scene.sim->hosts[TARGET]);
    frame[8] = WIRE_INVITE;
    sim_check_invitation_said(host, frame);
    assert_false(scene.sim->failure.is_set);
    frame[8] = WIRE_JOIN;
    host->dial = 5;
    sim_check_invitation_said(host, frame);
    assert_false(scene.sim->failure.is_set);
    host->dial = 4;
    sim_check_invitation_said(host, frame);
    assert_true(scene.sim->failure.is_set);
    assert_string_equal(scene.sim->failure.checker, "invitation_alone");
    free(scene.sim);
}

/* What a run's trace says of invitations. */
struct told {
    unsigned asked;
    unsigned members;
    unsigned joins;
};

static void take_line(void *argument, const char *line)
{
    struct told *told = argument;
    told->asked += strstr(line, " change invite ") != NULL;
    told->members += strstr(line, " changed ") != NULL && strstr(line, " is a member") != NULL;
    told->joins += strstr(line, " change join ") != NULL;
}

static void nodes_that_wait_are_let_in(void **state)
{
    struct told told = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct qr_sim_report reports[2];
        for (int i = 0; i < 2; i++) {
            struct kv_subject *subject = kv_subject_new();
            assert_non_null(subject);
            struct qr_sim_options options = {
                .size_bytes = sizeof(options),
                .seed = seed,
                .subject = kv_subject_of(subject),
                .plan = "waiting_percent=100 nodes=3 safety_ms=8000 commits=200 operations=300",
                .trace = i == 0 ? take_line : NULL,
                .trace_argument = &told,
            };
            assert_int_equal(qr_sim_run(&options, &reports[i]), 0);
            kv_subject_free(subject);
            if (!reports[i].has_passed) {
                fail_msg("seed %u: %s", (unsigned)seed, reports[i].failure);
            }
        }
        assert_int_equal(reports[0].trace_hash, reports[1].trace_hash);
    }
    assert_true(told.asked > told.members);
    assert_true(told.members > 0);
    assert_true(told.joins > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_takes_a_committed_configuration),
        cmocka_unit_test(success_may_be_that_of_the_next_disk),
        cmocka_unit_test(a_refusal_has_its_reason),
        cmocka_unit_test(who_was_refused_stays_out),
        cmocka_unit_test(who_is_in_no_cluster_hears_invitations_alone),
        cmocka_unit_test(nodes_that_wait_are_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
