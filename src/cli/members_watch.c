/* members_watch.c: `quorate members --watch`: what happens to members and leaders.
 *
 * One node is followed at a time. When it is cut the next one is asked: those of the command line,
 * then those that the latest state told of. Each begins with its state, of which the lines tell
 * what is new.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/members_watch.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/node_status.h"
#include "cli/sse.h"

#define CONNECT_TIMEOUT_MS 3000
#define SILENCE_MS 40000 /* a node says something every 15 s */
#define RETRY_MS 500     /* when nobody answers */
#define NEXT_MS 100      /* when one is cut */
#define LINE_BYTES_MAX 1024

struct seen {
    char id[NODE_WORD_BYTES_MAX];
    char health[NODE_WORD_BYTES_MAX];
};

struct watch {
    const struct members_watch_options *options;
    uint64_t printed_count;
    struct cli_addresses told; /* by the latest state */
    struct seen seen[QR_MEMBERS_MAX];
    size_t seen_count;
    uint64_t term; /* of the latest leader that was told of */
    bool has_state;
    struct cli_address refused_by; /* who answered last, but with no events, */
    unsigned refused_status;       /* and how in HTTP; 0: nobody */
    int code;                      /* CLI_*: how it ends */
};

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value == NULL ? "" : value;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 ? 0 : (uint64_t)value;
}

/* HH:MM:SS of this machine's zone. */
static void time_text(uint64_t time_ms, char out[16])
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    out[0] = '\0';
    if (localtime_r(&seconds, &parts) != NULL) {
        (void)strftime(out, 16, "%H:%M:%S", &parts);
    }
}

/* False: it is enough, or nobody takes the lines any more. */
static bool print(struct watch *watch, const char *line)
{
    watch->code = cli_print_line(line);
    if (watch->code == CLI_DONE && fflush(stdout) != 0) {
        watch->code = cli_flush();
    }
    watch->printed_count++;
    return watch->code == CLI_DONE && watch->printed_count != watch->options->count;
}

static bool print_what(struct watch *watch, uint64_t time_ms, const char *name, const char *what)
{
    char line[LINE_BYTES_MAX];
    char at[16];
    time_text(time_ms, at);
    snprintf(line, sizeof(line), "%s  %s %s", at, name, what);
    return print(watch, line);
}

/* Note how a member fares. False: that was known. */
static bool note(struct watch *watch, const char *id, const char *health)
{
    for (size_t i = 0; i < watch->seen_count; i++) {
        struct seen *seen = &watch->seen[i];
        if (strcmp(seen->id, id) == 0) {
            bool is_new = strcmp(seen->health, health) != 0;
            snprintf(seen->health, sizeof(seen->health), "%s", health);
            return is_new;
        }
    }
    if (watch->seen_count < QR_MEMBERS_MAX) {
        struct seen *seen = &watch->seen[watch->seen_count++];
        snprintf(seen->id, sizeof(seen->id), "%s", id);
        snprintf(seen->health, sizeof(seen->health), "%s", health);
    }
    return true;
}

static bool print_leader(struct watch *watch, uint64_t time_ms, const char *name, uint64_t term)
{
    char what[64];
    if (name[0] == '\0' || term <= watch->term) {
        return true;
    }
    watch->term = term;
    snprintf(what, sizeof(what), "leads, in term %llu", (unsigned long long)term);
    return print_what(watch, time_ms, name, what);
}

/* Where to ask when this node is cut. */
static void learn(struct watch *watch, const json_t *members)
{
    struct cli_address address;
    watch->told.count = 0;
    for (size_t i = 0; i < json_array_size(members); i++) {
        const char *http = string_of(json_array_get(members, i), "http");
        if (watch->told.count < CLI_ADDRESSES_MAX &&
            cli_address_parse(http, strlen(http), &address) == 0) {
            watch->told.items[watch->told.count++] = address;
        }
    }
}

/* What the state tells beyond what was told before. */
static bool state_came(struct watch *watch, const json_t *root)
{
    const json_t *members = json_object_get(root, "members");
    uint64_t time_ms = number_of(root, "time_ms");
    learn(watch, members);
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        char what[LINE_BYTES_MAX / 2];
        snprintf(what, sizeof(what), "is %s: %s at %s", string_of(member, "health"),
                 string_of(member, "kind"), string_of(member, "address"));
        if (note(watch, string_of(member, "id"), string_of(member, "health")) &&
            !print_what(watch, time_ms, string_of(member, "name"), what)) {
            return false;
        }
    }
    watch->has_state = true;
    return print_leader(watch, time_ms, string_of(root, "leader"), number_of(root, "term"));
}

/* A name of no more than that, or of its id. */
static const char *name_of(const json_t *root)
{
    const char *name = string_of(root, "name");
    return name[0] == '\0' ? string_of(root, "id") : name;
}

static bool member_event_came(struct watch *watch, const char *event, const json_t *root)
{
    static const struct {
        const char *event;
        const char *health; /* afterwards */
        const char *what;
    } kinds[] = {
        {"joined", "alive", "joined"},    {"suspected", "suspect", "is suspected"},
        {"refuted", "alive", "is alive"}, {"dead", "dead", "is dead"},
        {"left", "left", "left"},         {"updated", NULL, "told another address or role"},
    };
    const char *reason = string_of(root, "reason");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        char what[LINE_BYTES_MAX / 2];
        if (strcmp(kinds[i].event, event) != 0) {
            continue;
        }
        if (kinds[i].health != NULL) {
            (void)note(watch, string_of(root, "id"), kinds[i].health);
        }
        snprintf(what, sizeof(what), "%s%s%s%s%s", kinds[i].what, reason[0] == '\0' ? "" : ": ",
                 reason, strcmp(event, "joined") == 0 ? ", at " : "",
                 strcmp(event, "joined") == 0 ? string_of(root, "address") : "");
        return print_what(watch, number_of(root, "time_ms"), name_of(root), what);
    }
    return true; /* of a later version */
}

static bool event_came(void *argument, const char *event, const char *data)
{
    struct watch *watch = argument;
    json_t *root = json_loads(data, JSON_REJECT_DUPLICATES, NULL);
    bool goes_on = true;
    if (root == NULL) {
        return true;
    }
    if (watch->options->is_json) {
        if (strcmp(event, "state") == 0) {
            learn(watch, json_object_get(root, "members"));
            watch->has_state = true;
        }
        goes_on = print(watch, data);
    } else if (strcmp(event, "state") == 0) {
        goes_on = state_came(watch, root);
    } else if (strcmp(event, "leader_changed") == 0) {
        goes_on =
            print_leader(watch, number_of(root, "time_ms"), name_of(root), number_of(root, "term"));
    } else {
        goes_on = member_event_came(watch, event, root);
    }
    json_decref(root);
    return goes_on;
}

/* The address of the `at`th try: those of the command line, then those that were told of. */
static const struct cli_address *address_at(const struct watch *watch, size_t at)
{
    size_t given = watch->options->http.count;
    at %= given + watch->told.count;
    return at < given ? &watch->options->http.items[at] : &watch->told.items[at - given];
}

static int complain_unreachable(const struct watch *watch)
{
    const struct cli_address *first = &watch->options->http.items[0];
    if (watch->refused_status != 0) {
        return cli_complain(
            CLI_UNREACHABLE, "no node tells events: %s:%u answers with HTTP status %u (--http)",
            watch->refused_by.host, (unsigned)watch->refused_by.port, watch->refused_status);
    }
    return cli_complain(CLI_UNREACHABLE, "no node tells events at %s:%u%s; is it running? (--http)",
                        first->host, (unsigned)first->port,
                        watch->options->http.count > 1 ? " or the others" : "");
}

/* As sse_follow(). */
static int follow(struct watch *watch, const struct cli_address *address)
{
    const struct sse_options options = {address, "/events", CONNECT_TIMEOUT_MS, SILENCE_MS};
    unsigned http_status = 0;
    int status = sse_follow(&options, event_came, watch, &http_status);
    if (status == QR_ERR_NOT_FOUND) {
        watch->refused_by = *address;
        watch->refused_status = http_status;
    }
    return status;
}

int members_watch(const struct members_watch_options *options)
{
    struct watch watch = {.options = options, .code = CLI_DONE};
    size_t failed_count = 0; /* in a row */
    for (size_t at = 0;; at++) {
        const struct cli_address address = *address_at(&watch, at);
        int status = follow(&watch, &address);
        if (status == 0) {
            return watch.code;
        }
        if (status == QR_ERR_NO_MEMORY) {
            return cli_complain(CLI_FAILED, "memory ran out");
        }
        failed_count = status == QR_ERR_TIMEOUT ? 0 : failed_count + 1;
        if (status == QR_ERR_TIMEOUT) {
            cli_complain(CLI_DONE, "%s:%u is cut; asking the next", address.host,
                         (unsigned)address.port);
            cli_sleep_ms(NEXT_MS);
        }
        if (!watch.has_state && failed_count >= options->http.count) {
            return complain_unreachable(&watch);
        }
        if (failed_count >= options->http.count + watch.told.count) {
            failed_count = 0;
            cli_sleep_ms(RETRY_MS);
        }
    }
}
