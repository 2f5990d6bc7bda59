/* test_engine_transport_misuse.c: transports that are wrong, late, full, or say what is not so. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "quorate/engine.h"
#include "runtime/memory.h"
#include "support/transport_pair.h"
#include "support/transport_script.h"
#include "wire/wire.h"

#define STREAM_BYTES (2 * QR_TRANSPORT_RECEIVED_BYTES_MAX)

static int setup(void **state)
{
    struct script *script = malloc(sizeof(*script));
    assert_non_null(script);
    script_init(script);
    *state = script;
    return 0;
}

static int teardown(void **state)
{
    struct script *script = *state;
    script_deinit(script);
    free(script);
    return 0;
}

static void a_table_that_lacks_something_is_refused(void **state)
{
    struct script *script = *state;
    const struct qr_transport whole = script->table;
    const struct qr_engine_options options = script_options(script, NULL);
    size_t begin = offsetof(struct qr_transport, listen);
    size_t function_bytes = sizeof(whole.listen);
    for (size_t at = begin; at < sizeof(whole); at += function_bytes) {
        script->table = whole;
        memset((char *)&script->table + at, 0, function_bytes);
        assert_int_equal(lone_engine_try_open(&script->lone, &options), QR_ERR_INVALID);
        assert_string_equal(script->lone.detail, "transport: a function is missing");
    }
    script->table = whole;
    script->table.size_bytes = sizeof(whole) - 1;
    assert_int_equal(lone_engine_try_open(&script->lone, &options), QR_ERR_INVALID);
    assert_string_equal(script->lone.detail,
                        "transport: size_bytes is that of no version known here");
    assert_int_equal(script->listen_count, 0);
}

static void without_a_secret_it_must_be_said_that_nobody_else_is_there(void **state)
{
    struct script *script = *state;
    struct qr_engine_options options = script_options(script, NULL);
    options.is_insecure = false;
    assert_int_equal(lone_engine_try_open(&script->lone, &options), QR_ERR_INVALID);
    assert_non_null(strstr(script->lone.detail, "is_insecure"));
    assert_int_equal(script->listen_count, 0);
}

static void why_it_cannot_listen_is_told(void **state)
{
    struct script *script = *state;
    const struct qr_engine_options options = script_options(script, NULL);
    script->listen_status = QR_ERR_LOCKED;
    script->listen_detail = "the pipe is in use";
    assert_int_equal(lone_engine_try_open(&script->lone, &options), QR_ERR_LOCKED);
    assert_string_equal(script->lone.detail, "the pipe is in use");
    script->listen_status = 17; /* no error of ours */
    script->listen_detail = NULL;
    assert_int_equal(lone_engine_try_open(&script->lone, &options), QR_ERR_ADDRESS);
    assert_non_null(strstr(script->lone.detail, "a:1"));
    assert_int_equal(script->stop_count, 0);
}

/* Whatever of the opening fails for want of memory, what listens is stopped, and knows no host. */
static void an_opening_that_fails_later_stops_what_listens(void **state)
{
    struct script *script = *state;
    const struct qr_engine_options options = script_options(script, NULL);
    int failed_behind = 0;
    int status = QR_ERR_NO_MEMORY;
    while (status != 0) {
        script->fail_at++;
        script->allocation_count = 0;
        script->listen_count = 0;
        script->stop_count = 0;
        status = lone_engine_try_open(&script->lone, &options);
        if (status != 0) {
            assert_int_equal(status, QR_ERR_NO_MEMORY);
            assert_int_equal(script->stop_count, script->listen_count);
            assert_int_equal(script->start_count, 0);
            assert_int_equal(script->block_count, 0);
            failed_behind += script->listen_count;
        }
    }
    script->fail_at = 0;
    assert_true(failed_behind > 3);
}

static void what_is_told_in_the_wrong_order_is_refused(void **state)
{
    struct script *script = *state;
    script_open(script, "x:1");
    WAIT_FOR_SCRIPT(script, script->dial_count > 0);
    const struct qr_transport_host *host = script->host;
    void *context = host->context;
    uint64_t dialed = script->dialed;
    uint64_t incoming = script_come(script, 300);
    assert_int_equal(script_tell(script, dialed, "x", 1), QR_ERR_INVALID);
    assert_int_equal(host->writable(context, dialed), QR_ERR_INVALID);
    assert_int_equal(host->connected(context, incoming), QR_ERR_INVALID);
    assert_int_equal(host->connected(context, dialed), 0);
    assert_int_equal(host->connected(context, dialed), QR_ERR_INVALID);
    assert_int_equal(host->writable(context, dialed), 0); /* that nobody waits for it is no harm */
    assert_int_equal(script_tell(script, incoming, NULL, 1), QR_ERR_INVALID);
    assert_int_equal(script_tell(script, incoming, "x", 0), QR_ERR_INVALID);
    assert_int_equal(script_tell(script, incoming, "x", QR_TRANSPORT_RECEIVED_BYTES_MAX + 1),
                     QR_ERR_INVALID);
    assert_int_equal(script_end(script, incoming, (enum qr_transport_end)3), QR_ERR_INVALID);
    assert_int_equal(host->accepted(context, script, "b:1", NULL), QR_ERR_INVALID);
    assert_int_equal(host->connected(NULL, dialed), QR_ERR_INVALID);
    assert_int_equal(script_tell(script, 1000000, "x", 1), QR_ERR_NOT_FOUND);
    host->stopped(context); /* nobody has asked: nothing */
    host->stopped(NULL);
    WAIT_FOR_SCRIPT(script, script->written_bytes > 0); /* the hello */
}

static void a_stream_ends_once_and_what_comes_later_is_for_nothing(void **state)
{
    struct script *script = *state;
    script_open(script, NULL);
    uint64_t connection = script_come(script, 0);
    assert_int_equal(script_end(script, connection, QR_TRANSPORT_CLOSED), 0);
    assert_int_equal(script_end(script, connection, QR_TRANSPORT_FAILED), QR_ERR_NOT_FOUND);
    assert_int_equal(script_tell(script, connection, "x", 1), QR_ERR_NOT_FOUND);
    assert_int_equal(script->close_count, 0); /* nothing is called from within those */
    WAIT_FOR_SCRIPT(script, script->close_count == 1);
    assert_int_equal(script_end(script, connection, QR_TRANSPORT_CLOSED), QR_ERR_NOT_FOUND);
    for (int i = 0; i < 5; i++) {
        script_turn(script);
    }
    assert_int_equal(script->closed[0], 1);
}

static void garbage_closes_the_stream_it_came_on(void **state)
{
    struct script *script = *state;
    static uint8_t garbage[QR_TRANSPORT_RECEIVED_BYTES_MAX];
    memset(garbage, 0xa5, sizeof(garbage));
    script_open(script, NULL);
    uint64_t connection = script_come(script, 0);
    uint64_t other = script_come(script, 1);
    assert_int_equal(script_tell(script, connection, garbage, sizeof(garbage)), 0);
    WAIT_FOR_SCRIPT(script, script->closed[0] == 1);
    assert_int_equal(script_tell(script, connection, garbage, 1), QR_ERR_NOT_FOUND);
    assert_int_equal(script->closed[1], 0);
    assert_int_equal(script_tell(script, other, garbage, 1), 0);
}

/* The hello of a node in no cluster, and SWIM messages that say nothing: it may send them. */
static size_t make_stream(uint8_t *out)
{
    static uint8_t nothing[WIRE_GOSSIP_BYTES_MAX];
    struct wire_message hello = {.type = WIRE_HELLO};
    hello.hello = (struct wire_hello){
        .version_min = WIRE_VERSION_MIN,
        .version_max = WIRE_VERSION_MAX,
        .from = 99,
        .name = "n9",
        .address = "b:1",
    };
    size_t used = frame_flatten(wire_encode(&runtime_allocator, &hello), out);
    while (STREAM_BYTES - used > sizeof(nothing) + 1024) {
        struct chunk *chunk = chunk_new(&runtime_allocator, sizeof(nothing));
        memset(chunk->data, 0, sizeof(nothing));
        struct wire_message message = {.type = WIRE_GOSSIP};
        message.gossip.data = (struct raft_data){chunk, chunk->data, sizeof(nothing)};
        used += frame_flatten(wire_encode(&runtime_allocator, &message), out + used);
        chunk_drop(chunk);
    }
    return used;
}

static void bytes_that_do_not_fit_are_asked_for_again(void **state)
{
    struct script *script = *state;
    uint8_t *stream = malloc(STREAM_BYTES);
    size_t size_bytes = make_stream(stream);
    script_open(script, NULL);
    WAIT_FOR_SCRIPT(script,
                    qr_is_leader(script->lone.engine)); /* it has a cluster to be asked about */
    uint64_t connection = script_come(script, 0);
    size_t at = 0;
    size_t refused = 0;
    assert_true(size_bytes > QR_TRANSPORT_RECEIVED_BYTES_MAX);
    while (at < size_bytes) {
        size_t piece = size_bytes - at < 999 ? size_bytes - at : 999;
        int status = script_tell(script, connection, stream + at, piece);
        if (status == 0) {
            at += piece;
            continue;
        }
        assert_int_equal(status, QR_ERR_BUSY);
        assert_true(refused > 0 || at + piece > QR_TRANSPORT_RECEIVED_BYTES_MAX);
        refused++;
        WAIT_FOR_SCRIPT(script, script->resume_count == (int)refused);
    }
    assert_true(refused > 0);
    for (int i = 0; i < 5; i++) {
        script_turn(script);
    }
    assert_int_equal(script->close_count, 0); /* every byte is there, in order */
    assert_true(script->written_bytes > 0);
    free(stream);
}

static void no_more_may_come_at_a_time_than_there_is_room_for(void **state)
{
    struct script *script = *state;
    uint64_t connection = 0;
    script_open(script, NULL);
    const struct qr_transport_host *host = script->host;
    for (size_t i = 0; i < QR_TRANSPORT_ACCEPTED_MAX; i++) {
        (void)script_come(script, i);
    }
    assert_int_equal(host->accepted(host->context, script, "b:1", &connection), QR_ERR_BUSY);
    for (size_t i = 0; i < QR_TRANSPORT_PACKETS_MAX; i++) {
        assert_int_equal(host->packet(host->context, "b:1", "packet", 6), 0);
    }
    assert_int_equal(host->packet(host->context, "b:1", "packet", 6), QR_ERR_BUSY);
    assert_int_equal(host->packet(host->context, NULL, "packet", 6), QR_ERR_INVALID);
    assert_int_equal(host->packet(host->context, "b:1", "", QR_TRANSPORT_PACKET_BYTES_MAX + 1),
                     QR_ERR_INVALID);
    WAIT_FOR_SCRIPT(script, host->packet(host->context, "b:1", "packet", 6) == 0);
    WAIT_FOR_SCRIPT(script,
                    host->accepted(host->context, &script->closed[400], NULL, &connection) == 0);
    script_stop(script); /* each is closed once, whether it was taken in or not */
    assert_int_equal(script->close_count, QR_TRANSPORT_ACCEPTED_MAX + 1);
    for (size_t i = 0; i < QR_TRANSPORT_ACCEPTED_MAX; i++) {
        assert_int_equal(script->closed[i], 1);
    }
}

static void one_that_takes_more_than_it_is_given_is_not_believed(void **state)
{
    struct script *script = *state;
    script->lies_bytes = 1;
    script_open(script, "x:1");
    WAIT_FOR_SCRIPT(script, script->dial_count > 0);
    assert_int_equal(script->host->connected(script->host->context, script->dialed), 0);
    WAIT_FOR_SCRIPT(script, script->written_bytes > 0);
    assert_int_equal(script->close_count, 1);
}

/* Nothing is written before it says that it takes more; one that never says so is given up while
 * the hello is not through, and keeps nobody from stopping.
 */
static void one_that_takes_no_more_is_left_alone(void **state)
{
    struct script *script = *state;
    script->is_short = true;
    script_open(script, "x:1");
    WAIT_FOR_SCRIPT(script, script->dial_count > 0);
    const struct qr_transport_host *host = script->host;
    uint64_t connection = script->dialed;
    assert_int_equal(host->connected(host->context, connection), 0);
    WAIT_FOR_SCRIPT(script, script->write_count > 0);
    for (int i = 0; i < 20; i++) {
        script_turn(script);
    }
    assert_int_equal(script->write_count, 1);
    assert_int_equal(host->writable(host->context, connection), 0);
    WAIT_FOR_SCRIPT(script, script->write_count > 1);
    WAIT_FOR_SCRIPT(script, script->close_count > 0);
    assert_int_equal(script->write_count, 2);
    assert_int_equal(host->writable(host->context, connection), QR_ERR_NOT_FOUND);
    WAIT_FOR_SCRIPT(script, script->dialed != connection);
    assert_int_equal(host->connected(host->context, script->dialed), 0);
    WAIT_FOR_SCRIPT(script, script->write_count == 3);
    script_stop(script);
    assert_int_equal(script->close_count, script->dial_count);
    assert_int_equal(script->write_count, 3);
}

static void what_cannot_be_dialed_is_dialed_again(void **state)
{
    struct script *script = *state;
    script_open(script, "x:1");
    WAIT_FOR_SCRIPT(script, script->dial_count > 0);
    script->dial_status = QR_ERR_IO; /* the next time, which may come at once */
    int dial_count = script->dial_count;
    assert_int_equal(script_end(script, script->dialed, QR_TRANSPORT_REFUSED), 0);
    WAIT_FOR_SCRIPT(script, script->close_count == 1);
    WAIT_FOR_SCRIPT(script, script->dial_count > dial_count + 1);
    assert_int_equal(script->close_count, 1); /* what was not begun is not closed */
}

static void the_engine_ends_when_its_transport_has(void **state)
{
    struct script *script = *state;
    uint64_t connection = 0;
    script_open(script, NULL);
    const struct qr_transport_host *host = script->host;
    script->keeps_stopping = true;
    qr_engine_stop(script->lone.engine);
    WAIT_FOR_SCRIPT(script, script->stop_count == 1);
    assert_int_equal(host->accepted(host->context, script, "b:1", &connection), QR_ERR_STOPPED);
    assert_int_equal(host->packet(host->context, "b:1", "packet", 6), QR_ERR_STOPPED);
    assert_int_equal(script_tell(script, 1, "x", 1), QR_ERR_STOPPED);
    for (int i = 0; i < 20; i++) {
        script_turn(script);
    }
    assert_int_equal(script->lone.stopped_count, 0);
    host->stopped(host->context);
    host->stopped(host->context); /* twice is once */
    WAIT_FOR_SCRIPT(script, script->lone.stopped_count == 1);
    qr_engine_free(script->lone.engine);
    script->lone.engine = NULL;
}

static void who_comes_at_the_very_end_is_closed_as_well(void **state)
{
    struct script *script = *state;
    script_open(script, NULL);
    (void)script_come(script, 0);
    for (int i = 0; i < 5; i++) {
        script_turn(script); /* until it is taken in */
    }
    script->comes_at_close = true;
    script_stop(script);
    assert_int_equal(script->closed[0], 1);
    assert_int_equal(script->closed[500], 1);
}

/* Each allocation of what a transport tells fails once: it is told so, and nothing else. */
static void where_memory_runs_out_it_is_told(void **state)
{
    struct script *script = *state;
    uint64_t connection = 0;
    script_open(script, NULL);
    const struct qr_transport_host *host = script->host;
    script->allocation_count = 0;
    script->fail_at = 1;
    assert_int_equal(host->accepted(host->context, script, "b:1", &connection), QR_ERR_NO_MEMORY);
    script->allocation_count = 0;
    assert_int_equal(host->packet(host->context, "b:1", "packet", 6), QR_ERR_NO_MEMORY);
    connection = script_come(script, 0);
    script->allocation_count = 0;
    assert_int_equal(script_tell(script, connection, "x", 1), QR_ERR_NO_MEMORY);
    assert_int_equal(script_tell(script, connection, "x", 1), QR_ERR_NOT_FOUND);
    WAIT_FOR_SCRIPT(script, script->closed[0] == 1);
    (void)script_come(script, 1);
    script->allocation_count = 0; /* the connection above it */
    WAIT_FOR_SCRIPT(script, script->closed[1] == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_table_that_lacks_something_is_refused),
        TEST(without_a_secret_it_must_be_said_that_nobody_else_is_there),
        TEST(why_it_cannot_listen_is_told),
        TEST(an_opening_that_fails_later_stops_what_listens),
        TEST(what_is_told_in_the_wrong_order_is_refused),
        TEST(a_stream_ends_once_and_what_comes_later_is_for_nothing),
        TEST(garbage_closes_the_stream_it_came_on),
        TEST(bytes_that_do_not_fit_are_asked_for_again),
        TEST(no_more_may_come_at_a_time_than_there_is_room_for),
        TEST(one_that_takes_more_than_it_is_given_is_not_believed),
        TEST(one_that_takes_no_more_is_left_alone),
        TEST(what_cannot_be_dialed_is_dialed_again),
        TEST(the_engine_ends_when_its_transport_has),
        TEST(who_comes_at_the_very_end_is_closed_as_well),
        TEST(where_memory_runs_out_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
