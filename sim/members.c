/* members.c: the configurations that nodes act by, and that they may yet act by.
 *
 * Owns     of each host what its log holds, as of its last call; of the run the latest
 *          configuration that anybody knew to be committed, and all behind it that were in
 *          any log, whether they still are or not.
 * Does not know which of them will be committed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "sim/check_invitations.h"
#include "sim/internal.h"
#include "sim/observe.h"

static bool is_newer(const struct sim *sim, const struct build_configuration *configuration)
{
    return configuration->index > sim->committed.index;
}

static void drop_old(struct sim *sim)
{
    size_t left = 0;
    for (size_t i = 0; i < sim->open_count; i++) {
        if (is_newer(sim, &sim->open[i])) {
            sim->open[left++] = sim->open[i];
        }
    }
    sim->open_count = left;
}

static void note_open(struct sim *sim, const struct build_configuration *configuration)
{
    for (size_t i = 0; i < sim->open_count; i++) {
        if (sim->open[i].index == configuration->index &&
            sim->open[i].term == configuration->term) {
            return;
        }
    }
    if (is_newer(sim, configuration) && sim->open_count < SIM_OPEN_MAX) {
        sim->open[sim->open_count++] = *configuration;
    }
}

void sim_members_text(const struct sim *sim, const struct build_configuration *configuration,
                      struct text *text)
{
    text_u64(text, configuration->term);
    text_char(text, '/');
    text_u64(text, configuration->index);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct build_configured *member = &configuration->members[i];
        text_char(text, ' ');
        text_string(text, member->name);
        if (!member->is_voter) {
            text_string(text, member->is_promotable ? " (newcomer" : " (learner");
            text_string(text, member->is_outgoing ? ", outgoing)" : ")");
        } else if (configuration->is_joint && !member->is_outgoing) {
            text_string(text, " (incoming)");
        }
        if (member->priority != 1) {
            text_char(text, ':');
            text_u64(text, member->priority);
        }
        text_string(text, sim_atlas_is_lost(sim, member->id) ? "!" : "");
    }
}

void sim_members_describe(const struct sim *sim, struct text *text)
{
    text_string(text, "; committed ");
    sim_members_text(sim, &sim->committed, text);
    for (size_t i = 0; i < sim->open_count; i++) {
        text_string(text, "; open ");
        sim_members_text(sim, &sim->open[i], text);
    }
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        text_string(text, "; ");
        text_string(text, host->name);
        text_string(text, host->is_disk_marred ? " (marred) " : " ");
        if (host->held_count > 0) {
            text_string(text, "acts by ");
            text_u64(text, host->held[0].term);
            text_char(text, '/');
            text_u64(text, host->held[0].index);
        }
    }
}

/* What the log holds now; the checkers want to know what it held before. */
static void look(struct sim_host *host, const struct build_status *now)
{
    struct sim *sim = host->sim;
    host->held_count = 0;
    while (
        host->held_count < SIM_HELD_MAX &&
        host->build->configuration(host->node, host->held_count, &host->held[host->held_count])) {
        host->held_count++;
    }
    ASSERT(host->held_count > 0 && host->held[0].index == now->configuration_index);
    host->held_log_count = now->configuration_count;
    for (size_t i = 0; i < host->held_count; i++) {
        note_open(sim, &host->held[i]);
    }
}

static void note_committed(struct sim *sim, const struct sim_host *host, uint64_t commit_index)
{
    for (size_t i = 0; i < host->held_count; i++) {
        const struct build_configuration *held = &host->held[i];
        if (held->index <= commit_index) {
            if (is_newer(sim, held)) {
                sim->committed = *held;
                drop_old(sim);
            }
            return;
        }
    }
}

static void note_acted(struct sim_host *host)
{
    host->acted[host->acted_count++ % SIM_ACTED_MAX] = (struct sim_acted){
        .from_ns = sim_now(host->sim), .id = host->id, .configuration = host->held[0]};
}

static void trace(struct sim_host *host)
{
    const struct build_configuration *held = &host->held[0];
    char words[SIM_MEMBERS_TEXT_BYTES] = "";
    if (sim_trace_is_wanted(&host->sim->trace)) {
        struct text text = text_of(words, sizeof(words));
        sim_members_text(host->sim, held, &text);
    }
    sim_observe(host->sim, SIM_TRACE_MEMBERS, host->number, held->index, held->term, words);
}

void sim_members_note(struct sim_host *host, const struct build_status *now)
{
    if (now->is_running && !host->has_entered) {
        sim_check_entered(host);
        host->has_entered = true;
    }
    if (!now->is_running || now->configuration_count == 0) {
        return;
    }
    const struct build_configuration *held = &host->held[0];
    const struct build_status *before = &host->progress.seen;
    bool has_led = host->progress.has_seen && before->role == BUILD_LEADER &&
                   now->role == BUILD_LEADER && before->term == now->term;
    bool is_appended = has_led && host->held_count > 0 && held->index < now->configuration_index;
    bool is_same = host->held_count > 0 && held->index == now->configuration_index &&
                   held->term == now->configuration_term;
    if (!is_same) {
        host->sim->members_ns = sim_now(host->sim);
    }
    if (!is_same || host->held_log_count != now->configuration_count) {
        look(host, now);
    }
    if (!is_same) {
        note_acted(host);
        trace(host);
    }
    if (is_appended) {
        sim_check_appended(host, now);
        sim_check_asked_for(host, now);
    }
    sim_check_kept(host, now);
    note_committed(host->sim, host, now->commit_index);
}

const struct build_configuration *sim_members_in_force(const struct sim_host *host)
{
    return host->held_count == 0 ? NULL : &host->held[0];
}

/* What it came to in the call that is under way is not noted yet. */
static bool is_so_now(const struct sim_host *host, sim_members_judge *is_so, const void *argument)
{
    struct build_configuration now;
    return host->node != NULL && host->build->configuration != NULL &&
           host->build->configuration(host->node, 0, &now) &&
           is_so(host->sim, host->id, &now, argument);
}

bool sim_members_any_since(const struct sim_host *host, time_ns since_ns, sim_members_judge *is_so,
                           const void *argument)
{
    if (is_so_now(host, is_so, argument)) {
        return true;
    }
    for (uint64_t back = 1; back <= host->acted_count; back++) {
        const struct sim_acted *acted = &host->acted[(host->acted_count - back) % SIM_ACTED_MAX];
        if (back > SIM_ACTED_MAX || is_so(host->sim, acted->id, &acted->configuration, argument)) {
            return true;
        }
        if (acted->from_ns < since_ns) {
            break; /* before it others, that it had left by then */
        }
    }
    return false;
}

const struct build_configured *sim_members_find(const struct build_configuration *configuration,
                                                uint64_t id)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].id == id) {
            return &configuration->members[i];
        }
    }
    return NULL;
}

size_t sim_members_voters(const struct build_configuration *configuration, bool is_outgoing,
                          uint64_t *ids)
{
    size_t count = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct build_configured *member = &configuration->members[i];
        if (is_outgoing ? member->is_outgoing : member->is_voter) {
            ids[count++] = member->id;
        }
    }
    return count;
}

bool sim_members_every(const struct sim *sim, sim_members_rule *holds, const void *argument)
{
    if (sim->committed.index > 0 && !holds(sim, &sim->committed, argument)) {
        return false;
    }
    for (size_t i = 0; i < sim->open_count; i++) {
        if (!holds(sim, &sim->open[i], argument)) {
            return false;
        }
    }
    return true;
}

static bool is_without(const struct sim *sim, const struct build_configuration *configuration,
                       const void *argument)
{
    const struct sim_host *host = argument;
    (void)sim;
    return sim_members_find(configuration, host->id) == NULL;
}

bool sim_members_is_removed(const struct sim_host *host)
{
    struct build_status now = {0};
    if (host->node == NULL || host->sim->committed.index == 0) {
        return false;
    }
    host->build->status(host->node, &now);
    return now.is_running && sim_members_every(host->sim, is_without, host);
}
