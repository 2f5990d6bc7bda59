/* seeds_log.c: first inputs of the fuzzers of logs and data directories: what real ones hold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/seeds.h"
#include "support/node_solo.h"
#include "support/snapshot_rig.h"
#include "support/unit.h"
#include "support/wal_rig.h"

/* What stands in a file of the log, sector by sector, as fuzz/wal.c reads it. */
static void put_file(struct writer *writer, uint8_t number, const struct disk_memory_file *file)
{
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    for (uint64_t at = 0; at + DISK_SECTOR_BYTES <= file->size_bytes; at += DISK_SECTOR_BYTES) {
        size_t length = DISK_SECTOR_BYTES;
        while (length > 0 && file->seen[at + length - 1] == 0) {
            length--;
        }
        if (memcmp(file->seen + at, zeros, sizeof(zeros)) != 0) {
            write_u8(writer, number);
            write_u8(writer, (uint8_t)(at / DISK_SECTOR_BYTES));
            write_u16(writer, (uint16_t)length);
            write_bytes(writer, file->seen + at, length);
        }
    }
}

/* The files as they are, once with checksums to be made right and once as they stand. */
static void put_files(const char *fuzzer, struct disk_memory *disk, uint8_t more_flags,
                      const char *name)
{
    static const uint8_t flags[] = {0, FUZZ_FIX | 2};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        char names[64];
        struct writer *writer = seeds_begin();
        write_u8(writer, flags[i] | more_flags);
        for (uint8_t number = 0; number < 4; number++) {
            (void)snprintf(names, sizeof(names), "log-%016x", number + 1U);
            const struct disk_memory_file *file = disk_memory_find(disk, names);
            if (file != NULL) {
                put_file(writer, number, file);
            }
        }
        (void)snprintf(names, sizeof(names), "%s_%zu", name, i);
        seeds_end(fuzzer, names);
    }
}

static void put_log(struct wal_rig *rig, const char *name)
{
    put_files("wal", &rig->disk, 0, name);
}

/* The directory of a member that followed, led, and has configurations that can be read. */
static void make_data(void)
{
    static struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo.options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
    solo_start(&solo);
    solo_follow(&solo);
    put_files("data", &solo.disk, 8, "follower");
    (void)solo_lead(&solo);
    for (uint64_t number = 1; number < 4; number++) {
        ASSERT(solo_propose(&solo, number) == 0);
        solo_work(&solo);
        solo_oblige(&solo);
        solo_work(&solo);
    }
    put_files("data", &solo.disk, 8, "leader");
    solo_stop(&solo);
    put_files("data", &solo.disk, 8, "stopped");
    solo_deinit(&solo);
}

/* A log that grows: each step of it is a seed. */
static void make_wal(void)
{
    static struct wal_rig rig;
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 2, 1, 10);
    put_log(&rig, "one");
    wal_rig_append_now(&rig, 3, 4, 1, 30);
    wal_rig_append_now(&rig, 5, 3, 2, 20);
    put_log(&rig, "replaced");
    wal_rig_append_now(&rig, 8, 0, 3, 0);
    wal_mark(rig.wal, 6);
    disk_memory_run(&rig.disk);
    put_log(&rig, "marked");
    wal_rig_reopen(&rig);
    wal_rig_append_now(&rig, 8, 1, 3, 300);
    put_log(&rig, "reopened");
    disk_memory_flip(&rig.disk, "log-0000000000000001", 1024 + 128 + 60, 3);
    put_log(&rig, "damaged");
    wal_rig_deinit(&rig);

    /* Every fifth entry is a configuration. */
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 11, 1, 4);
    wal_rig_append_now(&rig, 12, 5, 2, 4);
    wal_rig_append_now(&rig, 17, 1, 2, 4);
    put_log(&rig, "configurations");
    wal_rig_deinit(&rig);
}

/* The first batch loses its last entry, and the second one leaves a gap. */
static void make_wal_gap(void)
{
    static const uint8_t zeros[DISK_SECTOR_BYTES];
    static struct wal_rig rig;
    uint8_t lengths[8];
    size_t record_bytes = entry_record_bytes(3, 10);
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 2, 1, 10);
    wal_rig_append_now(&rig, 3, 2, 1, 10);
    store_u32(lengths, (uint32_t)record_bytes);
    store_u32(lengths + 4, 1);
    disk_memory_write(&rig.disk, "log-0000000000000001", 512 + 48, lengths, sizeof(lengths));
    disk_memory_write(&rig.disk, "log-0000000000000001", 512 + 128 + record_bytes, zeros,
                      record_bytes);
    put_log(&rig, "gap");
    wal_rig_deinit(&rig);
}

/* A base in the one segment, then a reset, and a segment that is the first of those left. */
static void make_wal_base(void)
{
    static struct wal_rig rig;
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 6, 1, 10);
    wal_rig_truncate(&rig, 4);
    disk_memory_run(&rig.disk);
    put_log(&rig, "base");
    ASSERT(wal_rig_reset(&rig, (struct wal_base){3, 20}, 2, 4, 10) == 0);
    while (disk_memory_step_kind(&rig.disk, DISK_WRITE)) {
    }
    put_log(&rig, "reset");
    disk_memory_run(&rig.disk);
    put_log(&rig, "reset_alone");
    wal_rig_append_now(&rig, 23, 2, 5, 10);
    wal_rig_truncate(&rig, 24);
    disk_memory_run(&rig.disk);
    put_log(&rig, "emptied");
    wal_rig_deinit(&rig);
}

/* One of three chunks, one without any. */
static void make_snapshots(void)
{
    static const size_t sizes[] = {0, 1300, 30};
    static struct snapshot_rig rig;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        snapshot_rig_init(&rig);
        ASSERT(snapshot_rig_open(&rig) == 0);
        snapshot_rig_write(&rig, 7, sizes[i]);
        const struct disk_memory_file *file =
            disk_memory_find(&rig.disk, snapshot_rig_name(7, false));
        for (uint8_t fix = 0; fix < 2; fix++) {
            char name[64];
            struct writer *writer = seeds_begin();
            write_u8(writer, fix);
            write_bytes(writer, file->seen, file->size_bytes);
            (void)snprintf(name, sizeof(name), "%zu_%d", sizes[i], fix);
            seeds_end("snapshot", name);
        }
        snapshot_rig_deinit(&rig);
    }
}

/* Two segments. */
static void make_wal_long(void)
{
    static struct wal_rig rig;
    wal_rig_init(&rig);
    ASSERT(wal_rig_open(&rig) == 0);
    wal_rig_append_now(&rig, 1, 1, 1, 32000);
    wal_rig_append_now(&rig, 2, 1, 1, 31000);
    wal_rig_append_now(&rig, 3, 2, 2, 10);
    struct disk_memory_file *file = disk_memory_find(&rig.disk, "log-0000000000000001");
    /* Long payloads of zeros make short inputs. */
    memset(file->seen + 1024, 0, 31500);
    memset(file->seen + 33500, 0, 30000);
    put_log(&rig, "long");
    wal_rig_deinit(&rig);
}

void seeds_make_log(void)
{
    make_wal();
    make_wal_gap();
    make_wal_base();
    make_snapshots();
    make_wal_long();
    make_data();
}
