/* test_server_events.c: /events: who listens, what is heard, and who does not keep up. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quorate/membership.h"
#include "support/server_fixture.h"
#include "support/unit.h"

#define REQUEST "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER_BYTES 65536
#define LISTENERS_MAX 64

static struct qr_membership_event event_of(enum qr_membership_type type, const char *name)
{
    return (struct qr_membership_event){
        .size_bytes = sizeof(struct qr_membership_event),
        .type = type,
        .node_id = 2,
        .name = name,
        .address = "127.0.0.1:7710",
        .client_address = "127.0.0.1:7711",
        .http_address = "",
        .reason = "its probes were not \"answered\"",
        .source_id = 3,
        .time_ms = 1700000000123,
    };
}

/* A listener that has been told the state. */
static int listen_to(struct server_fixture *fixture, char *answer)
{
    int client = fixture_connect_http(fixture);

    fixture_send(fixture, client, REQUEST);
    fixture_receive_until(fixture, client, "event: state\ndata: ", answer, ANSWER_BYTES);
    while (strstr(strstr(answer, "event: state"), "\n\n") == NULL) {
        size_t length = strlen(answer);
        fixture_receive_until(fixture, client, "\n\n", answer + length, ANSWER_BYTES - length);
    }
    return client;
}

static void a_listener_is_told_the_state_and_then_what_happens(void **state)
{
    struct server_fixture fixture;
    char answer[ANSWER_BYTES];

    (void)state;
    fixture_init(&fixture, NULL);
    fake_engine_add_member(&fixture.engine, 2, "n2", "");
    fixture.engine.status.members[1].health = QR_SUSPECT;
    fixture.engine.status.leader_term = 7;
    fixture.engine.status.time_ms = 1700000000000;
    int client = listen_to(&fixture, answer);
    assert_memory_equal(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", 50);
    assert_string_equal(
        strstr(answer, "event: "),
        "event: state\ndata: {\"type\":\"state\",\"node\":\"n1\",\"id\":\"0000000000000001\","
        "\"leader\":\"n1\",\"term\":7,\"time_ms\":1700000000000,\"members\":["
        "{\"name\":\"n1\",\"id\":\"0000000000000001\",\"address\":\"127.0.0.1:7700\","
        "\"kind\":\"voter\",\"health\":\"alive\",\"client\":\"127.0.0.1:7701\","
        "\"http\":\"127.0.0.1:7702\"},"
        "{\"name\":\"n2\",\"id\":\"0000000000000002\",\"address\":\"127.0.0.1:7700\","
        "\"kind\":\"voter\",\"health\":\"suspect\",\"client\":\"\",\"http\":\"\"}]}\n\n");
    struct qr_membership_event dead = event_of(QR_MEMBER_DEAD, "n2");
    struct qr_membership_event leader = event_of(QR_LEADER_CHANGED, "n3");
    leader.term = 8;
    leader.reason = "";
    leader.is_self = true;
    fake_engine_tell(&fixture.engine, &dead);
    fake_engine_tell(&fixture.engine, &leader);
    fixture_expect(&fixture, client,
                   "event: dead\ndata: {\"type\":\"dead\",\"name\":\"n2\","
                   "\"id\":\"0000000000000002\",\"address\":\"127.0.0.1:7710\","
                   "\"client\":\"127.0.0.1:7711\",\"http\":\"\","
                   "\"reason\":\"its probes were not \\\"answered\\\"\","
                   "\"source\":\"0000000000000003\",\"term\":0,\"time_ms\":1700000000123,"
                   "\"self\":false}\n\n"
                   "event: leader_changed\ndata: {\"type\":\"leader_changed\",\"name\":\"n3\","
                   "\"id\":\"0000000000000002\",\"address\":\"127.0.0.1:7710\","
                   "\"client\":\"127.0.0.1:7711\",\"http\":\"\",\"reason\":\"\","
                   "\"source\":\"0000000000000003\",\"term\":8,\"time_ms\":1700000000123,"
                   "\"self\":true}\n\n");
    close(client);
    fixture_deinit(&fixture);
}

static void wait_until_nobody_listens(struct server_fixture *fixture)
{
    for (int i = 0; i < 1000 && fixture->engine.listener != NULL; i++) {
        fixture_turn(fixture);
        usleep(1000);
    }
    assert_null(fixture->engine.listener);
}

static void all_listeners_share_a_handler_that_goes_with_the_last(void **state)
{
    struct server_fixture fixture;
    char answer[ANSWER_BYTES];

    (void)state;
    fixture_init(&fixture, NULL);
    int first = listen_to(&fixture, answer);
    int second = listen_to(&fixture, answer);
    assert_int_equal(fixture.engine.listener_count, 1);
    close(first);
    fixture_turn(&fixture);
    struct qr_membership_event joined = event_of(QR_MEMBER_JOINED, "n2");
    fake_engine_tell(&fixture.engine, &joined);
    fixture_receive_until(&fixture, second, "event: joined", answer, sizeof(answer));
    close(second);
    wait_until_nobody_listens(&fixture);
    int third = listen_to(&fixture, answer);
    assert_int_equal(fixture.engine.listener_count, 2);
    close(third);
    fixture_deinit(&fixture);
}

static void who_does_not_take_its_events_is_dropped_and_the_others_hear_on(void **state)
{
    struct server_fixture fixture;
    char answer[ANSWER_BYTES];

    (void)state;
    fixture_init(&fixture, NULL);
    size_t dropped = fake_log_count("events_listener_dropped");
    int slow = listen_to(&fixture, answer);
    int quick = listen_to(&fixture, answer);
    struct qr_membership_event event = event_of(QR_MEMBER_UPDATED, "n2");
    /* Whatever the kernel takes for a socket that nobody reads, it is less than this. */
    for (int i = 0; i < 100000 && fake_log_count("events_listener_dropped") == dropped; i++) {
        fake_engine_tell(&fixture.engine, &event);
        if (i % 64 == 63) {
            fixture_receive_until(&fixture, quick, "event: updated", answer, sizeof(answer));
        }
    }
    assert_int_equal(fake_log_count("events_listener_dropped"), dropped + 1);
    struct qr_membership_event left = event_of(QR_MEMBER_LEFT, "n4");
    fake_engine_tell(&fixture.engine, &left);
    answer[0] = '\0';
    while (strstr(answer, "event: left") == NULL) { /* behind what it was told before */
        ssize_t count = read(quick, answer, sizeof(answer) - 1);
        answer[count > 0 ? count : 0] = '\0';
        fixture_turn(&fixture);
    }
    /* The slow one finds its connection cut behind what it was sent, without the last event. */
    size_t count = fixture_receive_all(&fixture, slow, answer, sizeof(answer));
    assert_true(count > 0);
    close(slow);
    close(quick);
    fixture_deinit(&fixture);
}

static void there_is_room_for_so_many_listeners_and_the_next_is_told(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char answer[ANSWER_BYTES];
    int clients[LISTENERS_MAX];

    (void)state;
    options.http_clients_max = 2 * LISTENERS_MAX;
    fixture_init(&fixture, &options);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        clients[i] = listen_to(&fixture, answer);
    }
    int last = fixture_connect_http(&fixture);
    fixture_send(&fixture, last, REQUEST);
    fixture_receive_until(&fixture, last, "too many listen already\n", answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    close(clients[0]);
    for (int i = 0; i < 10; i++) {
        fixture_turn(&fixture);
    }
    clients[0] = listen_to(&fixture, answer);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        close(clients[i]);
    }
    close(last);
    fixture_deinit(&fixture);
}

static void a_listener_in_silence_is_sent_a_comment(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char answer[ANSWER_BYTES];

    (void)state;
    options.events_heartbeat_ms = 1000;
    options.http_idle_timeout_ms = 1; /* which is for requests */
    fixture_init(&fixture, &options);
    int client = listen_to(&fixture, answer);
    fixture_receive_until(&fixture, client, ": alive\n\n", answer, sizeof(answer));
    fixture_receive_until(&fixture, client, ": alive\n\n", answer, sizeof(answer));
    close(client);
    fixture_deinit(&fixture);
}

static void a_stopped_engine_has_no_events(void **state)
{
    struct server_fixture fixture;
    char answer[ANSWER_BYTES];

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.refusal = QR_ERR_STOPPED;
    int client = fixture_connect_http(&fixture);
    fixture_send(&fixture, client, REQUEST);
    fixture_receive_until(&fixture, client, "the node has stopped\n", answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    close(client);
    fixture_deinit(&fixture);
}

static void a_head_is_answered_and_what_follows_a_listener_is_no_request(void **state)
{
    struct server_fixture fixture;
    char answer[ANSWER_BYTES];

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect_http(&fixture);
    fixture_send(&fixture, client, "HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_receive_until(&fixture, client, "\r\n\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "Content-Type: text/event-stream\r\n"));
    assert_null(fixture.engine.listener);
    fixture_send(&fixture, client, REQUEST "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_receive_until(&fixture, client, "event: state", answer, sizeof(answer));
    fixture_send(&fixture, client, "garbage\r\n\r\n");
    fixture_turn(&fixture);
    assert_non_null(fixture.engine.listener);
    struct qr_membership_event joined = event_of(QR_MEMBER_JOINED, "n2");
    fake_engine_tell(&fixture.engine, &joined);
    fixture_receive_until(&fixture, client, "event: joined", answer, sizeof(answer));
    assert_null(strstr(answer, "ok\n"));
    assert_null(strstr(answer, "400"));
    close(client);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_is_told_the_state_and_then_what_happens),
        cmocka_unit_test(all_listeners_share_a_handler_that_goes_with_the_last),
        cmocka_unit_test(who_does_not_take_its_events_is_dropped_and_the_others_hear_on),
        cmocka_unit_test(there_is_room_for_so_many_listeners_and_the_next_is_told),
        cmocka_unit_test(a_listener_in_silence_is_sent_a_comment),
        cmocka_unit_test(a_stopped_engine_has_no_events),
        cmocka_unit_test(a_head_is_answered_and_what_follows_a_listener_is_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
