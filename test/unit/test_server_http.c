/* test_server_http.c: pages, and requests that are none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "support/server_fixture.h"
#include "support/unit.h"

/* Send one request on a connection of its own that ends behind it; the whole answer. */
static void exchange(struct server_fixture *fixture, const char *request, char *out,
                     size_t out_bytes)
{
    int client = fixture_connect_http(fixture);

    fixture_send(fixture, client, request);
    size_t count = fixture_receive_all(fixture, client, out, out_bytes);
    assert_true(count < out_bytes);
    close(client);
}

static void get(struct server_fixture *fixture, const char *path, char *out, size_t out_bytes)
{
    char request[2048];
    struct text text = text_of(request, sizeof(request));

    text_string(&text, "GET ");
    text_string(&text, path);
    text_string(&text, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_false(text.truncated);
    exchange(fixture, request, out, out_bytes);
}

/* The body of an answer, whose Content-Length must be right. */
static const char *body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    const char *length = strstr(answer, "Content-Length: ");

    assert_non_null(body);
    assert_non_null(length);
    body += 4;
    assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body));
    return body;
}

struct page_case {
    const char *name;
    const char *request;
    const char *status_line;
    const char *contains;
};

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static const struct page_case page_cases[] = {
    {"healthz", "GET /healthz HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"},
    {"readyz", "GET /readyz HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"},
    {"root", "GET / HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 OK\r\n", "href=\"/status\""},
    {"a query", "GET /healthz?x=1 HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 OK\r\n", "ok\n"},
    {"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "Connection: close"},
    {"no such page", "GET /x HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404 Not Found\r\n", "no such page"},
    {"post", "POST /status HTTP/1.1\r\n" CLOSE, "HTTP/1.1 405 Method Not Allowed\r\n",
     "Allow: GET, HEAD\r\n"},
    {"a body", "GET /status HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 413 Payload Too Large\r\n", "Connection: close"},
    {"a chunked body", "GET /status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 413 Payload Too Large\r\n", "Connection: close"},
    {"garbage", "\x01\x02\x03\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close"},
    {"a Redis command", "*1\r\n$4\r\nPING\r\n", "HTTP/1.1 400 Bad Request\r\n", ""},
    {"two lengths", "GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
     "HTTP/1.1 400 Bad Request\r\n", ""},
    {"a wrong version", "GET / HTTP/x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", ""},
    {"an upgrade", "GET /healthz HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
     "HTTP/1.1 200 OK\r\n", "Connection: close"},
};

static void every_request_gets_its_answer(void **state)
{
    struct server_fixture fixture;
    char answer[8192];

    (void)state;
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < COUNT_OF(page_cases); i++) {
        const struct page_case *c = &page_cases[i];
        print_message("%s\n", c->name);
        exchange(&fixture, c->request, answer, sizeof(answer));
        assert_memory_equal(answer, c->status_line, strlen(c->status_line));
        assert_non_null(strstr(answer, c->contains));
        body_of(answer);
    }
    fixture_deinit(&fixture);
}

static void requests_may_come_in_pieces_and_in_a_row(void **state)
{
    struct server_fixture fixture;
    char answer[4096];
    static const char requests[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect_http(&fixture);
    for (size_t i = 0; i < sizeof(requests) - 1; i++) {
        fixture_send_bytes(&fixture, client, &requests[i], 1);
        if (i % 16 == 0) {
            fixture_turn(&fixture);
        }
    }
    fixture_receive_until(&fixture, client, "there is no such page\n", answer, sizeof(answer));
    const char *second = strstr(answer + 1, "HTTP/1.1 200 OK");
    assert_non_null(second);
    assert_non_null(strstr(second, "Content-Length: 3\r\n"));
    assert_non_null(strstr(second, "\r\n\r\nHTTP/1.1 404 Not Found"));
    close(client);
    fixture_deinit(&fixture);
}

static void long_headers_and_addresses_are_refused(void **state)
{
    struct server_fixture fixture;
    char request[16384];
    char answer[4096];
    struct text text = text_of(request, sizeof(request));

    (void)state;
    fixture_init(&fixture, NULL);
    text_string(&text, "GET /healthz HTTP/1.1\r\n");
    while (text.length < 9000) {
        text_string(&text, "X-Header: 0123456789012345678901234567890123456789\r\n");
    }
    text_string(&text, "\r\n");
    exchange(&fixture, request, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 431 ", 13);

    text = text_of(request, sizeof(request));
    text_string(&text, "GET /");
    while (text.length < 1100) {
        text_string(&text, "0123456789");
    }
    text_string(&text, " HTTP/1.1\r\n\r\n");
    exchange(&fixture, request, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 414 ", 13);
    fixture_deinit(&fixture);
}

static const char promised_status[] =
    "{\"node\":{\"name\":\"n1\",\"id\":\"0000000000000001\",\"role\":\"leader\","
    "\"version\":\"" QR_VERSION_TEXT "\"},"
    "\"cluster\":{\"id\":\"00000000000000c100000000000000c2\",\"name\":\"\"},"
    "\"term\":7,\"leader\":\"n1\",\"leader_by_gossip\":false,\"leader_term\":7,"
    "\"first_index\":1,\"last_index\":120,\"commit_index\":119,"
    "\"applied_index\":118,\"snapshot_index\":17,\"digest\":\"0000000000000000\","
    "\"age_ms\":null,\"disk_full\":true,\"durable_index\":0,\"leader_heard_ms\":null,"
    "\"quorum_lost_ms\":77,\"stalled\":false,"
    "\"diverged\":false,\"rebuilding\":false,\"diverged_index\":0,"
    "\"diverged_digest\":\"0000000000000000\",\"agreed_digest\":\"0000000000000000\","
    "\"undecided_index\":0,\"saving_ms\":0,\"applying_ms\":0,"
    "\"sync_median_us\":0,\"sync_99_us\":0,\"proposals\":0,\"proposals_max\":0,"
    "\"uncommitted_bytes\":0,\"uncommitted_bytes_max\":0,\"log_size_bytes\":0,"
    "\"max_log_entries\":0,\"election_timeout_max_ms\":0,\"receiving\":false,"
    "\"received_bytes\":0,\"receive_bytes\":0,\"change_pending\":false,\"joint\":false,"
    "\"joins\":0,\"changes\":0,\"transfer_to\":\"\",\"joining\":true,"
    "\"join_error\":\"a:1: no\",\"swim\":{\"on\":true,\"joined\":false,\"leaving\":false,"
    "\"incarnation\":11,\"members_digest\":\"0000000000000000\",\"local_health\":0,"
    "\"live\":3,\"suspect\":0,\"dead\":0,\"left\":0,\"queued\":0,\"leader_term\":0,"
    "\"unlisted\":0},\"members\":["
    "{\"name\":\"n1\",\"id\":\"0000000000000001\",\"address\":\"127.0.0.1:7700\","
    "\"kind\":\"voter\",\"health\":\"alive\",\"match_index\":0,"
    "\"health_ms\":0,\"heard\":false,\"connected\":false,\"incarnation\":0,"
    "\"client\":\"127.0.0.1:7701\",\"http\":\"127.0.0.1:7702\",\"wants_vote\":false,"
    "\"diverged\":false,\"diverged_index\":0,\"outgoing\":false,\"priority\":0,\"progress\":\"\","
    "\"heard_ms\":0,"
    "\"inflight_bytes\":0,\"snapshot_sent_bytes\":0,\"snapshot_size_bytes\":0,"
    "\"snapshot_error\":\"\",\"vote\":\"\",\"vote_granted\":false,\"vote_ms\":0},"
    "{\"name\":\"n\\\"2\",\"id\":\"ffffffffffffffff\",\"address\":\"127.0.0.1:7700\","
    "\"kind\":\"learner\",\"health\":\"suspect\",\"match_index\":1152921504606846976,"
    "\"health_ms\":4000,\"heard\":true,\"connected\":true,\"incarnation\":12,"
    "\"client\":\"\",\"http\":\"\",\"wants_vote\":true,\"diverged\":false,"
    "\"diverged_index\":0,\"outgoing\":false,\"priority\":0,"
    "\"progress\":\"snapshot\",\"heard_ms\":null,\"inflight_bytes\":0,"
    "\"snapshot_sent_bytes\":5,\"snapshot_size_bytes\":9,"
    "\"snapshot_error\":\"a limit is reached\",\"vote\":\"no\",\"vote_granted\":false,"
    "\"vote_ms\":0},"
    "{\"name\":\"o3\",\"id\":\"0000000000000003\",\"address\":\"127.0.0.1:7700\","
    "\"kind\":\"observer\",\"health\":\"alive\",\"match_index\":0,"
    "\"health_ms\":0,\"heard\":false,\"connected\":false,\"incarnation\":0,"
    "\"client\":\"[::1]:7721\",\"http\":\"\",\"wants_vote\":false,"
    "\"diverged\":false,\"diverged_index\":0,\"outgoing\":false,\"priority\":0,\"progress\":\"\","
    "\"heard_ms\":0,"
    "\"inflight_bytes\":0,\"snapshot_sent_bytes\":0,\"snapshot_size_bytes\":0,"
    "\"snapshot_error\":\"\",\"vote\":\"\",\"vote_granted\":false,\"vote_ms\":0}]}\n";

static void status_is_the_promised_json(void **state)
{
    struct server_fixture fixture;
    char answer[16384];

    (void)state;
    fixture_init(&fixture, NULL);
    fake_engine_add_member(&fixture.engine, UINT64_MAX, "n\"2", "");
    struct qr_status *status = &fixture.engine.status;
    status->members[1].is_voter = false;
    status->members[1].health = QR_SUSPECT;
    status->members[1].match_index = UINT64_C(1) << 60;
    status->first_index = 1;
    status->last_index = 120;
    status->commit_index = 119;
    status->applied_index = 118;
    status->snapshot_index = 17;
    status->is_disk_full = true;
    status->age_ms = QR_AGE_UNKNOWN;
    status->leader_heard_ms = QR_AGE_UNKNOWN;
    status->quorum_lost_ms = 77;
    status->is_joining = true;
    status->join_error = QR_ERR_FOREIGN;
    memcpy(status->join_reason, "a:1: no", sizeof("a:1: no"));
    status->members[1].wants_vote = true;
    status->members[1].progress = QR_PROGRESS_SNAPSHOT;
    status->members[1].heard_ms = QR_AGE_UNKNOWN;
    status->members[1].snapshot_sent_bytes = 5;
    status->members[1].snapshot_size_bytes = 9;
    status->members[1].snapshot_error = QR_ERR_BUSY;
    status->members[1].vote = "no";
    status->members[1].is_heard = true;
    status->members[1].is_connected = true;
    status->members[1].health_ms = 4000;
    status->members[1].incarnation = 12;
    fake_engine_add_member(&fixture.engine, 3, "o3", "");
    status->members[2].is_observer = true;
    memcpy(status->members[2].client_address, "[::1]:7721", 11);
    status->leader_term = 7;
    status->swim = (struct qr_swim_status){.is_on = true, .incarnation = 11, .live_count = 3};
    get(&fixture, "/status", answer, sizeof(answer));
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_string_equal(body_of(answer), promised_status);
    fixture_deinit(&fixture);
}

static void the_digest_follows_the_store(void **state)
{
    struct server_fixture fixture;
    char before[16384];
    char after[16384];

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "SET k v", "+OK\r\n");
    get(&fixture, "/status", before, sizeof(before));
    assert_null(strstr(before, "\"digest\":\"0000000000000000\""));
    fixture_ask(&fixture, client, "DEL k", ":1\r\n");
    get(&fixture, "/status", after, sizeof(after));
    assert_non_null(strstr(after, "\"digest\":\"0000000000000000\""));
    close(client);
    fixture_deinit(&fixture);
}

static void readiness_tells_what_is_missing(void **state)
{
    struct server_fixture fixture;
    char answer[4096];

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.status.has_leader = false;
    get(&fixture, "/readyz", answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 503 Service Unavailable\r\n", 34);
    assert_string_equal(body_of(answer), "no leader is known\n");
    fixture.engine.status.is_disk_full = true;
    get(&fixture, "/readyz", answer, sizeof(answer));
    assert_string_equal(body_of(answer), "the disk is full\n");
    fixture.engine.status.is_stopped = true;
    get(&fixture, "/readyz", answer, sizeof(answer));
    assert_string_equal(body_of(answer), "the node has stopped\n");
    get(&fixture, "/healthz", answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
    fixture_deinit(&fixture);
}

/* Every line of the format is a comment or a name and a number, with its HELP and TYPE. */
static void metrics_are_prometheus_text(void **state)
{
    struct server_fixture fixture;
    static char answer[65536];
    size_t sample_count = 0;

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.counters.elections_started = 42;
    fixture.engine.counters.log_size_bytes = 43;
    fixture.engine.counters.sync_time_ns = UINT64_C(44000056000);
    get(&fixture, "/metrics", answer, sizeof(answer));
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    const char *body = body_of(answer);
    assert_non_null(strstr(body, "# TYPE quorate_elections_started_total counter\n"
                                 "quorate_elections_started_total 42\n"));
    assert_non_null(strstr(body, "# TYPE quorate_is_leader gauge\nquorate_is_leader 1\n"));
    assert_non_null(
        strstr(body, "# TYPE quorate_log_size_bytes gauge\nquorate_log_size_bytes 43\n"));
    assert_non_null(strstr(body, "# TYPE quorate_sync_seconds_total counter\n"
                                 "quorate_sync_seconds_total 44.000056\n"));
    for (const char *line = body; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (line[0] == '#') {
            assert_true(memcmp(line, "# HELP quorate_", 15) == 0 ||
                        memcmp(line, "# TYPE quorate_", 15) == 0);
            continue;
        }
        size_t name_bytes = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
        assert_memory_equal(line, "quorate_", 8);
        assert_true(line[name_bytes] == ' ');
        size_t digits = strspn(line + name_bytes + 1, "0123456789.");
        assert_true(digits > 0);
        assert_true(line[name_bytes + 1 + digits] == '\n');
        sample_count++;
    }
    assert_true(sample_count > 30);
    fixture_deinit(&fixture);
}

static void connections_are_limited_and_do_not_stay_idle(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char answer[64];

    (void)state;
    options.http_clients_max = 1;
    options.http_idle_timeout_ms = 100;
    fixture_init(&fixture, &options);
    int first = fixture_connect_http(&fixture);
    int second = fixture_connect_http(&fixture);
    assert_int_equal(fixture_receive_all(&fixture, second, answer, sizeof(answer)), 0);
    assert_int_equal(fixture_receive_all(&fixture, first, answer, sizeof(answer)), 0);
    int third = fixture_connect_http(&fixture);
    fixture_send(&fixture, third, "GET /healthz HTTP/1.1\r\n\r\n");
    fixture_expect(&fixture, third, "HTTP/1.1 200 OK\r\n");
    close(first);
    close(second);
    close(third);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_gets_its_answer),
        cmocka_unit_test(requests_may_come_in_pieces_and_in_a_row),
        cmocka_unit_test(long_headers_and_addresses_are_refused),
        cmocka_unit_test(status_is_the_promised_json),
        cmocka_unit_test(the_digest_follows_the_store),
        cmocka_unit_test(readiness_tells_what_is_missing),
        cmocka_unit_test(metrics_are_prometheus_text),
        cmocka_unit_test(connections_are_limited_and_do_not_stay_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
