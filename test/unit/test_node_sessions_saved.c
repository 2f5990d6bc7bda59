/* test_node_sessions_saved.c: the table of sessions on its way through snapshots, with failures in
 * it, and without memory.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "node/sessions.h"
#include "quorate/error.h"
#include "sessions_table.h"
#include "support/heap.h"
#include "support/unit.h"

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
