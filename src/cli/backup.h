/* backup.h: what `quorate backup` and `quorate restore` print of a backup. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BACKUP_H
#define CLI_BACKUP_H

#include "quorate/backup.h"

struct backup_printed {
    const char *path;
    const struct qr_backup_facts *facts;
    bool has_keys; /* they were counted */
    uint64_t keys;
    const char *directory;       /* restored into; NULL: none */
    const struct qr_id *cluster; /* the new one, with a directory */
    const char *name;            /* of the new node */
};

/* Print it to standard output. */
void backup_print(const struct backup_printed *printed, bool is_json);

#endif
