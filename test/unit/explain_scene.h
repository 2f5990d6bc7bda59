/* explain_scene.h: a cluster as `quorate explain` finds it, for tests to make worse. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXPLAIN_SCENE_H
#define TEST_EXPLAIN_SCENE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/explain.h"
#include "support/unit.h"

struct scene {
    struct explain_facts facts;
    struct explain_report report;
};

static inline void word(char *out, const char *value)
{
    memcpy(out, value, strlen(value) + 1);
}

static inline void fill_member(struct node_status_member *member, size_t i)
{
    *member = (struct node_status_member){.priority = 1, .heard_ms = 20, .match_index = 100};
    snprintf(member->name, sizeof(member->name), "n%zu", i + 1);
    snprintf(member->id, sizeof(member->id), "%zu", i + 1);
    snprintf(member->http, sizeof(member->http), "h:%zu", i + 1);
    word(member->kind, "voter");
    word(member->health, "alive");
    word(member->progress, "replicate");
    member->vote_ms = NODE_NEVER;
    member->is_connected = true;
}

/* Three voters, of which n1 leads in term 7; all answer, and all is well. */
static inline struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->facts.node_count = 3;
    for (size_t i = 0; i < 3; i++) {
        struct explain_node *node = &scene->facts.nodes[i];
        struct node_status *status = &node->status;
        *status = (struct node_status){.term = 7,
                                       .first_index = 1,
                                       .last_index = 100,
                                       .commit_index = 100,
                                       .applied_index = 100,
                                       .max_log_entries = 10000,
                                       .election_timeout_max_ms = 300,
                                       .leader_heard_ms = 20,
                                       .quorum_lost_ms = NODE_NEVER,
                                       .proposals_max = 1000,
                                       .uncommitted_bytes_max = 1 << 20,
                                       .member_count = 3};
        word(status->cluster, "c1");
        word(status->leader, "n1");
        word(status->role, i == 0 ? "leader" : "follower");
        for (size_t k = 0; k < 3; k++) {
            fill_member(&status->members[k], k);
        }
        word(status->name, status->members[i].name);
        word(status->id, status->members[i].id);
        word(node->name, status->name);
        word(node->id, status->id);
        word(node->address, status->members[i].http);
        node->is_reached = true;
    }
    return scene;
}

static inline struct node_status *of(struct scene *scene, size_t i)
{
    return &scene->facts.nodes[i].status;
}

/* What every node tells of a member. */
static inline void tell(struct scene *scene, size_t member,
                        void (*change)(struct node_status_member *))
{
    for (size_t i = 0; i < scene->facts.node_count; i++) {
        change(&of(scene, i)->members[member]);
    }
}

static inline void make_learner(struct node_status_member *member)
{
    word(member->kind, "learner");
}

static inline void snapshot_under_way(struct scene *scene)
{
    struct node_status_member *member = &of(scene, 0)->members[2];
    word(member->progress, "snapshot");
    member->snapshot_sent_bytes = 1536 * 1024;
    member->snapshot_size_bytes = UINT64_C(64) << 20;
    of(scene, 2)->is_receiving = true;
    of(scene, 2)->received_bytes = 1000;
    of(scene, 2)->receive_bytes = UINT64_C(64) << 20;
}

#define SAYS_MAX 6

struct situation {
    const char *name;
    void (*make)(struct scene *scene);
    const char *says[SAYS_MAX];     /* whole sentences */
    const char *says_not[SAYS_MAX]; /* parts of none */
};

static inline bool says(const struct explain_report *report, const char *sentence)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->sentences[i].text, sentence) == 0) {
            return true;
        }
    }
    return false;
}

static inline bool says_part(const struct explain_report *report, const char *part)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strstr(report->sentences[i].text, part) != NULL) {
            return true;
        }
    }
    return false;
}

static inline void complain(const struct situation *situation, const struct explain_report *report,
                            const char *what)
{
    print_error("%s: %s\n", situation->name, what);
    for (size_t i = 0; i < report->count; i++) {
        print_error("    %s\n", report->sentences[i].text);
    }
}

/* Whether each says what it should, and nothing that it should not; what is wrong is printed. */
static inline void check_situations(const struct situation *situations, size_t count)
{
    bool is_right = true;

    for (size_t i = 0; i < count; i++) {
        const struct situation *situation = &situations[i];
        struct scene *scene = scene_new();
        situation->make(scene);
        explain(&scene->facts, &scene->report);
        for (size_t k = 0; k < SAYS_MAX && situation->says[k] != NULL; k++) {
            if (!says(&scene->report, situation->says[k])) {
                complain(situation, &scene->report, situation->says[k]);
                is_right = false;
            }
        }
        for (size_t k = 0; k < SAYS_MAX && situation->says_not[k] != NULL; k++) {
            const char *part = situation->says_not[k];
            if (part[0] != '\0' && says_part(&scene->report, part)) {
                complain(situation, &scene->report, part);
                is_right = false;
            }
        }
        free(scene);
    }
    assert_true(is_right);
}

#endif
