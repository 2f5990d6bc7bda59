/* sim_plan.c: the settings of a run, as the simulator gives them, for people and programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/sim_report.h"
#include "quorate/error.h"

#define WRAP_COLUMNS 88
#define ROW_BYTES_MAX 512

/* What a list of settings is written to. */
struct list {
    FILE *stream;
    size_t column;
    size_t count;
    bool is_json;
    bool has_value; /* a seed is given: tell what it draws */
};

static void nothing_take(void *argument, const char *name, uint64_t value, uint64_t least,
                         uint64_t most, const char *meaning)
{
    (void)argument;
    (void)name;
    (void)value;
    (void)least;
    (void)most;
    (void)meaning;
}

int sim_case_check(const struct sim_case *chosen)
{
    char detail[QR_SIM_TEXT_BYTES_MAX] = "";
    const struct qr_sim_options options = sim_case_options(chosen);
    int status = qr_sim_plan_describe(&options, nothing_take, NULL, detail);
    if (status == 0) {
        return CLI_DONE;
    }
    return cli_complain(status == QR_ERR_INVALID ? CLI_USAGE : CLI_FAILED, "%s",
                        detail[0] == '\0' ? qr_error_text(status) : detail);
}

/* What is 0 is switched off, and not told. */
static void brief_take(void *argument, const char *name, uint64_t value, uint64_t least,
                       uint64_t most, const char *meaning)
{
    struct list *list = argument;
    char word[ROW_BYTES_MAX];
    (void)least;
    (void)most;
    (void)meaning;
    if (value == 0) {
        return;
    }
    int length = snprintf(word, sizeof(word), " %s=%llu", name, (unsigned long long)value);
    if (list->column + (size_t)length > WRAP_COLUMNS) {
        list->column = (size_t)fprintf(list->stream, "\n%*s", SIM_LABEL_COLUMNS - 1, "") - 1;
    }
    list->column += (size_t)length;
    fputs(word, list->stream);
}

void sim_plan_print(FILE *stream, const struct sim_case *chosen)
{
    char detail[QR_SIM_TEXT_BYTES_MAX];
    struct list list = {.stream = stream};
    const struct qr_sim_options options = sim_case_options(chosen);
    list.column = (size_t)fprintf(stream, "%-*s", SIM_LABEL_COLUMNS - 1, "plan");
    int status = qr_sim_plan_describe(&options, brief_take, &list, detail);
    ASSERT(status == 0); /* it was checked */
    fputc('\n', stream);
}

static void json_take(void *argument, const char *name, uint64_t value, uint64_t least,
                      uint64_t most, const char *meaning)
{
    (void)least;
    (void)most;
    (void)meaning;
    text_json_key(argument, name);
    text_json_u64(argument, value);
}

void sim_plan_json(struct text *text, const struct sim_case *chosen)
{
    char detail[QR_SIM_TEXT_BYTES_MAX];
    const struct qr_sim_options options = sim_case_options(chosen);
    text_json_key(text, "plan");
    text_json_object_begin(text);
    int status = qr_sim_plan_describe(&options, json_take, text, detail);
    ASSERT(status == 0);
    text_json_object_end(text);
}

static void row_json(const struct list *list, const char *name, uint64_t value, uint64_t least,
                     uint64_t most, const char *meaning)
{
    char row[ROW_BYTES_MAX];
    struct text text = text_of(row, sizeof(row));
    text_json_object_begin(&text);
    text_json_key(&text, "name");
    text_json_string(&text, name);
    if (list->has_value) {
        text_json_key(&text, "value");
        text_json_u64(&text, value);
    }
    text_json_key(&text, "least");
    text_json_u64(&text, least);
    text_json_key(&text, "most");
    text_json_u64(&text, most);
    text_json_key(&text, "meaning");
    text_json_string(&text, meaning);
    text_json_object_end(&text);
    printf("%s%s", list->count == 0 ? "[" : ",", row);
}

static void row_take(void *argument, const char *name, uint64_t value, uint64_t least,
                     uint64_t most, const char *meaning)
{
    struct list *list = argument;
    char bounds[64];
    if (list->is_json) {
        row_json(list, name, value, least, most, meaning);
    } else {
        (void)snprintf(bounds, sizeof(bounds), "%llu..%llu", (unsigned long long)least,
                       (unsigned long long)most);
        printf("%-16s", name);
        if (list->has_value) {
            printf("%-10llu", (unsigned long long)value);
        }
        printf("%-19s%s\n", bounds, meaning);
    }
    list->count++;
}

int sim_list(const struct sim_options *options)
{
    char detail[QR_SIM_TEXT_BYTES_MAX];
    struct list list = {.is_json = options->is_json, .has_value = options->given['s']};
    const struct qr_sim_options settings = sim_case_options(&options->chosen);
    int status = qr_sim_plan_describe(&settings, row_take, &list, detail);
    ASSERT(status == 0);
    if (list.is_json) {
        puts("]");
    }
    return cli_flush();
}
