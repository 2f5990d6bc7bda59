/* fuzz.h: what the fuzzers share.
 *
 * A fuzzer is one file with LLVMFuzzerTestOneInput(): it takes bytes for what they claim to be,
 * and asserts what must be true of the outcome. libFuzzer calls it, and so does replay.c.
 *
 * Checksums keep a fuzzer out of all that lies behind them. So the first byte of an input for a
 * format that has some says whether they are made right first.
 *
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/assert.h"
#include "base/bytes.h"
#include "base/chunk.h"
#include "base/text.h"
#include "support/heap.h"

#define FUZZ_FIX 1 /* in the first byte: make the checksums right */

/* Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* fix.c */

/* Make a record's checksum right, as far as its lengths are possible. Returns its bytes, 0 when
 * there is no record.
 */
size_t fuzz_fix_record(uint8_t *data, size_t size_bytes);

/* The same for a frame of `size_bytes`: its length, the checksum of its head, its records. */
void fuzz_fix_frame(uint8_t *data, size_t size_bytes);

/* The same for a snapshot's content: the checksum of each block, and that of the end. */
void fuzz_fix_content(uint8_t *data, size_t size_bytes);

/* check.c */

/* Assert that a text ends in its buffer and holds `length` bytes and no NUL. */
void fuzz_check_text(const struct text *text);

/* Assert that a text is one JSON value, if it is whole. */
void fuzz_check_json(const struct text *text);

/* A chunk that holds just these bytes, so that reading past them is noticed. */
struct chunk *fuzz_chunk(struct heap *heap, const uint8_t *data, size_t size_bytes);

#endif
