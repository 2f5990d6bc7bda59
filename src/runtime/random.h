/* random.h: chance from the kernel, for ids and seeds.
 *
 * Threads  any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RANDOM_H
#define RUNTIME_RANDOM_H

#include <stdint.h>

/* 64 random bits. May wait, once after boot, until the kernel has gathered enough. */
uint64_t runtime_random(void);

#endif
