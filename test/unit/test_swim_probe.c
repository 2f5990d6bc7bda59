/* test_swim_probe.c: probes, suspicions and what becomes of them; envelopes, leaders, hints. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "quorate/error.h"
#include "support/swim_rig.h"

/* Tick until a packet of this type leaves. */
static struct swim_packet next_of(struct swim_rig *rig, enum swim_message_type type)
{
    for (int i = 0; i < 200; i++) {
        rig->now_ns = swim_deadline(rig->swim);
        assert_int_equal(swim_rig_step(rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
        if (swim_rig_sent(rig, type) != NULL) {
            return *swim_rig_sent(rig, type);
        }
    }
    fail();
    return (struct swim_packet){0};
}

static void silence_goes_from_a_ping_by_others_to_suspicion(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 6);
    struct swim_packet ping = next_of(&rig, SWIM_PING);
    time_ns began_ns = rig.now_ns;
    node_id target = ping.message.to;
    struct swim_packet request = next_of(&rig, SWIM_PING_REQ);
    assert_int_equal(rig.now_ns - began_ns, rig.options.ping_timeout_ns);
    assert_int_equal(request.message.ping_req.target, target);
    assert_int_equal(request.message.ping_req.sequence, ping.message.ping.sequence);
    assert_int_equal(rig.ready.stream_count, 1); /* the ping over a stream */
    assert_int_equal(rig.ready.streams[0].message.to, target);
    rig.now_ns = began_ns + rig.options.period_ns;
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    assert_int_equal(swim_rig_member(&rig, target).state, SWIM_SUSPECT);
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_SUSPECTED));
    swim_rig_deinit(&rig);
}

static void an_ack_ends_a_probe_whoever_brings_it(void **state)
{
    (void)state;
    for (int is_relayed = 0; is_relayed < 2; is_relayed++) {
        struct swim_rig rig;
        struct swim_status status;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 6);
        struct swim_packet ping = next_of(&rig, SWIM_PING);
        node_id other = ping.message.to == 2 ? 3 : 2;
        struct swim_message ack = {.type = SWIM_ACK, .ack = {ping.message.ping.sequence}};
        assert_int_equal(swim_rig_packet(&rig, is_relayed ? other : ping.message.to, ack, NULL, 0),
                         0);
        rig.now_ns += rig.options.ping_timeout_ns;
        assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
        assert_null(swim_rig_sent(&rig, SWIM_PING_REQ));
        swim_status(rig.swim, &status);
        assert_int_equal(status.counters.probes_failed, 0);
        swim_rig_deinit(&rig);
    }
}

/* Of three relays so many say that they hear nothing, some of them twice; others are suspected. */
struct nack_case {
    uint32_t nacks;
    uint32_t times;
    uint32_t suspects;
    uint32_t health;
};

static void nacks_that_are_missing_lower_this_nodes_own_health(void **state)
{
    static const struct nack_case cases[] = {
        {0, 0, 0, 3}, {1, 1, 0, 2}, {2, 1, 0, 1}, {3, 1, 0, 0},
        {1, 3, 0, 2}, {2, 1, 1, 0}, {1, 1, 1, 1}, {0, 0, 3, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct swim_rig rig;
        struct swim_status status;
        node_id relays[SWIM_INDIRECT_MAX];
        size_t count = 0;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 8);
        struct swim_packet ping = next_of(&rig, SWIM_PING);
        time_ns began_ns = rig.now_ns;
        (void)next_of(&rig, SWIM_PING_REQ);
        for (size_t at = 0; at < rig.ready.packet_count; at++) {
            if (rig.ready.packets[at].message.type == SWIM_PING_REQ) {
                relays[count++] = rig.ready.packets[at].message.to;
            }
        }
        assert_int_equal(count, 3);
        struct swim_message nack = {
            .type = SWIM_NACK,
            .nack = {.sequence = ping.message.ping.sequence, .subject = ping.message.to},
        };
        for (uint32_t at = 0; at < cases[i].nacks * cases[i].times; at++) {
            node_id relay = relays[at % cases[i].nacks];
            assert_int_equal(swim_rig_packet(&rig, relay, nack, NULL, 0), 0);
        }
        assert_int_equal(swim_rig_packet(&rig, 99, nack, NULL, 0), 0); /* of nobody who was asked */
        for (uint32_t at = 0; at < cases[i].suspects; at++) {
            assert_int_equal(swim_rig_say(&rig, ping.message.to, SWIM_SUSPECT, relays[2 - at], 1),
                             0);
        }
        swim_rig_pass(&rig, began_ns + rig.options.period_ns - rig.now_ns);
        swim_status(rig.swim, &status);
        assert_int_equal(status.local_health, cases[i].health);
        swim_rig_deinit(&rig);
    }
}

static void only_who_is_held_for_alive_is_asked_to_ping(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 5);
    for (node_id id = 3; id <= 5; id++) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_SUSPECT, id, 1), 0);
    }
    int requests = 0;
    for (int ticks = 0; ticks < 100 && requests < 3; ticks++) {
        rig.now_ns = swim_deadline(rig.swim);
        assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
        const struct swim_packet *ping = swim_rig_sent(&rig, SWIM_PING);
        for (size_t i = 0; i < rig.ready.packet_count; i++) {
            if (rig.ready.packets[i].message.type == SWIM_PING_REQ) {
                assert_int_equal(rig.ready.packets[i].message.to, 2);
                requests++;
            }
        }
        if (ping != NULL && ping->message.to == 2) {
            struct swim_message ack = {.type = SWIM_ACK, .ack = {ping->message.ping.sequence}};
            assert_int_equal(swim_rig_packet(&rig, 2, ack, NULL, 0), 0);
        }
    }
    assert_int_equal(requests, 3);
    swim_rig_deinit(&rig);
}

static void a_ping_for_another_is_answered_by_ack_or_nack(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    struct swim_message request = {.type = SWIM_PING_REQ,
                                   .ping_req = {.sequence = 77, .target = 3}};
    assert_int_equal(swim_rig_packet(&rig, 2, request, NULL, 0), 0);
    const struct swim_packet *ping = swim_rig_sent(&rig, SWIM_PING);
    assert_non_null(ping);
    assert_string_equal(ping->address, "h3:7700");
    struct swim_message ack = {.type = SWIM_ACK, .ack = {ping->message.ping.sequence}};
    assert_int_equal(swim_rig_packet(&rig, 3, ack, NULL, 0), 0);
    const struct swim_packet *back = swim_rig_sent(&rig, SWIM_ACK);
    assert_non_null(back);
    assert_string_equal(back->address, "h2:7700");
    assert_int_equal(back->message.ack.sequence, 77);

    request.ping_req.target = 99; /* nobody: no address of somebody's choice is sent to */
    assert_int_equal(swim_rig_packet(&rig, 2, request, NULL, 0), 0);
    assert_null(swim_rig_sent(&rig, SWIM_PING));
    assert_non_null(swim_rig_sent(&rig, SWIM_NACK));

    request.ping_req.target = 4;
    assert_int_equal(swim_rig_packet(&rig, 2, request, NULL, 0), 0);
    struct swim_packet nack = next_of(&rig, SWIM_NACK);
    assert_int_equal(nack.message.nack.subject, 4);
    swim_rig_deinit(&rig);
}

static void one_accuser_alone_kills_nobody_and_two_do(void **state)
{
    (void)state;
    for (int accusers = 1; accusers <= 2; accusers++) {
        struct swim_rig rig;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 8);
        /* 8 answers this node, which therefore is no accuser itself; but it does not refute. */
        for (int i = 0; i < accusers; i++) {
            assert_int_equal(swim_rig_say(&rig, 2 + (node_id)i, SWIM_SUSPECT, 8, 1), 0);
            swim_rig_answer_all(&rig);
        }
        time_ns end_ns = rig.now_ns + rig.options.suspicion_ns + rig.options.period_ns;
        while (rig.now_ns < end_ns) {
            rig.now_ns = swim_deadline(rig.swim);
            assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
            swim_rig_answer_all(&rig);
        }
        assert_int_equal(swim_rig_member(&rig, 8).state, accusers == 1 ? SWIM_SUSPECT : SWIM_DEAD);
        swim_rig_deinit(&rig);
    }
}

static void a_suspicion_is_shorter_the_more_agree(void **state)
{
    struct swim_options options = swim_options_default();
    (void)state;
    time_ns before_ns = UINT64_MAX;
    for (uint32_t agree = 0; agree <= 3; agree++) {
        time_ns span_ns = swim_suspicion_ns(&options, 10, agree);
        assert_true(span_ns < before_ns);
        before_ns = span_ns;
    }
    assert_in_range(swim_suspicion_ns(&options, 10, 0), 4990 * NS_PER_MS, 5000 * NS_PER_MS);
    assert_in_range(swim_suspicion_ns(&options, 10, 3), 1240 * NS_PER_MS, 1250 * NS_PER_MS);
    assert_int_equal(swim_suspicion_ns(&options, 10, 7), swim_suspicion_ns(&options, 10, 3));
    /* With log10 of the members. */
    assert_in_range(swim_suspicion_ns(&options, 1000, 0), 14800 * NS_PER_MS, 15000 * NS_PER_MS);
    options.has_lifeguard = false;
    assert_int_equal(swim_suspicion_ns(&options, 10, 3), swim_suspicion_ns(&options, 10, 0));
}

static void an_update_is_sent_often_enough_in_small_clusters(void **state)
{
    struct swim_options options = swim_options_default();
    (void)state;
    assert_int_equal(swim_transmit_limit(&options, 1), 10);
    assert_int_equal(swim_transmit_limit(&options, 5), 10);
    assert_int_equal(swim_transmit_limit(&options, 100), 21);
    assert_int_equal(swim_transmit_limit(&options, 10000), 42);
}

static void a_tick_that_comes_late_blames_this_node(void **state)
{
    struct swim_rig rig;
    struct swim_status status;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 6);
    (void)next_of(&rig, SWIM_PING);
    rig.now_ns += 10 * NS_PER_S;
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    swim_status(rig.swim, &status);
    assert_int_equal(status.suspect_count, 0);
    assert_int_equal(status.local_health, 1);
    assert_int_equal(status.counters.probes_failed, 0);
    swim_rig_deinit(&rig);
}

static void a_hint_is_followed_at_once_and_changes_nothing_by_itself(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    struct swim_event hint = {.type = SWIM_EVENT_HINT, .hint = {.id = 3}};
    assert_int_equal(swim_rig_step(&rig, hint), 0);
    assert_non_null(swim_rig_sent(&rig, SWIM_PING));
    assert_null(swim_rig_news(&rig, SWIM_NEWS_UNREACHABLE));
    rig.now_ns += rig.options.hint_timeout_ns;
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_UNREACHABLE));
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_ALIVE);

    hint.hint.id = 4;
    hint.hint.is_refused = true; /* nobody listens there: told without waiting */
    assert_int_equal(swim_rig_step(&rig, hint), 0);
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_UNREACHABLE));
    assert_int_equal(swim_rig_member(&rig, 4).state, SWIM_ALIVE);

    hint.hint.id = 99;
    assert_int_equal(swim_rig_step(&rig, hint), QR_ERR_NOT_FOUND);
    hint.hint.id = 1;
    assert_int_equal(swim_rig_step(&rig, hint), QR_ERR_NOT_FOUND);
    swim_rig_deinit(&rig);
}

/* Raft's connections to it are refused, again and again. */
static void hints_that_keep_coming_do_not_keep_a_probe_from_its_end(void **state)
{
    (void)state;
    for (int is_refused = 0; is_refused < 2; is_refused++) {
        struct swim_rig rig;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 2);
        int told = 0;
        time_ns end_ns = rig.now_ns + 20 * NS_PER_S;
        while (rig.now_ns < end_ns && swim_rig_member(&rig, 2).state == SWIM_ALIVE) {
            struct swim_event hint = {.type = SWIM_EVENT_HINT,
                                      .hint = {.id = 2, .is_refused = is_refused != 0}};
            assert_int_equal(swim_rig_step(&rig, hint), 0);
            told += swim_rig_news(&rig, SWIM_NEWS_UNREACHABLE) != NULL;
            rig.now_ns += 50 * NS_PER_MS;
            assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
            told += swim_rig_news(&rig, SWIM_NEWS_UNREACHABLE) != NULL;
        }
        assert_int_equal(swim_rig_member(&rig, 2).state, SWIM_SUSPECT);
        assert_int_equal(told, 1);
        swim_rig_deinit(&rig);
    }
}

static void hints_have_a_limit(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 20);
    for (node_id id = 2; id < 2 + SWIM_PROBES_MAX; id++) {
        struct swim_event hint = {.type = SWIM_EVENT_HINT, .hint = {.id = id}};
        assert_int_equal(swim_rig_step(&rig, hint), 0);
    }
    struct swim_event hint = {.type = SWIM_EVENT_HINT, .hint = {.id = 19}};
    assert_int_equal(swim_rig_step(&rig, hint), QR_ERR_BUSY);
    swim_rig_deinit(&rig);
}

struct leader_case {
    raft_term term;
    node_id leader;
    raft_term known_term; /* then */
    node_id known_leader;
    bool is_conflict;
};

static void the_leader_of_the_highest_term_is_believed(void **state)
{
    static const struct leader_case cases[] = {
        {3, 2, 3, 2, false}, {2, 3, 3, 2, false}, {3, 3, 3, 2, true},
        {3, 2, 3, 2, false}, {4, 3, 4, 3, false}, {0, 0, 4, 3, false},
    };
    struct swim_rig rig;
    struct swim_status status;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct swim_message gossip = {
            .type = SWIM_GOSSIP, .leader_term = cases[i].term, .leader = cases[i].leader};
        assert_int_equal(swim_rig_packet(&rig, 2, gossip, NULL, 0), 0);
        assert_int_equal(swim_rig_news(&rig, SWIM_NEWS_CONFLICT) != NULL, cases[i].is_conflict);
        swim_status(rig.swim, &status);
        assert_int_equal(status.leader_term, cases[i].known_term);
        assert_int_equal(status.leader, cases[i].known_leader);
    }
    swim_rig_deinit(&rig);
}

struct bad_case {
    const char *what;
    struct swim_message message;
    node_id from;
    int status;
};

static void what_is_foreign_or_contradicts_itself_is_dropped_and_not_answered(void **state)
{
    static const struct bad_case cases[] = {
        {"another cluster", {.type = SWIM_PING, .cluster = {8, 8}}, 2, QR_ERR_FOREIGN},
        {"for another node", {.type = SWIM_PING, .has_to = true, .to = 9}, 2, QR_ERR_FOREIGN},
        {"from this node", {.type = SWIM_PING}, 1, QR_ERR_FOREIGN},
        {"to without has_to", {.type = SWIM_PING, .to = 1}, 2, QR_ERR_MALFORMED},
        {"leader without term", {.type = SWIM_PING, .leader = 2}, 2, QR_ERR_MALFORMED},
        {"health", {.type = SWIM_PING, .local_health = 9}, 2, QR_ERR_MALFORMED},
        {"incarnation", {.type = SWIM_PING, .incarnation = UINT64_MAX}, 2, QR_ERR_MALFORMED},
        {"held without to", {.type = SWIM_PING, .held_incarnation = 1}, 2, QR_ERR_MALFORMED},
    };
    struct swim_rig rig;
    struct swim_status before, after;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    swim_status(rig.swim, &before);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(swim_rig_packet(&rig, cases[i].from, cases[i].message, NULL, 0),
                         cases[i].status);
        assert_int_equal(rig.ready.packet_count, 0);
        assert_int_equal(rig.ready.news_count, 0);
    }
    swim_status(rig.swim, &after);
    assert_int_equal(after.digest, before.digest);
    assert_int_equal(after.counters.malformed + after.counters.foreign + after.counters.misdirected,
                     COUNT_OF(cases));
    swim_rig_deinit(&rig);
}

static void a_stranger_is_sent_no_more_than_it_sent(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 12); /* much to tell */
    assert_int_equal(swim_rig_packet(&rig, 99, (struct swim_message){.type = SWIM_PING}, NULL, 0),
                     0);
    const struct swim_packet *ack = swim_rig_sent(&rig, SWIM_ACK);
    assert_non_null(ack);
    assert_int_equal(ack->message.update_count, 0);
    assert_int_equal(swim_rig_packet(&rig, 3, (struct swim_message){.type = SWIM_PING}, NULL, 0),
                     0);
    ack = swim_rig_sent(&rig, SWIM_ACK);
    assert_non_null(ack);
    assert_true(ack->message.update_count > 0);
    swim_rig_deinit(&rig);
}

static void who_leaves_says_so_and_is_silent_then(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_LEAVE,
                                                             .leave = SWIM_REASON_SHUTDOWN}),
                     0);
    struct swim_packet gossip = next_of(&rig, SWIM_GOSSIP);
    bool is_told = false;
    for (size_t i = 0; i < gossip.message.update_count; i++) {
        const struct swim_update *update = &gossip.message.updates[i];
        is_told = is_told || (update->id == 1 && update->state == SWIM_LEFT &&
                              update->reason == SWIM_REASON_SHUTDOWN);
    }
    assert_true(is_told);
    swim_rig_pass(&rig, rig.options.leave_ns);
    assert_int_equal(swim_deadline(rig.swim), TIME_NEVER);
    assert_int_equal(swim_rig_packet(&rig, 2, (struct swim_message){.type = SWIM_PING}, NULL, 0),
                     QR_ERR_STOPPED);
    assert_int_equal(rig.ready.packet_count, 0);
    swim_rig_deinit(&rig);
}

static void the_dead_are_tried_for_ever_and_asked_for_all_they_know(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 3);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_LEFT, 2, 1), 0);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 3, 1), 0);
    swim_rig_pass(&rig, 48 * 3600 * NS_PER_S); /* reaped long since */
    assert_false(swim_rig_member(&rig, 3).is_listed);
    time_ns began_ns = rig.now_ns;
    struct swim_packet ping = next_of(&rig, SWIM_PING);
    assert_true(rig.now_ns - began_ns <= rig.options.heal_max_ns);
    assert_string_equal(ping.address, "h3:7700");
    assert_int_equal(ping.message.held_state, SWIM_DEAD); /* so that it refutes that */
    struct swim_message ack = {
        .type = SWIM_ACK, .incarnation = 2, .ack = {ping.message.ping.sequence}};
    assert_int_equal(swim_rig_packet(&rig, 3, ack, NULL, 0), 0);
    assert_int_equal(rig.ready.stream_count, 1);
    assert_int_equal(rig.ready.streams[0].message.type, SWIM_PUSH_PULL);
    assert_string_equal(rig.ready.streams[0].address, "h3:7700");
    swim_rig_deinit(&rig);
}

static void the_hidden_dead_do_not_hold_up_the_listed(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 60);
    for (node_id id = 3; id <= 58; id++) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, id, 1), 0);
    }
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_LEFT, 2, 1), 0);
    swim_rig_pass(&rig, 48 * 3600 * NS_PER_S);
    for (node_id id = 59; id <= 60; id++) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, id, 8), 0);
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, id, 8), 0);
        rig.now_ns++;
    }
    bool is_tried[61] = {false};
    for (int i = 0; i < 6; i++) {
        is_tried[next_of(&rig, SWIM_PING).message.to] = true;
    }
    assert_true(is_tried[59]);
    assert_true(is_tried[60]);
    swim_rig_deinit(&rig);
}

static void options_out_of_bounds_are_refused(void **state)
{
    struct heap heap;
    struct swim *swim = NULL;
    struct swim_profile profile = {.name = "a", .peer = "b:1"};
    (void)state;
    heap_init(&heap);
    for (int i = 0; i < 6; i++) {
        struct swim_options options = swim_options_default();
        options.allocator = &heap.allocator;
        options.ping_timeout_ns = i == 0 ? options.period_ns : options.ping_timeout_ns;
        options.members_max = i == 1 ? 0 : options.members_max;
        options.dead_quorum = i == 2 ? SWIM_ACCUSERS_MAX + 1 : options.dead_quorum;
        options.packet_bytes_max = i == 3 ? SWIM_PACKET_BYTES_MAX + 1 : options.packet_bytes_max;
        options.incarnation = i == 4 ? SWIM_INCARNATION_MAX : 0;
        options.heal_min_ns = i == 5 ? options.heal_max_ns + 1 : options.heal_min_ns;
        assert_int_equal(swim_new(&options, &profile, 0, &swim), QR_ERR_INVALID);
    }
    struct swim_options options = swim_options_default();
    options.allocator = &heap.allocator;
    time_ns *spans[] = {&options.gossip_ns,   &options.sync_ns, &options.heal_min_ns,
                        &options.heal_max_ns, &options.reap_ns, &options.leave_ns};
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        time_ns before_ns = *spans[i];
        for (int is_long = 0; is_long < 2; is_long++) {
            *spans[i] = is_long ? TIME_NEVER : 1;
            assert_int_equal(swim_new(&options, &profile, 0, &swim), QR_ERR_INVALID);
        }
        *spans[i] = before_ns;
    }
    memcpy(profile.name, "A b", 4);
    assert_int_equal(swim_new(&options, &profile, 0, &swim), QR_ERR_INVALID);
    heap_deinit(&heap);
}

static void memory_that_runs_out_anywhere_leaves_a_machine_to_be_freed(void **state)
{
    (void)state;
    for (uint64_t fail_at = 1;; fail_at++) {
        struct heap heap;
        struct swim *swim = NULL;
        struct swim_options options = swim_options_default();
        struct swim_profile profile = {.name = "a", .peer = "b:1"};
        heap_init(&heap);
        heap.fail_at = fail_at;
        options.allocator = &heap.allocator;
        options.self = 1;
        int status = swim_new(&options, &profile, 0, &swim);
        struct swim_rig rig = {.swim = swim, .options = options};
        time_ns now_ns = 0;
        for (node_id id = 2; id < 40 && status == 0; id++) {
            struct swim_update updates[] = {
                {.state = SWIM_ALIVE, .id = id, .incarnation = 1},
                {.state = SWIM_SUSPECT, .id = id, .incarnation = 1, .accuser = 99},
            };
            updates[0].profile = swim_rig_profile(&rig, id, 1);
            struct swim_message message = {.type = SWIM_PUSH_PULL,
                                           .from = 2,
                                           .push_pull = {.sequence = 2, .is_last = true},
                                           .updates = updates,
                                           .update_count = 2};
            struct swim_event event = {
                .type = SWIM_EVENT_STREAM,
                .now_ns = now_ns += 400 * NS_PER_MS,
                .received = {.message = &message, .source = "h2:7700", .stream = 9},
            };
            status = swim_step(swim, &event);
            if (status == 0) {
                status = swim_step(swim, &(struct swim_event){.now_ns = now_ns});
            }
        }
        assert_true(status == 0 || status == QR_ERR_NO_MEMORY);
        swim_free(swim);
        heap_deinit(&heap);
        if (status == 0) {
            assert_true(fail_at > 20);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_goes_from_a_ping_by_others_to_suspicion),
        cmocka_unit_test(an_ack_ends_a_probe_whoever_brings_it),
        cmocka_unit_test(nacks_that_are_missing_lower_this_nodes_own_health),
        cmocka_unit_test(only_who_is_held_for_alive_is_asked_to_ping),
        cmocka_unit_test(a_ping_for_another_is_answered_by_ack_or_nack),
        cmocka_unit_test(one_accuser_alone_kills_nobody_and_two_do),
        cmocka_unit_test(a_suspicion_is_shorter_the_more_agree),
        cmocka_unit_test(an_update_is_sent_often_enough_in_small_clusters),
        cmocka_unit_test(a_tick_that_comes_late_blames_this_node),
        cmocka_unit_test(a_hint_is_followed_at_once_and_changes_nothing_by_itself),
        cmocka_unit_test(hints_that_keep_coming_do_not_keep_a_probe_from_its_end),
        cmocka_unit_test(hints_have_a_limit),
        cmocka_unit_test(the_leader_of_the_highest_term_is_believed),
        cmocka_unit_test(what_is_foreign_or_contradicts_itself_is_dropped_and_not_answered),
        cmocka_unit_test(a_stranger_is_sent_no_more_than_it_sent),
        cmocka_unit_test(who_leaves_says_so_and_is_silent_then),
        cmocka_unit_test(the_dead_are_tried_for_ever_and_asked_for_all_they_know),
        cmocka_unit_test(the_hidden_dead_do_not_hold_up_the_listed),
        cmocka_unit_test(options_out_of_bounds_are_refused),
        cmocka_unit_test(memory_that_runs_out_anywhere_leaves_a_machine_to_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
