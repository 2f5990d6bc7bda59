/* options.h: numbers, and the options of SET, GETEX and EXPIRE. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_OPTIONS_H
#define KV_OPTIONS_H

#include "kv/kv.h"

enum kv_option {
    KV_OPTION_NX = 1,
    KV_OPTION_XX = 2,
    KV_OPTION_IFEQ = 4,
    KV_OPTION_GET = 8,
    KV_OPTION_KEEPTTL = 16,
    KV_OPTION_PERSIST = 32,
    KV_OPTION_EX = 64,    /* seconds from now */
    KV_OPTION_PX = 128,   /* milliseconds from now */
    KV_OPTION_EXAT = 256, /* seconds since the Unix epoch */
    KV_OPTION_PXAT = 512, /* milliseconds since the Unix epoch */
    KV_OPTION_GT = 1024,
    KV_OPTION_LT = 2048,
};

#define KV_OPTIONS_TIME (KV_OPTION_EX | KV_OPTION_PX | KV_OPTION_EXAT | KV_OPTION_PXAT)
#define KV_OPTIONS_SET                                                                             \
    (KV_OPTION_NX | KV_OPTION_XX | KV_OPTION_IFEQ | KV_OPTION_GET | KV_OPTION_KEEPTTL |            \
     KV_OPTIONS_TIME)
#define KV_OPTIONS_GETEX (KV_OPTION_PERSIST | KV_OPTIONS_TIME)

extern const char kv_error_syntax[];
extern const char kv_error_integer[];
extern const char kv_error_copied[];
extern const char kv_error_size[];

struct kv_options {
    unsigned flags; /* enum kv_option */
    int64_t time;   /* what stands behind the one of KV_OPTIONS_TIME */
    struct kv_argument ifeq;
};

/* Whether an argument is `word`, which is in upper case, in any case. */
bool kv_argument_is(const struct kv_argument *argument, const char *word);

/* Read a signed decimal number, written the one way Redis writes it: no plus sign, space or
 * leading zero. False, and `out` untouched, when it is none or does not fit.
 */
bool kv_integer_parse(const struct kv_argument *argument, int64_t *out);

/* Read the options of a command, those in `allowed` alone.
 *
 * Returns NULL, or the error text when they do not parse or contradict.
 */
const char *kv_options_parse(const struct kv_argument *arguments, size_t count, unsigned allowed,
                             struct kv_options *out);

/* Read the options of EXPIRE and its kin: NX, XX, GT, LT.
 *
 * unsupported   set to the argument that is none of them, or to NULL.
 * Returns NULL, or the error text when they contradict.
 */
const char *kv_expire_options_parse(const struct kv_argument *arguments, size_t count,
                                    unsigned *flags, const struct kv_argument **unsupported);

/* The expiry time that `value` in a unit of KV_OPTIONS_TIME means at log time `now_ns`; what
 * lies in the past may be any time up to it but 0.
 *
 * Returns false, and `out` untouched, when it does not fit in 64 bits of nanoseconds, that is
 * when it lies behind the year 2554.
 */
bool kv_expiry_compute(int64_t value, unsigned unit, time_ns now_ns, time_ns *out);

#endif
