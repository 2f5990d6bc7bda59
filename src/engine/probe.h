/* probe.h: a look at the threads of an engine, for tests of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PROBE_H
#define ENGINE_PROBE_H

#include <pthread.h>

#include "quorate/engine.h"

#define ENGINE_PROBE_EVENTS_MAX 128 /* of members, that wait for the application thread */

pthread_t engine_probe_thread(const struct qr_engine *engine);
pthread_t engine_probe_application(const struct qr_engine *engine);

/* Let gossip say that this very node told something new of itself. Any thread. */
void engine_probe_event(struct qr_engine *engine);

#endif
