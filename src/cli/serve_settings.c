/* serve_settings.c: the settings of a node, their names, bounds and defaults. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/serve_options.h"

enum setting_kind {
    SETTING_TEXT, /* taken as it is, not empty */
    SETTING_NAME,
    SETTING_ADDRESS,
    SETTING_ADDRESSES,
    SETTING_FLAG,
    SETTING_DISK,
    SETTING_LOG_FORMAT,
    SETTING_LOG_LEVEL,
    SETTING_READ_MODE,
    SETTING_DIVERGENCE,
    SETTING_SWIM_HINTS,
    SETTING_SWIM_PROFILE,
};

struct setting_row {
    const char *name;
    const char *argument;
    const char *help;
    enum setting_kind kind;
    size_t offset; /* in struct serve_options */
    size_t size_bytes;
};

#define AT(member)                                                                                 \
    offsetof(struct serve_options, member), sizeof(((struct serve_options *)0)->member)

/* clang-format off */
static const struct setting_row rows[] = {
    {"name", "NAME", "label, unique in the cluster; default: the host's name",
     SETTING_NAME, AT(name)},
    {"data", "DIR", "data directory; default ./quorate-data",
     SETTING_TEXT, AT(data)},
    {"peer", "HOST:PORT", "where members reach this node; default 127.0.0.1:7700",
     SETTING_ADDRESS, AT(peer)},
    {"client", "HOST:PORT", "Redis protocol; default 127.0.0.1:7701",
     SETTING_ADDRESS, AT(client)},
    {"http", "HOST:PORT", "status and metrics; default 127.0.0.1:7702",
     SETTING_ADDRESS, AT(http)},
    {"advertise", "HOST:PORT", "what members dial, if it differs from --peer",
     SETTING_ADDRESS, AT(advertise)},
    {"bootstrap", NULL, "make a new cluster, alone; no effect on a member",
     SETTING_FLAG, AT(is_bootstrap)},
    {"join", "HOST:PORT,...", "join the cluster of these; no effect on a member",
     SETTING_ADDRESSES, AT(join)},
    {"wait", NULL, "wait for `quorate add`, in no cluster; no effect on a member",
     SETTING_FLAG, AT(is_waiting)},
    {"learner", NULL, "join without ever asking for a vote",
     SETTING_FLAG, AT(is_learner)},
    {"cluster-secret-file", "FILE", "keys that members prove to have, and encrypt with",
     SETTING_TEXT, AT(secret_file)},
    {"insecure", NULL, "listen for members beyond this machine, without a secret",
     SETTING_FLAG, AT(is_insecure)},
    {"observer", NULL, "watch who lives and who leads, and be no member; needs --join",
     SETTING_FLAG, AT(is_observer)},
    {"read-mode", "linearizable|lease|stale",
     "lease trusts clocks to within 10 %; stale reads what is here; default linearizable",
     SETTING_READ_MODE, 0, 0},
    {"on-divergence", "isolate|rebuild|stop",
     "when this node's state differs from the others'; default isolate",
     SETTING_DIVERGENCE, 0, 0},
    {"disk", "auto|direct|threads",
     "auto: the kernel writes the log by itself where it can; threads: never; default auto",
     SETTING_DISK, 0, 0},
    {"log-format", "text|json", "default text", SETTING_LOG_FORMAT, 0, 0},
    {"log-level", "debug|info|warn|error", "default info", SETTING_LOG_LEVEL, 0, 0},
    {"swim-profile", "default|fast", "fast sets what fits a LAN; numbers that are given win",
     SETTING_SWIM_PROFILE, 0, 0},
    {"swim-hints", "on|off", "a leader found dead is replaced at once; default on",
     SETTING_SWIM_HINTS, 0, 0},
};

static const struct limit_row {
    const char *name; /* with underscores */
    uint64_t initial;
    uint64_t least;
    uint64_t most;
    const char *unit;
    size_t offset;
} limits[] = {
#define X(name, initial, least, most, unit)                                                        \
    {#name, initial, least, most, unit, offsetof(struct qr_limits, name)},
    QR_LIMIT_MAP(X)
#undef X
};
/* clang-format on */

_Static_assert(COUNT_OF(rows) + COUNT_OF(limits) <= SERVE_SETTINGS_MAX, "the list holds all");
_Static_assert(COUNT_OF(limits) <= 64, "a bit of given_limits for each");

/* Whether `name`, with dashes, is the limit called `limit`, with underscores. */
static bool is_limit_named(const char *name, const char *limit)
{
    size_t i = 0;
    while (name[i] != '\0' && name[i] == (limit[i] == '_' ? '-' : limit[i])) {
        i++;
    }
    return name[i] == '\0' && limit[i] == '\0';
}

static void limit_describe(const struct limit_row *limit, struct serve_setting *out)
{
    *out = (struct serve_setting){.argument = "NUMBER"};
    for (size_t i = 0; limit->name[i] != '\0'; i++) {
        ASSERT(i + 1 < sizeof(out->name));
        out->name[i] = limit->name[i] == '_' ? '-' : limit->name[i];
    }
    snprintf(out->help, sizeof(out->help), "%s, %llu..%llu; default %llu", limit->unit,
             (unsigned long long)limit->least, (unsigned long long)limit->most,
             (unsigned long long)limit->initial);
}

size_t serve_settings_list(struct serve_setting *out)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        out[count] = (struct serve_setting){.argument = rows[i].argument};
        snprintf(out[count].name, sizeof(out->name), "%s", rows[i].name);
        snprintf(out[count].help, sizeof(out->help), "%s", rows[i].help);
        count++;
    }
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        limit_describe(&limits[i], &out[count++]);
    }
    return count;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static void name_from_host(char *out, size_t size_bytes)
{
    char host[QR_NAME_BYTES_MAX] = "";
    size_t length = 0;
    if (gethostname(host, sizeof(host) - 1) != 0) {
        host[0] = '\0';
    }
    for (size_t i = 0; host[i] != '\0' && length + 1 < size_bytes; i++) {
        char c = (char)tolower((unsigned char)host[i]);
        if (is_name_byte(c)) {
            out[length++] = c;
        }
    }
    out[length] = '\0';
    if (length == 0) {
        snprintf(out, size_bytes, "node");
    }
}

void serve_options_init(struct serve_options *options)
{
    *options = (struct serve_options){
        .data = "./quorate-data",
        .peer = "127.0.0.1:7700",
        .client = "127.0.0.1:7701",
        .http = "127.0.0.1:7702",
        .read_mode = QR_READ_LINEARIZABLE,
        .log_format = QR_LOG_TEXT,
        .log_level = QR_LOG_INFO,
        .limits = qr_limits_default(),
    };
    name_from_host(options->name, sizeof(options->name));
}

static int refuse(char *detail, const char *name, const char *value, const char *bounds)
{
    snprintf(detail, QR_ERROR_DETAIL_BYTES, "%s: \"%.200s\" must be %s", name, value, bounds);
    return QR_ERR_INVALID;
}

static bool is_name(const char *value)
{
    size_t length = 0;
    while (is_name_byte(value[length])) {
        length++;
    }
    return value[length] == '\0' && length >= 1 && length < QR_NAME_BYTES_MAX;
}

/* What the value of a text setting must be, or NULL when it is. */
static const char *text_bounds(enum setting_kind kind, const char *value)
{
    struct cli_address address;
    struct cli_addresses list;
    switch (kind) {
    case SETTING_NAME:
        return is_name(value) ? NULL : "1..63 of a-z, 0-9, . and -";
    case SETTING_ADDRESS:
        return cli_address_parse(value, strlen(value), &address) == 0 ? NULL : "HOST:PORT";
    case SETTING_ADDRESSES:
        return cli_addresses_parse(value, &list) == 0 ? NULL : "1..64 of HOST:PORT with commas";
    default:
        return value[0] != '\0' ? NULL : "a path";
    }
}

static int text_set(const struct setting_row *row, const char *value, char *out, char *detail)
{
    const char *bounds = text_bounds(row->kind, value);
    if (bounds != NULL) {
        return refuse(detail, row->name, value, bounds);
    }
    if (strlen(value) >= row->size_bytes) {
        char length[64];
        snprintf(length, sizeof(length), "shorter, of at most %zu bytes", row->size_bytes - 1);
        return refuse(detail, row->name, value, length);
    }
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

static int flag_set(const struct setting_row *row, const char *value, bool *out, char *detail)
{
    bool is_true = strcmp(value, "true") == 0;
    if (!is_true && strcmp(value, "false") != 0) {
        return refuse(detail, row->name, value, "true or false");
    }
    *out = is_true;
    return 0;
}

/* The position of `value` in `words`, or -1. */
static int word_find(const char *const *words, size_t count, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], value) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* All limits that were not given become those of the profile, in whatever order they come. */
static void profile_set(struct serve_options *options, enum qr_swim_profile profile)
{
    struct qr_limits profiled = options->limits;
    qr_limits_set_profile(&profiled, profile);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        if ((options->given_limits & UINT64_C(1) << i) == 0) {
            memcpy((char *)&options->limits + limits[i].offset,
                   (char *)&profiled + limits[i].offset, sizeof(uint64_t));
        }
    }
    options->swim_profile = profile;
}

static int swim_word_set(struct serve_options *options, const struct setting_row *row,
                         const char *value, char *detail)
{
    static const char *const profiles[] = {"default", "fast"};
    static const char *const hints[] = {"on", "off"};
    bool is_profile = row->kind == SETTING_SWIM_PROFILE;
    int word = word_find(is_profile ? profiles : hints, 2, value);
    if (word < 0) {
        return refuse(detail, row->name, value, row->argument);
    }
    if (is_profile) {
        profile_set(options, (enum qr_swim_profile)(QR_SWIM_DEFAULT + word));
    } else {
        options->has_no_hints = word == 1;
    }
    return 0;
}

static int word_set(struct serve_options *options, const struct setting_row *row, const char *value,
                    char *detail)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const formats[] = {"text", "json"};
    static const char *const read_modes[] = {"linearizable", "lease", "stale"};
    static const char *const outcomes[] = {"isolate", "rebuild", "stop"};
    static const char *const disks[] = {"auto", "direct", "threads"};
    int word;
    if (row->kind == SETTING_LOG_LEVEL) {
        word = word_find(levels, COUNT_OF(levels), value);
        options->log_level = word < 0 ? options->log_level : (enum qr_log_level)word;
    } else if (row->kind == SETTING_READ_MODE) {
        word = word_find(read_modes, COUNT_OF(read_modes), value);
        options->read_mode =
            word < 0 ? options->read_mode : (enum qr_read_kind)(QR_READ_LINEARIZABLE + word);
    } else if (row->kind == SETTING_DIVERGENCE) {
        word = word_find(outcomes, COUNT_OF(outcomes), value);
        options->on_divergence = word < 0 ? options->on_divergence : (enum qr_on_divergence)word;
    } else if (row->kind == SETTING_DISK) {
        word = word_find(disks, COUNT_OF(disks), value);
        options->disk = word < 0 ? options->disk : (enum qr_disk_driver)(QR_DISK_AUTO + word);
    } else {
        ASSERT(row->kind == SETTING_LOG_FORMAT);
        word = word_find(formats, COUNT_OF(formats), value);
        options->log_format = word < 0 ? options->log_format : (enum qr_log_format)word;
    }
    return word < 0 ? refuse(detail, row->name, value, row->argument) : 0;
}

static int row_set(struct serve_options *options, const struct setting_row *row, const char *value,
                   char *detail)
{
    char *at = (char *)options + row->offset;
    switch (row->kind) {
    case SETTING_FLAG:
        return flag_set(row, value, (bool *)at, detail);
    case SETTING_DISK:
    case SETTING_LOG_FORMAT:
    case SETTING_LOG_LEVEL:
    case SETTING_READ_MODE:
    case SETTING_DIVERGENCE:
        return word_set(options, row, value, detail);
    case SETTING_SWIM_HINTS:
    case SETTING_SWIM_PROFILE:
        return swim_word_set(options, row, value, detail);
    default:
        return text_set(row, value, at, detail);
    }
}

static int limit_set(struct qr_limits *out, const struct limit_row *limit, const char *value,
                     char *detail)
{
    struct serve_setting described;
    uint64_t number;
    bool is_bytes = strncmp(limit->unit, "bytes", 5) == 0;
    if (!cli_number_parse(value, is_bytes, &number) || number < limit->least ||
        number > limit->most) {
        limit_describe(limit, &described);
        snprintf(detail, QR_ERROR_DETAIL_BYTES, "%s: %.200s is out of bounds, %llu..%llu %s",
                 described.name, value, (unsigned long long)limit->least,
                 (unsigned long long)limit->most, limit->unit);
        return QR_ERR_INVALID;
    }
    memcpy((char *)out + limit->offset, &number, sizeof(number));
    return 0;
}

int serve_options_set(struct serve_options *options, const char *name, const char *value,
                      char *detail)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return row_set(options, &rows[i], value, detail);
        }
    }
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        if (is_limit_named(name, limits[i].name)) {
            int status = limit_set(&options->limits, &limits[i], value, detail);
            options->given_limits |= status == 0 ? UINT64_C(1) << i : 0;
            return status;
        }
    }
    snprintf(detail, QR_ERROR_DETAIL_BYTES, "%.64s: there is no such setting", name);
    return QR_ERR_NOT_FOUND;
}
