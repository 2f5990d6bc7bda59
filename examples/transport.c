/* transport.c: a counter of three processes on one machine that need no port: what they say to each
 * other goes by a transport of the program's own, unix_transport.h.
 *
 * usage: transport NAME ADDRESS [MEMBER,...]    as in node.h, but that an ADDRESS names two files
 *                                               in the present folder; each line of standard
 *                                               input counts one up, and is answered by the count
 *
 * Who may open the files may take part, and nobody else: that is what is_insecure says here.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "unix_transport.h"

#include "lines.h"

static int apply(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    uint64_t *count = state;
    *count += entry->payload_bytes > 0; /* else it is a tick */
    return node_reply(reply, "%" PRIu64, *count);
}

int main(int argc, char **argv)
{
    uint64_t count = 0;
    struct qr_plain_options plain = {
        .size_bytes = sizeof(plain), .state = &count, .state_bytes = sizeof(count), .apply = apply};
    struct qr_state_machine machine = node_machine(&plain);
    struct qr_engine_options options = node_options(argc, argv, &machine);
    options.transport = &unix_transport;
    options.is_insecure = true;
    struct qr_engine *engine = node_open(&options);
    node_serve(engine, NULL, NULL);
    qr_engine_free(engine);
    qr_plain_free(&machine);
    return 0;
}
