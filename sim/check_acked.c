/* check_acked.c: no acknowledged write is lost, no refused one happens, no answer is stale. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"
#include "sim/memory.h"

void check_acked_done(struct check_acked *check, const struct qr_sim_operation *operation,
                      uint64_t index, uint64_t floor_index, time_ns now_ns,
                      struct sim_failure *failure)
{
    bool is_behind = operation->is_read ? index >= floor_index : index > floor_index;
    if (!is_behind) {
        sim_failure_set(failure, now_ns, operation->is_read ? "stale_read" : "write_in_order",
                        "operation %" PRIu64 " was answered at index %" PRIu64
                        ", and began after an answer at index %" PRIu64,
                        operation->number, index, floor_index);
    }
    check->floor_index = max_u64(check->floor_index, index);
    if (!operation->is_read) {
        sim_grow((void **)&check->done, &check->done_capacity, check->done_count + 1,
                 sizeof(*check->done));
        check->done[check->done_count++] = (struct check_done){operation->number, index};
    }
}

void check_acked_refused(struct check_acked *check, uint64_t number)
{
    sim_grow((void **)&check->refused, &check->refused_capacity, check->refused_count + 1,
             sizeof(*check->refused));
    check->refused[check->refused_count++] = (struct check_refused){number};
}

void check_acked_finish(const struct check_acked *check, const struct check_apply *applied,
                        time_ns now_ns, struct sim_failure *failure)
{
    for (size_t i = 0; i < check->done_count; i++) {
        uint64_t index = check_apply_index_of(applied, check->done[i].number);
        if (index != check->done[i].index) {
            sim_failure_set(failure, now_ns, "no_acknowledged_write_lost",
                            "operation %" PRIu64 " was acknowledged at index %" PRIu64
                            " and is applied at %" PRIu64 " (0: nowhere)",
                            check->done[i].number, check->done[i].index, index);
        }
    }
    for (size_t i = 0; i < check->refused_count; i++) {
        uint64_t index = check_apply_index_of(applied, check->refused[i].number);
        if (index != 0) {
            sim_failure_set(failure, now_ns, "no_refused_write_happens",
                            "operation %" PRIu64 " was refused and is applied at index %" PRIu64,
                            check->refused[i].number, index);
        }
    }
}

void check_acked_deinit(struct check_acked *check)
{
    sim_release(check->refused);
    sim_release(check->done);
}
