/* resp_inline.h: the words of an inline command, as somebody types them into telnet. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RESP_INLINE_H
#define SERVER_RESP_INLINE_H

#include "base/types.h"
#include "kv/kv.h"

struct resp_line {
    const uint8_t *at; /* what is left of the line */
    const uint8_t *end;
    uint8_t *out;       /* where unquoted words go: as long as the line */
    bool is_unbalanced; /* a quote was not closed, or something follows it directly */
};

/* The next word: bare, in 'single' quotes (\' stands for '), or in "double" quotes with
 * \n \r \t \b \a \xHH and \ before any other byte.
 *
 * Returns false at the end of the line, or with is_unbalanced set.
 */
bool resp_inline_next(struct resp_line *line, struct kv_argument *word);

#endif
