/* unit.h: cmocka with the headers it needs before it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
