/* crc16.h: which of the 16,384 hash slots a key belongs to, as cluster-aware clients count. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CRC16_H
#define SERVER_CRC16_H

#include <stddef.h>
#include <stdint.h>

#define SERVER_SLOT_COUNT 16384

/* CRC16/XMODEM: polynomial 0x1021, nothing reflected, from 0. */
uint16_t server_crc16(const void *data, size_t size_bytes);

/* The slot of a key. Of a key with a {tag} that is not empty, the first tag alone counts. */
uint16_t server_key_slot(const void *key, size_t size_bytes);

#endif
