/* serve_config.c: the configuration file of a node, a YAML mapping of setting to value. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/serve_options.h"

#define VALUE_BYTES_MAX SERVE_JOIN_BYTES_MAX

/* What libcyaml says about a file it does not take: what is wrong, then where. */
struct complaint {
    char what[160];
    char where[160];
};

static void complaint_take(cyaml_log_t level, void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void complaint_take(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct complaint *complaint = context;
    char line[sizeof(complaint->what)];
    if (level < CYAML_LOG_ERROR) {
        return;
    }
    vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    if (complaint->what[0] == '\0') {
        memcpy(complaint->what, line, sizeof(line));
    } else if (complaint->where[0] == '\0' && strstr(line, "line:") != NULL) {
        memcpy(complaint->where, line, sizeof(line));
    }
}

/* The line that a setting of the file stands on, from 1, or 0. */
static unsigned line_of(const char *path, const char *name)
{
    unsigned number = 0;
    unsigned found = 0;
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    while (found == 0 && getline(&line, &capacity, file) >= 0) {
        const char *at = line + strspn(line, " \"'");
        number++;
        if (strncmp(at, name, strlen(name)) == 0 && strchr(":\"' ", at[strlen(name)]) != NULL) {
            found = number;
        }
    }
    free(line);
    fclose(file);
    return found;
}

static int values_apply(const char *path, const struct serve_setting *settings, char **values,
                        struct serve_options *options, char *detail)
{
    for (size_t i = 0; i < SERVE_SETTINGS_MAX; i++) {
        char why[QR_ERROR_DETAIL_BYTES];
        if (values[i] != NULL &&
            serve_options_set(options, settings[i].name, values[i], why) != 0) {
            snprintf(detail, QR_ERROR_DETAIL_BYTES, "%.150s:%u: %.340s", path,
                     line_of(path, settings[i].name), why);
            return QR_ERR_INVALID;
        }
    }
    return 0;
}

static int refuse_file(const char *path, cyaml_err_t error, const struct complaint *complaint,
                       char *detail)
{
    static const char unexpected[] = "Unexpected key: ";
    const char *key = strstr(complaint->what, unexpected);
    const char *colon = strstr(complaint->what, ": ");
    if (error == CYAML_ERR_FILE_OPEN) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES, "%.300s: %s", path, strerror(errno));
    } else if (key != NULL) {
        key += strlen(unexpected);
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "%.200s:%u: %s: there is no such setting; `quorate help serve` lists them", path,
                 line_of(path, key), key);
    } else {
        /* libcyaml's lines begin with what it was doing, which is "Load: ". */
        const char *what = colon == NULL ? cyaml_strerror(error) : colon + 2;
        snprintf(detail, QR_ERROR_DETAIL_BYTES, "%.150s: %s%s", path, what, complaint->where);
    }
    return QR_ERR_INVALID;
}

int serve_config_load(const char *path, struct serve_options *options, char *detail)
{
    struct serve_setting settings[SERVE_SETTINGS_MAX];
    cyaml_schema_field_t fields[SERVE_SETTINGS_MAX + 1];
    size_t count = serve_settings_list(settings);
    for (size_t i = 0; i < count; i++) {
        fields[i] = (cyaml_schema_field_t){
            .key = settings[i].name,
            .data_offset = (uint32_t)(i * sizeof(char *)),
            .value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0,
                                         VALUE_BYTES_MAX)},
        };
    }
    fields[count] = (cyaml_schema_field_t)CYAML_FIELD_END;
    const cyaml_schema_value_t schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, char *[SERVE_SETTINGS_MAX], fields)};
    struct complaint complaint = {.what = ""};
    const cyaml_config_t config = {.log_fn = complaint_take,
                                   .log_ctx = &complaint,
                                   .log_level = CYAML_LOG_ERROR,
                                   .mem_fn = cyaml_mem};
    cyaml_data_t *data = NULL;
    cyaml_err_t error = cyaml_load_file(path, &config, &schema, &data, NULL);
    if (error != CYAML_OK) {
        return refuse_file(path, error, &complaint, detail);
    }
    int status = data == NULL ? 0 : values_apply(path, settings, data, options, detail);
    cyaml_free(&config, &schema, data, 0);
    return status;
}
