/* test_wire_text.c: every message as a line of text and as JSON, word for word. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "support/heap.h"
#include "wire_sample.h"

#define RAFT(id, ...)                                                                              \
    {                                                                                              \
        .type = id, .raft = {.type = id, .from = 1, .to = 2, .term = 5, __VA_ARGS__ }              \
    }
#define RANDOM_ID UINT64_C(0x8c0ffee012345678)

struct text_case {
    struct wire_message message;
    bool has_entries;
    const char *text;
    const char *json;
};

/* clang-format off */
static const struct text_case text_cases[] = {
    {RAFT(RAFT_PRE_VOTE, .pre_vote = {.next_term = 6, .last = {4, 17}}), false,
     "pre_vote 1->2 term=5 next_term=6 last=4/17",
     "{\"type\":\"pre_vote\",\"from\":\"0000000000000001\",\"to\":\"0000000000000002\",\"term\":5,"
     "\"next_term\":6,\"last\":{\"term\":4,\"index\":17}}"},
    {RAFT(RAFT_PRE_VOTE_RESPONSE, .pre_vote_response = {6, false, RAFT_VOTE_LEADER_ALIVE}), false,
     "pre_vote_response 1->2 term=5 next_term=6 reason=\"I hear from a leader\"",
     "{\"type\":\"pre_vote_response\",\"from\":\"0000000000000001\",\"to\":\"0000000000000002\","
     "\"term\":5,\"next_term\":6,\"is_granted\":false,\"reason\":\"I hear from a leader\"}"},
    {RAFT(RAFT_REQUEST_VOTE, .request_vote = {.last = {4, 17}, .is_transfer = true}), false,
     "request_vote 1->2 term=5 last=4/17 is_transfer=true",
     "{\"type\":\"request_vote\",\"from\":\"0000000000000001\",\"to\":\"0000000000000002\","
     "\"term\":5,\"last\":{\"term\":4,\"index\":17},\"is_transfer\":true}"},
    {RAFT(RAFT_REQUEST_VOTE_RESPONSE, .request_vote_response = {true, RAFT_VOTE_GRANTED}), false,
     "request_vote_response 1->2 term=5 is_granted=true",
     "{\"type\":\"request_vote_response\",\"from\":\"0000000000000001\","
     "\"to\":\"0000000000000002\",\"term\":5,\"is_granted\":true,\"reason\":\"granted\"}"},
    {RAFT(RAFT_APPEND_ENTRIES, .append_entries = {{2, 9}, 8, 7, false}), true,
     "append_entries 1->2 term=5 prev=2/9 entries=[2/10 normal \"\", 2/11 normal \"abcde\"] "
     "commit=8 round=7",
     "{\"type\":\"append_entries\",\"from\":\"0000000000000001\",\"to\":\"0000000000000002\","
     "\"term\":5,\"prev\":{\"term\":2,\"index\":9},\"commit\":8,\"round\":7,"
     "\"is_leased\":false,\"entries\":["
     "{\"index\":10,\"term\":2,\"type\":\"normal\",\"timestamp_ns\":1000,\"group\":3,"
     "\"id_high\":\"0000000000000007\",\"id_low\":\"0000000000000000\",\"command\":\"\","
     "\"payload_bytes\":0,\"payload\":\"\"},"
     "{\"index\":11,\"term\":2,\"type\":\"normal\",\"timestamp_ns\":1001,\"group\":3,"
     "\"id_high\":\"0000000000000007\",\"id_low\":\"0000000000000001\",\"command\":\"s\","
     "\"payload_bytes\":5,\"payload\":\"abcde\"}]}"},
    {RAFT(RAFT_APPEND_ENTRIES, .append_entries = {{0, 0}, 0, 1, true}), false,
     "append_entries 1->2 term=5 round=1 is_leased=true",
     "{\"type\":\"append_entries\",\"from\":\"0000000000000001\",\"to\":\"0000000000000002\","
     "\"term\":5,\"prev\":{\"term\":0,\"index\":0},\"commit\":0,\"round\":1,"
     "\"is_leased\":true,\"entries\":[]}"},
    {RAFT(RAFT_APPEND_ENTRIES_RESPONSE, .append_entries_response = {true, 3, 9, {1, 4}, 7}), false,
     "append_entries_response 1->2 term=5 is_rejected=true match=3 rejected=9 hint=1/4 round=7",
     "{\"type\":\"append_entries_response\",\"from\":\"0000000000000001\","
     "\"to\":\"0000000000000002\",\"term\":5,\"is_rejected\":true,\"match\":3,\"rejected\":9,"
     "\"hint\":{\"term\":1,\"index\":4},\"round\":7}"},
    {RAFT(RAFT_INSTALL_SNAPSHOT,
          .install_snapshot = {{3, 8}, 4096, 8192, true, {NULL, (const uint8_t *)"123456789", 9}}),
     false,
     "install_snapshot 1->2 term=5 snapshot=3/8 offset=4096 size_bytes=8192 is_last=true "
     "data=9:e3069283",
     "{\"type\":\"install_snapshot\",\"from\":\"0000000000000001\","
     "\"to\":\"0000000000000002\",\"term\":5,\"snapshot\":{\"term\":3,\"index\":8},"
     "\"offset\":4096,\"size_bytes\":8192,\"is_last\":true,"
     "\"data\":{\"bytes\":9,\"crc32c\":\"e3069283\"}}"},
    {RAFT(RAFT_INSTALL_SNAPSHOT, .install_snapshot = {.snapshot = {3, 8}}), false,
     "install_snapshot 1->2 term=5 snapshot=3/8",
     "{\"type\":\"install_snapshot\",\"from\":\"0000000000000001\","
     "\"to\":\"0000000000000002\",\"term\":5,\"snapshot\":{\"term\":3,\"index\":8},"
     "\"offset\":0,\"size_bytes\":0,\"is_last\":false,"
     "\"data\":{\"bytes\":0,\"crc32c\":\"00000000\"}}"},
    {RAFT(RAFT_INSTALL_SNAPSHOT_RESPONSE, .install_snapshot_response = {{3, 8}, 77, true, false}),
     false,
     "install_snapshot_response 1->2 term=5 snapshot=3/8 offset=77 is_done=true",
     "{\"type\":\"install_snapshot_response\",\"from\":\"0000000000000001\","
     "\"to\":\"0000000000000002\",\"term\":5,\"snapshot\":{\"term\":3,\"index\":8},"
     "\"offset\":77,\"is_done\":true,\"is_refused\":false}"},
    {RAFT(RAFT_TIMEOUT_NOW, .timeout_now = {{4, 17}}), false, "timeout_now 1->2 term=5 last=4/17",
     "{\"type\":\"timeout_now\",\"from\":\"0000000000000001\",\"to\":\"0000000000000002\","
     "\"term\":5,\"last\":{\"term\":4,\"index\":17}}"},
    {{.type = WIRE_HELLO,
      .hello = {1, 2, {0xab, 0xcd}, RANDOM_ID, true, 0, "n1", "10.0.0.1:7700", "say \"hi\"\n"}},
     false,
     "hello version_min=1 version_max=2 cluster=00000000000000ab00000000000000cd "
     "from=8c0ffee012345678 has_expected=true name=\"n1\" address=\"10.0.0.1:7700\" "
     "meta=\"say \\\"hi\\\"\\u000a\"",
     "{\"type\":\"hello\",\"version_min\":1,\"version_max\":2,"
     "\"cluster\":\"00000000000000ab00000000000000cd\",\"from\":\"8c0ffee012345678\","
     "\"has_expected\":true,\"expected\":\"0000000000000000\",\"name\":\"n1\","
     "\"address\":\"10.0.0.1:7700\",\"meta\":\"say \\\"hi\\\"\\u000a\"}"},
    {{.type = WIRE_HELLO_RESPONSE, .hello_response = {-16, 1, {0xab, 0xcd}, 999, "a stranger"}},
     false,
     "hello_response status=-16 version=1 cluster=00000000000000ab00000000000000cd from=999 "
     "reason=\"a stranger\"",
     "{\"type\":\"hello_response\",\"status\":-16,\"version\":1,"
     "\"cluster\":\"00000000000000ab00000000000000cd\",\"from\":\"00000000000003e7\","
     "\"reason\":\"a stranger\"}"},
    {{.type = WIRE_JOIN, .join = {1000, true, "n4", "h:1", ""}}, false,
     "join from=00000000000003e8 wants_vote=true name=\"n4\" address=\"h:1\"",
     "{\"type\":\"join\",\"from\":\"00000000000003e8\",\"wants_vote\":true,\"name\":\"n4\","
     "\"address\":\"h:1\",\"meta\":\"\"}"},
    {{.type = WIRE_JOIN_RESPONSE, .join_response = {-2, {0, 1}, "h:2", "ask there"}}, false,
     "join_response status=-2 cluster=00000000000000000000000000000001 leader_address=\"h:2\" "
     "reason=\"ask there\"",
     "{\"type\":\"join_response\",\"status\":-2,"
     "\"cluster\":\"00000000000000000000000000000001\",\"leader_address\":\"h:2\","
     "\"reason\":\"ask there\"}"},
    {{.type = WIRE_FORWARD, .forward = {3, 40, 5, 9}}, true,
     "forward from=3 request=40 entries=[0/0 normal \"\", 0/0 normal \"abcde\"] term=5 number=9",
     "{\"type\":\"forward\",\"from\":\"0000000000000003\",\"request\":40,\"term\":5,\"number\":9,"
     "\"entries\":["
     "{\"index\":0,\"term\":0,\"type\":\"normal\",\"timestamp_ns\":1000,\"group\":3,"
     "\"id_high\":\"0000000000000007\",\"id_low\":\"0000000000000000\",\"command\":\"\","
     "\"payload_bytes\":0,\"payload\":\"\"},"
     "{\"index\":0,\"term\":0,\"type\":\"normal\",\"timestamp_ns\":1001,\"group\":3,"
     "\"id_high\":\"0000000000000007\",\"id_low\":\"0000000000000001\",\"command\":\"s\","
     "\"payload_bytes\":5,\"payload\":\"abcde\"}]}"},
    {{.type = WIRE_FORWARD_RESPONSE, .forward_response = {3, 40, 2, 0, 5, 12}}, false,
     "forward_response from=3 request=40 count=2 entry_term=5 first_index=12",
     "{\"type\":\"forward_response\",\"from\":\"0000000000000003\",\"request\":40,\"count\":2,"
     "\"status\":0,\"entry_term\":5,\"first_index\":12}"},
    {{.type = WIRE_READ, .read = {3, 41}}, false,
     "read from=3 request=41",
     "{\"type\":\"read\",\"from\":\"0000000000000003\",\"request\":41}"},
    {{.type = WIRE_READ_RESPONSE, .read_response = {1, 41, -3, 0}}, false,
     "read_response from=1 request=41 status=-3",
     "{\"type\":\"read_response\",\"from\":\"0000000000000001\",\"request\":41,\"status\":-3,"
     "\"index\":0}"},
    {{.type = WIRE_CHANGE, .change = {3, 42, true, false, 7, "n4,n5", "", "n1", "n4", ""}}, false,
     "change from=3 request=42 is_dry_run=true priority=7 promoted=\"n4,n5\" removed=\"n1\" "
     "prioritized=\"n4\"",
     "{\"type\":\"change\",\"from\":\"0000000000000003\",\"request\":42,\"is_dry_run\":true,"
     "\"is_forced\":false,\"priority\":7,\"promoted\":\"n4,n5\",\"demoted\":\"\","
     "\"removed\":\"n1\",\"prioritized\":\"n4\",\"transferee\":\"\"}"},
    {{.type = WIRE_CHANGE_RESPONSE, .change_response = {1, 42, -22, 1, 0, "too few"}}, false,
     "change_response from=1 request=42 status=-22 tolerated_before=1 reason=\"too few\"",
     "{\"type\":\"change_response\",\"from\":\"0000000000000001\",\"request\":42,\"status\":-22,"
     "\"tolerated_before\":1,\"tolerated_after\":0,\"reason\":\"too few\"}"},
    {{.type = WIRE_GOSSIP, .gossip = {{NULL, (const uint8_t *)"123456789", 9}}}, false,
     "gossip_message data=9:e3069283",
     "{\"type\":\"gossip_message\",\"data\":{\"bytes\":9,\"crc32c\":\"e3069283\"}}"},
    {{.type = WIRE_COMPARE, .compare = {1, 2048, 2, 77, 1024, 5, 6}}, false,
     "compare from=1 index=2048 verdict=2 history=77 judged=1024 digest=5 agreed=6",
     "{\"type\":\"compare\",\"from\":\"0000000000000001\",\"index\":2048,\"verdict\":2,"
     "\"history\":77,\"judged\":1024,\"digest\":5,\"agreed\":6}"},
    {{.type = WIRE_COMPARE_RESPONSE,
      .compare_response = {3, 77, 1, 2048, 9, 2050, true, 1024, 5, 6}}, false,
     "compare_response from=3 history=77 made=1 index=2048 digest=9 wanted=2050 is_isolated=true "
     "differed=1024 differing=5 agreed=6",
     "{\"type\":\"compare_response\",\"from\":\"0000000000000003\",\"history\":77,"
     "\"made\":1,\"index\":2048,\"digest\":9,\"wanted\":2050,\"is_isolated\":true,"
     "\"differed\":1024,\"differing\":5,\"agreed\":6}"},
    {{.type = WIRE_INVITE, .invite = {1, {0, 7}, true, "a1"}}, false,
     "invite from=1 cluster=00000000000000000000000000000007 is_learner=true address=\"a1\"",
     "{\"type\":\"invite\",\"from\":\"0000000000000001\","
     "\"cluster\":\"00000000000000000000000000000007\",\"is_learner\":true,"
     "\"address\":\"a1\"}"},
    {{.type = WIRE_INVITE_RESPONSE, .invite_response = {-16, 4, {0, 8}, "n4", "of another"}}, false,
     "invite_response status=-16 from=4 cluster=00000000000000000000000000000008 name=\"n4\" "
     "reason=\"of another\"",
     "{\"type\":\"invite_response\",\"status\":-16,\"from\":\"0000000000000004\","
     "\"cluster\":\"00000000000000000000000000000008\","
     "\"name\":\"n4\",\"reason\":\"of another\"}"},
};
/* clang-format on */

/* The case's message, with two entries where it has some. */
static struct wire_message message_of(const struct text_case *at, struct entry_arena *arena,
                                      struct entry *entries)
{
    struct wire_message message = at->message;
    for (size_t i = 0; at->has_entries && i < 2; i++) {
        struct raft_position prev = message.raft.append_entries.prev;
        struct entry_fields fields = sample_entry(message.type, prev, i);
        assert_int_equal(entry_arena_encode(arena, &fields, &entries[i]), 0);
        message.entries = entries;
        message.entry_count = i + 1;
    }
    return message;
}

static void every_message_reads_as_documented(void **state)
{
    (void)state;
    struct heap heap;
    struct entry_arena arena;
    heap_init(&heap);
    entry_arena_init(&arena, &heap.allocator);
    for (size_t c = 0; c < COUNT_OF(text_cases); c++) {
        struct entry entries[2];
        struct wire_message message = message_of(&text_cases[c], &arena, entries);
        char buffer[2048];
        struct text text = text_of(buffer, sizeof(buffer));
        wire_message_text(&message, &text);
        assert_string_equal(buffer, text_cases[c].text);
        text = text_of(buffer, sizeof(buffer));
        wire_message_json(&message, &text);
        assert_string_equal(buffer, text_cases[c].json);
        assert_false(text.truncated);
        for (size_t i = 0; i < message.entry_count; i++) {
            chunk_drop(entries[i].chunk);
        }
    }
    entry_arena_deinit(&arena);
    heap_deinit(&heap);
}

static void every_type_is_among_the_cases(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT_OF(sample_types); t++) {
        bool is_there = false;
        for (size_t c = 0; c < COUNT_OF(text_cases); c++) {
            is_there = is_there || text_cases[c].message.type == sample_types[t];
        }
        assert_true(is_there);
    }
}

static void a_text_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    char buffer[16];
    struct text text = text_of(buffer, sizeof(buffer));
    wire_message_text(&text_cases[0].message, &text);
    assert_true(text.truncated);
    assert_string_equal(buffer, "pre_vote 1->2 t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_reads_as_documented),
        cmocka_unit_test(every_type_is_among_the_cases),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
