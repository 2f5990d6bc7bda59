/* layout.c: the layout of types of a kept release, compiled with its headers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/past/layout.h"

const size_t LAYOUT_NAME[LAYOUT_COUNT] = LAYOUT_OF_TYPES;
