/* test_node_sessions.c: the table of sessions: once, bounded, by log time, the same on all. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
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

static void begin(struct table *table)
{
    memset(table, 0, sizeof(*table));
    heap_init(&table->heap);
    sessions_init(&table->sessions, &table->heap.allocator);
    table->now_ns = START_NS;
}

static void end(struct table *table)
{
    sessions_invariants(&table->sessions);
    sessions_deinit(&table->sessions);
    heap_deinit(&table->heap);
}

static struct sessions_entry next_entry(struct table *table, struct proposal_id id)
{
    return (struct sessions_entry){
        .id = id, .index = ++table->index, .timestamp_ns = table->now_ns, .checksum = 1};
}

static uint64_t open_session(struct table *table, time_ns timeout_ns)
{
    struct sessions_entry entry = next_entry(table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(sessions_open(&table->sessions, &entry, timeout_ns), 0);
    return QR_SESSION_BIT | entry.index;
}

/* An entry that answers `text` comes; 1: applied, 0: a repeat, else the error. */
static int use_as(struct table *table, struct proposal_id id, const char *text, uint32_t checksum)
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

static int use(struct table *table, struct proposal_id id, const char *text)
{
    return use_as(table, id, text, 1);
}

static int settle(struct table *table, struct proposal_id id)
{
    struct sessions_entry entry = next_entry(table, (struct proposal_id){QR_SESSION_BIT, 1});
    return sessions_settle(&table->sessions, &entry, id);
}

static void assert_answer(struct table *table, struct proposal_id id, raft_index index,
                          const char *text)
{
    raft_index found;
    struct qr_result result;
    assert_int_equal(sessions_find(&table->sessions, id, &found, &result), 0);
    assert_int_equal(found, index);
    assert_int_equal(result.size_bytes, strlen(text));
    assert_memory_equal(result.data, text, result.size_bytes);
}

static int find(struct table *table, struct proposal_id id)
{
    raft_index index;
    struct qr_result result;
    return sessions_find(&table->sessions, id, &index, &result);
}

static void a_repeat_gets_the_first_answer_and_is_not_applied(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct proposal_id ids[] = {{session, 1}, {session, 2}, TOKEN(1), TOKEN(2)};
    const char *texts[] = {"one", "two", "three", ""};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(use(&table, ids[i], texts[i]), 1);
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(use(&table, ids[i], "another"), 0);
        assert_answer(&table, ids[i], 2 + i, texts[i]);
    }
    end(&table);
}

static void another_command_under_a_used_id_is_refused(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    struct proposal_id ids[] = {{open_session(&table, MINUTE_NS), 1}, TOKEN(1)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(use_as(&table, ids[i], "x", 1), 1);
        assert_int_equal(use_as(&table, ids[i], "y", 2), QR_ERR_MISMATCH);
        assert_int_equal(use_as(&table, ids[i], "y", 1), 0);
    }
    end(&table);
}

static void sequences_may_come_in_any_order_within_the_window(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    for (uint64_t s = SESSIONS_WINDOW; s >= 1; s--) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
    }
    for (uint64_t s = 1; s <= SESSIONS_WINDOW; s++) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 0);
    }
    assert_int_equal(table.sessions.outcome_count, SESSIONS_WINDOW);
    end(&table);
}

/* The sequence, the highest one at that time, and what is said to it. */
static void what_the_window_has_left_behind_is_never_applied(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t highest;
        uint64_t sequence;
        int result;
    } rows[] = {
        {"sequence 0 is none", 1, 0, QR_ERR_EXPIRED},
        {"the lowest of a full window", SESSIONS_WINDOW, 1, 1},
        {"just below the window", SESSIONS_WINDOW + 1, 1, QR_ERR_EXPIRED},
        {"just within it", SESSIONS_WINDOW + 1, 2, 1},
        {"far below", UINT64_MAX, 1, QR_ERR_EXPIRED},
        {"the last sequence there is", 5, UINT64_MAX, 1},
        {"next to the last one", UINT64_MAX, UINT64_MAX - 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct table table;
        begin(&table);
        uint64_t session = open_session(&table, MINUTE_NS);
        assert_int_equal(use(&table, (struct proposal_id){session, rows[i].highest}, "x"), 1);
        int result = use(&table, (struct proposal_id){session, rows[i].sequence}, "x");
        if (result != rows[i].result) {
            fail_msg("%s: %d", rows[i].name, result);
        }
        end(&table);
    }
}

static void a_moving_window_forgets_what_falls_out_of_it(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    uint64_t step = 1;
    for (uint64_t s = 1; s < 2000; s += step) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
        assert_true(table.sessions.outcome_count <= SESSIONS_WINDOW);
        sessions_invariants(&table.sessions);
        step = s % 7 == 0 ? 40 : 1;
    }
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(find(&table, (struct proposal_id){session, 1}), QR_ERR_EXPIRED);
    end(&table);
}

static void a_session_expires_by_log_time_after_its_last_use(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    for (uint64_t s = 1; s <= 3; s++) {
        table.now_ns += MINUTE_NS;
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
    }
    table.now_ns += MINUTE_NS + 1;
    assert_int_equal(use(&table, (struct proposal_id){session, 3}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(use(&table, (struct proposal_id){session, 4}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(table.sessions.session_count, 0);
    assert_int_equal(table.sessions.outcome_count, 0);
    end(&table);
}

/* A repeat is a use too, and so is a question. */
static void who_is_heard_of_does_not_expire(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct proposal_id id = {session, 1};
    assert_int_equal(use(&table, id, "x"), 1);
    for (int i = 0; i < 5; i++) {
        table.now_ns += MINUTE_NS;
        assert_int_equal(i % 2 == 0 ? use(&table, id, "x") : settle(&table, id), 0);
    }
    end(&table);
}

static void what_expired_makes_room_though_nobody_asks_for_it(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, NS_PER_S);
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), 1);
    table.now_ns += 3 * NS_PER_S;
    assert_int_equal(use(&table, TOKEN(1), "x"), 1);
    assert_int_equal(table.sessions.session_count, 0);
    assert_int_equal(table.sessions.outcome_count, 1);
    end(&table);
}

static void log_time_that_goes_back_expires_nothing(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    table.now_ns = 5;
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), 1);
    assert_int_equal(use(&table, TOKEN(1), "x"), 1);
    end(&table);
}

static void a_session_never_opened_or_ended_is_over(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct sessions_entry entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), 1);
    assert_int_equal(sessions_end(&table.sessions, &entry, session), 0);
    assert_int_equal(sessions_end(&table.sessions, &entry, session), QR_ERR_EXPIRED);
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(use(&table, (struct proposal_id){session + 1, 1}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(table.sessions.outcome_count, 0);
    end(&table);
}

static void a_timeout_has_bounds(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    static const struct {
        time_ns timeout_ns;
        int status;
    } rows[] = {
        {0, QR_ERR_INVALID},
        {SESSIONS_TIMEOUT_NS_MIN - 1, QR_ERR_INVALID},
        {SESSIONS_TIMEOUT_NS_MIN, 0},
        {SESSIONS_TIMEOUT_NS_MAX, 0},
        {SESSIONS_TIMEOUT_NS_MAX + 1, QR_ERR_INVALID},
        {UINT64_MAX, QR_ERR_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sessions_entry entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
        assert_int_equal(sessions_open(&table.sessions, &entry, rows[i].timeout_ns),
                         rows[i].status);
    }
    end(&table);
}

static void sessions_have_a_limit(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        (void)open_session(&table, i == 9 ? NS_PER_S : MINUTE_NS);
    }
    struct sessions_entry entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(sessions_open(&table.sessions, &entry, MINUTE_NS), QR_ERR_BUSY);
    table.now_ns += 2 * NS_PER_S; /* one of them is over now */
    (void)open_session(&table, MINUTE_NS);
    entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(sessions_open(&table.sessions, &entry, MINUTE_NS), QR_ERR_BUSY);
    end(&table);
}

/* As many as there may be; the table is then as large as it gets. */
static void fill_with_tokens(struct table *table)
{
    for (uint64_t n = 0; table->sessions.outcome_count < SESSIONS_OUTCOMES_MAX; n++) {
        assert_int_equal(use(table, TOKEN(1000000 + n), ""), 1);
    }
}

static void outcomes_have_a_limit_and_no_token_is_forgotten_early(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    assert_int_equal(use(&table, TOKEN(1), "first"), 1);
    fill_with_tokens(&table);
    assert_int_equal(use(&table, TOKEN(2), "x"), QR_ERR_BUSY);
    table.now_ns += SESSIONS_TOKEN_NS; /* to the very end of what is promised */
    assert_int_equal(use(&table, TOKEN(2), "x"), QR_ERR_BUSY);
    assert_int_equal(use(&table, TOKEN(1), "x"), 0);
    table.now_ns += SESSIONS_SWEEP_NS;
    assert_int_equal(use(&table, TOKEN(2), "x"), 1);
    end(&table);
}

static void a_session_goes_on_in_a_full_table(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    for (uint64_t s = 1; s <= SESSIONS_WINDOW; s++) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
    }
    fill_with_tokens(&table);
    uint64_t next = SESSIONS_WINDOW + 1;
    assert_int_equal(use(&table, (struct proposal_id){session, next}, "x"), 1);
    assert_int_equal(settle(&table, TOKEN(3)), QR_ERR_BUSY);
    end(&table);
}

/* A leader's clock was set wrong: that must not make what came a moment ago be applied again. */
static void however_log_time_jumps_the_later_half_of_the_tokens_is_known(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    assert_int_equal(use(&table, TOKEN(1), "first"), 1);
    table.now_ns += 400 * 24 * 60 * MINUTE_NS;
    assert_int_equal(use(&table, TOKEN(1), "first"), 0);
    fill_with_tokens(&table);
    table.now_ns += 400 * 24 * 60 * MINUTE_NS;
    uint64_t half = SESSIONS_OUTCOMES_MAX / 2;
    assert_int_equal(use(&table, TOKEN(1000000 + half), ""), 0);
    assert_int_equal(use(&table, TOKEN(1000000 + SESSIONS_OUTCOMES_MAX - 2), ""), 0);
    assert_int_equal(table.sessions.outcome_count, half);
    assert_int_equal(use(&table, TOKEN(1), "first"), 1);
    end(&table);
}

static void the_oldest_results_go_first_and_what_was_applied_is_still_known(void **state)
{
    (void)state;
    static char text[40001];
    struct table table;
    begin(&table);
    memset(text, 'x', sizeof(text) - 1);
    size_t count = RESULTS_BYTES_MAX / (sizeof(text) - 1);
    for (uint64_t n = 0; n <= count; n++) {
        assert_int_equal(use(&table, TOKEN(n), text), 1);
    }
    assert_int_equal(find(&table, TOKEN(0)), QR_ERR_FORGOTTEN);
    assert_int_equal(use(&table, TOKEN(0), text), 0);
    assert_answer(&table, TOKEN(1), 2, text);
    assert_answer(&table, TOKEN(count), count + 1, text);
    assert_true(table.heap.live_bytes < RESULTS_BYTES_MAX + (1 << 20));
    end(&table);
}

static void a_result_over_the_limit_is_not_kept(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    char *text = malloc(RESULTS_ONE_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, 'x', RESULTS_ONE_BYTES_MAX + 1);
    text[RESULTS_ONE_BYTES_MAX + 1] = '\0';
    assert_int_equal(use(&table, TOKEN(1), text), 1);
    assert_int_equal(find(&table, TOKEN(1)), QR_ERR_FORGOTTEN);
    assert_int_equal(use(&table, TOKEN(1), text), 0);
    text[RESULTS_ONE_BYTES_MAX] = '\0';
    assert_int_equal(use(&table, TOKEN(2), text), 1);
    assert_answer(&table, TOKEN(2), 3, text);
    free(text);
    end(&table);
}

static void what_is_settled_before_it_came_is_never_applied(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct proposal_id ids[] = {{session, 70}, TOKEN(1)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(settle(&table, ids[i]), QR_ERR_SETTLED);
        assert_int_equal(use(&table, ids[i], "x"), QR_ERR_SETTLED);
        assert_int_equal(settle(&table, ids[i]), QR_ERR_SETTLED);
        assert_int_equal(find(&table, ids[i]), QR_ERR_SETTLED);
    }
    assert_int_equal(settle(&table, (struct proposal_id){session, 5}), QR_ERR_EXPIRED);
    assert_int_equal(settle(&table, (struct proposal_id){session + 1, 5}), QR_ERR_EXPIRED);
    assert_int_equal(settle(&table, (struct proposal_id){5, 5}), QR_ERR_INVALID);
    assert_int_equal(settle(&table, (struct proposal_id){QR_SESSION_BIT, 5}), QR_ERR_INVALID);
    end(&table);
}

static void what_was_applied_before_it_is_settled_stays_so(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    assert_int_equal(use(&table, TOKEN(1), "x"), 1);
    assert_int_equal(settle(&table, TOKEN(1)), 0);
    assert_answer(&table, TOKEN(1), 1, "x");
    end(&table);
}

/* What comes next, drawn; results are owed until the batch ends. */
struct owed {
    struct sessions_entry entry;
    char text[12];
};

static void step(struct sessions *sessions, struct prng *prng, struct sessions_entry entry,
                 struct owed *owed, size_t *owed_count)
{
    uint64_t which = prng_between(prng, 0, 19);
    uint64_t session = QR_SESSION_BIT | prng_between(prng, 1, 60);
    bool is_first = false;
    int status = 0;
    if (which == 0) {
        status = sessions_open(sessions, &entry, prng_between(prng, 1, 60) * NS_PER_S);
    } else if (which == 1) {
        status = sessions_end(sessions, &entry, session);
    } else if (which == 2) {
        struct proposal_id asked = {session, prng_between(prng, 1, 200)};
        status = sessions_settle(sessions, &entry, asked);
    } else {
        entry.id = which < 6 ? TOKEN(prng_between(prng, 1, 50))
                             : (struct proposal_id){session, prng_between(prng, 1, 200)};
        entry.checksum = (uint32_t)prng_between(prng, 0, 1);
        status = sessions_use(sessions, &entry, &is_first);
    }
    assert_int_not_equal(status, QR_ERR_NO_MEMORY);
    if (is_first && status == 0) {
        struct owed *one = &owed[(*owed_count)++];
        one->entry = entry;
        memset(one->text, (int)('a' + entry.index % 26), sizeof(one->text));
    }
}

static void pay(struct sessions *sessions, struct owed *owed, size_t *owed_count)
{
    for (size_t i = 0; i < *owed_count; i++) {
        struct qr_result result = {.data = owed[i].text,
                                   .size_bytes = owed[i].entry.index % sizeof(owed[i].text)};
        assert_int_equal(sessions_keep(sessions, &owed[i].entry, &result), 0);
    }
    *owed_count = 0;
}

/* The same entries, in batches of up to `batch`; snapshots are taken and restored meanwhile. */
static uint64_t digest_after(uint64_t seed, size_t count, size_t batch, size_t restore_every)
{
    struct table table;
    struct owed owed[64];
    size_t owed_count = 0;
    struct prng prng = prng_of(seed);
    begin(&table);
    for (size_t i = 1; i <= count; i++) {
        table.now_ns += prng_between(&prng, 0, 3) == 0 ? prng_between(&prng, 0, 4 * NS_PER_S) : 0;
        step(&table.sessions, &prng, next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1}),
             owed, &owed_count);
        if (i % batch == 0 || i == count) {
            pay(&table.sessions, owed, &owed_count);
            sessions_invariants(&table.sessions);
        }
        if (owed_count == 0 && i % restore_every == 0) {
            size_t size_bytes = sessions_write_bytes(&table.sessions);
            uint8_t *data = malloc(size_bytes);
            assert_non_null(data);
            sessions_write(&table.sessions, data);
            assert_int_equal(sessions_read(&table.sessions, data, size_bytes), 0);
            free(data);
        }
    }
    uint64_t digest = sessions_digest(&table.sessions);
    end(&table);
    return digest;
}

static void replicas_agree_however_entries_are_batched_and_whatever_they_restored(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t digest = digest_after(seed, 3000, 1, 100000);
        assert_int_not_equal(digest, 0);
        assert_int_equal(digest_after(seed, 3000, 7, 100000), digest);
        assert_int_equal(digest_after(seed, 3000, 64, 640), digest);
        assert_int_equal(digest_after(seed, 3000, 1, 13), digest);
        assert_int_not_equal(digest_after(seed + 1, 3000, 1, 100000), digest);
    }
}

/* A table with a bit of everything. */
static void fill_a_little(struct table *table)
{
    uint64_t session = open_session(table, MINUTE_NS);
    (void)open_session(table, MINUTE_NS);
    assert_int_equal(use(table, (struct proposal_id){session, 3}, "three"), 1);
    assert_int_equal(use(table, TOKEN(1), "token"), 1);
    assert_int_equal(settle(table, TOKEN(2)), QR_ERR_SETTLED);
}

static void a_restored_table_answers_repeats(void **state)
{
    (void)state;
    struct table table;
    struct table other;
    begin(&table);
    begin(&other);
    fill_a_little(&table);
    assert_int_equal(use(&other, TOKEN(99), "of another life"), 1);
    size_t size_bytes = sessions_write_bytes(&table.sessions);
    uint8_t *data = malloc(size_bytes);
    assert_non_null(data);
    sessions_write(&table.sessions, data);
    assert_int_equal(sessions_read(&other.sessions, data, size_bytes), 0);
    free(data);
    assert_true(other.sessions.is_used);
    assert_int_equal(sessions_digest(&other.sessions), sessions_digest(&table.sessions));
    /* A peer's bytes may claim what no entry up to there can have made. */
    assert_true(sessions_fit(&other.sessions, table.index));
    assert_false(sessions_fit(&other.sessions, 0));
    assert_false(sessions_fit(&other.sessions, table.index - 1));
    other.index = 100;
    other.now_ns = table.now_ns;
    assert_int_equal(use(&other, (struct proposal_id){QR_SESSION_BIT | 1, 3}, "x"), 0);
    assert_answer(&other, (struct proposal_id){QR_SESSION_BIT | 1, 3}, 3, "three");
    assert_int_equal(use(&other, TOKEN(1), "x"), 0);
    assert_answer(&other, TOKEN(1), 4, "token");
    assert_int_equal(use(&other, TOKEN(2), "x"), QR_ERR_SETTLED);
    assert_int_equal(use(&other, TOKEN(99), "x"), 1);
    end(&table);
    end(&other);
}

static void a_damaged_or_cut_table_is_refused_and_leaves_none(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    fill_a_little(&table);
    size_t size_bytes = sessions_write_bytes(&table.sessions);
    uint8_t *data = malloc(size_bytes);
    assert_non_null(data);
    sessions_write(&table.sessions, data);
    for (size_t cut = 0; cut < size_bytes; cut++) {
        assert_int_equal(sessions_read(&table.sessions, data, cut), QR_ERR_CORRUPT);
        assert_false(table.sessions.is_used);
    }
    /* The bytes of results are under the snapshot's own checksums; all else is looked at. */
    size_t results_bytes = sizeof("threetoken") - 1;
    for (size_t bit = 0; bit < size_bytes * 8; bit++) {
        size_t at = bit / 8;
        if (at >= size_bytes - 8 - results_bytes && at < size_bytes - 8) {
            continue;
        }
        data[at] = (uint8_t)(data[at] ^ 1u << bit % 8);
        int status = sessions_read(&table.sessions, data, size_bytes);
        sessions_invariants(&table.sessions);
        bool is_position = status == 0; /* where a result lies, is not in the digest */
        assert_true(is_position || status == QR_ERR_CORRUPT || status == QR_ERR_VERSION);
        data[at] = (uint8_t)(data[at] ^ 1u << bit % 8);
    }
    assert_int_equal(sessions_read(&table.sessions, data, size_bytes), 0);
    free(data);
    end(&table);
}

/* An entry comes that the state machine rejects, with `text` for the reason. */
static void reject(struct table *table, struct proposal_id id, const char *text)
{
    struct sessions_entry entry = next_entry(table, id);
    struct qr_result result = {.data = text, .size_bytes = strlen(text), .status = QR_ERR_REJECTED};
    bool is_first;
    assert_int_equal(sessions_use(&table->sessions, &entry, &is_first), 0);
    assert_true(is_first);
    assert_int_equal(sessions_keep(&table->sessions, &entry, &result), 0);
}

static void assert_rejected(struct table *table, struct proposal_id id, raft_index index,
                            const char *text)
{
    raft_index found = 0;
    struct qr_result result = {0};
    assert_int_equal(use(table, id, "another"), 0);
    assert_int_equal(settle(table, id), 0);
    assert_int_equal(sessions_find(&table->sessions, id, &found, &result), QR_ERR_REJECTED);
    assert_int_equal(found, index);
    assert_int_equal(result.status, QR_ERR_REJECTED);
    assert_int_equal(result.size_bytes, strlen(text));
    assert_memory_equal(result.data, text, result.size_bytes);
}

static void what_was_rejected_stays_so_for_repeats(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    reject(&table, (struct proposal_id){session, 1}, "too little");
    reject(&table, TOKEN(1), "");
    assert_rejected(&table, (struct proposal_id){session, 1}, 2, "too little");
    assert_rejected(&table, TOKEN(1), 3, "");
    end(&table);
}

static void what_was_rejected_is_known_longer_than_its_reason(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    char *text = malloc(RESULTS_ONE_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, 'x', RESULTS_ONE_BYTES_MAX + 1);
    text[RESULTS_ONE_BYTES_MAX + 1] = '\0';
    reject(&table, TOKEN(1), text);
    free(text);
    assert_rejected(&table, TOKEN(1), 1, "");
    end(&table);
}

/* One replica rejects what another applies, with the same bytes for an answer. */
static void rejected_here_and_applied_there_differs_in_the_digest(void **state)
{
    (void)state;
    struct table table;
    struct table other;
    begin(&table);
    begin(&other);
    reject(&table, TOKEN(1), "same");
    assert_int_equal(use(&other, TOKEN(1), "same"), 1);
    assert_true(sessions_digest(&table.sessions) != sessions_digest(&other.sessions));
    end(&table);
    end(&other);
}

static void only_a_table_with_something_rejected_is_of_the_second_version(void **state)
{
    (void)state;
    struct table table;
    struct table other;
    begin(&table);
    begin(&other);
    fill_a_little(&table);
    uint8_t data[1024];
    size_t plain_bytes = sessions_write_bytes(&table.sessions);
    sessions_write(&table.sessions, data);
    assert_int_equal(data[0], 1); /* release 0.1.0 reads it */
    reject(&table, TOKEN(3), "no");
    size_t size_bytes = sessions_write_bytes(&table.sessions);
    data[0] = 2; /* and nobody writes so what needs no second version */
    assert_int_equal(sessions_read(&other.sessions, data, plain_bytes), QR_ERR_CORRUPT);
    assert_true(size_bytes <= sizeof(data));
    sessions_write(&table.sessions, data);
    assert_int_equal(data[0], 2);
    assert_int_equal(sessions_read(&other.sessions, data, size_bytes), 0);
    assert_true(sessions_digest(&other.sessions) == sessions_digest(&table.sessions));
    other.index = table.index;
    other.now_ns = table.now_ns;
    assert_rejected(&other, TOKEN(3), table.index, "no");
    data[0] = 1;
    assert_int_equal(sessions_read(&other.sessions, data, size_bytes), QR_ERR_CORRUPT);
    end(&table);
    end(&other);
}

/* Every allocation fails once: the table stays whole, and says so. */
static int live(struct table *table)
{
    uint8_t *data = NULL;
    int status = 0;
    for (uint64_t n = 0; n < 300 && status == 0; n++) {
        struct sessions_entry entry = next_entry(table, TOKEN(n));
        bool is_first = false;
        status = n % 3 == 0 ? sessions_open(&table->sessions, &entry, MINUTE_NS)
                            : sessions_use(&table->sessions, &entry, &is_first);
        struct qr_result result = {.data = "0123456789abcdefghijklmnopqrstuvwxyz",
                                   .size_bytes = 36};
        if (status == 0 && is_first) {
            status = sessions_keep(&table->sessions, &entry, &result);
        }
        raft_index index;
        if (status == 0 && is_first) {
            status = sessions_find(&table->sessions, entry.id, &index, &result);
        }
        sessions_invariants(&table->sessions);
    }
    if (status == 0) {
        size_t size_bytes = sessions_write_bytes(&table->sessions);
        data = malloc(size_bytes);
        assert_non_null(data);
        sessions_write(&table->sessions, data);
        status = sessions_read(&table->sessions, data, size_bytes);
        sessions_invariants(&table->sessions);
    }
    free(data);
    return status;
}

static void each_allocation_may_fail_and_the_table_stays_whole(void **state)
{
    (void)state;
    struct table table;
    uint64_t fail_at = 0;
    int status;
    do {
        begin(&table);
        table.heap.fail_at = ++fail_at;
        status = live(&table);
        assert_true(status == 0 || status == QR_ERR_NO_MEMORY);
        end(&table);
    } while (status != 0);
    assert_true(fail_at > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_gets_the_first_answer_and_is_not_applied),
        cmocka_unit_test(another_command_under_a_used_id_is_refused),
        cmocka_unit_test(sequences_may_come_in_any_order_within_the_window),
        cmocka_unit_test(what_the_window_has_left_behind_is_never_applied),
        cmocka_unit_test(a_moving_window_forgets_what_falls_out_of_it),
        cmocka_unit_test(a_session_expires_by_log_time_after_its_last_use),
        cmocka_unit_test(who_is_heard_of_does_not_expire),
        cmocka_unit_test(what_expired_makes_room_though_nobody_asks_for_it),
        cmocka_unit_test(log_time_that_goes_back_expires_nothing),
        cmocka_unit_test(a_session_never_opened_or_ended_is_over),
        cmocka_unit_test(a_timeout_has_bounds),
        cmocka_unit_test(sessions_have_a_limit),
        cmocka_unit_test(outcomes_have_a_limit_and_no_token_is_forgotten_early),
        cmocka_unit_test(a_session_goes_on_in_a_full_table),
        cmocka_unit_test(however_log_time_jumps_the_later_half_of_the_tokens_is_known),
        cmocka_unit_test(the_oldest_results_go_first_and_what_was_applied_is_still_known),
        cmocka_unit_test(a_result_over_the_limit_is_not_kept),
        cmocka_unit_test(what_is_settled_before_it_came_is_never_applied),
        cmocka_unit_test(what_was_applied_before_it_is_settled_stays_so),
        cmocka_unit_test(replicas_agree_however_entries_are_batched_and_whatever_they_restored),
        cmocka_unit_test(a_restored_table_answers_repeats),
        cmocka_unit_test(a_damaged_or_cut_table_is_refused_and_leaves_none),
        cmocka_unit_test(what_was_rejected_stays_so_for_repeats),
        cmocka_unit_test(what_was_rejected_is_known_longer_than_its_reason),
        cmocka_unit_test(rejected_here_and_applied_there_differs_in_the_digest),
        cmocka_unit_test(only_a_table_with_something_rejected_is_of_the_second_version),
        cmocka_unit_test(each_allocation_may_fail_and_the_table_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
