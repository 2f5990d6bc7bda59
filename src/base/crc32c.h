/* crc32c.h: the checksum of records and frames (RFC 3720, appendix B.4: Castagnoli). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C of `data` behind the bytes whose CRC32C is `seed`; 0 to start.
 *
 * Cost: the processor's instruction where there is one, else a table.
 */
uint32_t crc32c(uint32_t seed, const void *data, size_t size_bytes);

/* The same by table alone, for tests and for processors without the instruction. */
uint32_t crc32c_by_table(uint32_t seed, const void *data, size_t size_bytes);

#endif
