/* disk.h: a virtual disk: one directory of files that fails, lies and rots like a real one.
 *
 * Owns     the files, as a process sees them and as a power loss would leave them; what was
 *          submitted and not carried out; the faults that were asked for.
 * Does not know time or when a fault is due: the caller steps it and asks for each fault. All
 *          chance comes from the seed, so that the same calls give the same disk.
 * Threads  one.
 *
 * What the kernel and the device do here, from worst to best the code above must live with:
 *
 *   - A synced write is durable in its own sectors and in nothing else. A sync of a file or of
 *     the names covers what its call says, no more.
 *   - Unsynced sectors survive a power loss in any subset, of each sector any version that was
 *     written since its last sync; some are torn (its beginning new, the rest old) or garbage.
 *   - Unsynced names (create, rename, remove) survive one by one, whatever is in the files.
 *   - The unsynced content of a whole file is afterwards the old one, empty, cut short or whole.
 *   - A file that is stored piece by piece may have lost any of its unsynced sectors, and is as
 *     long as it was when it was synced, or as it was written, or anything between.
 *   - What a failed write or sync should have written is seen by readers, but clean: no later
 *     sync writes it. It is gone when caches are dropped, but for what the device has by luck.
 *   - Writes submitted before a failure was reported fail too. Later ones are not refused: who
 *     goes on after a failure is counted (writes_after_failure), and caught when power is lost.
 *
 * Eligible for damage are those sectors only whose loss the log promises to notice
 * (docs/wal-format.md, "Torn, or damaged"). A batch notes up to where the log was known to be
 * synced when it was *encoded*; damage before that place is told from a torn tail as long as
 * the batch itself is whole. So a sector is eligible when its write was reported done before
 * another write was encoded that is itself synced, reported, and not damaged here. The disk
 * does not see encoding, only submission. One comes right behind the other, but for writes
 * that waited for their segment: they are submitted from within the report of a BUILD_PREPARE,
 * and bear witness only to what the write before them does. Marks are not synced and do not
 * count. The identity file has its own checksum and is always eligible.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "base/prng.h"
#include "sim/build.h"
#include "wal/disk.h"

#define SIM_DISK_SECTOR_BYTES 512
#define SIM_DISK_TEXT_BYTES 160
#define SIM_DISK_OP_KINDS 5 /* of enum build_op_kind: BUILD_PUBLISH waits with BUILD_STORE */
#define SIM_DISK_DISPLACED_MAX 64

/* Calls that can be made to fail once with QR_ERR_IO, beside writes and reads. */
enum sim_disk_call {
    SIM_DISK_LIST,
    SIM_DISK_WRITE_FILE,
    SIM_DISK_SYNC_FILE,
    SIM_DISK_RENAME_FILE,
    SIM_DISK_SYNC_NAMES,
    SIM_DISK_PREPARE, /* the call or the operation */
    SIM_DISK_REMOVE,
    SIM_DISK_MOUNT,
    SIM_DISK_STORE,
    SIM_DISK_PUBLISH,
    SIM_DISK_CALLS,
};

enum sim_disk_damage {
    SIM_DISK_BIT_FLIP,
    SIM_DISK_SECTOR_ZEROED,
    SIM_DISK_MISDIRECTED, /* a write went elsewhere; its place has what was there before */
    SIM_DISK_IDENTITY,    /* a bit flip in the file `identity` */
    SIM_DISK_DAMAGES,
};

struct sim_disk_stats {
    uint64_t write_count;
    uint64_t sync_count; /* of writes */
    uint64_t read_count;
    uint64_t failure_count;        /* calls and operations that an asked-for fault failed */
    uint64_t writes_after_failure; /* submitted after a failed write was reported: a bug */
};

struct sim_disk_block;
struct sim_disk_file;
struct sim_disk_unsynced;
struct sim_disk_displaced;
struct sim_disk_name_change;
struct sim_disk_waiting;

struct sim_disk_queue {
    struct sim_disk_waiting *items; /* a ring of `capacity`, a power of two */
    size_t capacity;
    size_t head;
    size_t count;
};

/* All members belong to the disk. */
struct sim_disk {
    struct build_disk interface;
    struct prng prng;
    bool is_down; /* after a crash, until it is mounted */
    uint64_t room_bytes;
    struct sim_disk_file **files;
    size_t file_count;
    size_t file_capacity;
    struct sim_disk_block *spare;       /* blocks that no file needs now */
    struct sim_disk_file *hot;          /* where the last operation was, or NULL */
    struct sim_disk_unsynced *unsynced; /* slots, some of them free */
    size_t unsynced_count;
    size_t unsynced_capacity;
    uint32_t unsynced_free;             /* slot + 1 of the first free one; 0: none */
    struct sim_disk_name_change *names; /* not synced, in order */
    size_t name_count;
    size_t name_capacity;
    struct sim_disk_displaced *displaced; /* a ring: what stood where was written again */
    size_t displaced_count;
    struct sim_disk_queue queues[SIM_DISK_OP_KINDS];
    uint64_t submit_count;
    uint64_t failing_through;     /* writes submitted up to this one fail */
    bool has_write_failed;        /* since the last mount */
    bool is_preparation_reported; /* just now */
    uint32_t reported_count;      /* synced writes that were reported */
    uint32_t bound;               /* of them those that the next witness surely notes */
    uint32_t witnessed;           /* of them those whose loss would be noticed */
    bool write_fails;             /* the next synced one */
    bool read_fails;
    bool read_fails_for_good;
    bool call_fails[SIM_DISK_CALLS];
    uint64_t bad_count;     /* sectors that cannot be read */
    uint64_t damaged_count; /* sectors */
    struct sim_disk_stats stats;
    char complaint[SIM_DISK_TEXT_BYTES];
};

/* An empty disk that is down: mount it. It may not move. Memory that runs out is asserted, here
 * and below.
 */
void sim_disk_init(struct sim_disk *disk, uint64_t seed);

/* What is pending is forgotten. A zeroed disk is allowed. */
void sim_disk_deinit(struct sim_disk *disk);

/* What a node is given. While the disk is down every call is QR_ERR_IO. */
const struct build_disk *sim_disk_interface(struct sim_disk *disk);

/* disk_step.c: operations */

size_t sim_disk_pending_count(const struct sim_disk *disk, enum build_op_kind kind);

/* The kind of what was submitted first of all that is pending. False: nothing is. */
bool sim_disk_first_kind(const struct sim_disk *disk, enum build_op_kind *kind);

/* Carry out the first pending operation of a kind and report it. Writes are thereby in order;
 * what else passes them is the caller's choice. While the disk is down nothing happens to the
 * files, and the report is QR_ERR_IO: for owners that must be idle before they are freed.
 *
 * Returns false when none is pending.
 * Cost: the copy, and a few instructions a sector; no allocation for synced writes.
 */
bool sim_disk_step(struct sim_disk *disk, enum build_op_kind kind);

/* disk_crash.c: going down and coming up */

/* The process ends at once. Of the pending writes a prefix reached the kernel, the next one
 * perhaps in part; a preparation or removal happened, in part, or not. All of that and what
 * was unsynced stays in the kernel's caches, unsynced. The disk is down.
 */
void sim_disk_process_crash(struct sim_disk *disk);

/* The machine goes down, at once or after a crash of the process: see the head. */
void sim_disk_power_loss(struct sim_disk *disk);

/* What the runtime does before a node starts: sync everything, drop what is cached, forget
 * what is pending.
 *
 * Returns 0, or QR_ERR_IO when that was asked for: the sync failed, so that what it should
 * have written is clean and is dropped by the next mount; the disk stays down.
 */
NODISCARD int sim_disk_mount(struct sim_disk *disk);

/* A new, empty disk in place of this one, down. Faults asked for are forgotten. */
void sim_disk_wipe(struct sim_disk *disk);

/* Faults */

/* The next synced write fails, in its write or in its sync. */
void sim_disk_fail_write(struct sim_disk *disk);

/* The next read, of an operation or of a call, fails; for good: one of the sectors that it
 * wanted cannot be read until it is written again.
 */
void sim_disk_fail_read(struct sim_disk *disk, bool is_for_good);

void sim_disk_fail_call(struct sim_disk *disk, enum sim_disk_call call);

/* Forget faults that were asked for and have not come yet. Damage and bad sectors stay. */
void sim_disk_clear_faults(struct sim_disk *disk);

/* How much all files together may hold; UINT64_MAX at first. */
void sim_disk_set_room(struct sim_disk *disk, uint64_t room_bytes);
uint64_t sim_disk_used_bytes(const struct sim_disk *disk);

/* disk_damage.c: change something that is eligible.
 *
 * what   SIM_DISK_TEXT_BYTES of room: where, in words.
 *
 * Returns false when nothing is eligible; then nothing changed.
 * Cost: looks at every sector's record.
 */
bool sim_disk_damage(struct sim_disk *disk, enum sim_disk_damage kind, char *what);

/* Whether damage or a sector that cannot be read is on the disk: a node on it may rightly
 * refuse to start.
 */
bool sim_disk_is_damaged(const struct sim_disk *disk);

/* disk_view.c: what the worst power loss would leave now, pending operations not carried out.
 * Only list() and read() may be called, and not after the disk changed. Files of zeros only
 * are not listed.
 */
struct disk sim_disk_durable_view(struct sim_disk *disk);

const struct sim_disk_stats *sim_disk_stats(const struct sim_disk *disk);

/* What a write broke first of disk.h's rules, in words, or NULL: it is not made of whole
 * sectors within a file, or writes over a sector that was synced and reported.
 */
const char *sim_disk_complaint(const struct sim_disk *disk);

#endif
