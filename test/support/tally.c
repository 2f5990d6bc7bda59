/* tally.c: the smallest state machine, and a place to run it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tally.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/types.h"
#include "quorate/error.h"

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct tally *tally = context;
    pthread_mutex_lock(&tally->mutex);
    int status = -(int)tally->apply_status;
    for (size_t i = 0; i < count && status == 0; i++) {
        const uint8_t *payload = entries[i].payload;
        ASSERT(entries[i].index > tally->last_index);
        tally->last_index = entries[i].index;
        if (entries[i].payload_bytes > 0 && payload[0] == TALLY_REJECTED) {
            results[i] =
                (struct qr_result){.data = "no", .size_bytes = 2, .status = QR_ERR_REJECTED};
            continue;
        }
        for (size_t k = 0; k < entries[i].payload_bytes; k++) {
            tally->sum += payload[k];
        }
        tally->entry_count++;
        ASSERT(i < sizeof(tally->answers) / sizeof(tally->answers[0]));
        tally->answers[i] = tally->sum;
        results[i] =
            (struct qr_result){.data = &tally->answers[i], .size_bytes = sizeof(tally->answers[i])};
    }
    pthread_mutex_unlock(&tally->mutex);
    return status;
}

static uint64_t digest(void *context)
{
    return tally_sum(context);
}

/* A view: what was there when it was opened, in so many bytes. */
struct saved {
    uint8_t bytes[TALLY_SNAPSHOT_BYTES];
    size_t padding_bytes; /* still to be given */
    size_t given_bytes;
};

static int snapshot_open(void *context, void **snapshot)
{
    struct tally *tally = context;
    struct saved *saved = calloc(1, sizeof(*saved));
    ASSERT(saved != NULL);
    saved->padding_bytes = tally->padding_bytes;
    pthread_mutex_lock(&tally->mutex);
    store_u64(saved->bytes, tally->sum);
    store_u64(saved->bytes + 8, tally->entry_count);
    store_u64(saved->bytes + 16, tally->last_index);
    tally->open_snapshots++;
    pthread_mutex_unlock(&tally->mutex);
    *snapshot = saved;
    return 0;
}

/* Bytes that no compression makes fewer. */
static size_t give_padding(struct saved *saved, uint8_t *buffer, size_t size_bytes)
{
    size_t given_bytes = min_u64(size_bytes, saved->padding_bytes);
    uint64_t chance = saved->padding_bytes;
    for (size_t i = 0; i < given_bytes; i++) {
        chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        buffer[i] = (uint8_t)(chance >> 56);
    }
    saved->padding_bytes -= given_bytes;
    return given_bytes;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct saved *saved = snapshot;
    (void)context;
    if (saved->padding_bytes > 0) {
        *read_bytes = give_padding(saved, buffer, size_bytes);
        return 0;
    }
    *read_bytes = min_u64(size_bytes, TALLY_SNAPSHOT_BYTES - saved->given_bytes);
    memcpy(buffer, saved->bytes + saved->given_bytes, *read_bytes);
    saved->given_bytes += *read_bytes;
    return 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    struct tally *tally = context;
    pthread_mutex_lock(&tally->mutex);
    ASSERT(tally->open_snapshots > 0);
    tally->open_snapshots--;
    pthread_mutex_unlock(&tally->mutex);
    free(snapshot);
}

static int restore_begin(void *context)
{
    struct tally *tally = context;
    pthread_mutex_lock(&tally->mutex);
    tally->sum = 0;
    tally->entry_count = 0;
    tally->last_index = 0;
    tally->restored_bytes = 0;
    tally->skipped_bytes = 0;
    pthread_mutex_unlock(&tally->mutex);
    return 0;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct tally *tally = context;
    size_t skipped_bytes = min_u64(size_bytes, tally->padding_bytes - tally->skipped_bytes);
    tally->skipped_bytes += skipped_bytes;
    size_bytes -= skipped_bytes;
    if (size_bytes > TALLY_SNAPSHOT_BYTES - tally->restored_bytes) {
        return QR_ERR_CORRUPT;
    }
    memcpy(tally->restored + tally->restored_bytes, (const uint8_t *)data + skipped_bytes,
           size_bytes);
    tally->restored_bytes += size_bytes;
    return 0;
}

static int restore_end(void *context)
{
    struct tally *tally = context;
    if (tally->restored_bytes != TALLY_SNAPSHOT_BYTES) {
        return QR_ERR_CORRUPT;
    }
    pthread_mutex_lock(&tally->mutex);
    tally->sum = load_u64(tally->restored);
    tally->entry_count = load_u64(tally->restored + 8);
    tally->last_index = load_u64(tally->restored + 16);
    tally->restore_count++;
    pthread_mutex_unlock(&tally->mutex);
    return 0;
}

void tally_init(struct tally *tally)
{
    *tally = (struct tally){.sum = 0};
    tally->machine = (struct qr_state_machine){
        .size_bytes = sizeof(tally->machine),
        .context = tally,
        .apply = apply,
        .digest = digest,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
    };
    pthread_mutex_init(&tally->mutex, NULL);
}

void tally_deinit(struct tally *tally)
{
    ASSERT(tally->open_snapshots == 0);
    pthread_mutex_destroy(&tally->mutex);
}

uint64_t tally_sum(struct tally *tally)
{
    pthread_mutex_lock(&tally->mutex);
    uint64_t sum = tally->sum;
    pthread_mutex_unlock(&tally->mutex);
    return sum;
}

void tally_fail(struct tally *tally, int status)
{
    pthread_mutex_lock(&tally->mutex);
    tally->apply_status = (uint64_t)-status;
    pthread_mutex_unlock(&tally->mutex);
}

void temporary_directory(char *out)
{
    (void)snprintf(out, 64, "/tmp/quorate-test-XXXXXX");
    ASSERT(mkdtemp(out) != NULL);
}

void temporary_directory_remove(const char *directory)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r '%s'", directory);
    ASSERT(system(command) == 0);
}

static bool is_free(int type, struct sockaddr_in address)
{
    int descriptor = socket(AF_INET, type, 0);
    ASSERT(descriptor >= 0);
    bool is_bound = bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(descriptor);
    return is_bound;
}

/* Below those that the kernel gives to connections: of this test's nodes, and of other tests. */
void free_address(char *out)
{
    enum { LEAST = 10240, MOST = 32000, STRIDE = 7919 };
    static unsigned asked;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    unsigned port = 0;
    do {
        asked++;
        port = LEAST + ((unsigned)getpid() * 31 + asked * STRIDE) % (MOST - LEAST);
        address.sin_port = htons((uint16_t)port);
    } while (!is_free(SOCK_STREAM, address) || !is_free(SOCK_DGRAM, address));
    (void)snprintf(out, 32, "127.0.0.1:%u", port);
}
