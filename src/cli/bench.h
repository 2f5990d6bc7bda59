/* bench.h: what the parts of `quorate bench` share: a closed loop over many connections.
 *
 * Owns     the connections and the counts. Each connection keeps `pipeline` requests under
 *          way; a latency runs from the moment a request is handed to its connection to the
 *          moment its answer is read.
 * Threads  one, on a loop of its own.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <uv.h>

#include "base/histogram.h"
#include "base/prng.h"
#include "cli/address.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

#define BENCH_CLIENTS_MAX 50000
#define BENCH_PIPELINE_MAX 1024
#define BENCH_VALUE_BYTES_MAX (8 * 1024 * 1024)
#define BENCH_BUFFERS_BYTES_MAX (UINT64_C(4) << 30) /* of all connections together */
#define BENCH_ERROR_KINDS_MAX 8
#define BENCH_ERROR_BYTES_MAX 24
#define BENCH_LINE_BYTES_MAX 64

struct bench_options {
    struct cli_addresses addresses;
    bool is_leader_only;
    size_t cluster_count; /* 0: use a cluster that runs */
    uint64_t client_count;
    uint64_t seconds;
    uint64_t request_count; /* 0: by time alone */
    uint64_t warmup_ms;
    uint64_t value_bytes;
    uint64_t pipeline;
    uint64_t reads_percent;
    uint64_t key_count;
    bool is_json;
};

struct bench;

struct bench_connection {
    struct bench *bench;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    bool is_open;
    bool is_writing;
    bool is_closed; /* uv_close() was called */
    size_t in_flight;
    size_t owed; /* requests to make once the write under way is done */
    size_t head; /* of `started`: the oldest */
    time_ns *started;
    char *output;
    size_t output_bytes;
    uint64_t skip_bytes; /* of a bulk reply, still to come */
    size_t line_bytes;
    char line[BENCH_LINE_BYTES_MAX]; /* the beginning of a reply's line */
};

struct bench_error {
    char kind[BENCH_ERROR_BYTES_MAX]; /* the reply's first word */
    uint64_t count;
};

/* A request with its key's digits at a known place. */
struct bench_template {
    char *data;
    size_t size_bytes;
    size_t digits_at;
};

enum bench_phase {
    BENCH_CONNECTING,
    BENCH_WARMING_UP,
    BENCH_MEASURING,
    BENCH_ENDED,
};

struct bench {
    const struct bench_options *options;
    uv_loop_t loop;
    uv_timer_t timer;
    struct bench_connection *connections;
    time_ns *started_ring;
    char *receive_buffer;
    struct bench_template set;
    struct bench_template get;
    struct prng prng;
    enum bench_phase phase;
    time_ns phase_began_ns;
    time_ns measured_ns; /* how long was measured, at the end */
    size_t open_count;
    size_t failed_count; /* connections refused or cut */
    uint64_t done_count;
    uint64_t error_count;
    size_t error_kind_count;
    struct bench_error errors[BENCH_ERROR_KINDS_MAX];
    struct histogram latency; /* nanoseconds, of answers that are no error */
    struct interrupt *interrupt;
    struct progress progress;
};

/* Run the whole load. Returns a CLI_* code after a complaint, or CLI_DONE; then the counts
 * are there to be reported.
 */
int bench_run(struct bench *bench);

/* Start connecting one; what follows comes through bench_connection_*. */
void bench_connection_open(struct bench_connection *connection, const struct sockaddr *address);

/* Hand the first requests to a connection. */
void bench_connection_start(struct bench_connection *connection);
void bench_connection_close(struct bench_connection *connection);

/* Told by a connection. */
void bench_connected(struct bench *bench);
void bench_failed(struct bench *bench);
void bench_answered(struct bench *bench, time_ns started_ns, const char *error);

/* Write the next request to `out`. Returns its size. */
size_t bench_request_write(struct bench *bench, char *out);

/* Print the result. Returns a CLI_* code. */
int bench_report(const struct bench *bench);

/* Parse the command line. */
void bench_options_parse(int argc, char **argv, struct bench_options *out);

#endif
