/* mutant.c: which seeded bug lives. Nothing is here in a build without MUTANTS.
 *
 * The one global that changes in the pure folders; no build that is shipped has it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"

#ifdef MUTANTS

#include "quorate/error.h"

enum mutant mutant_active = MUTANT_NONE;

static const struct mutant_line lines[] = {
#define X(name, words, breaks, rule) {words, breaks, rule},
    MUTANT_MAP(X)
#undef X
};

static bool is_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

int mutant_choose(const char *name)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (is_equal(lines[i].name, name)) {
            mutant_active = (enum mutant)(i + 1);
            return 0;
        }
    }
    return QR_ERR_NOT_FOUND;
}

const struct mutant_line *mutant_at(size_t index)
{
    return index < sizeof(lines) / sizeof(lines[0]) ? &lines[index] : NULL;
}

#endif
