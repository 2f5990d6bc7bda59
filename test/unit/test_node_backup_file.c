/* test_node_backup_file.c: a backup is whole down to its last bit, or refused in words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "unit/backup_sample.h"

static char detail[BACKUP_DETAIL_BYTES];

static int check_sample(size_t piece_bytes)
{
    return check_bytes(sample, sample_bytes, piece_bytes, detail);
}

/* Make the checksum of a changed head right again. */
static void seal(uint8_t *head)
{
    uint32_t checksum = crc32c(crc32c(0, head, 12), head + 16, BACKUP_HEAD_BYTES - 16);
    store_u32(head + 12, checksum);
}

static void a_backup_is_whole_in_pieces_of_any_size(void **state)
{
    (void)state;
    make_sample(1, 30);
    for (size_t piece_bytes = 1; piece_bytes < 700; piece_bytes += 3) {
        assert_int_equal(check_sample(piece_bytes), 0);
        assert_string_equal(detail, "");
    }
    end();
}

static void its_head_says_where_it_comes_from(void **state)
{
    (void)state;
    make_sample(1, 30);
    struct backup_head head;
    uint8_t again[BACKUP_HEAD_BYTES];
    assert_int_equal(backup_head_decode(sample, &head), 0);
    assert_true(cluster_id_equal(head.cluster, ((struct cluster_id){7, 7})));
    assert_int_equal(head.node, 1);
    assert_string_equal(head.name, "n0");
    assert_int_equal(head.position.index, status_of(0).snapshot_index);
    assert_int_equal(head.content_bytes, sample_bytes - BACKUP_HEAD_BYTES);
    assert_true(head.made_ns >= 1000 * NS_PER_S);
    backup_head_encode(&head, again);
    assert_memory_equal(again, sample, BACKUP_HEAD_BYTES);
    end();
}

static void one_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    make_sample(1, 30);
    for (size_t at = 0; at < sample_bytes; at++) {
        sample[at] ^= (uint8_t)(1U << at % 8);
        int status = check_sample(64);
        assert_int_equal(status == QR_ERR_FOREIGN, at < 8);
        /* A block's codec is looked at before its checksum. */
        assert_true(status == QR_ERR_FOREIGN || status == QR_ERR_CORRUPT ||
                    (status == QR_ERR_VERSION && at >= BACKUP_HEAD_BYTES));
        assert_true(detail[0] != '\0');
        sample[at] ^= (uint8_t)(1U << at % 8);
    }
    assert_int_equal(check_sample(64), 0);
    end();
}

static void one_that_was_cut_anywhere_is_refused(void **state)
{
    (void)state;
    make_sample(1, 30);
    for (size_t size_bytes = 0; size_bytes < sample_bytes; size_bytes++) {
        int status = check_bytes(sample, size_bytes, 100, detail);
        assert_int_equal(status, size_bytes < 8 ? QR_ERR_FOREIGN : QR_ERR_CORRUPT);
        assert_true(detail[0] != '\0');
    }
    end();
}

static void bytes_behind_its_end_are_refused(void **state)
{
    (void)state;
    make_sample(1, 30);
    sample[sample_bytes] = 0;
    assert_int_equal(check_bytes(sample, sample_bytes + 1, sample_bytes, detail), QR_ERR_CORRUPT);
    assert_non_null(strstr(detail, "behind its end"));
    end();
}

static void what_is_no_backup_is_called_so(void **state)
{
    (void)state;
    uint8_t foreign[1024] = "#!/bin/sh\n";
    assert_int_equal(check_bytes(foreign, sizeof(foreign), 512, detail), QR_ERR_FOREIGN);
    assert_non_null(strstr(detail, "does not begin as a backup"));
    assert_int_equal(check_bytes(foreign, 0, 512, detail), QR_ERR_FOREIGN);
    memcpy(foreign, "QRTSNAP\n", 8);
    assert_int_equal(check_bytes(foreign, sizeof(foreign), 512, detail), QR_ERR_FOREIGN);
    assert_non_null(strstr(detail, "a snapshot out of a node's directory"));
}

static void one_of_a_later_version_is_called_so(void **state)
{
    (void)state;
    make_sample(1, 30);
    store_u32(sample + 8, 2);
    seal(sample);
    assert_int_equal(check_sample(512), QR_ERR_VERSION);
    assert_non_null(strstr(detail, "use the version of quorate that wrote it"));
    end();
}

/* A head with a right checksum that says what cannot be. */
static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        size_t size_bytes;
        uint8_t fill;
    } rows[] = {
        {"no index", 16, 8, 0},
        {"an index without room behind it", 16, 8, 0xff},
        {"no term", 24, 8, 0},
        {"a term without room behind it", 24, 8, 0xff},
        {"another index", 16, 1, 1},
        {"no cluster", 40, 16, 0},
        {"no content", 64, 8, 0},
        {"more content than a number holds", 64, 8, 0xff},
        {"another checksum of the content", 72, 4, 0x55},
        {"flags nobody knows", 76, 1, 2},
        {"a name without an end", 80, 64, 'x'},
        {"bytes where none belong", 511, 1, 1},
    };
    make_sample(1, 30);
    uint8_t whole[BACKUP_HEAD_BYTES];
    memcpy(whole, sample, sizeof(whole));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(sample + rows[i].at, rows[i].fill, rows[i].size_bytes);
        seal(sample);
        if (check_sample(512) != QR_ERR_CORRUPT) {
            fail_msg("%s is taken", rows[i].name);
        }
        memcpy(sample, whole, sizeof(whole));
    }
    sample[82] = 0;
    sample[83] = 'x';
    seal(sample);
    assert_int_equal(check_sample(512), QR_ERR_CORRUPT);
    end();
}

static void a_position_without_room_behind_it_fits_in_none(void **state)
{
    (void)state;
    assert_true(backup_position_fits((struct raft_position){BACKUP_INDEX_MAX, BACKUP_INDEX_MAX}));
    assert_false(backup_position_fits((struct raft_position){1, BACKUP_INDEX_MAX + 1}));
    assert_false(backup_position_fits((struct raft_position){BACKUP_INDEX_MAX + 1, 1}));
    assert_false(backup_position_fits((struct raft_position){0, 1}));
    assert_false(backup_position_fits((struct raft_position){1, 0}));
}

static void content_of_another_backup_is_refused(void **state)
{
    (void)state;
    make_sample(1, 30);
    uint8_t head[BACKUP_HEAD_BYTES];
    memcpy(head, sample, sizeof(head));
    write_many(5);
    rig_run(&rig, 100);
    take_snapshot(0);
    take_backup(0, status_of(0).raft.applied_index);
    memcpy(sample, head, sizeof(head));
    assert_int_equal(check_sample(512), QR_ERR_CORRUPT);
    end();
}

/* A snapshot of a state machine that is durable by itself has no state to be restored. All
 * checksums are right.
 */
static void one_without_the_state_or_beyond_all_time_is_refused(void **state)
{
    (void)state;
    static const struct {
        bool is_bare;
        time_ns timestamp_ns;
        int status;
    } rows[] = {
        {false, 0, 0},
        {true, 0, QR_ERR_CORRUPT},
        {false, BACKUP_LOG_TIME_MAX, 0},
        {false, BACKUP_LOG_TIME_MAX + 1, QR_ERR_CORRUPT}, /* what is added to it would go round */
    };
    struct content_writer writer = {.codec = NULL};
    struct backup_head head;
    uint8_t block[CONTENT_STORED_BYTES_MAX];
    struct raft_configuration alone = {.count = 1, .members = {{.id = 1, .roles = RAFT_VOTER}}};
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    size_t payload_bytes = raft_configuration_encode(&alone, payload);
    make_sample(1, 30);
    assert_int_equal(backup_head_decode(sample, &head), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct content_head content = {.position = head.position,
                                       .configuration_index = 1,
                                       .configuration = payload,
                                       .configuration_bytes = payload_bytes,
                                       .timestamp_ns = rows[i].timestamp_ns,
                                       .is_bare = rows[i].is_bare};
        writer = (struct content_writer){.codec = NULL};
        head.content_bytes = content_write_head(&writer, &content, block);
        memcpy(sample + BACKUP_HEAD_BYTES, block, head.content_bytes);
        size_t end_bytes = content_write_end(&writer, block);
        memcpy(sample + BACKUP_HEAD_BYTES + head.content_bytes, block, end_bytes);
        head.content_bytes += end_bytes;
        head.content_checksum = crc32c(0, sample + BACKUP_HEAD_BYTES, head.content_bytes);
        backup_head_encode(&head, sample);
        sample_bytes = BACKUP_HEAD_BYTES + head.content_bytes;
        assert_int_equal(check_sample(512), rows[i].status);
    }
    end();
}

/* Memory runs out at each allocation in turn: it is said, and none is lost. */
static void a_reader_without_memory_says_so(void **state)
{
    (void)state;
    make_sample(1, 30);
    bool has_ended = false;
    for (uint64_t at = 1; !has_ended; at++) {
        struct heap heap;
        struct backup_reader reader;
        heap_init(&heap);
        heap.fail_at = at;
        struct backup_sink sink = {.context = NULL};
        int status = backup_reader_init(&reader, &heap.allocator, NULL, sink, true);
        if (status == 0) {
            status = backup_read(&reader, sample, sample_bytes);
            int end_status = backup_read_end(&reader);
            assert_true(status == 0 || status == end_status);
            status = end_status;
            backup_reader_deinit(&reader);
        }
        has_ended = status == 0;
        assert_true(status == 0 || status == QR_ERR_NO_MEMORY);
        assert_true(at < 100);
        heap_deinit(&heap);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_is_whole_in_pieces_of_any_size),
        cmocka_unit_test(its_head_says_where_it_comes_from),
        cmocka_unit_test(one_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(one_that_was_cut_anywhere_is_refused),
        cmocka_unit_test(bytes_behind_its_end_are_refused),
        cmocka_unit_test(what_is_no_backup_is_called_so),
        cmocka_unit_test(one_of_a_later_version_is_called_so),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_position_without_room_behind_it_fits_in_none),
        cmocka_unit_test(content_of_another_backup_is_refused),
        cmocka_unit_test(one_without_the_state_or_beyond_all_time_is_refused),
        cmocka_unit_test(a_reader_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
