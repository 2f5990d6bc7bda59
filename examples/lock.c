/* lock.c: a lock service: leases by log time, and fencing tokens that only grow.
 *
 * usage: lock NAME ADDRESS [MEMBER,...]     as in node.h; each line of standard input is answered:
 *
 *   acquire LOCK HOLDER MS   "granted TOKEN", or "held by HOLDER"
 *   renew LOCK TOKEN MS      "renewed", or "lost"
 *   release LOCK TOKEN       "released", or "lost"
 *   write LOCK TOKEN TEXT    "written" to what the lock guards, or "fenced off"
 *   read LOCK                what was written
 *
 * LOCK and HOLDER have up to 31 bytes, TEXT 63; what is longer is refused.
 *
 * Promised, whoever is killed and whoever leads: a lock has one holder at a time, and each token is
 * greater than all before it. A lease ends by the time in the log, which is the same on all
 * replicas and no clock of theirs: a tick brings it there. By a holder's own clock it may end
 * early, or while the holder sleeps. So what is guarded must look at the token: here it lies in the
 * same state and is written under the token of the present holder alone; anything elsewhere keeps
 * the greatest token it has seen, and refuses any below. After "unknown" ask again: who acquires
 * under the same name again gets a new token, and the one before is void.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#define LOCKS_MAX 64

struct lock {
    char name[32];   /* "": this place is free */
    char holder[32]; /* "": nobody has it */
    char text[64];   /* what it guards */
    uint64_t token;  /* of the last holder */
    uint64_t ends_ns;
};

/* The replicated state. */
struct service {
    uint64_t last_token;
    struct lock locks[LOCKS_MAX];
};

/* The lock of that name, or a free place for it; NULL: there are too many. */
static struct lock *find(struct service *service, const char *name)
{
    struct lock *lock = service->locks, *end = lock + LOCKS_MAX;
    while (lock < end && lock->name[0] != '\0' && strcmp(lock->name, name) != 0) {
        lock++;
    }
    return lock < end ? lock : NULL;
}

static void end_leases(struct service *service, uint64_t now_ns)
{
    for (size_t i = 0; i < LOCKS_MAX; i++) {
        if (service->locks[i].ends_ns <= now_ns) {
            service->locks[i].holder[0] = '\0';
        }
    }
}

/* When the next lease ends: the engine sees to it that the log gets there. */
static uint64_t wake_at(const void *state)
{
    const struct service *service = state;
    uint64_t next_ns = 0;
    for (size_t i = 0; i < LOCKS_MAX; i++) {
        const struct lock *lock = &service->locks[i];
        bool is_next = lock->holder[0] != '\0' && (next_ns == 0 || lock->ends_ns < next_ns);
        next_ns = is_next ? lock->ends_ns : next_ns;
    }
    return next_ns;
}

static int apply(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    struct service *service = state;
    struct request request;
    end_leases(service, entry->timestamp_ns);
    if (entry->payload_bytes == 0) {
        return 0; /* a tick */
    }
    if (request_read(entry, &request) < 3) {
        return node_reject(reply, "too few words, or one too long");
    }
    const char *verb = request.verb, *third = request.third, *rest = request.rest;
    struct lock *lock = find(service, request.name);
    if (lock == NULL) {
        return node_reject(reply, "too many locks");
    }
    uint64_t ms = strtoull(rest, NULL, 10);
    uint64_t ends_ns = entry->timestamp_ns + (ms < DAY_MS ? ms : DAY_MS) * NS_PER_MS;
    bool is_held = lock->holder[0] != '\0';
    bool is_holder = is_held && strtoull(third, NULL, 10) == lock->token;
    if (strcmp(verb, "acquire") == 0) {
        if (is_held && strcmp(lock->holder, third) != 0) {
            return node_reply(reply, "held by %s", lock->holder);
        }
        memcpy(lock->name, request.name, sizeof(lock->name));
        memcpy(lock->holder, third, sizeof(lock->holder));
        lock->token = ++service->last_token;
        lock->ends_ns = ends_ns;
        return node_reply(reply, "granted %" PRIu64, lock->token);
    }
    if (strcmp(verb, "write") == 0) {
        memcpy(lock->text, rest, is_holder ? sizeof(lock->text) : 0);
        return node_reply(reply, "%s", is_holder ? "written" : "fenced off");
    }
    if (strcmp(verb, "renew") == 0) {
        lock->ends_ns = is_holder ? ends_ns : lock->ends_ns;
        return node_reply(reply, "%s", is_holder ? "renewed" : "lost");
    }
    if (strcmp(verb, "release") == 0) {
        lock->holder[0] = is_holder ? '\0' : lock->holder[0];
        return node_reply(reply, "%s", is_holder ? "released" : "lost");
    }
    return node_reject(reply, "what is that?");
}

/* Writes go through the log; what is read here is all that was acknowledged anywhere before. */
static int answer_line(struct qr_engine *engine, void *machine, const char *line,
                       char answer[LINE_BYTES])
{
    struct service now;
    if (strncmp(line, "read ", 5) != 0) {
        return node_propose(engine, line, answer);
    }
    int status = qr_read_wait(engine, NULL, NULL);
    if (status == 0 && (status = qr_plain_read(machine, &now)) == 0) {
        const struct lock *lock = find(&now, line + 5);
        (void)snprintf(answer, LINE_BYTES, "%s", lock == NULL ? "" : lock->text);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct service service = {0};
    struct qr_plain_options plain = {
        .size_bytes = sizeof(plain), .state = &service, .state_bytes = sizeof(service)};
    plain.apply = apply;
    plain.wake_at = wake_at;
    struct qr_state_machine machine = node_machine(&plain);
    struct qr_engine_options options = node_options(argc, argv, &machine);
    struct qr_engine *engine = node_open(&options);
    node_serve(engine, answer_line, &machine);
    qr_engine_free(engine);
    qr_plain_free(&machine);
    return 0;
}
