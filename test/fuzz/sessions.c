/* sessions.c: fuzzes the reader of a session table, as a snapshot brings it.
 *
 * Asserts  that what is taken is whole: its invariants hold, it is written as the same bytes, it
 *          answers, and goes on; that what is refused leaves an empty table; and that no prefix
 *          is taken.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"

static void check_written(const struct sessions *sessions, const uint8_t *data, size_t size_bytes)
{
    ASSERT(sessions_write_bytes(sessions) == size_bytes);
    uint8_t *written = malloc(size_bytes);
    ASSERT(written != NULL);
    sessions_write(sessions, written);
    ASSERT(memcmp(written, data, size_bytes) == 0);
    free(written);
}

/* Whatever it holds, it answers, and takes the next entry. */
static void check_use(struct sessions *sessions)
{
    struct sessions_entry entry = {
        .id = {QR_SESSION_BIT | QR_TOKEN_BIT, 1}, .index = 1, .timestamp_ns = TIME_NEVER};
    struct qr_result result = {.data = "x", .size_bytes = 1};
    raft_index index;
    bool is_first = false;
    for (uint32_t at = sessions->oldest; at != ID_MAP_NONE; at = sessions->outcomes[at].newer) {
        int status = sessions_find(sessions, sessions->outcomes[at].id, &index, &result);
        ASSERT(status == 0 || status == QR_ERR_FORGOTTEN || status == QR_ERR_SETTLED);
    }
    result = (struct qr_result){.data = "x", .size_bytes = 1};
    int status = sessions_use(sessions, &entry, &is_first);
    if (status == 0 && is_first) {
        status = sessions_keep(sessions, &entry, &result);
        ASSERT(status == 0);
    }
    sessions_invariants(sessions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    struct sessions sessions;
    heap_init(&heap);
    sessions_init(&sessions, &heap.allocator);
    int status = sessions_read(&sessions, data, size_bytes);
    sessions_invariants(&sessions);
    if (status == 0) {
        check_written(&sessions, data, size_bytes);
        check_use(&sessions);
        status = sessions_read(&sessions, data, size_bytes - 1);
        ASSERT(status == QR_ERR_CORRUPT);
    } else {
        ASSERT(!sessions.is_used);
        ASSERT(sessions.outcome_count == 0 && sessions.session_count == 0);
    }
    sessions_deinit(&sessions);
    heap_deinit(&heap);
    return 0;
}
