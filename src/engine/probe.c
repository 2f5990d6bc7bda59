/* probe.c: a look at the threads of an engine, for tests of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/probe.h"

#include "engine/internal.h"

_Static_assert(ENGINE_PROBE_EVENTS_MAX == APPLICATION_EVENTS_MAX, "as many as there are");

pthread_t engine_probe_thread(const struct qr_engine *engine)
{
    return engine->thread;
}

pthread_t engine_probe_application(const struct qr_engine *engine)
{
    return engine->application.thread;
}

static void make_event(struct qr_engine *engine, void *argument)
{
    const struct swim_news news = {.type = SWIM_NEWS_UPDATED, .id = engine->self};
    (void)argument;
    engine->in_node++;
    engine_gossip_news(engine, &news, NULL);
    engine->in_node--;
    engine_mark(engine);
}

void engine_probe_event(struct qr_engine *engine)
{
    engine_call(engine, make_event, NULL);
}
