/* notify.h: tells the service manager how the node is, by the protocol of sd_notify(3). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

/* Send `state` ("READY=1", "STOPPING=1") to the socket that NOTIFY_SOCKET names; nothing
 * happens when it names none or nobody listens.
 */
void cli_notify(const char *state);

#endif
