/* snapshot_folder.h: a snapshot store of a program's own: one file each, in a folder.
 *
 * Owns     the folder's files, and a thread that does all the work, so that nobody waits for it.
 *          Simple and honest: what a program may begin a store of its own with.
 * Threads  as quorate/snapshot_store.h has it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SNAPSHOT_FOLDER_H
#define SUPPORT_SNAPSHOT_FOLDER_H

#include <pthread.h>
#include <stdatomic.h>

#include "quorate/snapshot_store.h"

enum snapshot_folder_kind {
    SNAPSHOT_FOLDER_WRITE,
    SNAPSHOT_FOLDER_PUBLISH,
    SNAPSHOT_FOLDER_ABANDON,
    SNAPSHOT_FOLDER_READ,
    SNAPSHOT_FOLDER_REMOVE,
    SNAPSHOT_FOLDER_KINDS,
};

struct snapshot_folder_job {
    enum snapshot_folder_kind kind;
    uint64_t ticket;
    uint64_t index;
    uint64_t offset;
    size_t count;
    const void *from; /* of a write */
    void *into;       /* of a read */
};

struct snapshot_folder {
    struct qr_snapshot_store store; /* what to hand to the engine */
    const struct qr_snapshot_host *host;
    char path[64];
    int folder; /* descriptor */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct snapshot_folder_job jobs[QR_SNAPSHOT_OPERATIONS_MAX]; /* ring, under the mutex */
    size_t head;
    size_t count;
    bool is_closing;
    atomic_int fails[SNAPSHOT_FOLDER_KINDS]; /* for tests: what each kind ends with, undone */
    atomic_uint ended[SNAPSHOT_FOLDER_KINDS];
};

/* A store over the folder `path`, which is there and outlives it. */
void snapshot_folder_init(struct snapshot_folder *folder, const char *path);

#endif
