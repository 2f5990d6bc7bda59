/* resp_inline.c: words and quotes of an inline command. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp_inline.h"

#include "base/assert.h"

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == '\0';
}

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

static uint8_t escaped(uint8_t letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return letter;
    }
}

/* One byte of a double-quoted word that begins with a backslash; at least two are left. */
static void take_escape(struct resp_line *line)
{
    const uint8_t *at = line->at;

    if (at[1] == 'x' && line->end - at >= 4 && hex_value(at[2]) >= 0 && hex_value(at[3]) >= 0) {
        *line->out++ = (uint8_t)(hex_value(at[2]) * 16 + hex_value(at[3]));
        line->at += 4;
        return;
    }
    *line->out++ = escaped(at[1]);
    line->at += 2;
}

/* The rest of a quoted word, up to its closing quote, which a blank or the end follows. */
static bool take_quoted(struct resp_line *line, uint8_t quote)
{
    line->at++;
    while (line->at < line->end && *line->at != quote) {
        bool has_two = line->end - line->at >= 2;
        if (quote == '"' && *line->at == '\\' && has_two) {
            take_escape(line);
        } else if (quote == '\'' && *line->at == '\\' && has_two && line->at[1] == '\'') {
            *line->out++ = '\'';
            line->at += 2;
        } else {
            *line->out++ = *line->at++;
        }
    }
    if (line->at == line->end) {
        return false;
    }
    line->at++;
    return line->at == line->end || is_blank(*line->at);
}

bool resp_inline_next(struct resp_line *line, struct kv_argument *word)
{
    while (line->at < line->end && is_blank(*line->at)) {
        line->at++;
    }
    if (line->at == line->end) {
        return false;
    }
    const uint8_t *begin = line->out;
    while (line->at < line->end && !is_blank(*line->at)) {
        if (*line->at == '"' || *line->at == '\'') {
            if (!take_quoted(line, *line->at)) {
                line->is_unbalanced = true;
                return false;
            }
        } else {
            *line->out++ = *line->at++;
        }
    }
    *word = (struct kv_argument){begin, (size_t)(line->out - begin)};
    return true;
}
