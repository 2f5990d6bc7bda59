/* sim_counter.c: the counter of counter.c in the simulator, with what must hold of it.
 *
 * usage: sim_counter FIRST-SEED SEEDS [calls|entries]
 *
 * Each seed is a whole cluster with faults of its own. Clients add and read; whatever happens,
 * no addition that was acknowledged may be lost, none may count twice, and no read may be
 * older than what was acknowledged before it began. The last argument makes the counter wrong:
 *
 *   calls     one more at every 100th call of apply(), which no entry tells: replicas differ
 *   entries   100 more at every 100th entry: replicas agree, on a sum that nobody asked for
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/sim.h"

#define RUNS_MAX 50 /* that are tried to make a failing run shorter */

/* What is known of one run, beside its replicas. */
struct judge {
    const char *mistake;
    uint64_t calls;                    /* of apply(), by all replicas */
    int64_t acknowledged;              /* sum of the additions that were */
    int64_t unknown;                   /* and of those whose outcome nobody knows */
    int64_t seen;                      /* the greatest sum of any replica */
    bool is_read_stale;                /* one was */
    int64_t known[QR_SIM_CLIENTS_MAX]; /* acknowledged when the client's operation began */
};

/* One replica: nothing but what its entries say. */
struct counter {
    struct qr_state_machine machine;
    struct judge *judge;
    int64_t sum;
    size_t restored_bytes; /* of the sum, from a snapshot */
    int64_t results[1024]; /* of the last batch, kept until the next */
};

static bool is_wrong(const struct judge *judge, const char *mistake, uint64_t number)
{
    return strcmp(judge->mistake, mistake) == 0 && number % 100 == 0;
}

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct counter *counter = context;
    counter->sum += is_wrong(counter->judge, "calls", ++counter->judge->calls) ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].payload_bytes == 1) {
            counter->sum += *(const uint8_t *)entries[i].payload;
        }
        counter->sum += is_wrong(counter->judge, "entries", entries[i].index) ? 100 : 0;
        int64_t *slot = &counter->results[i % 1024];
        *slot = counter->sum;
        results[i] = (struct qr_result){.data = slot, .size_bytes = sizeof(*slot)};
    }
    return 0;
}

static uint64_t digest(void *context)
{
    const struct counter *counter = context;
    return (uint64_t)counter->sum;
}

/* A snapshot is the sum: so the whole state fits into one piece. */
struct saved {
    int64_t sum;
    bool is_read;
};

static int snapshot_open(void *context, void **snapshot)
{
    const struct counter *counter = context;
    struct saved *saved = malloc(sizeof(*saved));
    if (saved == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    *saved = (struct saved){.sum = counter->sum};
    *snapshot = saved;
    return 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct saved *saved = snapshot;
    (void)context;
    (void)size_bytes;
    *read_bytes = saved->is_read ? 0 : sizeof(saved->sum);
    memcpy(buffer, &saved->sum, *read_bytes);
    saved->is_read = true;
    return 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    (void)context;
    free(snapshot);
}

static int restore_begin(void *context)
{
    struct counter *counter = context;
    counter->sum = 0;
    counter->restored_bytes = 0;
    return 0;
}

/* In pieces of any size: perhaps byte by byte. */
static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct counter *counter = context;
    if (size_bytes > sizeof(counter->sum) - counter->restored_bytes) {
        return QR_ERR_CORRUPT;
    }
    memcpy((uint8_t *)&counter->sum + counter->restored_bytes, data, size_bytes);
    counter->restored_bytes += size_bytes;
    return 0;
}

static int restore_end(void *context)
{
    const struct counter *counter = context;
    return counter->restored_bytes == sizeof(counter->sum) ? 0 : QR_ERR_CORRUPT;
}

static void begin(void *context)
{
    struct judge *judge = context;
    *judge = (struct judge){.mistake = judge->mistake};
}

static const struct qr_state_machine *open_replica(void *context)
{
    struct counter *counter = calloc(1, sizeof(*counter));
    if (counter == NULL) {
        return NULL;
    }
    counter->judge = context;
    counter->machine = (struct qr_state_machine){.size_bytes = sizeof(counter->machine),
                                                 .context = counter,
                                                 .apply = apply,
                                                 .digest = digest,
                                                 .snapshot_open = snapshot_open,
                                                 .snapshot_read = snapshot_read,
                                                 .snapshot_close = snapshot_close,
                                                 .restore_begin = restore_begin,
                                                 .restore_write = restore_write,
                                                 .restore_end = restore_end};
    return &counter->machine;
}

static void close_replica(void *context, const struct qr_state_machine *machine)
{
    (void)context;
    free(machine->context);
}

/* One operation of four reads; the others add 1 to 9. */
static void operation(void *context, struct qr_sim_random *random, struct qr_sim_operation *out)
{
    struct judge *judge = context;
    judge->known[out->client] = judge->acknowledged;
    out->is_read = qr_sim_draw(random, 1, 4) == 1;
    if (!out->is_read) {
        memcpy(out->command, "add", 3);
        out->command_bytes = 3;
        out->payload[0] = (uint8_t)qr_sim_draw(random, 1, 9);
        out->payload_bytes = 1;
    }
}

static size_t read_replica(void *context, const struct qr_state_machine *machine,
                           const struct qr_sim_operation *operation, void *out, size_t out_bytes)
{
    const struct counter *counter = machine->context;
    (void)context;
    (void)operation;
    (void)out_bytes;
    memcpy(out, &counter->sum, sizeof(counter->sum));
    return sizeof(counter->sum);
}

static void ended(void *context, const struct qr_sim_operation *operation,
                  const struct qr_sim_outcome *outcome)
{
    struct judge *judge = context;
    int64_t sum = 0;
    if (outcome->status == 0 && operation->is_read) {
        memcpy(&sum, outcome->result, sizeof(sum));
        judge->is_read_stale = judge->is_read_stale || sum < judge->known[operation->client];
    } else if (outcome->status == 0) {
        judge->acknowledged += operation->payload[0];
    } else if (!operation->is_read && !qr_error_is_certain(outcome->status)) {
        judge->unknown += operation->payload[0];
    }
}

/* After each batch of each replica. */
static const char *check(void *context, const struct qr_state_machine *machine)
{
    struct judge *judge = context;
    const struct counter *counter = machine->context;
    judge->seen = counter->sum > judge->seen ? counter->sum : judge->seen;
    return judge->is_read_stale ? "a read is older than what was acknowledged" : NULL;
}

static const char *finish(void *context)
{
    const struct judge *judge = context;
    if (judge->seen < judge->acknowledged) {
        return "an acknowledged addition is lost";
    }
    if (judge->seen > judge->acknowledged + judge->unknown) {
        return "more was added than anybody asked for";
    }
    return NULL;
}

static void print_failure(const struct qr_sim_options *options, const struct qr_sim_report *report)
{
    struct qr_sim_shrunk shorter;
    printf("seed %" PRIu64 " failed: %s: %s\n", options->seed, report->checker, report->failure);
    if (qr_sim_shrink(options, RUNS_MAX, NULL, NULL, &shorter) == 0) {
        printf("  %" PRIu64 " events instead of %" PRIu64 " with \"%s\", %zu faults left out\n",
               shorter.report.events, report->events, shorter.plan, shorter.skipped_fault_count);
        qr_sim_shrunk_deinit(&shorter);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: sim_counter FIRST-SEED SEEDS [calls|entries]\n");
        return 2;
    }
    struct judge judge = {.mistake = argc == 4 ? argv[3] : ""};
    struct qr_sim_subject subject = {.size_bytes = sizeof(subject),
                                     .context = &judge,
                                     .begin = begin,
                                     .open = open_replica,
                                     .close = close_replica,
                                     .operation = operation,
                                     .read = read_replica,
                                     .ended = ended,
                                     .check = check,
                                     .finish = finish};
    struct qr_sim_options options = {.size_bytes = sizeof(options), .subject = &subject};
    uint64_t first = strtoull(argv[1], NULL, 10);
    uint64_t count = strtoull(argv[2], NULL, 10);
    uint64_t failed = 0;
    uint64_t commits = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct qr_sim_report report;
        options.seed = first + i;
        int status = qr_sim_run(&options, &report);
        if (status != 0) {
            fprintf(stderr, "sim_counter: %s: %s\n", qr_error_text(status), report.failure);
            return 2;
        }
        commits += report.commits;
        if (!report.has_passed) {
            failed++;
            print_failure(&options, &report);
        }
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " failed, %" PRIu64 " commits\n", count, failed, commits);
    return failed > 0;
}
