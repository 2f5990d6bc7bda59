/* mutant_environment.c: lets the seeded bug loose that the variable QUORATE_MUTANT names.
 *
 * Linked into the tests of a build with MUTANTS only; tools/mutants.sh sets the variable.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"

__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("QUORATE_MUTANT");
    if (name != NULL && mutant_choose(name) != 0) {
        (void)fprintf(stderr, "QUORATE_MUTANT: there is no mutant %s\n", name);
        exit(2);
    }
}
