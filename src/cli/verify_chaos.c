/* verify_chaos.c: kills, new starts and pauses of a cluster's processes.
 *
 * At most a minority is down or frozen at a time, but for the times when all are killed at
 * once: what was answered must be on their disks. Every pause of ours ends.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/verify.h"

#define STEP_MS 20
#define QUIET_MS_MAX 1500 /* between two blows */
#define BLOW_MS_MAX 2500  /* how long a node is down or frozen */
#define KILL_WAIT_MS 5000

enum condition {
    CONDITION_RUNS,
    CONDITION_DOWN,
    CONDITION_FROZEN,
};

struct chaos {
    struct verify *verify;
    struct cluster *cluster;
    struct prng prng;
    enum condition conditions[CLUSTER_NODES_MAX];
    time_ns heal_ns[CLUSTER_NODES_MAX];
    time_ns blow_ns; /* when the next comes */
};

static void draw_blow(struct chaos *chaos, time_ns now_ns)
{
    chaos->blow_ns = now_ns + prng_between(&chaos->prng, 1, QUIET_MS_MAX) * NS_PER_MS;
}

static void hurt(struct chaos *chaos, size_t i, enum condition condition, time_ns now_ns)
{
    ASSERT(chaos->conditions[i] == CONDITION_RUNS);
    if (condition == CONDITION_DOWN) {
        cluster_node_signal(chaos->cluster, i, SIGKILL);
        cluster_node_wait(chaos->cluster, i, KILL_WAIT_MS);
        chaos->verify->kill_count++;
    } else {
        cluster_node_signal(chaos->cluster, i, SIGSTOP);
        chaos->verify->pause_count++;
    }
    chaos->conditions[i] = condition;
    chaos->heal_ns[i] = now_ns + prng_between(&chaos->prng, 50, BLOW_MS_MAX) * NS_PER_MS;
}

static int heal(struct chaos *chaos, size_t i)
{
    if (chaos->conditions[i] == CONDITION_FROZEN) {
        cluster_node_signal(chaos->cluster, i, SIGCONT);
    } else if (chaos->conditions[i] == CONDITION_DOWN &&
               cluster_node_start(chaos->cluster, i) != 0) {
        return cli_complain(CLI_FAILED, "%s cannot be started again: %s",
                            chaos->cluster->nodes[i].name, strerror(errno));
    }
    chaos->conditions[i] = CONDITION_RUNS;
    return CLI_DONE;
}

static size_t hurt_count(const struct chaos *chaos)
{
    size_t count = 0;
    for (size_t i = 0; i < chaos->cluster->count; i++) {
        count += chaos->conditions[i] != CONDITION_RUNS;
    }
    return count;
}

/* A power cut of all machines, as far as a process can play it. */
static void kill_all(struct chaos *chaos, time_ns now_ns)
{
    for (size_t i = 0; i < chaos->cluster->count; i++) {
        if (chaos->conditions[i] == CONDITION_RUNS) {
            hurt(chaos, i, CONDITION_DOWN, now_ns);
        }
    }
    chaos->verify->kill_all_count++;
}

/* Half of the blows are for the leader: it has the most to lose. */
static size_t victim_draw(struct chaos *chaos)
{
    struct node_status status;
    int leads = -1;
    if (hurt_count(chaos) == 0 && prng_between(&chaos->prng, 0, 1) == 0) {
        leads = cluster_leader(chaos->cluster, &status);
    }
    return leads >= 0 ? (size_t)leads
                      : (size_t)prng_between(&chaos->prng, 0, chaos->cluster->count - 1);
}

static void blow(struct chaos *chaos, time_ns now_ns)
{
    size_t minority = (chaos->cluster->count - 1) / 2;
    size_t hurt_now = hurt_count(chaos);
    if (hurt_now == 0 && prng_between(&chaos->prng, 1, 8) == 1) {
        kill_all(chaos, now_ns);
        return;
    }
    size_t victim = victim_draw(chaos);
    if (hurt_now >= minority || chaos->conditions[victim] != CONDITION_RUNS) {
        return;
    }
    bool is_kill = prng_between(&chaos->prng, 0, 2) > 0;
    hurt(chaos, victim, is_kill ? CONDITION_DOWN : CONDITION_FROZEN, now_ns);
}

static int step(struct chaos *chaos, time_ns now_ns)
{
    int ended = cluster_reap(chaos->cluster);
    if (ended >= 0) {
        return cli_complain(CLI_FAILED, "%s ended by itself; see its log",
                            chaos->cluster->nodes[ended].name);
    }
    for (size_t i = 0; i < chaos->cluster->count; i++) {
        if (chaos->conditions[i] != CONDITION_RUNS && now_ns >= chaos->heal_ns[i]) {
            int code = heal(chaos, i);
            if (code != CLI_DONE) {
                return code;
            }
        }
    }
    if (now_ns >= chaos->blow_ns) {
        blow(chaos, now_ns);
        draw_blow(chaos, now_ns);
    }
    return CLI_DONE;
}

int verify_chaos(struct verify *verify, struct cluster *cluster, time_ns until_ns)
{
    struct chaos chaos = {.verify = verify, .cluster = cluster, .prng = prng_of(~verify->run)};
    int code = CLI_DONE;
    time_ns began_ns = cli_clock_ns();
    draw_blow(&chaos, began_ns);
    for (time_ns now_ns = began_ns;
         code == CLI_DONE && now_ns < until_ns && !atomic_load(&verify->is_full);
         now_ns = cli_clock_ns()) {
        code = step(&chaos, now_ns);
        progress_update(&verify->progress, now_ns - began_ns);
        if (!interrupt_sleep(&verify->interrupt, STEP_MS)) {
            break;
        }
    }
    for (size_t i = 0; i < cluster->count; i++) {
        int healed = heal(&chaos, i);
        code = code == CLI_DONE ? healed : code;
    }
    return code;
}
