/* test_wire_packet.c: SWIM messages as bytes, text and JSON, and bytes that are none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/prng.h"
#include "quorate/error.h"
#include "wire/packet.h"

#define BYTES_MAX SWIM_PIECE_BYTES_MAX

static const uint8_t types[] = {
#define X(id, value, member, text, fields) id,
    SWIM_MESSAGE_MAP(X)
#undef X
};

static uint8_t profile_bytes[SWIM_PROFILE_BYTES_MAX];

static struct swim_blob sample_profile(void)
{
    struct swim_profile profile = {
        .started = 7,
        .roles = SWIM_ROLE_VOTER,
        .version_min = 1,
        .version_max = 2,
        .meta_bytes = 2,
        .name = "n1",
        .peer = "h1:7700",
        .client = "h1:7701",
        .meta = {'x', 0},
    };
    size_t bytes = swim_profile_encode(&profile, profile_bytes);
    return (struct swim_blob){.bytes = profile_bytes, .size_bytes = (uint16_t)bytes};
}

static size_t sample_updates(struct swim_update updates[4])
{
    updates[0] = (struct swim_update){.state = SWIM_ALIVE, .id = 1, .incarnation = 7};
    updates[0].profile = sample_profile();
    updates[1] = (struct swim_update){SWIM_SUSPECT, SWIM_REASON_UNANSWERED, 2, 8, 3, {NULL, 0}};
    updates[2] = (struct swim_update){SWIM_DEAD, SWIM_REASON_UNANSWERED, 3, 9, 1, {NULL, 0}};
    updates[3] = (struct swim_update){SWIM_LEFT, SWIM_REASON_SHUTDOWN, 4, 1, 0, {NULL, 0}};
    return 4;
}

static struct swim_message sample(uint8_t type, const struct swim_update *updates, size_t count)
{
    struct swim_message message = {
        .type = (enum swim_message_type)type,
        .cluster = {1, 2},
        .from = 1,
        .has_to = true,
        .to = 2,
        .held_state = SWIM_SUSPECT,
        .held_incarnation = 4,
        .incarnation = 7,
        .digest = 99,
        .leader_term = 3,
        .leader = 1,
        .local_health = 2,
        .updates = updates,
        .update_count = count,
    };
    message.ping.sequence = 17;
    if (type == SWIM_PING_REQ) {
        message.ping_req.target = 3;
    } else if (type == SWIM_NACK) {
        message.nack.subject = 3;
    } else if (type == SWIM_PUSH_PULL || type == SWIM_PUSH_PULL_RESPONSE) {
        message.push_pull.is_last = true;
    }
    return message;
}

static void every_message_comes_back_as_it_was(void **state)
{
    static uint8_t bytes[BYTES_MAX];
    static uint8_t again[BYTES_MAX];
    struct swim_update updates[4], decoded[4];
    (void)state;
    size_t count = sample_updates(updates);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        for (size_t some = 0; some <= count; some += count) {
            struct swim_message message = sample(types[i], updates, some);
            struct swim_message out;
            size_t size_bytes = wire_packet_encode(&message, bytes, sizeof(bytes));
            assert_int_equal(size_bytes, wire_packet_bytes(&message));
            assert_true(some > 0 || size_bytes <= SWIM_HEAD_BYTES_MAX);
            assert_int_equal(wire_packet_decode(bytes, size_bytes, decoded, 4, &out), 0);
            assert_int_equal(out.type, types[i]);
            assert_int_equal(out.update_count, some);
            assert_int_equal(wire_packet_encode(&out, again, sizeof(again)), size_bytes);
            assert_memory_equal(bytes, again, size_bytes);
            assert_int_equal(wire_packet_encode(&message, bytes, size_bytes - 1), 0);
        }
    }
}

static void an_ack_is_no_longer_than_a_ping(void **state)
{
    struct swim_message ping = sample(SWIM_PING, NULL, 0);
    struct swim_message ack = sample(SWIM_ACK, NULL, 0);
    (void)state;
    assert_int_equal(wire_packet_bytes(&ack), wire_packet_bytes(&ping));
}

static void put_checksum(uint8_t *bytes, size_t size_bytes)
{
    store_u32(bytes + 4, crc32c(crc32c(0, bytes, 4), bytes + 8, size_bytes - 8));
}

static void any_flipped_bit_and_any_cut_is_refused(void **state)
{
    static uint8_t bytes[BYTES_MAX];
    struct swim_update updates[4], decoded[4];
    struct swim_message out;
    (void)state;
    size_t count = sample_updates(updates);
    struct swim_message message = sample(SWIM_PING_REQ, updates, count);
    size_t size_bytes = wire_packet_encode(&message, bytes, sizeof(bytes));
    for (size_t bit = 0; bit < size_bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_true(wire_packet_decode(bytes, size_bytes, decoded, 4, &out) != 0);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t cut = 0; cut < size_bytes; cut++) {
        uint8_t part[BYTES_MAX];
        memcpy(part, bytes, cut);
        if (cut > 8) {
            put_checksum(part, cut); /* its lengths alone must tell */
        }
        assert_int_equal(wire_packet_decode(part, cut, decoded, 4, &out), QR_ERR_MALFORMED);
    }
    bytes[size_bytes] = 0;
    put_checksum(bytes, size_bytes + 1);
    assert_int_equal(wire_packet_decode(bytes, size_bytes + 1, decoded, 4, &out), QR_ERR_MALFORMED);
    put_checksum(bytes, size_bytes);
    assert_int_equal(wire_packet_decode(bytes, size_bytes, decoded, 3, &out), QR_ERR_MALFORMED);
    assert_int_equal(wire_packet_decode(bytes, size_bytes, decoded, 4, &out), 0);
}

/* A byte of an otherwise good packet, under a good checksum. */
struct bad_case {
    const char *what;
    size_t at;
    uint8_t value;
    int status;
};

static const struct bad_case bad_cases[] = {
    {"first letter", 0, 'q', QR_ERR_MALFORMED},
    {"second letter", 1, 's', QR_ERR_MALFORMED},
    {"a later version", 2, 2, QR_ERR_VERSION},
    {"no version", 2, 0, QR_ERR_VERSION},
    {"a type below", 3, 63, QR_ERR_MALFORMED},
    {"a type above", 3, 71, QR_ERR_MALFORMED},
    {"has_to", 8 + 24, 2, QR_ERR_MALFORMED},
    {"held_state", 8 + 33, 4, QR_ERR_MALFORMED},
    {"held_incarnation", 8 + 41, 0x40, QR_ERR_MALFORMED},
    {"incarnation", 8 + 49, 0x40, QR_ERR_MALFORMED},
    {"local_health", 8 + 74, 9, QR_ERR_MALFORMED},
    {"count", 8 + 79, 5, QR_ERR_MALFORMED},
    {"update's state", 8 + 81, 4, QR_ERR_MALFORMED},
    {"suspect with a profile", 8 + 81, SWIM_SUSPECT, QR_ERR_MALFORMED},
    {"alive for a reason", 8 + 82, SWIM_REASON_SHUTDOWN, QR_ERR_MALFORMED},
    {"update's reason", 8 + 82, 6, QR_ERR_MALFORMED},
    {"alive with an accuser", 8 + 99, 1, QR_ERR_MALFORMED},
    {"profile's length", 8 + 107, 0, QR_ERR_MALFORMED},
    {"profile's format", 8 + 109, 2, QR_ERR_MALFORMED},
    {"profile's name", 8 + 119, 'N', QR_ERR_MALFORMED},
    {"profile's address", 8 + 122, 7, QR_ERR_MALFORMED},
};

static void each_field_is_checked(void **state)
{
    static uint8_t bytes[BYTES_MAX];
    struct swim_update updates[4], decoded[4];
    struct swim_message out;
    (void)state;
    (void)sample_updates(updates);
    struct swim_message message = sample(SWIM_PING, updates, 1);
    size_t size_bytes = wire_packet_encode(&message, bytes, sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(bad_cases); i++) {
        uint8_t before = bytes[bad_cases[i].at];
        bytes[bad_cases[i].at] = bad_cases[i].value;
        assert_int_not_equal(before, bad_cases[i].value);
        put_checksum(bytes, size_bytes);
        assert_int_equal(wire_packet_decode(bytes, size_bytes, decoded, 4, &out),
                         bad_cases[i].status);
        bytes[bad_cases[i].at] = before;
    }
    put_checksum(bytes, size_bytes);
    assert_int_equal(wire_packet_decode(bytes, size_bytes, decoded, 4, &out), 0);
}

static void text_and_json_are_as_written(void **state)
{
    static char bytes[8192];
    struct swim_update updates[4];
    (void)state;
    size_t count = sample_updates(updates);
    struct swim_message message = sample(SWIM_PING_REQ, updates, count);
    struct text text = text_of(bytes, sizeof(bytes));
    wire_packet_text(&message, &text);
    assert_string_equal(
        bytes,
        "ping_req 1->2 held_state=suspect held_incarnation=4 incarnation=7 leader_term=3 leader=1 "
        "local_health=2 sequence=17 target=3 "
        "[alive 1@7 n1@h1:7700 started=7 roles=1 versions=1-2 health=0 client=\"h1:7701\" "
        "http=\"\" meta=\"x\\u0000\", "
        "suspect 2@8 reason=\"its probes were not answered\" accuser=3, "
        "dead 3@9 reason=\"its probes were not answered\" accuser=1, "
        "left 4@1 reason=\"it was shut down\"]");
    message = sample(SWIM_GOSSIP, updates, 1);
    text = text_of(bytes, sizeof(bytes));
    wire_packet_json(&message, &text);
    assert_string_equal(
        bytes, "{\"type\":\"gossip\",\"cluster\":\"00000000000000010000000000000002\","
               "\"from\":\"0000000000000001\",\"has_to\":true,\"to\":\"0000000000000002\","
               "\"held_state\":\"suspect\",\"held_incarnation\":4,\"incarnation\":7,\"digest\":99,"
               "\"leader_term\":3,\"leader\":\"0000000000000001\",\"local_health\":2,\"queued\":17,"
               "\"updates\":[{\"state\":\"alive\",\"reason\":\"none\",\"id\":\"0000000000000001\","
               "\"incarnation\":7,\"accuser\":\"0000000000000000\",\"profile\":{\"name\":\"n1\","
               "\"peer\":\"h1:7700\",\"started\":7,\"roles\":1,\"version_min\":1,\"version_max\":2,"
               "\"health\":0,\"client\":\"h1:7701\",\"http\":\"\",\"meta\":\"x\\u0000\"}}]}");
}

static void random_bytes_are_refused(void **state)
{
    struct prng prng = prng_of(1);
    struct swim_update decoded[4];
    struct swim_message out;
    uint8_t bytes[256];
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        size_t size_bytes = prng_between(&prng, 0, sizeof(bytes));
        for (size_t b = 0; b < size_bytes; b++) {
            bytes[b] = (uint8_t)prng_next(&prng);
        }
        if (size_bytes > 8) {
            memcpy(bytes, "QS\x01", 3);
            bytes[3] = types[i % COUNT_OF(types)];
            put_checksum(bytes, size_bytes);
        }
        assert_true(wire_packet_decode(bytes, size_bytes, decoded, 4, &out) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_as_it_was),
        cmocka_unit_test(an_ack_is_no_longer_than_a_ping),
        cmocka_unit_test(any_flipped_bit_and_any_cut_is_refused),
        cmocka_unit_test(each_field_is_checked),
        cmocka_unit_test(text_and_json_are_as_written),
        cmocka_unit_test(random_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
