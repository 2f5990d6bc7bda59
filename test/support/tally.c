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
        for (size_t k = 0; k < entries[i].payload_bytes; k++) {
            tally->sum += payload[k];
        }
        tally->entry_count++;
        ASSERT(i < sizeof(tally->answers) / sizeof(tally->answers[0]));
        tally->answers[i] = tally->sum;
        results[i] = (struct qr_result){&tally->answers[i], sizeof(tally->answers[i])};
    }
    pthread_mutex_unlock(&tally->mutex);
    return status;
}

static uint64_t digest(void *context)
{
    return tally_sum(context);
}

void tally_init(struct tally *tally)
{
    *tally = (struct tally){.sum = 0};
    tally->machine = (struct qr_state_machine){
        .size_bytes = sizeof(tally->machine),
        .context = tally,
        .apply = apply,
        .digest = digest,
    };
    pthread_mutex_init(&tally->mutex, NULL);
}

void tally_deinit(struct tally *tally)
{
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

void free_address(char *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(bind(descriptor, (struct sockaddr *)&address, length) == 0);
    ASSERT(getsockname(descriptor, (struct sockaddr *)&address, &length) == 0);
    close(descriptor);
    (void)snprintf(out, 32, "127.0.0.1:%d", ntohs(address.sin_port));
}
