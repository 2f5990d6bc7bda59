/* members_watch.h: `quorate members --watch`: what happens to members and leaders. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEMBERS_WATCH_H
#define CLI_MEMBERS_WATCH_H

#include "cli/address.h"

struct members_watch_options {
    struct cli_addresses http; /* whom to ask, beside those that they tell of */
    bool is_json;
    uint64_t count; /* stop behind so many lines; 0: never */
};

/* Follow one node's events, and another's when that one is cut. Returns an enum cli_exit. */
int members_watch(const struct members_watch_options *options);

#endif
