/* linearizability_report.c: the verdict on a history in words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "sim/linear/linearizability.h"

enum column {
    COLUMN_CLIENT,
    COLUMN_OPERATION,
    COLUMN_RESULT,
    COLUMN_FROM,
    COLUMN_TO,
    COLUMN_COUNT,
};

static const char *const titles[COLUMN_COUNT] = {"client", "operation", "result", "from", "to"};

/* Fits "CAS " and two numbers of 20 digits. */
#define CELL_BYTES 64

struct row {
    char cells[COLUMN_COUNT][CELL_BYTES];
};

static void write_call(const struct history_call *call, struct text *text)
{
    text_string(text, history_kind_text(call->kind));
    if (call->kind == HISTORY_CAS) {
        text_char(text, ' ');
        text_i64(text, call->expected);
    }
    if (call->kind == HISTORY_SET || call->kind == HISTORY_GETSET || call->kind == HISTORY_CAS ||
        call->kind == HISTORY_SETNX) {
        text_char(text, ' ');
        text_i64(text, call->argument);
    }
}

static void write_result(const struct history_operation *operation, struct text *text)
{
    switch (operation->outcome) {
    case HISTORY_PENDING:
        text_string(text, "pending");
        return;
    case HISTORY_UNKNOWN:
        text_string(text, "unknown");
        return;
    case HISTORY_REFUSED:
        text_string(text, "refused");
        return;
    case HISTORY_DONE:
        break;
    }
    if (operation->call.kind == HISTORY_SET) {
        text_string(text, "ok");
    } else if (operation->reply.is_present) {
        text_i64(text, operation->reply.number);
    } else {
        text_string(text, "nothing");
    }
}

static void make_row(const struct history_operation *operation, struct row *row)
{
    struct text cells[COLUMN_COUNT];

    for (int i = 0; i < COLUMN_COUNT; i++) {
        cells[i] = text_of(row->cells[i], CELL_BYTES);
    }
    text_u64(&cells[COLUMN_CLIENT], operation->call.client);
    write_call(&operation->call, &cells[COLUMN_OPERATION]);
    write_result(operation, &cells[COLUMN_RESULT]);
    text_u64(&cells[COLUMN_FROM], operation->invoked_at);
    if (operation->outcome == HISTORY_DONE) {
        text_u64(&cells[COLUMN_TO], operation->returned_at);
    } else {
        text_char(&cells[COLUMN_TO], '-');
    }
    for (int i = 0; i < COLUMN_COUNT; i++) {
        ASSERT(!cells[i].truncated);
    }
}

/* Numbers to the right, words to the left. */
static void write_row(const struct row *row, const size_t *widths, struct text *text)
{
    for (int i = 0; i < COLUMN_COUNT; i++) {
        bool is_word = i == COLUMN_OPERATION || i == COLUMN_RESULT;
        size_t length = strlen(row->cells[i]);
        text_string(text, "  ");
        text_string(text, is_word ? row->cells[i] : "");
        for (size_t blank = length; blank < widths[i]; blank++) {
            text_char(text, ' ');
        }
        text_string(text, is_word ? "" : row->cells[i]);
    }
    text_char(text, '\n');
}

static void write_table(const struct linearizability_report *report, const struct history *history,
                        struct text *text)
{
    size_t widths[COLUMN_COUNT];
    struct row row;

    for (int i = 0; i < COLUMN_COUNT; i++) {
        widths[i] = strlen(titles[i]);
    }
    for (size_t i = 0; i < report->shown_count; i++) {
        make_row(&history->operations[report->shown[i]], &row);
        for (int j = 0; j < COLUMN_COUNT; j++) {
            size_t length = strlen(row.cells[j]);
            widths[j] = length > widths[j] ? length : widths[j];
        }
    }
    for (int i = 0; i < COLUMN_COUNT; i++) {
        memcpy(row.cells[i], titles[i], strlen(titles[i]) + 1);
    }
    write_row(&row, widths, text);
    for (size_t i = 0; i < report->shown_count; i++) {
        make_row(&history->operations[report->shown[i]], &row);
        write_row(&row, widths, text);
    }
}

static void write_violation(const struct linearizability_report *report,
                            const struct history *history, struct text *text)
{
    const struct history_operation *last = &history->operations[report->last];

    text_string(text, "key ");
    text_u64(text, report->key);
    text_string(text, " is not linearizable: since client ");
    text_u64(text, last->call.client);
    text_string(text, "'s ");
    write_call(&last->call, text);
    text_string(text, " returned at ");
    text_u64(text, last->returned_at);
    text_string(text, ", no order explains these\n");
    if (report->left_out_count > 0) {
        text_string(text, "  (");
        text_u64(text, report->left_out_count);
        text_string(text, " earlier operations that belong to them are left out)\n");
    }
    write_table(report, history, text);
}

void linearizability_report_write(const struct linearizability_report *report,
                                  const struct history *history, struct text *text)
{
    if (report->verdict == LINEARIZABILITY_VIOLATED) {
        write_violation(report, history, text);
        return;
    }
    text_u64(text, report->operation_count);
    text_string(text, report->operation_count == 1 ? " operation on " : " operations on ");
    text_u64(text, report->key_count);
    text_string(text, report->key_count == 1 ? " key: " : " keys: ");
    if (report->verdict == LINEARIZABILITY_HOLDS) {
        text_string(text, "linearizable\n");
        return;
    }
    text_u64(text, report->undecided_key_count);
    text_string(text, " undecided, the first of them key ");
    text_u64(text, report->key);
    text_char(text, '\n');
}
