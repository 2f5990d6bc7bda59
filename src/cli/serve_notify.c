/* serve_notify.c: keeps the service manager told how a node is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/notify.h"

#define INTERVAL_MS 1000 /* in which a change of role is told, at the latest */
#define US_PER_MS 1000
#define MS_PER_S 1000

void serve_notifier_init(struct serve_notifier *notifier, uv_loop_t *loop)
{
    *notifier = (struct serve_notifier){0};
    int status = uv_timer_init(loop, &notifier->timer);
    ASSERT(status == 0);
    notifier->timer.data = notifier;
}

void serve_notifier_deinit(struct serve_notifier *notifier)
{
    free(notifier->status);
    notifier->status = NULL;
}

bool serve_notify_is_well(const struct qr_status *status)
{
    return !status->is_stalled;
}

uint64_t serve_notify_interval_ms(uint64_t watchdog_us)
{
    if (watchdog_us == 0) {
        return INTERVAL_MS;
    }
    /* A third, so that one that is late harms nothing. */
    return max_u64(1, min_u64(INTERVAL_MS, watchdog_us / 3 / US_PER_MS));
}

void serve_notify_text(const struct qr_status *status, char *out, size_t out_bytes)
{
    const char *role = qr_role_name(status->role);
    unsigned long long term = (unsigned long long)status->term;
    unsigned long long applied = (unsigned long long)status->applied_index;
    if (status->is_stalled) {
        bool is_disk = status->saving_ms >= status->applying_ms;
        uint64_t ms = is_disk ? status->saving_ms : status->applying_ms;
        snprintf(out, out_bytes, "%s, stuck: the %s does not advance since %llu s", role,
                 is_disk ? "disk" : "state machine", (unsigned long long)(ms / MS_PER_S));
    } else if (status->cluster_high == 0 && status->cluster_low == 0) {
        snprintf(out, out_bytes, "in no cluster yet");
    } else if (!status->has_leader) {
        snprintf(out, out_bytes, "%s without a leader, term %llu, applied %llu", role, term,
                 applied);
    } else if (status->role == QR_LEADER) {
        snprintf(out, out_bytes, "leader of %zu members, term %llu, applied %llu",
                 status->member_count, term, applied);
    } else {
        snprintf(out, out_bytes, "%s of %s, term %llu, applied %llu", role, status->leader_name,
                 term, applied);
    }
}

static void tell(uv_timer_t *timer)
{
    struct serve_notifier *notifier = timer->data;
    char text[SERVE_NOTIFY_TEXT_BYTES];
    char state[SERVE_NOTIFY_TEXT_BYTES + 32];
    notifier->status->size_bytes = sizeof(*notifier->status);
    int status = qr_status(notifier->engine, notifier->status);
    ASSERT(status == 0);
    serve_notify_text(notifier->status, text, sizeof(text));
    bool has_changed = strcmp(text, notifier->told) != 0;
    bool is_fed = notifier->has_watchdog && serve_notify_is_well(notifier->status);
    if (!has_changed && !is_fed) {
        return;
    }
    memcpy(notifier->told, text, sizeof(text));
    snprintf(state, sizeof(state), "STATUS=%s%s", text, is_fed ? "\nWATCHDOG=1" : "");
    cli_notify(state);
}

/* Of the manager's watchdog, in microseconds; 0: there is none for this process. */
static uint64_t watchdog_us(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    const char *process = getenv("WATCHDOG_PID");
    uint64_t us = 0;
    uint64_t pid = 0;
    if (interval == NULL || !cli_number_parse(interval, false, &us)) {
        return 0;
    }
    bool is_other = process != NULL &&
                    (!cli_number_parse(process, false, &pid) || pid != (uint64_t)uv_os_getpid());
    return is_other ? 0 : us;
}

int serve_notifier_start(struct serve_notifier *notifier, struct qr_engine *engine)
{
    if (getenv("NOTIFY_SOCKET") == NULL) {
        return 0;
    }
    notifier->status = calloc(1, sizeof(*notifier->status));
    if (notifier->status == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    notifier->engine = engine;
    uint64_t us = watchdog_us();
    notifier->has_watchdog = us != 0;
    uint64_t interval = serve_notify_interval_ms(us);
    int status = uv_timer_start(&notifier->timer, tell, 0, interval);
    ASSERT(status == 0);
    return 0;
}
