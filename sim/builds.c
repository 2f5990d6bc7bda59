/* builds.c: the releases that were kept, the latest first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/builds.h"

#include "sim/past/layout.h"

/* X(version) */
#define RELEASE_MAP(X) X(0_1_0)

#define X(version)                                                                                 \
    extern const struct build build_##version;                                                     \
    extern const size_t layout_##version[LAYOUT_COUNT];
RELEASE_MAP(X)
#undef X

const struct build *const build_releases[] = {
#define X(version) &build_##version,
    RELEASE_MAP(X)
#undef X
};

const size_t *const build_release_layouts[] = {
#define X(version) layout_##version,
    RELEASE_MAP(X)
#undef X
};

const size_t build_release_count = sizeof(build_releases) / sizeof(build_releases[0]);
