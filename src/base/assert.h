/* assert.h: assertions that stay on in release.
 *
 * A failure is our bug and ends the process. Bytes from a peer, a disk or a user are
 * checked and refused, never asserted.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* The one hook the pure folders need: prints and aborts. Defined outside them. */
__attribute__((noreturn, cold)) void assert_fail(const char *expression, const char *file, int line,
                                                 const char *function);

#define ASSERT(expression)                                                                         \
    (__builtin_expect(!(expression), 0) ? assert_fail(#expression, __FILE__, __LINE__, __func__)   \
                                        : (void)0)

#define ASSERT_IMPLIES(a, b) ASSERT(!(a) || (b))

#endif
