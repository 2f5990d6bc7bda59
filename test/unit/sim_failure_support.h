/* sim_failure_support.h: what the tests of the simulator's checkers say of a verdict. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_FAILURE_SUPPORT_H
#define TEST_SIM_FAILURE_SUPPORT_H

#include "sim/check.h"
#include "support/unit.h"

static const struct sim_failure none;

#define assert_sound(failure)                                                                      \
    do {                                                                                           \
        assert_string_equal((failure).text, "");                                                   \
        assert_false((failure).is_set);                                                            \
    } while (0)

static void assert_broken(const struct sim_failure *failure, const char *checker)
{
    assert_true(failure->is_set);
    assert_string_equal(failure->checker, checker);
    assert_true(failure->text[0] != '\0');
}

#endif
