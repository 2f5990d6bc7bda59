/* error.c: names, texts and classes of the one error list. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "quorate/error.h"

const char *qr_error_name(int error)
{
    switch (error) {
    case 0:
        return "QR_OK";
#define X(name, value, kind, text)                                                                 \
    case name:                                                                                     \
        return #name;
        QR_ERROR_MAP(X)
#undef X
    default:
        return "QR_ERR_?";
    }
}

const char *qr_error_text(int error)
{
    switch (error) {
    case 0:
        return "done";
#define X(name, value, kind, text)                                                                 \
    case name:                                                                                     \
        return text;
        QR_ERROR_MAP(X)
#undef X
    default:
        return "an unknown error";
    }
}

enum qr_error_class qr_error_class_of(int error)
{
    switch (error) {
    case 0:
        return QR_CLASS_NONE;
#define X(name, value, kind, text)                                                                 \
    case name:                                                                                     \
        return QR_CLASS_##kind;
        QR_ERROR_MAP(X)
#undef X
    default:
        return QR_CLASS_FATAL;
    }
}

bool qr_error_is_certain(int error)
{
    enum qr_error_class kind = qr_error_class_of(error);
    return kind == QR_CLASS_CALLER || kind == QR_CLASS_RETRY;
}
