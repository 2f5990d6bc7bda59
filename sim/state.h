/* state.h: what a run consists of: hosts, links, packets, clients, and what each checker knows.
 *
 * Does not know what is done with it (sim/internal.h). It leaves sim/ for tests alone.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "base/prng.h"
#include "quorate/sim.h"
#include "sim/atlas_rule.h"
#include "sim/build.h"
#include "sim/check.h"
#include "sim/check_durable.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/plan.h"
#include "sim/schedule.h"
#include "sim/trace.h"
#include "wire/wire.h"

#define SIM_HOSTS_MAX QR_SIM_NODES_MAX
#define SIM_LIVES_MAX 64 /* disks that one host may have had, one after the other */
#define SIM_LOSSES_MAX (SIM_HOSTS_MAX * SIM_LIVES_MAX)
#define SIM_ADDRESS_BYTES_MAX 32
#define SIM_PORT 7700
#define SIM_APPLY_ENTRIES_MAX 1024

struct sim;
struct sim_host;

struct qr_sim_random {
    struct prng prng;
};

/* A frame on its way. */
enum sim_packet_kind {
    SIM_PACKET_PEER,  /* on a connection between members */
    SIM_PACKET_SEED,  /* from who dialed to be taken in */
    SIM_PACKET_REPLY, /* to who dialed */
};

struct sim_packet {
    struct sim_event event;
    struct sim_packet *next; /* of those under way */
    struct sim_packet *prev;
    struct sim *sim;
    enum sim_packet_kind kind;
    uint32_t from;
    uint32_t to;
    uint64_t from_id;
    uint64_t to_id;
    uint64_t to_life;
    bool is_stray;       /* for any life of that node */
    uint64_t connection; /* seed and reply: which dial; peer: which connection */
    size_t frame_bytes;
    uint8_t *frame;
};

/* What one host has of the way to another. */
struct sim_link {
    time_ns slow_until_ns;
    time_ns slow_ns; /* added to each delay until then */
    time_ns clogged_until_ns;
    /* The connection that `from` dialed. */
    bool is_open;
    uint64_t from_life;
    uint64_t to_life;
    uint64_t connection;
    time_ns last_ns; /* when the last frame in order comes */
};

/* How a process ends. */
enum sim_end {
    SIM_END_STOPPED,    /* in order: it settles its log */
    SIM_END_KILLED,     /* what it gave to the kernel stays */
    SIM_END_POWER_LOST, /* what was not synced is lost in part */
};

/* When a process that is to end ends: after a call that leaves its node so. */
enum sim_moment {
    SIM_MOMENT_WORK,      /* with that many disk operations under way, the first time */
    SIM_MOMENT_STORING,   /* a snapshot is being written */
    SIM_MOMENT_RESTORING, /* its state machine takes one over */
};

enum sim_host_state {
    SIM_HOST_DOWN,
    SIM_HOST_UP,
    SIM_HOST_GONE, /* stays down: the end of the run, or nothing can start it */
};

#define SIM_HELD_MAX 8  /* configurations of one log that are looked at, the newest */
#define SIM_ACTED_MAX 8 /* configurations that a host has acted by, the newest */
#define SIM_OPEN_MAX 32 /* that may yet be committed */
#define SIM_MEMBERS_TEXT_BYTES (64 + BUILD_MEMBERS_MAX * (BUILD_NAME_BYTES_MAX + 32))
#define SIM_ASKED_MAX 64  /* changes that one node deals with at a time, and more */
#define SIM_WISHES_MAX 16 /* changes that were asked for and may yet happen */

/* A change that was asked for, and may yet happen until then. */
struct sim_wish {
    time_ns until_ns;
    size_t count;
    uint64_t ids[BUILD_MEMBERS_MAX];
    enum sim_wish_kind kinds[BUILD_MEMBERS_MAX];
};

/* A change of members, by their names. */
struct sim_request {
    bool has_stranger; /* it promotes somebody who does not know yet that it is a member */
    char promoted[BUILD_NAMES_BYTES_MAX];
    char demoted[BUILD_NAMES_BYTES_MAX];
    char removed[BUILD_NAMES_BYTES_MAX];
};

/* What the administrator wants in phase two. */
enum sim_last_stage {
    SIM_LAST_ANSWERS, /* to all that was asked before */
    SIM_LAST_TRANSFER,
    SIM_LAST_CHANGE,
    SIM_LAST_DONE,
};

struct sim_last {
    enum sim_last_stage stage;
    bool is_chosen; /* the change */
    struct sim_request request;
    uint64_t token; /* of the question that is to be answered; 0: none */
    bool is_answered;
    int status;
};

/* A configuration that a node began to act by at that time. */
struct sim_acted {
    time_ns from_ns;
    uint64_t id;
    struct build_configuration configuration;
};

/* A node whose disk is lost or marred. */
struct sim_loss {
    uint64_t id;
    bool had_entered; /* the cluster: it has been a member by its own word */
};

/* What is durable of a replica by itself, whatever becomes of its process. */
struct sim_durable {
    uint8_t *bytes; /* of a snapshot of the subject's */
    size_t size_bytes;
    size_t capacity;
    uint64_t index; /* of the last entry in it; 0: nothing is kept */
    uint64_t wrong; /* see divergence.c */
};

#define SIM_SNAPSHOT_HEAD_BYTES 16

/* What a leader that removes the dead is judged by, in one term, by its own clock. */
struct sim_removal {
    uint64_t term; /* that it leads or has led; 0: none */
    time_ns led_ns;
    time_ns last_ns;       /* when it last removed one; 0: never */
    uint32_t voters_least; /* that it had in this term, before it began to remove any */
};

/* What a member was asked to do last: to let in who waits on another host. */
struct sim_invitation {
    uint64_t token; /* 0: it has been answered, or there was none */
    uint32_t target;
    uint64_t target_life; /* of the target, when it was asked for: */
    uint32_t target_disk;
    bool is_met; /* somebody at the address accepted our hello */
    uint64_t dial;
    bool is_alone; /* whom we dialed was in no cluster: an invitation is all it takes */
};

struct sim_host {
    struct sim *sim;
    uint32_t number;
    enum sim_host_state state;
    char name[QR_NAME_BYTES_MAX];
    char address[SIM_ADDRESS_BYTES_MAX];
    uint32_t disk_life;  /* how many disks it had before */
    bool is_disk_marred; /* damaged, or given up: its data counts as lost */
    bool has_entered;    /* a cluster, with this disk */
    uint64_t moves;      /* how often its address has changed */
    uint64_t life;       /* how many processes it had, this one included */
    uint64_t id;         /* of its node, on this disk */
    struct sim_clock clock;
    struct sim_disk disk;
    const struct build *build;
    const struct build *next_build; /* that it is started with */
    struct build_node *node;        /* NULL: down */
    struct build_world world;
    size_t memory_blocks; /* that the node holds */
    bool is_ending;       /* what it says now is heard by nobody */
    bool has_failed;
    bool is_holding_less; /* what it hears now lets it hold no proposal again */
    unsigned audits_due;  /* a power loss is recovered from: at the next promises */
    unsigned calls;       /* of the node, that are under way */
    unsigned idle_turns;  /* in a row, each due at once although nothing came in between */
    time_ns paused_until_ns;
    time_ns disk_slow_until_ns;
    time_ns disk_hung_until_ns;
    struct sim_event turn;
    struct sim_event disk_event;
    struct sim_event restart;
    struct sim_event *doom; /* it goes down at such a moment, when there were so many; or NULL */
    enum sim_moment doom_moment;
    uint64_t doom_count;

    /* The configurations that its log holds, newest first, as of the last call, also while it
     * is down.
     */
    struct build_configuration held[SIM_HELD_MAX];
    size_t held_count;
    uint64_t held_log_count;       /* also those that are not looked at */
    uint64_t asked[SIM_ASKED_MAX]; /* changes that it has not answered yet */
    size_t asked_count;
    /* Those that it has acted by, on any of its disks; the newest at acted_count - 1, in a ring. */
    struct sim_acted acted[SIM_ACTED_MAX];
    uint64_t acted_count;
    uint64_t members[BUILD_MEMBERS_MAX];
    uint32_t member_hosts[BUILD_MEMBERS_MAX];
    time_ns member_retry_ns[BUILD_MEMBERS_MAX]; /* a refused hello is not said again before */
    size_t member_count;

    /* Being taken in. */
    uint64_t dial; /* number of the present one; 0: none */
    bool is_dial_answered;
    uint32_t dial_to;
    uint64_t dial_to_life;
    struct sim_event dial_event;

    const struct qr_state_machine *machine; /* NULL: none */
    struct qr_state_machine functions;      /* its, as this version sees them */
    struct sim_durable durable;
    uint64_t applied_index;
    bool is_restoring;
    uint8_t restored[SIM_SNAPSHOT_HEAD_BYTES]; /* what stands in front of a snapshot's bytes */
    size_t restored_bytes;
    uint64_t wrong;    /* what is wrong with its state; 0: nothing */
    uint64_t flip;     /* what will be, with the next entry */
    bool was_wrong;    /* ever, on this disk */
    bool has_status;   /* since its state was made anew */
    bool was_isolated; /* then */
    struct check_progress progress;
    time_ns leads_since_ns;   /* its term, if it leads */
    struct build_status told; /* in the trace */
    uint64_t told_hints;      /* likewise */
    struct sim_removal removal;

    bool is_waiting;    /* this process was told of nobody to join when it started */
    uint64_t told_life; /* that may have been told since; 0: none */
    struct sim_invitation invitation;
};

/* How a client names what it proposes. */
enum sim_manner {
    SIM_MANNER_PLAIN,   /* it never asks twice */
    SIM_MANNER_TOKEN,   /* it asks again, under a token for each operation */
    SIM_MANNER_SESSION, /* ... under a session of its own */
};

/* What a client that asks again is waiting for. */
enum sim_asking {
    SIM_ASKING_OPERATION,
    SIM_ASKING_SESSION, /* to be opened */
    SIM_ASKING_OUTCOME, /* what became of the operation */
};

/* What gossip has under way: a datagram, a message on a stream, or that a connection closed. */
enum sim_letter_kind {
    SIM_LETTER_PACKET,
    SIM_LETTER_STREAM,
    SIM_LETTER_CLOSED,
};

struct sim_letter {
    struct sim_event event;
    struct sim_letter *next; /* of those under way */
    struct sim_letter *prev;
    struct sim *sim;
    enum sim_letter_kind kind;
    uint32_t from;
    uint32_t to;
    uint64_t from_life;
    uint64_t to_life;
    uint64_t to_moves;
    bool is_refused;
    char source[SIM_ADDRESS_BYTES_MAX];
    size_t size_bytes;
    uint8_t bytes[];
};

struct sim_client {
    struct sim *sim;
    struct sim_event event;
    uint32_t host;
    bool is_waiting;
    uint64_t token; /* of the operation it waits for */
    uint64_t floor_index;
    time_ns began_ns;
    uint64_t host_life;
    struct qr_sim_operation operation;
    enum sim_manner manner;
    enum sim_asking asking;
    uint64_t session;  /* 0: none is open */
    uint32_t sendings; /* of the operation, beyond the first */
    bool is_unsettled; /* some sending may have been applied; it asks again */
};

/* Of the second phase. */
enum sim_step {
    SIM_STEP_SERVING,
    SIM_STEP_CHANGING,
    SIM_STEP_COMMITS,
    SIM_STEP_SETTLING,
    SIM_STEP_COMPARED,
    SIM_STEP_GOSSIP,
};

enum sim_phase {
    SIM_PHASE_SAFETY,
    SIM_PHASE_LIVENESS,
    SIM_PHASE_END,
};

/* A discrete fault that ends by itself. */
struct sim_heal {
    struct sim_event event;
    struct sim_heal *next;
    struct sim *sim;
    enum sim_fault fault;
    uint32_t number;
    uint32_t host;
    bool cuts[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
    /* It ends so, at the count-th such moment, and is away for so long; and so many times again. */
    enum sim_end how;
    enum sim_moment moment;
    uint64_t count;
    time_ns away_ns;
    uint64_t again;
};

struct sim {
    const struct qr_sim_options *options;
    const struct qr_sim_subject *subject;
    struct sim_plan plan;
    struct sim_schedule schedule;
    struct sim_trace trace;
    struct sim_failure failure;
    int status; /* not 0: the run ends without a verdict, and gives this */
    struct qr_sim_report *report;
    enum sim_phase phase;

    struct prng network_prng;
    struct prng disk_prng;
    struct prng fault_prng;
    bool has_no_faults; /* any more: they end at once */
    struct prng client_prng;
    struct prng node_prng;
    struct prng audit_prng;
    struct prng administrator_prng;
    struct qr_sim_random subject_random;

    struct sim_host hosts[SIM_HOSTS_MAX];
    uint32_t host_count;
    uint32_t serving_count; /* behind so many they are observers */
    struct sim_link links[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
    uint8_t cuts[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* how many faults cut this way */
    time_ns storm_until_ns;
    uint64_t storm_loss; /* in millionths, as rates are */
    uint64_t storm_late;
    uint64_t storm_ms;
    struct sim_packet *packets;
    uint64_t connection_count;
    struct sim_loss lost[SIM_LOSSES_MAX];
    size_t lost_count;
    struct build_configuration committed; /* the latest that anybody knew to be */
    struct build_configuration open[SIM_OPEN_MAX];
    size_t open_count;
    time_ns members_ns; /* when a configuration last came in force anywhere */
    struct sim_wish wishes[SIM_WISHES_MAX];
    struct sim_event administrator_event;
    uint64_t change_count;
    struct sim_last last;

    struct sim_client clients[QR_SIM_CLIENTS_MAX];
    uint32_t client_count;
    uint64_t token_count;
    uint64_t operation_count;

    struct prng starts_prng;
    bool has_diverged;    /* the one replica was struck */
    bool is_wrong_spread; /* by a snapshot, before it was found */
    struct prng stale_prng;
    struct sim_event stale_event;
    struct sim_pairs removal_seen; /* by leader and member */
    struct prng gossip_prng;
    struct sim_letter *letters;
    time_ns stream_last_ns[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* when the last message comes */
    struct sim_event gossip_event;                        /* the next false hint */

    struct prng invite_prng;
    struct sim_event invite_event;
    struct sim_event invite_blow;
    uint32_t invite_struck; /* the host that goes down then */

    /* Whom the administrator ever wanted to have no vote. */
    char unwanted[SIM_LOSSES_MAX][BUILD_NAME_BYTES_MAX];
    size_t unwanted_count;

    struct sim_event fault_event;
    uint32_t fault_number;
    struct sim_heal *heals;

    /* Phase two. */
    bool is_core[SIM_HOSTS_MAX];
    enum sim_step step;
    time_ns step_began_ns;
    uint64_t answers[SIM_HOSTS_MAX]; /* that clients had from each in this phase */

    struct check_election election;
    struct check_votes votes;
    struct check_reads reads;
    struct check_handovers handovers;
    struct check_promises promises;
    struct check_commits commits;
    struct check_forwards forwards;
    struct check_log log;
    struct check_apply apply;
    struct check_acked acked;
    struct check_stale stale;
    struct check_durable *durable;

    struct allocator allocator; /* for what the simulator decodes */
    struct entry entries[WIRE_ENTRIES_MAX];
    struct qr_entry asked[SIM_APPLY_ENTRIES_MAX];
    struct qr_result results[SIM_APPLY_ENTRIES_MAX];
    struct build_result told[SIM_APPLY_ENTRIES_MAX]; /* the same */
};

#endif
