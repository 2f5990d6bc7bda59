/* serve_options.h: how one node is told what to be: defaults, then a file, then flags.
 *
 * Owns     the names, bounds and meaning of every setting; the command line and the
 *          configuration file know the same ones.
 * Does not know what is done with them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SERVE_OPTIONS_H
#define CLI_SERVE_OPTIONS_H

#include "base/types.h"
#include "cli/address.h"
#include "quorate/engine.h"

#define SERVE_PATH_BYTES_MAX 4096
#define SERVE_JOIN_BYTES_MAX (CLI_ADDRESSES_MAX * QR_ADDRESS_BYTES_MAX)
#define SERVE_SETTINGS_MAX 48
#define SERVE_SETTING_NAME_BYTES_MAX 64

struct serve_options {
    char name[QR_NAME_BYTES_MAX];
    char data[SERVE_PATH_BYTES_MAX];
    char peer[QR_ADDRESS_BYTES_MAX];
    char client[QR_ADDRESS_BYTES_MAX];
    char http[QR_ADDRESS_BYTES_MAX];
    char advertise[QR_ADDRESS_BYTES_MAX]; /* "": as peer */
    char join[SERVE_JOIN_BYTES_MAX];      /* "": nobody */
    bool is_bootstrap;
    bool is_waiting;
    bool is_learner;
    char secret_file[SERVE_PATH_BYTES_MAX]; /* "": none */
    bool is_insecure;
    bool is_observer;
    bool has_no_hints;
    enum qr_on_divergence on_divergence;
    enum qr_swim_profile swim_profile;
    uint64_t given_limits; /* a bit each, of those that were set by name: no profile sets them */
    enum qr_read_kind read_mode; /* linearizable, lease or stale */
    enum qr_disk_driver disk;
    enum qr_log_format log_format;
    enum qr_log_level log_level;
    struct qr_limits limits;
};

/* One setting, as a flag and as an entry of the file. */
struct serve_setting {
    char name[SERVE_SETTING_NAME_BYTES_MAX]; /* with dashes */
    const char *argument;                    /* "HOST:PORT"; NULL: yes or no */
    char help[160];
};

/* Fill the list of all settings. Returns their count, at most SERVE_SETTINGS_MAX. */
size_t serve_settings_list(struct serve_setting *out);

/* The defaults; the name is the host's. */
void serve_options_init(struct serve_options *options);

/* Set one.
 *
 * value    of a setting that is yes or no: "true" or "false".
 * detail   of QR_ERROR_DETAIL_BYTES; on failure "name: value is …, bounds".
 *
 * Returns 0, QR_ERR_NOT_FOUND (no such name) or QR_ERR_INVALID; then nothing changed.
 */
NODISCARD int serve_options_set(struct serve_options *options, const char *name, const char *value,
                                char *detail);

/* Set everything that the YAML file says.
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure a sentence with file, line and name.
 *
 * Returns 0 or QR_ERR_INVALID; then some settings may have changed.
 */
NODISCARD int serve_config_load(const char *path, struct serve_options *options, char *detail);

/* Check what settings must be together.
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure "name: value contradicts …".
 *
 * Returns 0 or QR_ERR_INVALID.
 */
NODISCARD int serve_options_check(const struct serve_options *options, char *detail);

/* Parse the command line of `quorate serve`, with the file that it names; wrong usage ends
 * the process with CLI_USAGE.
 */
void serve_options_parse(int argc, char **argv, struct serve_options *out);

#endif
