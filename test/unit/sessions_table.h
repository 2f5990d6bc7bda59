/* sessions_table.h: a table of sessions, and the log it has come to. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SESSIONS_TABLE_H
#define TEST_SESSIONS_TABLE_H

#include <string.h>

#include "node/sessions.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "support/unit.h"

#define MINUTE_NS (UINT64_C(60) * NS_PER_S)
#define START_NS (UINT64_C(1000000) * NS_PER_S)
#define TOKEN(n) ((struct proposal_id){QR_SESSION_BIT | QR_TOKEN_BIT | 7, (n)})

/* One replica's table, and the log it has come to. */
struct table {
    struct heap heap;
    struct sessions sessions;
    raft_index index;
    time_ns now_ns;
};

static inline void begin(struct table *table)
{
    memset(table, 0, sizeof(*table));
    heap_init(&table->heap);
    sessions_init(&table->sessions, &table->heap.allocator);
    table->now_ns = START_NS;
}

static inline void end(struct table *table)
{
    sessions_invariants(&table->sessions);
    sessions_deinit(&table->sessions);
    heap_deinit(&table->heap);
}

static inline struct sessions_entry next_entry(struct table *table, struct proposal_id id)
{
    return (struct sessions_entry){
        .id = id, .index = ++table->index, .timestamp_ns = table->now_ns, .checksum = 1};
}

static inline uint64_t open_session(struct table *table, time_ns timeout_ns)
{
    struct sessions_entry entry = next_entry(table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(sessions_open(&table->sessions, &entry, timeout_ns), 0);
    return QR_SESSION_BIT | entry.index;
}

/* An entry that answers `text` comes; 1: applied, 0: a repeat, else the error. */
static inline int use_as(struct table *table, struct proposal_id id, const char *text,
                         uint32_t checksum)
{
    struct sessions_entry entry = next_entry(table, id);
    entry.checksum = checksum;
    bool is_first;
    int status = sessions_use(&table->sessions, &entry, &is_first);
    if (status != 0) {
        return status;
    }
    if (is_first) {
        struct qr_result result = {.data = text, .size_bytes = strlen(text)};
        assert_int_equal(sessions_keep(&table->sessions, &entry, &result), 0);
    }
    return is_first ? 1 : 0;
}

static inline int use(struct table *table, struct proposal_id id, const char *text)
{
    return use_as(table, id, text, 1);
}

static inline int settle(struct table *table, struct proposal_id id)
{
    struct sessions_entry entry = next_entry(table, (struct proposal_id){QR_SESSION_BIT, 1});
    return sessions_settle(&table->sessions, &entry, id);
}

static inline void assert_answer(struct table *table, struct proposal_id id, raft_index index,
                                 const char *text)
{
    raft_index found;
    struct qr_result result;
    assert_int_equal(sessions_find(&table->sessions, id, &found, &result), 0);
    assert_int_equal(found, index);
    assert_int_equal(result.size_bytes, strlen(text));
    assert_memory_equal(result.data, text, result.size_bytes);
}

static inline int find(struct table *table, struct proposal_id id)
{
    raft_index index;
    struct qr_result result;
    return sessions_find(&table->sessions, id, &index, &result);
}

/* As many as there may be; the table is then as large as it gets. */
static inline void fill_with_tokens(struct table *table)
{
    for (uint64_t n = 0; table->sessions.outcome_count < SESSIONS_OUTCOMES_MAX; n++) {
        assert_int_equal(use(table, TOKEN(1000000 + n), ""), 1);
    }
}

#endif
