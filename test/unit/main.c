/* main.c: the unit tests of one room in one program, each of them a file with a main() of its own.
 *
 * Does not know which they are: UNIT_TESTS is a list that test/unit/meson.build makes of its names,
 * under which it renames each main().
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#define X(name) int test_##name(void);
UNIT_TESTS(X)
#undef X

static const struct unit_test {
    const char *name;
    int (*run)(void);
} tests[] = {
#define X(name) {#name, test_##name},
    UNIT_TESTS(X)
#undef X
};

#define TEST_COUNT (sizeof(tests) / sizeof(tests[0]))

static const struct unit_test *find(const char *name)
{
    for (size_t i = 0; i < TEST_COUNT; i++) {
        if (strcmp(tests[i].name, name) == 0) {
            return &tests[i];
        }
    }
    return NULL;
}

/* Run the tests that are named, or all, one after the other. Returns 0 if all passed, 1 if one did
 * not, 2 if a name is none.
 */
int main(int count, char **arguments)
{
    int failed = 0;
    for (size_t i = 0; count < 2 && i < TEST_COUNT; i++) {
        failed |= tests[i].run() != 0;
    }
    for (int i = 1; i < count; i++) {
        const struct unit_test *test = find(arguments[i]);
        if (test == NULL) {
            fprintf(stderr, "%s: no such test: %s\n", arguments[0], arguments[i]);
            return 2;
        }
        failed |= test->run() != 0;
    }
    return failed;
}
