/* wal.c: `quorate wal verify` and `quorate wal dump`: the log of a node that does not run. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "quorate/engine.h"
#include "quorate/wal.h"

#define SUMMARY_BYTES 1024

struct wal_arguments {
    bool is_json;
    bool is_dump;
    size_t count;
    const char *verb;
    const char *directory;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct wal_arguments *arguments = state->input;
    switch (key) {
    case 'j':
        arguments->is_json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == 0) {
            arguments->verb = value;
        } else if (arguments->count == 1) {
            arguments->directory = value;
        } else {
            argp_error(state, "there is an argument too many: %s", value);
        }
        arguments->count++;
        return 0;
    case ARGP_KEY_END:
        if (arguments->count < 2) {
            argp_error(state, "what to do, and the data directory, are missing");
            return 0;
        }
        arguments->is_dump = strcmp(arguments->verb, "dump") == 0;
        if (!arguments->is_dump && strcmp(arguments->verb, "verify") != 0) {
            argp_error(state, "%s is neither verify nor dump", arguments->verb);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void line_print(void *argument, const char *line)
{
    (void)argument;
    puts(line);
}

static void id_json(struct text *text, const char *key, uint64_t id)
{
    text_json_key(text, key);
    text_json_hex(text, id, 16);
}

static void count_json(struct text *text, const char *key, uint64_t count)
{
    text_json_key(text, key);
    text_json_u64(text, count);
}

static void summary_json(const struct qr_wal_summary *summary, int status, const char *detail)
{
    char line[SUMMARY_BYTES * 4];
    struct text text = text_of(line, sizeof(line));
    text_json_object_begin(&text);
    text_json_key(&text, "ok");
    text_json_bool(&text, status == 0);
    if (status != 0) {
        text_json_key(&text, "error");
        text_json_string(&text, qr_error_name(status));
        text_json_key(&text, "detail");
        text_json_string(&text, detail);
    }
    text_json_key(&text, "name");
    text_json_string(&text, summary->name);
    id_json(&text, "node_id", summary->node_id);
    id_json(&text, "cluster_high", summary->cluster_high);
    id_json(&text, "cluster_low", summary->cluster_low);
    count_json(&text, "segments", summary->segment_count);
    count_json(&text, "batches", summary->batch_count);
    count_json(&text, "entries", summary->entry_count);
    count_json(&text, "base_index", summary->base_index);
    count_json(&text, "base_term", summary->base_term);
    count_json(&text, "last_index", summary->last_index);
    count_json(&text, "term", summary->term);
    text_json_key(&text, "voted_for");
    if (summary->has_voted) {
        text_json_hex(&text, summary->voted_for, 16);
    } else {
        text_json_null(&text);
    }
    count_json(&text, "commit_index", summary->commit_index);
    text_json_key(&text, "torn");
    text_json_bool(&text, summary->is_torn);
    text_json_key(&text, "snapshot_index");
    if (summary->has_snapshot) {
        text_json_u64(&text, summary->snapshot_index);
        count_json(&text, "snapshot_term", summary->snapshot_term);
        count_json(&text, "snapshot_bytes", summary->snapshot_bytes);
    } else {
        text_json_null(&text);
    }
    text_json_object_end(&text);
    puts(line);
}

static void summary_text(const struct qr_wal_summary *summary)
{
    printf("node      %s (%016llx)\n", summary->name, (unsigned long long)summary->node_id);
    printf("cluster   %016llx%016llx\n", (unsigned long long)summary->cluster_high,
           (unsigned long long)summary->cluster_low);
    printf("term      %llu, ", (unsigned long long)summary->term);
    if (summary->has_voted) {
        printf("voted for %016llx\n", (unsigned long long)summary->voted_for);
    } else {
        puts("no vote");
    }
    printf("log       %llu segments, %llu batches, %llu entries\n",
           (unsigned long long)summary->segment_count, (unsigned long long)summary->batch_count,
           (unsigned long long)summary->entry_count);
    printf("indexes   from %llu, last %llu, committed at least %llu\n",
           (unsigned long long)summary->base_index + 1, (unsigned long long)summary->last_index,
           (unsigned long long)summary->commit_index);
    if (summary->has_snapshot) {
        printf("snapshot  at %llu of term %llu, %llu bytes\n",
               (unsigned long long)summary->snapshot_index,
               (unsigned long long)summary->snapshot_term,
               (unsigned long long)summary->snapshot_bytes);
    }
    if (summary->is_torn) {
        puts("tail      torn: it was never acknowledged, and is cut at the next start");
    }
}

/* Exit code 1 when the log is damaged or cannot be read. */
static int report(const struct wal_arguments *arguments, const struct qr_wal_summary *summary,
                  int status, const char *detail)
{
    if (arguments->is_json) {
        if (!arguments->is_dump || status != 0) {
            summary_json(summary, status, detail);
        }
    } else if (!arguments->is_dump && status == 0) {
        summary_text(summary);
        puts("verified  every checksum is right");
    }
    int flushed = cli_flush();
    if (status != 0) {
        bool is_named = strstr(detail, arguments->directory) != NULL;
        return cli_complain(CLI_FAILED, "%s%s%s", is_named ? "" : arguments->directory,
                            is_named ? "" : ": ",
                            detail[0] == '\0' ? qr_error_text(status) : detail);
    }
    return flushed;
}

int cli_wal(int argc, char **argv)
{
    static const struct argp_option options[] = {{"json", 'j', NULL, 0, "print JSON", 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "verify|dump DIR",
        .doc = "Check or print the log in the data directory of a node that does not run.\v"
               "Nothing is changed. `verify` reads everything and checks every checksum; `dump` "
               "prints a line for every segment, batch and entry."};
    struct wal_arguments arguments = {.count = 0};
    struct qr_wal_summary summary = {.node_id = 0};
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    cli_arguments_parse(&argp, argc, argv, &arguments);
    int status = qr_wal_inspect(arguments.directory, arguments.is_json,
                                arguments.is_dump ? line_print : NULL, NULL, &summary, detail);
    return report(&arguments, &summary, status, detail);
}
