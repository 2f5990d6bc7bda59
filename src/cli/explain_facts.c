/* explain_facts.c: what is asked of the facts again and again, and how it is worded. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/explain.h"

void explain_say(const struct explain_view *view, enum explain_topic topic, const char *format, ...)
{
    struct explain_report *report = view->report;
    va_list arguments;
    size_t said = ++report->said[topic];
    if (said > EXPLAIN_TOPIC_SENTENCES_MAX) {
        struct explain_sentence *last = &report->sentences[report->count - 1];
        ASSERT(last->topic == topic);
        snprintf(last->text, sizeof(last->text), "And %zu more.",
                 said - EXPLAIN_TOPIC_SENTENCES_MAX + 1);
        return;
    }
    ASSERT(report->count < EXPLAIN_SENTENCES_MAX);
    struct explain_sentence *sentence = &report->sentences[report->count++];
    sentence->topic = topic;
    va_start(arguments, format);
    (void)vsnprintf(sentence->text, sizeof(sentence->text), format, arguments);
    va_end(arguments);
}

struct explain_text explain_duration(uint64_t ms)
{
    struct explain_text text;
    if (ms < 1000) {
        snprintf(text.data, sizeof(text.data), "%llu ms", (unsigned long long)ms);
    } else if (ms < 120 * 1000) {
        snprintf(text.data, sizeof(text.data), "%llu.%llu s", (unsigned long long)(ms / 1000),
                 (unsigned long long)(ms % 1000 / 100));
    } else {
        snprintf(text.data, sizeof(text.data), "%llu min", (unsigned long long)(ms / 60000));
    }
    return text;
}

struct explain_text explain_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    struct explain_text text;
    uint64_t tenths = bytes;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(text.data, sizeof(text.data), "%llu bytes", (unsigned long long)bytes);
        return text;
    }
    tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
    while (tenths >= 10 * 1024 && unit + 1 < COUNT_OF(units)) {
        tenths /= 1024;
        unit++;
    }
    snprintf(text.data, sizeof(text.data), "%llu.%llu %s", (unsigned long long)(tenths / 10),
             (unsigned long long)(tenths % 10), units[unit]);
    return text;
}

bool explain_is_of_cluster(const struct explain_view *view, const struct explain_node *node)
{
    return node->is_reached && !node->status.is_joining &&
           strcmp(node->status.cluster, view->best->status.cluster) == 0;
}

const struct explain_node *explain_reached(const struct explain_view *view,
                                           const struct node_status_member *member)
{
    for (size_t i = 0; i < view->facts->node_count; i++) {
        const struct explain_node *node = &view->facts->nodes[i];
        if (explain_is_of_cluster(view, node) && strcmp(node->status.id, member->id) == 0) {
            return node;
        }
    }
    return NULL;
}

bool explain_is_voter(const struct node_status_member *member)
{
    return strcmp(member->kind, "voter") == 0;
}

bool explain_is_heard(const struct explain_view *view, const struct node_status_member *member)
{
    const struct node_status *leader = &view->leader->status;
    uint64_t limit_ms = 2 * leader->election_timeout_max_ms;
    return strcmp(member->id, leader->id) == 0 ||
           (member->heard_ms != NODE_NEVER && member->heard_ms <= limit_ms);
}

bool explain_can_acknowledge(const struct explain_view *view,
                             const struct node_status_member *member)
{
    const struct explain_node *node = explain_reached(view, member);
    bool stands = node != NULL && (node->status.is_disk_full || node->status.is_stalled);
    return explain_is_heard(view, member) && strcmp(member->progress, "snapshot") != 0 && !stands;
}

bool explain_leader_takes_writes(const struct explain_view *view)
{
    return !view->leader->status.is_disk_full && !view->leader->status.is_stalled;
}

size_t explain_count(const struct explain_view *view, explain_test *test)
{
    const struct node_status *status = &view->best->status;
    size_t count = 0;
    for (size_t i = 0; i < status->member_count; i++) {
        count += test(view, &status->members[i]) ? 1 : 0;
    }
    return count;
}

struct explain_text explain_names(const struct explain_view *view, explain_test *test)
{
    const struct node_status *status = &view->best->status;
    size_t count = explain_count(view, test);
    struct explain_text out = {""};
    struct text text = text_of(out.data, sizeof(out.data));
    size_t said = 0;
    for (size_t i = 0; i < status->member_count; i++) {
        if (test(view, &status->members[i])) {
            text_string(&text, said == 0 ? "" : said + 1 == count ? " and " : ", ");
            text_string(&text, status->members[i].name);
            said++;
        }
    }
    return out;
}

static int spare_of(const struct explain_view *view, explain_test *test, bool is_old)
{
    const struct node_status *status = &view->best->status;
    int voters = 0;
    int count = 0;
    for (size_t i = 0; i < status->member_count; i++) {
        const struct node_status_member *member = &status->members[i];
        if (is_old ? member->is_outgoing : explain_is_voter(member)) {
            voters++;
            count += test(view, member) ? 1 : 0;
        }
    }
    int spare = count - (voters / 2 + 1);
    return spare < -1 ? -1 : spare;
}

int explain_spare(const struct explain_view *view, explain_test *test)
{
    int spare = spare_of(view, test, false);
    int old = view->best->status.is_joint ? spare_of(view, test, true) : spare;
    return old < spare ? old : spare;
}

size_t explain_majority(const struct explain_view *view)
{
    return node_status_count(&view->best->status, "voter") / 2 + 1;
}

/* Who knows best: the leader of the latest term; else who committed, then logged, most. */
static bool is_better(const struct explain_node *node, const struct explain_node *than)
{
    const struct node_status *a = &node->status;
    const struct node_status *b = &than->status;
    bool a_leads = strcmp(a->role, "leader") == 0;
    bool b_leads = strcmp(b->role, "leader") == 0;
    if (a->is_joining != b->is_joining) {
        return b->is_joining;
    }
    if (a_leads != b_leads) {
        return a_leads;
    }
    if (a_leads) {
        return a->term > b->term;
    }
    return a->commit_index != b->commit_index ? a->commit_index > b->commit_index
                                              : a->last_index > b->last_index;
}

void explain(const struct explain_facts *facts, struct explain_report *out)
{
    struct explain_view view = {.facts = facts, .report = out};
    out->count = 0;
    memset(out->said, 0, sizeof(out->said));
    for (size_t i = 0; i < facts->node_count; i++) {
        const struct explain_node *node = &facts->nodes[i];
        if (node->is_reached && (view.best == NULL || is_better(node, view.best))) {
            view.best = node;
        }
    }
    ASSERT(view.best != NULL);
    view.leader = strcmp(view.best->status.role, "leader") == 0 ? view.best : NULL;
    explain_leader(&view);
    explain_writes(&view);
    explain_members(&view);
    explain_changes(&view);
    explain_failures(&view);
}
