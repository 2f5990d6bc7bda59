/* sim_process.c: a run in a child process: its start, its end, and how it died. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "quorate/error.h"

#define TICK_MS 100
#define HEAP_STEP_BYTES (4 * 1024 * 1024)
#define MMAP_BYTES_MIN (32 * 1024 * 1024)

int sim_process_init(struct sim_process *process)
{
    *process = (struct sim_process){.error_pipe = -1};
    void *memory = mmap(NULL, sizeof(*process->shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return errno;
    }
    process->shared = memory;
    return 0;
}

void sim_process_deinit(struct sim_process *process)
{
    if (process->shared != NULL) {
        sim_process_kill(process);
        (void)munmap(process->shared, sizeof(*process->shared));
        process->shared = NULL;
    }
}

static void prepare(struct sim_process *process, const struct sim_task *task)
{
    ASSERT(process->pid == 0);
    memset(process->shared, 0, sizeof(*process->shared));
    process->task = *task;
    process->seed = task->chosen->seed;
    process->said_bytes = 0;
    process->is_said_cut = false;
    process->is_overdue = false;
    process->is_idle = false;
    process->began_ns = cli_clock_ns();
}

/* Signals that end a program stay blocked, as the parent has them: it is told, and kills. */
__attribute__((noreturn)) static void child_main(const struct sim_process *process,
                                                 int error_descriptor, pid_t parent)
{
    const struct rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(error_descriptor, STDERR_FILENO) < 0) {
        _exit(CLI_FAILED);
    }
    (void)setrlimit(RLIMIT_CORE, &no_core);
    /* What is freed is kept: nodes start and end all the time, and the kernel would have to clear
     * their memory each time.
     */
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
    sim_child_run(&process->task, process->shared);
    _exit(CLI_DONE);
}

int sim_process_start(struct sim_process *process, const struct sim_task *task)
{
    int ends[2];
    prepare(process, task);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return errno;
    }
    (void)fflush(stdout);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        child_main(process, ends[1], parent);
    }
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error;
    }
    process->pid = pid;
    process->error_pipe = ends[0];
    return 0;
}

/* Read what the child says, and keep the end of it. Returns false when nothing more comes. */
static bool said_read(struct sim_process *process)
{
    char chunk[SIM_SAID_BYTES_MAX];
    ssize_t count = read(process->error_pipe, chunk, sizeof(chunk));
    if (count <= 0) {
        return count < 0 && errno == EINTR;
    }
    size_t kept = sizeof(process->said) - (size_t)count;
    if (process->said_bytes > kept) {
        memmove(process->said, process->said + process->said_bytes - kept, kept);
        process->said_bytes = kept;
        process->is_said_cut = true;
    }
    memcpy(process->said + process->said_bytes, chunk, (size_t)count);
    process->said_bytes += (size_t)count;
    return true;
}

/* A machine with much else to do makes no run a hang, so what counts is what the run has used of
 * processors. By the wall's clock it has more, for one that sleeps is to be found, too.
 */
static void kill_overdue(struct sim_process *process, time_ns now)
{
    time_ns timeout_ns = process->task.timeout_ns;
    time_ns passed_ns = now - process->began_ns;
    if (passed_ns < timeout_ns || process->is_overdue) {
        return; /* with one thread it cannot have used more */
    }
    bool is_idle = cli_clock_cpu_ns(process->pid) < timeout_ns;
    if (!is_idle || passed_ns / SIM_REAL_FACTOR >= timeout_ns) {
        process->is_overdue = true;
        process->is_idle = is_idle;
        (void)kill(process->pid, SIGKILL);
    }
}

int sim_processes_wait(struct sim_process *processes, size_t count, struct interrupt *interrupt)
{
    struct pollfd waiting[SIM_JOBS_MAX + 1];
    ASSERT(count <= SIM_JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        /* poll() passes over -1. */
        waiting[i] = (struct pollfd){.fd = processes[i].pid > 0 ? processes[i].error_pipe : -1,
                                     .events = POLLIN};
    }
    waiting[count] = (struct pollfd){.fd = interrupt->descriptor, .events = POLLIN};
    int ready = poll(waiting, count + 1, TICK_MS);
    if (ready > 0 && waiting[count].revents != 0) {
        interrupt->has_come = true;
        return -1;
    }
    int ended = -1;
    time_ns now = cli_clock_ns();
    for (size_t i = 0; i < count; i++) {
        if (processes[i].pid > 0 && ready > 0 && waiting[i].revents != 0 && ended < 0 &&
            !said_read(&processes[i])) {
            ended = (int)i;
        } else if (processes[i].pid > 0) {
            kill_overdue(&processes[i], now);
        }
    }
    return ended;
}

static void wait_for(struct sim_process *process, int *status, struct rusage *usage)
{
    pid_t pid;
    do {
        pid = wait4(process->pid, status, 0, usage);
    } while (pid < 0 && errno == EINTR);
    ASSERT(pid == process->pid);
    close(process->error_pipe);
    process->error_pipe = -1;
    process->pid = 0;
}

static void said_write(const struct sim_process *process, struct text *text)
{
    const char *said = process->said;
    size_t length = process->said_bytes;
    const char *feed = process->is_said_cut ? memchr(said, '\n', length) : NULL;
    if (feed != NULL) {
        length -= (size_t)(feed + 1 - said);
        said = feed + 1;
    }
    while (length > 0 && (said[length - 1] == '\n' || said[length - 1] == '\0')) {
        length--;
    }
    text_string(text, length == 0 ? "; it said nothing" : "; it said last:\n");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)said[i];
        text_char(text, c == '\n' || (c >= ' ' && c != 0x7f) ? said[i] : '?');
    }
}

/* The report of a run that came to no end of its own. */
static void death_report(const struct sim_process *process, int status, struct qr_sim_report *out)
{
    struct text checker = text_of(out->checker, sizeof(out->checker));
    struct text failure = text_of(out->failure, sizeof(out->failure));
    out->has_passed = false;
    out->failed_ns = 0;
    if (process->is_overdue) {
        text_string(&checker, "hang");
        uint64_t seconds = process->task.timeout_ns / NS_PER_S;
        text_string(&failure, "it has not ended after ");
        text_u64(&failure, process->is_idle ? SIM_REAL_FACTOR * seconds : seconds);
        text_string(&failure, process->is_idle ? " s, most of which it slept or waited"
                                               : " s of a processor's time");
    } else if (WIFSIGNALED(status)) {
        text_string(&checker, WTERMSIG(status) == SIGABRT ? "assertion" : "crash");
        text_string(&failure, "its process ended by signal ");
        text_i64(&failure, WTERMSIG(status));
        text_string(&failure, " (");
        text_string(&failure, strsignal(WTERMSIG(status)));
        text_char(&failure, ')');
    } else {
        text_string(&checker, "exit");
        text_string(&failure, "its process ended with code ");
        text_i64(&failure, WEXITSTATUS(status));
    }
    said_write(process, &failure);
}

static time_ns time_of(struct timeval value)
{
    return (time_ns)value.tv_sec * NS_PER_S + (time_ns)value.tv_usec * 1000;
}

static void result_take(struct sim_process *process, struct sim_result *out)
{
    struct sim_shared *shared = process->shared;
    if (process->task.trace_descriptor >= 0) {
        sim_trace_flush(shared, process->task.trace_descriptor);
    }
    *out = (struct sim_result){.status = shared->status,
                               .report = shared->report,
                               .lines = shared->lines,
                               .lines_hash = shared->lines_hash,
                               .real_ns = cli_clock_ns() - process->began_ns,
                               .trace_errno = shared->trace_errno,
                               .has_trace_hash = shared->is_done};
}

void sim_process_finish(struct sim_process *process, struct sim_result *out)
{
    int status = 0;
    struct rusage usage;
    wait_for(process, &status, &usage);
    result_take(process, out);
    out->cpu_ns = time_of(usage.ru_utime) + time_of(usage.ru_stime);
    if (!process->shared->is_done || status != 0) {
        out->status = 0;
        out->has_trace_hash = false;
        death_report(process, status, &out->report);
    }
}

void sim_process_kill(struct sim_process *process)
{
    if (process->pid > 0) {
        int status;
        struct rusage usage;
        (void)kill(process->pid, SIGKILL);
        wait_for(process, &status, &usage);
    }
}

void sim_process_run_here(struct sim_process *process, const struct sim_task *task,
                          struct sim_result *out)
{
    prepare(process, task);
    sim_child_run(task, process->shared);
    result_take(process, out);
    out->cpu_ns = out->real_ns;
}

int sim_process_run(struct sim_process *process, const struct sim_task *task,
                    struct interrupt *interrupt, const struct sim_tick *tick,
                    struct sim_result *out)
{
    int error = sim_process_start(process, task);
    if (error != 0) {
        cli_complain(CLI_FAILED, "no process can be started: %s", strerror(error));
        return QR_ERR_BUSY;
    }
    while (sim_processes_wait(process, 1, interrupt) < 0) {
        if (interrupt->has_come) {
            sim_process_kill(process);
            return QR_ERR_CANCELLED;
        }
        if (tick != NULL) {
            tick->tick(tick->argument);
        }
    }
    sim_process_finish(process, out);
    return 0;
}
