/* test_base_error.c: every error has a name, a text and a class. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <limits.h>
#include <string.h>

#include "quorate/error.h"

static const int errors[] = {
#define X(name, value, kind, text) name,
    QR_ERROR_MAP(X)
#undef X
};

static void each_error_has_a_name_a_text_and_a_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        const char *name = qr_error_name(errors[i]);
        const char *text = qr_error_text(errors[i]);
        assert_memory_equal(name, "QR_ERR_", 7);
        assert_string_not_equal(name, "QR_ERR_?");
        assert_true(strlen(text) > 0);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        assert_int_not_equal(qr_error_class_of(errors[i]), QR_CLASS_NONE);
    }
}

static void errors_are_numbered_downwards_without_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        assert_int_equal(errors[i], -1 - (int)i);
    }
}

static void names_and_texts_stand_for_one_error_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        for (size_t j = i + 1; j < COUNT_OF(errors); j++) {
            assert_string_not_equal(qr_error_name(errors[i]), qr_error_name(errors[j]));
            assert_string_not_equal(qr_error_text(errors[i]), qr_error_text(errors[j]));
        }
    }
}

static void success_and_unknown_numbers_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(qr_error_name(0), "QR_OK");
    assert_int_equal(qr_error_class_of(0), QR_CLASS_NONE);
    assert_string_equal(qr_error_name(-9999), "QR_ERR_?");
    assert_string_equal(qr_error_name(1), "QR_ERR_?");
    assert_int_equal(qr_error_class_of(-9999), QR_CLASS_FATAL);
}

static void only_what_may_have_happened_has_an_unknown_outcome(void **state)
{
    (void)state;
    const int unknown[] = {QR_ERR_TIMEOUT, QR_ERR_CANCELLED, QR_ERR_EXPIRED, QR_ERR_FORGOTTEN};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        int is_unknown = 0;
        for (size_t j = 0; j < COUNT_OF(unknown); j++) {
            is_unknown = is_unknown || errors[i] == unknown[j];
        }
        assert_int_equal(qr_error_class_of(errors[i]) == QR_CLASS_UNKNOWN, is_unknown);
    }
}

/* Every error by itself: a new one has to be thought about. */
static const struct {
    int error;
    bool is_certain;
} certainties[] = {
    {QR_ERR_INVALID, true},    {QR_ERR_NOT_LEADER, true},
    {QR_ERR_NO_LEADER, true},  {QR_ERR_MALFORMED, false},
    {QR_ERR_IO, false},        {QR_ERR_CORRUPT, false},
    {QR_ERR_NO_MEMORY, false}, {QR_ERR_BUSY, true},
    {QR_ERR_TOO_LARGE, true},  {QR_ERR_TIMEOUT, false},
    {QR_ERR_SUPERSEDED, true}, {QR_ERR_STOPPED, false}, /* before or after it was sent */
    {QR_ERR_LOCKED, true},     {QR_ERR_NOT_FOUND, true},
    {QR_ERR_VERSION, true},    {QR_ERR_FOREIGN, true},
    {QR_ERR_DISK_FULL, true},  {QR_ERR_PENDING, true},
    {QR_ERR_ADDRESS, true},    {QR_ERR_CANCELLED, false},
    {QR_ERR_EXPIRED, false},   /* never again; before, who knows */
    {QR_ERR_FORGOTTEN, false}, /* it was applied */
    {QR_ERR_SETTLED, true},    {QR_ERR_MISMATCH, true},
    {QR_ERR_BEHIND, true},     {QR_ERR_QUORUM, true},
    {QR_ERR_STALE, true},      {QR_ERR_REJECTED, true},
    {QR_ERR_POISON, false},    {QR_ERR_DIVERGED, true},
    {QR_ERR_WITHDRAWN, true},
};

static void each_error_says_whether_anything_may_have_happened(void **state)
{
    (void)state;
    assert_int_equal(COUNT_OF(certainties), COUNT_OF(errors));
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        print_message("%s\n", qr_error_name(errors[i]));
        assert_int_equal(certainties[i].error, errors[i]);
        assert_int_equal(qr_error_is_certain(errors[i]), certainties[i].is_certain);
    }
}

static void of_an_error_that_is_not_known_nothing_is_certain(void **state)
{
    (void)state;
    const int numbers[] = {0, 1, errors[COUNT_OF(errors) - 1] - 1, -9999, INT_MIN, INT_MAX};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_false(qr_error_is_certain(numbers[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_a_name_a_text_and_a_class),
        cmocka_unit_test(errors_are_numbered_downwards_without_gaps),
        cmocka_unit_test(names_and_texts_stand_for_one_error_each),
        cmocka_unit_test(success_and_unknown_numbers_are_told_apart),
        cmocka_unit_test(only_what_may_have_happened_has_an_unknown_outcome),
        cmocka_unit_test(each_error_says_whether_anything_may_have_happened),
        cmocka_unit_test(of_an_error_that_is_not_known_nothing_is_certain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
