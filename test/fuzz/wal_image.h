/* wal_image.h: the files of a log out of a fuzzer's bytes.
 *
 * Format   until the end: a byte whose two lowest bits are the file (0 is the first segment), and
 *          whose next bit says what follows: 0: a sector (u8), a length (u16), and so many bytes to
 *          stand there; 1: the file's size (u32). All else in the files is zero.
 * Does not know src/wal: checksums are made right by docs/wal-format.md alone, so that a wrong
 *          one there shows.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_WAL_IMAGE_H
#define FUZZ_WAL_IMAGE_H

#include "base/bytes.h"
#include "support/disk_memory.h"

#define WAL_IMAGE_NODE UINT64_C(0x8c0f00d) /* whose log the seeds are */
#define WAL_IMAGE_PLACES 2 /* flag: also make right where a batch stands, its number and chain */

/* Make the files that are told of. With FUZZ_FIX in `flags` the checksums are made right: of a
 * segment's header, if there is one, and of each sector that begins as a batch.
 */
void wal_image_make(struct disk_memory *disk, struct reader *reader, uint8_t flags);

#endif
