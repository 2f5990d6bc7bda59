/* hello.c: fuzzes the handshake: who is let in, and whom a node believes.
 *
 * Input    who judges and what it expects, then the frame of a hello or of an answer, whose
 *          checksum is made right.
 * Asserts  that only nodes of the cluster, or of none yet, are let in, and only for the node that
 *          was meant, by a node without a cluster only who may invite it; that a refusal says why;
 *          that the answer's frame is the answer; that who is let in believes the answer.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"
#include "support/node_solo.h"

#define FLAG_EXPECTS 4
#define MEANT 2 /* whom the node dialed */
#define FRAME_BYTES_MAX 4096

enum judge {
    JUDGE_MEMBER, /* which invites */
    JUDGE_JOINER,
    JUDGE_STOPPED,
    JUDGES,
};

/* Nodes that are never changed by what is asked of them, made once. */
static const struct solo *judge_of(enum judge judge)
{
    static struct solo solos[JUDGES];
    struct solo *solo = &solos[judge];
    if (solo->node != NULL) {
        return solo;
    }
    solo_init(solo);
    solo->options.is_bootstrap = judge != JUDGE_JOINER;
    solo->options.join = judge == JUDGE_JOINER ? "a2" : NULL;
    solo_start(solo);
    solo_run(solo, 700);
    if (judge == JUDGE_MEMBER) {
        int status = node_invite(solo->node, "a3", false, 1, solo->time);
        ASSERT(status == 0);
    }
    if (judge == JUDGE_STOPPED) {
        node_stop(solo->node);
        disk_memory_run(&solo->disk);
    }
    return solo;
}

/* A hello of who may invite a node without a cluster. */
static bool may_invite(const struct wire_hello *hello)
{
    return !hello->has_expected && !cluster_id_is_none(hello->cluster) &&
           hello->version_min <= WIRE_VERSION_MAX && hello->version_max >= WIRE_VERSION_INVITES &&
           hello->from != SOLO_SELF;
}

/* A hello that may be let in: all that is asked of it. */
static bool is_welcome(enum judge judge, const struct wire_hello *hello)
{
    if (judge == JUDGE_JOINER) {
        return may_invite(hello);
    }
    return judge == JUDGE_MEMBER && hello->version_min <= WIRE_VERSION_MAX &&
           hello->version_max >= WIRE_VERSION_MIN && hello->from != SOLO_SELF &&
           (!hello->has_expected || hello->expected == SOLO_SELF) &&
           (cluster_id_is_none(hello->cluster) || cluster_id_equal(hello->cluster, SOLO_CLUSTER));
}

/* Encode the answer, decode it, and compare. */
static void check_frame(struct heap *heap, const struct wire_hello_response *response)
{
    struct wire_message message = {.type = WIRE_HELLO_RESPONSE, .hello_response = *response};
    struct wire_message decoded;
    struct wire_frame *frame = wire_encode(&heap->allocator, &message);
    ASSERT(frame != NULL);
    ASSERT(frame->part_count == 1);
    struct chunk *chunk = fuzz_chunk(heap, frame->parts[0].data, frame->frame_bytes);
    int status = wire_decode(chunk, chunk->data, frame->frame_bytes, NULL, &decoded);
    ASSERT(status == 0);
    ASSERT(decoded.type == WIRE_HELLO_RESPONSE);
    ASSERT(decoded.hello_response.status == response->status);
    ASSERT(decoded.hello_response.version == response->version);
    ASSERT(decoded.hello_response.from == response->from);
    ASSERT(cluster_id_equal(decoded.hello_response.cluster, response->cluster));
    ASSERT(strcmp(decoded.hello_response.reason, response->reason) == 0);
    chunk_drop(chunk);
    wire_frame_free(frame);
}

/* Who invites talks to nobody of a release that knows no invitations, but to members it means. */
static bool may_hear(enum judge judge, bool has_expected,
                     const struct wire_hello_response *response)
{
    return judge != JUDGE_MEMBER || has_expected || response->version >= WIRE_VERSION_INVITES;
}

static void judge_hello(struct heap *heap, enum judge judge, const struct wire_hello *hello)
{
    const struct solo *solo = judge_of(judge);
    struct wire_hello_response response;
    const char *reason = NULL;
    int status = node_hello_check(solo->node, hello, &response);
    ASSERT((status == 0) == is_welcome(judge, hello));
    ASSERT(response.status == status);
    ASSERT(response.from == SOLO_SELF);
    ASSERT(memchr(response.reason, '\0', sizeof(response.reason)) != NULL);
    ASSERT((status == 0) == (response.reason[0] == '\0'));
    check_frame(heap, &response);
    int heard = node_hello_response_check(judge_of(JUDGE_MEMBER)->node, &response,
                                          hello->has_expected, hello->expected, &reason);
    ASSERT((heard == 0) == (status == 0 && may_hear(JUDGE_MEMBER, hello->has_expected, &response)));
    ASSERT(reason != NULL);
}

static void judge_answer(enum judge judge, const struct wire_hello_response *response,
                         bool has_expected)
{
    const struct solo *solo = judge_of(judge);
    const char *reason = NULL;
    int status = node_hello_response_check(solo->node, response, has_expected, MEANT, &reason);
    bool is_invited =
        judge == JUDGE_MEMBER && !has_expected && cluster_id_is_none(response->cluster);
    bool is_ours = is_invited || cluster_id_equal(response->cluster, SOLO_CLUSTER);
    bool is_believed =
        response->status == 0 && response->version >= WIRE_VERSION_MIN &&
        response->version <= WIRE_VERSION_MAX && (!has_expected || response->from == MEANT) &&
        (judge == JUDGE_JOINER || (is_ours && may_hear(judge, has_expected, response)));
    ASSERT((status == 0) == is_believed && status <= 0);
    ASSERT(reason != NULL);
    ASSERT_IMPLIES(status == 0, reason[0] == '\0');
    ASSERT_IMPLIES(response->status == 0 && status != 0, reason[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct heap heap;
    struct wire_message message;
    if (size_bytes < 1 + WIRE_HEADER_BYTES || size_bytes > FRAME_BYTES_MAX) {
        return 0;
    }
    heap_init(&heap);
    struct chunk *chunk = fuzz_chunk(&heap, data + 1, size_bytes - 1);
    fuzz_fix_frame(chunk->data, chunk->size_bytes);
    enum judge judge = (data[0] & 3) % JUDGES;
    if (wire_decode(chunk, chunk->data, chunk->size_bytes, entries, &message) == 0) {
        if (message.type == WIRE_HELLO) {
            judge_hello(&heap, judge, &message.hello);
        } else if (message.type == WIRE_HELLO_RESPONSE) {
            judge_answer(judge, &message.hello_response, (data[0] & FLAG_EXPECTS) != 0);
        }
    }
    chunk_drop(chunk);
    heap_deinit(&heap);
    return 0;
}
