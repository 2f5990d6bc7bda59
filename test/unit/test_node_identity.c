/* test_node_identity.c: the file that says whose data directory this is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define VERSION_AT 8
#define CHECKSUM_AT 12
#define BODY_AT 16
#define IS_LOG_USED_AT 40

static const struct node_identity sample = {
    .id = 0x1122334455667788,
    .cluster = {0xaabbccddeeff0011, 0x2233445566778899},
    .is_log_used = true,
    .name = "n1",
};

/* Only a node that begins writes the file. */
static void write_as(struct disk_memory *disk, const struct node_identity *identity)
{
    struct solo solo;
    solo_init(&solo);
    solo.options.name = identity->name;
    solo.options.fresh_node_id = identity->id;
    solo.options.fresh_cluster_id = identity->cluster;
    solo.options.is_bootstrap = identity->is_log_used;
    solo.options.join = identity->is_log_used ? NULL : "a2";
    solo.options.stores = identity->stores;
    solo_start(&solo);
    solo_work(&solo);
    solo_stop(&solo);
    disk_memory_copy(disk, &solo.disk);
    solo_deinit(&solo);
}

static void write_sample(struct disk_memory *disk)
{
    write_as(disk, &sample);
}

/* Reading changes no byte, and says why in words whenever it fails. */
static int read_back(struct disk_memory *disk, struct node_identity *out, char *detail)
{
    uint64_t mutations = disk->mutation_count;
    memset(detail, 0, NODE_DETAIL_BYTES);
    int status = node_identity_read(&disk->disk, out, detail);
    assert_int_equal(disk->mutation_count, mutations);
    assert_int_equal(status != 0, strstr(detail, "identity") != NULL);
    return status;
}

static void check_equal(const struct node_identity *a, const struct node_identity *b)
{
    assert_int_equal(a->id, b->id);
    assert_true(cluster_id_equal(a->cluster, b->cluster));
    assert_int_equal(a->is_log_used, b->is_log_used);
    assert_int_equal(a->has_guarded, b->has_guarded);
    assert_int_equal(a->stores, b->stores);
    assert_string_equal(a->name, b->name);
}

static void refuses(struct disk_memory *disk, int status)
{
    struct node_identity untouched = sample;
    char detail[NODE_DETAIL_BYTES];
    assert_int_equal(read_back(disk, &untouched, detail), status);
    check_equal(&untouched, &sample);
}

/* Change the file's bytes and make its checksum right again. */
static void rewrite(struct disk_memory *disk, uint64_t at, const void *bytes, size_t size_bytes)
{
    disk_memory_write(disk, "identity", at, bytes, size_bytes);
    struct disk_memory_file *file = disk_memory_find(disk, "identity");
    uint8_t checksum[4];
    store_u32(checksum, crc32c(0, file->seen + BODY_AT, file->size_bytes - BODY_AT));
    disk_memory_write(disk, "identity", CHECKSUM_AT, checksum, sizeof(checksum));
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    const struct node_identity identities[] = {
        sample,
        {.id = 0, .name = "a"},
        {.id = UINT64_MAX,
         .cluster = {UINT64_MAX, UINT64_MAX},
         .is_log_used = true,
         .name = "a.b-c"},
        {.id = 7, .stores = NODE_STORES_LOG, .name = "a"},
        {.id = 7, .cluster = {1, 2}, .is_log_used = true, .stores = NODE_STORES_ALL, .name = "a"},
    };
    for (size_t i = 0; i < COUNT_OF(identities); i++) {
        struct disk_memory disk;
        struct node_identity out;
        char detail[NODE_DETAIL_BYTES];
        write_as(&disk, &identities[i]);
        assert_int_equal(read_back(&disk, &out, detail), 0);
        check_equal(&out, &identities[i]);
        disk_memory_deinit(&disk);
    }
}

/* A node of a former cluster whose log may hold guarded entries, and whose snapshots are elsewhere:
 * what version 4 has follows the bits of version 8.
 */
static void stores_stand_before_what_a_former_cluster_left(void **state)
{
    (void)state;
    static const uint8_t former[16 + 1 + 32 + 2] = {1, [16] = 0, [33] = 9};
    struct disk_memory disk;
    struct node_identity out;
    char detail[NODE_DETAIL_BYTES];
    const struct node_identity with_snapshots = {.id = 7,
                                                 .cluster = {1, 2},
                                                 .is_log_used = true,
                                                 .stores = NODE_STORES_SNAPSHOTS,
                                                 .name = "a"};
    write_as(&disk, &with_snapshots);
    uint64_t at = disk_memory_find(&disk, "identity")->size_bytes - 1;
    disk_memory_resize(&disk, "identity", at + 1 + sizeof(former));
    const uint8_t flags[] = {NODE_STORES_SNAPSHOTS | 4 | 8, 4, 8, 0, 16 | NODE_STORES_LOG};
    rewrite(&disk, at + 1, former, sizeof(former));
    rewrite(&disk, at, &flags[0], 1);
    assert_int_equal(read_back(&disk, &out, detail), 0);
    assert_true(out.has_guarded);
    assert_int_equal(out.stores, NODE_STORES_SNAPSHOTS);
    assert_int_equal(out.former.high, 1);
    for (size_t i = 1; i < COUNT_OF(flags); i++) {
        rewrite(&disk, at, &flags[i], 1);
        refuses(&disk, QR_ERR_CORRUPT);
    }
    disk_memory_deinit(&disk);
}

/* The entry would be put into a log that nobody reads. */
static void a_recovery_under_way_is_not_that_of_stores(void **state)
{
    (void)state;
    static const uint8_t pending[16 + 1 + 32 + 2 + 1] = {1, [16] = 1, [33] = 9, [49] = 1};
    const struct node_identity with_log = {
        .id = 7, .cluster = {1, 2}, .is_log_used = true, .stores = NODE_STORES_LOG, .name = "a"};
    struct disk_memory disk;
    write_as(&disk, &with_log);
    uint64_t at = disk_memory_find(&disk, "identity")->size_bytes - 1;
    disk_memory_resize(&disk, "identity", at + 1 + sizeof(pending));
    const uint8_t flags = NODE_STORES_LOG | 8;
    rewrite(&disk, at + 1, pending, sizeof(pending));
    rewrite(&disk, at, &flags, 1);
    refuses(&disk, QR_ERR_CORRUPT);
    disk_memory_deinit(&disk);
}

static void the_sentence_says_which_store_to_open_it_with(void **state)
{
    (void)state;
    static const struct {
        uint8_t is;
        uint8_t given;
        const char *part; /* NULL: nothing to say */
        const char *other;
    } cases[] = {
        {0, 0, NULL, NULL},
        {NODE_STORES_ALL, NODE_STORES_ALL, NULL, NULL},
        {NODE_STORES_LOG, 0, "the log of this node is in a store of", "log_store)"},
        {0, NODE_STORES_LOG, "the log of this node is in the data directory", "log_store)"},
        {NODE_STORES_SNAPSHOTS, 0, "the snapshots of this node are in a store", "snapshot_store)"},
        {NODE_STORES_LOG, NODE_STORES_ALL, "the snapshots of this node are in the data",
         "snapshot_store)"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct node_identity identity = sample;
        char detail[NODE_DETAIL_BYTES] = "";
        identity.stores = cases[i].is;
        int status = node_identity_check_stores(&identity, cases[i].given, detail);
        assert_int_equal(status, cases[i].part == NULL ? 0 : QR_ERR_INVALID);
        assert_true(cases[i].part == NULL || strstr(detail, cases[i].part) != NULL);
        assert_true(cases[i].part == NULL || strstr(detail, cases[i].other) != NULL);
    }
}

static void the_longest_name_fits(void **state)
{
    (void)state;
    struct node_identity longest = sample;
    struct node_identity out;
    char detail[NODE_DETAIL_BYTES];
    struct disk_memory disk;
    memset(longest.name, 'x', RAFT_NAME_BYTES_MAX - 1);
    write_as(&disk, &longest);
    assert_int_equal(read_back(&disk, &out, detail), 0);
    assert_string_equal(out.name, longest.name);
    disk_memory_deinit(&disk);
}

static void a_directory_without_one_has_none(void **state)
{
    (void)state;
    struct disk_memory disk;
    disk_memory_init(&disk);
    refuses(&disk, QR_ERR_NOT_FOUND);
    disk_memory_deinit(&disk);
}

static void a_file_that_ends_early_is_refused(void **state)
{
    (void)state;
    struct disk_memory disk;
    write_sample(&disk);
    for (uint64_t size = disk_memory_find(&disk, "identity")->size_bytes; size > 0; size--) {
        disk_memory_resize(&disk, "identity", size - 1);
        refuses(&disk, QR_ERR_CORRUPT);
    }
    disk_memory_deinit(&disk);
}

static void a_file_with_more_behind_is_refused(void **state)
{
    (void)state;
    const uint64_t more[] = {1, 8, 199, 200, 201, 4096, 65536};
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        struct disk_memory disk;
        write_sample(&disk);
        uint64_t size = disk_memory_find(&disk, "identity")->size_bytes;
        disk_memory_resize(&disk, "identity", size + more[i]);
        refuses(&disk, QR_ERR_CORRUPT);
        disk_memory_deinit(&disk);
    }
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    struct disk_memory disk;
    write_sample(&disk);
    uint64_t size = disk_memory_find(&disk, "identity")->size_bytes;
    for (uint64_t at = 0; at < size; at++) {
        bool is_version = at >= VERSION_AT && at < VERSION_AT + 4;
        for (unsigned bit = 0; bit < 8; bit++) {
            disk_memory_flip(&disk, "identity", at, bit);
            refuses(&disk, is_version ? QR_ERR_VERSION : QR_ERR_CORRUPT);
            disk_memory_flip(&disk, "identity", at, bit);
        }
    }
    disk_memory_deinit(&disk);
}

static void a_newer_version_is_refused_as_such(void **state)
{
    (void)state;
    struct disk_memory disk;
    uint8_t version[4];
    write_sample(&disk);
    struct node_identity guarded;
    char detail[NODE_DETAIL_BYTES];
    store_u32(version, 2); /* all the same but that the log may hold guarded entries */
    disk_memory_write(&disk, "identity", VERSION_AT, version, sizeof(version));
    assert_int_equal(read_back(&disk, &guarded, detail), 0);
    assert_true(guarded.has_guarded);
    assert_int_equal(guarded.id, sample.id);
    store_u32(version, 3);
    disk_memory_write(&disk, "identity", VERSION_AT, version, sizeof(version));
    refuses(&disk, QR_ERR_VERSION);
    disk_memory_deinit(&disk);
}

static void a_claim_that_is_neither_yes_nor_no_is_refused(void **state)
{
    (void)state;
    struct disk_memory disk;
    write_sample(&disk);
    rewrite(&disk, IS_LOG_USED_AT, &(uint8_t){2}, 1);
    refuses(&disk, QR_ERR_CORRUPT);
    rewrite(&disk, IS_LOG_USED_AT, &(uint8_t){1}, 1);
    struct node_identity out;
    char detail[NODE_DETAIL_BYTES];
    assert_int_equal(read_back(&disk, &out, detail), 0);
    disk_memory_deinit(&disk);
}

static void a_disk_that_cannot_read_is_not_an_empty_one(void **state)
{
    (void)state;
    struct disk_memory disk;
    write_sample(&disk);
    disk.fail_at = disk.call_count + 1;
    refuses(&disk, QR_ERR_IO);
    disk_memory_deinit(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(stores_stand_before_what_a_former_cluster_left),
        cmocka_unit_test(a_recovery_under_way_is_not_that_of_stores),
        cmocka_unit_test(the_sentence_says_which_store_to_open_it_with),
        cmocka_unit_test(the_longest_name_fits),
        cmocka_unit_test(a_directory_without_one_has_none),
        cmocka_unit_test(a_file_that_ends_early_is_refused),
        cmocka_unit_test(a_file_with_more_behind_is_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(a_newer_version_is_refused_as_such),
        cmocka_unit_test(a_claim_that_is_neither_yes_nor_no_is_refused),
        cmocka_unit_test(a_disk_that_cannot_read_is_not_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
