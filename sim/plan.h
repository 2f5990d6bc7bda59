/* plan.h: everything that a seed decides before the first event: the settings of a run.
 *
 * Owns     the table of settings: name, bounds, meaning, and how each is drawn. Every setting
 *          is a number, so that one can be told on a command line and a run be made simpler
 *          one setting at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "base/prng.h"
#include "base/text.h"
#include "base/types.h"
#include "quorate/sim.h"

/* X(name, least, most, meaning): the size of the run, and what the nodes are told. */
/* clang-format off */
#define SIM_SETTING_MAP(X)                                                                         \
    X(nodes,              1, QR_SIM_NODES_MAX, "nodes of the cluster")                             \
    X(clients,            1, QR_SIM_CLIENTS_MAX, "clients, each with one operation at a time")     \
    X(think_us,           0, 10000000, "mean pause of a client between operations")                \
    X(calm_us,            0, 1000000,  "the same of the second phase, once commits are enough")    \
    X(safety_ms,          0, 600000,   "length of the first phase: safety under any faults")       \
    X(commits,            0, 100000,   "commits at the end, at least")                             \
    X(operations,         1, 100000,   "operations, at most, of the first phase")                  \
    X(election_min_ms,   10, 10000,    "election-timeout-min-ms of the nodes")                     \
    X(election_max_ms,   10, 20000,    "election-timeout-max-ms")                                  \
    X(heartbeat_ms,       1, 5000,     "heartbeat-interval-ms")                                    \
    X(proposal_ms,      100, 60000,    "proposal-timeout-ms")                                      \
    X(message_bytes,   8192, 4186112,  "max-message-bytes")                                        \
    X(inflight_bytes,  4096, 10485760, "max-inflight-bytes")                                       \
    X(cache_bytes,        0, 10485760, "log-cache-bytes")                                          \
    X(segment_bytes,  65536, 4194304,  "segment-bytes")                                            \
    X(pending,            2, 65536,    "max-pending-proposals")                                    \
    X(delay_us_min,       1, 1000000,  "least delay of a frame")                                   \
    X(delay_us_max,       1, 1000000,  "greatest delay of a frame that is not late")               \
    X(late_ms,            0, 60000,    "how much later a late frame may come")                     \
    X(disk_us_min,        1, 1000000,  "least time of a disk operation")                           \
    X(disk_us_max,        1, 1000000,  "greatest time of one on a disk that is not slow")          \
    X(drift_ppm,          0, 100000,   "greatest drift of a monotonic clock")                      \
    X(past_percent,       0, 100,      "chance that a node starts as a past release")              \
    X(log_entries,        0, 100000,   "max-log-entries; 0, or with past releases: no snapshots")  \
    X(log_bytes,      65536, 1073741824, "max-log-bytes")                                          \
    X(snapshot_ms,        0, 60000,    "pause between two snapshots of a node, at least")          \
    X(chunk_bytes,      512, 65536,    "of a snapshot, written and sent at a time")                \
    X(snapshot_rate,      0, 1073741824, "bytes of snapshots a node sends in a second; 0: any")    \
    X(member_wait_ms,     0, 60000,    "log kept for a silent member; 0: ten election timeouts")   \
    X(once_percent,       0, 100,      "chance that a client repeats what it knows no end of")     \
    X(changes,            0, 2000,     "changes of the members asked for in a thousand seconds")   \
    X(transfers,          0, 2000,     "transfers of leadership asked for in a thousand seconds")  \
    X(priorities,         0, 2000,     "priorities that are set in a thousand seconds")            \
    X(stall_ms,           0, 60000,    "stall-timeout-ms; 0: never")                               \
    X(lease_percent,      0, 100,      "lease of reads, of the longest that is allowed; 0: none")  \
    X(durable_percent,    0, 100,      "chance that applied is durable by itself; 0: in memory")   \
    X(gossip,             0, 2,        "members gossip: 0 not, 1 at default pace, 2 fast")         \
    X(hints,              0, 2,        "Raft is told when its leader seems gone; 2: of some")      \
    X(false_hints,        0, 20000,    "of a living member, told in a thousand seconds")           \
    X(remove_dead_ms,     0, 600000,   "remove-dead-after-ms; 0: never")                           \
    X(move_percent,       0, 100,      "chance that a process starts at another address")          \
    X(observers,          0, 3,        "of the nodes, so many hear gossip alone")                  \
    X(stale_reads,        0, 20000,    "made in a thousand seconds, with their age")               \
    X(rebuild,            0, 1,        "on-divergence: 0 isolate, 1 rebuild")                      \
    X(waiting_percent,    0, 100,      "chance that a node in no cluster starts waiting")

#define SIM_RUSH_US 2000 /* mean pause of a client while commits are wanted */

/* X(name, most, meaning): faults that may befall each frame, in millionths. */
#define SIM_RATE_MAP(X)                                                                            \
    X(loss,          300000, "frames lost")                                                        \
    X(duplicate,     500000, "frames that come twice")                                             \
    X(late,          300000, "frames that others overtake")                                        \
    X(stray,         200000, "frames that come again, also to the next life of whom they are for")

/* X(NAME, name, most, meaning): discrete faults, how many in a thousand seconds. */
#define SIM_FAULT_MAP(X)                                                                           \
    X(STOP,        stop,        2000, "a process is stopped in order")                             \
    X(CRASH,       crash,       2000, "a process is killed")                                       \
    X(POWER_LOSS,  power_loss,  2000, "a machine goes down: what was not synced is lost in part")  \
    X(BLACKOUT,    blackout,     500, "all machines go down at once, or some")                     \
    X(PAUSE,       pause,       2000, "a process stands still")                                    \
    X(PARTITION,   partition,   2000, "the network is cut both ways, in some shape")               \
    X(ONE_WAY,     one_way,     2000, "the network is cut one way")                                \
    X(SLOW_LINK,   slow_link,   2000, "a link becomes slow")                                       \
    X(CLOG,        clog,        2000, "a link holds all frames back, then lets them go")           \
    X(RESET,       reset,       5000, "connections are closed, frames under way are lost")         \
    X(SLOW_DISK,   slow_disk,   2000, "a disk becomes slow")                                       \
    X(HUNG_DISK,   hung_disk,   1000, "a disk does nothing")                                       \
    X(READ_ERROR,  read_error,  1000, "a disk fails a read")                                       \
    X(WRITE_ERROR, write_error, 1000, \
      "a disk fails a write, a piece or the name of a file, or its sync")                         \
    X(DISK_FULL,   disk_full,   1000, "a disk has no room left")                                   \
    X(BIT_FLIP,    bit_flip,    1000, "a bit of a disk flips")                                     \
    X(ZEROED,      zeroed,      1000, "a sector of a disk becomes zero")                           \
    X(MISDIRECT,   misdirect,   1000, "a write is found in another place")                         \
    X(DISK_LOSS,   disk_loss,   1000, "a disk is lost as a whole")                                 \
    X(WALL_JUMP,   wall_jump,   2000, "a wall clock is set forward or back")                       \
    X(DRIFT,       drift,       2000, "a monotonic clock runs faster or slower")                   \
    X(UPGRADE,     upgrade,     2000, "a node is started again as another version")                \
    X(STORM,       storm,       2000, \
      "any frame is lost, or late by up to some election timeouts")                               \
    X(SNAPSHOT_CRASH, snapshot_crash, 2000, \
      "a machine goes down while it writes a snapshot, or takes one over")                        \
    X(STALE_TAIL,  stale_tail,  1000, \
      "a leader is cut off with much to do, until the others have compacted their logs")         \
    X(DIVERGE,     diverge,     1000, "a replica's state goes wrong; once, of three or more")
/* clang-format on */

#define SIM_HINTS_OF_SOME 2 /* `hints`: each process has them, or not */

enum sim_fault {
#define X(upper, name, most, meaning) SIM_FAULT_##upper,
    SIM_FAULT_MAP(X)
#undef X
        SIM_FAULT_COUNT,
};

const char *sim_fault_name(enum sim_fault fault);

struct sim_plan {
#define X(name, least, most, meaning) uint64_t name;
    SIM_SETTING_MAP(X)
#undef X
#define X(name, most, meaning) uint64_t name;
    SIM_RATE_MAP(X)
#undef X
    uint64_t faults[SIM_FAULT_COUNT];
};

/* Draw every setting from the seed, then take over those of `settings` (`name=value …`,
 * borrowed, may be NULL).
 *
 * detail   QR_SIM_TEXT_BYTES_MAX; on failure a sentence.
 *
 * Returns 0, or QR_ERR_INVALID: a name that there is not, a value out of bounds, or two that
 * contradict.
 */
NODISCARD int sim_plan_draw(uint64_t seed, const char *settings, struct sim_plan *out,
                            char *detail);

/* Give every setting to `each`, in the order of the tables. */
void sim_plan_each(const struct sim_plan *plan, qr_sim_setting *each, void *argument);

/* One stream of chance for each purpose, so that a change in one leaves the others alone. */
enum sim_stream {
    SIM_STREAM_PLAN,
    SIM_STREAM_NETWORK,
    SIM_STREAM_DISK,
    SIM_STREAM_FAULTS,
    SIM_STREAM_CLIENTS,
    SIM_STREAM_SUBJECT,
    SIM_STREAM_NODES,
    SIM_STREAM_AUDIT,
    SIM_STREAM_ADMINISTRATOR,
    SIM_STREAM_LATER,   /* what the plan has more than it had first */
    SIM_STREAM_GOSSIP,  /* its part of the plan, and what becomes of it on its way */
    SIM_STREAM_STARTS,  /* what a process is told when it starts, apart from the others */
    SIM_STREAM_STALE,   /* who is asked for a stale read, and when */
    SIM_STREAM_DIVERGE, /* its part of the plan */
    SIM_STREAM_INVITE,  /* its part of the plan, who waits, and who lets it in */
};

struct prng sim_stream_of(uint64_t seed, enum sim_stream stream);

#endif
