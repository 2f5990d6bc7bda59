/* backup_print.c: a backup in words, or as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "base/types.h"
#include "cli/backup.h"

#define LINE_BYTES 98304 /* every name and both paths, escaped, fit */
#define MOMENT_BYTES 32

/* "2026-11-26 10:40:32 UTC" */
static void moment_text(uint64_t wall_ns, char *out)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(out, MOMENT_BYTES, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
        (void)snprintf(out, MOMENT_BYTES, "?");
    }
}

static void number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void string(struct text *text, const char *key, const char *value)
{
    text_json_key(text, key);
    text_json_string(text, value);
}

static void id(struct text *text, const char *key, const struct qr_id *value)
{
    char digits[33];
    (void)snprintf(digits, sizeof(digits), "%016" PRIx64 "%016" PRIx64, value->high, value->low);
    string(text, key, digits);
}

static void members(struct text *text, const struct qr_backup_facts *facts)
{
    text_json_key(text, "members");
    text_json_array_begin(text);
    for (size_t i = 0; i < facts->member_count; i++) {
        text_json_string(text, facts->members[i].name);
    }
    text_json_array_end(text);
}

static void print_json(const struct backup_printed *printed)
{
    char line[LINE_BYTES];
    const struct qr_backup_facts *facts = printed->facts;
    struct text text = text_of(line, sizeof(line));
    text_json_object_begin(&text);
    string(&text, "file", printed->path);
    id(&text, "cluster", &facts->cluster);
    string(&text, "node", facts->node_name);
    number(&text, "made_ns", facts->made_ns);
    number(&text, "index", facts->index);
    number(&text, "term", facts->term);
    number(&text, "timestamp_ns", facts->timestamp_ns);
    number(&text, "bytes", facts->size_bytes);
    if (printed->has_keys) {
        number(&text, "state_bytes", facts->state_bytes);
        number(&text, "session_bytes", facts->session_bytes);
        number(&text, "keys", printed->keys);
    }
    members(&text, facts);
    if (printed->directory != NULL) {
        string(&text, "directory", printed->directory);
        string(&text, "name", printed->name);
        id(&text, "new_cluster", printed->cluster);
    }
    text_json_object_end(&text);
    puts(line);
}

static void print_text(const struct backup_printed *printed)
{
    const struct qr_backup_facts *facts = printed->facts;
    char moment[MOMENT_BYTES];
    moment_text(facts->made_ns, moment);
    printf("%s: whole, %" PRIu64 " bytes\n", printed->path, facts->size_bytes);
    printf("  cluster  %016" PRIx64 "%016" PRIx64 "\n", facts->cluster.high, facts->cluster.low);
    printf("  made     %s by %s\n", moment, facts->node_name);
    printf("  stands   at index %" PRIu64 ", term %" PRIu64 "\n", facts->index, facts->term);
    if (printed->has_keys) {
        printf("  holds    %" PRIu64 " keys, %" PRIu64 " bytes; %" PRIu64
               " bytes of sessions and tokens\n",
               printed->keys, facts->state_bytes, facts->session_bytes);
    }
    printf("  members ");
    for (size_t i = 0; i < facts->member_count; i++) {
        printf(" %s", facts->members[i].name);
    }
    printf("\n");
    if (printed->directory != NULL) {
        printf("restored into %s: node %s is the only voter of the new cluster %016" PRIx64
               "%016" PRIx64 "\n"
               "start it: quorate serve --name %s --data %s ...; others join with --join, from "
               "empty directories\n",
               printed->directory, printed->name, printed->cluster->high, printed->cluster->low,
               printed->name, printed->directory);
    }
}

void backup_print(const struct backup_printed *printed, bool is_json)
{
    if (is_json) {
        print_json(printed);
    } else {
        print_text(printed);
    }
}
