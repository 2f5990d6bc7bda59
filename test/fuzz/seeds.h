/* seeds.h: what the files that write first inputs share.
 *
 * Owns     one input at a time, which is made with a writer and then written to a file.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include "base/bytes.h"
#include "wire/wire.h"

#define SEEDS_CLUSTER ((struct cluster_id){7, 7})

/* Begin an input. */
struct writer *seeds_begin(void);

/* Write what was made to FOLDER/fuzzer/seed_name. */
void seeds_end(const char *fuzzer, const char *name);

/* seeds_network.c */

/* A message with values that its type alone decides. */
struct wire_message seeds_sample(uint8_t type);

/* Put a frame there; with `count` entries, for a message that may have some. Returns its bytes. */
size_t seeds_put_frame(struct writer *writer, const struct wire_message *message);
size_t seeds_put_frame_with(struct writer *writer, struct wire_message message, size_t count);

/* An operation of fuzz/transport.c or fuzz/node.c: number 0 with a frame, or one with a number. */
void seeds_put_frame_operation(struct writer *writer, struct wire_message message, size_t count);
void seeds_put_operation(struct writer *writer, uint8_t operation, uint16_t number);

void seeds_make_network(void);

/* seeds_node.c, seeds_log.c, seeds_packet.c */
void seeds_make_packet(void);
void seeds_make_node(void);
void seeds_make_log(void);

#endif
