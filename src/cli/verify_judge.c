/* verify_judge.c: the verdict on a history, for people and for programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/verify.h"

#define REPORT_BYTES (64 * 1024)

struct tally {
    uint64_t answered;
    uint64_t refused;
    uint64_t unknown;
    uint64_t key_count;
};

static struct tally tally_of(const struct history *history)
{
    struct tally tally = {0};
    for (size_t i = 0; i < history->count; i++) {
        const struct history_operation *operation = &history->operations[i];
        tally.answered += operation->outcome == HISTORY_DONE;
        tally.refused += operation->outcome == HISTORY_REFUSED;
        tally.unknown +=
            operation->outcome == HISTORY_UNKNOWN || operation->outcome == HISTORY_PENDING;
        tally.key_count = max_u64(tally.key_count, operation->call.key + 1);
    }
    return tally;
}

static const char *verdict_of(const struct linearizability_report *report)
{
    switch (report->verdict) {
    case LINEARIZABILITY_HOLDS:
        return "linearizable";
    case LINEARIZABILITY_VIOLATED:
        return "violated";
    default:
        return "undecided";
    }
}

static void number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void print_json(const struct verify *verify, const struct tally *tally,
                       const struct linearizability_report *report, const char *words)
{
    static char buffer[2 * REPORT_BYTES];
    struct text text = text_of(buffer, sizeof(buffer));
    text_json_object_begin(&text);
    number(&text, "operations", verify->history.count);
    number(&text, "answered", tally->answered);
    number(&text, "refused", tally->refused);
    number(&text, "unknown", tally->unknown);
    number(&text, "keys", tally->key_count);
    number(&text, "clients", verify->options->client_count);
    number(&text, "milliseconds", verify->loaded_ns / NS_PER_MS);
    number(&text, "kills", verify->kill_count);
    number(&text, "kills_of_all", verify->kill_all_count);
    number(&text, "pauses", verify->pause_count);
    text_json_key(&text, "verdict");
    text_json_string(&text, verdict_of(report));
    text_json_key(&text, "words");
    text_json_string(&text, words);
    text_json_object_end(&text);
    (void)cli_print_line(buffer);
}

static void print_text(const struct verify *verify, const struct tally *tally, const char *words)
{
    printf("load        %llu clients, %llu keys, %.1f s\n",
           (unsigned long long)verify->options->client_count, (unsigned long long)tally->key_count,
           (double)verify->loaded_ns / (double)NS_PER_S);
    if (verify->options->is_chaotic) {
        printf("chaos       %zu kills (%zu times all nodes at once), %zu pauses\n",
               verify->kill_count, verify->kill_all_count, verify->pause_count);
    }
    printf("operations  %zu: %llu answered, %llu refused, %llu of unknown outcome\n",
           verify->history.count, (unsigned long long)tally->answered,
           (unsigned long long)tally->refused, (unsigned long long)tally->unknown);
    fputs(words, stdout);
}

int verify_judge(struct verify *verify)
{
    static char words[REPORT_BYTES];
    struct linearizability_checker checker;
    struct linearizability_report report;
    struct tally tally = tally_of(&verify->history);
    if (tally.answered == 0) {
        return cli_complain(CLI_UNREACHABLE, "no operation was answered: nothing can be judged");
    }
    linearizability_checker_init(&checker, verify->history.allocator,
                                 &(struct linearizability_options){0});
    int status = linearizability_check(&checker, &verify->history, &report);
    linearizability_checker_deinit(&checker);
    if (status != 0) {
        return cli_complain(CLI_FAILED, "memory ran out while the history was judged");
    }
    struct text text = text_of(words, sizeof(words));
    linearizability_report_write(&report, &verify->history, &text);
    if (verify->options->is_json) {
        print_json(verify, &tally, &report, words);
    } else {
        print_text(verify, &tally, words);
    }
    int flushed = cli_flush();
    return report.verdict == LINEARIZABILITY_HOLDS ? flushed : CLI_FAILED;
}
