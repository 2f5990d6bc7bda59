/* cron.c: jobs that are run by whichever node leads, each due run once.
 *
 * usage: cron NAME ADDRESS [MEMBER,...]     as in node.h; each line of standard input is answered:
 *
 *   every JOB MS COMMAND   "RUN MS COMMAND": sh runs COMMAND every MS milliseconds; 0: never again
 *   show JOB               the same; RUN counts from 1: COMMAND has it as $RUN, and $JOB;
 *                          JOB has up to 31 bytes, COMMAND 63
 *
 * When a run is due, the leader asks for it in the log: "take JOB RUN RUNNER". The first who
 * asks gets it, if RUN follows the last one; who hears nothing asks again under the same token,
 * and gets the first answer, also when others have had later runs meanwhile. So, whoever is
 * killed and whoever leads, each run is given to one process: none is left out, and none is
 * given twice. What came due while nobody led is made up for, in order. What a command does
 * outside is done at most once: who is killed with a run in its hands takes it along, as nobody
 * knows how far it came. If nothing may be lost, and may be done twice, say "done" in one more
 * entry, and give again what is not.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>

#include "lines.h"

#define JOBS_MAX 64
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define LOOK_NS 20000000 /* how often a leader looks what is due */

struct job {       /* JOBS_MAX of them are the replicated state */
    char name[32]; /* "": this place is free */
    char command[64];
    uint64_t period_ms; /* 0: never */
    uint64_t due_ns;    /* log time of the run behind the last */
    uint64_t run;       /* the last one that was given to somebody */
    uint64_t runner;    /* to whom: each process has a number of its own */
};

struct cron {
    struct qr_engine *engine;
    struct qr_state_machine machine;
    atomic_bool is_over; /* the program ends */
    uint64_t asked;      /* how often this process asked for something */
};

/* The job of that name, or a free place for it; NULL: there are too many. */
static struct job *find(struct job *jobs, const char *name)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs[i].name[0] == '\0' || strcmp(jobs[i].name, name) == 0) {
            return &jobs[i];
        }
    }
    return NULL;
}

static bool is_due(const struct job *job, uint64_t now_ns)
{
    return job->period_ms > 0 && job->due_ns <= now_ns;
}

static int apply(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    struct request request = {0};
    int words = request_read(entry, &request);
    const char *verb = request.verb, *name = request.name, *rest = request.rest;
    if (words == 1 && strcmp(verb, "hello") == 0) {
        return node_reply(reply, "%" PRIu64, entry->index);
    }
    struct job *job = find(state, name);
    char *end;
    uint64_t number = strtoull(request.third, &end, 10);
    if (job == NULL || words < 2 || strspn(name, NAME_LETTERS) < strlen(name) || *end != '\0') {
        return node_reject(reply, "a word is missing, too long or no number, or too many jobs");
    }
    if (strcmp(verb, "take") == 0) {
        if (number == job->run + 1 && is_due(job, entry->timestamp_ns)) {
            job->run = number;
            job->runner = strtoull(rest, NULL, 10); /* who, asking again, hears the same again */
            job->due_ns += job->period_ms * NS_PER_MS;
        }
        bool is_given = job->run == number && job->runner == strtoull(rest, NULL, 10);
        return node_reply(reply, "%s", is_given ? job->command : "");
    }
    if (strcmp(verb, "every") == 0 && words == 4 && number <= DAY_MS) {
        memcpy(job->name, name, sizeof(job->name));
        memcpy(job->command, rest, sizeof(job->command));
        job->period_ms = number;
        job->due_ns = entry->timestamp_ns + number * NS_PER_MS;
    } else if (strcmp(verb, "show") != 0) {
        return node_reject(reply, "what is that?");
    }
    return node_reply(reply, "%" PRIu64 " %" PRIu64 " %s", job->run, job->period_ms, job->command);
}

/* Ask for the next run of a job, and run it if it was given. */
static void take(struct cron *cron, const struct job *job, const char *runner)
{
    char line[LINE_BYTES], command[LINE_BYTES], token[LINE_BYTES];
    (void)snprintf(line, sizeof(line), "take %.31s %" PRIu64 " %.31s", job->name, job->run + 1,
                   runner);
    /* Of this question alone: what is refused now may be given when it is asked again. */
    (void)snprintf(token, sizeof(token), "cron %" PRIu64 " %.127s", ++cron->asked, line);
    node_insist(cron->engine, qr_token_id(token, strlen(token)), line, command);
    (void)snprintf(line, sizeof(line), "JOB=%.31s RUN=%" PRIu64 "\n(%.63s\n) </dev/null", job->name,
                   job->run + 1, command);
    if (command[0] != '\0' && system(line) != 0) {
        fprintf(stderr, "cron: run %" PRIu64 " of %s failed\n", job->run + 1, job->name);
    }
}

static void *run_jobs(void *argument)
{
    struct cron *cron = argument;
    char runner[LINE_BYTES];
    /* Said twice it is well, too: the last one counts. */
    node_insist(cron->engine, (struct qr_id){0}, "hello", runner);
    while (!cron->is_over) {
        struct job jobs[JOBS_MAX];
        bool is_leader = qr_is_leader(cron->engine) && qr_plain_read(&cron->machine, jobs) == 0;
        for (size_t i = 0; i < JOBS_MAX && is_leader; i++) {
            if (is_due(&jobs[i], qr_log_time(cron->engine))) {
                take(cron, &jobs[i], runner);
            }
        }
        (void)thrd_sleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct job jobs[JOBS_MAX] = {0};
    struct qr_plain_options plain = {
        .size_bytes = sizeof(plain), .state = jobs, .state_bytes = sizeof(jobs), .apply = apply};
    struct cron cron = {.machine = node_machine(&plain)};
    struct qr_engine_options options = node_options(argc, argv, &cron.machine);
    cron.engine = node_open(&options);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_jobs, &cron) != 0) {
        fprintf(stderr, "cron: no thread is to be had\n");
        return 1;
    }
    node_serve(cron.engine, NULL, NULL);
    cron.is_over = true;
    qr_engine_stop(cron.engine);
    pthread_join(thread, NULL);
    qr_engine_free(cron.engine);
    qr_plain_free(&cron.machine);
    return 0;
}
