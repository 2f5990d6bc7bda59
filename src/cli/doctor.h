/* doctor.h: what `quorate doctor` prints. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "quorate/doctor.h"

void doctor_print_text(const struct qr_doctor *doctor, size_t count,
                       const struct qr_doctor_verdict *verdict);

/* One object: directories, and the verdict. */
void doctor_print_json(const struct qr_doctor *doctor, size_t count,
                       const struct qr_doctor_verdict *verdict);

void doctor_print_recovered(const char *path, const struct qr_id *cluster, bool is_json);

#endif
