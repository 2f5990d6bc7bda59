/* check.c: tells each checker what it wants to know. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swim/check.h"

#include <string.h>

static void on_sent(void *context, uint32_t from, uint32_t to, const struct swim_message *message,
                    size_t size_bytes, bool is_stream)
{
    (void)from;
    (void)to;
    (void)size_bytes;
    if (!is_stream) {
        check_load_sent(context, message);
    }
}

static void on_news(void *context, uint32_t node, const struct swim_news *news)
{
    struct checks *checks = context;
    check_return_news(checks, node, news);
    check_leader_news(checks, node, news);
    check_names_news(checks, node, news);
    check_witness_news(checks, node, news);
}

static void on_stepped(void *context, uint32_t node, const struct swim_message *message)
{
    struct checks *checks = context;
    (void)message;
    check_incarnation_stepped(checks, node);
    check_return_stepped(checks, node);
}

struct world_watch checks_watch(struct checks *checks, struct world *world)
{
    memset(checks, 0, sizeof(*checks));
    checks->world = world;
    return (struct world_watch){
        .context = checks, .sent = on_sent, .news = on_news, .stepped = on_stepped};
}

void checks_forget(struct checks *checks, uint32_t node)
{
    memset(checks->known[node], 0, sizeof(checks->known[node]));
    memset(checks->ended[node], 0, sizeof(checks->ended[node]));
    checks->term[node] = 0;
    checks->leader[node] = 0;
}

void checks_at_rest(struct checks *checks)
{
    check_agree_at_rest(checks);
    check_left_at_rest(checks);
    check_leader_at_rest(checks);
}
