/* test_node_pending.c: the table of proposals that somebody waits for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/prng.h"
#include "node/pending.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "support/unit.h"

#define MODEL_MAX 300

struct fixture {
    struct heap heap;
    struct pending_table table;
};

static void fixture_init(struct fixture *fixture, size_t count_max, uint64_t first)
{
    heap_init(&fixture->heap);
    pending_init(&fixture->table, &fixture->heap.allocator, count_max, first);
}

static void fixture_deinit(struct fixture *fixture)
{
    pending_deinit(&fixture->table);
    heap_deinit(&fixture->heap);
}

static struct pending *add(struct fixture *fixture, uint64_t high, uint64_t low)
{
    int status = 0;
    struct pending *pending =
        pending_add(&fixture->table, (struct proposal_id){high, low}, &status);
    assert_int_equal(pending == NULL, status != 0);
    return pending;
}

static int refusal(struct fixture *fixture, uint64_t high, uint64_t low)
{
    int status = 0;
    assert_null(pending_add(&fixture->table, (struct proposal_id){high, low}, &status));
    return status;
}

static struct pending *find(struct fixture *fixture, uint64_t high, uint64_t low)
{
    return pending_find(&fixture->table, (struct proposal_id){high, low});
}

static void an_empty_table_finds_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 4, 7);
    assert_null(find(&fixture, 0, 0));
    assert_null(pending_at(&fixture.table, 7));
    assert_int_equal(pending_next_sequence(&fixture.table), 7);
    fixture_deinit(&fixture);
}

static void a_table_never_begun_can_be_ended(void **state)
{
    (void)state;
    struct pending_table table = {0};
    pending_deinit(&table);
    assert_null(table.slots);
}

static void sequence_numbers_follow_one_another(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 200, 1000);
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(pending_next_sequence(&fixture.table), 1000 + i);
        assert_int_equal(add(&fixture, 1, i)->sequence, 1000 + i);
    }
    fixture_deinit(&fixture);
}

static void an_id_that_waits_is_not_taken_twice(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 4, 1);
    struct pending *first = add(&fixture, 5, 6);
    assert_int_equal(refusal(&fixture, 5, 6), QR_ERR_BUSY);
    assert_int_equal(fixture.table.count, 1);
    pending_remove(&fixture.table, first);
    assert_int_equal(add(&fixture, 5, 6)->sequence, 2);
    fixture_deinit(&fixture);
}

/* Under a session or token a proposal is sent again: several wait with one id, and all of them are
 * found, whichever go first, among others in the same places of the index.
 */
static void what_may_be_sent_again_waits_several_times(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t once = UINT64_C(3) << 62;
    uint64_t sequences[PENDING_SAME_MAX];
    for (size_t gone = 0; gone < PENDING_SAME_MAX; gone++) {
        fixture_init(&fixture, 1024, 1);
        for (uint64_t i = 0; i < PENDING_SAME_MAX; i++) {
            (void)add(&fixture, i, once); /* the same bucket: high and low are mixed alike */
            (void)add(&fixture, 5, 100 + i);
            sequences[i] = add(&fixture, once, 0)->sequence;
        }
        assert_int_equal(refusal(&fixture, once, 0), QR_ERR_BUSY);
        pending_remove(&fixture.table, pending_at(&fixture.table, sequences[gone]));
        size_t count = 0;
        uint64_t found = 0;
        for (struct pending *at = find(&fixture, once, 0); at != NULL;
             at = pending_find_next(&fixture.table, at)) {
            assert_int_equal(at->id.high, once);
            assert_int_not_equal(at->sequence, sequences[gone]);
            found += at->sequence;
            count++;
        }
        assert_int_equal(count, PENDING_SAME_MAX - 1);
        for (size_t i = 0; i < PENDING_SAME_MAX; i++) {
            found -= i == gone ? 0 : sequences[i];
        }
        assert_int_equal(found, 0);
        assert_non_null(add(&fixture, once, 0));
        fixture_deinit(&fixture);
    }
}

static void a_full_table_takes_no_more_until_the_oldest_goes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 3, 1);
    for (uint64_t i = 1; i <= 3; i++) {
        add(&fixture, 0, i);
    }
    assert_int_equal(refusal(&fixture, 0, 9), QR_ERR_BUSY);
    pending_remove(&fixture.table, find(&fixture, 0, 2));
    assert_int_equal(refusal(&fixture, 0, 9), QR_ERR_BUSY); /* 1 still keeps the place of 2 */
    pending_remove(&fixture.table, find(&fixture, 0, 1));
    assert_int_equal(fixture.table.count, 1);
    assert_int_equal(add(&fixture, 0, 9)->sequence, 4);
    assert_non_null(find(&fixture, 0, 3));
    fixture_deinit(&fixture);
}

static void an_end_below_the_oldest_or_past_the_newest_is_nobody(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 8, 50);
    add(&fixture, 0, 1);
    add(&fixture, 0, 2);
    assert_null(pending_at(&fixture.table, 49));
    assert_null(pending_at(&fixture.table, 52));
    assert_null(pending_at(&fixture.table, 0));
    assert_null(pending_at(&fixture.table, UINT64_MAX));
    assert_int_equal(pending_at(&fixture.table, 51)->id.low, 2);
    fixture_deinit(&fixture);
}

/* Ids whose halves are swapped mix to the same bucket. */
static void colliding_ids_are_told_apart(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 64, 1);
    for (uint64_t i = 0; i < 32; i++) {
        add(&fixture, i, i ^ 1234567);
        add(&fixture, i ^ 1234567, i);
    }
    for (uint64_t i = 0; i < 32; i += 2) {
        pending_remove(&fixture.table, find(&fixture, i, i ^ 1234567));
    }
    for (uint64_t i = 0; i < 32; i++) {
        struct pending *found = find(&fixture, i, i ^ 1234567);
        assert_int_equal(found == NULL, i % 2 == 0);
        assert_int_equal(find(&fixture, i ^ 1234567, i)->sequence, 2 * i + 2);
    }
    fixture_deinit(&fixture);
}

static void removing_drops_the_record(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 4, 1);
    struct chunk *chunk = chunk_new(&fixture.heap.allocator, 8);
    assert_non_null(chunk);
    add(&fixture, 0, 1)->entry.chunk = chunk_hold(chunk);
    add(&fixture, 0, 2)->entry.chunk = chunk_hold(chunk);
    pending_remove(&fixture.table, find(&fixture, 0, 1));
    assert_int_equal(chunk->reference_count, 2);
    pending_deinit(&fixture.table);
    assert_int_equal(chunk->reference_count, 1);
    chunk_drop(chunk);
    heap_deinit(&fixture.heap);
}

static void without_memory_to_grow_nothing_changes(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint64_t n = 1; n <= 2; n++) { /* slots, then buckets */
        fixture_init(&fixture, 1000, 1);
        for (uint64_t i = 1; i <= 64; i++) {
            add(&fixture, 0, i);
        }
        fixture.heap.fail_at = fixture.heap.allocate_count + n;
        assert_int_equal(refusal(&fixture, 0, 65), QR_ERR_NO_MEMORY);
        assert_int_equal(pending_next_sequence(&fixture.table), 65);
        for (uint64_t i = 1; i <= 64; i++) {
            assert_int_equal(find(&fixture, 0, i)->sequence, i);
        }
        assert_non_null(add(&fixture, 0, 65));
        fixture_deinit(&fixture);
    }
}

/* What the table should be, as plainly as can be. */
struct model {
    struct {
        struct proposal_id id;
        uint64_t token;
        bool is_done;
    } items[MODEL_MAX];
    uint64_t first;
    size_t count;
};

static void model_remove(struct model *model, size_t at)
{
    size_t gone = 0;
    model->items[at].is_done = true;
    while (gone < model->count && model->items[gone].is_done) {
        gone++;
    }
    memmove(model->items, model->items + gone, (model->count - gone) * sizeof(model->items[0]));
    model->count -= gone;
    model->first += gone;
}

static int model_add(struct model *model, struct proposal_id id, uint64_t token)
{
    for (size_t i = 0; i < model->count; i++) {
        bool is_same = model->items[i].id.high == id.high && model->items[i].id.low == id.low;
        if (is_same && !model->items[i].is_done) {
            return QR_ERR_BUSY;
        }
    }
    if (model->count == MODEL_MAX) {
        return QR_ERR_BUSY;
    }
    model->items[model->count].id = id;
    model->items[model->count].token = token;
    model->items[model->count++].is_done = false;
    return 0;
}

static void compare(struct fixture *fixture, const struct model *model)
{
    assert_int_equal(fixture->table.count, model->count);
    assert_int_equal(fixture->table.first, model->first);
    for (size_t i = 0; i < model->count; i++) {
        struct pending *at = pending_at(&fixture->table, model->first + i);
        struct proposal_id id = model->items[i].id;
        assert_int_equal(at == NULL, model->items[i].is_done);
        if (at != NULL) {
            assert_ptr_equal(at, pending_find(&fixture->table, id));
            assert_int_equal(at->token, model->items[i].token);
        }
    }
}

/* Few ids, so that they come again; removals near the front, so that the ring goes around. */
static void random_step(struct fixture *fixture, struct model *model, struct prng *prng)
{
    if (model->count == 0 || prng_between(prng, 0, 99) < 52) {
        struct proposal_id id = {prng_between(prng, 0, 31), prng_between(prng, 0, 31)};
        uint64_t token = prng_next(prng);
        int status = 0;
        struct pending *pending = pending_add(&fixture->table, id, &status);
        assert_int_equal(status, model_add(model, id, token));
        if (pending != NULL) {
            pending->token = token;
        }
        return;
    }
    size_t most = prng_between(prng, 0, 3) == 0 ? model->count - 1 : min_u64(8, model->count - 1);
    size_t at = prng_between(prng, 0, most);
    if (!model->items[at].is_done) {
        pending_remove(&fixture->table, pending_at(&fixture->table, model->first + at));
        model_remove(model, at);
    }
}

static void it_does_what_a_plain_list_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct model model;
        struct prng prng = prng_of(seed);
        struct fixture fixture;
        memset(&model, 0, sizeof(model));
        model.first = seed * 1000003;
        fixture_init(&fixture, MODEL_MAX, model.first);
        for (int i = 0; i < 3000; i++) {
            random_step(&fixture, &model, &prng);
            if (i % 16 == 0) {
                compare(&fixture, &model);
            }
        }
        compare(&fixture, &model);
        fixture_deinit(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(a_table_never_begun_can_be_ended),
        cmocka_unit_test(sequence_numbers_follow_one_another),
        cmocka_unit_test(an_id_that_waits_is_not_taken_twice),
        cmocka_unit_test(what_may_be_sent_again_waits_several_times),
        cmocka_unit_test(a_full_table_takes_no_more_until_the_oldest_goes),
        cmocka_unit_test(an_end_below_the_oldest_or_past_the_newest_is_nobody),
        cmocka_unit_test(colliding_ids_are_told_apart),
        cmocka_unit_test(removing_drops_the_record),
        cmocka_unit_test(without_memory_to_grow_nothing_changes),
        cmocka_unit_test(it_does_what_a_plain_list_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
